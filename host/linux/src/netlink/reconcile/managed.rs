//! What is known of one object.

use std::io;
use std::time::Instant;

use rustix::io::Errno;

use crate::netlink::NetlinkEvent;
use crate::netlink::object::Object;

/// The order of operations. Removal comes first: an IPv6 address whose prefix length changes cannot be there twice. Routes need
/// addresses, as source and to reach the next router, and a rule is of no use before its table is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    RemoveRule,
    RemoveRoute,
    RemoveAddress,
    AddAddress,
    AddRoute,
    AddRule,
}

/// An object that is desired, or released and not yet reported gone.
#[derive(Debug, Default)]
pub(super) struct Managed {
    /// How many owners want it.
    pub(super) owners: usize,
    /// The kernel has it, at the last look.
    pub(super) present: bool,
    /// What the kernel has was added by this program.
    pub(super) ours: bool,
    /// Something of this program is where it should be, at the last look.
    pub(super) in_the_way: bool,
    /// The kernel could have it, at the last look.
    pub(super) allowed: bool,
    /// Added by this reconciler and not missing since; tells an address from the administrator's where the kernel keeps no mark.
    pub(super) added: bool,
    /// What the owner was told last.
    pub(super) reported_present: bool,
    /// It was reported present since it is desired.
    pub(super) ever_present: bool,
    /// It went missing after it was reported present.
    pub(super) lost: bool,
    /// Operations in a row that the kernel did without an effect.
    pub(super) fruitless: u8,
    pub(super) refused: Option<Refused>,
    pub(super) queued: Option<Queued>,
}

#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// `None`: as soon as possible.
    pub(super) retry_at: Option<Instant>,
    pub(super) reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Error(Errno),
    NoEffect,
}

/// Which queue an object is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Due(Stage),
    Waiting(Instant),
}

impl Managed {
    pub(super) fn is_wanted(&self) -> bool {
        self.owners > 0
    }

    /// It is not wanted, and nothing of it is left to remove.
    pub(super) fn is_released(&self) -> bool {
        let is_left = self.present && self.ours;
        !(self.is_wanted() || is_left)
    }

    pub(super) fn to_do(&self, object: &Object) -> Option<Stage> {
        let (add, remove) = match object {
            Object::Address(_) => (Stage::AddAddress, Stage::RemoveAddress),
            Object::Route(_) => (Stage::AddRoute, Stage::RemoveRoute),
            Object::Rule(_) => (Stage::AddRule, Stage::RemoveRule),
        };
        if self.is_wanted() {
            let missing = !self.present && self.allowed;
            missing.then_some(if self.in_the_way { remove } else { add })
        } else {
            (self.present && self.ours).then_some(remove)
        }
    }

    pub(super) fn report(&mut self, object: &Object) -> Option<NetlinkEvent> {
        let object = object.clone();
        if self.is_wanted() && self.present {
            if self.reported_present && !self.lost {
                return None;
            }
            self.reported_present = true;
            self.lost = false;
            let restored = std::mem::replace(&mut self.ever_present, true);
            return Some(NetlinkEvent::Present { object, restored });
        }
        if self.is_released() {
            return Some(if self.present {
                NetlinkEvent::Kept { object }
            } else {
                NetlinkEvent::Absent { object }
            });
        }
        if let Some(refused) = &mut self.refused
            && !refused.reported
        {
            refused.reported = true;
            self.reported_present = self.present;
            let error = match refused.refusal {
                Refusal::Error(errno) => io::Error::from(errno),
                Refusal::NoEffect => io::Error::other("the kernel agreed and did nothing"),
            };
            return Some(NetlinkEvent::Failed { object, error });
        }
        // One that can be put back will be before anybody needs to know that it was gone.
        if self.is_wanted() && self.reported_present && !self.allowed {
            self.reported_present = false;
            return Some(NetlinkEvent::Absent { object });
        }
        None
    }
}
