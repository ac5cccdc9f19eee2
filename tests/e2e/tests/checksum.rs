//! The two forms of the VRRPv3 checksum: what we send is what the file says, and both are understood.

#![expect(clippy::print_stdout, reason = "a test prints what it measures")]

use e2e::daemon::Daemon;
use e2e::keepalived::Keepalived;
use e2e::stage::{FIRST, INSTANCE, SECOND, Stage, cluster, counter};
use e2e::wire::{advertisements, assert_good};
use lab::scenario::State;
use lab::{Checksum, Signal, Vrrpv3Checksum};

const RFC9568: &str = "priority = { first = 100, second = 99 }\nchecksum = \"rfc9568\"";

#[test]
fn two_vrrp_hosts_share_an_address_with_the_checksum_of_rfc_9568() {
    let stage = Stage::new().unwrap();
    let capture = stage
        .segment
        .capture()
        .unwrap()
        .expect_checksum(Vrrpv3Checksum::Rfc9568);
    let mut first = Daemon::start(&stage.first, "first", &cluster(RFC9568));
    let second = Daemon::start(&stage.second, "second", &cluster(RFC9568));
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    let (ours, others) = (
        first.wait_for_advertisements(INSTANCE, 5),
        second.status().unwrap(),
    );
    first.process.signal(Signal::TERM).unwrap();
    second.wait_for_state(INSTANCE, State::Master);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    for sender in [FIRST, SECOND] {
        assert!(!advertisements(&frames, sender).is_empty(), "{sender}");
    }
    let received = counter(&others, "checksum-rfc9568-rcvd");
    println!(
        "{} advertisements sent, {received} received, all in the form of RFC 9568",
        counter(&ours, "advertisement-sent")
    );
    assert!(received > 0, "{others}");
    assert_eq!(counter(&others, "checksum-rfc5798-rcvd"), 0, "{others}");
}

/// What makes the test above one that can fail: Wireshark tells the forms apart.
#[test]
fn the_checksum_of_rfc_9568_is_wrong_by_the_older_rfc() {
    let stage = Stage::new().unwrap();
    let capture = stage.segment.capture().unwrap();
    let first = Daemon::start(&stage.first, "first", &cluster(RFC9568));
    first.wait_for_state(INSTANCE, State::Master);
    first.wait_for_advertisements(INSTANCE, 3);
    let frames = capture.stop().unwrap();
    let checksums: Vec<Checksum> = frames
        .iter()
        .filter_map(|frame| Some(frame.advertisement()?.checksum))
        .collect();
    assert!(checksums.len() >= 3, "{first}");
    assert!(
        checksums.iter().all(|checksum| *checksum == Checksum::Bad),
        "{checksums:?}"
    );
}

/// Debian 12's keepalived knows the form with the pseudo-header only.
#[test]
fn a_backup_with_the_checksum_of_rfc_9568_understands_keepalived() {
    let stage = Stage::new().unwrap();
    let keepalived = Keepalived::start_instance(&stage.first, 3, "state MASTER\n    priority 100");
    keepalived.wait_for_state("MASTER", 1);

    let second = Daemon::start(&stage.second, "second", &cluster(RFC9568));
    second.wait_for_state(INSTANCE, State::Backup);
    let status = second.wait_for("20 advertisements from keepalived", |status| {
        counter(status, "checksum-rfc5798-rcvd") >= 20
    });
    let instance = &status["instances"][INSTANCE];
    // It would have taken over after four intervals, had it not understood.
    assert_eq!(instance["state"], "BACKUP", "{status}");
    assert_eq!(instance["master"]["address"], FIRST.to_string(), "{status}");
    assert_eq!(counter(&status, "checksum-rfc9568-rcvd"), 0, "{status}");
    assert_eq!(counter(&status, "master-transitions"), 0, "{status}");
    println!(
        "{} advertisements of keepalived understood",
        counter(&status, "checksum-rfc5798-rcvd")
    );
}
