//! Somebody else on a link who speaks for a virtual router of ours: not a node of the file, so it is most likely another cluster that
//! was given the same number. The protocol takes it for a peer (RFC 9568 §7.1), and so do we; here it is only noticed and told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::packet::{Advertisement, TTL};
use vrrp::{Authentication, Family, InstanceId, Instant, InterfaceId, Link, Peers, UnixTime};
use vrrp_linux::socket::Received;

use super::setup::Setup;
use crate::ipc::InstanceSetup;

/// How long it may be silent until it counts as gone; longer where it advertises so seldom.
const SILENCE: Duration = Duration::from_mins(1);
/// Advertisements that may get lost until it counts as gone.
const LOST_MAX: u32 = 3;
/// How long a line about an instance keeps others away.
const TOLD_FOR: Duration = Duration::from_mins(10);

/// Who was noticed, for each instance.
#[derive(Debug, Default)]
pub(super) struct VridConflicts {
    /// What this node speaks from on each interface, over IPv4 and over IPv6.
    sources: BTreeMap<InterfaceId, [Option<IpAddr>; 2]>,
    seen: BTreeMap<InstanceId, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    conflict: VridConflict,
    gone_at: Instant,
    /// Until when nothing is said about it again.
    told_until: Instant,
}

/// The last advertisement for an instance that came from no node of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VridConflict {
    pub(super) source: IpAddr,
    pub(super) priority: u8,
    pub(super) at: UnixTime,
}

impl VridConflicts {
    /// Takes in by which addresses this node speaks on an interface.
    pub(super) fn link_changed(&mut self, link: &Link) {
        let sources = [
            link.primary.map(IpAddr::V4),
            link.link_local.map(IpAddr::V6),
        ];
        self.sources.insert(link.interface, sources);
    }

    /// Looks at a datagram. Returns the instance that it is in conflict with when that is to be told.
    pub(super) fn note(
        &mut self,
        now: Instant,
        at: UnixTime,
        (interface, name): (InterfaceId, &str),
        received: &Received<'_>,
        setup: &Setup,
    ) -> Option<InstanceId> {
        let source = received.source;
        let is_node = setup.peers.contains(&source) || setup.address == Some(source);
        if is_node || !self.is_telling(interface, source, setup) {
            return None;
        }
        if received.ttl != Some(TTL) || !received.destination.is_multicast() {
            return None;
        }
        let advertisement =
            Advertisement::parse(received.payload, source, received.destination).ok()?;
        let mut instances = setup.instances();
        let (instance, _) = instances.find(|(_, instance)| {
            instance.virtual_router_id == advertisement.virtual_router_id.0
                && instance.interface == name
                && instance.family() == Some(Family::of(&source))
                && hears_anybody(instance)
        })?;
        let conflict = VridConflict {
            source,
            priority: advertisement.priority,
            at,
        };
        let silence = SILENCE.max(advertisement.interval * LOST_MAX);
        let before = self.seen.get(&instance).filter(|seen| seen.gone_at > now);
        let quiet = before.map(|seen| seen.told_until).filter(|at| *at > now);
        let seen = Seen {
            conflict,
            gone_at: now + silence,
            told_until: quiet.unwrap_or(now + TOLD_FOR),
        };
        self.seen.insert(instance, seen);
        quiet.is_none().then_some(instance)
    }

    /// Whether only a stranger can speak from `source` there. Where this node speaks from the address that the file gives it, the others
    /// do, too; elsewhere the file says nothing about theirs.
    fn is_telling(&self, interface: InterfaceId, source: IpAddr, setup: &Setup) -> bool {
        let (true, Some(own)) = (setup.all_nodes_known, setup.address) else {
            return false;
        };
        let sources = self.sources.get(&interface);
        own.is_ipv4() == source.is_ipv4()
            && sources.is_some_and(|sources| sources.contains(&Some(own)))
    }

    /// Who is in conflict with an instance at the moment.
    pub(super) fn of(&self, now: Instant, instance: InstanceId) -> Option<VridConflict> {
        let seen = self.seen.get(&instance)?;
        (seen.gone_at > now).then_some(seen.conflict)
    }

