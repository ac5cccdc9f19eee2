//! What a router has many of and waits for, and when each of them is due.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::instance::Instance;
use crate::track::Check;
use crate::{CheckId, Deadline, InstanceId, Instant, Why};

/// What waits for a time.
pub(super) trait Waits<K> {
    /// When it is due, if ever.
    fn deadline(&self, id: K) -> Option<Deadline>;
}

impl Waits<InstanceId> for Instance {
    fn deadline(&self, _: InstanceId) -> Option<Deadline> {
        self.deadline()
    }
}

impl Waits<CheckId> for Check {
    fn deadline(&self, id: CheckId) -> Option<Deadline> {
        let why = Why::StaleCheck(id);
        self.stale_timer().map(|at| Deadline { at, why })
    }
}

/// All of them by number, in order, with an index of their deadlines: among a thousand, those that are due are found
/// without asking each.
///
/// Whoever gets one to change it may move its deadline, so the index is behind until [`reindex`](Self::reindex).
#[derive(Debug)]
pub(super) struct Indexed<K, T> {
    all: BTreeMap<K, Entry<T>>,
    /// What each one that waits for something waits for, the first one first.
    ///
    /// A sorted queue and no tree: who was first and has done what was due comes last again, both are ends of the queue, and
    /// nothing is allocated for it.
    due: VecDeque<Due<K>>,
    /// Those that were handed out to be changed since they were indexed.
    touched: Vec<K>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    /// Where it is in the index.
    at: Option<Instant>,
    /// Whether it is among those that were handed out.
    touched: bool,
}

#[derive(Clone, Copy, Debug)]
struct Due<K> {
    at: Instant,
    id: K,
    why: Why,
}

impl<K, T> Default for Indexed<K, T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            due: VecDeque::new(),
            touched: Vec::new(),
        }
    }
}

impl<K: Ord + Copy, T: Waits<K>> Indexed<K, T> {
    pub(super) fn get(&self, id: &K) -> Option<&T> {
        self.all.get(id).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, id: &K) -> Option<&mut T> {
        let entry = self.all.get_mut(id)?;
        if !core::mem::replace(&mut entry.touched, true) {
            self.touched.push(*id);
        }
        Some(&mut entry.value)
    }

    pub(super) fn contains(&self, id: &K) -> bool {
        self.all.contains_key(id)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.all.keys()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.all.values().map(|entry| &entry.value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let touched = &mut self.touched;
        self.all.iter_mut().map(|(id, entry)| {
            if !core::mem::replace(&mut entry.touched, true) {
                touched.push(*id);
            }
            &mut entry.value
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.all.iter().map(|(id, entry)| (id, &entry.value))
    }

    /// Returns the one that had the number, if there was one.
    pub(super) fn insert(&mut self, id: K, value: T) -> Option<T> {
        let before = self.remove(&id);
        let entry = Entry {
            value,
            at: None,
            touched: true,
        };
        self.all.insert(id, entry);
        self.touched.push(id);
        before
    }

    pub(super) fn remove(&mut self, id: &K) -> Option<T> {
        let Entry { value, at, .. } = self.all.remove(id)?;
        self.touched.retain(|touched| touched != id);
        if let Some(at) = at {
            self.forget((at, *id));
        }
        Some(value)
    }

    /// Puts those that are due at `now` into `due`, in order of their numbers.
    pub(super) fn due(&mut self, now: Instant, due: &mut Vec<K>) {
        self.reindex();
        due.clear();
        let first = self.due.iter().take_while(|entry| entry.at <= now);
        due.extend(first.map(|entry| entry.id));
        due.sort_unstable();
    }

    /// The first deadline of all; of two at the same time, that of the lower number.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        debug_assert!(self.touched.is_empty(), "the index is behind");
        let Due { at, why, .. } = *self.due.front()?;
        Some(Deadline { at, why })
    }

    /// Takes in what became of those that were handed out.
    pub(super) fn reindex(&mut self) {
        while let Some(id) = self.touched.pop() {
            let Some(entry) = self.all.get_mut(&id) else {
                continue;
            };
            entry.touched = false;
            let deadline = entry.value.deadline(id);
            let at = deadline.map(|deadline| deadline.at);
            if let Some(before) = core::mem::replace(&mut entry.at, at) {
                self.forget((before, id));
            }
            if let Some(Deadline { at, why }) = deadline {
                let (Ok(index) | Err(index)) = self.find((at, id));
                self.due.insert(index, Due { at, id, why });
            }
        }
    }

    fn forget(&mut self, key: (Instant, K)) {
        if let Ok(index) = self.find(key) {
            self.due.remove(index);
        }
    }

    fn find(&self, key: (Instant, K)) -> Result<usize, usize> {
        self.due.binary_search_by_key(&key, |due| (due.at, due.id))
    }
}
