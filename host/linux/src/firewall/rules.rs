//! The table as netlink messages. In the words of `nft`:
//!
//! ```text
//! table inet vrrp_host {
//!     flags owner
//!     set ipv4 { type ipv4_addr; elements = { ... } }
//!     set ipv6 { type ipv6_addr; elements = { ... } }
//!     chain input {
//!         type filter hook input priority filter - 1; policy accept;
//!         iiftype loopback return
//!         icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return
//!         ip daddr @ipv4 drop
//!         ip6 daddr @ipv6 drop
//!     }
//! }
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, Expressions, Hook, Immediate, InetHookNumber,
    ListAttribute, Lookup, Meta, MetaKey, NfTablesMessage, Operator, Payload, Register,
    RuleAttribute, RuleMessage, SetAttribute, SetElementAttribute, SetElementList,
    SetElementMessage, SetMessage, TableAttribute, TableFlags, TableMessage, Verdict,
    VerdictAttribute,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use vrrp::Family;

use super::TABLE;

/// Whether the socket has a table already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    New,
    Replaced,
}

const CHAIN: &str = "input";
/// Before the administrator's own rules, which are at 0: what they accept is dropped all the same, and what they count has been accepted.
const PRIORITY: i32 = -1;
/// `NFNL_SUBSYS_NFTABLES`: whom a batch is for.
const SUBSYSTEM: u16 = 10;
/// `ARPHRD_LOOPBACK`
const LOOPBACK: u16 = 772;
/// Protocol number of ICMPv6, and its types of neighbour discovery: solicitation and advertisement (RFC 4861 §4.3, §4.4).
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// `NF_DROP`
const DROP: Verdict = Verdict::Other(0);
/// What a message with a list of addresses holds; netlink's lengths have 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 1000;

