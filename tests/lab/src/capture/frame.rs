//! What Wireshark's dissectors say about a frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// The fields asked of tshark, in the order [`Frame::parse`] reads them.
pub(super) const FIELDS: [&str; 35] = [
    "frame.time_epoch",
    "eth.src",
    "eth.dst",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.checksum.status",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.adver_int",
    "vrrp.short_adver_int",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
    "vrrp.auth_type",
    "vrrp.checksum.status",
    "arp.opcode",
    "arp.src.hw_mac",
    "arp.src.proto_ipv4",
    "arp.dst.proto_ipv4",
    "arp.isgratuitous",
    "icmp.type",
    "icmpv6.type",
    "icmpv6.checksum.status",
    "icmpv6.nd.na.flag.r",
    "icmpv6.nd.na.flag.s",
    "icmpv6.nd.na.flag.o",
    "icmpv6.nd.na.target_address",
    "icmpv6.opt.target_linkaddr",
];

/// From which severity on an expert's remark is a problem: PI_WARN of Wireshark's proto.h.
const WARNING: u32 = 0x0060_0000;

const BROADCAST: &str = "ff:ff:ff:ff:ff:ff";
/// ff02::1
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ICMPv6 type of a neighbour advertisement.
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// The first ICMPv6 type that is no error message (RFC 4443 §2.1).
const INFORMATION: u8 = 128;

/// A frame on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When it passed the bridge. Nanoseconds.
    pub at: SystemTime,
    /// Ethernet source, as `02:00:00:00:00:01`.
    pub source: String,
    /// Ethernet destination.
    pub destination: String,
    pub ip: Option<Ip>,
    pub payload: Payload,
    /// Everything that Wireshark finds wrong with it, from warnings on. Empty for a good frame.
    pub problems: Vec<String>,
}

/// Its IP header, of either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 only.
    pub checksum: Option<Checksum>,
}

/// What it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    Vrrp(Advertisement),
    Arp(Arp),
    NeighbourAdvertisement(NeighbourAdvertisement),
    Other,
}

/// A VRRP advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    pub version: u8,
    pub virtual_router_id: u8,
    pub priority: u8,
    /// As sent: whole seconds in version 2, centiseconds in version 3.
    pub advertisement_interval: Duration,
    pub addresses: Vec<IpAddr>,
    /// Version 2 only.
    pub authentication_type: Option<u8>,
    pub checksum: Checksum,
}

/// An ARP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    pub sender_mac: String,
    pub sender: Ipv4Addr,
    pub target: Ipv4Addr,
    /// Sender and target are the same address.
    pub gratuitous: bool,
}

/// A neighbour advertisement (RFC 4861 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourAdvertisement {
    pub router: bool,
    pub solicited: bool,
    pub overrides: bool,
    pub target: Ipv6Addr,
    /// The target link-layer address option.
    pub target_mac: Option<String>,
    pub checksum: Checksum,
}

/// What Wireshark says about a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Good,
    Bad,
    /// It did not look: the packet is cut short, or a fragment.
    Unverified,
}

impl Frame {
    /// The advertisement in it.
    #[must_use]
    pub fn advertisement(&self) -> Option<&Advertisement> {
        match &self.payload {
            Payload::Vrrp(advertisement) => Some(advertisement),
            Payload::Arp(_) | Payload::NeighbourAdvertisement(_) | Payload::Other => None,
        }
    }

    /// The gratuitous ARP in it: it tells everybody. The answer of a host that has the address too, to the one who told it, is
    /// none.
    #[must_use]
    pub fn gratuitous_arp(&self) -> Option<&Arp> {
        match &self.payload {
            Payload::Arp(arp) if arp.gratuitous && self.destination == BROADCAST => Some(arp),
            Payload::Arp(_)
            | Payload::Vrrp(_)
            | Payload::NeighbourAdvertisement(_)
            | Payload::Other => None,
        }
    }

    /// The unsolicited neighbour advertisement in it: it tells everybody.
    #[must_use]
    pub fn unsolicited_advertisement(&self) -> Option<&NeighbourAdvertisement> {
        match &self.payload {
            Payload::NeighbourAdvertisement(advertisement)
                if self.ip.as_ref()?.destination == ALL_NODES =>
            {
                Some(advertisement)
            }
            Payload::NeighbourAdvertisement(_)
            | Payload::Arp(_)
            | Payload::Vrrp(_)
            | Payload::Other => None,
        }
    }

