//! Two light hosts on a segment, and the cluster.toml that both have.

use std::net::{IpAddr, Ipv4Addr};

use lab::{Netns, Port, Segment};
use serde_json::Value;

/// The address of the host `first`.
pub const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The address of the host `second`.
pub const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// The virtual address of [`INSTANCE`].
pub const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
/// The one instance of [`cluster`].
pub const INSTANCE: &str = "VI_1";
/// The interface of both hosts.
pub const INTERFACE: &str = "eth0";
/// The prefix length of the segment's network.
pub const PREFIX_LENGTH: u8 = 24;

/// Two hosts on a segment. Their names in cluster.toml are `first` and `second`.
#[derive(Debug)]
pub struct Stage {
    pub first_port: Port,
    pub second_port: Port,
    pub first: Netns,
    pub second: Netns,
    pub segment: Segment,
}

impl Stage {
    /// Both hosts plugged in, with no daemon.
    ///
    /// # Errors
    ///
    /// When the laboratory cannot be built.
    pub fn new() -> lab::Result<Self> {
        let segment = Segment::new("segment")?;
        let first = Netns::new("first")?;
        let second = Netns::new("second")?;
        Ok(Self {
            first_port: segment.attach(&first, INTERFACE, (FIRST, PREFIX_LENGTH))?,
            second_port: segment.attach(&second, INTERFACE, (SECOND, PREFIX_LENGTH))?,
            first,
            second,
            segment,
        })
    }
}

/// A cluster.toml with [`INSTANCE`], which advertises [`SHARED`] every 100 ms. `keys` are more keys of the instance; tables
/// may follow them.
#[must_use]
pub fn cluster(keys: &str) -> String {
    cluster_at("100ms", keys)
}

/// As [`cluster`], with another advertisement interval.
#[must_use]
pub fn cluster_at(interval: &str, keys: &str) -> String {
    format!(
        "[nodes.first]\n\
         address = \"{FIRST}\"\n\
         [nodes.second]\n\
         address = \"{SECOND}\"\n\
         [instances.{INSTANCE}]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = 51\n\
         virtual-addresses = [\"{SHARED}\"]\n\
         advertisement-interval = \"{interval}\"\n\
         {keys}\n"
    )
}

/// A counter of [`INSTANCE`] in a status.
///
/// # Panics
///
/// When there is none of that name.
#[must_use]
pub fn counter(status: &Value, name: &str) -> u64 {
    status["instances"][INSTANCE]["counters"][name]
        .as_u64()
        .unwrap_or_else(|| panic!("no counter {name} in {status}"))
}
