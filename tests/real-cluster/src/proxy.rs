//! A way to a cluster that does harm: it sees every request, and may answer it itself, cut the connection, or be slow.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cluster::Cluster;

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is served.
    Served,
    /// The server never sees it; this is the answer.
    Refused(u16),
    /// The server never sees it, and the connection ends.
    CutBefore,
    /// The server acts on it, and the connection ends before the answer.
    CutAfter,
    /// The answer comes late.
    Late(Duration),
    /// The answer begins, and the connection ends in the middle of it.
    CutInside,
}

/// A request as it passes.
#[derive(Debug, Clone)]
pub struct Passing {
    pub method: String,
    /// With its query.
    pub path: String,
    body: Vec<u8>,
    content_type: String,
    accept: String,
    user_agent: String,
}

impl Passing {
    /// Tells whether it is meant to change something.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.path.contains("dryRun=All")
    }
}

/// Decides what becomes of each request.
pub type Decide = dyn Fn(&Passing) -> Fate + Send + Sync;

/// A running proxy; it ends with its owner.
pub struct Proxy {
    kubeconfig: PathBuf,
    port: u16,
    ends: Arc<AtomicBool>,
}

/// Where requests go.
struct Upstream {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Proxy {
    /// Starts a proxy before a cluster.
    pub fn start(cluster: &Cluster, decide: Arc<Decide>) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (agent, url, token) = cluster.api().upstream();
        let upstream = Arc::new(Upstream { agent, url, token });
        let ends = Arc::new(AtomicBool::new(false));
        let ended = ends.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok).take_while(|_| !ended.load(Ordering::Relaxed)) {
                let (upstream, decide) = (upstream.clone(), decide.clone());
                // A connection that ends early is what this is for.
                std::thread::spawn(move || serve(stream, &upstream, &*decide));
            }
        });
        let kubeconfig = cluster.folder().join(format!("data/kubeconfig-{port}"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{ "name": "proxy", "cluster": { "server": format!("http://127.0.0.1:{port}") } }],
            "users": [{ "name": "nobody", "user": {} }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "nobody" } }],
        });
        fs::write(&kubeconfig, config.to_string())?;
        Ok(Proxy { kubeconfig, port, ends })
    }

    /// Returns a file with the way through the proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // The listener looks up once more; nothing is listening if this fails.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Serves the requests of one connection.
fn serve(stream: TcpStream, upstream: &Upstream, decide: &Decide) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        match decide(&request) {
            Fate::CutBefore => return Ok(()),
            Fate::Refused(code) => refuse(&stream, code)?,
            Fate::CutAfter => {
                // The answer begins when the server has acted; that of a watch does not end.
                upstream.send(&request)?;
                return Ok(());
            }
            Fate::CutInside => return upstream.pass(&request, &stream, Some(1)),
            Fate::Late(time) => {
                std::thread::sleep(time);
                upstream.pass(&request, &stream, None)?;
            }
            Fate::Served => upstream.pass(&request, &stream, None)?,
        }
    }
    Ok(())
}

fn refuse(mut stream: &TcpStream, code: u16) -> Result<()> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": if code == 409 { "Conflict" } else { "" }, "message": "said the proxy" });
    let body = status.to_string();
    let retry = if code == 429 { "Retry-After: 1\r\n" } else { "" };
    write!(stream, "HTTP/1.1 {code} Refused\r\nContent-Type: application/json\r\n{retry}Content-Length: {}\r\n\r\n{body}", body.len())?;
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Passing>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { bail!("{line:?} is no request") };
    let text = |text: &str| text.to_owned();
    let mut request = Passing {
        method: text(method),
        path: text(path),
        body: Vec::new(),
        content_type: String::new(),
        accept: String::new(),
        user_agent: String::new(),
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "content-type" => request.content_type = value.into(),
            "accept" => request.accept = value.into(),
            "user-agent" => request.user_agent = value.into(),
            "transfer-encoding" => bail!("a body of unknown length"),
            _ => {}
        }
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

impl Upstream {
    fn send(&self, request: &Passing) -> Result<ureq::http::Response<ureq::Body>> {
        let forwarded = ureq::http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.url, request.path))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", &request.accept)
            .header("user-agent", &request.user_agent)
            .header("content-type", &request.content_type);
        self.agent.run(forwarded.body(request.body.clone())?).with_context(|| format!("{} {}", request.method, request.path))
    }

    /// Passes the answer on as it comes, or only so many pieces of it.
    fn pass(&self, request: &Passing, mut stream: &TcpStream, pieces: Option<usize>) -> Result<()> {
        let mut response = self.send(request)?;
        let content_type =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("application/json").to_owned();
        write!(
            stream,
            "HTTP/1.1 {} Passed\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n",
            response.status().as_u16()
        )?;
        let mut body = response.body_mut().as_reader();
        let mut piece = vec![0; 64 * 1024];
        for number in 0.. {
            let size = body.read(&mut piece)?;
            if size == 0 {
                break;
            }
            let shown = if pieces.is_some() { size / 2 } else { size };
            write!(stream, "{shown:x}\r\n")?;
            stream.write_all(&piece[..shown])?;
            stream.write_all(b"\r\n")?;
            if pieces.is_some_and(|pieces| number + 1 >= pieces) {
                return Ok(());
            }
        }
        stream.write_all(b"0\r\n\r\n")?;
        Ok(())
    }
}
