//! What vrrp-host and keepalived both speak, and how each of them is told to.

use std::net::IpAddr;

use e2e::ipv6;
use e2e::stage::{self, Stage};

/// What both speak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    pub(super) name: &'static str,
    pub(super) version: u8,
    pub(super) family: Family,
    /// More keys of vrrp-host's instance.
    pub(super) ours: &'static str,
    /// More lines of keepalived's instance, by role.
    pub(super) theirs: [&'static str; 2],
    /// Between whom advertisements pass, where it is not from everybody to the group.
    pub(super) unicast: bool,
    /// The TTL or hop limit that keepalived sends with.
    pub(super) ttl_of_keepalived: u8,
    /// The password of version 2 (RFC 2338 §5.3.6).
    pub(super) password: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

pub(super) const V2: Protocol = Protocol {
    name: "v2",
    version: 2,
    family: Family::V4,
    ours: "version = 2",
    theirs: [""; 2],
    unicast: false,
    ttl_of_keepalived: 255,
    password: None,
};
pub(super) const V2_PASSWORD: Protocol = Protocol {
    name: "v2, password",
    password: Some("hunter2"),
    ..V2
};
/// keepalived 2.2.7 knows no other checksum over IPv4 than that of RFC 5798. That vrrp-host understands it whatever it sends
/// itself is seen in `checksum.rs`.
pub(super) const V3: Protocol = Protocol {
    name: "v3, checksum of RFC 5798",
    version: 3,
    ours: "checksum = \"rfc5798\"",
    ..V2
};
pub(super) const V6: Protocol = Protocol {
    name: "v3, IPv6",
    family: Family::V6,
    ours: "",
    ..V3
};
pub(super) const UNICAST: Protocol = Protocol {
    name: "v3, unicast",
    ours: "unicast = true",
    theirs: [
        "unicast_src_ip 192.0.2.1\n    unicast_peer {\n        192.0.2.2\n    }",
        "unicast_src_ip 192.0.2.2\n    unicast_peer {\n        192.0.2.1\n    }",
    ],
    unicast: true,
    ..V3
};
pub(super) const UNICAST_V2: Protocol = Protocol {
    name: "v2, unicast",
    version: 2,
    ours: "version = 2\nunicast = true",
    ..UNICAST
};
/// keepalived 2.2.7 leaves the hop limit of unicast to the kernel, which makes it 64: by RFC 5082 that could be from anywhere.
pub(super) const UNICAST_V6: Protocol = Protocol {
    name: "v3, IPv6, unicast",
    family: Family::V6,
    ours: "unicast = true\nmin-ttl = 64\npeers = { first = [\"fe80::2\"], second = [\"fe80::1\"] }",
    ttl_of_keepalived: 64,
    theirs: [
        "unicast_src_ip fe80::1\n    unicast_peer {\n        fe80::2\n    }",
        "unicast_src_ip fe80::2\n    unicast_peer {\n        fe80::1\n    }",
    ],
    ..UNICAST
};

impl Family {
    pub(super) fn stage(self) -> Stage {
        match self {
            Self::V4 => Stage::new(),
            Self::V6 => ipv6::stage(),
        }
        .unwrap()
    }

    pub(super) fn instance(self) -> &'static str {
        match self {
            Self::V4 => stage::INSTANCE,
            Self::V6 => ipv6::INSTANCE,
        }
    }

    pub(super) fn cluster_at(self, interval: &str, keys: &str) -> String {
        match self {
            Self::V4 => stage::cluster_at(interval, keys),
            Self::V6 => ipv6::cluster_at(interval, keys),
        }
    }

    pub(super) fn hosts(self) -> [IpAddr; 2] {
        match self {
            Self::V4 => [stage::FIRST, stage::SECOND],
            Self::V6 => [ipv6::FIRST, ipv6::SECOND],
        }
    }

    pub(super) fn shared(self) -> &'static [IpAddr] {
        match self {
            Self::V4 => &[stage::SHARED],
            Self::V6 => &[ipv6::SHARED_LINK_LOCAL, ipv6::SHARED],
        }
    }

    /// RFC 9568 §5.1.1.2, §5.1.2.2.
    pub(super) fn group(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::from([224, 0, 0, 18]),
            Self::V6 => IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
        }
    }
}
