//! Between the supervisor and the router.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::VirtualRouterId;
use vrrp_linux::netlink::{Address, Object};

use super::authentication;
use super::cause::Cause;
use super::core::{
    AnnounceConfigDef, ChecksumFormDef, CommandDef, OnErrorDef, OnFailDef, OutcomeDef, PeersDef,
    StandingDef, StateDef, VersionDef,
};
use super::passed::Passed;
use crate::lateness::Lateness;
use crate::logging::Level;

/// To the router. Its set-up comes in pieces, because a thousand instances do not fit one message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToRouter {
    /// Before anything else: what its heartbeat is made from.
    Heartbeat(Passed),
    /// A check; numbered from 0 in the order of arrival.
    Check(CheckSetup),
    /// An instance; numbered from 0 in the order of arrival.
    Instance(Box<InstanceSetup>),
    /// A sync group; numbered from 0 in the order of arrival, after its members.
    Group(GroupSetup),
    /// Another set-up follows, piece by piece as the first one, for a router that goes on: all of it or nothing. The numbers
    /// count anew, and hold from [`FromRouter::Reloaded`] on.
    Reload,
    /// The set-up is complete: open the sockets and take part, or go on with it. With the addresses that the file gives this node and the others,
    /// and the processors to run on.
    Start {
        address: Option<IpAddr>,
        peers: Vec<IpAddr>,
        /// Whether these are all of them.
        all_nodes_known: bool,
        cpus: Vec<usize>,
    },
    /// Somebody wants an instance to do something.
    Command {
        instance: u32,
        #[serde(with = "CommandDef")]
        command: vrrp::Command,
    },
    /// Runs of checks ended, in this order.
    Reports(Vec<Report>),
    /// Log that much.
    LogLevel(Level),
    /// Answer with one [`FromRouter::Instance`] for each instance, one [`FromRouter::Check`] for each
    /// check, and [`FromRouter::StatusEnd`].
    Status,
    /// Give everything away and end.
    Stop,
}

/// From the router.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum FromRouter {
    /// It takes part.
    Started,
    /// It cannot take part and ends.
    StartFailed(StartFailure),
    /// It goes on with the set-up that followed [`ToRouter::Reload`]. Of each instance that is the same virtual router as
    /// before: its number until now, and from now on.
    Reloaded { kept: Vec<(u32, u32)> },
    /// It goes on as before: that set-up cannot be had.
    NotReloaded(StartFailure),
    /// It is about to configure the addresses, routes and rules of an instance, and speaks from `source`: from now on
    /// the supervisor gives them away should the router die.
    Holds { instance: u32, source: IpAddr },
    /// It is about to sign with a sequence number that is ahead of the clock, so that whoever signs after it has to know.
    Signed { instance: u32, sequence: u64 },
    /// The addresses, routes and rules of an instance are to be removed.
    Released { instance: u32 },
    /// The state of an instance changed.
    StateChanged(StateChange),
    /// The state of a sync group as a whole changed.
    GroupChanged(GroupChange),
    /// The effective priority changed without a change of state.
    PriorityChanged {
        instance: u32,
        before: u8,
        after: u8,
        reason: String,
    },
    /// A check went up, down or unknown.
    CheckChanged(CheckStanding),
    /// Part of the answer to [`ToRouter::Status`].
    Instance(InstanceStatus),
    /// Part of the answer to [`ToRouter::Status`].
    Check {
        check: u32,
        #[serde(with = "StandingDef")]
        standing: vrrp::Standing,
        progress: Option<CheckProgress>,
    },
    /// The answer to [`ToRouter::Status`] is complete; with what belongs to no instance: the counters, by name.
    StatusEnd {
        counters: Vec<(String, u64)>,
        lateness: Lateness,
    },
    /// Everything is given away and removed; the process ends.
    Stopped,
}

/// A check as the core needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckSetup {
    pub(crate) name: String,
    pub(crate) rise: NonZeroU16,
    pub(crate) fall: NonZeroU16,
    #[serde(with = "OnErrorDef")]
    pub(crate) on_error: vrrp::OnError,
    pub(crate) error_hold: u16,
    pub(crate) stale_after: Duration,
}

