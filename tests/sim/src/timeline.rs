//! What happened in a run, for a person to read.

use std::fmt::{self, Write};

use vrrp::Instant;

/// Lines of a run, when somebody wants them.
#[derive(Debug, Default)]
pub(crate) struct Timeline(Option<String>);

impl Timeline {
    pub(crate) fn kept() -> Self {
        Self(Some(String::new()))
    }

    /// Notes what happened. `who` is a host, or a link in brackets.
    pub(crate) fn note(&mut self, now: Instant, who: impl fmt::Display, what: fmt::Arguments<'_>) {
        if let Some(text) = &mut self.0 {
            let nanos = now.as_nanos();
            let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{seconds:>6}.{rest:06}  {who:<3} {what}");
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.0.unwrap_or_default()
    }
}
