//! The sockets of each interface that instances use.

use std::io;
use std::net::IpAddr;

use vrrp::{Family, InterfaceId};
use vrrp_linux::address::LinkState;
use vrrp_linux::arp::ArpSocket;
use vrrp_linux::ndp::NdpSocket;
use vrrp_linux::socket::{OpenSocketError, VirtualMacSocket, VrrpSocket};

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
    /// One for each address family that its instances use.
    speakers: Vec<Speaker>,
}

/// What speaks one address family on an interface.
#[derive(Debug)]
struct Speaker {
    family: Family,
    /// `None` while the kernel does not have the interface.
    sockets: Option<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    vrrp: VrrpSocket,
    /// For those that speak from a virtual MAC.
    virtual_mac: VirtualMacSocket,
    announcer: Announcer,
}

/// Tells a link who has an address.
#[derive(Debug)]
enum Announcer {
    Arp(ArpSocket),
    Ndp(NdpSocket),
}

impl Interfaces {
    /// Opens the sockets of all interfaces, each with the address families that its instances use.
    pub(super) fn open(
        interfaces: impl IntoIterator<Item = (String, Vec<Family>)>,
    ) -> Result<Self, OpenSocketError> {
        let all = interfaces
            .into_iter()
            .map(|(name, families)| {
                let mut interface = Interface::closed(name, families);
                interface.open_missing()?;
                Ok(interface)
            })
            .collect::<Result<_, OpenSocketError>>()?;
        Ok(Self { all })
    }

    /// Goes on with these interfaces and families, of which the first ones are the interfaces from before.
    ///
    /// # Errors
    /// When a socket cannot be opened; nothing has changed then.
    pub(super) fn reopen(
        &mut self,
        interfaces: Vec<(String, Vec<Family>)>,
    ) -> Result<(), OpenSocketError> {
        let missing = |(index, (name, families)): (usize, &(String, Vec<Family>))| {
            let known = self.all.get(index);
            let is_new =
                |family: &Family| known.is_none_or(|known| known.sockets_of(*family).is_none());
            let families = families.iter().copied().filter(is_new).collect();
            (name.clone(), families)
        };
        let missing: Vec<_> = interfaces.iter().enumerate().map(missing).collect();
        let opened = Self::open(missing)?;
        for (index, ((name, families), fresh)) in interfaces.into_iter().zip(opened.all).enumerate()
        {
            match self.all.get_mut(index) {
                Some(known) => {
                    known
                        .speakers
                        .retain(|speaker| families.contains(&speaker.family));
                    let is_known = |family| known.sockets_of(family).is_some();
                    let fresh: Vec<_> = fresh
                        .speakers
                        .into_iter()
                        .filter(|speaker| !is_known(speaker.family))
                        .collect();
                    known.speakers.retain(|speaker| speaker.sockets.is_some());
                    known.speakers.extend(fresh);
                }
                None => self.all.push(Interface { name, ..fresh }),
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
        let before = std::mem::replace(&mut interface.index, link.index);
        let is_another = before.is_some() && before != link.index;
        if link.index.is_none() || is_another {
            interface.close();
        }
        if link.index.is_some() {
            interface.open_missing()?;
        }
        Ok(())
    }
}

impl Interface {
    fn closed(name: String, families: Vec<Family>) -> Self {
        let closed = |family| Speaker {
            family,
            sockets: None,
        };
        Self {
            speakers: families.into_iter().map(closed).collect(),
            name,
            index: None,
            mac: None,
        }
    }

    /// What VRRP datagrams arrive at.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &VrrpSocket> {
        let sockets = self.speakers.iter().filter_map(|it| it.sockets.as_ref());
        sockets.map(|sockets| &sockets.vrrp)
    }

    /// Sends a VRRP message, from `mac` or else from the interface's own.
    pub(super) fn send(
        &self,
        mac: Option<[u8; 6]>,
        (source, destination): (IpAddr, IpAddr),
        payload: &[u8],
    ) -> io::Result<()> {
        match (self.sockets_of(Family::of(&source)), mac) {
            (Some(sockets), None) => sockets.vrrp.send(source, destination, payload),
            (Some(sockets), Some(mac)) => {
                sockets.virtual_mac.send(mac, source, destination, payload)
            }
            (None, _) => Err(io::Error::from(io::ErrorKind::NotConnected)),
        }
    }

    /// Tells the link that `address` is at `mac`, or else at the interface's own.
    pub(super) fn announce(&self, mac: Option<[u8; 6]>, address: IpAddr) -> io::Result<()> {
        let announcer = self
            .sockets_of(Family::of(&address))
            .map(|sockets| &sockets.announcer);
        // A link without hardware addresses (a tunnel, say) has nobody to tell.
        let (Some(announcer), Some(mac)) = (announcer, mac.or(self.mac)) else {
            return Ok(());
        };
        match (announcer, address) {
            (Announcer::Arp(arp), IpAddr::V4(address)) => arp.gratuitous_arp(address, mac),
            (Announcer::Ndp(ndp), IpAddr::V6(address)) => {
                ndp.unsolicited_advertisement(address, mac)
            }
            (Announcer::Arp(_), IpAddr::V6(_)) | (Announcer::Ndp(_), IpAddr::V4(_)) => Ok(()),
        }
    }

    fn sockets_of(&self, family: Family) -> Option<&Sockets> {
        let speaker = self.speakers.iter().find(|it| it.family == family)?;
        speaker.sockets.as_ref()
    }

    fn close(&mut self) {
        for speaker in &mut self.speakers {
            speaker.sockets = None;
        }
    }

    /// Opens what is not open. One family that the kernel refuses does not keep the other one silent.
    fn open_missing(&mut self) -> Result<(), OpenSocketError> {
        let mut result = Ok(());
        for speaker in &mut self.speakers {
            if speaker.sockets.is_some() {
                continue;
            }
            match Sockets::open(&self.name, speaker.family) {
                Ok(sockets) => speaker.sockets = Some(sockets),
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

impl Sockets {
    fn open(interface: &str, family: Family) -> Result<Self, OpenSocketError> {
        let announcer = match family {
            Family::V4 => Announcer::Arp(ArpSocket::open(interface)?),
            Family::V6 => Announcer::Ndp(NdpSocket::open(interface)?),
        };
        Ok(Self {
            vrrp: VrrpSocket::open(interface, family)?,
            virtual_mac: VirtualMacSocket::open(interface)?,
            announcer,
        })
    }
}
