//! The thread that serves: connections, and how long they may take.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, error};
use vrrp_linux::rights;

use super::listener::Bound;
use super::site::Site;
use super::timeline::Entry;
use crate::config::Token;
use crate::supervisor::running::Event;

/// Connections at a time; further ones wait in the kernel.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send a request, the time until its next one among it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave what was sent to it unread, milliseconds.
const UNREAD_MAX_MS: u32 = 30_000;
/// How long a connection may last. A browser that watches connects again by itself.
const CONNECTION_MAX: Duration = Duration::from_secs(15 * 60);
/// How long after that a request may still be answered.
const GRACE: Duration = Duration::from_secs(10);
/// Pause when the system gives no connections, as when it has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest head of a request, bytes.
const HEAD_MAX: usize = 16 * 1024;

/// What the supervisor has to say.
#[derive(Debug)]
pub(super) enum Order {
    Note(Entry),
    Changed,
    /// Admit whoever knows this from now on, and nobody else.
    Admit(Option<Token>),
}

/// Starts the thread. It ends when `orders` does.
///
/// # Errors
/// When the system has no thread, or no timers for it.
pub(super) fn start(
    bound: Bound,
    events: mpsc::Sender<Event>,
    orders: mpsc::Receiver<Order>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            if let Err(error) = rights::give_up_capabilities() {
                error!(%error, "no HTTP: its thread cannot give up its rights");
                return;
            }
            let server = serve(bound, events, orders);
            if let Err(error) = LocalSet::new().block_on(&runtime, server) {
                error!(%error, "no HTTP any more");
            }
        })?;
    Ok(())
}

async fn serve(
    bound: Bound,
    events: mpsc::Sender<Event>,
    mut orders: mpsc::Receiver<Order>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(bound.listener)?;
    let site = Rc::new(Site::new(bound.config.token, events));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(Order::Note(entry)) => site.note(entry),
                Some(Order::Changed) => site.changed(),
                Some(Order::Admit(token)) => {
                    connections.abort_all();
                    site.admit(token);
                }
            },
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(converse(stream, site.clone()));
                }
                Err(error) => {
                    debug!(%error, "no connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, site: Rc<Site>) {
    if let Err(error) = set_tcp_user_timeout(&stream, UNREAD_MAX_MS) {
        debug!(%error, "a client may leave unread what it likes");
    }
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(&request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(HEAD_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = match timeout(CONNECTION_MAX, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection ended");
    }
}