    /// The address of which it tells everybody who has it, in the way of its family.
    #[must_use]
    pub fn announced(&self) -> Option<IpAddr> {
        if let Some(arp) = self.gratuitous_arp() {
            return Some(arp.sender.into());
        }
        Some(self.unsolicited_advertisement()?.target.into())
    }

    /// The IP source address.
    #[must_use]
    pub fn sender(&self) -> Option<IpAddr> {
        self.ip.as_ref().map(|ip| ip.source)
    }

    /// Whether nothing is wrong with it: no remark of an expert, and no checksum that is not good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let of_header = self.ip.as_ref().and_then(|ip| ip.checksum);
        let of_payload = match &self.payload {
            Payload::Vrrp(advertisement) => Some(advertisement.checksum),
            Payload::NeighbourAdvertisement(advertisement) => Some(advertisement.checksum),
            Payload::Arp(_) | Payload::Other => None,
        };
        let mut checksums = of_header.into_iter().chain(of_payload);
        self.problems.is_empty() && checksums.all(|checksum| checksum == Checksum::Good)
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let values: Vec<&str> = line.split('\t').collect();
        if values.len() != FIELDS.len() {
            return None;
        }
        let fields = Fields { values };
        let payload = if fields.is_in_error() {
            Some(Payload::Other)
        } else if fields.has("vrrp.version") {
            fields.advertisement().map(Payload::Vrrp)
        } else if fields.has("arp.opcode") {
            fields.arp().map(Payload::Arp)
        } else if fields.number("icmpv6.type") == Some(NEIGHBOUR_ADVERTISEMENT) {
            fields
                .neighbour_advertisement()
                .map(Payload::NeighbourAdvertisement)
        } else {
            Some(Payload::Other)
        };
        let mut problems = fields.problems();
        // A packet cut short lacks fields. That is for whoever looks at the frame to judge, not for the parser.
        let payload = payload.unwrap_or_else(|| {
            problems.push("incomplete".to_owned());
            Payload::Other
        });
        Some(Self {
            at: epoch(fields.first("frame.time_epoch"))?,
            source: fields.first("eth.src").to_owned(),
            destination: fields.first("eth.dst").to_owned(),
            ip: fields.ip(),
            payload,
            problems,
        })
    }
}

