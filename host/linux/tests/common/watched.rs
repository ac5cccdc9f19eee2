//! A netlink thread, and the events that a test has not asked for yet.

use std::time::Instant;

use vrrp_linux::netlink::{Desired, LinkState, NetlinkEvent, NetlinkThread, Object, Owner};

use super::objects::address;
use super::{Namespace, PATIENCE, readable};

/// A netlink thread, for one owner where none is named.
pub struct Watched {
    thread: NetlinkThread,
}

impl Watched {
    pub fn spawn(namespace: &Namespace, interfaces: &[&str]) -> Self {
        let interfaces = interfaces.iter().map(|&name| name.to_owned()).collect();
        let thread = namespace.run(|| NetlinkThread::spawn(interfaces).unwrap());
        Self { thread }
    }

    pub fn desire(&self, objects: &[impl Clone + Into<Object>]) {
        self.desire_as(1, objects.iter().cloned().map(Into::into).collect());
    }

    pub fn desire_as(&self, owner: u32, objects: Vec<Object>) {
        let owner = Owner(owner);
        self.thread.desire(vec![Desired { owner, objects }]);
    }

    pub fn desire_addresses(&self, addresses: &[&str]) {
        let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
        self.desire(&addresses);
    }

    /// The next event that matters; those before it do not.
    #[track_caller]
    pub fn next(&self, matters: impl Fn(&NetlinkEvent) -> bool) -> NetlinkEvent {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            while let Some(event) = self.thread.try_recv() {
                assert!(!matches!(event, NetlinkEvent::Stopped { .. }), "{event:?}");
                if matters(&event) {
                    return event;
                }
                others.push(event);
            }
            assert!(
                readable(&self.thread, deadline),
                "it did not happen, but {others:?}"
            );
        }
    }

    #[track_caller]
    pub fn next_link(&self) -> LinkState {
        self.next_link_that(|_| true)
    }

    #[track_caller]
    pub fn next_link_that(&self, matters: impl Fn(&LinkState) -> bool) -> LinkState {
        let event = self.next(|event| matches!(event, NetlinkEvent::Link(link) if matters(link)));
        let NetlinkEvent::Link(link) = event else {
            unreachable!("it was asked for");
        };
        link
    }

    /// What it is, and whether it was restored.
    #[track_caller]
    pub fn next_present(&self) -> (String, bool) {
        let event = self.next(|event| !matches!(event, NetlinkEvent::Link(_)));
        let NetlinkEvent::Present { object, restored } = event else {
            panic!("{event:?}");
        };
        (object.to_string(), restored)
    }

    #[track_caller]
    pub fn next_absent(&self) -> String {
        let event = self.next(|event| !matches!(event, NetlinkEvent::Link(_)));
        let NetlinkEvent::Absent { object } = event else {
            panic!("{event:?}");
        };
        object.to_string()
    }
}
