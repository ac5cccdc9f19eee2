//! What happened in the last hour, for the picture of it.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// How far back it goes.
const SPAN: Duration = Duration::from_secs(60 * 60);
/// Entries at most. An instance that changes every second for an hour has 3,600 of them.
const ENTRIES_MAX: usize = 5_000;

/// Whose line of the picture it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::supervisor) enum Kind {
    Instance,
    SyncGroup,
    Check,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::supervisor) struct Entry {
    /// When, in milliseconds since 1970.
    pub(in crate::supervisor) at: u64,
    pub(in crate::supervisor) kind: Kind,
    pub(in crate::supervisor) name: String,
    /// The state or standing until then.
    pub(in crate::supervisor) before: String,
    /// The state or standing from then on.
    pub(in crate::supervisor) after: String,
    pub(in crate::supervisor) reason: String,
}

/// The entries of the last hour, each with its number.
#[derive(Debug)]
pub(super) struct Timeline {
    entries: VecDeque<(u64, Entry)>,
    next: u64,
    /// From when on nothing is missing, in milliseconds since 1970.
    since: u64,
}

/// The timeline as the page is told it.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    /// The time here, in milliseconds since 1970.
    now: u64,
    since: u64,
    entries: Vec<&'a Entry>,
}

impl Timeline {
    pub(super) fn new(now: u64) -> Self {
        Self {
            entries: VecDeque::new(),
            next: 0,
            since: now,
        }
    }

    /// Adds an entry, and forgets what is too old.
    pub(super) fn note(&mut self, entry: Entry, now: u64) {
        self.entries.push_back((self.next, entry));
        self.next += 1;
        let span = u64::try_from(SPAN.as_millis()).unwrap_or(u64::MAX);
        let start = now.saturating_sub(span);
        while let Some((_, oldest)) = self.entries.front() {
            let overflows = self.entries.len() > ENTRIES_MAX;
            if oldest.at >= start && !overflows {
                break;
            }
            if overflows {
                self.since = self.since.max(oldest.at);
            }
            self.entries.pop_front();
        }
    }

    /// All of it, and the number from which [`after`](Self::after) goes on.
    pub(super) fn view(&self, now: u64) -> (View<'_>, u64) {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        let view = View {
            now,
            since: self.since,
            entries: entries.collect(),
        };
        (view, self.next)
    }

    /// The entries from that number on, and the number after them.
    pub(super) fn after(&self, number: u64) -> (impl Iterator<Item = &Entry>, u64) {
        let new = self.entries.iter().filter(move |(this, _)| *this >= number);
        (new.map(|(_, entry)| entry), self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64) -> Entry {
        Entry {
            at,
            kind: Kind::Instance,
            name: "VI_1".to_owned(),
            before: "BACKUP".to_owned(),
            after: "MASTER".to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn it_goes_back_for_an_hour() {
        const HOUR: u64 = 3_600_000;
        let mut timeline = Timeline::new(0);
        for at in [10, 20, HOUR + 15] {
            timeline.note(entry(at), at);
        }
        let (view, next) = timeline.view(HOUR + 15);
        let times: Vec<_> = view.entries.iter().map(|entry| entry.at).collect();
        assert_eq!((times, view.since, next), (vec![20, HOUR + 15], 0, 3));
        let (new, next) = timeline.after(2);
        let times: Vec<_> = new.map(|entry| entry.at).collect();
        assert_eq!((times, next), (vec![HOUR + 15], 3));
    }

    #[test]
    fn it_has_a_bound_and_says_what_it_lost() {
        let mut timeline = Timeline::new(0);
        let last = u64::try_from(ENTRIES_MAX).unwrap() + 9;
        for at in 0..=last {
            timeline.note(entry(at), at);
        }
        let (view, _) = timeline.view(last);
        assert_eq!(view.entries.len(), ENTRIES_MAX);
        assert_eq!(view.since, 9);
        assert_eq!(view.entries[0].at, 10);
    }
}
