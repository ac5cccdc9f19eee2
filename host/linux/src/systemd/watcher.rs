//! Events when the state of a unit changes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream, fdo};

use super::{ManagerProxy, SystemdError, answer, connect, subscribe};

/// Watches units by name, over a connection to the system bus of its own.
///
/// Where there is no bus, or systemd is not on it, it tries again for ever. Each time it listens anew, be it because the bus or systemd was restarted
/// or because systemd has read its files again, every watched unit counts as changed: nobody knows what happened meanwhile.
#[derive(Debug)]
pub struct UnitWatcher {
    wanted: mpsc::UnboundedSender<String>,
    changed: mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

/// First pause before the bus is tried again; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause before the bus is tried again.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// A connection that lasted as long is tried again without a longer pause.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// Signals that may wait while systemd is asked about another unit.
const SIGNALS_MAX: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";

impl UnitWatcher {
    /// Watches nothing yet, and connects when there is something to watch. The tokio runtime that is entered drives it.
    #[must_use]
    pub fn new() -> Self {
        let (wanted, to_watch) = mpsc::unbounded_channel();
        let (sender, changed) = mpsc::unbounded_channel();
        let task = tokio::spawn(watch_for_ever(to_watch, sender));
        Self {
            wanted,
            changed,
            task,
        }
    }

    /// Watches a unit by its name with the suffix, which need not exist.
    pub fn watch(&self, name: &str) {
        // The task ends only with this.
        let _ = self.wanted.send(name.to_owned());
    }

    /// The next unit whose state may be another one than before. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> String {
        match self.changed.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }
}

impl Default for UnitWatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for UnitWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection is left.
enum Left {
    /// systemd has read its files: names may mean other units now.
    Reloaded,
    /// systemd left the bus, or the bus is gone.
    Lost,
}

async fn watch_for_ever(
    mut wanted: mpsc::UnboundedReceiver<String>,
    changed: mpsc::UnboundedSender<String>,
) {
    let mut names = Vec::new();
    let mut pause = RETRY_MIN;
    let mut told = false;
    // Without a unit there is nothing to connect for.
    names.extend(wanted.recv().await);
    loop {
        let began = Instant::now();
        match Session::follow(&mut names, &mut wanted, &changed).await {
            Ok(Left::Reloaded) => continue,
            Ok(Left::Lost) => {
                tracing::info!(
                    "the bus or systemd is gone: units are watched again when it is back"
                );
            }
            Err(error) if told => tracing::debug!(%error, "units cannot be watched yet"),
            Err(error) => {
                told = true;
                tracing::warn!(%error, "units cannot be watched for now, and are looked at on their interval");
            }
        }
        if began.elapsed() >= STABLE_AFTER {
            pause = RETRY_MIN;
            told = false;
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// A connection on which systemd tells what happens.
struct Session<'a> {
    bus: fdo::DBusProxy<'a>,
    manager: ManagerProxy<'a>,
    /// The names that were asked for, by the object that they mean; several when some are aliases.
    units: BTreeMap<String, Vec<String>>,
    changed: &'a mpsc::UnboundedSender<String>,
}

impl Session<'_> {
    /// Tells what happens to the units of these names, and of those that follow.
    async fn follow(
        names: &mut Vec<String>,
        wanted: &mut mpsc::UnboundedReceiver<String>,
        changed: &mpsc::UnboundedSender<String>,
    ) -> Result<Left, SystemdError> {
        let connection: Connection = connect().await?;
        let manager = answer(SYSTEMD, ManagerProxy::new(&connection)).await?;
        let bus = answer(SYSTEMD, fdo::DBusProxy::new(&connection)).await?;
        let mut messages = MessageStream::from(&connection);
        messages.set_max_queued(SIGNALS_MAX);
        let mut session = Session {
            bus,
            manager,
            units: BTreeMap::new(),
            changed,
        };
        for rule in [name_owner_rule(), reloading_rule()] {
            session.listen(rule.map_err(SystemdError::Bus)?).await?;
        }
        answer(SYSTEMD, subscribe(&session.manager)).await?;
        for name in names.iter() {
            session.add(name).await?;
        }
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => if let Some(left) = session.take(&message) {
                        return Ok(left);
                    },
                    Some(Err(error)) => return Err(SystemdError::Bus(error)),
                    None => return Ok(Left::Lost),
                },
                Some(name) = wanted.recv() => {
                    if !names.contains(&name) {
                        names.push(name.clone());
                    }
                    session.add(&name).await?;
                }
            }
        }
    }

    /// What happened to it before it is listened to is told as one change.
    async fn add(&mut self, name: &str) -> Result<(), SystemdError> {
        let listed = answer(name, self.manager.list_units_by_names(&[name])).await?;
        // Not even a unit that could exist when nothing is listed.
        let object = listed
            .into_iter()
            .next()
            .map(|unit| unit.6.as_str().to_owned());
        if let Some(object) = object {
            let names = self.units.entry(object.clone()).or_default();
            names.push(name.to_owned());
            if names.len() == 1 {
                let rule = unit_rule(object).map_err(SystemdError::Bus)?;
                self.listen(rule).await?;
            }
        }
        let _ = self.changed.send(name.to_owned());
        Ok(())
    }

    async fn listen(&self, rule: MatchRule<'_>) -> Result<(), SystemdError> {
        let added = async {
            self.bus
                .add_match_rule(rule)
                .await
                .map_err(zbus::Error::from)
        };
        answer(SYSTEMD, added).await
    }

    /// Takes in a signal.
    fn take(&self, message: &Message) -> Option<Left> {
        if message.message_type() != Type::Signal {
            return None;
        }
        let header = message.header();
        let member = header.member()?.as_str();
        match (header.interface()?.as_str(), member) {
            (PROPERTIES, "PropertiesChanged") => {
                let names = self.units.get(header.path()?.as_str())?;
                for name in names {
                    let _ = self.changed.send(name.clone());
                }
                None
            }
            (MANAGER, "Reloading") => {
                let begins: bool = message.body().deserialize().ok()?;
                (!begins).then_some(Left::Reloaded)
            }
            (BUS, "NameOwnerChanged") => {
                let body = message.body();
                let (name, _, _): (&str, &str, &str) = body.deserialize().ok()?;
                (name == SYSTEMD).then_some(Left::Lost)
            }
            _ => None,
        }
    }
}

fn unit_rule(object: String) -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(SYSTEMD)
        .interface(PROPERTIES)
        .member("PropertiesChanged")
        .path(object)
        .add_arg(UNIT)
        .build()
}

fn reloading_rule() -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(SYSTEMD)
        .interface(MANAGER)
        .member("Reloading")
        .build()
}

fn name_owner_rule() -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(BUS)
        .interface(BUS)
        .member("NameOwnerChanged")
        .add_arg(SYSTEMD)
        .build()
}
