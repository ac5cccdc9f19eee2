//! Echo requests over real links.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::{Namespace, PATIENCE, is_root};
use vrrp_linux::icmp::{EchoSockets, PingError, Pinger};

const EVERY: Duration = Duration::from_millis(10);

fn pinger(namespace: &Namespace) -> Pinger {
    let sockets = namespace.run(|| EchoSockets::open().unwrap());
    Pinger::start(sockets).unwrap()
}

fn ping(
    pinger: &Pinger,
    address: &str,
    count: u8,
    patience: Duration,
) -> Result<Vec<Option<Duration>>, PingError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let address: IpAddr = address.parse().unwrap();
    runtime.block_on(pinger.ping(address, count, EVERY, patience))
}

#[test]
fn a_neighbour_answers_every_request_in_both_families() {
    if !is_root("a_neighbour_answers_every_request_in_both_families") {
        return;
    }
    let (one, other) = Namespace::pair();
    one.ip("address add 2001:db8::1/64 dev eth0 nodad");
    other.ip("address add 2001:db8::2/64 dev eth0 nodad");
    let pinger = pinger(&one);
    for address in ["172.27.0.2", "2001:db8::2", "127.0.0.1", "::1"] {
        let started = Instant::now();
        let trips = ping(&pinger, address, 5, PATIENCE).unwrap();
        let took = started.elapsed();
        assert_eq!(trips.len(), 5, "{address}");
        for trip in trips {
            let trip = trip.unwrap_or_else(|| panic!("{address} leaves one without an answer"));
            assert!(trip < took, "{address}: {trip:?}");
        }
        // The requests are apart, and the last answer ends the wait.
        assert!((EVERY * 4..PATIENCE).contains(&took), "{address}: {took:?}");
    }
}

#[test]
fn nobody_there_is_no_answer_and_no_way_there_is_an_error() {
    if !is_root("nobody_there_is_no_answer_and_no_way_there_is_an_error") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let pinger = pinger(&one);
    let patience = Duration::from_millis(200);
    let started = Instant::now();
    let trips = ping(&pinger, "172.27.0.9", 3, patience).unwrap();
    assert_eq!(trips, [None, None, None]);
    assert!(started.elapsed() >= patience);
    for address in ["198.51.100.1", "2001:db8::1"] {
        let error = ping(&pinger, address, 1, PATIENCE).unwrap_err();
        assert!(matches!(error, PingError::Unreachable), "{error:?}");
    }
    let error = ping(&pinger, "172.27.0.2", 100, patience).unwrap_err();
    assert!(matches!(error, PingError::TooSlow), "{error:?}");
}

#[test]
fn two_processes_do_not_take_each_others_answers() {
    if !is_root("two_processes_do_not_take_each_others_answers") {
        return;
    }
    let (one, _other) = Namespace::pair();
    // Each gets a copy of what the other's requests bring back.
    let (first, second) = (pinger(&one), pinger(&one));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (neighbour, nobody) = ("172.27.0.2".parse().unwrap(), "172.27.0.9".parse().unwrap());
    let patience = Duration::from_millis(500);
    let (answered, unanswered, again) = runtime.block_on(async {
        tokio::join!(
            first.ping(neighbour, 20, EVERY, PATIENCE),
            second.ping(nobody, 20, EVERY, patience),
            first.ping(nobody, 20, EVERY, patience),
        )
    });
    assert!(answered.unwrap().iter().all(Option::is_some));
    assert!(unanswered.unwrap().iter().all(Option::is_none));
    assert!(again.unwrap().iter().all(Option::is_none));
}
