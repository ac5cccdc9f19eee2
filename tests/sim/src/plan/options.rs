//! What instances depend on beside their peers and checks: interfaces, and each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use vrrp::{
    GroupId, InstanceConfig, InstanceId, InterfaceId, InterfaceTrack, OnFail, Peers, RouterConfig,
    SyncGroup, VirtualRouterId,
};

use super::Sources;
use crate::draw::Draw;

/// Lets some instances track interfaces, among them perhaps their own with some patience.
pub(super) fn track_interfaces(
    draw: &mut Draw,
    configs: &mut [RouterConfig],
    interfaces: usize,
    unit: Duration,
) {
    let count = configs.iter().map(|config| config.instances.len()).max();
    for position in 0..count.unwrap_or_default() {
        if !draw.chance(400) {
            continue;
        }
        let interfaces = (0..).map(InterfaceId).take(interfaces);
        let weight = draw.weight(1..=120) * draw.pick(&[-1, 1]);
        let elsewhere = draw.pick(&[OnFail::Fault, OnFail::Weight(weight), OnFail::Release]);
        let mut patience = || {
            if draw.chance(400) {
                draw.tenths(unit, 1..=60)
            } else {
                Duration::ZERO
            }
        };
        let (up_delay, down_delay) = (patience(), patience());
        for config in configs.iter_mut() {
            if let Some((_, config)) = config.instances.get_mut(position) {
                let own = config.interface;
                let track = |interface| InterfaceTrack {
                    interface,
                    on_fail: if interface == own {
                        OnFail::Fault
                    } else {
                        elsewhere
                    },
                    up_delay,
                    down_delay,
                };
                config.interfaces = interfaces.clone().map(track).collect();
            }
        }
    }
}

/// Makes a sync group of the first instance of each host and one or two that are like it.
///
/// Members with different priorities are legal, but who is to be Active of two groups that each are better in one member has no
/// answer. An owner is the only one that has an address, and has no use for a group.
pub(super) fn group(draw: &mut Draw, configs: &mut [RouterConfig], segments: usize) {
    let others = u32::from(draw.number(1..=2));
    let elsewhere = draw.chance(700);
    let first = InstanceId(0);
    for config in configs {
        let has_it = config.instances.iter().find(|(id, _)| *id == first);
        let Some((_, mut model)) = has_it.cloned() else {
            config.instances.clear();
            continue;
        };
        model.priority = model.priority.min(HIGHEST);
        // What a link does to one member it does to all.
        for track in &mut model.interfaces {
            track.on_fail = OnFail::Fault;
        }
        config.instances = vec![(first, model.clone())];
        for number in 1..=others {
            let mut other = model.clone();
            if elsewhere {
                let next = (other.interface.0 + number) % u32::try_from(segments).unwrap_or(1);
                other.interface = InterfaceId(next);
            }
            let vrid = 100 + u8::try_from(number).unwrap_or(0);
            other.virtual_router_id = VirtualRouterId(NonZeroU8::MIN.saturating_add(vrid));
            config.instances.push((InstanceId(first.0 + number), other));
        }
        let members = config.instances.iter().map(|(id, _)| *id).collect();
        config.groups = vec![(GroupId(0), SyncGroup { members })];
    }
}

/// The highest priority that is not the owner's.
const HIGHEST: NonZeroU8 = NonZeroU8::new(254).unwrap();

/// Lets every instance speak to the other hosts of its virtual router one by one, which are `hops` routers away.
///
/// A peer that is not there any more, or not yet, is in the list all the same.
pub(super) fn speak_one_by_one(
    draw: &mut Draw,
    configs: &mut [RouterConfig],
    sources: &[Vec<Sources>],
    hops: u8,
) {
    let known_as = draw.chance(500);
    for (host, config) in configs.iter_mut().enumerate() {
        for (_, config) in &mut config.instances {
            let family = Family::of_instance(config);
            let address = |host: &Vec<Sources>| family.first(&host[config.interface.0 as usize]);
            let others = sources.iter().enumerate();
            let others = others.filter(|(other, _)| *other != host);
            config.peers = Peers::Unicast {
                peers: others.map(|(_, sources)| address(sources)).collect(),
                min_ttl: vrrp::packet::TTL - hops,
                // An interface is known by one address, which here is of IPv4.
                source: (known_as && family == Family::V4).then(|| address(&sources[host])),
            };
        }
    }
}

/// Lets every instance accept nobody but the hosts that there are.
pub(super) fn accept_nobody_else(configs: &mut [RouterConfig], sources: &[Vec<Sources>]) {
    for (_, config) in configs.iter_mut().flat_map(|config| &mut config.instances) {
        let family = Family::of_instance(config);
        let of_link = sources
            .iter()
            .map(|host| &host[config.interface.0 as usize]);
        let all = of_link.flat_map(|sources| [family.first(sources), family.second(sources)]);
        config.peers = Peers::Multicast {
            accept_from: all.collect(),
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of_instance(config: &InstanceConfig) -> Self {
        if config.addresses.iter().any(|ours| ours.address.is_ipv6()) {
            Self::V6
        } else {
            Self::V4
        }
    }

    fn first(self, sources: &Sources) -> IpAddr {
        self.of(sources.first)
    }

    fn second(self, sources: &Sources) -> IpAddr {
        self.of(sources.second)
    }

    fn of(self, (ipv4, link_local): (Ipv4Addr, Ipv6Addr)) -> IpAddr {
        match self {
            Self::V4 => ipv4.into(),
            Self::V6 => link_local.into(),
        }
    }
}
