//! `HOST:PORT`, and where the name of a host may lead.

use std::fmt;
use std::net::IpAddr;

use url::Host;

/// Host and port of a `tcp:` or `udp:` grant; also one conversation, seen as the grant that allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, normalised as in a URL: `LocalHost` is `localhost`, `127.1` is `127.0.0.1`.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
}

impl Endpoint {
    /// Reads `HOST:PORT`; the error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("`{port}` is not a port"))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err("an IPv6 address stands in brackets".to_owned());
        }
        let host = Host::parse(host).map_err(|error| format!("`{host}` is no host ({error})"))?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether a conversation with `host` may go to `address`, which is what the name resolved to.
/// Whoever answers for the name must not be able to point it at the cloud's metadata service.
pub(crate) fn may_lead_to(host: &Host, address: IpAddr) -> bool {
    match host {
        Host::Ipv4(granted) => address == *granted,
        Host::Ipv6(granted) => address == *granted,
        Host::Domain(_) => match address.to_canonical() {
            IpAddr::V4(v4) => {
                !(v4.is_unspecified()
                    || v4.is_multicast()
                    || v4.is_broadcast()
                    || v4.is_link_local())
            }
            IpAddr::V6(v6) => {
                !(v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leads(host: &str, address: &str, expect: bool) {
        let host = Host::parse(host).unwrap();
        assert_eq!(
            may_lead_to(&host, address.parse().unwrap()),
            expect,
            "{host} {address}"
        );
    }

    #[test]
    fn a_name_may_not_lead_to_the_metadata_service() {
        leads("app.lan", "10.0.0.1", true);
        leads("app.lan", "127.0.0.1", true);
        leads("app.lan", "169.254.169.254", false);
        leads("app.lan", "::ffff:169.254.169.254", false);
        leads("app.lan", "0.0.0.0", false);
        leads("app.lan", "fe80::1", false);
        leads("169.254.169.254", "169.254.169.254", true);
        leads("127.0.0.1", "127.0.0.2", false);
    }
}
