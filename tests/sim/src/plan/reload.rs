//! What is different when a host reads its configuration again. The file is the same on all hosts, but they do not read it
//! at the same moment, and somebody may have edited one of them only.

use std::fmt;
use std::num::NonZeroU8;

use vrrp::{InstanceId, Version};

use super::{Plan, change_key};
use crate::draw::Draw;

/// What a host reads that is new to it.
#[derive(Debug, Default)]
pub(crate) struct Change {
    priority: Option<NonZeroU8>,
    interval: bool,
    preempt: bool,
    addresses: bool,
    gone: Option<InstanceId>,
    back: Option<InstanceId>,
}

impl Change {
    /// Changes the plan of a host.
    pub(crate) fn draw(draw: &mut Draw, plan: &mut Plan, host: usize) -> Self {
        let mut change = Self {
            priority: draw
                .chance(500)
                .then(|| NonZeroU8::MIN.saturating_add(draw.number(0..=253))),
            interval: draw.chance(150),
            preempt: draw.chance(100),
            addresses: draw.chance(150),
            ..Self::default()
        };
        let unit = plan.unit;
        let host = &mut plan.hosts[host];
        // The members of a group are alike.
        let interval = unit * draw.pick(&[1, 2]);
        for (id, config) in &mut host.config.instances {
            // The owner is the one that has the address.
            let priority = change
                .priority
                .filter(|_| config.priority != NonZeroU8::MAX);
            config.priority = priority.unwrap_or(config.priority);
            // In version 2, routers with different intervals do not hear each other.
            if change.interval && config.version == Version::V3 {
                config.advertisement_interval = interval;
                let longest = plan.longest.entry(*id).or_default();
                *longest = interval.max(*longest);
            }
            if change.preempt {
                config.preempt ^= true;
            }
            if change.addresses && config.addresses.len() > 1 {
                config.addresses.pop();
            } else if change.addresses {
                let mut another = config.addresses[0];
                another.address = next(another.address);
                config.addresses.push(another);
            }
            change_key(draw, &mut config.authentication);
        }
        if host.config.groups.is_empty() {
            if draw.chance(100) && !host.config.instances.is_empty() {
                let index = draw.index(host.config.instances.len());
                let gone = host.config.instances.remove(index);
                change.gone = Some(gone.0);
                host.shelf.push(gone);
            } else if draw.chance(500)
                && let Some(back) = host.shelf.pop()
            {
                change.back = Some(back.0);
                host.config.instances.push(back);
            }
        }
        change
    }

    pub(crate) fn comes_or_goes(&self) -> bool {
        self.gone.is_some() || self.back.is_some()
    }
}

/// An address that no instance has.
fn next(address: std::net::IpAddr) -> std::net::IpAddr {
    match address {
        std::net::IpAddr::V4(address) => {
            std::net::Ipv4Addr::from_bits(address.to_bits() + 50).into()
        }
        std::net::IpAddr::V6(address) => {
            std::net::Ipv6Addr::from_bits(address.to_bits() + 0x50).into()
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
