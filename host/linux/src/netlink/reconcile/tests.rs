use std::time::Duration;

use vrrp::Family;

use super::super::entry::{Hop, KernelRoute, KernelRule, Link};
use super::super::object::{MAIN_TABLE, Mark, Rule};
use super::*;

mod routes;
mod rules;
mod work;

const VIP: &str = "172.27.0.247";

/// A kernel, an owner that notes what it is told, and the reconciler between them.
struct Bench {
    reconciler: Reconciler,
    now: Instant,
    /// What the kernel answers to every request.
    refuse: Option<Errno>,
    /// The kernel agrees to every request and does nothing.
    idle: bool,
    events: Vec<String>,
    /// What the kernel was asked for.
    asked: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            reconciler: Reconciler::new(["eth0".to_owned()]),
            now: Instant::now(),
            refuse: None,
            idle: false,
            events: Vec::new(),
            asked: Vec::new(),
        };
        bench.apply(Change::Link(link(2, "eth0", true)));
        bench.events.clear();
        bench
    }

    fn apply(&mut self, change: Change) {
        self.reconciler.apply(change);
        self.settle();
    }

    fn desire(&mut self, objects: &[impl Clone + Into<Object>]) {
        let objects = objects.iter().cloned().map(Into::into).collect();
        self.desire_as(Owner(1), objects);
    }

    fn desire_as(&mut self, owner: Owner, objects: Vec<Object>) {
        self.reconciler.desire(vec![Desired { owner, objects }]);
        self.settle();
    }

    fn settle(&mut self) {
        self.report();
        while let Some(operation) = self.reconciler.next_operation(self.now) {
            let verb = if operation.adds { "add" } else { "remove" };
            self.asked.push(format!("{verb} {}", operation.object));
            let result = self.refuse.map_or(Ok(()), Err);
            if result.is_ok() && !self.idle {
                self.reconciler.apply(effect_of(&operation));
            }
            self.reconciler.finished(&operation, result, self.now);
            self.report();
        }
    }

    fn report(&mut self) {
        while let Some(event) = self.reconciler.poll_event() {
            let word = |object: &Object, word: &str| match object {
                Object::Address(_) => word.to_owned(),
                Object::Route(_) | Object::Rule(_) => format!("{} {word}", object.kind()),
            };
            self.events.push(match event {
                NetlinkEvent::Link(state) => format!("link {} {:?}", state.up, state.addresses),
                NetlinkEvent::Present {
                    object,
                    restored: false,
                } => word(&object, "present"),
                NetlinkEvent::Present {
                    object,
                    restored: true,
                } => word(&object, "restored"),
                NetlinkEvent::Absent { object } => word(&object, "absent"),
                NetlinkEvent::Kept { object } => word(&object, "kept"),
                NetlinkEvent::Failed { object, error } => {
                    word(&object, &format!("failed {:?}", error.kind()))
                }
                NetlinkEvent::Stopped { .. } => "stopped".to_owned(),
            });
        }
    }

    #[track_caller]
    fn expect(&mut self, events: &[&str]) {
        assert_eq!(self.events, events);
        self.events.clear();
    }

    #[track_caller]
    fn expect_asked(&mut self, requests: &[&str]) {
        assert_eq!(self.asked, requests);
        self.asked.clear();
    }
}

fn effect_of(operation: &Operation) -> Change {
    match (operation.entry.clone(), operation.adds) {
        (Entry::Address(entry), true) => Change::Address(LinkAddress {
            marked: true,
            ..entry
        }),
        (Entry::Address(entry), false) => Change::AddressGone {
            index: entry.index,
            address: entry.address,
            prefix_length: entry.prefix_length,
        },
        (Entry::Route(mut route), true) => {
            for hop in &mut route.hops {
                // The kernel finds an interface where none is given.
                hop.index = hop.index.or(Some(2));
            }
            Change::Route(route)
        }
        (Entry::Route(route), false) => Change::RouteGone(route),
        (Entry::Rule(rule), adds) => {
            let rule = KernelRule { rule, marked: true };
            if adds {
                Change::Rule(rule)
            } else {
                Change::RuleGone(rule)
            }
        }
    }
}

fn link(index: u32, name: &str, up: bool) -> Link {
    Link {
        index,
        name: name.to_owned(),
        enabled: true,
        up,
        carrier: up,
        mtu: 1500,
        mac: Some([2, 0, 0, 0, 0, 1]),
    }
}

fn entry(index: u32, address: IpAddr, prefix_length: u8) -> LinkAddress {
    LinkAddress {
        index,
        address,
        prefix_length,
        label: None,
        scope: 0,
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
        label: None,
        scope: 0,
    }
}

/// Which entry an object has in the copy of the kernel's state.
fn found(bench: &Bench, object: impl Into<Object>) -> Option<Entry> {
    let found = bench.reconciler.view.find(&object.into());
    found.map(Found::into_entry)
}

fn vip_gone() -> Change {
    Change::AddressGone {
        index: 2,
        address: VIP.parse().unwrap(),
        prefix_length: 32,
    }
}

/// Nothing of the kind of `vip`.
const NOTHING: [Object; 0] = [];

