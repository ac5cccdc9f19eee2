//! What `vrrp-host import` makes of keepalived's files, on real hosts.

#![expect(clippy::print_stdout, reason = "a test prints what it measures")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::scenario::{ADDRESSES, Daemon, NAMES, Options, Version, play, vrrp_host_binary};
use lab::{Netns, Segment};

fn source_tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pair of the issue, for the exporter as Debian calls it.
#[test]
fn the_imported_pair_plays_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let mut import = Command::new(vrrp_host_binary().unwrap());
    import.arg("import");
    for (name, address) in NAMES.iter().zip(ADDRESSES) {
        let pair = source_tree().join("host/daemon/tests/import/scenario");
        let text = fs::read_to_string(pair.join(format!("{name}.conf"))).unwrap();
        let text = text.replace(" node_exporter", " prometheus-node-exporter");
        let path = folder.path().join(format!("{name}.conf"));
        fs::write(&path, text).unwrap();
        import
            .arg(path)
            .arg("--address")
            .arg(format!("{name}={address}"));
    }
    let output = import.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let options = Options {
        cluster_toml: String::from_utf8(output.stdout).unwrap(),
        ..Options::new([Daemon::VrrpHost, Daemon::VrrpHost], Version::V3)
    };
    let report = play(&options, |_| ()).expect("the laboratory works");
    assert!(report.is_met(), "{report}");
    println!("{report}");
}

/// The examples are no inventions: keepalived starts with them.
#[test]
fn keepalived_takes_the_examples() {
    let segment = Segment::new("segment").unwrap();
    let host = Netns::new("host").unwrap();
    let ports = (0..3_u8).map(|index| {
        let address = (Ipv4Addr::new(10, 77, index, 1), 24);
        segment
            .attach(&host, &format!("eth{index}"), address)
            .unwrap()
    });
    let _ports: Vec<_> = ports.collect();
    let mut count = 0;
    for folder in fs::read_dir(source_tree().join("examples")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|end| end != "conf") {
                continue;
            }
            let path = file.to_str().unwrap();
            let output = host
                .output(&["keepalived", "-t", "-l", "-i", "first", "-f", path])
                .unwrap();
            assert!(
                output.status.success(),
                "{path}: {} {}",
                output.status,
                output.stderr
            );
            count += 1;
        }
    }
    assert!(count > 16, "{count} files");
}
