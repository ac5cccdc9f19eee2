//! What the router needs of the system before it takes part.

use std::io;
use std::os::unix::net::UnixStream;

use tracing::warn;
use vrrp::Router;
use vrrp_linux::macvlan;
use vrrp_linux::netlink::NetlinkThread;
use vrrp_linux::role;
use vrrp_linux::seccomp::{self, Profile};
use vrrp_linux::socket::OpenSocketError;

use crate::exit::chain;
use crate::ipc::StartFailure;
use crate::router::interfaces::Interfaces;
use crate::router::setup::Setup;
use crate::router::virtual_macs::VirtualMacs;

/// Above everything that is not real-time, below the kernel's own threads.
const REALTIME_PRIORITY: u8 = 20;

/// What the driver opens before it takes part.
pub(super) struct Parts {
    pub(super) core: Router,
    pub(super) interfaces: Interfaces,
    pub(super) netlink: NetlinkThread,
    pub(super) virtual_macs: VirtualMacs,
    pub(super) terminate: UnixStream,
}

impl Parts {
    pub(super) fn open(setup: &Setup) -> Result<Self, StartFailure> {
        let core = Router::new(setup.router_config())
            .map_err(|error| StartFailure::Config(error.to_string()))?;
        let interfaces = Interfaces::open(setup.needs()).map_err(|error| socket_failure(&error))?;
        let netlink = NetlinkThread::spawn(setup.watched_interfaces().to_vec())
            .map_err(|error| StartFailure::System(chain(&error)))?;
        let virtual_macs = VirtualMacs::open(setup).map_err(|error| virtual_mac_failure(&error))?;
        let terminate =
            termination().map_err(|error| StartFailure::System(format!("signals: {error}")))?;
        Ok(Self {
            core,
            interfaces,
            netlink,
            virtual_macs,
            terminate,
        })
    }
}

pub(super) fn socket_failure(error: &OpenSocketError) -> StartFailure {
    match error {
        OpenSocketError::NotPermitted { .. } => StartFailure::Rights(chain(error)),
        OpenSocketError::NoSuchInterface { .. } => StartFailure::Config(chain(error)),
        OpenSocketError::Refused { .. } => StartFailure::System(chain(error)),
    }
}

fn virtual_mac_failure(error: &macvlan::SpawnError) -> StartFailure {
    match error {
        macvlan::SpawnError::NameTaken { .. } | macvlan::SpawnError::Refused { .. } => {
            StartFailure::Config(chain(error))
        }
        macvlan::SpawnError::Netlink(_) | macvlan::SpawnError::Thread(_) => {
            StartFailure::System(chain(error))
        }
    }
}

/// A socket that becomes readable on SIGTERM: systemd's, or the kernel's when the supervisor died.
fn termination() -> io::Result<UnixStream> {
    let (ours, handler) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, handler)?;
    Ok(ours)
}

/// Real-time priority and locked memory, as far as the rights go: without them the router works, but a busy host can make it
/// late. And nothing but the system calls that it needs, before it reads anything from the network.
pub(super) fn prepare_process() {
    if let Err(error) = role::lock_memory() {
        warn!(
            %error,
            "memory is not locked, so that a host that is short of it can make advertisements late; give the service LimitMEMLOCK=infinity"
        );
    }
    if let Err(error) = role::realtime(REALTIME_PRIORITY) {
        warn!(
            error = chain(&error),
            "a busy host can make advertisements late"
        );
    }
    if let Err(error) = seccomp::restrict(Profile::Router) {
        warn!(error = chain(&error), "the router may make any system call");
    }
}
