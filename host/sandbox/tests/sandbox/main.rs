//! Real components, real limits, real connections. The guests are in `tests/hostile`.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod capabilities;
mod http;
mod limits;
mod load;
mod rehearsal;
mod support;
