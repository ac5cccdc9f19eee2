//! The sockets of each interface that instances use.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::thread;

use vrrp::{Family, InterfaceId};
use vrrp_linux::arp::ArpSocket;
use vrrp_linux::ndp::NdpSocket;
use vrrp_linux::netlink::LinkState;
use vrrp_linux::socket::{OpenSocketError, Outgoing, VirtualMacSocket, VrrpSocket};

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

/// What instances do on an interface in one address family. Later ones include the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// They have addresses there, which are announced.
    Announce,
    /// They speak VRRP.
    Speak,
}

/// What instances do on an interface.
pub(super) type Needs = BTreeMap<Family, Use>;

/// What speaks one address family on an interface.
#[derive(Debug)]
struct Speaker {
    family: Family,
    what: Use,
    /// `None` while the kernel does not have the interface.
    sockets: Option<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    /// `None` where addresses are announced and nothing else.
    vrrp: Option<VrrpSocket>,
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
    /// Opens the sockets of all interfaces, each with what its instances need.
    pub(super) fn open(
        interfaces: impl IntoIterator<Item = (String, Needs)>,
    ) -> Result<Self, OpenSocketError> {
        let all = interfaces
            .into_iter()
            .map(|(name, needs)| {
                let mut interface = Interface::closed(name, needs);
                interface.open_missing()?;
                Ok(interface)
            })
            .collect::<Result<_, OpenSocketError>>()?;
        Ok(Self { all })
    }

    /// Opens what these interfaces need and what is not open, of which the first ones are the interfaces from before. What they
    /// do not need stays open until [`close_unneeded`](Self::close_unneeded): there may be a last word to say.
    ///
    /// # Errors
    /// When a socket cannot be opened; nothing has changed then.
    pub(super) fn open_needed(
        &mut self,
        interfaces: Vec<(String, Needs)>,
    ) -> Result<(), OpenSocketError> {
        let known = self.all.iter().map(Some).chain(std::iter::repeat(None));
        let missing = interfaces.into_iter().zip(known);
        let missing = missing.map(|((name, mut needs), known)| {
            needs.retain(|family, what| !known.is_some_and(|known| known.can(*family, *what)));
            (name, needs)
        });
        let opened = Self::open(missing.collect::<Vec<_>>())?;
        let mut replaced = Vec::new();
        for (index, fresh) in opened.all.into_iter().enumerate() {
            match self.all.get_mut(index) {
                Some(known) => replaced.extend(known.replace(fresh.speakers)),
                None => self.all.push(fresh),
            }
        }
        let_go(replaced);
        Ok(())
    }

    /// Closes what these interfaces do not need, which are all that there are.
    pub(super) fn close_unneeded(&mut self, interfaces: &[(String, Needs)]) {
        let all = self.all.iter_mut().zip(interfaces);
        let unneeded = all.flat_map(|(interface, (_, needs))| interface.close_unneeded(needs));
        let_go(unneeded.collect());
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
    fn closed(name: String, needs: Needs) -> Self {
        let closed = |(family, what)| Speaker {
            family,
            what,
            sockets: None,
        };
        Self {
            speakers: needs.into_iter().map(closed).collect(),
            name,
            index: None,
            mac: None,
        }
    }

    /// What VRRP datagrams arrive at.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &VrrpSocket> {
        let sockets = self.speakers.iter().filter_map(|it| it.sockets.as_ref());
        sockets.filter_map(|sockets| sockets.vrrp.as_ref())
    }

    /// Sends VRRP messages of one address family, from `mac` or else from the interface's own. `failed` is told of each that
    /// was not sent.
    pub(super) fn send(
        &self,
        mac: Option<[u8; 6]>,
        datagrams: &[Outgoing<'_>],
        mut failed: impl FnMut(io::Error),
    ) {
        let family = datagrams.first().map(|it| Family::of(&it.source));
        let sockets = family.and_then(|family| self.sockets_of(family));
        match (sockets, mac) {
            (Some(sockets), Some(mac)) => {
                for it in datagrams {
                    let sent = sockets
                        .virtual_mac
                        .send(mac, it.source, it.destination, it.payload);
                    if let Err(error) = sent {
                        failed(error);
                    }
                }
            }
            (
                Some(Sockets {
                    vrrp: Some(vrrp), ..
                }),
                None,
            ) => vrrp.send_all(datagrams, failed),
            (Some(_) | None, _) => datagrams
                .iter()
                .for_each(|_| failed(io::ErrorKind::NotConnected.into())),
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

    /// Whether its open sockets are enough for that.
    fn can(&self, family: Family, what: Use) -> bool {
        self.sockets_of(family)
            .is_some_and(|sockets| what == Use::Announce || sockets.vrrp.is_some())
    }

    /// Takes over speakers that can do more than those of their families, whose sockets it returns. The others stay: datagrams
    /// may wait in them.
    fn replace(&mut self, fresh: Vec<Speaker>) -> Vec<Sockets> {
        let is_fresh = |family| fresh.iter().any(|speaker| speaker.family == family);
        let replaced = self
            .speakers
            .extract_if(.., |speaker| is_fresh(speaker.family));
        let replaced = replaced.filter_map(|speaker| speaker.sockets).collect();
        self.speakers.extend(fresh);
        replaced
    }

    /// Returns the sockets of families that are not needed.
    fn close_unneeded(&mut self, needs: &Needs) -> Vec<Sockets> {
        let unneeded = self
            .speakers
            .extract_if(.., |speaker| !needs.contains_key(&speaker.family));
        let unneeded = unneeded.filter_map(|speaker| speaker.sockets).collect();
        for speaker in &mut self.speakers {
            let Some(what) = needs.get(&speaker.family) else {
                continue;
            };
            speaker.what = *what;
            if let (Use::Announce, Some(sockets)) = (what, &mut speaker.sockets) {
                sockets.vrrp = None;
            }
        }
        unneeded
    }

    fn close(&mut self) {
        let speakers = self.speakers.iter_mut();
        let_go(speakers.filter_map(|it| it.sockets.take()).collect());
    }

    /// Opens what is not open. One family that the kernel refuses does not keep the other one silent.
    fn open_missing(&mut self) -> Result<(), OpenSocketError> {
        let mut result = Ok(());
        for speaker in &mut self.speakers {
            if speaker.sockets.is_some() {
                continue;
            }
            match Sockets::open(&self.name, speaker.family, speaker.what) {
                Ok(sockets) => speaker.sockets = Some(sockets),
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

/// Closes sockets on a thread of its own: the kernel lets go of a packet socket only when no processor can still be using it
/// (`synchronize_net`), which takes some 16 ms, and by that an advertisement would be late.
fn let_go(sockets: Vec<Sockets>) {
    if !sockets.is_empty() {
        let closing = thread::Builder::new().name("closing".to_owned());
        // Where there is no thread to be had, they are closed here.
        let _ = closing.spawn(move || drop(sockets));
    }
}

impl Sockets {
    fn open(interface: &str, family: Family, what: Use) -> Result<Self, OpenSocketError> {
        let announcer = match family {
            Family::V4 => Announcer::Arp(ArpSocket::open(interface)?),
            Family::V6 => Announcer::Ndp(NdpSocket::open(interface)?),
        };
        let vrrp = match what {
            Use::Speak => Some(VrrpSocket::open(interface, family)?),
            Use::Announce => None,
        };
        Ok(Self {
            vrrp,
            virtual_mac: VirtualMacSocket::open(interface)?,
            announcer,
        })
    }
}
