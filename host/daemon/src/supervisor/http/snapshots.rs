//! Asking the supervisor how things are, so seldom that it does not notice.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::status::Status;
use crate::supervisor::known::tally::Tallies;
use crate::supervisor::running::Event;

/// How long an answer serves whoever asks, as long as nothing happens.
const FRESH: Duration = Duration::from_millis(250);
/// Between two questions, whatever happens.
const DISTANCE: Duration = Duration::from_millis(50);
/// How long an answer is waited for. The supervisor waits a second for its router.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How everything is at one moment.
#[derive(Debug)]
pub(in crate::supervisor) struct Snapshot {
    pub(in crate::supervisor) status: Status,
    pub(in crate::supervisor) tallies: Tallies,
    /// The nodes of the file with their addresses; none when it describes this host alone.
    pub(in crate::supervisor) nodes: BTreeMap<String, Option<IpAddr>>,
    json: OnceLock<Bytes>,
}

/// A node, as the page is told.
#[derive(Debug, Serialize)]
struct Node<'a> {
    name: &'a str,
    address: Option<IpAddr>,
}

impl Snapshot {
    pub(in crate::supervisor) fn new(
        status: Status,
        tallies: Tallies,
        nodes: BTreeMap<String, Option<IpAddr>>,
    ) -> Self {
        Self {
            status,
            tallies,
            nodes,
            json: OnceLock::new(),
        }
    }

    /// What `status --json` prints, in one line.
    pub(super) fn status_json(&self) -> Bytes {
        let json = self.json.get_or_init(|| json(&self.status));
        json.clone()
    }

    pub(super) fn nodes_json(&self) -> Bytes {
        let nodes = self.nodes.iter();
        let nodes: Vec<_> = nodes
            .map(|(name, address)| Node {
                name,
                address: *address,
            })
            .collect();
        json(&nodes)
    }
}

/// One line of JSON.
pub(super) fn json(value: &impl Serialize) -> Bytes {
    // Texts, numbers and maps with texts as keys: there is nothing that JSON does not have.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The last answer, and the way to the next one.
#[derive(Debug)]
pub(super) struct Snapshots {
    events: mpsc::Sender<Event>,
    last: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    is_outdated: Cell<bool>,
}

impl Snapshots {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            last: Mutex::new(None),
            is_outdated: Cell::new(false),
        }
    }

    /// Something happened since the last answer.
    pub(super) fn outdate(&self) {
        self.is_outdated.set(true);
    }

    /// How everything is; `None` when the supervisor does not say. Whoever asks meanwhile waits for the same answer.
    pub(super) async fn get(&self) -> Option<Arc<Snapshot>> {
        let mut last = self.last.lock().await;
        if let Some((at, snapshot)) = &*last {
            let age = at.elapsed();
            if age < FRESH && !self.is_outdated.get() {
                return Some(snapshot.clone());
            }
            sleep(DISTANCE.saturating_sub(age)).await;
        }
        self.is_outdated.set(false);
        let (sender, answer) = oneshot::channel();
        self.events.try_send(Event::Snapshot(sender)).ok()?;
        let snapshot = Arc::new(timeout(ANSWER_MAX, answer).await.ok()?.ok()?);
        *last = Some((Instant::now(), snapshot.clone()));
        Some(snapshot)
    }
}
