//! Hooks: one ordered queue for each instance and sync group, one call at a time (DESIGN §7).
//!
//! This is the bookkeeping alone, without clock and channel: the supervisor sends what
//! [`Queues::next`] returns and reports what became of it.

use std::collections::VecDeque;
use std::time::Duration;

use vrrp::State;

use super::setup::{HookPlan, Setup};
use crate::config::NotifyOn;
use crate::ipc::{CallHook, HookOutcome};

/// Calls of a hook that asks to be retried, the first one included.
const ATTEMPTS_MAX: u32 = 6;
/// Wait before the second attempt; it doubles with each further one.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// What calls hooks when this state is entered.
pub(crate) fn notify_on(state: State) -> Option<NotifyOn> {
    match state {
        State::Active => Some(NotifyOn::Master),
        State::Backup => Some(NotifyOn::Backup),
        State::Fault => Some(NotifyOn::Fault),
        State::Initialize => None,
    }
}

/// The hooks that it calls, in their order.
pub(crate) fn called(plan: &HookPlan, on: NotifyOn) -> impl Iterator<Item = usize> {
    let called = plan.iter().filter(move |(states, _)| states.contains(&on));
    called.map(|(_, hook)| *hook)
}

/// The queues of all instances.
#[derive(Debug)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    next_call: u64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    running: Option<Pending>,
    /// The head waits for its next attempt.
    paused: bool,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Pending {
    call: CallHook,
    every: bool,
    attempt: u32,
}

/// A call that a newer transition made pointless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) hook: usize,
    /// The number of the transition that it was for.
    pub(super) sequence: u64,
}

/// What the end of a call means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterCall {
    /// It did what it should.
    Done { hook: usize },
    /// It failed for good.
    Failed {
        hook: usize,
        message: String,
        attempts: u32,
    },
    /// It is to be called again after a while, unless a newer transition makes it pointless.
    RetryAfter {
        hook: usize,
        message: String,
        delay: Duration,
    },
    /// Nobody waits for this call any more.
    Forgotten,
}

impl Queues {
    pub(super) fn new(queues: usize) -> Self {
        Self {
            queues: (0..queues).map(|_| Queue::default()).collect(),
            next_call: 1,
        }
    }

    /// Queues the hooks of an instance or group for a transition described by `template`, whose `call`, `hook`
    /// and `sequence` are filled in here. Calls for older transitions that have not begun are dropped
    /// unless their hook wants every one; returns the dropped ones.
    pub(super) fn enqueue(
        &mut self,
        queue: usize,
        plan: &HookPlan,
        on: NotifyOn,
        every: impl Fn(usize) -> bool,
        template: &CallHook,
    ) -> Vec<Dropped> {
        let Some(queue) = self.queues.get_mut(queue) else {
            return Vec::new();
        };
        queue.sequence += 1;
        let mut superseded = Vec::new();
        queue.waiting.retain(|pending| {
            if !pending.every {
                superseded.push(Dropped {
                    hook: hook_of(pending),
                    sequence: pending.call.sequence,
                });
            }
            pending.every
        });
        queue.paused = false;
        for hook in called(plan, on) {
            let call = CallHook {
                call: 0,
                hook: u32::try_from(hook).unwrap_or(u32::MAX),
                sequence: queue.sequence,
                ..template.clone()
            };
            queue.waiting.push_back(Pending {
                call,
                every: every(hook),
                attempt: 1,
            });
        }
        superseded
    }

    /// The next call of a queue, if none is under way and none has to wait.
    pub(super) fn next(&mut self, queue: usize) -> Option<CallHook> {
        let queue = self.queues.get_mut(queue)?;
        if queue.running.is_some() || queue.paused {
            return None;
        }
        let mut pending = queue.waiting.pop_front()?;
        pending.call.call = self.next_call;
        self.next_call += 1;
        let call = pending.call.clone();
        queue.running = Some(pending);
        Some(call)
    }

    /// The queue of which `call` is under way.
    pub(super) fn queue_of(&self, call: u64) -> Option<usize> {
        self.queues.iter().position(|queue| {
            queue
                .running
                .as_ref()
                .is_some_and(|running| running.call.call == call)
        })
    }

    /// The number of the transition that `call`, which is under way, is for.
    pub(super) fn sequence_of(&self, call: u64) -> Option<u64> {
        let queue = self.queues.get(self.queue_of(call)?)?;
        Some(queue.running.as_ref()?.call.sequence)
    }

    /// The number of the hook that `call`, which is under way, is of.
    pub(super) fn hook_of(&self, call: u64) -> Option<u32> {
        let queue = self.queues.get(self.queue_of(call)?)?;
        Some(queue.running.as_ref()?.call.hook)
    }

