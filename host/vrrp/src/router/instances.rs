//! The virtual routers of a host, and when each of them is due.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::instance::Instance;
use crate::{Deadline, InstanceId, Instant, Why};

/// Every instance by its number, in order, with an index of their deadlines: among a thousand, those that are due are found
/// without asking each.
///
/// Whoever gets an instance to change it may move its deadline, so the index is behind until [`reindex`](Self::reindex).
#[derive(Debug, Default)]
pub(super) struct Instances {
    all: BTreeMap<InstanceId, Entry>,
    /// What each instance that waits for something waits for.
    due: BTreeMap<(Instant, InstanceId), Why>,
    /// Those that were handed out to be changed since they were indexed.
    touched: BTreeSet<InstanceId>,
}

#[derive(Debug)]
struct Entry {
    instance: Instance,
    /// Where it is in the index.
    at: Option<Instant>,
}

impl Instances {
    pub(super) fn get(&self, id: &InstanceId) -> Option<&Instance> {
        self.all.get(id).map(|entry| &entry.instance)
    }

    pub(super) fn get_mut(&mut self, id: &InstanceId) -> Option<&mut Instance> {
        let entry = self.all.get_mut(id)?;
        self.touched.insert(*id);
        Some(&mut entry.instance)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &InstanceId> {
        self.all.keys()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Instance> {
        self.all.values().map(|entry| &entry.instance)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        self.touched.extend(self.all.keys());
        self.all.values_mut().map(|entry| &mut entry.instance)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&InstanceId, &Instance)> {
        self.all.iter().map(|(id, entry)| (id, &entry.instance))
    }

    /// Returns the instance that had the number, if there was one.
    pub(super) fn insert(&mut self, id: InstanceId, instance: Instance) -> Option<Instance> {
        let before = self.remove(&id);
        self.all.insert(id, Entry { instance, at: None });
        self.touched.insert(id);
        before
    }

    pub(super) fn remove(&mut self, id: &InstanceId) -> Option<Instance> {
        let Entry { instance, at } = self.all.remove(id)?;
        self.touched.remove(id);
        if let Some(at) = at {
            self.due.remove(&(at, *id));
        }
        Some(instance)
    }

    /// The instances that are due at `now`, in order of their numbers.
    pub(super) fn due(&mut self, now: Instant) -> Vec<InstanceId> {
        self.reindex();
        let latest = InstanceId(u32::MAX);
        let mut due: Vec<_> = self
            .due
            .range(..=(now, latest))
            .map(|((_, id), _)| *id)
            .collect();
        due.sort_unstable();
        due
    }

    /// The first deadline of all; of two at the same time, that of the lower number.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        debug_assert!(self.touched.is_empty(), "{:?}", self.touched);
        let ((at, _), why) = self.due.first_key_value()?;
        Some(Deadline { at: *at, why: *why })
    }

    /// Takes in what became of the instances that were handed out.
    pub(super) fn reindex(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            let Some(entry) = self.all.get_mut(&id) else {
                continue;
            };
            let deadline = entry.instance.deadline();
            let at = deadline.map(|deadline| deadline.at);
            if let Some(before) = core::mem::replace(&mut entry.at, at) {
                self.due.remove(&(before, id));
            }
            if let Some(Deadline { at, why }) = deadline {
                self.due.insert((at, id), why);
            }
        }
    }
}
