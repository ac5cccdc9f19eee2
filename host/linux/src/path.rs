//! Events when what a path leads to becomes another one ([`PathWatcher`]), from the kernel's inotify.
//!
//! Folders are watched, not files: a file that is replaced by renaming another one into its place, as most programs write a
//! config, or that is deleted and comes back, stays watched. So does one behind symbolic links, of which any may be replaced, and one
//! whose folder does not exist yet: every folder that the path leads through is watched for the name it leads through.
//!
//! **Not seen** is what inotify does not tell: writes through another hard link or a shared mapping, a file system that is mounted
//! over a part of the path, changes by another host of a network file system, and anything in `/proc` and `/sys`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::process::await_readable;

/// Watches paths (see the [module](self)).
#[derive(Debug)]
pub struct PathWatcher {
    inotify: AsyncFd<OwnedFd>,
    /// What each path leads through.
    paths: BTreeMap<PathBuf, Vec<Step>>,
    /// The kernel's watches, by its numbers, which it does not give twice.
    watches: BTreeSet<i32>,
    changed: VecDeque<PathBuf>,
    /// When the kernel is asked again.
    next_read: Instant,
}

/// A name in a watched folder that a path leads through.
#[derive(Debug)]
struct Step {
    watch: i32,
    /// `None`: everything in the folder, because the path leads to it.
    name: Option<OsString>,
}

/// What the kernel saw.
#[derive(Debug)]
struct Seen {
    watch: i32,
    what: ReadFlags,
    /// `None`: the folder itself.
    name: Option<OsString>,
}

/// Between two looks at what the kernel saw. It merges what is equal meanwhile, so that a log file which is written all the time
/// beside a watched one costs little.
const READ_INTERVAL: Duration = Duration::from_millis(5);
/// As the kernel follows, path_resolution(7).
const SYMLINKS_MAX: u32 = 40;

/// What makes a path lead elsewhere, or nowhere.
const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);
/// What changes a file in its place.
const CONTENT: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB);

const LEADS_ELSEWHERE: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::IGNORED);

