//! Brings the kernel's macvlans towards the desired ones.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::io::Errno;
use tracing::warn;
use vrrp::Family;

use super::kernel::{Kernel, Link, is};
use super::sysctl::{Changed, prepare_macvlan};
use super::{DesiredMacvlan, MacvlanEvent};

/// What is wanted, and what was done for it.
pub(super) struct Keeper {
    kernel: Kernel,
    desired: Vec<DesiredMacvlan>,
    /// Every name that was ever desired.
    names: BTreeSet<String>,
    /// The indices of the macvlans that were made here and are ready for use.
    prepared: BTreeSet<u32>,
    /// What was changed on each parent of IPv4 macvlans, by its index.
    changed: BTreeMap<u32, Changed>,
    /// What the owner was told last.
    reported: BTreeMap<String, Standing>,
}

/// What has become of a desired macvlan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Up,
    Down,
    Failed(io::ErrorKind),
}

impl Keeper {
    pub(super) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            desired: Vec::new(),
            names: BTreeSet::new(),
            prepared: BTreeSet::new(),
            changed: BTreeMap::new(),
            reported: BTreeMap::new(),
        }
    }

    pub(super) fn set_desired(&mut self, desired: Vec<DesiredMacvlan>) {
        self.names
            .extend(desired.iter().map(|want| want.name.clone()));
        let wanted = |name: &String| desired.iter().any(|want| want.name == *name);
        self.reported.retain(|name, _| wanted(name));
        self.desired = desired;
    }

    /// Something is not as desired and may become so without any notification.
    pub(super) fn wants_retry(&self) -> bool {
        let mut standings = self.reported.values();
        standings.any(|standing| matches!(standing, Standing::Failed(_)))
    }

    /// Looks at everything once and does what is to be done, until it is `outdated`. It tells what is new to the owner.
    ///
    /// # Errors
    /// When the kernel cannot be asked; refusals are events.
    pub(super) async fn pass(
        &mut self,
        outdated: impl Fn() -> bool,
    ) -> io::Result<Vec<MacvlanEvent>> {
        let links = self.remove_unwanted().await?;
        self.prepared
            .retain(|index| links.iter().any(|link| link.index == *index));
        let mut events = Vec::new();
        // Up first: addresses wait for it, and nothing waits for the others, which take longer.
        let (up, down): (Vec<_>, Vec<_>) = self.desired.iter().cloned().partition(|it| it.up);
        for want in up.into_iter().chain(down) {
            let result = self.bring_about(&want, &links).await;
            let standing = match &result {
                Ok(true) => Standing::Up,
                Ok(false) => Standing::Down,
                Err(error) => Standing::Failed(error.kind()),
            };
            let name = want.name;
            if self.reported.insert(name.clone(), standing) != Some(standing) {
                events.push(match result {
                    Ok(true) => MacvlanEvent::Up { name },
                    Ok(false) => MacvlanEvent::Down { name },
                    Err(error) => MacvlanEvent::Failed { name, error },
                });
            }
            if outdated() {
                return Ok(events);
            }
        }
        self.restore_parents(&links);
        Ok(events)
    }

    /// Deletes the macvlans of ours that are not wanted, or not as they are; also those that an earlier run left under a name that is wanted.
    /// Returns the interfaces that there are then.
    async fn remove_unwanted(&mut self) -> io::Result<Vec<Link>> {
        let mut links = self.kernel.links().await?;
        let mut gone = Vec::new();
        let named = |link: &&Link| link.is_ours() && self.names.contains(&link.name);
        for link in links.iter().filter(named) {
            let parent = links.iter().find(|it| Some(it.index) == link.parent);
            let wanted = self.desired.iter().any(|want| want.is(link, parent));
            if wanted && self.prepared.contains(&link.index) {
                continue;
            }
            if let (Some(parent), Some(changed)) = (link.parent, changed_by(link)) {
                self.changed.entry(parent).or_insert(changed);
            }
            gone.push(link.index);
        }
        self.kernel.delete(&gone).await?;
        links.retain(|link| !gone.contains(&link.index));
        Ok(links)
    }

    /// True when it is there and up, false when it is there and down, or cannot be there without its parent.
    async fn bring_about(&mut self, want: &DesiredMacvlan, links: &[Link]) -> io::Result<bool> {
        let Some(parent) = links.iter().find(|link| link.name == want.parent) else {
            return Ok(false);
        };
        let link = match links.iter().find(|link| link.name == want.name) {
            Some(link) if want.is(link, Some(parent)) => link.clone(),
            Some(_) => return Err(Errno::EXIST.into()),
            None => self.create(want, parent).await?,
        };
        // The kernel lowers it with the parent's and does not raise it.
        if link.mtu != parent.mtu {
            self.kernel.set_mtu(link.index, parent.mtu).await?;
        }
        if link.up == want.up {
            return Ok(want.up);
        }
        match self.kernel.set_up(link.index, want.up).await {
            Ok(()) => Ok(want.up),
            // It waits for its parent to be up, of which a notification tells.
            Err(error) if is(&error, Errno::NETDOWN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self, want: &DesiredMacvlan, parent: &Link) -> io::Result<Link> {
        let changed = match (want.family, self.changed.get(&parent.index)) {
            (Family::V6, _) => Changed::nothing(&parent.name),
            (Family::V4, Some(changed)) => changed.clone(),
            (Family::V4, None) => Changed::plan(&parent.name)?,
        };
        self.kernel
            .create(&want.name, parent.index, want.mac())
            .await?;
        let link = self.kernel.link(&want.name).await?;
        let prepared = self.prepare(want, &link, &changed).await;
        if want.family == Family::V4 {
            self.changed.insert(parent.index, changed);
        }
        match prepared {
            Ok(()) => {
                self.prepared.insert(link.index);
                Ok(link)
            }
            Err(error) => {
                self.kernel.delete(&[link.index]).await?;
                Err(error)
            }
        }
    }

    async fn prepare(
        &self,
        want: &DesiredMacvlan,
        link: &Link,
        changed: &Changed,
    ) -> io::Result<()> {
        self.kernel
            .describe(link.index, &changed.to_string())
            .await?;
        prepare_macvlan(&want.name, want.family)?;
        changed.apply()
    }

    /// Puts back what was changed on parents that have no IPv4 macvlan any more.
    fn restore_parents(&mut self, links: &[Link]) {
        let used = |index: u32| {
            let parent = links.iter().find(|link| link.index == index);
            parent.is_some_and(|parent| {
                let mut desired = self.desired.iter();
                desired.any(|want| want.family == Family::V4 && want.parent == parent.name)
            })
        };
        let unused: Vec<u32> = self.changed.keys().copied().filter(|i| !used(*i)).collect();
        for index in unused {
            let changed = self.changed.remove(&index);
            // An interface that has taken the name of one that is gone was not changed here.
            let is_there = links.iter().any(|link| link.index == index);
            if let Some(changed) = changed.filter(|_| is_there) {
                restore(&changed);
            }
        }
    }
}

impl DesiredMacvlan {
    /// Whether it is this interface of the kernel.
    fn is(&self, link: &Link, parent: Option<&Link>) -> bool {
        link.name == self.name
            && link.is_ours()
            && link.mac == Some(self.mac())
            && parent.is_some_and(|parent| {
                parent.name == self.parent && link.parent == Some(parent.index)
            })
    }
}

/// Which of these names interfaces have that were not made here.
pub(super) async fn foreign(kernel: &Kernel, names: &[String]) -> io::Result<Vec<String>> {
    let links = kernel.links().await?.into_iter();
    let foreign = links.filter(|link| !link.is_ours() && names.contains(&link.name));
    Ok(foreign.map(|link| link.name).collect())
}

/// Deletes every macvlan of ours, puts back what was changed for them, and returns the names of what it deleted.
pub(super) async fn remove_all(kernel: &Kernel) -> io::Result<Vec<String>> {
    let links = kernel.links().await?;
    let (mut indices, mut removed) = (Vec::new(), Vec::new());
    let mut changes = BTreeMap::new();
    for link in links.iter().filter(|link| link.is_ours()) {
        if let (Some(parent), Some(changed)) = (link.parent, changed_by(link)) {
            changes.entry(parent).or_insert(changed);
        }
        indices.push(link.index);
        removed.push(link.name.clone());
    }
    kernel.delete(&indices).await?;
    changes.values().for_each(restore);
    Ok(removed)
}

/// What was changed on the parent of an IPv4 macvlan of ours.
fn changed_by(link: &Link) -> Option<Changed> {
    let is_v4 = matches!(link.mac, Some([_, _, _, _, 1, _]));
    link.alias
        .as_deref()
        .filter(|_| is_v4)
        .and_then(Changed::parse)
}

fn restore(changed: &Changed) {
    if let Err(error) = changed.restore() {
        warn!(%error, "cannot put back what was there: {changed}");
    }
}
