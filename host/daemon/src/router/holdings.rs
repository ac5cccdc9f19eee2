//! What each instance wants in the kernel, and what of it the netlink thread has not been told yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use vrrp::InstanceId;
use vrrp_linux::netlink::{Address, Desired, Object, Owner};

/// The objects of every instance that claims them, also where it has none.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    wanted: BTreeMap<InstanceId, Vec<Object>>,
    /// Who wants something else than the netlink thread knows.
    untold: BTreeSet<InstanceId>,
    /// Who claims an address of an interface.
    holders: BTreeMap<(String, IpAddr), InstanceId>,
}

impl Holdings {
    /// From now on an instance wants these objects.
    pub(super) fn claim(&mut self, instance: InstanceId, objects: Vec<Object>) {
        self.forget(instance);
        let keys = objects.iter().filter_map(key);
        self.holders.extend(keys.map(|key| (key, instance)));
        self.wanted.insert(instance, objects);
    }

    /// From now on an instance wants nothing.
    pub(super) fn release(&mut self, instance: InstanceId) {
        self.forget(instance);
    }

    /// Who claims something, and what.
    pub(super) fn iter(&self) -> impl Iterator<Item = (InstanceId, &[Object])> {
        let all = self.wanted.iter();
        all.map(|(instance, objects)| (*instance, objects.as_slice()))
    }

    /// Who claims an address.
    pub(super) fn holder(&self, address: &Address) -> Option<InstanceId> {
        let key = (address.interface.clone(), address.address);
        self.holders.get(&key).copied()
    }

    /// The netlink thread is to be told of an instance again, which is ready now or no longer.
    pub(super) fn tell_again(&mut self, instance: InstanceId) {
        if self.wanted.contains_key(&instance) {
            self.untold.insert(instance);
        }
    }

    /// What the netlink thread has not been told yet, all to be passed on in one go: what moves between two instances stays.
    /// Who is not ready wants nothing for now.
    pub(super) fn take_news(&mut self, is_ready: impl Fn(InstanceId) -> bool) -> Vec<Desired> {
        let untold = std::mem::take(&mut self.untold);
        untold
            .into_iter()
            .map(|instance| Desired {
                owner: Owner(instance.0),
                objects: self
                    .wanted
                    .get(&instance)
                    .filter(|_| is_ready(instance))
                    .cloned()
                    .unwrap_or_default(),
            })
            .collect()
    }

    fn forget(&mut self, instance: InstanceId) {
        let before = self.wanted.remove(&instance).unwrap_or_default();
        for key in before.iter().filter_map(key) {
            // Another instance may have taken it over a moment ago.
            if self.holders.get(&key) == Some(&instance) {
                self.holders.remove(&key);
            }
        }
        self.untold.insert(instance);
    }
}

/// What netlink calls an address by.
fn key(object: &Object) -> Option<(String, IpAddr)> {
    match object {
        Object::Address(address) => Some((address.interface.clone(), address.address)),
        Object::Route(_) | Object::Rule(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId(1);
    const TWO: InstanceId = InstanceId(2);

    fn address(last: u8) -> Address {
        Address {
            interface: "eth0".to_owned(),
            address: [192, 0, 2, last].into(),
            prefix_length: 32,
            label: None,
            scope: 0,
        }
    }

    fn desired(instance: InstanceId, addresses: &[u8]) -> Desired {
        Desired {
            owner: Owner(instance.0),
            objects: objects(addresses),
        }
    }

    fn objects(addresses: &[u8]) -> Vec<Object> {
        addresses.iter().map(|last| address(*last).into()).collect()
    }

    #[test]
    fn the_last_wish_of_a_turn_is_passed_on_once() {
        let mut holdings = Holdings::default();
        holdings.claim(ONE, objects(&[1]));
        holdings.release(ONE);
        holdings.claim(ONE, objects(&[2]));
        assert_eq!(holdings.take_news(|_| true), [desired(ONE, &[2])]);
        assert_eq!(holdings.take_news(|_| true), []);
        assert_eq!(holdings.holder(&address(1)), None);
        holdings.release(ONE);
        assert_eq!(holdings.take_news(|_| true), [desired(ONE, &[])]);
        assert_eq!(holdings.iter().count(), 0);
    }

    #[test]
    fn what_moves_is_told_of_both_at_once_and_is_the_new_ones() {
        for giver_first in [true, false] {
            let mut holdings = Holdings::default();
            holdings.claim(ONE, objects(&[1, 2]));
            holdings.claim(TWO, objects(&[3]));
            holdings.take_news(|_| true);
            let mut moves = [(ONE, [1].as_slice()), (TWO, &[2, 3])];
            if !giver_first {
                moves.reverse();
            }
            for (instance, addresses) in moves {
                holdings.claim(instance, objects(addresses));
            }
            assert_eq!(
                holdings.take_news(|_| true),
                [desired(ONE, &[1]), desired(TWO, &[2, 3])]
            );
            assert_eq!(holdings.holder(&address(1)), Some(ONE));
            assert_eq!(holdings.holder(&address(2)), Some(TWO));
            assert_eq!(holdings.holder(&address(3)), Some(TWO));
        }
    }

    #[test]
    fn who_has_nothing_to_hold_holds_all_the_same() {
        let mut holdings = Holdings::default();
        holdings.claim(ONE, Vec::new());
        assert_eq!(holdings.iter().collect::<Vec<_>>(), [(ONE, &[][..])]);
    }
}
