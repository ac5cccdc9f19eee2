//! The servers that the host itself asks: `/etc/resolv.conf`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use resolv_conf::{Config, ScopedIp};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};
use tokio::task::spawn_blocking;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// Read anew for each question, because DHCP clients and people rewrite the file at any time.
pub(super) async fn of_this_host() -> Vec<SocketAddr> {
    let read = spawn_blocking(|| parse(&std::fs::read(RESOLV_CONF).unwrap_or_default()));
    read.await.unwrap_or_default()
}

/// As resolv.conf(5) has it: without any, the one on this host.
fn parse(text: &[u8]) -> Vec<SocketAddr> {
    // What somebody mistyped in the file does not make the rest of it wrong.
    let (config, _) = Config::parse_with_errors(text);
    let servers: Vec<_> = config.nameservers.into_iter().filter_map(address).collect();
    if servers.is_empty() {
        return vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT)];
    }
    servers
}

/// `None` for one on an interface that does not exist.
fn address(server: ScopedIp) -> Option<SocketAddr> {
    match server {
        ScopedIp::V4(address) => Some(SocketAddr::new(address.into(), PORT)),
        ScopedIp::V6(address, None) => Some(SocketAddr::new(address.into(), PORT)),
        ScopedIp::V6(address, Some(scope)) => {
            let index = scope.parse().ok().or_else(|| index(&scope))?;
            Some(SocketAddrV6::new(address, PORT, 0, index).into())
        }
    }
}

fn index(interface: &str) -> Option<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(&any, interface).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let servers: Vec<_> = parse(text.as_bytes())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(servers, expect);
    }

    #[test]
    fn the_servers_come_in_the_order_of_the_file() {
        check(
            "# by hand\nsearch example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:2\n",
            &["192.0.2.1:53", "[2001:db8::1]:53"],
        );
        check(
            "nameserver fe80::1%3\nnameserver fe80::1%lo\nnameserver fe80::1%nowhere0\n",
            &["[fe80::1%3]:53", "[fe80::1%1]:53"],
        );
    }

    #[test]
    fn a_mistake_spoils_one_line_only() {
        check(
            "nameserver 192.0.2.300\nnameserver 192.0.2.2\nnonsense\n",
            &["192.0.2.2:53"],
        );
    }

    #[test]
    fn without_a_server_it_is_this_host() {
        check("", &["127.0.0.1:53"]);
        check("search example.com\n", &["127.0.0.1:53"]);
    }
}
