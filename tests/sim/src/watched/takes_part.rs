//! Who takes part in elections.

use vrrp::{InstanceId, OnFail, Standing, State};

use super::Watched;
use crate::breach::{Breach, promise};

/// What keeps an instance from taking part in elections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    /// Not started or about to stop, without any news of its interface: nothing else matters.
    OutOfIt,
    /// Something is wrong.
    Faulty,
    /// Something is missing.
    Waiting,
    /// Nothing.
    Ready,
}

impl Watched {
    /// Who takes part in elections and who is in FAULT follows from the interfaces, the checks and the rest of the group alone.
    pub(super) fn check_takes_part(&self, id: InstanceId) -> Result<(), Breach> {
        let Some(state) = self.router.instance(id).map(|status| status.state) else {
            return Ok(());
        };
        let own = self.readiness(id);
        let others = self.contract.company(id).iter();
        let others: Vec<_> = others
            .filter(|other| **other != id)
            .map(|other| self.readiness(*other))
            .collect();
        let lawful: &[State] = if self.stopping && self.yields(id) {
            &[State::Active]
        } else if own == Readiness::OutOfIt {
            &[State::Initialize]
        } else if own == Readiness::Faulty || others.contains(&Readiness::Faulty) {
            &[State::Fault]
        } else if own == Readiness::Waiting || others.iter().any(|other| *other != Readiness::Ready)
        {
            &[State::Initialize]
        } else {
            &[State::Backup, State::Active]
        };
        promise!(
            lawful.contains(&state),
            "{id:?} is {state} instead of {lawful:?}: it is {own:?}, and the rest of its group {others:?}"
        );
        Ok(())
    }

    /// What keeps an instance from taking part, apart from its group.
    fn readiness(&self, id: InstanceId) -> Readiness {
        let config = self.timers[&id].config();
        let links = &self.interfaces[&id];
        let own = links.counts(config.interface);
        if !self.started || self.stopping || self.delayed.contains_key(&id) || own.is_none() {
            return Readiness::OutOfIt;
        }
        let vital = |standing| {
            config.tracks.iter().any(|track| {
                track.on_fail == OnFail::Fault && self.standing(track.check) == Some(standing)
            })
        };
        let interface = |up| {
            let mut others = links.others(config.interface);
            others.any(|(track, counts)| track.on_fail == OnFail::Fault && counts == up)
        };
        if own == Some(false)
            || self.source(config).is_none()
            || interface(Some(false))
            || vital(Standing::Down)
        {
            Readiness::Faulty
        } else if interface(None) || vital(Standing::Pending) {
            Readiness::Waiting
        } else {
            Readiness::Ready
        }
    }

    /// Whether a host that keeps offered addresses still can.
    pub(super) fn can_keep(&self, id: InstanceId) -> bool {
        let config = self.timers[&id].config();
        let reachable = self.interfaces[&id].counts(config.interface) == Some(true)
            && self.source(config).is_some();
        let takes_part = || {
            let company = self.contract.company(id);
            let mut company = company.iter().map(|member| self.readiness(*member));
            company.all(|readiness| readiness == Readiness::Ready)
        };
        reachable && (self.stopping || takes_part())
    }
}