/// The values of one frame. A field that occurs more than once has its values between commas.
struct Fields<'a> {
    values: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn all(&self, name: &str) -> &'a str {
        let index = FIELDS
            .iter()
            .position(|field| *field == name)
            .expect("only fields that were asked for are read");
        self.values[index]
    }

    fn first(&self, name: &str) -> &'a str {
        self.all(name).split(',').next().unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        T::try_from(number(self.first(name))?).ok()
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.first(name), "1" | "True")
    }

    fn checksum(&self, name: &str) -> Checksum {
        match self.first(name) {
            "1" => Checksum::Good,
            "0" => Checksum::Bad,
            _ => Checksum::Unverified,
        }
    }

    fn ip(&self) -> Option<Ip> {
        if self.has("ipv6.src") {
            return Some(Ip {
                source: self.first("ipv6.src").parse().ok()?,
                destination: self.first("ipv6.dst").parse().ok()?,
                ttl: self.number("ipv6.hlim")?,
                checksum: None,
            });
        }
        Some(Ip {
            source: self.first("ip.src").parse().ok()?,
            destination: self.first("ip.dst").parse().ok()?,
            ttl: self.number("ip.ttl")?,
            checksum: Some(self.checksum("ip.checksum.status")),
        })
    }

    /// Whether the rest is about another packet, which somebody sends back with an ICMP error: a host where nobody speaks VRRP
    /// does so with unicast.
    fn is_in_error(&self) -> bool {
        let icmpv6: Option<u8> = self.number("icmpv6.type");
        self.has("icmp.type") || icmpv6.is_some_and(|kind| kind < INFORMATION)
    }

    fn advertisement(&self) -> Option<Advertisement> {
        let advertisement_interval = match self.number::<u32>("vrrp.short_adver_int") {
            Some(centiseconds) => Duration::from_millis(10) * centiseconds,
            None => Duration::from_secs(self.number("vrrp.adver_int")?),
        };
        let addresses = ["vrrp.ip_addr", "vrrp.ipv6_addr"]
            .into_iter()
            .flat_map(|field| self.all(field).split_terminator(','))
            .map(str::parse);
        Some(Advertisement {
            version: self.number("vrrp.version")?,
            virtual_router_id: self.number("vrrp.virt_rtr_id")?,
            priority: self.number("vrrp.prio")?,
            advertisement_interval,
            addresses: addresses.collect::<Result<_, _>>().ok()?,
            authentication_type: self.number("vrrp.auth_type"),
            checksum: self.checksum("vrrp.checksum.status"),
        })
    }

    fn arp(&self) -> Option<Arp> {
        Some(Arp {
            operation: self.number("arp.opcode")?,
            sender_mac: self.first("arp.src.hw_mac").to_owned(),
            sender: self.first("arp.src.proto_ipv4").parse().ok()?,
            target: self.first("arp.dst.proto_ipv4").parse().ok()?,
            gratuitous: self.flag("arp.isgratuitous"),
        })
    }

    fn neighbour_advertisement(&self) -> Option<NeighbourAdvertisement> {
        let target_mac = self.first("icmpv6.opt.target_linkaddr");
        Some(NeighbourAdvertisement {
            router: self.flag("icmpv6.nd.na.flag.r"),
            solicited: self.flag("icmpv6.nd.na.flag.s"),
            overrides: self.flag("icmpv6.nd.na.flag.o"),
            target: self.first("icmpv6.nd.na.target_address").parse().ok()?,
            target_mac: (!target_mac.is_empty()).then(|| target_mac.to_owned()),
            checksum: self.checksum("icmpv6.checksum.status"),
        })
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.has("_ws.malformed") {
            problems.push(self.all("_ws.malformed").to_owned());
        }
        let severities = self
            .all("_ws.expert.severity")
            .split(',')
            .filter_map(number);
        if severities
            .max()
            .is_some_and(|severity| severity >= WARNING.into())
        {
            problems.push(self.all("_ws.expert.message").to_owned());
        }
        problems
    }
}

