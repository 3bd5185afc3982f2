//! Which way to the API server the program takes, seen from the proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use launchway_tests::{Run, command, run, temporary};

/// Starts a proxy that lets nobody through, and tells of every first line that it hears.
fn proxy() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, lines) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
            if heard.send(line.trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    (address, lines)
}

/// Asks a server, and returns the run with what the proxy heard.
fn asked(server: &str, of_cluster: bool, no_proxy: &str) -> (Run, Vec<String>) {
    let (address, lines) = proxy();
    let folder = temporary().unwrap();
    let named = if of_cluster { format!(", proxy-url: 'http://{address}'") } else { String::new() };
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{ name: c, cluster: {{ server: '{server}'{named} }} }}]\n\
         users: [{{ name: u, user: {{ token: t }} }}]\ncontexts: [{{ name: x, context: {{ cluster: c, user: u }} }}]\ncurrent-context: x\n"
    );
    fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
    let mut verify = command(folder.path());
    verify.args(["verify", "--kubeconfig", "kubeconfig"]).env("NO_PROXY", no_proxy);
    if !of_cluster {
        verify.env("HTTPS_PROXY", format!("http://me:secret@{address}"));
    }
    (run(&mut verify), lines.try_iter().collect())
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn the_environment_s_proxy_is_asked_and_named() {
    let (run, heard) = asked("https://api.invalid:6443", false, "other.invalid");
    assert_eq!(heard.first().map(String::as_str), Some("CONNECT api.invalid:6443 HTTP/1.1"), "{run:?}");
    assert!(run.stderr.contains("https://api.invalid:6443 (through the proxy 127.0.0.1:"), "{run:?}");
    assert!(!run.stderr.contains("secret"), "{run:?}");
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn what_no_proxy_names_and_loopback_is_asked_directly() {
    for (server, no_proxy) in [("https://api.invalid:6443", ".invalid"), ("https://127.0.0.1:1", "")] {
        let (run, heard) = asked(server, false, no_proxy);
        assert_eq!((run.code, heard), (3, Vec::new()), "{run:?}");
        assert!(run.stderr.contains(&format!("the API server {server} cannot be reached")), "{run:?}");
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn the_cluster_s_own_proxy_is_asked_whatever_the_environment_says() {
    let (run, heard) = asked("https://127.0.0.1:1", true, "*");
    assert_eq!(heard.first().map(String::as_str), Some("CONNECT 127.0.0.1:1 HTTP/1.1"), "{run:?}");
}
