//! Wire forms of the core's enums: `vrrp` knows no serde (ARCHITECTURE.md, invariants), so the
//! daemon mirrors them, and the compiler holds the mirrors to the originals.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::State")]
pub(super) enum StateDef {
    Initialize,
    Fault,
    Backup,
    Active,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::Standing")]
pub(super) enum StandingDef {
    Pending,
    Up,
    Down,
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::Outcome")]
pub(super) enum OutcomeDef {
    Passing,
    Warning,
    Failing,
    Error,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::OnFail")]
pub(super) enum OnFailDef {
    Fault,
    Weight(i16),
    Release,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::OnError")]
pub(super) enum OnErrorDef {
    Hold,
    Fail,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::Version")]
pub(super) enum VersionDef {
    V2,
    V3,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::ChecksumForm")]
pub(super) enum ChecksumFormDef {
    Rfc9568,
    Rfc5798,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::Command")]
pub(super) enum CommandDef {
    Drain,
    Undrain,
    Release,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::Peers")]
pub(super) enum PeersDef {
    Multicast {
        accept_from: Vec<IpAddr>,
    },
    Unicast {
        peers: Vec<IpAddr>,
        min_ttl: u8,
        source: Option<IpAddr>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "vrrp::AnnounceConfig")]
pub(super) struct AnnounceConfigDef {
    repeat: NonZeroU8,
    delay: Duration,
    refresh: Duration,
    min_interval: Duration,
}
