//! The last events, kept for whoever asks, and told live to whoever follows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::broadcast;

use crate::event::{Event, Happening};

/// Events that are kept.
const KEPT: usize = 1_000;
/// Events that wait for a client that follows; one that is further behind loses the rest.
const WAITING: usize = 1_024;
/// Longest text in an event, bytes: a module may say much, and a thousand events are kept.
const TEXT_MAX: usize = 2_000;

/// Everything that happened, as far as it is kept. Telling it never waits for those who listen.
#[derive(Debug)]
pub(super) struct History {
    last: VecDeque<Arc<Event>>,
    sequence: u64,
    live: broadcast::Sender<Arc<Event>>,
}

/// What a client gets that follows: the events until now, and those from now on.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) last: Vec<Arc<Event>>,
    pub(super) live: broadcast::Receiver<Arc<Event>>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            last: VecDeque::with_capacity(KEPT),
            sequence: 0,
            live: broadcast::Sender::new(WAITING),
        }
    }

    /// Something happened now.
    pub(super) fn happened(&mut self, what: Happening) {
        self.happened_at(SystemTime::now(), what);
    }

    /// Something happened `at` a time.
    pub(super) fn happened_at(&mut self, at: SystemTime, what: Happening) {
        self.sequence += 1;
        let event = Arc::new(Event {
            sequence: self.sequence,
            at: humantime::format_rfc3339_millis(at).to_string(),
            what,
        });
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(event.clone());
        // Without a receiver nobody follows.
        let _ = self.live.send(event);
    }

    /// The last `count` events, oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &Arc<Event>> {
        self.last.iter().skip(self.last.len().saturating_sub(count))
    }

    /// The last `count` events and, without a gap, those that follow.
    pub(super) fn follow(&self, count: usize) -> Following {
        Following {
            last: self.last(count).cloned().collect(),
            live: self.live.subscribe(),
        }
    }
}

/// A text as it is kept: not longer than [`TEXT_MAX`].
pub(super) fn kept(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_MAX)])
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::{RecvError, TryRecvError};

    use super::*;

    fn level(number: usize) -> Happening {
        Happening::LogLevel {
            level: number.to_string(),
        }
    }

    fn sequences<'a>(events: impl Iterator<Item = &'a Arc<Event>>) -> Vec<u64> {
        events.map(|event| event.sequence).collect()
    }

    #[test]
    fn the_last_thousand_are_kept_in_order() {
        let mut history = History::new();
        assert_eq!(history.last(10).count(), 0);
        for number in 0..1_500 {
            history.happened(level(number));
        }
        assert_eq!(sequences(history.last(3)), [1_498, 1_499, 1_500]);
        assert_eq!(history.last(usize::MAX).count(), 1_000);
        assert_eq!(
            history.last(usize::MAX).next().map(|event| event.sequence),
            Some(501)
        );
    }

    #[test]
    fn following_has_no_gap_and_costs_the_history_nothing() {
        let mut history = History::new();
        history.happened(level(0));
        let mut following = history.follow(5);
        assert_eq!(sequences(following.last.iter()), [1]);
        history.happened(level(1));
        assert_eq!(following.live.try_recv().unwrap().sequence, 2);
        assert_eq!(following.live.try_recv(), Err(TryRecvError::Empty));
        // Nobody takes them: what is beyond the bound is lost, and counted.
        for number in 0..WAITING + 7 {
            history.happened(level(number));
        }
        let lagged = following.live.blocking_recv();
        assert_eq!(lagged, Err(RecvError::Lagged(7)));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(kept("ü"), "ü");
        let long = "ü".repeat(2_000);
        let kept = kept(&format!("x{long}"));
        assert!(kept.len() <= TEXT_MAX + '…'.len_utf8(), "{}", kept.len());
        assert!(kept.ends_with("ü…"));
    }
}