/// tshark prints some numbers in hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `1795473396.597481123`
fn epoch(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = text.split_once('.')?;
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::new(seconds.parse().ok()?, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[(&str, &str)]) -> String {
        let value = |field: &&str| {
            values
                .iter()
                .find(|(name, _)| name == field)
                .map_or("", |(_, value)| value)
        };
        FIELDS.iter().map(value).collect::<Vec<_>>().join("\t")
    }

    const VRRP: [(&str, &str); 13] = [
        ("frame.time_epoch", "1795473396.597481123"),
        ("eth.src", "02:00:00:00:00:01"),
        ("eth.dst", "01:00:5e:00:00:12"),
        ("ip.src", "172.27.0.1"),
        ("ip.dst", "224.0.0.18"),
        ("ip.ttl", "255"),
        ("ip.checksum.status", "1"),
        ("vrrp.version", "3"),
        ("vrrp.virt_rtr_id", "251"),
        ("vrrp.prio", "0"),
        ("vrrp.short_adver_int", "100"),
        ("vrrp.ip_addr", "172.27.0.247,172.27.0.248"),
        ("vrrp.checksum.status", "1"),
    ];

    #[test]
    fn an_advertisement_is_read() {
        let frame = Frame::parse(&line(&VRRP)).unwrap();
        assert_eq!(
            frame.at,
            SystemTime::UNIX_EPOCH + Duration::new(1_795_473_396, 597_481_123)
        );
        assert_eq!(frame.sender(), Some(IpAddr::from([172, 27, 0, 1])));
        let advertisement = frame.advertisement().unwrap();
        assert_eq!(
            (
                advertisement.version,
                advertisement.virtual_router_id,
                advertisement.priority
            ),
            (3, 251, 0)
        );
        assert_eq!(advertisement.advertisement_interval, Duration::from_secs(1));
        assert_eq!(advertisement.addresses.len(), 2);
        assert!(frame.is_good());
    }

    #[test]
    fn an_advertisement_over_ipv6_is_read() {
        let frame = Frame::parse(&line(&[
            ("frame.time_epoch", "1795473396.597481123"),
            ("ipv6.src", "fe80::1"),
            ("ipv6.dst", "ff02::12"),
            ("ipv6.hlim", "255"),
            ("vrrp.version", "3"),
            ("vrrp.virt_rtr_id", "51"),
            ("vrrp.prio", "100"),
            ("vrrp.short_adver_int", "10"),
            ("vrrp.ipv6_addr", "fe80::51,2001:db8::100"),
            ("vrrp.checksum.status", "1"),
        ]))
        .unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(frame.sender(), Some(address("fe80::1")));
        assert_eq!(frame.ip.as_ref().unwrap().ttl, 255);
        assert_eq!(
            frame.advertisement().unwrap().addresses,
            [address("fe80::51"), address("2001:db8::100")]
        );
        assert!(frame.is_good(), "{frame:?}");
    }

    #[test]
    fn an_advertisement_that_comes_back_with_an_error_is_none() {
        for (field, value, is_advertisement) in [
            ("icmp.type", "3", false),
            ("icmpv6.type", "1", false),
            ("icmpv6.type", "", true),
        ] {
            let mut values = VRRP.to_vec();
            values.push((field, value));
            let frame = Frame::parse(&line(&values)).unwrap();
            assert_eq!(frame.advertisement().is_some(), is_advertisement, "{field}");
        }
    }

    #[test]
    fn an_unsolicited_advertisement_is_told_from_an_answer() {
        let values = [
            ("frame.time_epoch", "1.000000000"),
            ("ipv6.src", "fe80::51"),
            ("ipv6.dst", "ff02::1"),
            ("ipv6.hlim", "255"),
            ("icmpv6.type", "136"),
            ("icmpv6.checksum.status", "1"),
            ("icmpv6.nd.na.flag.r", "1"),
            ("icmpv6.nd.na.flag.s", "0"),
            ("icmpv6.nd.na.flag.o", "True"),
            ("icmpv6.nd.na.target_address", "fe80::51"),
            ("icmpv6.opt.target_linkaddr", "02:00:00:00:00:01"),
        ];
        let frame = Frame::parse(&line(&values)).unwrap();
        let target: Ipv6Addr = "fe80::51".parse().unwrap();
        assert_eq!(
            frame.unsolicited_advertisement(),
            Some(&NeighbourAdvertisement {
                router: true,
                solicited: false,
                overrides: true,
                target,
                target_mac: Some("02:00:00:00:00:01".to_owned()),
                checksum: Checksum::Good,
            })
        );
        assert_eq!(frame.announced(), Some(IpAddr::V6(target)));
        assert!(frame.is_good(), "{frame:?}");
        let with = |field: &str, value| {
            let mut values = values.to_vec();
            values.retain(|(name, _)| *name != field);
            values.push((field, value));
            Frame::parse(&line(&values)).unwrap()
        };
        assert_eq!(with("ipv6.dst", "fe80::2").announced(), None);
        assert!(!with("icmpv6.checksum.status", "0").is_good());
    }

    #[test]
    fn what_the_experts_say_is_kept() {
        for (field, value, good) in [
            ("vrrp.checksum.status", "0", false),
            ("ip.checksum.status", "0", false),
            ("_ws.malformed", "Malformed Packet", false),
            ("_ws.expert.severity", "6291456", false),
            ("_ws.expert.severity", "0x00800000", false),
            ("_ws.expert.severity", "2097152", true),
            ("vrrp.prio", "", false),
        ] {
            let mut values = VRRP.to_vec();
            values.retain(|(name, _)| *name != field);
            values.push((field, value));
            let frame = Frame::parse(&line(&values)).unwrap();
            assert_eq!(frame.is_good(), good, "{field}={value}");
        }
    }

    #[test]
    fn a_gratuitous_arp_is_told_from_a_question_and_from_an_answer() {
        for (gratuitous, destination, expected) in [
            ("1", BROADCAST, true),
            ("True", BROADCAST, true),
            ("", BROADCAST, false),
            ("0", BROADCAST, false),
            ("1", "02:00:00:00:00:01", false),
        ] {
            let frame = Frame::parse(&line(&[
                ("frame.time_epoch", "1.000000000"),
                ("eth.dst", destination),
                ("arp.opcode", "1"),
                ("arp.src.proto_ipv4", "172.27.0.247"),
                ("arp.dst.proto_ipv4", "172.27.0.247"),
                ("arp.isgratuitous", gratuitous),
            ]))
            .unwrap();
            assert_eq!(frame.gratuitous_arp().is_some(), expected);
        }
    }
}
