//! Two hosts that share as many segments as their instances need.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context;
use lab::{Netns, Port, Segment};
use serde_json::Value;

use super::plan::PER_INTERFACE;

/// The address of the first instance.
pub(super) const SHARED: IpAddr = virtual_address(0, 1);
/// Names of the hosts, in the order of their priorities.
pub(super) const NAMES: [&str; 2] = ["first", "second"];

/// The two hosts, by the order of their priorities.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) ports: [Vec<Port>; 2],
    pub(super) hosts: [Netns; 2],
    pub(super) segments: Vec<Segment>,
}

/// The interface with this number, on either host.
pub(super) fn interface(number: u8) -> String {
    format!("eth{number}")
}

/// The address of a host (0 or 1) on an interface.
pub(super) const fn address(interface: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, interface, 0, host + 1))
}

/// The address that the instance with this VRID has on an interface.
pub(super) const fn virtual_address(interface: u8, virtual_router_id: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, interface, 1, virtual_router_id))
}

impl Hosts {
    /// With room for so many instances.
    pub(super) fn new(instances: u16) -> anyhow::Result<Self> {
        let mut hosts = Self {
            ports: [Vec::new(), Vec::new()],
            hosts: [Netns::new(NAMES[0])?, Netns::new(NAMES[1])?],
            segments: Vec::new(),
        };
        for number in 0..u8::try_from(instances.div_ceil(PER_INTERFACE.into()))? {
            let segment = Segment::new("segment")?;
            for (index, host) in (0..).zip(&hosts.hosts) {
                let own = (address(number, index), 16);
                let port = segment.attach(host, &interface(number), own)?;
                hosts.ports[usize::from(index)].push(port);
            }
            hosts.segments.push(segment);
        }
        Ok(hosts)
    }

    /// Frames that a host has sent and received on all its interfaces.
    pub(super) fn frames(&self, host: usize) -> anyhow::Result<[u64; 2]> {
        let links = self.hosts[host].ip(&["-json", "-statistics", "link", "show"])?;
        let links: Vec<Value> = serde_json::from_str(&links).context("what `ip` prints")?;
        let sum = |direction: &str| {
            links
                .iter()
                .filter(|link| link["ifname"] != "lo")
                .map(|link| link["stats64"][direction]["packets"].as_u64())
                .sum::<Option<u64>>()
                .context("`ip` counts no packets")
        };
        Ok([sum("tx")?, sum("rx")?])
    }

    /// Whether the first instance's address is on the first host, and on no other.
    pub(super) fn first_alone_has_address(&self) -> anyhow::Result<bool> {
        let [first, second] = &self.hosts;
        Ok(first.has_address(SHARED)? && !second.has_address(SHARED)?)
    }
}
