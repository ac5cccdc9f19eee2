//! The real binary against real hosts, and against keepalived: see `tests/`.
//!
//! The tests need root and what `cargo xtask setup` installs. Run one at a time, they do not take each other's
//! processor time: `cargo test -p e2e -- --test-threads=1`.

pub mod authority;
pub mod browser;
pub mod checked;
pub mod contender;
pub mod daemon;
pub mod desk;
pub mod disk;
pub mod http;
pub mod inside;
pub mod ipv6;
pub mod keepalived;
pub mod manager;
pub mod metronome;
pub mod neighbour;
pub mod path;
pub mod refused;
pub mod registry;
pub mod replay;
pub mod service;
pub mod stage;
pub mod wire;
