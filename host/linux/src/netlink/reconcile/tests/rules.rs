//! Rules: kept in place, and never taken from others.

use super::*;

fn rule() -> Rule {
    Rule {
        family: Family::V4,
        priority: 1000,
        from: None,
        to: None,
        fwmark: Some(Mark {
            value: 0x10,
            mask: 0xff,
        }),
        iif: Some("eth0".to_owned()),
        table: 100,
    }
}

fn of_somebody() -> KernelRule {
    KernelRule {
        rule: rule(),
        marked: false,
    }
}

fn ours() -> KernelRule {
    KernelRule {
        rule: rule(),
        marked: true,
    }
}

#[test]
fn added_put_back_and_removed() {
    let mut bench = Bench::new();
    bench.desire(&[rule()]);
    bench.expect(&["rule present"]);
    bench.expect_asked(&["add from all fwmark 0x10/0xff iif eth0 lookup 100 priority 1000"]);
    bench.apply(Change::RuleGone(ours()));
    bench.expect(&["rule restored"]);
    bench.desire(&NOTHING);
    bench.expect(&["rule absent"]);
}

#[test]
fn the_administrators_rule_counts_and_is_kept() {
    let mut bench = Bench::new();
    bench.apply(Change::Rule(of_somebody()));
    bench.desire(&[rule()]);
    bench.expect(&["rule present"]);
    bench.desire(&NOTHING);
    bench.expect(&["rule kept"]);
    bench.expect_asked(&[]);
}

#[test]
fn the_administrators_rule_that_goes_is_replaced_by_ours() {
    let mut bench = Bench::new();
    bench.apply(Change::Rule(of_somebody()));
    bench.desire(&[rule()]);
    bench.expect(&["rule present"]);
    bench.apply(Change::RuleGone(of_somebody()));
    bench.expect(&["rule restored"]);
    bench.desire(&NOTHING);
    bench.expect(&["rule absent"]);
}

#[test]
fn of_two_equal_rules_only_ours_is_removed() {
    let mut bench = Bench::new();
    bench.desire(&[rule()]);
    bench.apply(Change::Rule(of_somebody()));
    bench.expect(&["rule present"]);
    bench.desire(&NOTHING);
    bench.expect(&["rule kept"]);
    assert_eq!(bench.asked.len(), 2, "{:?}", bench.asked);
    assert!(found(&bench, rule()).is_some());
}