/// An instance as the core and the driver need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceSetup {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) virtual_router_id: NonZeroU8,
    #[serde(with = "VersionDef")]
    pub(crate) version: vrrp::Version,
    pub(crate) priority: NonZeroU8,
    pub(crate) advertisement_interval: Duration,
    #[serde(with = "ChecksumFormDef")]
    pub(crate) checksum: vrrp::ChecksumForm,
    pub(crate) max_learned_interval: Duration,
    #[serde(with = "PeersDef")]
    pub(crate) peers: vrrp::Peers,
    /// The advertised ones, in order.
    pub(crate) addresses: Vec<Address>,
    /// The macvlan that has them, where the virtual router has a MAC of its own.
    pub(crate) virtual_mac: Option<String>,
    /// What comes and goes with them: excluded addresses, routes and rules.
    pub(crate) others: Vec<Object>,
    pub(crate) preempt: bool,
    pub(crate) preempt_delay: Duration,
    pub(crate) start_delay: Duration,
    pub(crate) down_after: NonZeroU8,
    pub(crate) init_grace: Duration,
    #[serde(with = "AnnounceConfigDef")]
    pub(crate) announce: vrrp::AnnounceConfig,
    #[serde(with = "authentication")]
    pub(crate) authentication: vrrp::Authentication,
    /// The last sequence number that was used to sign for it, as far as it is known.
    pub(crate) last_sequence: Option<u64>,
    pub(crate) tracks: Vec<TrackSetup>,
    pub(crate) interfaces: Vec<InterfaceSetup>,
}

/// A tracked interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InterfaceSetup {
    pub(crate) interface: String,
    #[serde(with = "OnFailDef")]
    pub(crate) on_fail: vrrp::OnFail,
    pub(crate) up_delay: Duration,
    pub(crate) down_delay: Duration,
}

/// A sync group, its members by the numbers of their [`ToRouter::Instance`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupSetup {
    pub(crate) name: String,
    pub(crate) members: Vec<u32>,
}

#[cfg(test)]
impl InstanceSetup {
    /// An instance for tests: version 3, every second, with nothing that has to be asked for.
    pub(crate) fn example(interface: &str, addresses: &[IpAddr]) -> Self {
        let one = NonZeroU8::MIN;
        Self {
            name: "VI_1".to_owned(),
            interface: interface.to_owned(),
            virtual_router_id: one,
            version: vrrp::Version::V3,
            priority: NonZeroU8::new(100).unwrap_or(one),
            advertisement_interval: Duration::from_secs(1),
            checksum: vrrp::ChecksumForm::Rfc5798,
            max_learned_interval: Duration::from_secs(10),
            peers: vrrp::Peers::ANYBODY,
            addresses: addresses
                .iter()
                .map(|address| Self::example_address(interface, *address))
                .collect(),
            virtual_mac: None,
            others: Vec::new(),
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            down_after: one,
            init_grace: Duration::ZERO,
            announce: vrrp::AnnounceConfig::default(),
            authentication: vrrp::Authentication::None,
            last_sequence: None,
            tracks: Vec::new(),
            interfaces: Vec::new(),
        }
    }

    /// An address alone, without a network.
    pub(crate) fn example_address(interface: &str, address: IpAddr) -> Address {
        Address {
            interface: interface.to_owned(),
            address,
            prefix_length: if address.is_ipv4() { 32 } else { 128 },
            label: None,
            scope: 0,
        }
    }
}

impl InstanceSetup {
    /// The MAC that it speaks from and announces, where it has one of its own.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        self.virtual_mac.as_ref()?;
        Some(VirtualRouterId(self.virtual_router_id).mac(self.family()?))
    }

    /// The interface that has an address of it: its macvlan instead of its own interface, which knows no other family.
    pub(crate) fn macvlan_for(&self, address: &Address) -> Option<&str> {
        let family = Some(vrrp::Family::of(&address.address));
        let moves = address.interface == self.interface && family == self.family();
        self.virtual_mac.as_deref().filter(|_| moves)
    }

    /// The family of its addresses, or of its peers where it has none; it has only one.
    pub(crate) fn family(&self) -> Option<vrrp::Family> {
        let address = match (self.addresses.first(), &self.peers) {
            (Some(first), _) => &first.address,
            (None, vrrp::Peers::Unicast { peers, .. }) => peers.first()?,
            (None, vrrp::Peers::Multicast { .. }) => return None,
        };
        Some(vrrp::Family::of(address))
    }
}

