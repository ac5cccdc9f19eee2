//! `unicast`, `peers`, `min-ttl`, `accept-from`: who an instance speaks to, and whom it listens to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;
use vrrp::Peers;

use super::keys::ACCEPT;
use super::{AddressDraft, read_byte};
use crate::config::nodes::{ByNode, Nodes};
use crate::config::reader::{Field, Sink, Table};
use crate::config::report::Diagnostic;

const PEERS_EXAMPLE: &str = "[\"192.0.2.2\"]";
/// Nothing between the peers: what a datagram from elsewhere cannot have (RFC 5082).
const TTL: u8 = 255;

/// What the file says about the other routers of an instance.
#[derive(Clone, Debug)]
pub(crate) enum PeersDraft {
    Multicast {
        accept_from: Accept,
    },
    Unicast {
        /// `None`: the other nodes of the file.
        peers: Option<ByNode<Vec<IpAddr>>>,
        min_ttl: u8,
        /// Where the peers are given, or else where unicast is asked for.
        span: Range<usize>,
    },
}

/// Whose multicast counts.
#[derive(Clone, Debug)]
pub(crate) enum Accept {
    Anybody,
    Nodes(Range<usize>),
    List(Vec<IpAddr>, Range<usize>),
}

impl PeersDraft {
    pub(super) fn read(table: &Table<'_>, nodes: &Nodes) -> Option<Self> {
        let unicast = table.read("unicast", None, |field| {
            Some(field.boolean()?.then(|| field.span()))
        });
        let peers = table.read("peers", None, |field| {
            let list = ByNode::read(&field, nodes, |field| read_list(field, PEERS_EXAMPLE));
            Some(Some((list?, field)))
        });
        let min_ttl = table.read("min-ttl", None, |field| {
            let ttl = read_byte(&field, 255)?;
            Some(Some((ttl.get(), field)))
        });
        let accept_from = table.read("accept-from", None, |field| {
            let accept = read_accept(&field, nodes)?;
            Some(Some((accept, field)))
        });
        let (peers, min_ttl, accept_from) = (peers?, min_ttl?, accept_from?);
        let Some(span) = unicast? else {
            for field in [
                peers.map(|(_, field)| field),
                min_ttl.map(|(_, field)| field),
            ]
            .into_iter()
            .flatten()
            {
                field.error(
                    format!("`{}` is for unicast", field.key()),
                    "add `unicast = true`, or leave it out",
                );
            }
            let accept_from = accept_from.map_or(Accept::Anybody, |(accept, _)| accept);
            return Some(Self::Multicast { accept_from });
        };
        if let Some((_, field)) = accept_from {
            field.error(
                "`accept-from` is for multicast",
                "leave it out: with unicast, only the peers count",
            );
            return None;
        }
        Some(Self::Unicast {
            span: peers.as_ref().map_or(span, |(_, field)| field.span()),
            peers: peers.map(|(list, _)| list),
            min_ttl: min_ttl.map_or(TTL, |(ttl, _)| ttl),
        })
    }

    pub(crate) fn is_unicast(&self) -> bool {
        matches!(self, Self::Unicast { .. })
    }

    /// What it comes to on `node`, where `addresses` are the virtual ones. What cannot be is reported.
    pub(crate) fn at(
        &self,
        node: &str,
        nodes: &BTreeMap<String, Option<IpAddr>>,
        addresses: &[Spanned<AddressDraft>],
    ) -> Result<Peers, Problem> {
        let own = nodes.get(node).copied().flatten();
        let family = addresses
            .first()
            .map(|first| first.get_ref().address.is_ipv4());
        let others = |span: &Range<usize>| {
            let mut others = Vec::new();
            for (name, address) in nodes.iter().filter(|(name, _)| *name != node) {
                match address {
                    Some(address) => others.push(*address),
                    None => return Err(Problem::NoAddress(name.clone(), span.clone())),
                }
            }
            Ok(others)
        };
        let checked = |list: Vec<IpAddr>, span: &Range<usize>| {
            let family = family.or_else(|| list.first().map(IpAddr::is_ipv4));
            let stranger = list.iter().find(|peer| Some(peer.is_ipv4()) != family);
            match stranger {
                Some(stranger) => Err(Problem::Family(*stranger, span.clone())),
                None => Ok(list),
            }
        };
        match self {
            Self::Multicast { accept_from } => Ok(Peers::Multicast {
                accept_from: match accept_from {
                    Accept::Anybody => Vec::new(),
                    Accept::Nodes(span) => checked(others(span)?, span)?,
                    Accept::List(list, span) => checked(without(list, own), span)?,
                },
            }),
            Self::Unicast {
                peers,
                min_ttl,
                span,
            } => {
                let listed = match peers.as_ref() {
                    Some(peers) => without(peers.at(node).ok_or(Problem::Reported)?, own),
                    None => others(span)?,
                };
                if listed.is_empty() {
                    return Err(Problem::NoPeers(node.to_owned(), span.clone()));
                }
                let peers = checked(listed, span)?;
                let source = own.filter(|own| {
                    peers
                        .first()
                        .is_some_and(|peer| peer.is_ipv4() == own.is_ipv4())
                });
                Ok(Peers::Unicast {
                    peers,
                    min_ttl: *min_ttl,
                    source,
                })
            }
        }
    }
}