    /// Starts anew: with another file, there may be other nodes.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}

/// Whom it does not hear, it has no conflict with; a signature that is missing is told as that.
fn hears_anybody(instance: &InstanceSetup) -> bool {
    instance.peers == Peers::ANYBODY && instance.authentication == Authentication::None
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU8;

    use vrrp::packet::MULTICAST_IPV4;
    use vrrp::{ChecksumForm, Version, VirtualRouterId};

    use super::*;

    const ETH0: InterfaceId = InterfaceId(0);
    const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const VRID: u8 = 51;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 * (1 + seconds))
    }

    /// Two nodes with an instance on eth0.
    fn setup(change: impl FnOnce(&mut InstanceSetup)) -> Setup {
        let virtual_address = Ipv4Addr::new(192, 0, 2, 100);
        let mut instance = InstanceSetup {
            virtual_router_id: NonZeroU8::new(VRID).unwrap(),
            ..InstanceSetup::example("eth0", &[virtual_address.into()])
        };
        change(&mut instance);
        let mut setup = Setup::default();
        setup.address = Some(OWN.into());
        setup.peers = vec![PEER.into()];
        setup.all_nodes_known = true;
        setup.instances = vec![instance];
        setup.number(None);
        setup
    }

    /// It speaks from `primary`.
    fn speaking_from(primary: Ipv4Addr) -> VridConflicts {
        let mut conflicts = VridConflicts::default();
        conflicts.link_changed(&Link {
            interface: ETH0,
            up: true,
            primary: Some(primary),
            link_local: None,
            known_as: None,
        });
        conflicts
    }

    /// What becomes of an advertisement for `vrid` from `source`.
    fn hear(
        conflicts: &mut VridConflicts,
        setup: &Setup,
        now: Instant,
        (source, vrid): (Ipv4Addr, u8),
    ) -> bool {
        let advertisement = Advertisement {
            version: Version::V3,
            virtual_router_id: VirtualRouterId(NonZeroU8::new(vrid).unwrap()),
            priority: 200,
            interval: Duration::from_secs(1),
            checksum: ChecksumForm::Rfc5798,
            addresses: vec![Ipv4Addr::new(192, 0, 2, 77).into()],
            password: None,
        };
        let payload = advertisement.emit(source.into(), MULTICAST_IPV4.into());
        let received = Received {
            source: source.into(),
            destination: MULTICAST_IPV4.into(),
            ttl: Some(TTL),
            payload: &payload,
        };
        let told = conflicts.note(
            now,
            UnixTime::from_nanos(0),
            (ETH0, "eth0"),
            &received,
            setup,
        );
        told.is_some()
    }

    fn noticed(conflicts: &VridConflicts, setup: &Setup, now: Instant) -> Option<IpAddr> {
        let instance = setup.instance_id(0).unwrap();
        conflicts.of(now, instance).map(|conflict| conflict.source)
    }

    #[test]
    fn who_is_no_node_is_told_once_and_gone_when_it_was_silent() {
        let (setup, mut conflicts) = (setup(|_| ()), speaking_from(OWN));
        assert!(hear(&mut conflicts, &setup, at(0), (OTHER, VRID)));
        let told =
            (1..600).filter(|second| hear(&mut conflicts, &setup, at(*second), (OTHER, VRID)));
        assert_eq!(told.count(), 0);
        assert!(hear(&mut conflicts, &setup, at(600), (OTHER, VRID)));
        assert_eq!(noticed(&conflicts, &setup, at(659)), Some(OTHER.into()));
        assert_eq!(noticed(&conflicts, &setup, at(660)), None);
        assert!(hear(&mut conflicts, &setup, at(661), (OTHER, VRID)));
        conflicts.forget();
        assert_eq!(noticed(&conflicts, &setup, at(661)), None);
    }

    #[test]
    fn neither_nodes_nor_other_virtual_routers_are_in_conflict() {
        let (setup, mut conflicts) = (setup(|_| ()), speaking_from(OWN));
        for heard in [(PEER, VRID), (OWN, VRID), (OTHER, VRID + 1)] {
            assert!(!hear(&mut conflicts, &setup, at(0), heard), "{heard:?}");
        }
        assert_eq!(noticed(&conflicts, &setup, at(0)), None);
    }

    #[test]
    fn nobody_is_suspected_where_nodes_may_speak_from_other_addresses() {
        let elsewhere = Ipv4Addr::new(198, 51, 100, 1);
        let mut unknown = setup(|_| ());
        unknown.all_nodes_known = false;
        for (mut conflicts, setup) in [
            (speaking_from(elsewhere), setup(|_| ())),
            (speaking_from(OWN), unknown),
        ] {
            assert!(!hear(&mut conflicts, &setup, at(0), (OTHER, VRID)));
        }
    }

    #[test]
    fn whom_an_instance_does_not_hear_is_left_alone() {
        let listed = |instance: &mut InstanceSetup| {
            instance.peers = Peers::Multicast {
                accept_from: vec![PEER.into()],
            };
        };
        let mut conflicts = speaking_from(OWN);
        assert!(!hear(&mut conflicts, &setup(listed), at(0), (OTHER, VRID)));
    }
}
