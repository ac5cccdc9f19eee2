//! Which faults happen, how often and how badly. Each class is on or off as a whole, so that some worlds
//! know one kind of trouble only, and have it undisturbed by the others.

use std::fmt;
use std::time::Duration;

use crate::draw::Draw;

/// Something that goes wrong at one moment and, as a rule, is repaired later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// A link falls into two halves.
    Split,
    /// Nothing arrives from one host at another, but the other way round it does.
    OneWayCut,
    /// A link loses most packets.
    Storm,
    /// A host does nothing for a while, and then handles everything that waited.
    Stall,
    /// A host loses power.
    Crash,
    /// A router dies, and its supervisor gives away what it held.
    Kill,
    /// A router is told to stop.
    Stop,
    /// An interface goes down.
    LinkDown,
    /// An interface loses the addresses that advertisements are sent from.
    AddressLost,
    /// An interface is given other addresses to send from.
    Renumber,
    /// A check begins to report something else.
    CheckTurns,
    /// Somebody removes a virtual address.
    Theft,
    /// Somebody drains, undrains or releases an instance.
    Command,
    /// The configuration of a host is read again, perhaps with other priorities.
    Reload,
    /// The clock of a host is set.
    ClockStep,
}

impl Incident {
    const ALL: [Self; 15] = [
        Self::Split,
        Self::OneWayCut,
        Self::Storm,
        Self::Stall,
        Self::Crash,
        Self::Kill,
        Self::Stop,
        Self::LinkDown,
        Self::AddressLost,
        Self::Renumber,
        Self::CheckTurns,
        Self::Theft,
        Self::Command,
        Self::Reload,
        Self::ClockStep,
    ];
}

/// The faults of one world.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) incidents: Vec<Incident>,
    /// Time between two incidents, at most.
    pub(crate) every: Duration,
    /// Time until an incident is repaired, at most.
    pub(crate) repaired_within: Duration,
    /// Packets of a thousand that are lost.
    pub(crate) loss: u32,
    /// Packets of a thousand that take up to `detour` longer.
    pub(crate) delayed: u32,
    pub(crate) detour: Duration,
    /// Packets of a thousand that arrive a second time, some time within `detour`.
    pub(crate) doubled: u32,
    /// Packets of a thousand that come back to their sender.
    pub(crate) reflected: u32,
    /// Packets of a thousand that are followed by one that no router may accept.
    pub(crate) noise: u32,
    /// Hosts that are down when faults stop, of a thousand, and stay so.
    pub(crate) lost_for_good: u32,
    /// Checks, of a thousand, that go on failing when faults stop.
    pub(crate) unwell_for_good: u32,
}

impl Faults {
    pub(super) fn draw(draw: &mut Draw, unit: Duration) -> Self {
        let mut incidents = Incident::ALL.to_vec();
        incidents.retain(|_| draw.chance(400));
        let mut rate = |rates: &[u32]| {
            if draw.chance(400) {
                draw.pick(rates)
            } else {
                0
            }
        };
        let loss = rate(&[1, 20, 100, 300]);
        let delayed = rate(&[5, 50, 200]);
        let doubled = rate(&[5, 50, 200]);
        let reflected = rate(&[5, 50]);
        let noise = rate(&[20, 100]);
        let lost_for_good = rate(&[100, 300]);
        let unwell_for_good = rate(&[200, 600]);
        Self {
            incidents,
            every: unit * draw.pick(&[2, 5, 10, 20]),
            repaired_within: unit * draw.pick(&[2, 8, 30]),
            loss,
            delayed,
            detour: unit * draw.pick(&[1, 3, 10]),
            doubled,
            reflected,
            noise,
            lost_for_good,
            unwell_for_good,
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            incidents: Vec::new(),
            every: Duration::ZERO,
            repaired_within: Duration::ZERO,
            loss: 0,
            delayed: 0,
            detour: Duration::ZERO,
            doubled: 0,
            reflected: 0,
            noise: 0,
            lost_for_good: 0,
            unwell_for_good: 0,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} every {:?}, repaired within {:?}; of 1000 packets {} lost, {} delayed and {} doubled within {:?}, {} reflected, {} with noise",
            self.incidents,
            self.every,
            self.repaired_within,
            self.loss,
            self.delayed,
            self.doubled,
            self.detour,
            self.reflected,
            self.noise
        )
    }
}
