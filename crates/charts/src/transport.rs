//! One HTTP request and its answer: who may be asked without TLS, redirects, retries, limits and time.
//!
//! Redirects are followed here and not by the HTTP library, since each hop needs the same rules: no plain HTTP that was not allowed, and
//! no credentials for another origin.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::error::{Kind, Problem};

const ATTEMPTS: u32 = 5;
const REDIRECTS: usize = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

/// What is asked.
pub(crate) struct Request<'a> {
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    /// The value of the header, if any: goes to the origin of `url` only.
    pub(crate) authorization: Option<String>,
    /// A form to post; without one the request is a GET.
    pub(crate) form: Option<String>,
    /// A host for which plain HTTP is allowed in addition, whatever its port.
    pub(crate) insecure_host: Option<&'a str>,
    /// The largest body that is taken.
    pub(crate) limit: u64,
}

impl<'a> Request<'a> {
    pub(crate) fn get(url: Url, accept: &'a str, limit: u64) -> Request<'a> {
        Request { url, accept, authorization: None, form: None, insecure_host: None, limit }
    }
}

/// What came back, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Who answered, after redirects.
    pub(crate) url: Url,
}

/// Plain HTTP has clients of its own, which need no certificates: a machine without any can still use it.
#[derive(Default)]
struct Clients {
    tls: OnceLock<Result<Client, Problem>>,
    tls_direct: OnceLock<Result<Client, Problem>>,
    plain: OnceLock<Result<Client, Problem>>,
    plain_direct: OnceLock<Result<Client, Problem>>,
}

pub(crate) struct Transport {
    clients: Clients,
    plain_http: Vec<String>,
    first_wait: Duration,
    offline: bool,
}

impl Transport {
    pub(crate) fn new(plain_http: Vec<String>) -> Transport {
        Transport { clients: Clients::default(), plain_http, first_wait: Duration::from_millis(500), offline: false }
    }

    /// Refuses every request.
    pub(crate) fn offline(mut self, offline: bool) -> Transport {
        self.offline = offline;
        self
    }

    /// Shortens the waits between attempts.
    #[cfg(test)]
    pub(crate) fn hasty(mut self) -> Transport {
        self.first_wait = Duration::from_millis(1);
        self
    }

    /// Tells whether plain HTTP is allowed for a host and port; an entry without a port allows all of them.
    pub(crate) fn allows_plain(&self, url: &Url, insecure_host: Option<&str>) -> bool {
        let Some(host) = url.host_str() else { return false };
        let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        let named =
            |entry: &String| entry.eq_ignore_ascii_case(host) || with_port.as_ref().is_some_and(|text| entry.eq_ignore_ascii_case(text));
        insecure_host.is_some_and(|insecure| insecure.eq_ignore_ascii_case(host)) || self.plain_http.iter().any(named)
    }

    fn check_scheme(&self, request: &Request<'_>) -> Result<(), Problem> {
        match request.url.scheme() {
            "https" => Ok(()),
            "http" if self.allows_plain(&request.url, request.insecure_host) => Ok(()),
            "http" => Err(Problem::new(Kind::Denied, format!("{} is plain HTTP, which is not allowed for this host", shown(&request.url)))
                .hint(format!("use https, or allow it with --plain-http {}", authority(&request.url)))),
            scheme => Err(Problem::new(Kind::Invalid, format!("addresses that start with {scheme}: are not supported"))),
        }
    }

