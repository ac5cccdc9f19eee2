//! Which of an interface's addresses speaks for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp::{InterfaceId, Link};
use vrrp_linux::netlink::LinkState;

use super::setup::{Setup, held_addresses};

/// An owner's priority: its virtual addresses are its own.
const OWNER: u8 = 255;

/// The state of an interface as the core wants to know it.
pub(crate) fn link_event(interface: InterfaceId, link: &LinkState, setup: &Setup) -> Link {
    let is_there = |ours: &IpAddr| link.addresses.iter().any(|(address, _)| address == ours);
    let known_as = setup.address.filter(is_there);
    Link {
        interface,
        up: link.up,
        // Of several addresses, the one that the file names is what the peers expect.
        primary: match known_as {
            Some(IpAddr::V4(address)) => Some(address),
            Some(IpAddr::V6(_)) | None => primary(link),
        },
        link_local: link_local(link, setup),
        known_as,
    }
}

/// The first one in the kernel's order, in which the primary addresses come first.
fn primary(link: &LinkState) -> Option<Ipv4Addr> {
    link.addresses
        .iter()
        .find_map(|(address, _)| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
}

/// A link-local address that no other router of the link can have: not a virtual one, whoever configured it, unless this
/// host owns it (RFC 9568 §7.2). Among several it is the lowest, because the kernel's order changes with the
/// way it is asked, and peers are not to see another router each time.
fn link_local(link: &LinkState, setup: &Setup) -> Option<Ipv6Addr> {
    link.addresses
        .iter()
        .filter_map(|(address, _)| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(*address),
            IpAddr::V6(_) | IpAddr::V4(_) => None,
        })
        .filter_map(|address| Some((standing(address, link, setup)?, address)))
        .min()
        .map(|(_, address)| address)
}

/// How good an address is to speak from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Own,
    /// This host's as long as it runs, and its peers', should it not.
    Owned,
}

fn standing(address: Ipv6Addr, link: &LinkState, setup: &Setup) -> Option<Standing> {
    let address = IpAddr::V6(address);
    let sharing = setup.instances.iter().find(|instance| {
        held_addresses(instance)
            .any(|shared| shared.interface == link.interface && shared.address == address)
    });
    match sharing {
        None => Some(Standing::Own),
        Some(instance) if instance.priority.get() == OWNER => Some(Standing::Owned),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;
    use crate::ipc::InstanceSetup;

    const VIRTUAL: &str = "fe80::51";
    const EXCLUDED: &str = "fe80::52";

    /// An instance on eth0 with the address [`VIRTUAL`], and with [`EXCLUDED`] on eth2.
    fn setup(priority: u8) -> Setup {
        let excluded = InstanceSetup::example_address("eth2", EXCLUDED.parse().unwrap());
        let instance = InstanceSetup {
            priority: NonZeroU8::new(priority).unwrap(),
            others: vec![excluded.into()],
            ..InstanceSetup::example("eth0", &[VIRTUAL.parse().unwrap()])
        };
        let mut setup = Setup::default();
        setup.instances.push(instance);
        setup
    }

    #[track_caller]
    fn check(interface: &str, priority: u8, addresses: &[&str], expected: Option<&str>) {
        let link = LinkState {
            interface: interface.to_owned(),
            index: Some(2),
            up: true,
            mac: None,
            addresses: addresses
                .iter()
                .map(|address| (address.parse().unwrap(), 64))
                .collect(),
        };
        let event = link_event(InterfaceId(0), &link, &setup(priority));
        assert_eq!(
            event.link_local,
            expected.map(|address| address.parse().unwrap())
        );
    }

    #[test]
    fn neither_a_virtual_nor_a_global_address_is_the_link_local_one() {
        check("eth0", 100, &[], None);
        check("eth0", 100, &["192.0.2.1", "2001:db8::1"], None);
        check("eth0", 100, &[VIRTUAL], None);
        check("eth0", 254, &[VIRTUAL, "2001:db8::1"], None);
        check("eth0", 100, &[VIRTUAL, "fe80::aa"], Some("fe80::aa"));
        // On another link it is nobody's.
        check("eth1", 100, &[VIRTUAL], Some(VIRTUAL));
        check("eth2", 100, &[EXCLUDED], None);
        check("eth2", 100, &[VIRTUAL], Some(VIRTUAL));
    }

    #[test]
    fn the_owner_may_speak_from_what_it_owns() {
        check("eth0", 255, &[VIRTUAL], Some(VIRTUAL));
        check("eth0", 255, &[VIRTUAL, "fe80::aa"], Some("fe80::aa"));
    }

    #[test]
    fn the_choice_does_not_depend_on_the_order() {
        check("eth0", 100, &["fe80::2", "fe80::1"], Some("fe80::1"));
        check("eth0", 100, &["fe80::1", "fe80::2"], Some("fe80::1"));
    }

    #[test]
    fn the_primary_ipv4_address_is_the_first() {
        let link = LinkState {
            interface: "eth0".to_owned(),
            index: Some(2),
            up: true,
            mac: None,
            addresses: vec![
                ("fe80::1".parse().unwrap(), 64),
                ("192.0.2.2".parse().unwrap(), 24),
                ("192.0.2.1".parse().unwrap(), 24),
            ],
        };
        assert_eq!(primary(&link), Some(Ipv4Addr::new(192, 0, 2, 2)));
    }

    #[test]
    fn the_address_that_the_file_names_goes_before_the_others() {
        let link = LinkState {
            interface: "eth0".to_owned(),
            index: Some(2),
            up: true,
            mac: None,
            addresses: vec![
                ("192.0.2.2".parse().unwrap(), 24),
                ("192.0.2.1".parse().unwrap(), 24),
            ],
        };
        let event = |address: &str| {
            let mut setup = setup(100);
            setup.address = Some(address.parse().unwrap());
            let event = link_event(InterfaceId(0), &link, &setup);
            (event.primary, event.known_as.is_some())
        };
        assert_eq!(
            event("192.0.2.1"),
            (Some(Ipv4Addr::new(192, 0, 2, 1)), true)
        );
        // It may be on another interface.
        assert_eq!(
            event("198.51.100.1"),
            (Some(Ipv4Addr::new(192, 0, 2, 2)), false)
        );
    }
}
