//! Another configuration for a router that goes on.

use vrrp::{Action, Instant, Reason, RouterConfig};

use super::{Watched, membership};
use crate::breach::{Breach, promise};
use crate::links::Links;
use crate::timers::{Moment, Timers};

impl Watched {
    /// Gives the router another configuration, or the same, and returns what it wants done. Groups and what an instance is on the
    /// wire are to stay; everything else of an instance may differ, and instances may come and go.
    ///
    /// # Errors
    /// A promise that is broken: a configuration that does not differ changes nothing, and no other makes an instance falter
    /// that is still in it.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        config: &RouterConfig,
    ) -> Result<Vec<Action>, Breach> {
        if self.stopping {
            // It ends as it was asked to.
            let result = self.router.reconfigure(now, config.clone());
            promise!(result.is_ok(), "{result:?} of a lawful configuration");
            return self.drain(now);
        }
        let gone: Vec<_> = self
            .timers
            .keys()
            .copied()
            .filter(|id| config.instances.iter().all(|(other, _)| other != id))
            .collect();
        let mut differs = !gone.is_empty();
        let staying: Vec<_> = self.timers.keys().copied().collect();
        let staying = staying.into_iter().filter(|id| !gone.contains(id));
        let before: Vec<_> = staying.map(|id| (id, self.moment(id))).collect();
        self.contract.begin(config);
        for (id, config_of_one) in &config.instances {
            if let Some(timers) = self.timers.get_mut(id) {
                differs |= timers.config() != config_of_one;
                timers.reconfigure(now, config_of_one);
                continue;
            }
            differs = true;
            let timers = Timers::new(config_of_one, membership(config, *id));
            self.timers.insert(*id, timers);
            let mut links = Links::new(config_of_one);
            for link in self.links.values() {
                links.news(now, *link);
            }
            self.interfaces.insert(*id, links);
            if self.started && !config_of_one.start_delay.is_zero() {
                self.delayed.insert(*id, now + config_of_one.start_delay);
            }
        }
        let result = self.router.reconfigure(now, config.clone());
        promise!(result.is_ok(), "{result:?} of a lawful configuration");
        let actions = self.take(now)?;
        for id in &gone {
            self.timers.remove(id);
            self.interfaces.remove(id);
            self.delayed.remove(id);
            self.drained.remove(id);
            self.present.retain(|(instance, _)| instance != id);
        }
        self.contract.end(config)?;
        self.check_settled()?;
        let state = |moment: Option<Moment>| moment.map(|moment| (moment.state, moment.yields));
        let is_late = |action: &&Action| matches!(action, Action::StateChanged(transition) if matches!(transition.reason, Reason::Late(_)));
        let late: Vec<_> = actions.iter().filter(is_late).collect();
        let gave_up_late = |id| {
            let mut late = late.iter().filter_map(|action| action.instance());
            late.any(|instance| self.company(id).contains(&instance))
        };
        for (id, before) in before {
            let after = self.moment(id);
            promise!(
                state(after) == state(before) || gave_up_late(id),
                "a reload made {after:?} of {before:?}: {actions:?}"
            );
        }
        promise!(
            differs || actions.is_empty(),
            "a reload of the same configuration did {actions:?}"
        );
        Ok(actions)
    }
}
