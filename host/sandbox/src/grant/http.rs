//! `http:METHOD URL-PREFIX`. Requests are compared as parsed URLs, after the same normalisation
//! that the client applies before it dials.

use std::fmt;

use url::{Host, Url};

/// A method and a URL prefix; also one request, seen as the narrowest rule that allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    method: String,
    scheme: Scheme,
    host: Host,
    port: u16,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl HttpRule {
    /// Reads `METHOD URL-PREFIX`; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (method, url) = text.split_once(' ').ok_or("the method is missing")?;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("`{method}` is not a method"));
        }
        let url =
            Url::parse(url.trim()).map_err(|error| format!("`{url}` is not a URL ({error})"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a prefix has no query and no fragment".to_owned());
        }
        Self::for_request(method, &url)
    }

    /// The rule that a request needs; the error says why no rule could allow it.
    pub(crate) fn for_request(method: &str, url: &Url) -> Result<Self, String> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(format!("`{other}:` is not http:// or https://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a user name or a password".to_owned());
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err("the URL has no host".to_owned());
        };
        Ok(Self {
            method: method.to_owned(),
            scheme,
            host: host.to_owned(),
            port,
            path: url.path().to_owned(),
        })
    }

    pub(super) fn covers(&self, wanted: &Self) -> bool {
        self.method == wanted.method
            && self.scheme == wanted.scheme
            && self.host == wanted.host
            && self.port == wanted.port
            && is_below(&self.path, &wanted.path)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = match self.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
        };
        write!(f, "{} {scheme}://{}", self.method, self.host)?;
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

fn is_below(prefix: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else {
        return false;
    };
    let at_boundary = prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/');
    at_boundary && !could_climb(path)
}

/// Whether a server that decodes the path more than once, or knows other separators, could see a `..` in it.
fn could_climb(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    loop {
        let dots = path
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(|segment| segment.split(|byte| *byte == b';').next() == Some(b".."));
        if dots {
            return true;
        }
        let decoded = percent_decode(&path);
        if decoded.len() == path.len() {
            return false;
        }
        path = decoded;
    }
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let code = match tail {
            [high, low, ..] if first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = code {
            decoded.push(high * 16 + low);
            rest = &tail[2..];
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
