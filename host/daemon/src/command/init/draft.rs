//! The text of the file.
//!
//! It has two addresses that only its reader can know: that of the other node, and the shared one. In their places stand
//! addresses that are reserved for documentation (RFC 5737, RFC 3849, RFC 9637): a file that is started as it is can take
//! nothing away from anybody, which an address of the host's own network that merely looks free could.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::listen::Heard;
use super::place::Place;
use crate::config::bare;
use crate::event::one_line;

const TEMPLATE: &str = include_str!("cluster.toml");

/// Networks for documentation, of each family the usual one first.
const DOCUMENTATION: [&str; 5] = [
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "3fff::/20",
];
/// What of such a network stands for the other node, and for the shared address.
const OTHER_NODE: u8 = 2;
const SHARED: u8 = 100;

/// What is in the file.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// This host's name in it.
    pub(super) node: String,
    pub(super) place: &'a Place,
    pub(super) heard: &'a Heard,
    pub(super) virtual_router_id: u8,
    /// Where it will be.
    pub(super) file: &'a Path,
}

/// The name of this host in the file: `wanted`, or its host name without the domain, if that can name a node.
pub(super) fn node_name(wanted: Option<&str>, host_name: &str) -> String {
    let short = host_name.split('.').next().unwrap_or(host_name);
    let name = wanted.unwrap_or(short);
    let cannot = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(cannot) {
        return "first".to_owned();
    }
    name.to_owned()
}

impl Draft<'_> {
    /// The whole file.
    pub(super) fn text(&self) -> String {
        let Place {
            interface, address, ..
        } = self.place;
        let id = self.virtual_router_id;
        let other = if self.node.eq_ignore_ascii_case("second") {
            "first"
        } else {
            "second"
        };
        let shared = self.documented(SHARED);
        let virtual_addresses = match shared {
            IpAddr::V4(_) => format!("{:?}", shared.to_string()),
            // RFC 9568 §5.2.9: the first one is of the link.
            IpAddr::V6(_) => format!("\"fe80::{id}\", {:?}", shared.to_string()),
        };
        fill(&[
            ("host", one_line(&self.node)),
            ("node", &bare(&self.node)),
            ("other", other),
            ("interface", interface),
            ("address", &address.to_string()),
            ("prefix-length", &self.place.prefix_length.to_string()),
            ("other-address", &self.documented(OTHER_NODE).to_string()),
            ("shared-address", &shared.to_string()),
            ("virtual-addresses", &virtual_addresses),
            ("network", &self.network()),
            ("virtual-router-id", &id.to_string()),
            ("heard", one_line(&self.heard.words(interface))),
            ("file", one_line(&self.file.to_string_lossy())),
        ])
    }

    /// An address for documentation, of a network that this host is not in: a laboratory may use one of them.
    fn documented(&self, last: u8) -> IpAddr {
        let is_free = |network: &IpNet| {
            let mut own = self.place.networks.iter();
            !own.any(|own| own.contains(network) || network.contains(own))
        };
        let networks = DOCUMENTATION
            .iter()
            .filter_map(|text| text.parse::<IpNet>().ok())
            .filter(|network| network.addr().is_ipv4() == self.place.address.is_ipv4());
        let networks: Vec<_> = networks.collect();
        let free = networks.iter().copied().find(is_free);
        let network = free
            .or_else(|| networks.last().copied())
            .unwrap_or_default();
        match network.addr() {
            IpAddr::V4(base) => (base | std::net::Ipv4Addr::new(0, 0, 0, last)).into(),
            IpAddr::V6(base) => {
                let last = u16::from(last);
                (base | std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, last)).into()
            }
        }
    }

    /// Where the shared address is to be from.
    fn network(&self) -> String {
        let Place {
            interface,
            address,
            prefix_length,
            ..
        } = self.place;
        match IpNet::new(*address, *prefix_length) {
            Ok(network) if network.prefix_len() < network.max_prefix_len() => {
                network.trunc().to_string()
            }
            Ok(_) | Err(_) => format!("the network of {interface}"),
        }
    }
}

