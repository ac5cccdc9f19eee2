//! Wire forms of the core's enums: `vrrp` knows no serde (ARCHITECTURE.md, invariants), so the
//! daemon mirrors them, and the compiler holds the mirrors to the originals.

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
