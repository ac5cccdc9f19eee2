//! A simulator of many hosts around the real [`vrrp::Router`], in the style of TigerBeetle's VOPR.
//!
//! One number, the seed, decides everything: how many hosts there are, how each is configured, what goes wrong and when.
//! Time is virtual, and the same seed is the same run, event by event, as long as the code is the same.
//!
//! A run has two phases. In the first, faults happen, and what is *safe* must hold all the time:
//!
//! * `contract`: what the actions of one router promise, such as that its addresses are claimed if and only if it is Active;
//! * `timers`: its timers expire when RFC 9568 says, to the nanosecond;
//! * `rivals`: two Active routers that hear each other are no longer two after the time the RFC gives them.
//!
//! In the second, faults have stopped, and what is *live* must come true: `settled`.
//!
//! # To add
//!
//! * an option of `InstanceConfig`: draw it in `plan/instances.rs`; of `RouterConfig`: in `plan.rs`; when it changes timers or
//!   elections, say how in `timers` or `settled`;
//! * an `Event`: let it happen in `world.rs`, and have `host` read it where the driver does;
//! * an `Action`: perform it in `world/perform.rs`, and say in `contract` what it promises;
//! * a fault: an `Incident` in `plan/faults.rs`, and its doing in `world/incidents.rs`;
//! * a `Reason`, `Why` or `State`: its mark in `marks`, which the compiler asks for.

mod breach;
mod contract;
mod draw;
mod host;
mod marks;
mod network;
mod plan;
mod rig;
mod rivals;
mod run;
mod runner;
mod settled;
mod timeline;
mod timers;
mod watched;
mod world;

pub use breach::Breach;
pub use marks::{Mark, Marks};
pub use plan::Plan;
pub use rig::Rig;
pub use run::{Told, simulate, tell};
pub use runner::{Failure, Progress, run_seeds};
pub use watched::Watched;
pub use world::{Violation, World};