/// A tracked check, by the number of its [`ToRouter::Check`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TrackSetup {
    pub(crate) check: u32,
    #[serde(with = "OnFailDef")]
    pub(crate) on_fail: vrrp::OnFail,
}

/// How a run of a check ended, as far as the protocol cares.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) check: u32,
    #[serde(with = "OutcomeDef")]
    pub(crate) outcome: vrrp::Outcome,
    pub(crate) weight: Option<i16>,
}

/// Why the router could not start, or go on with another set-up.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub(crate) enum StartFailure {
    /// Rights are missing.
    Rights(String),
    /// What the file asks for cannot be had on this host.
    Config(String),
    /// The system refused.
    System(String),
}

/// A transition as users see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StateChange {
    pub(crate) instance: u32,
    #[serde(with = "StateDef")]
    pub(crate) before: vrrp::State,
    #[serde(with = "StateDef")]
    pub(crate) after: vrrp::State,
    /// A sentence without the check's own words; the supervisor adds those.
    pub(crate) reason: String,
    pub(crate) cause: Cause,
    /// The check behind it, when there is one.
    pub(crate) check: Option<u32>,
    pub(crate) priority: u8,
    /// Wall clock, milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
}

/// A transition of a sync group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupChange {
    pub(crate) group: u32,
    #[serde(with = "StateDef")]
    pub(crate) before: vrrp::State,
    #[serde(with = "StateDef")]
    pub(crate) after: vrrp::State,
    /// The member behind it, with its reason in a sentence.
    pub(crate) member: u32,
    pub(crate) reason: String,
    /// The check behind it, when there is one.
    pub(crate) check: Option<u32>,
    /// Wall clock, milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
}

/// What a check counts as from now on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct CheckStanding {
    pub(crate) check: u32,
    #[serde(with = "StandingDef")]
    pub(crate) before: vrrp::Standing,
    #[serde(with = "StandingDef")]
    pub(crate) after: vrrp::Standing,
}

/// Where the last runs of a check lead: [`vrrp::Progress`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct CheckProgress {
    #[serde(with = "StandingDef")]
    pub(crate) towards: vrrp::Standing,
    pub(crate) count: u16,
    pub(crate) needed: u16,
}

/// What the core knows of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceStatus {
    pub(crate) instance: u32,
    #[serde(with = "StateDef")]
    pub(crate) state: vrrp::State,
    pub(crate) priority_effective: u8,
    /// The Active router as this one knows it, with its priority.
    pub(crate) active: Option<(IpAddr, u8)>,
    /// Whether somebody wants another router to have the addresses.
    pub(crate) drained: bool,
    /// What each track adds to the priority, in the order of the set-up.
    pub(crate) weights: Vec<i32>,
    /// What would become of it if each track's check went down, in the order of the set-up.
    pub(crate) forecasts: Vec<Forecast>,
    /// What is known of each tracked interface, in the order of the set-up without the instance's own.
    pub(crate) interfaces: Vec<InterfaceState>,
    /// Name and value, in the words of RFC 8347.
    pub(crate) counters: Vec<(String, u64)>,
    pub(crate) authentication_failure: Option<AuthenticationFailure>,
    pub(crate) vrid_conflict: Option<VridConflict>,
}

/// What would become of an instance if a check went down: [`vrrp::Forecast`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Forecast {
    excluded: Option<Excluded>,
    priority: u8,
    gives_away: bool,
}

/// The state in which an instance takes part in no election.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Excluded(#[serde(with = "StateDef")] vrrp::State);

impl From<vrrp::Forecast> for Forecast {
    fn from(forecast: vrrp::Forecast) -> Self {
        Self {
            excluded: forecast.excluded.map(Excluded),
            priority: forecast.priority,
            gives_away: forecast.gives_away,
        }
    }
}

