//! Between the supervisor and the router.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp_linux::netlink::{Address, Object};

use super::core::{
    ChecksumFormDef, OnErrorDef, OnFailDef, OutcomeDef, StandingDef, StateDef, VersionDef,
};

/// To the router. Its set-up comes in pieces, because a thousand instances do not fit one message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToRouter {
    /// A check; numbered from 0 in the order of arrival.
    Check(CheckSetup),
    /// An instance; numbered from 0 in the order of arrival.
    Instance(InstanceSetup),
    /// The set-up is complete: open the sockets and take part.
    Start,
    /// A run of a check ended.
    Report(Report),
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
    /// It is about to configure the addresses, routes and rules of an instance, and speaks from `source`: from now on
    /// the supervisor gives them away should the router die.
    Holds { instance: u32, source: IpAddr },
    /// The addresses, routes and rules of an instance are to be removed.
    Released { instance: u32 },
    /// The state of an instance changed.
    StateChanged(StateChange),
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
    },
    /// The answer to [`ToRouter::Status`] is complete; with the counters that belong to no instance, by name.
    StatusEnd { counters: Vec<(String, u64)> },
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
    /// The advertised ones, in order.
    pub(crate) addresses: Vec<Address>,
    /// What comes and goes with them: excluded addresses, routes and rules.
    pub(crate) others: Vec<Object>,
    pub(crate) preempt: bool,
    pub(crate) down_after: NonZeroU8,
    pub(crate) init_grace: Duration,
    pub(crate) announce_repeat: NonZeroU8,
    pub(crate) announce_delay: Duration,
    pub(crate) tracks: Vec<TrackSetup>,
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

/// Why the router could not start.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// The check behind it, when there is one.
    pub(crate) check: Option<u32>,
    pub(crate) priority: u8,
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

/// What the core knows of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceStatus {
    pub(crate) instance: u32,
    #[serde(with = "StateDef")]
    pub(crate) state: vrrp::State,
    pub(crate) priority_effective: u8,
    /// The Active router as this one knows it, with its priority.
    pub(crate) active: Option<(IpAddr, u8)>,
    /// What each track adds to the priority, in the order of the set-up.
    pub(crate) weights: Vec<i32>,
    /// Name and value, in the words of RFC 8347.
    pub(crate) counters: Vec<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use vrrp_linux::netlink::{Family, Mark, Route, RouteKind, Rule};

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
        let message = ToRouter::Instance(InstanceSetup {
            name: "n".repeat(64),
            interface: name(),
            virtual_router_id: one,
            version: vrrp::Version::V3,
            priority: one,
            advertisement_interval: Duration::MAX,
            checksum: vrrp::ChecksumForm::Rfc5798,
            addresses: vec![held(); 255],
            others,
            preempt: true,
            down_after: one,
            init_grace: Duration::MAX,
            announce_repeat: one,
            announce_delay: Duration::MAX,
            tracks: vec![
                TrackSetup {
                    check: u32::MAX,
                    on_fail: vrrp::OnFail::Weight(i16::MIN),
                };
                500
            ],
        });
        let size = postcard::to_stdvec(&message).unwrap().len();
        assert!(size <= MAX_MESSAGE, "{size} bytes");
    }
}
