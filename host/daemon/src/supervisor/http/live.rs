//! Server-sent events (HTML Standard §9.2): the page as it changes.
//!
//! `status` has what `/status.json` has, whenever that is another one; `nodes` the nodes of the file; `timeline` the last hour,
//! once; `entry` each entry that is added to it.

use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::channel::{Channel, Sender};
use tokio::time::{sleep, timeout};

use super::site::Site;
use super::snapshots::json;
use crate::supervisor::running::unix_ms;

pub(super) const CONTENT_TYPE: &str = "text/event-stream";
/// Clients that watch at a time.
const WATCHING_MAX: usize = 16;
/// Counters change without anything happening.
const REFRESH: Duration = Duration::from_secs(2);
/// How long a client may leave unread what it is told.
const SEND_MAX: Duration = Duration::from_secs(30);
/// When the connection breaks, the browser connects again after that many milliseconds.
const PREAMBLE: &[u8] = b"retry: 1000\n\n";
/// What keeps a connection without news alive.
const COMMENT: &[u8] = b":\n\n";

/// A stream of everything that happens from now on; `None` when there are too many already.
pub(super) fn watch(site: &Rc<Site>) -> Option<Channel<Bytes>> {
    let seat = Seat::take(site)?;
    let (sender, body) = Channel::new(1);
    tokio::task::spawn_local(tell(seat, sender));
    Some(body)
}

/// One of the clients that watch.
struct Seat(Rc<Site>);

impl Seat {
    fn take(site: &Rc<Site>) -> Option<Self> {
        let taken = site.watching.get();
        (taken < WATCHING_MAX).then(|| {
            site.watching.set(taken + 1);
            Self(site.clone())
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = self.0.watching.get();
        self.0.watching.set(taken.saturating_sub(1));
    }
}

/// Tells one client until it goes away.
async fn tell(seat: Seat, mut sender: Sender<Bytes>) {
    let site = &seat.0;
    let mut news = site.news.subscribe();
    let mut told = Told::default();
    let mut text = BytesMut::from(PREAMBLE);
    loop {
        news.borrow_and_update();
        told.bring_up_to_date(site, &mut text).await;
        if text.is_empty() {
            text.put_slice(COMMENT);
        }
        let sent = timeout(SEND_MAX, sender.send_data(text.split().freeze())).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        tokio::select! {
            _ = news.changed() => {}
            () = sleep(REFRESH) => {}
        }
    }
}

/// What a client knows.
#[derive(Debug, Default)]
struct Told {
    status: Bytes,
    nodes: Bytes,
    /// The number of the next entry of the timeline, once it has seen it.
    next: Option<u64>,
}

impl Told {
    /// Writes what it does not know.
    async fn bring_up_to_date(&mut self, site: &Site, text: &mut BytesMut) {
        if let Some(snapshot) = site.snapshots.get().await {
            let (nodes, status) = (snapshot.nodes_json(), snapshot.status_json());
            if nodes != self.nodes {
                write(text, "nodes", &nodes);
                self.nodes = nodes;
            }
            if status != self.status {
                write(text, "status", &status);
                self.status = status;
            }
        }
        let timeline = site.timeline.borrow();
        let next = if let Some(next) = self.next {
            let (entries, next) = timeline.after(next);
            for entry in entries {
                write(text, "entry", &json(entry));
            }
            next
        } else {
            let (view, next) = timeline.view(unix_ms());
            write(text, "timeline", &json(&view));
            next
        };
        self.next = Some(next);
    }
}

/// `data` is one line.
fn write(text: &mut BytesMut, event: &str, data: &[u8]) {
    text.put_slice(b"event: ");
    text.put_slice(event.as_bytes());
    text.put_slice(b"\ndata: ");
    text.put_slice(data);
    text.put_slice(b"\n\n");
}
