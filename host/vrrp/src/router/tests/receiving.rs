//! What a received advertisement does not change.

use super::*;

/// RFC 3768 §7.1 leaves the check of the address list to the implementation: it is made, told and counted.
#[test]
fn version_2_follows_whoever_lists_other_addresses() {
    let config = InstanceConfig {
        version: Version::V2,
        ..instance(100)
    };
    for priority in [200, 255] {
        let mut bench = Bench::started(config.clone());
        bench.pass(Duration::from_secs(3));
        let mut other = advertisement(&config, priority);
        other.addresses.push(OWN.into());
        let message = other.emit(HIGH_PEER.into(), GROUP);
        assert_eq!(
            bench.event(packet(HIGH_PEER, &message)),
            ["differs: Addresses([10.0.0.100, 10.0.0.5])"]
        );
        let status = bench.status();
        assert_eq!(status.active, Some((HIGH_PEER.into(), priority)));
        assert_eq!(bench.due_in(), Some(status.active_down_interval));
        assert_eq!(status.counters.address_list_errors, 1);
        assert_eq!(
            status.counters.advertisement_rcvd, 1,
            "it was not discarded"
        );
    }
}

/// RFC 9568 §6.4.3 does not ask for Preempt_Mode.
#[test]
fn an_active_router_gives_way_whether_it_may_preempt_or_not() {
    for preempt in [false, true] {
        let config = InstanceConfig {
            preempt,
            ..instance(100)
        };
        let mut bench = Bench::active(config.clone());
        assert_eq!(
            bench.hear(LOW_PEER, 101),
            ["release", "MASTER->BACKUP HigherPriority(10.0.0.1, 101)"]
        );
        let mut bench = Bench::active(config);
        assert_eq!(bench.hear(LOW_PEER, 99), ["advertise 100"]);
    }
}

/// RFC 9568 §6.4.2: the address decides between Active routers only.
#[test]
fn a_backup_does_not_compare_addresses() {
    for peer in [LOW_PEER, HIGH_PEER] {
        let mut bench = Bench::started(instance(100));
        for _ in 0..10 {
            bench.hear(peer, 100);
            assert_eq!(bench.pass(Duration::from_secs(1)), NOTHING, "{peer}");
        }
        assert_eq!(bench.status().active, Some((peer.into(), 100)));
    }
}

/// Whatever an advertisement says, a router whose interface is down, or that waits, stays where it is.
#[test]
fn nothing_is_followed_in_initialize() {
    let mut bench = Bench::new(instance(100));
    bench.event(Event::Startup);
    for priority in [0, 1, 100, 255] {
        assert_eq!(bench.hear(HIGH_PEER, priority), NOTHING);
    }
    assert_eq!(bench.status().active, None);
    assert_eq!(
        bench.event(link(true, Some(OWN))),
        ["INIT->BACKUP LinkUp"],
        "and starts afresh"
    );
    assert_eq!(bench.due_in(), Some(bench.status().active_down_interval));
}