#[test]
fn added_and_removed() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.desire(&[vip(32)]);
    bench.expect(&[]);
    bench.desire(&NOTHING);
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
    let Some(Entry::Address(entry)) = found(&bench, vip(32)) else {
        panic!("it is there");
    };
    assert_eq!(entry.index, 7);
}

#[test]
fn released_while_its_interface_is_missing() {
    let mut bench = Bench::new();
    bench.apply(Change::LinkGone { index: 2 });
    bench.desire(&[vip(32)]);
    bench.expect(&["link false []"]);
    bench.desire(&NOTHING);
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
        bench.desire(&NOTHING);
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
    bench.desire(&NOTHING);
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
    bench.desire(&NOTHING);
    bench.expect(&["absent"]);
}

#[test]
fn a_changed_prefix_length_replaces_the_address() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    bench.desire(&[vip(24)]);
    bench.expect(&["absent", "present"]);
    let Some(Entry::Address(entry)) = found(&bench, vip(24)) else {
        panic!("it is there");
    };
    assert_eq!(entry.prefix_length, 24);
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
    bench
        .reconciler
        .replace(vec![Change::Link(link(2, "eth0", true))]);
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

#[test]
fn what_two_owners_desire_stays_until_both_release_it() {
    let mut bench = Bench::new();
    bench.desire_as(Owner(1), vec![vip(32).into()]);
    bench.expect(&["present"]);
    bench.desire_as(Owner(2), vec![vip(32).into()]);
    bench.expect(&["present"]);
    bench.desire_as(Owner(1), Vec::new());
    bench.expect(&[]);
    bench.desire_as(Owner(2), Vec::new());
    bench.expect(&["absent"]);
}

#[test]
fn what_moves_from_one_owner_to_another_stays_in_place() {
    let mut bench = Bench::new();
    bench.desire_as(Owner(1), vec![vip(32).into()]);
    bench.expect(&["present"]);
    bench.asked.clear();
    let desired = |owner, objects| Desired { owner, objects };
    bench.reconciler.desire(vec![
        desired(Owner(1), Vec::new()),
        desired(Owner(2), vec![vip(32).into()]),
    ]);
    bench.settle();
    // The new owner does not know it yet.
    bench.expect(&["present"]);
    bench.expect_asked(&[]);
}

#[test]
fn wanted_again_before_it_was_removed() {
    let mut bench = Bench::new();
    bench.desire(&[vip(32)]);
    bench.expect(&["present"]);
    for objects in [Vec::new(), vec![vip(32).into()]] {
        bench.reconciler.desire(vec![Desired {
            owner: Owner(1),
            objects,
        }]);
    }
    bench.settle();
    // As new to the owner, who may have forgotten it.
    bench.expect(&["present"]);
    bench.desire(&NOTHING);
    bench.expect(&["absent"]);
    bench.expect_asked(&[
        "add 172.27.0.247/32 dev eth0",
        "remove 172.27.0.247/32 dev eth0",
    ]);
}

#[test]
fn another_label_or_scope_replaces_an_address_of_ours_and_no_other() {
    let labelled = Address {
        label: Some("eth0:v".to_owned()),
        ..vip(32)
    };
    let local = Address {
        scope: 254,
        ..vip(32)
    };
    for changed in [labelled, local] {
        let mut bench = Bench::new();
        bench.desire(&[vip(32)]);
        bench.expect(&["present"]);
        bench.desire(std::slice::from_ref(&changed));
        bench.expect(&["absent", "present"]);
        let Some(Entry::Address(entry)) = found(&bench, changed.clone()) else {
            panic!("it is there");
        };
        assert_eq!(
            (entry.label, entry.scope),
            (changed.label.clone(), changed.scope)
        );

        let mut bench = Bench::new();
        bench.apply(Change::Address(entry_of_somebody()));
        bench.events.clear();
        bench.desire(&[changed]);
        bench.expect(&["present"]);
        bench.desire(&NOTHING);
        bench.expect(&["kept"]);
        bench.expect_asked(&[]);
    }
}

fn entry_of_somebody() -> LinkAddress {
    entry(2, VIP.parse().unwrap(), 32)
}

#[test]
fn a_kernel_that_agrees_and_does_nothing_is_not_asked_for_ever() {
    let mut bench = Bench::new();
    bench.idle = true;
    bench.desire(&[vip(32)]);
    bench.expect(&["failed Other"]);
    assert_eq!(bench.asked.len(), usize::from(FRUITLESS_MAX));
    assert_eq!(
        bench.reconciler.retry_at(),
        Some(bench.now + RETRY_INTERVAL)
    );
    bench.idle = false;
    bench.now += RETRY_INTERVAL;
    bench.settle();
    bench.expect(&["present"]);
}

#[test]
fn an_interface_that_is_watched_later_is_reported_once() {
    let mut bench = Bench::new();
    bench.apply(Change::Link(link(3, "eth1", true)));
    bench.expect(&[]);
    for _ in 0..2 {
        bench.reconciler.watch(["eth1".to_owned()]);
        bench.settle();
    }
    bench.expect(&["link true []"]);
    bench.apply(Change::Link(link(3, "eth1", false)));
    bench.expect(&["link false []"]);
}