impl From<Forecast> for vrrp::Forecast {
    fn from(forecast: Forecast) -> Self {
        Self {
            excluded: forecast.excluded.map(|Excluded(state)| state),
            priority: forecast.priority,
            gives_away: forecast.gives_away,
        }
    }
}

/// An advertisement that is not known to come from a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AuthenticationFailure {
    pub(crate) source: IpAddr,
    /// A sentence without a full stop.
    pub(crate) error: String,
    /// Wall clock, milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
}

/// The last advertisement for an instance of somebody who is no node of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VridConflict {
    pub(crate) source: IpAddr,
    pub(crate) priority: u8,
    /// Wall clock, milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
}

/// A tracked interface as the core sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InterfaceState {
    pub(crate) interface: String,
    /// `None` before the first news of it.
    pub(crate) up: Option<bool>,
    #[serde(with = "OnFailDef")]
    pub(crate) on_fail: vrrp::OnFail,
    pub(crate) weight: i32,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use vrrp::Family;
    use vrrp_linux::netlink::{Mark, Route, RouteKind, Rule};

    use super::*;
    use crate::ipc::channel::MAX_MESSAGE;

    /// The limits of `config::instance`, with every value as long as it can be.
    #[test]
    fn the_largest_instance_fits_a_message() {
        let address = || Ipv6Addr::from_bits(u128::MAX);
        let name = || "fifteen-letters".to_owned();
        let held = || Address {
            interface: name(),
            address: address().into(),
            prefix_length: 128,
            label: Some(name()),
            scope: 255,
        };
        let network = ipnet::IpNet::from(IpAddr::from(address()));
        let route = Route {
            to: network,
            table: u32::MAX,
            metric: u32::MAX,
            kind: RouteKind::Prohibit,
            via: Some(address().into()),
            dev: Some(name()),
            src: Some(address().into()),
            onlink: true,
        };
        let rule = Rule {
            family: Family::V6,
            priority: u32::MAX,
            from: Some(network),
            to: Some(network),
            fwmark: Some(Mark {
                value: u32::MAX,
                mask: u32::MAX,
            }),
            iif: Some(name()),
            table: u32::MAX,
        };
        let mut others = vec![Object::from(held()); 500];
        others.extend(vec![route.into(); 250]);
        others.extend(vec![rule.into(); 250]);
        let one = NonZeroU8::MIN;
        let message = ToRouter::Instance(Box::new(InstanceSetup {
            name: "n".repeat(64),
            interface: name(),
            virtual_router_id: one,
            version: vrrp::Version::V3,
            priority: one,
            advertisement_interval: Duration::MAX,
            checksum: vrrp::ChecksumForm::Rfc5798,
            max_learned_interval: Duration::MAX,
            peers: vrrp::Peers::Unicast {
                peers: vec![address().into(); 100],
                min_ttl: 255,
                source: Some(address().into()),
            },
            authentication: vrrp::Authentication::None,
            last_sequence: Some(u64::MAX),
            addresses: vec![held(); 255],
            virtual_mac: Some("vrrp4.255".to_owned()),
            others,
            preempt: true,
            preempt_delay: Duration::MAX,
            start_delay: Duration::MAX,
            down_after: one,
            init_grace: Duration::MAX,
            announce: vrrp::AnnounceConfig {
                repeat: one,
                delay: Duration::MAX,
                refresh: Duration::MAX,
                min_interval: Duration::MAX,
            },
            tracks: vec![
                TrackSetup {
                    check: u32::MAX,
                    on_fail: vrrp::OnFail::Weight(i16::MIN),
                };
                500
            ],
            interfaces: vec![
                InterfaceSetup {
                    interface: name(),
                    on_fail: vrrp::OnFail::Weight(i16::MIN),
                    up_delay: Duration::MAX,
                    down_delay: Duration::MAX,
                };
                100
            ],
        }));
        let size = postcard::to_stdvec(&message).unwrap().len();
        assert!(size <= MAX_MESSAGE, "{size} bytes");
    }
}