    /// Takes in how a call ended.
    pub(super) fn ended(&mut self, call: u64, outcome: HookOutcome) -> AfterCall {
        let Some(queue) = self.queue_of(call) else {
            return AfterCall::Forgotten;
        };
        let queue = &mut self.queues[queue];
        let Some(mut pending) = queue.running.take() else {
            return AfterCall::Forgotten;
        };
        let hook = hook_of(&pending);
        match outcome {
            HookOutcome::Done => AfterCall::Done { hook },
            HookOutcome::Permanent(message) => AfterCall::Failed {
                hook,
                message,
                attempts: pending.attempt,
            },
            HookOutcome::Retry(message) if pending.attempt == ATTEMPTS_MAX => AfterCall::Failed {
                hook,
                message,
                attempts: pending.attempt,
            },
            HookOutcome::Retry(message) => {
                let superseded = pending.call.sequence != queue.sequence && !pending.every;
                if superseded {
                    return AfterCall::Failed {
                        hook,
                        message,
                        attempts: pending.attempt,
                    };
                }
                let delay = RETRY_DELAY * 2_u32.pow(pending.attempt - 1);
                pending.attempt += 1;
                queue.waiting.push_front(pending);
                queue.paused = true;
                AfterCall::RetryAfter {
                    hook,
                    message,
                    delay,
                }
            }
        }
    }

    /// The wait before a retry is over.
    pub(super) fn resume(&mut self, queue: usize) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.paused = false;
        }
    }

    /// Queues and hooks have other numbers from now on. What waits for a hook that is gone is dropped.
    pub(super) fn renumber(&mut self, plan: &Renumbering) {
        let mut before = std::mem::take(&mut self.queues);
        self.queues = (0..plan.queues).map(|_| Queue::default()).collect();
        for (from, to) in &plan.moves {
            if let (Some(old), Some(new)) = (before.get_mut(*from), self.queues.get_mut(*to)) {
                *new = std::mem::take(old);
            }
        }
        for queue in &mut self.queues {
            queue
                .waiting
                .retain_mut(|pending| plan.rename(&mut pending.call).is_some());
            if let Some(running) = &mut queue.running {
                // It ends as it began; there is only nobody left to count it for.
                let _ = plan.rename(&mut running.call);
            }
        }
    }

    /// The calls under way, for when the worker that ran them died.
    pub(super) fn running(&self) -> Vec<u64> {
        self.queues
            .iter()
            .filter_map(|queue| queue.running.as_ref().map(|running| running.call.call))
            .collect()
    }

    /// Whether nothing is queued or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.queues
            .iter()
            .all(|queue| queue.running.is_none() && queue.waiting.is_empty())
    }

    /// Calls of `hook` that wait or run.
    pub(super) fn pending(&self, hook: usize) -> usize {
        self.queues
            .iter()
            .flat_map(|queue| queue.waiting.iter().chain(&queue.running))
            .filter(|pending| hook_of(pending) == hook)
            .count()
    }
}

/// How queues and hooks are called after a reload.
#[derive(Debug)]
pub(super) struct Renumbering {
    queues: usize,
    /// From each queue that goes on to what it is called now.
    moves: Vec<(usize, usize)>,
    /// By the number of each hook from before: what it is called now.
    hooks: Vec<Option<u32>>,
}

impl Renumbering {
    /// `kept` are the instances that go on; groups and hooks go on by name.
    pub(super) fn new(before: &Setup, after: &Setup, kept: &[(usize, usize)]) -> Self {
        let group = |name: &str| {
            let groups = &after.groups;
            let index = groups.iter().position(|plan| plan.group.name == name)?;
            Some(after.instances.len() + index)
        };
        let groups = before
            .groups
            .iter()
            .enumerate()
            .filter_map(|(index, plan)| {
                Some((before.instances.len() + index, group(&plan.group.name)?))
            });
        let hook = |name: &str| {
            let index = after.hooks.iter().position(|hook| hook.name == name)?;
            u32::try_from(index).ok()
        };
        Self {
            queues: after.instances.len() + after.groups.len(),
            moves: kept.iter().copied().chain(groups).collect(),
            hooks: before.hooks.iter().map(|plan| hook(&plan.name)).collect(),
        }
    }

    fn rename(&self, call: &mut CallHook) -> Option<()> {
        let before = usize::try_from(call.hook).ok()?;
        call.hook = u32::MAX;
        call.hook = self.hooks.get(before).copied().flatten()?;
        Some(())
    }
}

fn hook_of(pending: &Pending) -> usize {
    usize::try_from(pending.call.hook).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
