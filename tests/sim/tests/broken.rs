//! The checkers can fail: a world that is broken on purpose is caught, and by the checker that is there for it.

use sim::{Rig, Violation, simulate};

/// The first violation in some seeds, and how many seeds show one.
fn violations(rig: Rig) -> Vec<Violation> {
    (0..200)
        .filter_map(|seed| simulate(seed, rig).err())
        .collect()
}

#[track_caller]
fn check(rig: Rig, expected: &str) {
    let violations = violations(rig);
    let by_this = violations
        .iter()
        .filter(|violation| violation.to_string().contains(expected))
        .count();
    assert!(
        by_this > 0,
        "{rig:?}: {} of 200 seeds were caught, none because {expected:?}: {:?}",
        violations.len(),
        violations.first().map(ToString::to_string)
    );
}

#[test]
fn sound() {
    assert_eq!(violations(Rig::Sound), []);
}

#[test]
fn an_address_that_stays_after_its_release() {
    check(
        Rig::KeepsAddresses,
        "is Active: false, and its addresses are claimed: true",
    );
}

#[test]
fn an_address_that_is_never_there() {
    check(
        Rig::NeverClaims,
        "is Active: true, and its addresses are claimed: false",
    );
}

#[test]
fn a_direction_that_is_cut_in_secret() {
    check(Rig::SilentCut, "are both Active for");
}

#[test]
fn timers_before_packets_that_wait() {
    check(Rig::TimersFirst, "packets that had arrived wait");
}

#[test]
fn timers_that_nobody_serves() {
    check(Rig::DeafToTimers, "is not done at");
}

#[test]
fn an_offer_that_is_never_taken_back() {
    check(Rig::NeverTakesBack, "is not done at");
}

#[test]
fn a_priority_that_is_changed_on_the_way() {
    check(Rig::WrongPriority, "takes Some(");
}

#[test]
fn a_ttl_that_is_not_looked_at() {
    check(Rig::ForgivesTtl, "was not refused");
}

#[test]
fn a_panic() {
    let words = sim::tell(0, Rig::Panics).result.unwrap_err();
    assert!(words.contains("the rig says so"), "{words}");
}
