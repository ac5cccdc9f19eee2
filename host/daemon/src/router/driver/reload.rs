//! Going on with another set-up.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::warn;
use vrrp::{InstanceId, Instant};

use super::Driver;
use super::open::socket_failure;
use crate::exit::chain;
use crate::ipc::{FromRouter, StartFailure};
use crate::router::run_on;
use crate::router::setup::Setup;

/// How long the kernel may take to open sockets on hundreds of interfaces while others change addresses.
const RELOAD_MAX: Duration = Duration::from_secs(10);

impl Driver {
    /// Goes on with `setup`, or tells why that cannot be and goes on as before.
    pub(super) fn reload(&mut self, now: Instant, mut setup: Setup) {
        setup.number(Some(&self.setup));
        self.pulse.takes_until(now + RELOAD_MAX);
        if let Err(failure) = self.try_reload(now, &setup) {
            self.tell(&FromRouter::NotReloaded(failure));
            return;
        }
        // What ends is told by the numbers that the supervisor still knows it by, before it learns the new ones.
        let gone: BTreeSet<InstanceId> = {
            let (before, after) = (0..self.setup.instances.len(), &setup);
            before
                .filter_map(|position| self.setup.instance_id(u32::try_from(position).ok()?))
                .filter(|id| after.position(*id).is_none())
                .collect()
        };
        let mut later = Vec::new();
        while let Some(action) = self.core.poll_action() {
            if action
                .instance()
                .is_some_and(|instance| gone.contains(&instance))
            {
                self.act(now, action);
            } else {
                later.push(action);
            }
        }
        let kept = setup.kept(&self.setup);
        if setup.cpus != self.setup.cpus {
            run_on(&setup.cpus);
        }
        self.setup = setup;
        self.vrid_conflicts.forget();
        self.pulse.reconfigure(&self.setup);
        self.tell(&FromRouter::Reloaded { kept });
        for action in later {
            self.act(now, action);
        }
        self.hold_anew();
        self.perform(now);
        // There may be other virtual MACs, also of instances that hold nothing.
        self.update_virtual_macs();
        self.interfaces.close_unneeded(&self.setup.needs());
    }

    fn try_reload(&mut self, now: Instant, setup: &Setup) -> Result<(), StartFailure> {
        if self.stopping.is_some() {
            return Err(StartFailure::System("the router stops".to_owned()));
        }
        self.interfaces
            .open_needed(setup.needs())
            .map_err(|error| socket_failure(&error))?;
        // One of those that were kept away may be one of ours from now on.
        self.hear_everybody();
        self.netlink.watch(setup.watched_interfaces().to_vec());
        let reconfigured = self.core.reconfigure(now, setup.router_config());
        if let Err(error) = reconfigured {
            // The file was checked before, so the sockets that this leaves open are not worth an undo.
            warn!(%error, "the core refused a set-up that the supervisor had checked");
            return Err(StartFailure::Config(chain(&error)));
        }
        Ok(())
    }
}
