//! What is at which path.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use super::access::{self, Denied};
use super::live;
use super::metrics::{self, Format};
use super::snapshots::Snapshots;
use super::timeline::{Entry, Timeline};
use crate::config::Token;
use crate::supervisor::running::{Event, unix_ms};

const INDEX: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page uses what comes from here, and nothing else. Its icon is within it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TEXT: &str = "text/plain; charset=utf-8";
const PATHS: &str = "There is / (the status page), /metrics, /status.json, /events and /healthz.\n";
/// Browsers ask for a password by themselves when they see it.
const CHALLENGE: &str =
    "Basic realm=\"vrrp-host: any user name, the token as password\", charset=\"UTF-8\"";
const WHO_ARE_YOU: &str = "\
This vrrp-host shows itself to those who know its token: the content of the file that `token-file` of [http] names in
cluster.toml. In a browser, leave the user name as you like and give the token as password. Programs send it with
`Authorization: Bearer TOKEN`.\n";
const FOREIGN_NAME: &str = "\
Without a `token-file` in [http], this vrrp-host answers to its IP addresses and to localhost only, so that no page of
somebody else can read it through a browser. Use one of them in the address, or give [http] a token-file.\n";
const BUSY: &str = "The supervisor does not answer at the moment.\n";
const WATCHED: &str = "Too many watch already.\n";

/// What an answer consists of.
pub(super) type Body = Either<Full<Bytes>, Channel<Bytes>>;

/// Everything that is served.
#[derive(Debug)]
pub(super) struct Site {
    token: RefCell<Option<Token>>,
    pub(super) snapshots: Snapshots,
    pub(super) timeline: RefCell<Timeline>,
    /// Counts what happened.
    pub(super) news: watch::Sender<u64>,
    /// Clients that watch.
    pub(super) watching: Cell<usize>,
}

impl Site {
    pub(super) fn new(token: Option<Token>, events: mpsc::Sender<Event>) -> Self {
        Self {
            token: RefCell::new(token),
            snapshots: Snapshots::new(events),
            timeline: RefCell::new(Timeline::new(unix_ms())),
            news: watch::Sender::new(0),
            watching: Cell::new(0),
        }
    }

    pub(super) fn note(&self, entry: Entry) {
        self.timeline.borrow_mut().note(entry, unix_ms());
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.snapshots.outdate();
        self.news.send_modify(|count| *count += 1);
    }

    pub(super) fn admit(&self, token: Option<Token>) {
        self.token.replace(token);
    }

    /// Answers a request. Its body does not matter.
    pub(super) async fn answer(self: &Rc<Self>, request: &Request<Incoming>) -> Response<Body> {
        let (method, path) = (request.method(), request.uri().path());
        let mut response = if *method == Method::GET || *method == Method::HEAD {
            self.find(path, method, request).await
        } else {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "This only shows.\n");
            set(&mut refused, ALLOW, "GET, HEAD");
            refused
        };
        set(&mut response, CONTENT_SECURITY_POLICY, POLICY);
        set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut response, REFERRER_POLICY, "no-referrer");
        set(&mut response, CACHE_CONTROL, "no-store");
        response
    }

    async fn find(
        self: &Rc<Self>,
        path: &str,
        method: &Method,
        request: &Request<Incoming>,
    ) -> Response<Body> {
        // It says no more than the port itself.
        if path == "/healthz" {
            return self.health().await;
        }
        if let Err(denied) = access::check(self.token.borrow().as_ref(), request.headers()) {
            return refuse(&denied);
        }
        match path {
            "/" => content("text/html; charset=utf-8", INDEX),
            "/page.css" => content("text/css; charset=utf-8", STYLE),
            "/page.js" => content("text/javascript; charset=utf-8", SCRIPT),
            "/metrics" => self.metrics(request.headers().get(ACCEPT)).await,
            "/status.json" => self.status().await,
            "/events" if *method == Method::HEAD => content(live::CONTENT_TYPE, ""),
            "/events" => self.events(),
            _ => text(StatusCode::NOT_FOUND, PATHS),
        }
    }

    async fn metrics(&self, accept: Option<&HeaderValue>) -> Response<Body> {
        let Some(snapshot) = self.snapshots.get().await else {
            return busy(BUSY);
        };
        let format = Format::for_client(accept.and_then(|accept| accept.to_str().ok()));
        match metrics::encode(&snapshot, format) {
            Ok(text) => content(format.content_type(), text),
            Err(error) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("The metrics cannot be written: {error}\n"),
            ),
        }
    }

    async fn status(&self) -> Response<Body> {
        match self.snapshots.get().await {
            Some(snapshot) => content("application/json", snapshot.status_json()),
            None => busy(BUSY),
        }
    }

    fn events(self: &Rc<Self>) -> Response<Body> {
        match live::watch(self) {
            Some(body) => respond(StatusCode::OK, live::CONTENT_TYPE, Either::Right(body)),
            None => busy(WATCHED),
        }
    }

    /// Whether the daemon does its work, whatever that has come to.
    async fn health(&self) -> Response<Body> {
        let Some(snapshot) = self.snapshots.get().await else {
            return busy(BUSY);
        };
        let processes = &snapshot.status.processes;
        match (processes.router, processes.worker) {
            (Some(_), Some(_)) => text(StatusCode::OK, "ok\n"),
            (None, _) => busy("The router is being started again.\n"),
            (_, None) => busy("The worker is being started again.\n"),
        }
    }
}

fn refuse(denied: &Denied) -> Response<Body> {
    match denied {
        Denied::Unknown => {
            let mut response = text(StatusCode::UNAUTHORIZED, WHO_ARE_YOU);
            set(&mut response, WWW_AUTHENTICATE, CHALLENGE);
            response
        }
        Denied::ForeignName => text(StatusCode::MISDIRECTED_REQUEST, FOREIGN_NAME),
    }
}

fn busy(why: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, why);
    set(&mut response, RETRY_AFTER, "1");
    response
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(status, TEXT, Either::Left(Full::new(text.into())))
}

fn content(content_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let body = Either::Left(Full::new(content.into()));
    respond(StatusCode::OK, content_type, body)
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
}
