use std::time::Duration;

use super::*;

const VIP: &str = "172.27.0.247";

/// A kernel with addresses, an owner that notes what it is told, and the reconciler between them.
struct Bench {
    reconciler: Reconciler,
    now: Instant,
    /// What the kernel answers to every request.
    refuse: Option<Errno>,
    events: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            reconciler: Reconciler::new(["eth0".to_owned()]),
            now: Instant::now(),
            refuse: None,
            events: Vec::new(),
        };
        bench.apply(Change::Link(link(2, "eth0", true)));
        bench.events.clear();
        bench
    }

    fn apply(&mut self, change: Change) {
        self.reconciler.apply(change);
        self.settle();
    }

    fn desire(&mut self, addresses: &[Address]) {
        self.reconciler.set_desired(addresses.to_vec());
        self.settle();
    }

    fn settle(&mut self) {
        self.report();
        while let Some(operation) = self.reconciler.next_operation(self.now) {
            let result = self.refuse.map_or(Ok(()), Err);
            if result.is_ok() {
                self.reconciler.apply(effect_of(&operation));
            }
            self.reconciler.finished(&operation, result, self.now);
            self.report();
        }
    }

    fn report(&mut self) {
        while let Some(event) = self.reconciler.poll_event() {
            self.events.push(match event {
                NetlinkEvent::Link(state) => format!("link {} {:?}", state.up, state.addresses),
                NetlinkEvent::AddressPresent {
                    restored: false, ..
                } => "present".to_owned(),
                NetlinkEvent::AddressPresent { restored: true, .. } => "restored".to_owned(),
                NetlinkEvent::AddressAbsent { .. } => "absent".to_owned(),
                NetlinkEvent::AddressKept { .. } => "kept".to_owned(),
                NetlinkEvent::AddressFailed { error, .. } => format!("failed {:?}", error.kind()),
                NetlinkEvent::Stopped { .. } => "stopped".to_owned(),
            });
        }
    }

    #[track_caller]
    fn expect(&mut self, events: &[&str]) {
        assert_eq!(self.events, events);
        self.events.clear();
    }
}

fn effect_of(operation: &Operation) -> Change {
    match *operation {
        Operation::Add {
            index,
            address,
            prefix_length,
        } => Change::Address(LinkAddress {
            marked: true,
            ..entry(index, address, prefix_length)
        }),
        Operation::Remove {
            index,
            address,
            prefix_length,
        } => Change::AddressGone {
            index,
            address,
            prefix_length,
        },
    }
}

fn link(index: u32, name: &str, up: bool) -> Link {
    Link {
        index,
        name: name.to_owned(),
        up,
        mac: Some([2, 0, 0, 0, 0, 1]),
    }
}

fn entry(index: u32, address: IpAddr, prefix_length: u8) -> LinkAddress {
    LinkAddress {
        index,
        address,
        prefix_length,
        marked: false,
        secondary: false,
        tentative: false,
    }
}

fn vip(prefix_length: u8) -> Address {
    Address {
        interface: "eth0".to_owned(),
        address: VIP.parse().unwrap(),
        prefix_length,
    }
}

fn vip_gone() -> Change {
    Change::AddressGone {
        index: 2,
        address: VIP.parse().unwrap(),
        prefix_length: 32,
    }
}

#[test]
fn added_and_removed() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.desire(&[vip(32)]);
    bench.expect(&[]);
    bench.desire(&[]);
    bench.expect(&["absent"]);
    assert!(bench.reconciler.managed.is_empty());
}

#[test]
fn put_back_when_somebody_deletes_it() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.apply(vip_gone());
    bench.expect(&["restored"]);
}

#[test]
fn absent_without_its_interface_and_restored_with_the_next() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.apply(Change::LinkGone { index: 2 });
    bench.expect(&["link false []", "absent"]);
    bench.apply(Change::Link(link(7, "eth0", false)));
    bench.expect(&["link false []", "restored"]);
    assert_eq!(bench.reconciler.find(&vip(32)).unwrap().index, 7);
}

#[test]
fn released_while_its_interface_is_missing() {
    let mut bench = Bench::new();
    bench.apply(Change::LinkGone { index: 2 });
    bench.desire(&[vip(32)]);
    bench.expect(&["link false []"]);
    bench.desire(&[]);
    bench.expect(&["absent"]);
}

