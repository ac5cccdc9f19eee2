//! Another configuration for a router that goes on.

use vrrp::{Action, Instant, RouterConfig};

use super::Watched;
use crate::breach::{Breach, promise};
use crate::timers::Moment;

impl Watched {
    /// Gives the router a configuration that differs in priorities only, or not at all, and returns what it wants done.
    ///
    /// # Errors
    /// A promise that is broken: one that does not differ changes nothing, and no other makes an Active router falter.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        config: &RouterConfig,
    ) -> Result<Vec<Action>, Breach> {
        let mut differs = false;
        for (id, config) in &config.instances {
            if let Some(timers) = self.timers.get_mut(id) {
                differs |= timers.config().priority != config.priority;
                timers.set_priority(config.priority);
            }
        }
        let before: Vec<_> = self.timers.keys().map(|id| self.moment(*id)).collect();
        let result = self.router.reconfigure(now, config.clone());
        promise!(result.is_ok(), "{result:?} of a lawful configuration");
        let actions = self.drain(now)?;
        let after = self.timers.keys().map(|id| self.moment(*id));
        let state = |moment: Option<Moment>| moment.map(|moment| (moment.state, moment.yields));
        promise!(
            after.map(state).eq(before.into_iter().map(state)),
            "a reload changed a state: {actions:?}"
        );
        promise!(
            differs || actions.is_empty(),
            "a reload of the same configuration did {actions:?}"
        );
        Ok(actions)
    }
}
