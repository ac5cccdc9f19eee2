//! How the advertisements of peers show that they are configured differently.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::OWNER;
use crate::packet::Advertisement;
use crate::{Difference, InstanceConfig};

/// What was last noticed, so that it is not told again with every advertisement.
///
/// Only one peer is remembered: there is one Active router, and memory must not grow with forged sources.
#[derive(Debug, Default)]
pub(super) struct Differences {
    known: Option<(IpAddr, Vec<Difference>)>,
}

impl Differences {
    /// Takes note of what was seen in an advertisement from `source` and returns what is new of it.
    pub(super) fn news(&mut self, source: IpAddr, seen: Vec<Difference>) -> Vec<Difference> {
        let known = match &self.known {
            Some((peer, known)) if *peer == source => known.as_slice(),
            Some(_) | None => &[],
        };
        let is_news = |seen: &&Difference| !known.iter().any(|known| is_same(known, seen));
        let news = seen.iter().filter(is_news).cloned().collect();
        if !seen.is_empty() {
            self.known = Some((source, seen));
        } else if !known.is_empty() {
            self.known = None;
        }
        news
    }
}

/// Whether there is nothing new in it. The details of a failed authentication are another time in each advertisement.
fn is_same(known: &Difference, seen: &Difference) -> bool {
    match (known, seen) {
        (Difference::Authentication(known), Difference::Authentication(seen)) => {
            known.is_like(*seen)
        }
        (known, seen) => known == seen,
    }
}

/// How the sender of `advertisement` is configured differently than `config`.
pub(super) fn between(config: &InstanceConfig, advertisement: &Advertisement) -> Vec<Difference> {
    let mut differences = Vec::new();
    if advertisement.interval != config.advertisement_interval {
        differences.push(Difference::Interval(advertisement.interval));
    }
    if !lists_the_same(config, &advertisement.addresses) {
        differences.push(Difference::Addresses(advertisement.addresses.clone()));
    }
    if config.priority.get() == OWNER && advertisement.priority == OWNER {
        differences.push(Difference::Owner);
    }
    differences
}

/// The order of addresses means nothing (but for the first over IPv6, which is checked when parsing).
fn lists_the_same(config: &InstanceConfig, theirs: &[IpAddr]) -> bool {
    let ours = || config.addresses.iter().map(|ours| &ours.address);
    ours().eq(theirs)
        || (ours().len() == theirs.len() && ours().all(|address| theirs.contains(address)))
}
