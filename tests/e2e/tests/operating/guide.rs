//! `docs/operating.md`: every command in it is run, in its order, on a host of a running cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use e2e::daemon::LIMIT;
use hostile::guide::{Block, blocks};
use lab::scenario::{Cluster, Daemon, EXPORTER, INSTANCE, Options, Version};
use lab::wait_until;
use serde_json::Value;

/// Programs of which every call in the text has to be in a block as well.
const PROGRAMS: [&str; 5] = ["vrrp-host ", "systemctl ", "journalctl ", "ip ", "tcpdump "];

fn guide() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    fs::read_to_string(docs.join("operating.md")).unwrap()
}

#[test]
fn every_command_does_what_the_guide_says() {
    let cluster = Cluster::boot(&Options::new([Daemon::VrrpHost; 2], Version::V3)).unwrap();
    let [first, second] = &cluster.nodes;
    first.host.systemctl(&["start", EXPORTER]).unwrap();
    let is = |node: &lab::scenario::Node, state: &str| {
        let what = format!("{} to be {state}", node.host.name());
        wait_until(LIMIT, &what, || {
            let printed = node.host.run(&["vrrp-host", "status", "--json"]);
            let printed = printed.map_err(|error| error.to_string())?;
            let status: Value = serde_json::from_str(&printed).map_err(|_| printed.clone())?;
            match status["instances"][INSTANCE]["state"] == state {
                true => Ok(()),
                false => Err(printed),
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    };
    for (node, state) in [(first, "MASTER"), (second, "BACKUP")] {
        node.host.systemctl(&["start", "vrrp-host"]).unwrap();
        is(node, state);
    }
    let mut commands = 0;
    for block in blocks(&guide()) {
        let Block::Commands(script, code) = block else {
            panic!("{block:?}: there is nowhere to put it");
        };
        let output = first.host.output(&["sh", "-euxc", &script]).unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}{output:?}");
        assert!(!output.stdout.is_empty(), "{script} says nothing");
        println!("{script}{}", output.stdout);
        commands += script.lines().count();
        if script.contains("drain") {
            let state = if script.contains("undrain") {
                "MASTER"
            } else {
                "BACKUP"
            };
            is(first, state);
        }
    }
    assert!(commands >= 20, "the guide has lost its commands");
    is(first, "MASTER");
}

#[test]
fn every_command_in_the_text_is_in_a_block_too() {
    let text = guide();
    let blocks = blocks(&text);
    let run: BTreeSet<&str> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Commands(script, _) => Some(script.lines()),
            Block::File(..) => None,
        })
        .flatten()
        .collect();
    let mut seen = 0;
    let prose = text.split("\n```").step_by(2);
    for word in prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)) {
        if PROGRAMS.iter().any(|program| word.starts_with(program)) && word != "systemctl status" {
            assert!(run.contains(word), "`{word}` is not run");
            seen += 1;
        }
    }
    assert!(seen >= 10, "the text has lost its commands");
    let symptoms = text.lines().filter(|line| line.starts_with("| "));
    assert!(symptoms.count() > 10, "the guide has lost its symptoms");
}
