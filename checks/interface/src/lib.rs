//! Built in as `interface`: a network interface works.

use std::net::IpAddr;

use vrrp_sdk::prelude::*;

/// A network interface is up and has a carrier.
///
/// ```toml
/// name = "eth1"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface, such as "eth1".
    name: String,
    /// It has to have an address, too; a link-local one does not count.
    address: Option<Family>,
    /// The least that its MTU may be, in bytes.
    min_mtu: Option<u32>,
}

/// Of which family an address has to be.
#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Any,
    Ipv4,
    Ipv6,
}

/// `IFNAMSIZ` of the kernel less the terminating zero.
const NAME_MAX: usize = 15;

impl Check for Interface {
    fn plan(&self) -> Plan {
        let plan = Plan::new()
            .needs(Need::link(&self.name))
            .on_link_changed(&self.name);
        match self.address {
            Some(_) => plan.on_address_changed(&self.name),
            None => plan,
        }
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        let strange = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if self.name.is_empty() || self.name.len() > NAME_MAX || self.name.contains(strange) {
            errors.at(
                ["name"],
                "write the name of an interface, such as \"eth1\": 1 to 15 characters",
            );
        }
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let link = match link::get(&self.name) {
            Ok(link) => link,
            // Interfaces come and go: a card is pulled, a tunnel ends.
            Err(error @ link::Error::NotFound { .. }) => {
                return Ok(Observation::failing(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let observation = match self.problem(&link) {
            Some(problem) => Observation::failing(format!("{} {problem}", self.name)),
            None => Observation::passing(format!("{} is up, with a carrier", self.name)),
        };
        Ok(observation
            .fact("mtu", link.mtu)
            .fact("addresses", link.addresses.join(" ")))
    }
}

impl Interface {
    fn problem(&self, link: &link::Info) -> Option<String> {
        if !link.up {
            return Some("is down".to_owned());
        }
        if !link.carrier {
            return Some("has no carrier".to_owned());
        }
        if let Some(min) = self.min_mtu.filter(|&min| link.mtu < min) {
            return Some(format!(
                "has an MTU of {}, at least {min} expected",
                link.mtu
            ));
        }
        let family = self.address?;
        if link.addresses.iter().any(|address| family.has(address)) {
            return None;
        }
        Some(match family {
            Family::Any => "has no address".to_owned(),
            Family::Ipv4 => "has no IPv4 address".to_owned(),
            Family::Ipv6 => "has no IPv6 address".to_owned(),
        })
    }
}

impl Family {
    /// Whether it is an address with which others can be reached, of this family.
    fn has(self, address: &str) -> bool {
        let bare = address.split('/').next().and_then(|bare| bare.parse().ok());
        match bare {
            Some(IpAddr::V4(address)) => self != Self::Ipv6 && !address.is_link_local(),
            Some(IpAddr::V6(address)) => self != Self::Ipv4 && !address.is_unicast_link_local(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    const ETH1: &str = r#"{ "name": "eth1" }"#;

    #[track_caller]
    fn run(json: &str, link: link::Info) -> (Verdict, String) {
        let check: Interface = mock::configure(json).unwrap();
        let host = mock::Host::new().link(link);
        let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
        (observation.verdict, observation.summary)
    }

    fn passing() -> (Verdict, String) {
        (Verdict::Passing, "eth1 is up, with a carrier".to_owned())
    }

    fn failing(summary: &str) -> (Verdict, String) {
        (Verdict::Failing, summary.to_owned())
    }

    fn eth1(addresses: &[&str]) -> link::Info {
        mock::link("eth1", addresses)
    }

    #[test]
    fn it_has_to_be_up_and_have_a_carrier() {
        assert_eq!(run(ETH1, eth1(&[])), passing());
        let no_carrier = link::Info {
            carrier: false,
            ..eth1(&[])
        };
        assert_eq!(
            run(ETH1, no_carrier.clone()),
            failing("eth1 has no carrier")
        );
        let down = link::Info {
            up: false,
            ..no_carrier
        };
        assert_eq!(run(ETH1, down), failing("eth1 is down"));
        assert_eq!(
            run(ETH1, mock::link("eth0", &[])),
            failing("there is no interface eth1")
        );
    }

    #[test]
    fn the_mtu_may_be_too_small() {
        let jumbo = r#"{ "name": "eth1", "min-mtu": 1501 }"#;
        assert_eq!(
            run(jumbo, eth1(&[])),
            failing("eth1 has an MTU of 1500, at least 1501 expected")
        );
        assert_eq!(run(&jumbo.replace("1501", "1500"), eth1(&[])), passing());
    }

    #[test]
    fn an_address_may_be_missing() {
        let wanting = |family: &str, addresses: &[&str]| {
            let json = format!(r#"{{ "name": "eth1", "address": "{family}" }}"#);
            run(&json, eth1(addresses))
        };
        let both = ["192.0.2.1/24", "2001:db8::1/64"];
        for family in ["any", "ipv4", "ipv6"] {
            assert_eq!(wanting(family, &both), passing());
        }
        let local = ["169.254.1.1/16", "fe80::1/64"];
        assert_eq!(wanting("any", &local), failing("eth1 has no address"));
        assert_eq!(
            wanting("ipv4", &both[1..]),
            failing("eth1 has no IPv4 address")
        );
        assert_eq!(
            wanting("ipv6", &both[..1]),
            failing("eth1 has no IPv6 address")
        );
    }

    #[test]
    fn it_wakes_for_what_it_looks_at() {
        let plan = |json| mock::configure::<Interface>(json).unwrap().plan();
        let link = Trigger::LinkChanged("eth1".to_owned());
        assert_eq!(plan(ETH1).needs, ["link:eth1"]);
        assert_eq!(plan(ETH1).triggers, std::slice::from_ref(&link));
        let with_address = plan(r#"{ "name": "eth1", "address": "any" }"#);
        let address = Trigger::AddressChanged("eth1".to_owned());
        assert_eq!(with_address.triggers, [link, address]);
    }

    #[test]
    fn without_the_grant_there_is_no_verdict() {
        let host = mock::Host::new().denies(Need::link("eth1"));
        let check: Interface = mock::configure(ETH1).unwrap();
        let outcome = host.enter(|| check.run(&mock::run_context()));
        assert_eq!(outcome, Err(CheckError::Denied("link:eth1".to_owned())));
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused() {
        for name in ["", "a name", "eth0/1", "sixteen-letters-"] {
            let json = format!(r#"{{ "name": "{name}" }}"#);
            let errors = mock::configure::<Interface>(&json).unwrap_err();
            assert_eq!(errors[0].pointer, "/name");
        }
    }
}
