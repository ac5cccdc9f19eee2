//! Every input that the fuzzers kept, again.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::mem::{Discriminant, discriminant};
use std::path::Path;

use vrrp::{Action, Discard, Reason, State, Version};

/// The inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn packets() {
    let mut read = BTreeSet::new();
    let mut refused: Vec<Discriminant<Discard>> = Vec::new();
    for input in corpus("packets") {
        match fuzz::packets(&input) {
            Some(Ok(advertisement)) => {
                let ipv4 = advertisement
                    .addresses
                    .iter()
                    .all(std::net::IpAddr::is_ipv4);
                read.insert((advertisement.version == Version::V3, ipv4));
            }
            Some(Err(discard)) if !refused.contains(&discriminant(&discard)) => {
                refused.push(discriminant(&discard));
            }
            Some(Err(_)) | None => {}
        }
    }
    assert_eq!(read.len(), 3, "v2, v3 over IPv4 and over IPv6: {read:?}");
    // All but those that need a TTL, a configuration or an own address.
    assert_eq!(refused.len(), 8, "{refused:?}");
}

#[test]
fn events() {
    let mut states = BTreeSet::new();
    let mut reasons: Vec<Discriminant<Reason>> = Vec::new();
    for input in corpus("events") {
        for action in fuzz::events(&input) {
            if let Action::StateChanged(transition) = action {
                states.insert(transition.after);
                let reason = discriminant(&transition.reason);
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
    }
    assert!(
        states.contains(&State::Active) && states.contains(&State::Fault),
        "{states:?}"
    );
    assert!(
        reasons.len() >= 12,
        "{} reasons: {reasons:?}",
        reasons.len()
    );
}