/// A set of addresses, and where a packet has its destination.
struct Destination {
    family: Family,
    set: &'static str,
    /// The datatype by which `nft` prints the elements.
    key_type: u32,
    length: u32,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`
    protocol: u8,
    offset: u32,
    id: u32,
}

const DESTINATIONS: [Destination; 2] = [
    Destination {
        family: Family::V4,
        set: "ipv4",
        key_type: 7,
        length: 4,
        protocol: 2,
        offset: 16,
        id: 1,
    },
    Destination {
        family: Family::V6,
        set: "ipv6",
        key_type: 8,
        length: 16,
        protocol: 10,
        offset: 24,
        id: 2,
    },
];

/// The messages of one transaction.
pub(super) fn batch(addresses: &BTreeSet<IpAddr>, table: Table) -> Vec<u8> {
    let mut messages = Vec::new();
    if table == Table::Replaced {
        let attributes = vec![TableAttribute::Name(TABLE.to_owned())];
        let delete = NfTablesMessage::DeleteTable(TableMessage { attributes });
        messages.push((delete, 0));
    }
    let attributes = vec![
        TableAttribute::Name(TABLE.to_owned()),
        TableAttribute::Flags(TableFlags::Owner),
    ];
    let new_table = NfTablesMessage::NewTable(TableMessage { attributes });
    messages.push((new_table, NLM_F_CREATE | NLM_F_EXCL));
    for destination in &DESTINATIONS {
        messages.push((set(destination), NLM_F_CREATE));
        let addresses: Vec<_> = addresses
            .iter()
            .filter(|address| Family::of(address) == destination.family)
            .collect();
        for chunk in addresses.chunks(ELEMENTS_PER_MESSAGE) {
            messages.push((elements(destination, chunk), NLM_F_CREATE));
        }
    }
    messages.push((chain(), NLM_F_CREATE));
    let rules = [from_the_host(), neighbour_discovery()]
        .into_iter()
        .chain(DESTINATIONS.iter().map(refusal));
    messages.extend(rules.map(|expressions| (rule(expressions), NLM_F_CREATE | NLM_F_APPEND)));
    if let Some((_, flags)) = messages.last_mut() {
        *flags |= NLM_F_ACK;
    }

    let control = |message| {
        let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
        (NetfilterMessage::new(header, message), 0)
    };
    let body = messages.into_iter().map(|(message, flags)| {
        let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
        (NetfilterMessage::new(header, message), flags)
    });
    let all = [control(ControlMessage::BatchBegin)]
        .into_iter()
        .chain(body)
        .chain([control(ControlMessage::BatchEnd)]);
    let mut bytes = Vec::new();
    for (sequence_number, (message, flags)) in (0..).zip(all) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = sequence_number;
        message.finalize();
        let begin = bytes.len();
        bytes.resize(begin + message.buffer_len(), 0);
        message.serialize(&mut bytes[begin..]);
    }
    bytes
}

fn set(destination: &Destination) -> NfTablesMessage {
    NfTablesMessage::NewSet(SetMessage {
        attributes: vec![
            SetAttribute::Table(TABLE.to_owned()),
            SetAttribute::Name(destination.set.to_owned()),
            SetAttribute::KeyType(destination.key_type),
            SetAttribute::KeyLen(destination.length),
            SetAttribute::Id(destination.id),
        ],
    })
}

fn elements(destination: &Destination, addresses: &[&IpAddr]) -> NfTablesMessage {
    let element = |address: &&IpAddr| {
        let key = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        ListAttribute::Element(vec![SetElementAttribute::Key(DataAttribute::Value(key))])
    };
    NfTablesMessage::NewSetElement(SetElementMessage {
        attributes: vec![
            SetElementList::Table(TABLE.to_owned()),
            SetElementList::Set(destination.set.to_owned()),
            SetElementList::SetId(destination.id),
            SetElementList::Elements(addresses.iter().map(element).collect()),
        ],
    })
}

fn chain() -> NfTablesMessage {
    const ACCEPT: u32 = 1;
    NfTablesMessage::NewChain(ChainMessage {
        attributes: vec![
            ChainAttribute::Table(TABLE.to_owned()),
            ChainAttribute::Name(CHAIN.to_owned()),
            ChainAttribute::Hook(vec![
                Hook::Number(InetHookNumber::LocalIn.into()),
                Hook::Priority(PRIORITY.cast_unsigned()),
            ]),
            ChainAttribute::Policy(ACCEPT),
            ChainAttribute::Type("filter".to_owned()),
        ],
    })
}

fn rule(expressions: Vec<Expressions>) -> NfTablesMessage {
    NfTablesMessage::NewRule(RuleMessage {
        attributes: vec![
            RuleAttribute::Table(TABLE.to_owned()),
            RuleAttribute::Chain(CHAIN.to_owned()),
            RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()),
        ],
    })
}

fn from_the_host() -> Vec<Expressions> {
    vec![
        meta(MetaKey::Iftype),
        compare(Operator::Equal, &LOOPBACK.to_ne_bytes()),
        verdict(Verdict::Return),
    ]
}

fn neighbour_discovery() -> Vec<Expressions> {
    vec![
        meta(MetaKey::L4Proto),
        compare(Operator::Equal, &[ICMPV6]),
        payload(TRANSPORT_HEADER, 0, 1),
        compare(Operator::GreatherThanEqual, &[NEIGHBOUR_SOLICITATION]),
        compare(Operator::LessThanEqual, &[NEIGHBOUR_ADVERTISEMENT]),
        verdict(Verdict::Return),
    ]
}

fn refusal(destination: &Destination) -> Vec<Expressions> {
    vec![
        meta(MetaKey::Nfproto),
        compare(Operator::Equal, &[destination.protocol]),
        payload(NETWORK_HEADER, destination.offset, destination.length),
        Expressions::Lookup(vec![
            Lookup::Set(destination.set.to_owned()),
            Lookup::SetId(destination.id),
            Lookup::SourceRegister(Register::Reg1),
        ]),
        verdict(DROP),
    ]
}

fn meta(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![
        Meta::Key(key),
        Meta::DestinationRegister(Register::Reg1),
    ])
}

fn payload(base: u32, offset: u32, length: u32) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
}

fn compare(operator: Operator, value: &[u8]) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value.to_vec())),
    ])
}

fn verdict(verdict: Verdict) -> Expressions {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(
            verdict,
        )])),
    ])
}
