//! HTTP requests, sent by the host: its TLS, its name resolution, its deadlines.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::bindings::imports::vrrp_host::plugin::http as raw;
use crate::host::http as host;
use crate::net::Tls;
use crate::types::Need;

pub use crate::net::Error;
pub use header::check_header;
pub use url::{Url, UrlError};

mod header;
mod url;

/// How long a request may take when nothing else is said.
const DEFAULT_TIMEOUT_MS: u32 = 1000;
/// How much of a body is read when nothing else is said, in bytes.
const DEFAULT_MAX_BODY: u32 = 64 * 1024;

/// A request that is being put together.
///
/// ```
/// # use vrrp_sdk::{http, mock};
/// # use std::time::Duration;
/// # mock::Host::new().responds("http://127.0.0.1:8080/health", 200, "ok").enter(|| {
/// let response = http::Request::get("http://127.0.0.1:8080/health")
///     .timeout(Duration::from_millis(500))
///     .send()?;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), http::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request(raw::Request);

impl Request {
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self(raw::Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
            max_body: DEFAULT_MAX_BODY,
            follow_redirects: 0,
            tls: Tls::default().to_raw(),
        })
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// For the whole request, from name resolution to the end of the body; 1 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// How many bytes of the body to read; 64 KiB by default.
    pub fn max_body(mut self, bytes: u32) -> Self {
        self.0.max_body = bytes;
        self
    }

    /// How many redirects to follow; none by default. Where they lead has to be granted too.
    pub fn follow_redirects(mut self, redirects: u8) -> Self {
        self.0.follow_redirects = redirects;
        self
    }

    /// How to talk to a URL of `https:`. The client's certificate and the name of the server are for this URL: a redirect to
    /// another site is followed without them.
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.0.tls = tls.to_raw();
        self
    }

    /// What sending this needs: the URL, and the files for TLS.
    pub fn needs(&self) -> Vec<Need> {
        let tls = &self.0.tls;
        let files = [
            &tls.ca_file,
            &tls.client_certificate_file,
            &tls.client_key_file,
        ];
        let files = files.into_iter().flatten().map(|file| Need::read(file));
        let url = Need::http(&self.0.method, &self.0.url);
        std::iter::once(url).chain(files).collect()
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    /// When there is no complete HTTP answer. An answer with any status is one.
    pub fn send(&self) -> Result<Response, Error> {
        host::send(&self.0)
            .map(Response)
            .map_err(|error| Error::new(error, || self.needs(), self.0.timeout_ms))
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn from_raw(request: raw::Request) -> Self {
        Self(request)
    }
}

/// `GET http://127.0.0.1:8080/health`
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.method, self.0.url)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response(raw::Response);

impl Response {
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.headers.iter();
        headers
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.body)
    }

    /// The body was longer than [`Request::max_body`].
    pub fn is_truncated(&self) -> bool {
        self.0.truncated
    }

    /// From the start of name resolution to the end of the body.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.total_us)
    }
}
