//! `unicast_peer`: whom an instance speaks to.

use std::net::IpAddr;

use super::Reader;
use crate::import::draft::{Entry, PeersDraft};
use crate::import::options::Scope;
use crate::import::tree::Statement;

/// What other nodes are asked to be near in, when nothing is said about routers between them.
const NEAR_V4: u8 = 24;
const NEAR_V6: u8 = 64;

/// The peers of an instance, with the lowest TTL that counts.
pub(super) struct Peers {
    pub(super) draft: PeersDraft,
    pub(super) min_ttl: Option<Entry>,
}

impl Reader {
    /// `own` is the address of this node.
    pub(super) fn read_peers(
        &mut self,
        statement: &Statement,
        own: Option<IpAddr>,
    ) -> Option<Peers> {
        let mut peers: Vec<IpAddr> = Vec::new();
        let mut lowest: Option<u8> = None;
        for statement in statement.statements() {
            let peer = statement.word(0).parse::<IpAddr>().ok();
            let peer = peer.filter(|peer| !peer.is_unspecified() && !peer.is_multicast());
            let Some(peer) = peer.filter(|peer| {
                peers
                    .first()
                    .is_none_or(|first| first.is_ipv4() == peer.is_ipv4())
            }) else {
                self.lose(statement, "this is not the address of a peer");
                continue;
            };
            if !peers.contains(&peer) && Some(peer) != own {
                peers.push(peer);
            }
            let mut words = statement.rest(1).into_iter();
            while let Some(word) = words.next() {
                match (word, words.next().and_then(|ttl| ttl.parse::<u8>().ok())) {
                    ("min_ttl", Some(ttl)) => {
                        lowest = Some(lowest.map_or(ttl, |lowest| lowest.min(ttl)))
                    }
                    _ => self.leave_out_as(
                        Scope::Instance,
                        "unicast_ttl",
                        statement.place,
                        format!("{peer} {word}"),
                    ),
                }
            }
        }
        if peers.is_empty() {
            self.lose(
                statement,
                "it has no peer: keepalived then speaks to everybody by multicast, and so will this instance",
            );
            return None;
        }
        let place = statement.place;
        let min_ttl = match lowest {
            Some(ttl) => Some(Entry::at("min-ttl", i64::from(ttl.max(1)), place)),
            None if own.is_none_or(|own| peers.iter().all(|peer| is_near(own, *peer))) => None,
            None => Some(Entry::at("min-ttl", 1_i64, place).remark(
                "keepalived takes any TTL, and a router may be between these nodes; \
                 better write 255 less the routers between them, or leave it out when there is none",
            )),
        };
        Some(Peers {
            draft: PeersDraft { peers, place },
            min_ttl: min_ttl.filter(|entry| entry.value != toml::Value::from(255_i64)),
        })
    }
}

fn is_near(own: IpAddr, peer: IpAddr) -> bool {
    let network = |address| {
        let length = match address {
            IpAddr::V4(_) => NEAR_V4,
            IpAddr::V6(_) => NEAR_V6,
        };
        ipnet::IpNet::new(address, length).map(|network| network.trunc())
    };
    network(own).ok() == network(peer).ok()
}