impl PathWatcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or inotify instance left (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            inotify: await_readable(inotify)?,
            paths: BTreeMap::new(),
            watches: BTreeSet::new(),
            changed: VecDeque::new(),
            next_read: Instant::now(),
        })
    }

    /// Watches a path, to a file or to a folder with what is directly in it. Nothing needs to be there. It counts as changed once, because
    /// nobody knows what happened to it before.
    ///
    /// # Errors
    ///
    /// When it is relative, when a folder on the way may not be read, or when the system has no watch left
    /// (`fs.inotify.max_user_watches`).
    pub fn watch(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_absolute() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only an absolute path can be watched",
            ));
        }
        let (steps, end) = self.walk(path);
        end?;
        self.paths.insert(path.to_owned(), steps);
        self.push(path);
        Ok(())
    }

    /// The next path that may lead to something else than before. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell any more.
    pub async fn next(&mut self) -> io::Result<PathBuf> {
        loop {
            if let Some(path) = self.changed.pop_front() {
                return Ok(path);
            }
            sleep_until(self.next_read).await;
            let seen = self.inotify.async_io(Interest::READABLE, receive).await?;
            self.next_read = Instant::now() + READ_INTERVAL;
            self.take(&seen);
        }
    }

    fn take(&mut self, seen: &[Seen]) {
        let mut to_walk = BTreeSet::new();
        for event in seen {
            let overflow = event.what.contains(ReadFlags::QUEUE_OVERFLOW);
            let elsewhere = overflow || event.what.intersects(LEADS_ELSEWHERE);
            let concerned: Vec<PathBuf> = self
                .paths
                .iter()
                .filter(|(_, steps)| overflow || steps.iter().any(|step| step.concerns(event)))
                .map(|(path, _)| path.clone())
                .collect();
            for path in concerned {
                self.push(&path);
                if elsewhere {
                    to_walk.insert(path);
                }
            }
        }
        if to_walk.is_empty() {
            return;
        }
        for path in to_walk {
            let (steps, end) = self.walk(&path);
            if let Err(error) = end {
                tracing::warn!(path = %path.display(), %error, "a part of a watched path is not watched any more");
            }
            self.paths.insert(path, steps);
        }
        self.drop_unused();
    }

    /// Watches every folder that a path leads through, as far as there is one, and tells why it went no further.
    fn walk(&mut self, path: &Path) -> (Vec<Step>, io::Result<()>) {
        let mut steps = Vec::new();
        let end = self.walk_on(path, &mut steps);
        (steps, end)
    }

    fn walk_on(&mut self, path: &Path, steps: &mut Vec<Step>) -> io::Result<()> {
        let mut at = PathBuf::from("/");
        // The next name last.
        let mut rest = names(path);
        let mut symlinks = 0;
        loop {
            let Some(name) = rest.pop() else {
                // It leads to a folder.
                let watch = self.add(&at, ENTRIES | CONTENT)?;
                steps.extend(watch.map(|watch| Step { watch, name: None }));
                return Ok(());
            };
            if name == ".." {
                at.pop();
                continue;
            }
            // Before the look at the name, so that whatever changes it afterwards is an event.
            let what = if rest.is_empty() {
                ENTRIES | CONTENT
            } else {
                ENTRIES
            };
            let Some(watch) = self.add(&at, what)? else {
                return Ok(());
            };
            at.push(&name);
            steps.push(Step {
                watch,
                name: Some(name),
            });
            // Where nothing is, or nothing that leads on, the watch of its folder tells when that changes.
            let Ok(metadata) = at.symlink_metadata() else {
                return Ok(());
            };
            if metadata.is_symlink() {
                let Ok(target) = at.read_link() else {
                    return Ok(());
                };
                symlinks += 1;
                if symlinks > SYMLINKS_MAX {
                    return Ok(());
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                } else {
                    at.pop();
                }
                rest.extend(names(&target));
            } else if !metadata.is_dir() {
                return Ok(());
            }
        }
    }

    /// Watches a folder for more than before; `None` when it is gone, which the watch of the folder above tells.
    fn add(&mut self, folder: &Path, what: WatchFlags) -> io::Result<Option<i32>> {
        let how = WatchFlags::MASK_ADD | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        match inotify::add_watch(&self.inotify, folder, what | how) {
            Ok(watch) => {
                self.watches.insert(watch);
                Ok(Some(watch))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn drop_unused(&mut self) {
        let used: BTreeSet<i32> = self
            .paths
            .values()
            .flatten()
            .map(|step| step.watch)
            .collect();
        for unused in self.watches.difference(&used) {
            // The kernel has dropped that of a folder that is gone by itself.
            let _ = inotify::remove_watch(&self.inotify, *unused);
        }
        self.watches = used;
    }

    /// Events say that something happened, not how often.
    fn push(&mut self, path: &Path) {
        if !self.changed.iter().any(|queued| queued == path) {
            self.changed.push_back(path.to_owned());
        }
    }
}

impl Step {
    fn concerns(&self, event: &Seen) -> bool {
        if self.watch != event.watch {
            return false;
        }
        match (&self.name, &event.name) {
            (Some(ours), Some(name)) => ours == name,
            (None, _) => true,
            // The attributes of a folder on the way change with each folder in it.
            (Some(_), None) => event.what.intersects(LEADS_ELSEWHERE),
        }
    }
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    names
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Everything that one read gives.
fn receive(inotify: &OwnedFd) -> io::Result<Vec<Seen>> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut seen = Vec::new();
    loop {
        let event = reader.next()?;
        seen.push(Seen {
            watch: event.wd(),
            what: event.events(),
            name: event
                .file_name()
                .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()),
        });
        if reader.is_buffer_empty() {
            return Ok(seen);
        }
    }
}
