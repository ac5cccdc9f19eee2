//! What a module can import. One file per capability, one line in the table; an interface is linked only when
//! a grant of its class exists, so what is not granted is not even there.

mod clock;
mod dns;
mod exec;
mod files;
mod http;
mod icmp;
mod link;
mod log;
mod metrics;
mod net;
mod process;
pub(crate) mod state;
pub(crate) mod stream;
mod systemd;
mod systemd_control;
mod udp;

use wasmtime::component::Linker;

use crate::grant::GrantClass;
use crate::store::Call;

/// Every interface of the contract that has functions, in its version 0.1.
pub(crate) const CAPABILITIES: &[Capability] = &[
    log::CAPABILITY,
    clock::CAPABILITY,
    state::CAPABILITY,
    metrics::CAPABILITY,
    process::CAPABILITY,
    systemd::CAPABILITY,
    systemd_control::CAPABILITY,
    http::CAPABILITY,
    stream::CAPABILITY,
    udp::CAPABILITY,
    dns::CAPABILITY,
    icmp::CAPABILITY,
    files::CAPABILITY,
    exec::CAPABILITY,
    link::CAPABILITY,
];

/// An interface of `vrrp-host:plugin`.
pub(crate) struct Capability {
    /// Its name in the contract.
    pub(crate) interface: &'static str,
    /// A grant of one of these classes opens it; always open when empty.
    pub(crate) granted_by: &'static [GrantClass],
    /// Adds it to a linker.
    pub(crate) link: Link,
}

/// Adds one interface to a linker.
pub(crate) type Link = fn(&mut Linker<Call>) -> wasmtime::Result<()>;

impl Capability {
    pub(crate) fn find(interface: &str) -> Option<&'static Self> {
        CAPABILITIES
            .iter()
            .find(|capability| capability.interface == interface)
    }

    /// Whether one of `classes` opens it.
    pub(crate) fn opened_by(&self, classes: &[GrantClass]) -> bool {
        self.granted_by.is_empty() || self.granted_by.iter().any(|class| classes.contains(class))
    }
}
