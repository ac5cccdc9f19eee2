//! The interface to speak on, and this host's address there.

use std::net::IpAddr;

use ipnet::IpNet;
use vrrp::Family;
use vrrp_linux::link::{LinkInfo, Survey};

use crate::config::unknown;

/// Where this host is in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) interface: String,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    /// Every network that this host is in.
    pub(super) networks: Vec<IpNet>,
}

impl Place {
    /// Chooses the interface that is `wanted`, or else the one that the default route leads to, or else the only one with an
    /// address that others can reach.
    ///
    /// # Errors
    /// With what is there instead, and what to type.
    pub(super) fn find(survey: &Survey, wanted: Option<&str>) -> Result<Self, String> {
        let link = match wanted {
            Some(name) => named(survey, name)?,
            None => chosen(survey)?,
        };
        let (address, prefix_length) = own_address(link).ok_or_else(|| no_address(&link.name))?;
        let addresses = survey.links.iter().flat_map(|link| &link.addresses);
        let networks = addresses.filter_map(|(address, length)| IpNet::new(*address, *length).ok());
        Ok(Self {
            interface: link.name.clone(),
            address,
            prefix_length,
            networks: networks.map(|network| network.trunc()).collect(),
        })
    }

    pub(super) fn family(&self) -> Family {
        Family::of(&self.address)
    }
}

fn named<'a>(survey: &'a Survey, name: &str) -> Result<&'a LinkInfo, String> {
    let mut links = survey.links.iter();
    links.find(|link| link.name == name).ok_or_else(|| {
        let names: Vec<_> = survey.links.iter().map(|link| link.name.as_str()).collect();
        format!("on this host, {}", unknown("interface", name, &names))
    })
}

fn chosen(survey: &Survey) -> Result<&LinkInfo, String> {
    let candidates = survey
        .links
        .iter()
        .filter(|link| own_address(link).is_some());
    let candidates: Vec<_> = candidates.collect();
    let routes = survey.default_routes.iter();
    let mut by_route = routes.filter_map(|route| {
        let mut candidates = candidates.iter();
        candidates.find(|link| link.name == route.interface)
    });
    match (by_route.next(), &candidates[..]) {
        (Some(link), _) | (None, [link]) => Ok(link),
        (None, []) => Err(nobody_has_an_address(survey)),
        (None, several) => {
            let list = several.iter().filter_map(|link| {
                let (address, prefix_length) = own_address(link)?;
                Some(format!("{} has {address}/{prefix_length}", link.name))
            });
            let list: Vec<_> = list.collect();
            Err(format!(
                "which interface? There is no default route, and {}: type `vrrp-host init --interface {}`, for example",
                list.join(", "),
                several[0].name
            ))
        }
    }
}

/// The address that others know this host by: IPv4 where there is both, and none of the link alone.
fn own_address(link: &LinkInfo) -> Option<(IpAddr, u8)> {
    let reaches = |(address, _): &&(IpAddr, u8)| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let mut addresses: Vec<_> = link.addresses.iter().filter(reaches).collect();
    // Within a family the kernel's order stays.
    addresses.sort_by_key(|(address, _)| address.is_ipv6());
    addresses.first().copied().copied()
}

fn no_address(interface: &str) -> String {
    format!(
        "{interface} has no address that others can reach, and VRRP is sent from one: give it one (`ip address add ADDRESS/LENGTH dev {interface}`), \
         or name another interface with `--interface`; `ip address` lists them"
    )
}

fn nobody_has_an_address(survey: &Survey) -> String {
    let is_other = |link: &&LinkInfo| {
        let is_loopback = |(address, _): &(IpAddr, u8)| address.is_loopback();
        !link.addresses.iter().any(is_loopback) && link.name != "lo"
    };
    match survey.links.iter().find(is_other) {
        Some(link) => format!("no interface is ready: {}", no_address(&link.name)),
        None => {
            "this host has no network interface but the loopback: `ip link` lists them".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use vrrp_linux::link::DefaultRoute;

    use super::*;

    fn link(name: &str, addresses: &[&str]) -> LinkInfo {
        let networks = addresses.iter().map(|text| text.parse::<IpNet>().unwrap());
        LinkInfo {
            name: name.to_owned(),
            up: true,
            carrier: true,
            mtu: 1500,
            addresses: networks.map(|net| (net.addr(), net.prefix_len())).collect(),
        }
    }

    fn survey(links: &[(&str, &[&str])], routes: &[&str]) -> Survey {
        let loopback = link("lo", &["127.0.0.1/8", "::1/128"]);
        let links = links.iter().map(|(name, addresses)| link(name, addresses));
        let routes = routes.iter().map(|interface| DefaultRoute {
            interface: (*interface).to_owned(),
            via: None,
        });
        Survey {
            links: [loopback].into_iter().chain(links).collect(),
            default_routes: routes.collect(),
        }
    }

    #[track_caller]
    fn found(survey: &Survey, wanted: Option<&str>) -> String {
        let place = Place::find(survey, wanted).unwrap();
        format!(
            "{} {}/{}",
            place.interface, place.address, place.prefix_length
        )
    }

    #[test]
    fn the_default_route_decides() {
        let two: &[(&str, &[&str])] = &[("eth0", &["10.0.0.1/24"]), ("eth1", &["10.1.0.1/16"])];
        assert_eq!(found(&survey(two, &["eth1"]), None), "eth1 10.1.0.1/16");
        assert_eq!(
            found(&survey(two, &["eth1", "eth0"]), None),
            "eth1 10.1.0.1/16"
        );
        // A tunnel without an address of its own is no place to speak from.
        assert_eq!(
            found(&survey(two, &["tun0", "eth0"]), None),
            "eth0 10.0.0.1/24"
        );
        assert_eq!(
            found(&survey(two, &["eth1"]), Some("eth0")),
            "eth0 10.0.0.1/24"
        );
    }

    #[test]
    fn without_one_the_only_interface_with_an_address_is_taken() {
        let one: &[(&str, &[&str])] = &[
            ("eth0", &["fe80::1/64"]),
            ("eth1", &["fe80::2/64", "2001:db8::1/64"]),
        ];
        assert_eq!(found(&survey(one, &[]), None), "eth1 2001:db8::1/64");
        let both: &[(&str, &[&str])] =
            &[("eth0", &["2001:db8::1/64", "10.0.0.1/24", "10.0.0.9/24"])];
        assert_eq!(found(&survey(both, &[]), None), "eth0 10.0.0.1/24");
    }

    #[test]
    fn what_cannot_be_chosen_is_told_with_what_to_type() {
        let two: &[(&str, &[&str])] = &[("eth0", &["10.0.0.1/24"]), ("eth1", &["10.1.0.1/16"])];
        let cases = [
            (
                survey(two, &[]),
                None,
                "eth0 has 10.0.0.1/24, eth1 has 10.1.0.1/16: type `vrrp-host init --interface eth0`",
            ),
            (
                survey(two, &[]),
                Some("eth11"),
                "there is no interface `eth11`; did you mean `eth1`?",
            ),
            (
                survey(&[("eth0", &["fe80::1/64"])], &[]),
                None,
                "ip address add ADDRESS/LENGTH dev eth0",
            ),
            (
                survey(&[("eth0", &[])], &["eth0"]),
                Some("eth0"),
                "eth0 has no address",
            ),
            (survey(&[], &[]), None, "no network interface"),
        ];
        for (survey, wanted, says) in cases {
            let error = Place::find(&survey, wanted).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
