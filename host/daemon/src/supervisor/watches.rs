//! What is watched on behalf of the checks: units and paths, which the worker may not see.
//!
//! The rest it watches itself: processes and interfaces are there for everybody.

use std::future::pending;
use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;
use vrrp_linux::path::PathWatcher;
use vrrp_linux::systemd::UnitWatcher;
use vrrp_sandbox::{Grant, Trigger};

use super::running::Event;

/// So many are watched for one worker, however many it asks for: more than any file needs, and not so many that one which was taken
/// over takes the memory of this process.
const WATCHES_MAX: usize = 4096;

/// The watches of one worker. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Watches {
    wanted: mpsc::Sender<(Grant, Trigger)>,
    task: JoinHandle<()>,
}

impl Watches {
    /// For the worker of this generation.
    pub(super) fn start(generation: u32, events: mpsc::Sender<Event>) -> Self {
        let (wanted, to_watch) = mpsc::channel(WATCHES_MAX);
        let watcher = Watcher {
            generation,
            events,
            armed: Vec::new(),
            units: UnitWatcher::new(),
            paths: None,
        };
        Self {
            wanted,
            task: tokio::spawn(watcher.run(to_watch)),
        }
    }

    /// Watches what `grant`, which was found to be allowed, is about, and tells `trigger` whenever something happens to it.
    pub(super) fn watch(&self, grant: Grant, trigger: Trigger) {
        if self.wanted.try_send((grant, trigger)).is_err() {
            warn!("more to watch than {WATCHES_MAX} things at once: checks look on their interval");
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watcher {
    generation: u32,
    events: mpsc::Sender<Event>,
    /// What is watched, and what to say when something happens to it.
    armed: Vec<(Grant, Trigger)>,
    units: UnitWatcher,
    /// Opened when a path is to be watched; inotify instances are scarce.
    paths: Option<PathWatcher>,
}

impl Watcher {
    async fn run(mut self, mut to_watch: mpsc::Receiver<(Grant, Trigger)>) {
        loop {
            let touched = tokio::select! {
                wanted = to_watch.recv() => match wanted {
                    Some((grant, trigger)) => {
                        self.arm(grant, trigger);
                        continue;
                    }
                    None => return,
                },
                unit = self.units.next() => Grant::Unit(unit),
                path = next_path(self.paths.as_mut()) => match path {
                    Ok(path) => Grant::Read(path),
                    Err(error) => {
                        warn!(%error, "paths cannot be watched any more; checks look on their interval");
                        self.paths = None;
                        continue;
                    }
                },
            };
            let armed = self.armed.iter();
            let happened: Vec<Trigger> = armed
                .filter(|(grant, _)| *grant == touched)
                .map(|(_, trigger)| trigger.clone())
                .collect();
            for trigger in happened {
                let event = Event::Happened {
                    generation: self.generation,
                    trigger,
                };
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    fn arm(&mut self, grant: Grant, trigger: Trigger) {
        if self.armed.len() >= WATCHES_MAX {
            warn!(%grant, "not watched: there are {WATCHES_MAX} watches already");
            return;
        }
        let is_new = |(_, known): &(Grant, Trigger)| *known != trigger;
        if !self.armed.iter().all(is_new) {
            return;
        }
        if let Grant::Unit(unit) = &grant {
            self.units.watch(unit);
        }
        if let Grant::Read(path) = &grant
            && let Err(error) = self.watch_path(path)
        {
            warn!(path = %path.display(), %error, "cannot be watched; checks look on their interval");
            return;
        }
        self.armed.push((grant, trigger));
    }

    fn watch_path(&mut self, path: &std::path::Path) -> io::Result<()> {
        let mut watcher = match self.paths.take() {
            Some(watcher) => watcher,
            None => PathWatcher::new()?,
        };
        let watched = watcher.watch(path);
        self.paths = Some(watcher);
        watched
    }
}

async fn next_path(watcher: Option<&mut PathWatcher>) -> io::Result<PathBuf> {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// What takes milliseconds on an idle host may take seconds on a loaded one; a test that waits this long has failed.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn next(events: &mut mpsc::Receiver<Event>) -> Trigger {
        let event = timeout(PATIENCE, events.recv()).await;
        let event = event.expect("it did not happen").expect("it is watched");
        let Event::Happened {
            generation: 7,
            trigger,
        } = event
        else {
            panic!("{event:?}");
        };
        trigger
    }

    #[tokio::test]
    async fn what_was_armed_is_told_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let trigger = |name: &str| Trigger::PathChanged(path(name));
        let (sender, mut events) = mpsc::channel(16);
        let watches = Watches::start(7, sender);
        for name in ["one", "two"] {
            let grant = Grant::to_watch(&trigger(name)).unwrap();
            watches.watch(grant.clone(), trigger(name));
            // Another check wants the same.
            watches.watch(grant, trigger(name));
        }
        // The watches begin.
        assert_eq!(next(&mut events).await, trigger("one"));
        assert_eq!(next(&mut events).await, trigger("two"));

        std::fs::write(path("three"), "").unwrap();
        std::fs::create_dir(path("two")).unwrap();
        assert_eq!(next(&mut events).await, trigger("two"));
        std::fs::create_dir(path("one")).unwrap();
        assert_eq!(next(&mut events).await, trigger("one"));
        drop(watches);
        let end = timeout(PATIENCE, events.recv()).await.expect("it ends");
        assert!(end.is_none(), "{end:?}");
    }
}
