//! Another configuration for a virtual router that goes on.

use super::Instance;
use super::advert::advertise;
use super::state::{Heard, Machine};
use crate::outbox::Outbox;
use crate::{Action, InstanceConfig, Instant, Version};

impl Instance {
    /// Goes on with `config`, which describes the same virtual router: state, timers and counters stay. The caller settles.
    pub(crate) fn reconfigure(&mut self, now: Instant, config: InstanceConfig, out: &mut Outbox) {
        if self.config == config {
            return;
        }
        let other_interval = self.config.advertisement_interval != config.advertisement_interval;
        // By the old interval, which is what the peers know; and that is how long it takes to hear one of them.
        let listens = other_interval && self.was_silent_too_long(now);
        if listens {
            self.listen_before_speaking(now, out);
        }
        let before = core::mem::replace(&mut self.config, config);
        let config = &self.config;
        self.links.reconfigure(config);
        self.tracks.reconfigure(&config.tracks);
        match &mut self.machine {
            Machine::Initialize(_) => {}
            Machine::Backup(backup) => {
                // What was learned from a living Active router still holds.
                let is_own = config.version == Version::V2 || matches!(backup.heard, Heard::Nobody);
                if is_own && other_interval && !listens {
                    let timing = self.timing();
                    if let Machine::Backup(backup) = &mut self.machine {
                        backup.restart(now, timing.own_interval, timing);
                    }
                }
            }
            Machine::Active(active) => {
                let priority = self.effective_priority;
                active.adverts = advertise(self.id, config, active.source, priority);
                if other_interval && active.yielding().is_none() {
                    active.advertise_now(now);
                }
                if (&before.addresses, &before.excluded) != (&config.addresses, &config.excluded) {
                    for address in before.claimed() {
                        if !config.claimed().any(|ours| ours == address) {
                            active.announcements.cancel(address);
                        }
                    }
                    out.push(Action::Claim(self.id));
                }
            }
        }
    }

    /// Whether `config` describes the same virtual router.
    pub(crate) fn is_same_virtual_router(&self, config: &InstanceConfig) -> bool {
        let ours = &self.config;
        (ours.interface, ours.virtual_router_id, ours.version)
            == (config.interface, config.virtual_router_id, config.version)
            && ours.is_unicast() == config.is_unicast()
    }
}
