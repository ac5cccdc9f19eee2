//! `docs/getting-started.md`: every command in it is run, in its order, on the host that it names.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it sees, and fails by unwrapping"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use e2e::daemon::LIMIT;
use hostile::guide::{Block, blocks};
use lab::scenario::vrrp_host_binary;
use lab::{Host, Segment, wait_until};
use serde_json::Value;

const ALPHA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const BETA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
const CLUSTER_TOML: &str = "/etc/vrrp-host/cluster.toml";
/// Where the sources are, as far as the guide needs them.
const SOURCES: &str = "/root/vrrp-host";

/// A host with the built program and the files of `dist` in their places in the source tree.
fn boot(segment: &Segment, name: &str, address: IpAddr) -> Host {
    let host = Host::boot(segment, name, address).unwrap();
    let place = |path: &str| format!("{SOURCES}/{path}");
    let program = fs::read(vrrp_host_binary().unwrap()).unwrap();
    host.write_file(&place("target/release/vrrp-host"), program)
        .unwrap();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["dist/vrrp-host.service", "dist/sysusers.conf"] {
        host.write_file(&place(file), fs::read(tree.join(file)).unwrap())
            .unwrap();
    }
    host
}

/// Runs a block to its end, in the source tree.
fn run(host: &Host, script: &str) -> String {
    let script = format!("cd {SOURCES}\n{script}");
    let output = host.output(&["sh", "-euxc", &script]).unwrap();
    assert!(output.status.success(), "on {}: {output:?}", host.name());
    println!("{script}{}", output.stdout);
    output.stdout
}

fn wait_for(host: &Host, state: &str) {
    let what = format!("{} to be {state}", host.name());
    wait_until(LIMIT, &what, || {
        let printed = host.run(&["vrrp-host", "status", "--json"]);
        let printed = printed.map_err(|error| error.to_string())?;
        let status: Value = serde_json::from_str(&printed).map_err(|_| printed.clone())?;
        let has_address = host.netns().has_address(SHARED).is_ok_and(|has| has);
        let is_there = status["instances"]["VI_1"]["state"] == state;
        if is_there && has_address == (state == "MASTER") {
            Ok(())
        } else {
            Err(printed)
        }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_command_leads_to_a_working_pair() {
    let segment = Segment::new("segment").unwrap();
    let alpha = boot(&segment, "alpha", ALPHA);
    let beta = boot(&segment, "beta", BETA);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let guide = fs::read_to_string(docs.join("getting-started.md")).unwrap();

    let mut commands = 0;
    for block in blocks(&guide) {
        let Block::Commands(script, 0) = block else {
            panic!("{block:?}: there is nowhere to put it");
        };
        commands += script.lines().count();
        let on_beta = script.starts_with("# on beta\n");
        if on_beta && script.contains("enable --now") {
            let text = alpha.read_file(CLUSTER_TOML).unwrap();
            beta.write_file(CLUSTER_TOML, text).unwrap();
        }
        let printed = run(if on_beta { &beta } else { &alpha }, &script);
        if script.starts_with("install") {
            // "On both hosts."
            run(&beta, &script);
        }
        if script.contains("ip address show") {
            assert!(printed.contains("10.0.0.100"), "{printed}");
        }
        if script.contains("enable --now") || script.contains("undrain") {
            wait_for(&alpha, "MASTER");
        }
        if on_beta && script.contains("enable --now") {
            wait_for(&beta, "BACKUP");
        }
        if script.contains(" drain ") {
            wait_for(&beta, "MASTER");
            wait_for(&alpha, "BACKUP");
        }
    }
    assert!(commands >= 18, "the guide has lost its commands");
    wait_for(&alpha, "MASTER");
    wait_for(&beta, "BACKUP");
}
