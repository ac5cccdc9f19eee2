//! A third host on the segment of [`Stage`], which only uses the shared addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lab::{Netns, Port};

use crate::inside::answers;
use crate::ipv6;
use crate::stage::{INTERFACE, PREFIX_LENGTH, Stage};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));
const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3));
const GLOBAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3));
const GLOBAL_PREFIX_LENGTH: u8 = 64;

/// The third host.
#[derive(Debug)]
pub struct Neighbour {
    _port: Port,
    pub host: Netns,
}

impl Neighbour {
    /// Plugs it in, with an address of each family in the networks of the shared ones.
    ///
    /// # Errors
    ///
    /// When the laboratory cannot be built.
    pub fn new(stage: &Stage) -> lab::Result<Self> {
        let host = Netns::new("third")?;
        let port = stage
            .segment
            .attach(&host, INTERFACE, (ADDRESS, PREFIX_LENGTH))?;
        ipv6::set_link_local(&host, LINK_LOCAL)?;
        host.add_address(INTERFACE, GLOBAL, GLOBAL_PREFIX_LENGTH)?;
        // It asks more often than a host answers that a port is closed.
        for host in [&stage.first, &stage.second] {
            for setting in ["net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"] {
                host.run(&["sysctl", "-qw", setting])?;
            }
        }
        Ok(Self { _port: port, host })
    }

    /// Whether a packet to the address is answered, and from which MAC it has learned where the address is.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn reach(&self, address: IpAddr) -> (bool, Option<String>) {
        (answers(&self.host, address), self.mac_of(address))
    }

    /// As [`reach`](Self::reach), but it has to ask who has the address.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> (bool, Option<String>) {
        self.host
            .ip(&["neighbour", "flush", "dev", INTERFACE])
            .expect("the host is there");
        self.reach(address)
    }

    /// What it knows of the address.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn mac_of(&self, address: IpAddr) -> Option<String> {
        let shown = self
            .host
            .ip(&[
                "neighbour",
                "show",
                "to",
                &address.to_string(),
                "dev",
                INTERFACE,
            ])
            .expect("the host is there");
        let mut words = shown.split_whitespace();
        words.find(|word| *word == "lladdr")?;
        words.next().map(str::to_owned)
    }
}
