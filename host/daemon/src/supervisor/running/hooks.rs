//! Calling hooks: from a transition to the worker, and back to the log.

use std::time::Duration;

use tracing::{error, info, warn};
use vrrp::State;

use super::{Event, Supervisor, unix_ms};
use crate::config::NotifyOn;
use crate::ipc::{CallHook, HookOutcome, ToWorker};
use crate::supervisor::hooks::AfterCall;
use crate::supervisor::known::position;

/// Beyond its own deadline, how long a hook's answer is waited for.
const HOOK_SLACK: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn call_template(
        &self,
        instance: usize,
        before: State,
        after: State,
        reason: &str,
    ) -> CallHook {
        let plan = &self.setup.instances[instance].instance;
        CallHook {
            call: 0,
            hook: 0,
            instance: plan.name.clone(),
            virtual_router_id: plan.virtual_router_id.0.get(),
            interface: plan.interface.clone(),
            before,
            after,
            priority: plan.priority.get(),
            reason: reason.to_owned(),
            addresses: plan
                .virtual_addresses
                .iter()
                .map(|address| address.address.to_string())
                .collect(),
            sequence: 0,
            at_unix_ms: unix_ms(),
        }
    }

    pub(super) fn queue_hooks(&mut self, instance: usize, on: NotifyOn, template: &CallHook) {
        let Some(plan) = self.setup.instances.get(instance) else {
            return;
        };
        let hooks = &self.setup.hooks;
        let every = |hook: usize| hooks.get(hook).is_some_and(|hook| hook.every);
        for hook in self.hooks.enqueue(instance, plan, on, every, template) {
            if let Some(known) = self.known.hooks.get_mut(hook) {
                known.superseded += 1;
            }
        }
        self.call_next(instance);
    }

    pub(super) fn call_next(&mut self, instance: usize) {
        if self.worker.child.is_none() {
            return;
        }
        if let Some(call) = self.hooks.next(instance) {
            let timeout = position(call.hook)
                .and_then(|hook| self.setup.hooks.get(hook))
                .map_or(Duration::ZERO, |hook| hook.module.timeout);
            self.later(
                timeout + HOOK_SLACK,
                Event::HookDeadline { call: call.call },
            );
            self.tell_worker(ToWorker::CallHook(call));
        }
    }

    pub(super) fn hook_ended(&mut self, call: u64, outcome: HookOutcome) {
        let Some(instance) = self.hooks.instance_of(call) else {
            return;
        };
        let name = self.setup.instances[instance].instance.name.clone();
        let hook_name = |hook: usize| {
            self.setup
                .hooks
                .get(hook)
                .map_or("?", |hook| hook.name.as_str())
        };
        match self.hooks.ended(call, outcome) {
            AfterCall::Done { hook } => {
                info!("{name}: hook {} done", hook_name(hook));
                self.known.hook_ended(hook, None);
            }
            AfterCall::Failed {
                hook,
                message,
                attempts,
            } => {
                error!(
                    attempts,
                    "{name}: hook {} failed: {message}",
                    hook_name(hook)
                );
                self.known.hook_ended(hook, Some(&message));
            }
            AfterCall::RetryAfter {
                hook,
                message,
                delay,
            } => {
                warn!(
                    "{name}: hook {} again in {delay:?}: {message}",
                    hook_name(hook)
                );
                self.known.hook_ended(hook, Some(&message));
                self.later(delay, Event::HookRetry { instance });
            }
            AfterCall::Forgotten => {}
        }
        self.call_next(instance);
    }
}
