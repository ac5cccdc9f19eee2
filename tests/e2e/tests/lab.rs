//! The scenario with keepalived on both hosts: what users have today, and the proof that the laboratory, the play and its
//! expectations work without any code of ours under test.

use std::time::Duration;

use lab::scenario::{Daemon, Options, State, Version, What, play};

#[test]
fn keepalived_plays_the_scenario_in_version_2() {
    check(Version::V2);
}

#[test]
fn keepalived_plays_the_scenario_in_version_3() {
    check(Version::V3);
}

fn check(version: Version) {
    let report = play(&Options::new([Daemon::Keepalived; 2], version), |_| ())
        .expect("the laboratory works");
    assert!(report.is_met(), "{report}");

    // After priority 0, the second host waits one skew time: (256 - 99) / 256 s.
    let given_away = report
        .first(0, |what| *what == What::PriorityZero)
        .expect("the first host gave the address away");
    let taken = report
        .first(1, |what| {
            matches!(
                what,
                What::Transition {
                    after: State::Master,
                    ..
                }
            )
        })
        .expect("the second host took it");
    let skew = Duration::from_micros(613_281);
    assert!(
        taken - given_away > skew - Duration::from_millis(50),
        "{report}"
    );
}

#[test]
fn a_daemon_that_does_not_start_is_reported() {
    let mut options = Options::new([Daemon::VrrpHost, Daemon::Keepalived], Version::V3);
    // No program: systemd cannot start the service.
    options.vrrp_host = Some("/etc/os-release".into());
    let report = play(&options, |_| ()).unwrap();
    assert!(!report.is_met());
    let told = report.to_string();
    assert!(told.contains("NOT MET master is MASTER"), "{told}");
    assert!(told.contains("what master's daemon logged"), "{told}");
}
