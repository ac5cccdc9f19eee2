//! `http`: one request, with the redirects that the module wants followed.

mod client;

use std::time::Instant;

use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName,
    HeaderValue, LOCATION, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use hyper::{Method, StatusCode};
use url::Url;
use wasmtime::component::HasSelf;

use self::client::{Exchange, Security};
use super::Capability;
use super::net::Failure;
use super::net::identity::Identity;
use crate::bindings::imports::{http, net};
use crate::grant::{Grant, GrantClass, HttpRule};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "http",
    granted_by: &[GrantClass::Http],
    link: |linker| http::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

const REDIRECTS_MAX: u8 = 10;

/// These belong to the connection or follow from the URL; a module that set them could reach another site than
/// the one it was granted, or desynchronise the connection.
const RESERVED: [HeaderName; 7] = [
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl http::Host for Call {
    async fn send(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, net::Error>> {
        let deadline = self.call_deadline(request.timeout_ms);
        let body_max = u64::from(request.max_body).min(self.shared.limits.memory);
        let hop = match Hop::first(&request) {
            Ok(hop) => hop,
            Err(error) => return Ok(Err(error)),
        };
        let identity = match self.identity(&request.tls, deadline).await {
            Ok(identity) => identity,
            Err(error) => return Ok(Err(error)),
        };
        let permits = self.permit_list();
        let journey = Journey {
            permits: &permits,
            tls: &request.tls,
            identity,
            redirects: request.follow_redirects.min(REDIRECTS_MAX),
            body_max: usize::try_from(body_max).unwrap_or(usize::MAX),
        };
        let started = Instant::now();
        let answer = match self
            .reach(&request.url, deadline, journey.travel(hop))
            .await
        {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(http::Response {
            status: answer.status.as_u16(),
            headers: to_pairs(&answer.headers),
            body: answer.body,
            truncated: answer.truncated,
            total_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        }))
    }
}

/// What holds for a request and all its redirects.
struct Journey<'a> {
    permits: &'a [Grant],
    tls: &'a net::Tls,
    identity: Identity,
    redirects: u8,
    body_max: usize,
}

/// One request of possibly several.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    /// Nothing has led to another site yet: what was meant for one is not shown to another.
    is_first_site: bool,
}

impl Journey<'_> {
    async fn travel(&self, mut hop: Hop) -> Result<client::Answer, Failure> {
        for _ in 0..=self.redirects {
            let rule = self.granted(&hop)?;
            let exchange = Exchange {
                method: &hop.method,
                url: &hop.url,
                headers: &hop.headers,
                body: hop.body.clone(),
                security: self.security(hop.is_first_site),
                body_max: self.body_max,
            };
            let answer = exchange.perform(&rule).await?;
            let location = answer
                .headers
                .get(LOCATION)
                .filter(|_| self.redirects > 0 && answer.status.is_redirection());
            match location {
                Some(location) => hop = hop.redirected(answer.status, location)?,
                None => return Ok(answer),
            }
        }
        Err(net::Error::Io(format!("more than {} redirects", self.redirects)).into())
    }

    fn security(&self, is_first_site: bool) -> Security {
        Security {
            verify: self.tls.verify,
            server_name: self.tls.server_name.clone().filter(|_| is_first_site),
            identity: if is_first_site {
                self.identity.clone()
            } else {
                self.identity.for_others()
            },
        }
    }

    /// Decided anew for every hop, on the URL that is dialled next.
    fn granted(&self, hop: &Hop) -> Result<HttpRule, Failure> {
        let rule = HttpRule::for_request(hop.method.as_str(), &hop.url).map_err(net::Error::Io)?;
        let need = Grant::Http(rule.clone());
        if self.permits.iter().any(|grant| grant.covers(&need)) {
            Ok(rule)
        } else {
            Err(Failure::Denied(need))
        }
    }
}

impl Hop {
    fn first(request: &http::Request) -> Result<Self, net::Error> {
        let invalid = |what: &str, text: &str| net::Error::Io(format!("`{text}` is not {what}"));
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| invalid("an HTTP method", &request.method))?;
        let url = Url::parse(&request.url).map_err(|_| invalid("a URL", &request.url))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("vrrp-host/", env!("CARGO_PKG_VERSION"))),
        );
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid("a header name", name))?;
            let value =
                HeaderValue::from_str(value).map_err(|_| invalid("a header value", value))?;
            if RESERVED.contains(&name) {
                return Err(net::Error::Io(format!(
                    "the header `{name}` is the host's to set"
                )));
            }
            headers.insert(name, value);
        }
        Ok(Self {
            method,
            url,
            headers,
            body: Bytes::copy_from_slice(&request.body),
            is_first_site: true,
        })
    }

    /// RFC 9110 section 15.4.
    fn redirected(self, status: StatusCode, location: &HeaderValue) -> Result<Self, net::Error> {
        let target = location
            .to_str()
            .ok()
            .and_then(|target| self.url.join(target).ok());
        let url = target
            .ok_or_else(|| net::Error::Io("redirect to something that is not a URL".to_owned()))?;
        let same_site = url.origin() == self.url.origin();
        let mut next = Self {
            url,
            is_first_site: self.is_first_site && same_site,
            ..self
        };
        let becomes_get = status == StatusCode::SEE_OTHER && next.method != Method::HEAD
            || matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND)
                && next.method == Method::POST;
        if becomes_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            next.headers.remove(CONTENT_TYPE);
        }
        if !same_site {
            for secret in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                next.headers.remove(secret);
            }
        }
        Ok(next)
    }
}

fn to_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}
