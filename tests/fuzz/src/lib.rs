//! What is fuzzed: bytes to packets, and bytes to the events of a router.
//!
//! Each target takes any bytes and panics when a promise is broken. `cargo xtask fuzz TARGET` looks for new inputs with
//! libFuzzer and adds those that reach new code to `corpus/TARGET`; `cargo test` replays all of them.

mod events;
mod packets;

pub use events::events;
pub use packets::packets;
