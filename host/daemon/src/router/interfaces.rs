//! The sockets of each interface that instances use.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use vrrp::InterfaceId;
use vrrp_linux::address::LinkState;
use vrrp_linux::arp::ArpSocket;
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
    /// Whether instances speak on it; otherwise they only want to know how it is.
    spoken: bool,
    /// The kernel's index that the sockets were opened for.
    index: Option<u32>,
    mac: Option<[u8; 6]>,
    pub(super) socket: Option<VrrpSocket>,
    arp: Option<ArpSocket>,
}

impl Interfaces {
    /// Makes an entry for each of `names`, and opens the sockets of those that are `spoken` on.
    pub(super) fn open(names: &[String], spoken: &[String]) -> Result<Self, OpenSocketError> {
        let all = names
            .iter()
            .map(|name| {
                let mut interface = Interface::silent(name);
                interface.spoken = spoken.contains(name);
                interface.open()?;
                Ok(interface)
            })
            .collect::<Result<_, OpenSocketError>>()?;
        Ok(Self { all })
    }

    /// Goes on with these `names`, of which the first are those from before, and those that are `spoken` on.
    ///
    /// # Errors
    /// When a socket cannot be opened; nothing has changed then.
    pub(super) fn reopen(
        &mut self,
        names: &[String],
        spoken: &[String],
    ) -> Result<(), OpenSocketError> {
        let is_new = |name: &&String| {
            let known = self.all.iter().find(|interface| interface.name == **name);
            !known.is_some_and(|known| known.spoken)
        };
        let to_open: Vec<String> = spoken.iter().filter(is_new).cloned().collect();
        let opened = Self::open(&to_open, &to_open)?;
        for name in names.iter().skip(self.all.len()) {
            self.all.push(Interface::silent(name));
        }
        for interface in &mut self.all {
            interface.spoken = spoken.contains(&interface.name);
            if !interface.spoken {
                interface.socket = None;
                interface.arp = None;
            }
        }
        for mut fresh in opened.all {
            let found = self.all.iter_mut().find(|known| known.name == fresh.name);
            if let Some(known) = found {
                known.socket = fresh.socket.take();
                known.arp = fresh.arp.take();
            }
        }
        Ok(())
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
            (Some(before), Some(now)) if before != now => interface.open()?,
            (_, Some(_)) if interface.socket.is_none() => interface.open()?,
            (_, Some(_)) => {}
        }
        Ok(())
    }
}

impl Interface {
    fn silent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spoken: false,
            index: None,
            mac: None,
            socket: None,
            arp: None,
        }
    }

    fn open(&mut self) -> Result<(), OpenSocketError> {
        if !self.spoken {
            return Ok(());
        }
        self.socket = Some(VrrpSocket::open(&self.name)?);
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
