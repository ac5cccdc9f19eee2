//! The sockets of each interface that instances use.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use vrrp::InterfaceId;
use vrrp_linux::arp::ArpSocket;
use vrrp_linux::netlink::LinkState;
use vrrp_linux::socket::{OpenSocketError, VrrpSocket};

/// Every interface of the set-up, by [`InterfaceId`].
#[derive(Debug)]
pub(super) struct Interfaces {
    all: Vec<Interface>,
}

/// An interface, whether the kernel has it at the moment or not.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) name: String,
    /// The kernel's index that the sockets were opened for.
    index: Option<u32>,
    mac: Option<[u8; 6]>,
    /// Instances speak on it; otherwise they only have addresses there.
    pub(super) speaks: bool,
    pub(super) socket: Option<VrrpSocket>,
    arp: Option<ArpSocket>,
}

impl Interfaces {
    /// Opens the sockets of all interfaces: first those that instances speak on, then the `silent` ones.
    pub(super) fn open(speaking: &[String], silent: &[String]) -> Result<Self, OpenSocketError> {
        let speaking = speaking.iter().map(|name| (name, true));
        let all = speaking
            .chain(silent.iter().map(|name| (name, false)))
            .map(|(name, speaks)| {
                let mut interface = Interface {
                    name: name.clone(),
                    index: None,
                    mac: None,
                    speaks,
                    socket: None,
                    arp: None,
                };
                interface.reopen()?;
                Ok(interface)
            })
            .collect::<Result<_, OpenSocketError>>()?;
        Ok(Self { all })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        (0..).map(InterfaceId).zip(&self.all)
    }

    /// The interface's number, by name.
    pub(super) fn find(&self, name: &str) -> Option<InterfaceId> {
        self.iter()
            .find(|(_, interface)| interface.name == name)
            .map(|(id, _)| id)
    }

    pub(super) fn get(&self, id: InterfaceId) -> Option<&Interface> {
        self.all.get(usize::try_from(id.0).ok()?)
    }

    /// Takes in what netlink says. An interface that was deleted and made again gets new sockets:
    /// the old ones are bound to an index that no longer exists.
    pub(super) fn update(
        &mut self,
        id: InterfaceId,
        link: &LinkState,
    ) -> Result<(), OpenSocketError> {
        let Some(interface) = usize::try_from(id.0)
            .ok()
            .and_then(|index| self.all.get_mut(index))
        else {
            return Ok(());
        };
        interface.mac = link.mac;
        let before = interface.index;
        interface.index = link.index;
        match (before, link.index) {
            (_, None) => {
                interface.socket = None;
                interface.arp = None;
            }
            (Some(before), Some(now)) if before != now => interface.reopen()?,
            (_, Some(_)) if interface.arp.is_none() => interface.reopen()?,
            (_, Some(_)) => {}
        }
        Ok(())
    }
}

impl Interface {
    fn reopen(&mut self) -> Result<(), OpenSocketError> {
        if self.speaks {
            self.socket = Some(VrrpSocket::open(&self.name)?);
        }
        self.arp = Some(ArpSocket::open(&self.name)?);
        Ok(())
    }

    /// Sends a VRRP message.
    pub(super) fn send(
        &self,
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.send(source, destination, payload),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        }
    }

    /// Tells the link who has `address`.
    pub(super) fn announce(&self, address: Ipv4Addr) -> io::Result<()> {
        match (&self.arp, self.mac) {
            (Some(arp), Some(mac)) => arp.gratuitous_arp(address, mac),
            // A link without hardware addresses (a tunnel, say) has nobody to tell.
            (_, None) | (None, _) => Ok(()),
        }
    }
}
