//! What would happen if a check went down: by the rules that decide when it does.

use core::net::IpAddr;

use crate::State;
use crate::instance::OWNER;

/// What a virtual router would be if a check that it tracks went down, everything else staying as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Where it would wait out of every election, in [`State::Fault`] or [`State::Initialize`]; `None` when it would take part.
    pub excluded: Option<State>,
    /// Its effective priority.
    pub priority: u8,
    /// Whether it would offer its addresses to the peers, were it Active.
    pub gives_away: bool,
}

/// Another router of the virtual router, taken to be healthy and to hear this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its effective priority.
    pub priority: u8,
    /// The address that it sends from.
    pub address: IpAddr,
}

/// Who would have the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Whoever has them now.
    Unchanged,
    /// The rival of this index.
    Rival(usize),
    /// The rival of this index for a moment; then this router again, whose priority is still the higher one.
    RivalAndBack(usize),
    /// Nobody.
    Nobody,
}

impl Forecast {
    /// Who would have the addresses after it: `state` is that of this router now, `preempt` that of every router.
    pub fn takeover(&self, state: State, preempt: bool, rivals: &[Rival]) -> Takeover {
        if state != State::Active {
            return Takeover::Unchanged;
        }
        // The timer of the highest priority is the shortest; of equal ones the higher address stays.
        let strongest = rivals
            .iter()
            .enumerate()
            .max_by_key(|(_, rival)| (rival.priority, rival.address));
        let Some((index, strongest)) = strongest else {
            return match self.excluded {
                Some(_) => Takeover::Nobody,
                None => Takeover::Unchanged,
            };
        };
        // The owner preempts whatever Preempt_Mode says (RFC 9568 §6.1).
        let theirs = preempt || strongest.priority == OWNER;
        if self.excluded.is_some() {
            Takeover::Rival(index)
        } else if self.gives_away && preempts(preempt, self.priority, strongest.priority) {
            Takeover::RivalAndBack(index)
        } else if self.gives_away || preempts(theirs, strongest.priority, self.priority) {
            Takeover::Rival(index)
        } else {
            Takeover::Unchanged
        }
    }
}

/// Whether an Active router gives way to one that advertises, each with priority and address (RFC 9568 §6.4.3).
pub(crate) fn outranks(theirs: (u8, IpAddr), ours: (u8, IpAddr)) -> bool {
    theirs > ours
}

/// Whether a Backup takes over from an Active router that lives (RFC 9568 §6.4.2).
pub(crate) fn preempts(enabled: bool, own: u8, active: u8) -> bool {
    enabled && own > active
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const NONE: Forecast = Forecast {
        excluded: None,
        priority: 100,
        gives_away: false,
    };

    fn rival(priority: u8, last: u8) -> Rival {
        Rival {
            priority,
            address: Ipv4Addr::new(192, 0, 2, last).into(),
        }
    }

    #[test]
    fn takeovers() {
        use Takeover::{Nobody, Rival, RivalAndBack, Unchanged};
        let fault = Forecast {
            excluded: Some(State::Fault),
            ..NONE
        };
        let lower = Forecast {
            priority: 80,
            ..NONE
        };
        let release = Forecast {
            gives_away: true,
            ..NONE
        };
        let weaker = [rival(90, 1), rival(99, 2), rival(99, 1)];
        let stronger = [rival(120, 1)];
        for (forecast, preempt, rivals, expected) in [
            (fault, true, &weaker[..], Rival(1)),
            (fault, false, &weaker, Rival(1)),
            (fault, true, &[], Nobody),
            (lower, true, &weaker, Rival(1)),
            (lower, false, &weaker, Unchanged),
            (lower, true, &[rival(80, 9)], Unchanged),
            (lower, true, &[], Unchanged),
            (release, true, &weaker, RivalAndBack(1)),
            (release, false, &weaker, Rival(1)),
            (release, true, &stronger, Rival(0)),
            (release, true, &[], Unchanged),
            (NONE, true, &weaker, Unchanged),
            (NONE, false, &stronger, Unchanged),
            (NONE, false, &[rival(255, 1)], Rival(0)),
        ] {
            let takeover = forecast.takeover(State::Active, preempt, rivals);
            assert_eq!(takeover, expected, "{forecast:?} {preempt} {rivals:?}");
            for elsewhere in [State::Backup, State::Fault, State::Initialize] {
                assert_eq!(forecast.takeover(elsewhere, preempt, rivals), Unchanged);
            }
        }
    }
}
