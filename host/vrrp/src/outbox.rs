//! Where the state machines put what is to be done.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use crate::{Action, InstanceId, Instant, InterfaceId};

/// The actions to perform, in order, and when each interface may be announced on again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    actions: VecDeque<Action>,
    /// Announcements on an interface keep a distance however many instances make them: one switch learns them all.
    quiet_until: BTreeMap<InterfaceId, Instant>,
}

impl Outbox {
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Announces now where the interface may be announced on; else returns when it may, which is reserved then.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        min_interval: Duration,
        (instance, address): (InstanceId, IpAddr),
    ) -> Result<(), Instant> {
        if min_interval.is_zero() {
            self.push(Action::Announce { instance, address });
            return Ok(());
        }
        let free = self.quiet_until.entry(interface).or_insert(now);
        let slot = (*free).max(now);
        *free = slot + min_interval;
        if slot > now {
            return Err(slot);
        }
        self.push(Action::Announce { instance, address });
        Ok(())
    }
}
