//! A module's way to the log: cleaned, cut to size and held to its rate, whichever way the text came.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::host::{Host, Level, LogLine, LogSource};
use crate::text::clean;

/// Bytes of a message.
pub(crate) const MESSAGE_MAX: usize = 1024;
/// Facts of a line, and bytes of a fact's name and value.
const FACTS_MAX: usize = 16;
const FACT_NAME_MAX: usize = 64;
const FACT_VALUE_MAX: usize = 256;

/// The log of one module, over all its calls.
pub(crate) struct ModuleLog {
    module: String,
    host: Arc<dyn Host>,
    rate: Mutex<Rate>,
}

impl ModuleLog {
    /// `lines_a_second` is both the rate and the longest burst.
    pub(crate) fn new(module: String, host: Arc<dyn Host>, lines_a_second: u32) -> Self {
        Self {
            module,
            host,
            rate: Mutex::new(Rate::new(lines_a_second, Instant::now())),
        }
    }

    pub(crate) fn write(
        &self,
        source: LogSource,
        level: Level,
        message: &str,
        facts: &[(String, String)],
    ) {
        let admitted = self
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(Instant::now());
        let Some(dropped) = admitted else { return };
        if dropped > 0 {
            let message = format!("{dropped} log lines dropped, the module writes too many");
            self.emit(LogSource::Sandbox, Level::Warn, &message, &[]);
        }
        self.emit(source, level, message, facts);
    }

    fn emit(&self, source: LogSource, level: Level, message: &str, facts: &[(String, String)]) {
        self.host.log(LogLine {
            module: &self.module,
            source,
            level,
            message: clean(message, MESSAGE_MAX),
            facts: facts
                .iter()
                .take(FACTS_MAX)
                .map(|(name, value)| (clean(name, FACT_NAME_MAX), clean(value, FACT_VALUE_MAX)))
                .collect(),
        });
    }
}

impl fmt::Debug for ModuleLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleLog")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

/// A token bucket that holds one second's worth.
#[derive(Debug)]
struct Rate {
    per_second: f64,
    tokens: f64,
    refilled: Instant,
    dropped: u64,
}

impl Rate {
    fn new(lines_a_second: u32, now: Instant) -> Self {
        let per_second = f64::from(lines_a_second);
        Self {
            per_second,
            tokens: per_second,
            refilled: now,
            dropped: 0,
        }
    }

    /// `None`: drop the line. `Some(n)`: let it through, `n` were dropped since the last one.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.per_second);
        self.refilled = now;
        if self.tokens < 1.0 {
            self.dropped += 1;
            return None;
        }
        self.tokens -= 1.0;
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_rate_and_the_loss_is_told() {
        let start = Instant::now();
        let mut rate = Rate::new(20, start);
        let admitted = (0..1000).filter(|_| rate.admit(start).is_some()).count();
        assert_eq!(admitted, 20);
        assert_eq!(rate.admit(start + Duration::from_millis(40)), None);
        assert_eq!(rate.admit(start + Duration::from_millis(100)), Some(981));
        assert_eq!(rate.admit(start + Duration::from_secs(100)), Some(0));
    }
}
