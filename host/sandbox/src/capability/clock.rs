//! `clock`: wall time and a monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::clock;
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "clock",
    granted_by: &[],
    link: |linker| clock::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl clock::Host for Call {
    fn unix_ms(&mut self) -> wasmtime::Result<u64> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// The host's clock and not the time since the call began: a module may keep a value in `state` and subtract later.
    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Ok(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default())
    }
}