/// Why a node has no peers to speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It was reported already.
    Reported,
    /// A node is to be a peer, and its address is not given.
    NoAddress(String, Range<usize>),
    /// A node has nobody to speak to.
    NoPeers(String, Range<usize>),
    /// A peer is of another family than the virtual addresses.
    Family(IpAddr, Range<usize>),
}

impl Problem {
    pub(crate) fn report(self, sink: &Sink) {
        let diagnostic = match self {
            Self::Reported => return,
            Self::NoAddress(node, span) => Diagnostic::error(
                span,
                format!("the address of the node `{node}` is not known"),
            )
            .help(format!("add `address = \"192.0.2.1\"` to `[nodes.{node}]`")),
            Self::NoPeers(node, span) => Diagnostic::error(
                span,
                if node.is_empty() {
                    "unicast needs peers, and there are none".to_owned()
                } else {
                    format!("unicast needs peers, and the node `{node}` has none")
                },
            )
            .help("add `peers = [\"192.0.2.2\"]`, or `[nodes.NAME]` with an `address` for each node"),
            Self::Family(peer, span) => Diagnostic::error(
                span,
                format!("{peer} is not of the family of the virtual addresses"),
            )
            .help("write peers of one family, that of the virtual addresses; another instance can speak the other one"),
        };
        sink.push(diagnostic);
    }
}

/// The same list can stand for every node.
fn without(list: &[IpAddr], own: Option<IpAddr>) -> Vec<IpAddr> {
    list.iter()
        .copied()
        .filter(|peer| Some(*peer) != own)
        .collect()
}

fn read_accept(field: &Field<'_>, nodes: &Nodes) -> Option<Accept> {
    if !matches!(field.value(), DeValue::String(_)) {
        let list = read_list(field, PEERS_EXAMPLE)?;
        return Some(Accept::List(list, field.span()));
    }
    let accept = field.choice(&ACCEPT)?;
    if !accept {
        return Some(Accept::Anybody);
    }
    if nodes.is_alone() {
        field.error(
            "the file has no nodes to accept from",
            "write a list of addresses, or add `[nodes.NAME]` with an `address` for each node",
        );
        return None;
    }
    Some(Accept::Nodes(field.span()))
}

fn read_list(field: &Field<'_>, example: &str) -> Option<Vec<IpAddr>> {
    let mut list: Vec<IpAddr> = Vec::new();
    let mut complete = true;
    for element in field.elements(example)? {
        match read_peer(&element) {
            Some(peer) if list.contains(&peer) => {
                element.error(format!("{peer} is listed twice"), "leave one of them out");
                complete = false;
            }
            Some(peer) => list.push(peer),
            None => complete = false,
        }
    }
    complete.then_some(list)
}

fn read_peer(field: &Field<'_>) -> Option<IpAddr> {
    let text = field.string("192.0.2.2")?;
    let Ok(peer) = text.parse::<IpAddr>() else {
        field.error(
            format!("\"{text}\" is not an IP address"),
            "write the address of the other router itself, for example `\"192.0.2.2\"`; names are not looked up",
        );
        return None;
    };
    let is_broadcast = matches!(peer, IpAddr::V4(peer) if peer.is_broadcast());
    if peer.is_unspecified() || peer.is_multicast() || is_broadcast {
        field.error(
            format!("{peer} is not the address of one router"),
            "write the address of the other router itself, for example `\"192.0.2.2\"`",
        );
        return None;
    }
    Some(peer)
}
