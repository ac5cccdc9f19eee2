use std::time::Duration;

use vrrp::State;

use super::{ATTEMPTS_MAX, AfterCall, Queues};
use crate::config::NotifyOn;
use crate::ipc::{CallHook, HookOutcome};
use crate::supervisor::setup::HookPlan;

const START: usize = 0;
const STOP: usize = 1;

#[test]
fn calls_run_one_at_a_time_in_order() {
    let plan = plan(&[(NotifyOn::Master, START), (NotifyOn::Master, STOP)]);
    let mut queues = Queues::new(1);
    assert!(enqueue(&mut queues, &plan, NotifyOn::Master).is_empty());
    let first = queues.next(0).expect("a hook is queued");
    assert_eq!(first.hook, 0);
    assert_eq!(
        queues.next(0).map(|call| call.hook),
        None,
        "one call at a time"
    );
    assert_eq!(
        queues.ended(first.call, HookOutcome::Done),
        AfterCall::Done { hook: START }
    );
    let second = queues.next(0).expect("a second hook is queued");
    assert_eq!(second.hook, 1);
    assert_eq!(
        second.sequence, first.sequence,
        "both belong to one transition"
    );
    assert_eq!(
        queues.ended(second.call, HookOutcome::Done),
        AfterCall::Done { hook: STOP }
    );
    assert!(queues.is_idle());
}

#[test]
fn a_newer_transition_drops_what_has_not_begun() {
    let plan = plan(&[
        (NotifyOn::Master, START),
        (NotifyOn::Master, START),
        (NotifyOn::Backup, STOP),
    ]);
    let mut queues = Queues::new(1);
    enqueue(&mut queues, &plan, NotifyOn::Master);
    let running = queues.next(0).expect("a hook is queued");
    assert_eq!(enqueue(&mut queues, &plan, NotifyOn::Backup), [START]);
    queues.ended(running.call, HookOutcome::Done);
    let next = queues
        .next(0)
        .expect("the hook of the newer transition is queued");
    assert_eq!(next.hook, 1);
    assert_eq!(next.sequence, running.sequence + 1);
}

#[test]
fn a_hook_that_wants_every_transition_is_not_dropped() {
    let plan = plan(&[(NotifyOn::Master, START), (NotifyOn::Backup, STOP)]);
    let mut queues = Queues::new(1);
    for on in [NotifyOn::Master, NotifyOn::Backup] {
        let dropped = queues.enqueue(0, &plan, on, |_| true, &template());
        assert!(dropped.is_empty());
    }
    let first = queues.next(0).expect("the first is still queued");
    assert_eq!(first.hook, 0);
    queues.ended(first.call, HookOutcome::Done);
    assert_eq!(queues.next(0).map(|call| call.hook), Some(1));
}

#[test]
fn retries_back_off_and_end() {
    let plan = plan(&[(NotifyOn::Master, START)]);
    let mut queues = Queues::new(1);
    enqueue(&mut queues, &plan, NotifyOn::Master);
    let mut delays = Vec::new();
    loop {
        let call = queues.next(0).expect("the hook is to be called again");
        match queues.ended(call.call, HookOutcome::Retry("bus".to_owned())) {
            AfterCall::RetryAfter { delay, .. } => {
                assert_eq!(queues.next(0).map(|call| call.hook), None, "it waits");
                delays.push(delay);
                queues.resume(0);
            }
            AfterCall::Failed { attempts, .. } => {
                assert_eq!(attempts, ATTEMPTS_MAX);
                break;
            }
            other @ (AfterCall::Done { .. } | AfterCall::Forgotten) => {
                panic!("unexpected {other:?}")
            }
        }
    }
    let expected: Vec<_> = [250, 500, 1000, 2000, 4000]
        .map(Duration::from_millis)
        .into();
    assert_eq!(delays, expected);
    assert!(queues.is_idle());
}

#[test]
fn a_superseded_call_is_not_retried() {
    let plan = plan(&[(NotifyOn::Master, START), (NotifyOn::Backup, STOP)]);
    let mut queues = Queues::new(1);
    enqueue(&mut queues, &plan, NotifyOn::Master);
    let call = queues.next(0).expect("a hook is queued");
    enqueue(&mut queues, &plan, NotifyOn::Backup);
    let after = queues.ended(call.call, HookOutcome::Retry("bus".to_owned()));
    assert!(
        matches!(after, AfterCall::Failed { hook: START, .. }),
        "{after:?}"
    );
    assert_eq!(queues.next(0).map(|call| call.hook), Some(1));
}

#[test]
fn a_waiting_retry_gives_way_to_a_newer_transition() {
    let plan = plan(&[(NotifyOn::Master, START), (NotifyOn::Backup, STOP)]);
    let mut queues = Queues::new(1);
    enqueue(&mut queues, &plan, NotifyOn::Master);
    let call = queues.next(0).expect("a hook is queued");
    queues.ended(call.call, HookOutcome::Retry("bus".to_owned()));
    assert_eq!(enqueue(&mut queues, &plan, NotifyOn::Backup), [START]);
    assert_eq!(
        queues.next(0).map(|call| call.hook),
        Some(1),
        "at once, not after the pause"
    );
}

#[test]
fn instances_do_not_wait_for_each_other() {
    let plan = plan(&[(NotifyOn::Master, START)]);
    let mut queues = Queues::new(2);
    for instance in 0..2 {
        queues.enqueue(instance, &plan, NotifyOn::Master, |_| false, &template());
    }
    let first = queues.next(0).expect("queued");
    let second = queues.next(1).expect("queued");
    assert_ne!(first.call, second.call);
    assert_eq!(queues.pending(START), 2);
}

#[test]
fn an_answer_nobody_waits_for_is_forgotten() {
    assert_eq!(
        Queues::new(1).ended(7, HookOutcome::Done),
        AfterCall::Forgotten
    );
}

fn enqueue(queues: &mut Queues, plan: &HookPlan, on: NotifyOn) -> Vec<usize> {
    let dropped = queues.enqueue(0, plan, on, |_| false, &template());
    dropped.iter().map(|dropped| dropped.hook).collect()
}

fn plan(notify: &[(NotifyOn, usize)]) -> HookPlan {
    notify.iter().map(|&(on, hook)| (vec![on], hook)).collect()
}

fn template() -> CallHook {
    CallHook {
        call: 0,
        hook: 0,
        instance: "VI_1".to_owned(),
        virtual_router_id: 1,
        interface: "eth0".to_owned(),
        before: State::Backup,
        after: State::Active,
        priority: 100,
        reason: String::new(),
        addresses: Vec::new(),
        sequence: 0,
        at_unix_ms: 0,
    }
}
