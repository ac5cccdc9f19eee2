//! Events when interfaces and their addresses change, for whoever then looks with [`find`](crate::link::find).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::entry::{Change, Link};
use super::kernel::{Interrupted, Kernel};
use super::message::links_request;

/// Something happened to a watched interface. Look at what is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It came, went, or changed its state, carrier, MTU or hardware address.
    Link(String),
    /// An address was added to it, removed from it, or changed.
    Addresses(String),
}

/// Watches interfaces by name, in the network namespace of the thread that asks first.
///
/// When the kernel has dropped events, and whenever the connection to it is made anew, everything watched counts as changed.
#[derive(Default)]
pub struct LinkWatcher {
    names: BTreeSet<String>,
    /// `None` when it has to be made (again).
    kernel: Option<Kernel>,
    links: HashMap<u32, Link>,
    events: VecDeque<LinkEvent>,
    /// When to try again after a failure.
    retry_at: Option<Instant>,
}

/// Between two attempts to connect to the kernel, which refuses only when the system has no descriptors left.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl LinkWatcher {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches an interface, which need not exist. It counts as changed once, because nobody knows what happened before.
    pub fn watch(&mut self, name: &str) {
        if self.names.insert(name.to_owned()) {
            self.push_both(name);
        }
    }

    /// The next event. Nothing is lost when the future is dropped. For ever pending while nothing is watched.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            // Connected first: what an event is told for must not change between the look at it and the connection.
            if self.names.is_empty() {
                std::future::pending::<()>().await;
            }
            if self.kernel.is_none() {
                self.connect().await;
            }
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let Some(kernel) = &mut self.kernel else {
                continue;
            };
            match kernel.next_change().await {
                Ok(change) => self.take(change),
                Err(interrupted) => self.disconnected(interrupted),
            }
        }
    }

    /// Once, or not: then [`Self::retry_at`] is set.
    async fn connect(&mut self) {
        if let Some(at) = self.retry_at {
            sleep_until(at).await;
            self.retry_at = None;
        }
        let connected = async {
            let mut kernel = Kernel::subscribe_to_links()?;
            let links = kernel.list(links_request()).await?;
            Ok::<_, std::io::Error>((kernel, links))
        };
        match connected.await {
            Ok((kernel, links)) => {
                self.kernel = Some(kernel);
                self.links.clear();
                for change in links {
                    if let Change::Link(link) = change {
                        self.links.insert(link.index, link);
                    }
                }
                for name in self.names.clone() {
                    self.push_both(&name);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "interfaces cannot be watched for now");
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
            }
        }
    }

    fn disconnected(&mut self, interrupted: Interrupted) {
        tracing::debug!(
            ?interrupted,
            "events of interfaces were lost, listening anew"
        );
        self.kernel = None;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "routes and rules are not listened to"
    )]
    fn take(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                let name = link.name.clone();
                let before = self.links.insert(link.index, link.clone());
                if before.as_ref() == Some(&link) {
                    return;
                }
                if let Some(before) = before.filter(|before| before.name != name) {
                    self.push_both(&before.name);
                    self.push_both(&name);
                }
                self.push(LinkEvent::Link(name));
            }
            Change::LinkGone { index } => {
                if let Some(gone) = self.links.remove(&index) {
                    self.push_both(&gone.name);
                }
            }
            Change::Address(address) => self.addresses_changed(address.index),
            Change::AddressGone { index, .. } => self.addresses_changed(index),
            _ => {}
        }
    }

    fn addresses_changed(&mut self, index: u32) {
        if let Some(link) = self.links.get(&index) {
            self.push(LinkEvent::Addresses(link.name.clone()));
        }
    }

    fn push_both(&mut self, name: &str) {
        self.push(LinkEvent::Link(name.to_owned()));
        self.push(LinkEvent::Addresses(name.to_owned()));
    }

    /// Events say that something happened, not how often.
    fn push(&mut self, event: LinkEvent) {
        let (LinkEvent::Link(name) | LinkEvent::Addresses(name)) = &event;
        if self.names.contains(name) && !self.events.contains(&event) {
            self.events.push_back(event);
        }
    }
}

impl std::fmt::Debug for LinkWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkWatcher")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
