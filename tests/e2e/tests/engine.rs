//! `[sandbox] engine`: what runs the modules, and where which one can.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it sees, and fails by unwrapping"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use e2e::daemon::LIMIT;
use lab::scenario::vrrp_host_binary;
use lab::{Host, Segment, UnitState, wait_until};
use serde_json::Value;

const SERVICE: &str = include_str!("../../../dist/vrrp-host.service");
const UNIT: &str = "vrrp-host.service";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The default, then the interpreter, as a service that may have no memory that was written and then executed.
#[test]
fn where_no_memory_may_become_executable_native_says_what_to_write_and_pulley_works() {
    let segment = Segment::new("segment").unwrap();
    let host = Host::boot(&segment, "denied", ADDRESS).unwrap();
    host.install(&vrrp_host_binary().unwrap(), "vrrp-host")
        .unwrap();
    host.write_file(&format!("/etc/systemd/system/{UNIT}"), SERVICE)
        .unwrap();
    host.write_file(
        &format!("/etc/systemd/system/{UNIT}.d/deny.conf"),
        "[Service]\nMemoryDenyWriteExecute=yes\n",
    )
    .unwrap();
    host.systemctl(&["daemon-reload"]).unwrap();

    write_cluster(&host, "");
    let started = host.output(&["systemctl", "start", UNIT]).unwrap();
    assert!(!started.status.success(), "{started:?}");
    assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Failed);
    assert_eq!(host.unit_property(UNIT, "ExecMainStatus").unwrap(), "78");
    let told = journal(&host);
    println!("{told}");
    for text in [
        "nothing in this process may become executable (MemoryDenyWriteExecute=",
        "write `engine = \"pulley\"` under [sandbox]",
        "cluster.toml:",
        "module = \"process\"",
    ] {
        assert!(told.contains(text), "{text} is missing in\n{told}");
    }

    write_cluster(&host, "[sandbox]\nengine = \"pulley\"\n");
    host.systemctl(&["reset-failed", UNIT]).unwrap();
    host.systemctl(&["start", UNIT]).unwrap();
    let status = wait_until(LIMIT, "the check to have run ten times", || {
        let status = host.run(&["vrrp-host", "status", "--json"]);
        let status: Value = serde_json::from_str(&status.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        if status["checks"]["journal"]["runs"].as_u64() >= Some(10) {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .unwrap();
    let check = &status["checks"]["journal"];
    println!("interpreted: {check}");
    assert_eq!(check["verdict"], "passing", "{check}");
    assert_eq!(check["errors"], 0, "{check}");
    host.systemctl(&["stop", UNIT]).unwrap();
    assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Inactive);
}

/// An instance that a check of the host's own journal decides about, preceded by what else is to be in the file.
fn write_cluster(host: &Host, sandbox: &str) {
    let interval = Duration::from_millis(50);
    let file = format!(
        "{sandbox}\
         [checks.journal]\n\
         module = \"process\"\n\
         interval = \"{}ms\"\n\
         config = {{ name = \"systemd-journal\" }}\n\
         [instances.VI_1]\n\
         interface = \"{}\"\n\
         virtual-router-id = 51\n\
         virtual-addresses = [\"192.0.2.100\"]\n\
         track = [{{ check = \"journal\" }}]\n",
        interval.as_millis(),
        Host::INTERFACE,
    );
    host.write_file("/etc/vrrp-host/cluster.toml", file)
        .unwrap();
}

fn journal(host: &Host) -> String {
    let entries = host.journal(UNIT, None).unwrap();
    let lines: Vec<_> = entries.iter().map(|entry| entry.message.as_str()).collect();
    lines.join("\n")
}
