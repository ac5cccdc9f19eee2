//! Whom the children become when root starts them.

use std::io;

use vrrp_linux::rights::Identity;
use vrrp_linux::user::User;

use super::setup::Setup;

/// `dist/sysusers.conf` makes these.
const ROUTER: &str = "vrrp-router";
const WORKER: &str = "vrrp-worker";

/// The users of the children. Each is its own where the host has them, so that neither can do anything to the other; else both
/// are `nobody`, which owns nothing either.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identities {
    router: Identity,
    worker: Identity,
}

impl Identities {
    /// Looks the users up.
    ///
    /// # Errors
    /// When the host cannot be asked for its users.
    pub(super) fn find() -> io::Result<Self> {
        Ok(Self {
            router: find(ROUTER)?,
            worker: find(WORKER)?,
        })
    }

    /// What a router has to know before it gives up its rights.
    pub(super) fn router_arguments(&self) -> Vec<String> {
        arguments(self.router)
    }

    /// What a worker has to know before it gives up its rights.
    pub(super) fn worker_arguments(&self, setup: &Setup) -> Vec<String> {
        let mut arguments = arguments(self.worker);
        if setup.may_ping() {
            arguments.push("--icmp".to_owned());
        }
        arguments
    }
}

fn find(name: &str) -> io::Result<Identity> {
    let user = User::named(name)?.filter(|user| !user.is_root());
    Ok(user.map_or(Identity::NOBODY, |user| user.identity()))
}

fn arguments(identity: Identity) -> Vec<String> {
    let Identity { uid, gid } = identity;
    vec![format!("--uid={uid}"), format!("--gid={gid}")]
}