/// The template with its `{{names}}` replaced. What is put in is not looked at again.
fn fill(values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(TEMPLATE.len());
    let mut rest = TEMPLATE;
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        text.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        text.push_str(value.map_or(name, |(_, value)| value));
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{config, modules};

    fn place(interface: &str, address: &str) -> Place {
        let network: IpNet = address.parse().unwrap();
        Place {
            interface: interface.to_owned(),
            address: network.addr(),
            prefix_length: network.prefix_len(),
            networks: vec![network.trunc()],
        }
    }

    fn text(node: &str, place: &Place) -> String {
        let heard = Heard::Routers(BTreeMap::new());
        Draft {
            node: node_name(Some(node), ""),
            place,
            heard: &heard,
            virtual_router_id: 51,
            file: Path::new("cluster.toml"),
        }
        .text()
    }

    /// What the daemon makes of it, for every node, without a warning.
    #[track_caller]
    fn read(text: &str) -> Vec<config::Cluster> {
        let path = Path::new("cluster.toml");
        let loaded =
            modules::with_names(|built_in| config::parse_for_every_node(path, text, built_in));
        let loaded = loaded.unwrap_or_else(|report| panic!("{report}\n{text}"));
        for loaded in &loaded {
            assert_eq!(loaded.warnings.to_string(), "", "{text}");
        }
        loaded.into_iter().map(|loaded| loaded.cluster).collect()
    }

    #[test]
    fn the_daemon_takes_it_whatever_the_host_is_called() {
        for node in [
            "alpha",
            "second",
            "a.b",
            "NODE",
            "{{other}}",
            "quo\"te",
            "",
            "white space",
        ] {
            for address in ["10.0.0.1/24", "10.0.0.1/32", "fd00::1/64"] {
                let place = place("eth0", address);
                let text = text(node, &place);
                let clusters = read(&text);
                assert_eq!(clusters.len(), 2, "{text}");
                let own = clusters
                    .iter()
                    .find(|cluster| cluster.nodes.get(&cluster.node) == Some(&Some(place.address)));
                assert_eq!(own.unwrap().node, node_name(Some(node), ""), "{text}");
            }
        }
    }

    #[test]
    fn what_is_commented_out_is_right_as_well() {
        let mut shown = 0;
        let text = text("alpha", &place("eth0", "10.0.0.1/24"));
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(code) if !code.starts_with(' ') => {
                shown += 1;
                code
            }
            Some(_) | None => line,
        });
        let text: Vec<_> = lines.collect();
        let clusters = read(&text.join("\n"));
        assert!(shown > 10, "{shown}");
        for cluster in clusters {
            assert_eq!((cluster.checks.len(), cluster.hooks.len()), (1, 1));
            assert_eq!(cluster.instances[0].tracks.len(), 1);
            assert_eq!(cluster.instances[0].notify.len(), 1);
            assert!(cluster.http.is_some());
        }
    }

    #[test]
    fn every_name_of_the_template_is_filled_in() {
        let text = text("alpha", &place("eth0", "10.0.0.1/24"));
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
        assert_eq!(text.matches("CHANGE:").count(), 2);
        assert!(
            text.contains("\n# of 10.0.0.0/24 that nothing has"),
            "{text}"
        );
    }

    #[test]
    fn the_addresses_to_be_changed_are_nobodys() {
        let shared = |address: &str| {
            let clusters = read(&text("alpha", &place("eth0", address)));
            let addresses = clusters[0].instances[0].virtual_addresses.iter();
            let addresses = addresses.map(|it| it.address.to_string());
            addresses.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shared("10.0.0.1/8"), "192.0.2.100");
        assert_eq!(shared("192.0.2.1/24"), "198.51.100.100");
        assert_eq!(shared("192.0.0.1/16"), "198.51.100.100");
        assert_eq!(shared("fd00::1/64"), "fe80::51 2001:db8::64");
        assert_eq!(shared("2001:db8::1/64"), "fe80::51 3fff::64");
    }

    #[test]
    fn a_host_without_a_usable_name_is_the_first() {
        assert_eq!(node_name(None, "alpha.example.com"), "alpha");
        assert_eq!(node_name(Some("a.b"), "alpha"), "a.b");
        assert_eq!(node_name(None, ""), "first");
        assert_eq!(node_name(Some("a b"), "alpha"), "first");
    }
}
