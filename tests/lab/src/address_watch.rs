//! When which address came and went, from the kernel's own notifications.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::command::command;
use crate::{Netns, Process, Result, wait_until};

/// A running record of a host's addresses.
#[derive(Debug)]
pub struct AddressWatch {
    monitor: Process,
}

/// An address was added to an interface, or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressChange {
    /// When the notification was read: within a scheduling delay of the change.
    pub at: SystemTime,
    pub interface: String,
    pub address: IpAddr,
    pub added: bool,
}

impl AddressWatch {
    pub(crate) fn start(netns: &Netns) -> Result<Self> {
        let mut ip = command("ip");
        ip.args(["-n", netns.name(), "-ts", "-o", "monitor", "address"]);
        let monitor = Process::spawn(&mut ip)?;
        let id = monitor.id();
        wait_until(Duration::from_secs(10), "`ip monitor` to listen", || {
            let sockets = fs::read_to_string(format!("/proc/{id}/net/netlink"))
                .map_err(|error| error.to_string())?;
            if sockets.lines().any(|socket| listens(socket, id)) {
                Ok(())
            } else {
                Err(sockets)
            }
        })?;
        Ok(Self { monitor })
    }

    /// The changes so far, oldest first.
    #[must_use]
    pub fn changes(&self) -> Vec<AddressChange> {
        self.monitor.log().lines().filter_map(parse).collect()
    }
}

/// Whether a line of `/proc/net/netlink` is a routing socket of process `id` that has joined a group.
fn listens(socket: &str, id: u32) -> bool {
    let fields: Vec<&str> = socket.split_whitespace().collect();
    matches!(fields[..], [_, "0", owner, groups, ..]
        if owner == id.to_string() && groups.bytes().any(|digit| digit != b'0'))
}

/// `[2026-11-23T22:43:19.868083] Deleted 2: eth0    inet 172.27.0.247/32 scope global eth0\  valid_lft ...`
fn parse(line: &str) -> Option<AddressChange> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let at = humantime::parse_rfc3339(&format!("{time}Z")).ok()?;
    let (added, rest) = match rest.strip_prefix("Deleted ") {
        Some(rest) => (false, rest),
        None => (true, rest),
    };
    let mut words = rest.split_whitespace().skip(1);
    let interface = words.next()?.to_owned();
    let address = words
        .skip_while(|word| !matches!(*word, "inet" | "inet6"))
        .nth(1)?
        .split('/')
        .next()?
        .parse()
        .ok()?;
    Some(AddressChange {
        at,
        interface,
        address,
        added,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_line_are_read() {
        let added = r"[2026-11-23T22:43:19.860177] 2: eth0    inet 172.27.0.247/32 scope global eth0\       valid_lft forever";
        let change = parse(added).unwrap();
        assert_eq!(change.interface, "eth0");
        assert_eq!(change.address, IpAddr::from([172, 27, 0, 247]));
        assert!(change.added);
        assert_eq!(
            humantime::format_rfc3339_micros(change.at).to_string(),
            "2026-11-23T22:43:19.860177Z"
        );

        let removed = added.replace("] ", "] Deleted ");
        assert_eq!(
            parse(&removed),
            Some(AddressChange {
                added: false,
                ..change
            })
        );
        assert_eq!(parse("netns lab-1"), None);

        let ipv6 = r"[2026-11-23T22:43:19.860177] 2: eth0    inet6 fe80::51/128 scope link deprecated proto 0x70 \       valid_lft forever preferred_lft 0sec";
        let change = parse(ipv6).unwrap();
        assert_eq!(change.address, "fe80::51".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn only_a_socket_in_a_group_listens() {
        assert!(listens(
            "00000000dc2c5bba 0   15206      00000110 0        0        0     2",
            15206
        ));
        assert!(!listens(
            "00000000dc2c5bba 0   15206      00000000 0        0        0     2",
            15206
        ));
        assert!(!listens(
            "00000000dc2c5bba 0   15207      00000110 0        0        0     2",
            15206
        ));
    }
}
