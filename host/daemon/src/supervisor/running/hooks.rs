//! Calling hooks: from a transition to the worker, and back to the log.

use std::time::Duration;

use tracing::{error, info, warn};
use vrrp::State;

use super::{Event, Supervisor, unix_ms};
use crate::config::NotifyOn;
use crate::event::{Happening, HookResult};
use crate::ipc::{CallHook, HookOutcome, ToWorker};
use crate::supervisor::history::kept;
use crate::supervisor::hooks::AfterCall;
use crate::supervisor::known::position;
use crate::supervisor::known::tally::CallEnd;

/// Beyond its own deadline, how long a hook's answer is waited for.
const HOOK_SLACK: Duration = Duration::from_secs(5);

/// Whose transitions call hooks. Each has a queue of its own, the instances first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Instance(usize),
    Group(usize),
}

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

    /// A group has no number, no interface and no priority of its own; its addresses are those of its members.
    pub(super) fn group_template(
        &self,
        group: usize,
        before: State,
        after: State,
        reason: &str,
    ) -> CallHook {
        let plan = &self.setup.groups[group].group;
        let members = plan.members.iter();
        let addresses = members
            .filter_map(|member| self.setup.instances.get(*member))
            .flat_map(|member| &member.instance.virtual_addresses);
        CallHook {
            call: 0,
            hook: 0,
            instance: plan.name.clone(),
            virtual_router_id: 0,
            interface: String::new(),
            before,
            after,
            priority: 0,
            reason: reason.to_owned(),
            addresses: addresses
                .map(|address| address.address.to_string())
                .collect(),
            sequence: 0,
            at_unix_ms: unix_ms(),
        }
    }

    pub(super) fn queue_hooks(&mut self, subject: Subject, on: NotifyOn, template: &CallHook) {
        let queue = self.queue_of(subject);
        let plan = match subject {
            Subject::Instance(index) => self.setup.instances.get(index).map(|plan| &plan.notify),
            Subject::Group(index) => self.setup.groups.get(index).map(|plan| &plan.notify),
        };
        let Some(plan) = plan else { return };
        let hooks = &self.setup.hooks;
        let every = |hook: usize| hooks.get(hook).is_some_and(|hook| hook.every);
        for dropped in self.hooks.enqueue(queue, plan, on, every, template) {
            if let Some(known) = self.known.hooks.get_mut(dropped.hook) {
                known.tally.superseded += 1;
            }
            let of = (template.instance.as_str(), dropped.sequence);
            self.hook_happened(dropped.hook, of, HookResult::Superseded, None);
        }
        self.call_next(queue);
    }

    /// Every queue there is.
    pub(super) fn queues(&self) -> std::ops::Range<usize> {
        0..self.setup.instances.len() + self.setup.groups.len()
    }

    fn queue_of(&self, subject: Subject) -> usize {
        match subject {
            Subject::Instance(index) => index,
            Subject::Group(index) => self.setup.instances.len() + index,
        }
    }

    /// The name of whose queue it is.
    fn queue_name(&self, queue: usize) -> String {
        let instances = &self.setup.instances;
        let group = || self.setup.groups.get(queue - instances.len());
        match instances.get(queue) {
            Some(plan) => plan.instance.name.clone(),
            None => group().map_or_else(|| "?".to_owned(), |plan| plan.group.name.clone()),
        }
    }

    pub(super) fn call_next(&mut self, queue: usize) {
        if self.worker.child.is_none() {
            return;
        }
        if let Some(call) = self.hooks.next(queue) {
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

    /// A worker says how a call ended; `denied` of what it asked for was not granted.
    pub(super) fn hook_done(&mut self, call: u64, outcome: HookOutcome, denied: u32) {
        let hook = self.hooks.hook_of(call).and_then(position);
        if let Some(known) = hook.and_then(|hook| self.known.hooks.get_mut(hook)) {
            known.tally.denied += u64::from(denied);
        }
        self.hook_ended(call, outcome);
    }

    pub(super) fn hook_ended(&mut self, call: u64, outcome: HookOutcome) {
        let Some(queue) = self.hooks.queue_of(call) else {
            return;
        };
        let name = self.queue_name(queue);
        let transition = (name.as_str(), self.hooks.sequence_of(call).unwrap_or(0));
        let hook_name = |hook: usize| {
            self.setup
                .hooks
                .get(hook)
                .map_or("?", |hook| hook.name.as_str())
        };
        match self.hooks.ended(call, outcome) {
            AfterCall::Done { hook } => {
                info!("{name}: hook {} done", hook_name(hook));
                self.known.hook_ended(hook, transition, CallEnd::Done);
                self.hook_happened(hook, transition, HookResult::Done, None);
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
                self.known
                    .hook_ended(hook, transition, CallEnd::Failed(&message));
                self.hook_happened(hook, transition, HookResult::Failed, Some(&message));
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
                self.known
                    .hook_ended(hook, transition, CallEnd::Retried(&message));
                self.hook_happened(hook, transition, HookResult::Retried, Some(&message));
                self.later(delay, Event::HookRetry { queue });
            }
            AfterCall::Forgotten => {}
        }
        self.http.changed();
        self.call_next(queue);
    }

    fn hook_happened(
        &mut self,
        hook: usize,
        (subject, transition): (&str, u64),
        result: HookResult,
        message: Option<&str>,
    ) {
        let hook = self.setup.hooks.get(hook);
        self.history.happened(Happening::Hook {
            hook: hook.map_or_else(|| "?".to_owned(), |hook| hook.name.clone()),
            subject: subject.to_owned(),
            transition,
            result,
            message: message.map(kept),
        });
    }
}
