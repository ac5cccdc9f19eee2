//! Whether a virtual router may take part in elections, and what follows from it.

use core::net::IpAddr;

use super::state::{Backup, Heard, Initialize, Machine};
use super::tracks::Tracks;
use super::{Farewell, Instance, advertise};
use crate::outbox::Outbox;
use crate::{CheckId, Forecast, InstanceId, Instant, Reason, State};

/// Whether the instance could take part, were it not for its sync group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It could.
    Ready,
    /// Something is missing without anything being wrong.
    Waiting,
    /// Something is wrong.
    Faulty,
}

/// Why the sync group keeps an instance from taking part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Another member is not ready, without anything being wrong.
    Waiting,
    /// Something is wrong with this member.
    Faulty(InstanceId),
}

/// Whether the instance may take part in elections.
enum Eligibility {
    /// It may, and sends from this address.
    Eligible(IpAddr),
    /// Something is missing without anything being wrong: the start, the first news of its interface, first verdicts.
    Waiting,
    /// Something is wrong.
    Faulty { reason: Reason, farewell: Farewell },
}

impl Instance {
    /// Brings the state in line with whether the instance is eligible. `trigger` is what may have made it so.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        block: Option<Block>,
        trigger: Reason,
        out: &mut Outbox,
    ) {
        if self.waits_for_a_peer() {
            return;
        }
        let eligibility = self.eligibility(&self.tracks, block);
        let (priority, grace) = (self.effective_priority, self.machine.grace());
        match (eligibility, &mut self.machine) {
            // RFC 9568 §6.4.1
            (Eligibility::Eligible(source), Machine::Initialize(_)) => {
                if self.is_owner() && self.membership.is_none() {
                    self.take_over(now, source, Reason::Owner, out);
                    return;
                }
                let own = self.config.advertisement_interval;
                let mut backup = Backup::new(now, source, own, Heard::Nobody, self.timing());
                if self.is_owner() {
                    // It waits for nobody but its sync group.
                    backup.active_down_timer = now;
                }
                self.enter(now, Machine::Backup(backup), trigger, out);
            }
            (Eligibility::Eligible(source), Machine::Backup(backup)) => backup.source = source,
            (Eligibility::Eligible(source), Machine::Active(active)) => {
                if active.source != source {
                    active.source = source;
                    active.adverts = advertise(self.id, &self.config, source, priority);
                }
            }
            (Eligibility::Waiting, Machine::Initialize(Initialize { fault: false, .. })) => {}
            (
                Eligibility::Faulty { reason, .. },
                Machine::Initialize(Initialize { fault: true, .. }),
            ) => self.reason = Some(reason),
            (Eligibility::Faulty { reason, farewell }, _) => {
                let fault = Machine::Initialize(Initialize { fault: true, grace });
                self.leave(now, fault, farewell, reason, out);
            }
            (Eligibility::Waiting, _) => {
                let waiting = Machine::Initialize(Initialize {
                    fault: false,
                    grace,
                });
                self.leave(now, waiting, Farewell::Release, trigger, out);
            }
        }
    }

    /// Whether the instance could take part, were it not for its sync group.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness_with(&self.tracks)
    }

    /// As [`readiness`](Self::readiness), if a check were down.
    pub(crate) fn readiness_without(&self, check: CheckId) -> Readiness {
        self.readiness_with(&self.tracks.without(check).0)
    }

    /// What it would be if a check were down. `gives_away` says whether another member of its sync group would give the
    /// addresses away for it.
    pub(crate) fn forecast(
        &self,
        check: CheckId,
        block: Option<Block>,
        gives_away: bool,
    ) -> Forecast {
        let (tracks, _) = self.tracks.without(check);
        let excluded = match self.eligibility(&tracks, block) {
            Eligibility::Eligible(_) => None,
            Eligibility::Waiting => Some(State::Initialize),
            Eligibility::Faulty { .. } => Some(State::Fault),
        };
        Forecast {
            excluded,
            priority: self.priority_with(&tracks),
            gives_away,
        }
    }

    /// Whether it would give its addresses away if a check went down.
    pub(crate) fn gives_away_without(&self, check: CheckId) -> bool {
        self.tracks.without(check).1 && !self.is_owner()
    }

    fn readiness_with(&self, tracks: &Tracks) -> Readiness {
        match self.eligibility(tracks, None) {
            Eligibility::Eligible(_) => Readiness::Ready,
            Eligibility::Waiting => Readiness::Waiting,
            Eligibility::Faulty { .. } => Readiness::Faulty,
        }
    }

    /// Whether it stops as soon as a peer has taken what it offered. Until then, only the loss of what it sends from
    /// is news to it.
    fn waits_for_a_peer(&self) -> bool {
        !self.running
            && self.is_active()
            && self.links.own_up() == Some(true)
            && self.source().is_some()
    }

    fn eligibility(&self, tracks: &Tracks, block: Option<Block>) -> Eligibility {
        if !self.running || self.start_at.is_some() {
            return Eligibility::Waiting;
        }
        let faulty = |reason| Eligibility::Faulty {
            reason,
            farewell: Farewell::Release,
        };
        match self.links.own_up() {
            None => return Eligibility::Waiting,
            Some(false) => {
                return Eligibility::Faulty {
                    reason: Reason::LinkDown,
                    farewell: Farewell::None,
                };
            }
            Some(true) => {}
        }
        let Some(source) = self.source() else {
            return faulty(Reason::NoPrimaryAddress);
        };
        if let Some(interface) = self.links.fault() {
            return faulty(Reason::InterfaceDown(interface));
        }
        if let Some(check) = tracks.fault() {
            return faulty(Reason::CheckDown(check));
        }
        if let Some(Block::Faulty(member)) = block {
            return faulty(Reason::SyncGroup(member));
        }
        if self.links.awaited() || tracks.awaited().next().is_some() || block.is_some() {
            return Eligibility::Waiting;
        }
        Eligibility::Eligible(source)
    }

    /// Where advertisements are sent from, when the interface has an address for it.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.links.source(self.family, &self.config.peers)
    }
}
