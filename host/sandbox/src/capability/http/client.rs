//! One request on one connection.

use std::pin::pin;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use crate::bindings::imports::net;
use crate::capability::net::identity::Identity;
use crate::capability::net::{Failure, dial, tls};
use crate::grant::HttpRule;

/// Bytes of a response's head.
const HEAD_MAX: usize = 64 << 10;

/// A request, ready to be sent.
pub(super) struct Exchange<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    pub(super) security: Security,
    pub(super) body_max: usize,
}

/// How to speak TLS with one server.
pub(super) struct Security {
    pub(super) verify: bool,
    /// The host of the URL when left out.
    pub(super) server_name: Option<String>,
    pub(super) identity: Identity,
}

/// A response, with the body as far as it was wanted.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
}

impl Exchange<'_> {
    /// Connects to where `rule` allows, sends, and reads the response.
    pub(super) async fn perform(self, rule: &HttpRule) -> Result<Answer, Failure> {
        if self.url.scheme() != "https" {
            let tcp = dial::connect(rule.host(), rule.port()).await?;
            return Ok(self.over(tcp).await?);
        }
        let security = &self.security;
        // Before anybody is called: a file that is no good is told without the server.
        let config = tls::config(security.verify, &security.identity).await?;
        let tcp = dial::connect(rule.host(), rule.port()).await?;
        let host = self.url.host_str().unwrap_or_default();
        let name = security.server_name.as_deref().unwrap_or(host);
        let stream = tls::connect(name, tcp, config).await?;
        Ok(self.over(stream).await?)
    }

    async fn over(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Answer, net::Error> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let body_max = self.body_max;
        let request = self.into_request()?;
        let mut exchange = pin!(async {
            let response = sender.send_request(request).await.map_err(broken)?;
            read(response, body_max).await
        });
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            answer = &mut exchange => return answer,
            // Why it ended reaches the exchange as well, after what was read before.
            _ = &mut connection => {}
        }
        exchange.await
    }

    fn into_request(self) -> Result<Request<Full<Bytes>>, net::Error> {
        let invalid = |_| net::Error::Io(format!("`{}` cannot be requested", self.url));
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.url[Position::BeforePath..Position::AfterQuery])
            .body(Full::new(self.body))
            .map_err(invalid)?;
        let authority = &self.url[Position::BeforeHost..Position::AfterPort];
        let headers = request.headers_mut();
        headers.clone_from(self.headers);
        headers.insert(
            HOST,
            HeaderValue::from_str(authority)
                .map_err(|_| net::Error::Io(format!("`{authority}` is not a host")))?,
        );
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }
}

async fn read(response: Response<Incoming>, body_max: usize) -> Result<Answer, net::Error> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let room = body_max - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
        truncated,
    })
}

/// A connection that broke, or a peer that does not speak HTTP.
fn broken(error: hyper::Error) -> net::Error {
    let source = std::error::Error::source(&error);
    if let Some(failure) = source
        .and_then(|source| source.downcast_ref())
        .filter(|failure| tls::is_failure(failure))
    {
        return net::Error::Tls(failure.to_string());
    }
    let source = source.map(|source| format!(": {source}"));
    net::Error::Io(format!("{error}{}", source.unwrap_or_default()))
}
