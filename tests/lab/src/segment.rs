//! An Ethernet segment and the ports on it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::capture::Capture;
use crate::command::ip;
use crate::{Netns, Result};

/// An Ethernet segment: a bridge in a network namespace of its own, where every frame passes and can be captured.
#[derive(Debug)]
pub struct Segment {
    netns: Netns,
    next_port: AtomicU32,
}

impl Segment {
    pub(crate) const BRIDGE: &'static str = "br0";

    /// Makes a segment with no port.
    ///
    /// Frames flow from the first moment: there is no spanning tree, and multicast goes to every port as it does on a
    /// switch without IGMP snooping.
    ///
    /// # Errors
    ///
    /// Fails without root or iproute2, or when the kernel has no bridge.
    pub fn new(label: &str) -> Result<Self> {
        let netns = Netns::new(label)?;
        netns.ip(&[
            "link",
            "add",
            Self::BRIDGE,
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
            "mcast_snooping",
            "0",
        ])?;
        netns.ip(&["link", "set", Self::BRIDGE, "up"])?;
        Ok(Self {
            netns,
            next_port: AtomicU32::new(1),
        })
    }

    /// Connects a host: it gets `interface` with this address, up and with carrier.
    ///
    /// # Errors
    ///
    /// Fails when the host has an interface of that name.
    pub fn attach(
        &self,
        host: &Netns,
        interface: &str,
        address: (impl Into<IpAddr>, u8),
    ) -> Result<Port> {
        let (address, prefix_length) = address;
        let name = format!("port{}", self.next_port.fetch_add(1, Ordering::Relaxed));
        self.netns.ip(&[
            "link",
            "add",
            &name,
            "type",
            "veth",
            "peer",
            "name",
            interface,
            "netns",
            host.name(),
        ])?;
        let port = Port {
            segment: self.netns.name().to_owned(),
            name,
        };
        self.netns
            .ip(&["link", "set", &port.name, "master", Self::BRIDGE, "up"])?;
        host.add_address(interface, address, prefix_length)?;
        host.ip(&["link", "set", interface, "up"])?;
        Ok(port)
    }

    /// Records every frame from now on.
    ///
    /// # Errors
    ///
    /// Fails when tcpdump cannot be started.
    pub fn capture(&self) -> Result<Capture> {
        Capture::start(&self.netns)
    }

    /// The namespace that the bridge is in.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }
}

/// Where a host is plugged in. Dropping it takes the host's interface away.
#[derive(Debug)]
pub struct Port {
    segment: String,
    name: String,
}

impl Port {
    /// The interface's name in the namespace of the segment.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pulls the cable: the host's interface stays up and loses its carrier.
    ///
    /// # Errors
    ///
    /// Fails when the segment is gone.
    pub fn unplug(&self) -> Result<()> {
        self.set("down")
    }

    /// Plugs the cable in again.
    ///
    /// # Errors
    ///
    /// Fails when the segment is gone.
    pub fn plug(&self) -> Result<()> {
        self.set("up")
    }

    /// Has the segment drop every frame between this port and other isolated ones, while all keep their carrier: a switch
    /// that fails in the middle. A capture still sees the frames.
    ///
    /// # Errors
    ///
    /// Fails when the segment is gone.
    pub fn isolate(&self) -> Result<()> {
        self.set_isolated("on")
    }

    /// Ends what [`Port::isolate`] began.
    ///
    /// # Errors
    ///
    /// Fails when the segment is gone.
    pub fn rejoin(&self) -> Result<()> {
        self.set_isolated("off")
    }

    fn set_isolated(&self, state: &str) -> Result<()> {
        let bridge_slave = ["type", "bridge_slave", "isolated", state];
        ip(["-n", &self.segment, "link", "set", &self.name]
            .iter()
            .chain(&bridge_slave))
        .map(drop)
    }

    fn set(&self, state: &str) -> Result<()> {
        ip(["-n", &self.segment, "link", "set", &self.name, state]).map(drop)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Fails when one of the two namespaces went first, and the cable with it.
        _ = ip(["-n", &self.segment, "link", "del", &self.name]);
    }
}
