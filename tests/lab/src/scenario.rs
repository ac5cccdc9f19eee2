//! Two hosts share an address. The service it is for ends on the first one, and everything falls into place again:
//! the play that the project exists for, with vrrp-host or keepalived in either role.
//!
//! 1. Both are started; the exporter runs on the first host only: MASTER and BACKUP.
//! 2. The exporter is stopped on the first: FAULT there, whose hook starts it again; MASTER on the second, whose hook
//!    starts an exporter there.
//! 3. The first takes the address back; the second's hook stops its exporter.

mod daemon;
mod expectations;
mod node;
mod play;
mod report;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

pub use daemon::{Daemon, State, Transition, Version, use_vrrp_host, vrrp_host_binary};
pub use node::Node;
pub use play::{Step, play, play_on};
pub use report::{Event, Expectation, Report, What};

use crate::{Host, Result, Segment};

/// The instance that all hosts run.
pub const INSTANCE: &str = "VI_1";
/// Its virtual router id.
pub const VIRTUAL_ROUTER_ID: u8 = 251;
/// The address that moves.
pub const VIRTUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 27, 0, 247));
/// The service that it is for.
pub const EXPORTER: &str = "prometheus-node-exporter.service";
/// The host names, in the order of their priorities.
pub const NAMES: [&str; 2] = ["master", "slave"];
/// Their addresses.
pub const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(172, 27, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(172, 27, 0, 2)),
];
/// The one configuration that every vrrp-host has.
pub const CLUSTER_TOML: &str = include_str!("scenario/cluster.toml");

/// Who plays.
#[derive(Debug, Clone)]
pub struct Options {
    /// What runs on the first host and on the second.
    pub daemons: [Daemon; 2],
    /// The protocol that both speak.
    pub version: Version,
    /// What a vrrp-host gets as its `cluster.toml`.
    pub cluster_toml: String,
    /// The program to install; [`vrrp_host_binary`] finds it when left out.
    pub vrrp_host: Option<PathBuf>,
}

impl Options {
    /// The scenario as it is in the README, with these daemons.
    #[must_use]
    pub fn new(daemons: [Daemon; 2], version: Version) -> Self {
        Self {
            daemons,
            version,
            cluster_toml: version.in_cluster_toml(CLUSTER_TOML),
            vrrp_host: None,
        }
    }
}

/// The two hosts on one segment, with everything installed and nothing started.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: [Node; 2],
    pub segment: Segment,
}

impl Cluster {
    /// Boots the hosts.
    ///
    /// # Errors
    ///
    /// Says what is missing on this machine, or why a host does not come up.
    pub fn boot(options: &Options) -> Result<Self> {
        let segment = Segment::new("segment")?;
        let boot = |index: usize| {
            let host = Host::boot(&segment, NAMES[index], ADDRESSES[index])?;
            Node::set_up(host, index, options)
        };
        let nodes = [boot(0)?, boot(1)?];
        Ok(Self { nodes, segment })
    }
}
