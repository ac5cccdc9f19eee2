//! Packets that this host must not accept though it has their destination (RFC 9568 §6.4.3, `Accept_Mode` false): a table of nftables.
//!
//! The table has an owner: the kernel removes it when the socket that made it is closed, however its process ends. So there is never one that was left
//! behind. It drops what is delivered to the host itself; what is forwarded does not pass it, and ARP neither.

mod rules;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::NetfilterMessage;
use rtnetlink::sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::io::Errno;

/// The table of the family `inet`, as `nft list table inet vrrp_host` shows it.
pub const TABLE: &str = "vrrp_host";

/// Keeps packets to addresses away from the host, except neighbour discovery and what comes from the host itself. Dropping it lets them pass.
#[derive(Debug, Default)]
pub struct Firewall {
    refused: BTreeSet<IpAddr>,
    /// Owns the table, when there is one.
    socket: Option<Socket>,
}

impl Firewall {
    /// Refuses what is sent to these addresses, and nothing else, from one packet to the next. The host need not have the addresses. Does not
    /// wait for anything but the kernel, for some milliseconds.
    ///
    /// # Errors
    ///
    /// See [`FirewallError`]; everything is as before then.
    pub fn refuse(&mut self, addresses: BTreeSet<IpAddr>) -> Result<(), FirewallError> {
        if addresses == self.refused {
            return Ok(());
        }
        if addresses.is_empty() {
            self.socket = None;
        } else if let Some(socket) = &self.socket {
            exchange(socket, &rules::batch(&addresses, rules::Table::Replaced))?;
        } else {
            let socket = open().map_err(|error| FirewallError::of("open a socket", error))?;
            exchange(&socket, &rules::batch(&addresses, rules::Table::New))?;
            self.socket = Some(socket);
        }
        self.refused = addresses;
        Ok(())
    }
}

/// Why the kernel does not refuse packets.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// The process lacks a capability, or another process has a table of that name.
    #[error(
        "nftables are not permitted: start as root, or grant CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN); no other process may own the table {TABLE}"
    )]
    NotPermitted,
    /// Somebody has made a table of that name that no process owns.
    #[error("there is a table inet {TABLE} already; delete it: `nft delete table inet {TABLE}`")]
    TableExists,
    /// The kernel was built without.
    #[error(
        "this kernel has no nftables: it needs CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET (`modprobe nf_tables`), Linux 5.12 or later"
    )]
    Unsupported(#[source] io::Error),
    /// Something else went wrong.
    #[error("cannot {attempt} of nftables")]
    Refused {
        /// What was being done.
        attempt: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl FirewallError {
    fn of(attempt: &'static str, source: io::Error) -> Self {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted,
            Some(Errno::EXIST) => Self::TableExists,
            Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT) => {
                Self::Unsupported(source)
            }
            _ => Self::Refused { attempt, source },
        }
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    // The kernel answers before `send` returns.
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Sends a batch, which takes effect as a whole or not at all. Its last message asks for an acknowledgement.
fn exchange(socket: &Socket, batch: &[u8]) -> Result<(), FirewallError> {
    let refused = |error| FirewallError::of("change the table", error);
    socket.send(batch, 0).map_err(refused)?;
    let mut outcome = None;
    // All answers are read, so that none is left for the next batch. The first error is the cause of the others.
    loop {
        match socket.recv_from_full() {
            Ok((answer, _)) => {
                let error = parse(&answer).map_err(refused)?;
                match (error, &outcome) {
                    (Some(error), None | Some(Ok(()))) => outcome = Some(Err(error)),
                    (None, None) => outcome = Some(Ok(())),
                    (Some(_) | None, _) => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(error)),
        }
    }
    outcome
        .unwrap_or_else(|| Err(io::Error::other("the kernel did not answer")))
        .map_err(refused)
}

/// The error in an answer; `None` for an acknowledgement.
fn parse(answer: &[u8]) -> io::Result<Option<io::Error>> {
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(answer);
    let NetlinkPayload::Error(error) = message.map_err(io::Error::other)?.payload else {
        return Err(io::Error::other("the kernel answered something else"));
    };
    Ok(error.code.is_some().then(|| error.to_io()))
}
