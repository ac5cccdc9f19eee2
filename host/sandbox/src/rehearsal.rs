//! A rehearsal: what `vrrp-host module test` wants to know of a call beyond its outcome, and what it has go wrong on
//! purpose. The daemon itself has none.

mod fault;

use std::sync::{Mutex, PoisonError};

pub use self::fault::{Fault, ParseFaultError};
pub(crate) use self::fault::{FaultError, inject};

/// What a module asks for, and what it is told instead of the truth. Shared by all calls of the module.
#[derive(Debug, Default)]
pub struct Rehearsal {
    faults: Vec<Fault>,
    asked: Mutex<Vec<Asked>>,
}

/// Something that a module asked the host for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// In the words of a grant; for an injected fault the function that was called.
    pub what: String,
    /// What became of it.
    pub reply: Reply,
    /// How often it asked for the same and was answered the same.
    pub times: u64,
}

/// What became of something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A grant covers it. Whether it then succeeded is another matter.
    Granted,
    /// No grant covers it.
    Denied,
    /// It was not tried: a [`Fault`] gave this error.
    Injected(String),
}

/// Different things remembered; a check that asks for more is told only by its count of denials.
const ASKED_MAX: usize = 256;

impl Rehearsal {
    /// In which these calls fail.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self {
            faults,
            asked: Mutex::default(),
        }
    }

    /// What was asked for, in the order of the first time.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(crate) fn note(&self, what: String, reply: Reply) {
        let mut asked = self.lock();
        let same = asked
            .iter()
            .position(|asked| asked.what == what && asked.reply == reply);
        if let Some(same) = same {
            asked[same].times += 1;
        } else if asked.len() < ASKED_MAX {
            asked.push(Asked {
                what,
                reply,
                times: 1,
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_is_counted_and_the_list_is_bounded() {
        let rehearsal = Rehearsal::default();
        for _ in 0..3 {
            rehearsal.note("process:a".to_owned(), Reply::Granted);
            rehearsal.note("process:a".to_owned(), Reply::Denied);
        }
        let counted: Vec<_> = rehearsal
            .asked()
            .into_iter()
            .map(|asked| (asked.what, asked.reply, asked.times))
            .collect();
        let name = || "process:a".to_owned();
        assert_eq!(
            counted,
            [(name(), Reply::Granted, 3), (name(), Reply::Denied, 3)]
        );
        for n in 0..2 * ASKED_MAX {
            rehearsal.note(format!("process:{n}"), Reply::Granted);
        }
        assert_eq!(rehearsal.asked().len(), ASKED_MAX);
    }
}
