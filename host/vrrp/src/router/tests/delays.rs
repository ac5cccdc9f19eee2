//! `start_delay`, `preempt_delay` and what is learned from others.

use super::*;

fn with(change: impl FnOnce(&mut InstanceConfig)) -> InstanceConfig {
    let mut config = instance(150);
    change(&mut config);
    config
}

#[test]
fn before_the_start_delay_is_over_nothing_counts() {
    let config = with(|config| config.start_delay = Duration::from_secs(60));
    let mut bench = Bench::new(config);
    bench.event(link(true, Some(OWN)));
    assert_eq!(bench.event(Event::Startup), NOTHING);
    assert_eq!(bench.hear(LOW_PEER, 0), NOTHING);
    assert_eq!(bench.due_in(), Some(Duration::from_secs(60)));
    assert_eq!(bench.fire(), ["INIT->BACKUP Startup"]);
    assert!(bench.due_in() > Some(Duration::from_secs(3)));
}

#[test]
fn an_owner_waits_for_the_start_delay_too() {
    let mut config = instance(255);
    config.start_delay = Duration::from_secs(60);
    let mut bench = Bench::started(config);
    assert_eq!(
        bench.fire(),
        ["advertise 255", "claim", "INIT->MASTER Owner"]
    );
}

#[test]
fn a_lower_priority_is_followed_for_the_preempt_delay() {
    let config = with(|config| config.preempt_delay = Duration::from_secs(60));
    let mut bench = Bench::started(config);
    for _ in 0..60 {
        assert_eq!(bench.hear(LOW_PEER, 100), NOTHING);
        assert_eq!(bench.pass(Duration::from_secs(1)), NOTHING);
    }
    let last = bench.due_in().unwrap();
    assert_eq!(bench.hear(LOW_PEER, 100), NOTHING);
    assert_eq!(bench.due_in(), Some(last), "the timer runs from now on");
    assert_eq!(
        bench.fire(),
        [
            "advertise 150",
            "claim",
            "BACKUP->MASTER Preempting(10.0.0.1, 100)"
        ]
    );
}

#[test]
fn the_preempt_delay_protects_the_living_only() {
    let config = with(|config| config.preempt_delay = Duration::from_secs(60));
    let mut bench = Bench::started(config.clone());
    bench.hear(LOW_PEER, 100);
    assert_eq!(
        bench.fire(),
        [
            "advertise 150",
            "claim",
            "BACKUP->MASTER ActiveDown(10.0.0.1)"
        ],
        "it is gone"
    );
    let mut bench = Bench::started(config);
    bench.hear(LOW_PEER, 100);
    bench.hear(LOW_PEER, 0);
    assert_eq!(
        bench.fire(),
        [
            "advertise 150",
            "claim",
            "BACKUP->MASTER ActiveReleased(10.0.0.1)"
        ],
        "it gave up"
    );
}

#[test]
fn a_higher_priority_ends_the_preempt_delay() {
    let config = with(|config| config.preempt_delay = Duration::from_secs(2));
    let mut bench = Bench::started(config);
    bench.hear(LOW_PEER, 100);
    bench.pass(Duration::from_secs(1));
    bench.hear(HIGH_PEER, 200);
    bench.pass(Duration::from_secs(2));
    // The delay begins anew with the next one that is lower.
    bench.hear(LOW_PEER, 100);
    assert!(bench.due_in() > Some(Duration::from_secs(3)));
}

#[test]
fn what_is_learned_has_a_limit() {
    let config = with(|config| config.max_learned_interval = Duration::from_secs(10));
    let mut bench = Bench::started(config.clone());
    let mut forged = advertisement(&config, 254);
    forged.interval = Duration::from_millis(40_950);
    let message = forged.emit(HIGH_PEER.into(), GROUP);
    bench.event(packet(HIGH_PEER, &message));
    let status = bench.status();
    assert_eq!(status.active_adver_interval, Duration::from_secs(10));
    assert_eq!(bench.due_in(), Some(status.active_down_interval));

    let mut bench = Bench::active(config);
    bench.event(packet(HIGH_PEER, &message));
    assert_eq!(
        bench.status().active_adver_interval,
        Duration::from_secs(10)
    );
}
