//! `vrrp-host module bench`. How fast it is, is for the benchmarks; here the figures have to be possible.

use crate::support::{guest, module};

#[test]
fn the_figures_belong_together() {
    let config = "{ name = \"vrrp-host\" }";
    let said = module(&[
        "bench",
        "process",
        "--config",
        config,
        "--seconds",
        "1",
        "--json",
    ]);
    said.assert(0, &[]);
    let told = said.json();
    assert!(told["runs"].as_u64() > Some(1), "{told}");
    assert_eq!(told["errors"], 0, "{told}");
    assert!(told["memory-bytes"].as_u64() > Some(0), "{told}");
    for times in [&told["wall-ns"], &told["cpu-ns"]] {
        let times: Vec<_> = ["min", "p50", "p90", "p99", "max"]
            .iter()
            .map(|name| times[name].as_u64().expect("a time"))
            .collect();
        assert!(times[0] > 0, "{told}");
        assert!(times.is_sorted(), "{told}");
    }
    // A run is over when the next one begins.
    let at_least =
        told["runs"].as_u64().unwrap_or(0) * told["wall-ns"]["min"].as_u64().unwrap_or(0);
    assert!(at_least < 1_500_000_000, "{told}");
}

#[test]
fn runs_without_a_verdict_are_told() {
    let said = module(&["bench", &guest("hostile"), "--config", "{ do = \"panic\" }"]);
    said.assert(
        0,
        &["runs came to no verdict, the last one: the module crashed"],
    );
}

#[test]
fn a_hook_is_not_called_again_and_again() {
    let said = module(&[
        "bench",
        "systemctl",
        "--config",
        "{ action = \"start\", unit = \"x\" }",
    ]);
    said.assert(64, &["`systemctl` is a hook", "vrrp-host module test"]);
}
