//! Somebody on the link who records what the routers say, and says it again later in their name.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lab::{Netns, wait_until};
use socket2::{Domain, Protocol, Socket, Type};

use crate::daemon::LIMIT;
use crate::inside::inside;

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
const VRRP: i32 = 112;
const IPPROTO_RAW: i32 = 255;
/// Where VRRP Routers listen (RFC 9568 §5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const IP_HEADER_LEN: usize = 20;

/// An eavesdropper who can also speak, with any source address.
#[derive(Debug)]
pub struct Replayer {
    listening: Socket,
    sending: Socket,
    heard: Vec<Datagram>,
}

/// A datagram with its IP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram(Vec<u8>);

impl Datagram {
    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        let octets: [u8; 4] = self.0[12..16].try_into().expect("four bytes");
        IpAddr::from(octets)
    }

    /// The priority in it.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.message()[2]
    }

    /// What follows the IP header.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.0[IP_HEADER_LEN..]
    }
}

impl Replayer {
    /// Listens from now on at this address of a host.
    ///
    /// # Panics
    ///
    /// When the host does not have the address.
    #[must_use]
    pub fn new(host: &Netns, address: Ipv4Addr) -> Self {
        let open = || -> io::Result<(Socket, Socket)> {
            let listening = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)))?;
            listening.join_multicast_v4(&GROUP, &address)?;
            listening.set_read_timeout(Some(Duration::from_millis(1)))?;
            let sending = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
            sending.set_header_included_v4(true)?;
            sending.set_multicast_if_v4(&address)?;
            sending.set_multicast_loop_v4(false)?;
            Ok((listening, sending))
        };
        let (listening, sending) = inside(host, open).expect("root may open raw sockets");
        Self {
            listening,
            sending,
            heard: Vec::new(),
        }
    }

    /// Everything that was said since the last call, oldest first, once `enough` thinks that it is enough.
    ///
    /// # Panics
    ///
    /// When it does not within [`LIMIT`].
    pub fn record(&mut self, what: &str, enough: impl Fn(&[Datagram]) -> bool) -> Vec<Datagram> {
        wait_until(LIMIT, what, || {
            self.listen();
            if enough(&self.heard) {
                Ok(())
            } else {
                Err(format!("{} datagrams", self.heard.len()))
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
        std::mem::take(&mut self.heard)
    }

    /// Sends a datagram as it was heard. Its sender's own kernel takes it for a mistake; everybody else hears it.
    ///
    /// # Panics
    ///
    /// When the kernel does not take it.
    pub fn say_again(&self, datagram: &Datagram) {
        let group = SocketAddrV4::new(GROUP, 0).into();
        let sent = self
            .sending
            .send_to(&datagram.0, &group)
            .expect("the host can send");
        assert_eq!(sent, datagram.0.len());
    }

    fn listen(&mut self) {
        let mut buffer = [0; 2048];
        // It ends when nothing came for a moment.
        while let Ok(length) = self.listening.read(&mut buffer) {
            self.heard.push(Datagram(buffer[..length].to_vec()));
        }
    }
}