#[test]
fn the_administrators_address_is_kept_whatever_its_prefix() {
    for prefix_length in [24, 32] {
        let mut bench = Bench::new();
        bench.apply(Change::Address(entry(
            2,
            VIP.parse().unwrap(),
            prefix_length,
        )));
        bench.events.clear();
        bench.desire(&[vip(32)]);
        bench.expect(&["present"]);
        bench.desire(&[]);
        bench.expect(&["kept"]);
        assert!(bench.reconciler.managed.is_empty());
    }
}

#[test]
fn a_marked_address_is_adopted_and_removed() {
    let mut bench = Bench::new();
    let left_over = LinkAddress {
        marked: true,
        ..entry(2, VIP.parse().unwrap(), 32)
    };
    bench.apply(Change::Address(left_over));
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.desire(&[]);
    bench.expect(&["absent"]);
}

#[test]
fn removed_without_the_mark_where_the_kernel_keeps_none() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    // The same entry, as a kernel before 5.18 would show it.
    bench.apply(Change::Address(entry(2, VIP.parse().unwrap(), 32)));
    bench.expect(&[]);
    bench.desire(&[]);
    bench.expect(&["absent"]);
}

#[test]
fn a_changed_prefix_length_replaces_the_address() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.desire(&[vip(24)]);
    bench.expect(&["absent", "present"]);
    assert_eq!(bench.reconciler.find(&vip(24)).unwrap().prefix_length, 24);
}

#[test]
fn refusal_is_reported_once_and_tried_again() {
    let mut bench = Bench::new();
    bench.refuse = Some(Errno::PERM);
    bench.desire(&[vip(32)]);
    bench.expect(&["failed PermissionDenied"]);
    assert_eq!(
        bench.reconciler.retry_at(),
        Some(bench.now + RETRY_INTERVAL)
    );
    bench.settle();
    bench.expect(&[]);

    bench.now += RETRY_INTERVAL;
    bench.settle();
    bench.expect(&[]);
    assert_eq!(
        bench.reconciler.retry_at(),
        Some(bench.now + RETRY_INTERVAL)
    );

    bench.refuse = None;
    bench.now += RETRY_INTERVAL - Duration::from_nanos(1);
    bench.settle();
    bench.expect(&[]);
    bench.now += Duration::from_nanos(1);
    bench.settle();
    bench.expect(&["present"]);
    assert_eq!(bench.reconciler.retry_at(), None);
}

#[test]
fn a_change_of_the_interface_ends_the_wait() {
    let mut bench = Bench::new();
    bench.refuse = Some(Errno::ACCESS);
    bench.desire(&[vip(32)]);
    bench.refuse = None;
    bench.apply(Change::Link(link(2, "eth0", false)));
    bench.expect(&["failed PermissionDenied", "link false []", "present"]);
}

#[test]
fn nothing_is_retried_without_an_interface() {
    let mut bench = Bench::new();
    bench.refuse = Some(Errno::ACCESS);
    bench.desire(&[vip(32)]);
    bench.apply(Change::LinkGone { index: 2 });
    assert_eq!(bench.reconciler.retry_at(), None);
}

#[test]
fn a_full_view_restores_what_was_lost_unseen() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.reconciler.replace(Snapshot {
        links: vec![link(2, "eth0", true)],
        addresses: Vec::new(),
    });
    bench.settle();
    bench.expect(&["restored"]);
}

#[test]
fn links_show_the_addresses_that_are_not_ours_with_primaries_first() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.events.clear();
    let second: IpAddr = "172.27.0.9".parse().unwrap();
    bench.apply(Change::Address(LinkAddress {
        secondary: true,
        ..entry(2, second, 24)
    }));
    bench.apply(Change::Address(entry(2, "172.27.0.1".parse().unwrap(), 24)));
    let tentative: IpAddr = "fe80::1".parse().unwrap();
    bench.apply(Change::Address(LinkAddress {
        tentative: true,
        ..entry(2, tentative, 64)
    }));
    bench.apply(Change::Address(entry(2, tentative, 64)));
    bench.expect(&[
        "link true [(172.27.0.9, 24)]",
        "link true [(172.27.0.1, 24), (172.27.0.9, 24)]",
        "link true [(172.27.0.1, 24), (fe80::1, 64), (172.27.0.9, 24)]",
    ]);
}

#[test]
fn a_renamed_interface_is_another_one() {
    let mut bench = Bench::new();
    bench.apply(Change::Link(link(2, "lan0", true)));
    bench.expect(&["link false []"]);
}
