use alloc::string::String;
use core::num::NonZeroU16;
use core::time::Duration;

use super::*;
use crate::CheckId;

fn config(rise: u16, fall: u16, on_error: OnError, error_hold: u16) -> CheckConfig {
    CheckConfig {
        rise: NonZeroU16::new(rise).unwrap(),
        fall: NonZeroU16::new(fall).unwrap(),
        on_error,
        error_hold,
        stale_after: Duration::from_secs(10),
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

/// Runs a check through `outcomes` and compares what it counts as after each of them.
///
/// Outcomes: `p`assing, `w`arning, `f`ailing, `e`rror. Standings: `-` pending, `U`p, `D`own, `?` unknown.
fn runs(config: CheckConfig, outcomes: &str, standings: &str) {
    let mut check = Check::new(config);
    let stand = |outcome| {
        let outcome = match outcome {
            'p' => Outcome::Passing,
            'w' => Outcome::Warning,
            'f' => Outcome::Failing,
            'e' => Outcome::Error,
            other => panic!("no outcome {other}"),
        };
        check.report(
            at(1),
            &Report {
                check: CheckId(1),
                outcome,
                weight: None,
            },
        );
        match check.standing() {
            Standing::Pending => '-',
            Standing::Up => 'U',
            Standing::Down => 'D',
            Standing::Unknown => '?',
        }
    };
    let seen: String = outcomes.chars().map(stand).collect();
    assert_eq!(seen, standings, "after {outcomes} with {config:?}");
}

#[test]
fn standings() {
    let plain = |rise, fall| config(rise, fall, OnError::Hold, 3);
    // The first passing verdict counts at once, the first failing one needs `fall`.
    runs(plain(3, 3), "p", "U");
    runs(plain(3, 3), "w", "U");
    runs(plain(3, 3), "fff", "--D");
    runs(plain(3, 3), "ffp", "--U");
    runs(plain(1, 1), "f", "D");
    // Verdicts must be consecutive.
    runs(plain(3, 2), "pffpp", "UUDDD");
    runs(plain(3, 2), "pffppfppp", "UUDDDDDDU");
    runs(plain(2, 3), "pffpfff", "UUUUUUD");
    // A warning is a passing verdict.
    runs(plain(2, 1), "pfwp", "UDDU");
    // An error is no verdict: it neither continues nor interrupts a streak.
    runs(plain(1, 2), "pfef", "UUUD");
    runs(plain(2, 1), "pfpep", "UDDDU");
    // The last verdict holds for three errors.
    runs(plain(1, 1), "peeee", "UUUU?");
    runs(plain(1, 1), "feeee", "DDDD?");
    runs(plain(1, 1), "eeee", "---?");
    runs(plain(1, 1), "peeepeeee", "UUUUUUUU?");
    // An unknown check proves itself like one that is down, or fails like one that is up.
    runs(plain(2, 2), "peeeepp", "UUUU??U");
    runs(plain(2, 2), "peeeeff", "UUUU??D");
    runs(plain(2, 2), "pfeeeef", "UUUUU??");
    // One that never had a standing still gets the first passing verdict for free.
    runs(plain(2, 2), "eeeep", "---?U");
    // Without hold the first error is one too many.
    runs(config(1, 1, OnError::Hold, 0), "pep", "U?U");
    // Errors may count as failing.
    runs(config(1, 2, OnError::Fail, 3), "peep", "UUDU");
    runs(config(1, 2, OnError::Fail, 3), "pfe", "UUD");
    runs(config(1, 2, OnError::Fail, 3), "ee", "-D");
}

#[test]
fn progress_tells_where_the_last_runs_lead() {
    let mut check = Check::new(config(2, 3, OnError::Hold, 2));
    let mut after = |outcome| {
        check.report(
            at(1),
            &Report {
                check: CheckId(1),
                outcome,
                weight: None,
            },
        );
        let progress = check.status().progress?;
        Some((progress.towards, progress.count, progress.needed))
    };
    use Outcome::{Error, Failing, Passing};
    use Standing::{Down, Unknown, Up};
    for (outcome, progress) in [
        (Failing, Some((Down, 1, 3))),
        // The very first passing verdict counts at once.
        (Passing, None),
        (Failing, Some((Down, 1, 3))),
        (Failing, Some((Down, 2, 3))),
        // Held, and no verdict: those before it still count.
        (Error, Some((Unknown, 1, 3))),
        (Failing, None),
        (Failing, None),
        (Passing, Some((Up, 1, 2))),
        (Error, Some((Unknown, 1, 3))),
        (Error, Some((Unknown, 2, 3))),
        (Error, None),
        (Error, None),
        (Passing, Some((Up, 1, 2))),
        (Passing, None),
    ] {
        assert_eq!(after(outcome), progress, "after {outcome:?}");
    }
}

#[test]
fn weights() {
    use OnFail::{Fault, Release, Weight};
    use Standing::{Down, Pending, Unknown, Up};
    //                 on_fail, pending, up, down, unknown
    let table = [
        (Fault, 0, 0, 0, -100),
        (Weight(-20), 0, 0, -20, -100),
        (Weight(20), 0, 20, 0, -100),
        (Release, 0, 0, -100, -100),
    ];
    for (on_fail, pending, up, down, unknown) in table {
        for (standing, weight) in [
            (Pending, pending),
            (Up, up),
            (Down, down),
            (Unknown, unknown),
        ] {
            assert_eq!(
                contribution(on_fail, standing, 0),
                weight,
                "{on_fail:?} {standing:?}"
            );
            assert_eq!(contribution(on_fail, standing, 7), weight + 7);
        }
    }
}

#[test]
fn reported_weight_lasts_as_long_as_the_verdict() {
    let mut check = Check::new(config(1, 1, OnError::Hold, 1));
    let mut weight_after = |outcome, weight| {
        check.report(
            at(1),
            &Report {
                check: CheckId(1),
                outcome,
                weight,
            },
        );
        check.weight()
    };
    assert_eq!(weight_after(Outcome::Passing, Some(-30)), -30);
    assert_eq!(
        weight_after(Outcome::Error, Some(5)),
        -30,
        "an error says nothing"
    );
    assert_eq!(weight_after(Outcome::Failing, Some(9)), 9);
    assert_eq!(weight_after(Outcome::Failing, None), 0);
    assert_eq!(weight_after(Outcome::Passing, Some(12)), 12);
    assert_eq!(weight_after(Outcome::Error, None), 12);
    assert_eq!(weight_after(Outcome::Error, None), 0, "unknown");
}

#[test]
fn overdue_reports_are_errors() {
    let mut check = Check::new(config(1, 1, OnError::Hold, 1));
    check.startup(at(0));
    check.timeout(at(9));
    assert_eq!(check.status().errors, 0);
    check.report(
        at(9),
        &Report {
            check: CheckId(1),
            outcome: Outcome::Passing,
            weight: None,
        },
    );
    assert_eq!(check.stale_timer(), Some(at(19)));

    check.timeout(at(19));
    assert_eq!((check.standing(), check.status().errors), (Standing::Up, 1));
    check.timeout(at(19));
    assert_eq!(check.status().errors, 1, "once");
    check.timeout(at(30));
    assert_eq!(
        (check.standing(), check.status().errors),
        (Standing::Unknown, 2)
    );
    assert_eq!(check.stale_timer(), Some(at(39)), "from when it was due");
    check.timeout(at(100));
    assert_eq!(check.status().errors, 3, "one for a long stall");
    assert_eq!(check.stale_timer(), Some(at(110)));
    let status = check.status();
    assert_eq!((status.runs, status.since), (1, Some(at(30))));
    assert_eq!(status.last, Some(Outcome::Passing));
}

#[test]
fn giving_up_only_concerns_the_first_verdict() {
    let mut check = Check::new(config(2, 2, OnError::Hold, 3));
    check.give_up(at(3));
    assert_eq!(
        (check.standing(), check.status().since),
        (Standing::Unknown, Some(at(3)))
    );
    check.report(
        at(4),
        &Report {
            check: CheckId(1),
            outcome: Outcome::Passing,
            weight: None,
        },
    );
    assert_eq!(check.standing(), Standing::Up);
    check.give_up(at(5));
    assert_eq!(check.standing(), Standing::Up);
}
