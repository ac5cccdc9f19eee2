//! `[http]`: metrics for Prometheus and a status page, for people and programs that only look.
//!
//! A thread of its own serves them, without any capability. What it shows it asks the supervisor for, one request at a time and
//! never more often than [`snapshots`] says; what happens the supervisor tells it through a queue that it never waits for. So
//! whatever clients do, the supervisor's loop turns.

mod access;
mod listener;
mod live;
mod metrics;
mod server;
mod site;
mod snapshots;
mod timeline;

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tracing::{info, warn};

pub(super) use listener::{Bound, bind};
pub(super) use snapshots::Snapshot;
pub(super) use timeline::{Entry, Kind};

use self::server::Order;
use super::running::Event;
use crate::config::{self, Source};
use crate::exit::Failure;

/// News that wait for the server; when it takes none for so long, it does not hear of all of them.
const ORDERS_MAX: usize = 1024;

/// The supervisor's side of the server.
#[derive(Debug)]
pub(super) struct Http {
    events: mpsc::Sender<Event>,
    serving: Option<Serving>,
}

/// A server that runs. Dropping it ends the server.
#[derive(Debug)]
struct Serving {
    config: config::Http,
    orders: mpsc::Sender<Order>,
}

/// What a reload makes of the server.
#[derive(Debug)]
pub(super) enum Next {
    Same,
    Off,
    /// It goes on where it listens, for other clients.
    Admit(config::Http),
    Listen(Bound),
}

impl Http {
    /// Serves at `bound`, or nothing. What it needs to know it asks through `events`.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start(
        bound: Option<Bound>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Failure> {
        let mut http = Self {
            events,
            serving: None,
        };
        if let Some(bound) = bound {
            http.serve(bound).map_err(Failure::internal)?;
        }
        Ok(http)
    }

    /// Takes note of something for the timeline.
    pub(super) fn note(&self, entry: Entry) {
        self.order(Order::Note(entry));
    }

    /// Something is otherwise than it was.
    pub(super) fn changed(&self) {
        self.order(Order::Changed);
    }

    /// What has to be done to serve as `config` says; the new port is bound already.
    ///
    /// # Errors
    /// As [`bind`].
    pub(super) fn prepare(
        &self,
        config: Option<&config::Http>,
        source: &Source,
        node: &str,
    ) -> Result<Next, Failure> {
        let before = self.serving.as_ref().map(|serving| &serving.config);
        Ok(match (before, config) {
            (None, None) => Next::Same,
            (Some(_), None) => Next::Off,
            (Some(before), Some(config)) if before == config => Next::Same,
            (Some(before), Some(config)) if before.listen == config.listen => {
                Next::Admit(config.clone())
            }
            (_, Some(config)) => Next::Listen(bind(config, source, node)?),
        })
    }

    /// Does what [`prepare`](Self::prepare) found.
    pub(super) fn go_over(&mut self, next: Next) {
        match next {
            Next::Same => {}
            Next::Off => self.serving = None,
            Next::Admit(config) => {
                self.order(Order::Admit(config.token.clone()));
                if let Some(serving) = &mut self.serving {
                    serving.config = config;
                }
            }
            Next::Listen(bound) => {
                if let Some(serving) = &mut self.serving {
                    serving.config = bound.config.clone();
                    info!("HTTP at {}", bound.config.listen);
                    self.order(Order::Listen(bound));
                } else if let Err(error) = self.serve(bound) {
                    warn!(%error, "no metrics and no status page");
                }
            }
        }
    }

    fn serve(&mut self, bound: Bound) -> std::io::Result<()> {
        let (orders, to_do) = mpsc::channel(ORDERS_MAX);
        let config = bound.config.clone();
        server::start(bound, self.events.clone(), to_do)?;
        info!("HTTP at {}", config.listen);
        self.serving = Some(Serving { config, orders });
        Ok(())
    }

    fn order(&self, order: Order) {
        let Some(serving) = &self.serving else { return };
        if let Err(error) = serving.orders.try_send(order) {
            warn!(%error, "the HTTP server does not hear of everything");
        }
    }
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
