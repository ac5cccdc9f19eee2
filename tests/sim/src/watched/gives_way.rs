//! When an Active instance gives way, and what it keeps until somebody has taken it.

use vrrp::{Action, CheckId, InstanceId, Instant, InterfaceId, OnFail, Standing};

use super::Watched;
use crate::breach::{Breach, promise};
use crate::timers::Timers;

impl Watched {
    /// Instances that are to keep their addresses until a peer takes them. `stops`: those that are Active begin to do so.
    pub(super) fn keepers(&self, now: Instant, stops: bool) -> Vec<InstanceId> {
        let keeps = |(id, timers): (&InstanceId, &Timers)| {
            let keeps = timers.keeps_until().is_some_and(|until| until > now);
            (keeps || (stops && self.is_active(*id))).then_some(*id)
        };
        self.timers.iter().filter_map(keeps).collect()
    }

    /// Make before break: what is offered stays in use until somebody has taken it, or until it cannot be used.
    pub(super) fn check_kept(&self, keepers: &[InstanceId]) -> Result<(), Breach> {
        for id in keepers {
            promise!(
                self.yields(*id) || !self.can_keep(*id),
                "{id:?} no longer keeps the addresses that it had offered"
            );
        }
        Ok(())
    }

    /// Active instances that were silent for so long that a peer may have taken over.
    pub(super) fn late(&self, now: Instant) -> Vec<InstanceId> {
        let late = |(id, timers): (&InstanceId, &Timers)| timers.late_since(now).map(|_| *id);
        self.timers.iter().filter_map(late).collect()
    }

    /// Whoever was silent for too long is not Active any more, or has offered its addresses.
    pub(super) fn check_listens(&self, late: &[InstanceId]) -> Result<(), Breach> {
        for id in late {
            promise!(
                !self.insists(*id),
                "{id:?} goes on being Active after it was silent for too long"
            );
        }
        Ok(())
    }

    /// A check with [`OnFail::Release`] that goes down makes an Active give its addresses away; an owner keeps them.
    pub(super) fn check_given_away(
        &self,
        actives: &[InstanceId],
        actions: &[Action],
    ) -> Result<(), Breach> {
        let went_down = |check: CheckId| {
            actions.iter().any(|action| {
                matches!(action, Action::CheckChanged(change) if change.check == check && change.after == Standing::Down)
            })
        };
        for id in actives {
            let config = self.timers[id].config();
            let mut releases = config
                .tracks
                .iter()
                .filter(|track| track.on_fail == OnFail::Release && went_down(track.check));
            promise!(
                self.is_owner(*id) || releases.next().is_none() || !self.insists(*id),
                "{id:?} is Active and does not yield although a check that releases its addresses went down"
            );
        }
        Ok(())
    }

    /// The interfaces that are down and for which an instance gives its addresses away.
    pub(super) fn releasing(&self) -> Vec<(InstanceId, InterfaceId)> {
        let links = self.interfaces.iter();
        let down = links.map(|(id, links)| links.releasing().into_iter().map(|down| (*id, down)));
        down.flatten().collect()
    }

    /// An interface with [`OnFail::Release`] that goes down makes an Active give its addresses away, too. A Backup
    /// whose time comes in the same instant is still eligible, and takes over at its lower priority.
    pub(super) fn check_released(
        &self,
        actives: &[InstanceId],
        before: &[(InstanceId, InterfaceId)],
    ) -> Result<(), Breach> {
        for went in self.releasing() {
            let (id, interface) = went;
            let gives_way = actives.contains(&id) && !before.contains(&went);
            promise!(
                !gives_way || self.is_owner(id) || !self.insists(id),
                "{id:?} is Active and does not yield although {interface:?} went down"
            );
        }
        Ok(())
    }
}