    /// Sends a request, again after failures that may pass, and follows redirects.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Problem> {
        if self.offline {
            return Err(Problem::new(Kind::Offline, "is not at hand, and nothing is fetched here"));
        }
        let mut request = request;
        for _ in 0..=REDIRECTS {
            let answer = self.send_with_retries(&request).await?;
            let Some(target) = redirect(&request, &answer)? else { return Ok(answer) };
            if target.origin() != request.url.origin() {
                request.authorization = None;
            }
            request.url = target;
        }
        Err(Problem::new(Kind::Unavailable, format!("{} redirects more than {REDIRECTS} times", shown(&request.url))))
    }

    async fn send_with_retries(&self, request: &Request<'_>) -> Result<Answer, Problem> {
        self.check_scheme(request)?;
        let mut wait = self.first_wait;
        let mut attempt = 1;
        loop {
            let (problem, asked) = match self.send_once(request).await {
                Ok(answer) if !may_pass(answer.status) => return Ok(answer),
                Ok(answer) => (overloaded(request, &answer), retry_after(&answer.headers)),
                Err(Failure::Final(problem)) => return Err(problem),
                Err(Failure::Passing(problem)) => (problem, None),
            };
            let pause = asked.unwrap_or(wait);
            if attempt == ATTEMPTS || pause > LONGEST_WAIT {
                return Err(problem);
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            attempt += 1;
        }
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let method = if request.form.is_some() { Method::POST } else { Method::GET };
        let mut builder =
            self.client(&request.url).map_err(Failure::Final)?.request(method, request.url.clone()).header(ACCEPT, request.accept);
        if let Some(value) = &request.authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some(form) = &request.form {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone());
        }
        let response = builder.send().await.map_err(|error| failure(&request.url, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body(request, response).await?;
        Ok(Answer { status, headers, body, url: request.url.clone() })
    }

    fn client(&self, url: &Url) -> Result<&Client, Problem> {
        let is_tls = url.scheme() == "https";
        let is_direct = is_loopback(url);
        let place = match (is_tls, is_direct) {
            (true, false) => &self.clients.tls,
            (true, true) => &self.clients.tls_direct,
            (false, false) => &self.clients.plain,
            (false, true) => &self.clients.plain_direct,
        };
        place.get_or_init(|| build_client(is_tls, is_direct)).as_ref().map_err(Clone::clone)
    }
}

/// Proxies are never asked for loopback, as in Go.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn build_client(is_tls: bool, is_direct: bool) -> Result<Client, Problem> {
    // Somebody else may have chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("launchway/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .timeout(WHOLE);
    if is_direct {
        builder = builder.no_proxy();
    }
    // No proxy is reached by TLS then either, which is what nearly all proxies are like.
    if !is_tls {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        Problem::new(Kind::Unavailable, format!("TLS cannot be set up: {}", causes(&error)))
            .hint("install the certificates of the system's authorities, or name a file of them in SSL_CERT_FILE")
    })
}

enum Failure {
    Passing(Problem),
    Final(Problem),
}

fn failure(url: &Url, error: reqwest::Error) -> Failure {
    let causes = causes(&error.without_url());
    let problem = Problem::new(Kind::Unavailable, format!("{} cannot be reached: {causes}", shown(url)));
    // What rustls says when the first bytes of an answer are not TLS.
    if causes.contains("InvalidContentType") {
        let hint = format!("it may speak plain HTTP: allow that with --plain-http {}", authority(url));
        return Failure::Final(problem.hint(hint));
    }
    // Neither a certificate nor a name that is not known gets better within seconds.
    if causes.contains("certificate") || causes.contains("dns error") { Failure::Final(problem) } else { Failure::Passing(problem) }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

async fn body(request: &Request<'_>, mut response: Response) -> Result<Vec<u8>, Failure> {
    let too_large = || {
        let reason = format!("{} sends more than the {} bytes that are taken", shown(&request.url), request.limit);
        Failure::Final(Problem::new(Kind::Corrupt, reason))
    };
    if response.content_length().is_some_and(|length| length > request.limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() as u64 + chunk.len() as u64 > request.limit => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => {
                let reason = format!("the answer of {} broke off: {}", shown(&request.url), causes(&error.without_url()));
                return Err(Failure::Passing(Problem::new(Kind::Unavailable, reason)));
            }
        }
    }
}

fn redirect(request: &Request<'_>, answer: &Answer) -> Result<Option<Url>, Problem> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) || request.form.is_some() {
        return Ok(None);
    }
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| request.url.join(location).ok());
    let lost = || Problem::new(Kind::Unavailable, format!("{} redirects to nowhere", shown(&request.url)));
    target.map(Some).ok_or_else(lost)
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn overloaded(request: &Request<'_>, answer: &Answer) -> Problem {
    let said = said(answer);
    let problem = Problem::new(Kind::Unavailable, format!("{} answered {}{said}", shown(&request.url), answer.status));
    match retry_after(&answer.headers) {
        Some(wait) => problem.hint(format!("it asks to come back in {} s", wait.as_secs())),
        None => problem,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns what a registry says about its refusal (`{"errors":[{"code","message"}]}`), to be put behind the status.
pub(crate) fn said(answer: &Answer) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let Some(serde_json::Value::Array(errors)) = parsed.and_then(|mut value| value.get_mut("errors").map(serde_json::Value::take)) else {
        return String::new();
    };
    let text = |error: &serde_json::Value, key: &str| error.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let lines = errors.iter().take(3).map(|error| format!("{} {}", text(error, "code"), text(error, "message")));
    let lines = lines.map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim().to_owned());
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!(" ({})", lines.join(", ")) }
}

/// Returns an address without what could be secret: user, password, query, fragment.
pub(crate) fn shown(url: &Url) -> String {
    crate::reference::redacted(url.as_str())
}

/// Returns host and port as they are written in configurations.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
