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

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{error, info, warn};

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
        let running = self.serving.as_ref();
        let running = running.filter(|serving| !serving.orders.is_closed());
        let before = running.map(|serving| &serving.config);
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
            Next::Admit(config) => self.admit(config),
            Next::Listen(bound) => {
                if let Err(error) = self.serve(bound) {
                    self.serving = None;
                    error!(%error, "no metrics and no status page");
                }
            }
        }
    }

    /// Rather nobody is served than somebody who may not be.
    fn admit(&mut self, config: config::Http) {
        let told = self.order(Order::Admit(config.token.clone()));
        match &mut self.serving {
            Some(serving) if told => serving.config = config,
            _ => {
                self.serving = None;
                error!(
                    "no metrics and no status page until another reload: the HTTP server does not listen to its supervisor"
                );
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

    /// Whether it was taken.
    fn order(&self, order: Order) -> bool {
        let Some(serving) = &self.serving else {
            return false;
        };
        let sent = serving.orders.try_send(order);
        // Why a server has ended, it has told itself.
        if let Err(TrySendError::Full(_)) = sent {
            warn!("the HTTP server does not hear of everything");
        }
        sent.is_ok()
    }
}
