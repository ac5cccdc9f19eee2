//! Events when processes of a name start and exit.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Interval, MissedTickBehavior};

use super::connector::{Heard, receive};
use super::{Identity, await_readable, list};

/// Something happened to the processes of a watched name. Look with [`find`](super::find) at what is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// A process runs that was not known before; also for each name that runs already when its watch begins.
    Started(String),
    /// A process has ended, or goes by another name from now on.
    Exited(String),
}

/// Watches processes by name (see the [module](super)).
///
/// Exits are noticed at once, through a pidfd for each process. Starts are noticed at once where the kernel's
/// process events are to be had ([`ProcConnector`](super::ProcConnector)), elsewhere by a look at new entries of `/proc`, five times
/// a second. One that takes the name long after it was born is then noticed within two seconds.
#[derive(Debug)]
pub struct ProcessWatcher {
    names: BTreeSet<String>,
    known: HashMap<u32, Known>,
    exits: FuturesUnordered<BoxFuture<'static, Watch>>,
    next_serial: u64,
    /// Every process seen by the last scan, and how many scans have seen it.
    seen: HashMap<u32, u32>,
    scans: u32,
    /// Something was missed: look at everything, now.
    look_at_all: bool,
    connector: Option<AsyncFd<OwnedFd>>,
    tick: Interval,
    events: VecDeque<ProcessEvent>,
}

/// A process that bears watched names.
#[derive(Debug)]
struct Known {
    serial: u64,
    names: Vec<String>,
}

/// Tells the watch of a process from that of a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watch {
    pid: u32,
    serial: u64,
}

/// How often new processes are looked for where the kernel does not tell.
const SCAN_INTERVAL: Duration = Duration::from_millis(200);

/// How often processes are looked for where the kernel tells: only for what it never tells, such as a child that goes on under its parent's name.
const SAFETY_INTERVAL: Duration = Duration::from_secs(5);

/// A process is looked at in each of its first scans, since between fork and exec it has its parent's name, ...
const YOUNG_SCANS: u32 = 10;

/// ... and later in one scan out of so many.
const RECHECK_EVERY: u32 = 10;

