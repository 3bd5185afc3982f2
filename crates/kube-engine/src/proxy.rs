//! Which proxy the API server is asked through.
//!
//! As client-go has it: the `proxy-url` of the kubeconfig's cluster, else what the environment says, as Go's
//! `golang.org/x/net/http/httpproxy` reads it: no proxy for what `NO_PROXY` names, and none for loopback.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Kubeconfig;

use crate::context;

/// Returns the `proxy-url` of the cluster that a context, else the current one, is about.
pub(crate) fn named<'a>(file: &'a Kubeconfig, context: Option<&str>) -> Option<&'a str> {
    let context = context::named(file, context)?;
    let cluster = file.clusters.iter().find(|named| named.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.as_deref().filter(|url| !url.is_empty())
}

/// Returns the proxy that environment variables name for a server. One without a scheme speaks HTTP.
pub(crate) fn of_environment(server: &Uri, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Uri>, String> {
    let set = |name: &str| [name.to_owned(), name.to_lowercase()].iter().filter_map(|name| variable(name)).find(|value| !value.is_empty());
    let name = if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let Some(proxy) = set(name) else { return Ok(None) };
    if is_loopback(server) || is_excepted(server, &set("NO_PROXY").unwrap_or_default()) {
        return Ok(None);
    }
    let proxy = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    proxy.parse().map(Some).map_err(|error| format!("{name}: {error}"))
}

/// Says, after a space, where a server is; of the proxy without a password.
pub(crate) fn place(server: &Uri, proxy: Option<&Uri>) -> String {
    let proxy = proxy.and_then(|proxy| proxy.authority()?.as_str().rsplit('@').next());
    let through = proxy.map(|proxy| format!(" (through the proxy {proxy})")).unwrap_or_default();
    format!(" {}{through}", server.to_string().trim_end_matches('/'))
}

fn is_excepted(server: &Uri, exceptions: &str) -> bool {
    exceptions.trim() == "*" || Matcher::builder().all("http://any").no(exceptions).build().intercept(server).is_none()
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        of_environment(&server.parse().unwrap(), variable).unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn servers_are_asked_through_the_proxy_of_their_scheme() {
        let variables = [("HTTPS_PROXY", "http://me:secret@proxy:3128"), ("http_proxy", "other:80")];
        assert_eq!(proxy("https://api.example:6443", &variables).unwrap(), "http://me:secret@proxy:3128/");
        assert_eq!(proxy("http://api.example:8080", &variables).unwrap(), "http://other:80/");
        assert_eq!(proxy("http://api.example:8080", &variables[..1]), None);
        assert_eq!(proxy("https://api.example:6443", &[("HTTPS_PROXY", ""), ("https_proxy", "proxy:1")]).unwrap(), "http://proxy:1/");
    }

    #[test]
    fn exceptions_and_loopback_are_asked_directly() {
        let with = |no: &'static str| [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no)];
        for (server, no) in [
            ("https://10.1.2.3:6443", "localhost, 10.0.0.0/8,"),
            ("https://[fd00::1]:6443", "fd00::/8"),
            ("https://10.1.2.3:6443", "10.1.2.3"),
            ("https://api.example.org:6443", "example.org"),
            ("https://api.example.org:6443", ".example.org"),
            ("https://api.example.org:6443", "*"),
            ("https://127.0.0.1:6443", ""),
            ("https://[::1]:6443", ""),
            ("https://localhost:6443", ""),
        ] {
            assert_eq!(proxy(server, &with(no)), None, "{server} {no}");
        }
        for (server, no) in [("https://10.1.2.3:6443", "11.0.0.0/8"), ("https://api.example.org:6443", "example.com,ample.org")] {
            assert!(proxy(server, &with(no)).is_some(), "{server} {no}");
        }
    }

    #[test]
    fn a_place_shows_no_password() {
        let (server, proxy) = ("https://api:6443".parse().unwrap(), "http://me:secret@proxy:3128".parse().unwrap());
        assert_eq!(place(&server, Some(&proxy)), " https://api:6443 (through the proxy proxy:3128)");
        assert_eq!(place(&server, None), " https://api:6443");
    }

    #[test]
    fn the_kubeconfig_names_a_proxy_for_a_cluster() {
        let text = "clusters: [{name: a, cluster: {proxy-url: 'http://p:1'}}, {name: b, cluster: {}}]\n\
                    contexts: [{name: x, context: {cluster: a}}, {name: y, context: {cluster: b}}]\ncurrent-context: x\n";
        let file = Kubeconfig::from_yaml(text).unwrap();
        assert_eq!(named(&file, None), Some("http://p:1"));
        assert_eq!(named(&file, Some("y")), None);
        assert_eq!(named(&file, Some("z")), None);
    }
}