impl ProcessWatcher {
    /// Watches nothing yet. Must be called in the context of a tokio runtime.
    ///
    /// `connector` is a socket of [`ProcConnector::open`](super::ProcConnector::open), opened by this process or by the one that started it.
    ///
    /// # Errors
    ///
    /// When the runtime cannot wait for `connector`.
    pub fn new(connector: Option<OwnedFd>) -> io::Result<Self> {
        let interval = if connector.is_some() {
            SAFETY_INTERVAL
        } else {
            SCAN_INTERVAL
        };
        let connector = connector.map(await_readable).transpose()?;
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            names: BTreeSet::new(),
            known: HashMap::new(),
            exits: FuturesUnordered::new(),
            next_serial: 0,
            seen: HashMap::new(),
            scans: 0,
            look_at_all: false,
            connector,
            tick,
            events: VecDeque::new(),
        })
    }

    /// Starts to watch processes of this name.
    pub fn watch(&mut self, name: &str) {
        self.look_at_all |= self.names.insert(name.to_owned());
    }

    /// Stops to watch processes of this name; events already noticed may still come.
    pub fn unwatch(&mut self, name: &str) {
        self.names.remove(name);
        for known in self.known.values_mut() {
            known.names.retain(|known| known != name);
        }
        self.known.retain(|_, known| !known.names.is_empty());
    }

    /// The next event. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// When `/proc` cannot be read, or the connector fails. The next call tries again, without the connector if it was that.
    pub async fn next(&mut self) -> io::Result<ProcessEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if self.look_at_all {
                // It takes milliseconds on a host with many processes; whoever the last event has woken goes first.
                tokio::task::yield_now().await;
                self.scan(true)?;
                self.look_at_all = false;
                continue;
            }
            let idle = self.names.is_empty();
            tokio::select! {
                Some(watch) = self.exits.next(), if !self.exits.is_empty() => self.exited(watch),
                heard = hear(self.connector.as_ref()) => match heard {
                    Ok(Heard::Process(pid)) => self.look_at(pid),
                    Ok(Heard::Overrun) => self.look_at_all = true,
                    Ok(Heard::Consent | Heard::Other) => {}
                    Err(error) => {
                        self.lose_connector();
                        return Err(error);
                    }
                },
                _ = self.tick.tick(), if !idle => self.scan(self.connector.is_some())?,
            }
        }
    }

    fn exited(&mut self, watch: Watch) {
        if self
            .known
            .get(&watch.pid)
            .is_some_and(|known| known.serial == watch.serial)
        {
            self.forget(watch.pid);
            // It may have left a child that goes on under its name.
            self.look_at_all = true;
        }
    }

    fn forget(&mut self, pid: u32) {
        if let Some(known) = self.known.remove(&pid) {
            for name in known.names {
                self.push(ProcessEvent::Exited(name));
            }
        }
    }

    fn scan(&mut self, all: bool) -> io::Result<()> {
        self.scans = self.scans.wrapping_add(1);
        let mut seen = HashMap::with_capacity(self.seen.len());
        for pid in list()? {
            let times = self
                .seen
                .get(&pid)
                .map_or(0, |times| times.saturating_add(1));
            seen.insert(pid, times);
            let due = pid.wrapping_add(self.scans).is_multiple_of(RECHECK_EVERY);
            if all || times < YOUNG_SCANS || due {
                self.look_at(pid);
            }
        }
        self.seen = seen;
        Ok(())
    }

    fn look_at(&mut self, pid: u32) {
        let names = self.names_of(pid);
        let known = self.known.get(&pid).map_or(&[][..], |known| &known.names);
        if names == known {
            return;
        }
        // It has changed its name; what follows treats it like one process that ended and another that started.
        self.forget(pid);
        if names.is_empty() {
            return;
        }
        let Some(pidfd) = hold(pid) else {
            return;
        };
        // Between the look and the open the id may have passed to another process.
        let names = self.names_of(pid);
        if names.is_empty() || has_exited(&pidfd) {
            return;
        }
        let watch = Watch {
            pid,
            serial: self.next_serial,
        };
        match await_readable(pidfd) {
            Ok(pidfd) => self.exits.push(Box::pin(async move {
                // An error of the runtime's means that it shuts down; nobody waits for the event then.
                let _ = pidfd.readable().await;
                watch
            })),
            Err(error) => {
                tracing::warn!(pid, %error, "cannot wait for the end of a process");
                return;
            }
        }
        self.next_serial += 1;
        for name in &names {
            self.push(ProcessEvent::Started(name.clone()));
        }
        self.known.insert(
            pid,
            Known {
                serial: watch.serial,
                names,
            },
        );
    }

    /// The watched names that the process bears; none when it is a zombie, has no more life to watch, or may not be looked at.
    fn names_of(&self, pid: u32) -> Vec<String> {
        let Some(identity) = Identity::read(pid) else {
            return Vec::new();
        };
        self.names
            .iter()
            .filter(|name| identity.has_name(name))
            .cloned()
            .collect()
    }

    fn lose_connector(&mut self) {
        self.connector = None;
        self.look_at_all = true;
        self.tick = tokio::time::interval(SCAN_INTERVAL);
        self.tick
            .set_missed_tick_behavior(MissedTickBehavior::Delay);
    }

    /// Events say that something happened, not how often: a hundred workers that start together are one. The last word on a name stays the last.
    fn push(&mut self, event: ProcessEvent) {
        self.events.retain(|queued| *queued != event);
        self.events.push_back(event);
    }
}

async fn hear(connector: Option<&AsyncFd<OwnedFd>>) -> io::Result<Heard> {
    match connector {
        Some(connector) => connector.async_io(Interest::READABLE, receive).await,
        None => std::future::pending().await,
    }
}

/// A descriptor that never comes to mean another process; nothing when the process is gone.
fn hold(pid: u32) -> Option<OwnedFd> {
    let raw = i32::try_from(pid).ok()?;
    match pidfd_open(Pid::from_raw(raw)?, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => Some(pidfd),
        Err(Errno::SRCH) => None,
        Err(errno) => {
            tracing::warn!(pid, error = %errno, "cannot hold on to a process");
            None
        }
    }
}

/// A pidfd is readable from the moment when the process is a zombie.
fn has_exited(pidfd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // A failed poll proves nothing; the process is taken to run until something does.
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}
