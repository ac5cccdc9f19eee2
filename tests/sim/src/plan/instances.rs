//! The virtual routers of all hosts. A new option of [`InstanceConfig`] is drawn here, or in `options`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use vrrp::{
    AnnounceConfig, ChecksumForm, InstanceConfig, InstanceId, InterfaceId, OnFail, Peers,
    RouterConfig, Track, Version, VirtualAddress, VirtualRouterId,
};

use super::{Calm, CheckPlan, authentication};
use crate::draw::Draw;

/// How the priorities of the hosts relate.
#[derive(Clone, Copy, Debug)]
enum Priorities {
    Distinct,
    Equal,
    /// All near the same one, so that some are equal and some are not.
    Near,
    /// The lowest and the highest that a Backup may have.
    Extreme,
    /// One owner, or several, which is a mistake.
    Owners,
}

/// Whether a better router takes over from a living one.
#[derive(Clone, Copy, Debug)]
enum Preemption {
    Always,
    Never,
    /// Differs from host to host.
    Mixed,
}

/// The configuration of each host. The same file is on all of them, but for what is said by node.
pub(super) fn draw(
    draw: &mut Draw,
    hosts: usize,
    segments: usize,
    unit: Duration,
    calm: &Calm,
    checks: &[CheckPlan],
) -> Vec<RouterConfig> {
    let checks = checks
        .iter()
        .map(|check| (check.id, check.config))
        .collect();
    let empty = RouterConfig {
        checks,
        instances: Vec::new(),
        groups: Vec::new(),
    };
    let mut configs = vec![empty; hosts];
    let count = draw.pick(&[1, 1, 1, 2, 3]);
    // One VRID for all is as legal as one for each: they differ in link or family.
    let shared = draw.chance(200);
    let mut taken = Vec::new();
    for id in 0..count {
        let segment = u32::from(draw.number(0..=1)) % u32::try_from(segments).unwrap_or(1);
        let ipv6 = draw.chance(300);
        let number = if shared { 7 } else { 10 + id };
        if taken.contains(&(segment, ipv6, number)) {
            continue;
        }
        taken.push((segment, ipv6, number));
        let virtual_router = VirtualRouter {
            id: InstanceId(id.into()),
            interface: InterfaceId(segment),
            number: VirtualRouterId(NonZeroU8::new(number).expect("not 0")),
            ipv6,
        };
        virtual_router.draw(draw, &mut configs, unit, calm);
    }
    configs
}

/// What must be the same on all hosts, or they would not be one virtual router.
struct VirtualRouter {
    id: InstanceId,
    interface: InterfaceId,
    number: VirtualRouterId,
    ipv6: bool,
}

impl VirtualRouter {
    fn draw(&self, draw: &mut Draw, configs: &mut [RouterConfig], unit: Duration, calm: &Calm) {
        let whole_seconds = unit.subsec_nanos() == 0;
        let version = if whole_seconds && !self.ipv6 && draw.chance(400) {
            Version::V2
        } else {
            Version::V3
        };
        let priorities = draw.pick(&[
            Priorities::Distinct,
            Priorities::Distinct,
            Priorities::Equal,
            Priorities::Near,
            Priorities::Extreme,
            Priorities::Owners,
        ]);
        let preemption = draw.pick(&[
            Preemption::Always,
            Preemption::Always,
            Preemption::Never,
            Preemption::Mixed,
        ]);
        let interval = unit * draw.pick(&[1, 1, 1, 2, 3]);
        // Legal in v3 only, where a Backup learns the Active router's interval (RFC 9568 §6.1).
        let mixed_intervals = version == Version::V3 && draw.chance(150);
        let down_after = down_after(draw, calm, unit);
        let addresses = self.addresses(draw.number(1..=3));
        let announce = AnnounceConfig {
            repeat: NonZeroU8::new(draw.number(1..=3)).expect("not 0"),
            delay: unit * u32::from(draw.number(0..=3)),
            ..AnnounceConfig::default()
        };
        let mut sometimes = |longest| {
            if draw.chance(250) {
                draw.tenths(unit, 1..=longest)
            } else {
                Duration::ZERO
            }
        };
        let (start_delay, preempt_delay) = (sometimes(100), sometimes(100));
        // Only where more advertisements may be missed than a shorter interval than the real one makes them.
        let forgets_long_ones = mixed_intervals && down_after.get() >= 3 && draw.chance(300);
        let longest_learned = if forgets_long_ones {
            unit * 2
        } else {
            Duration::from_millis(40_950)
        };
        let init_grace = unit * u32::from(draw.number(1..=6));
        let tracks = tracks(
            draw,
            &configs[0]
                .checks
                .iter()
                .map(|(id, _)| *id)
                .collect::<Vec<_>>(),
        );
        let scheme = authentication::Scheme::draw(draw, version);
        let base = draw.number(2..=200);

        let absent = draw.chance(150).then(|| draw.index(configs.len()));
        for (host, config) in configs.iter_mut().enumerate() {
            if absent == Some(host) {
                continue;
            }
            let step = u8::try_from(host).unwrap_or(0);
            let priority = match priorities {
                Priorities::Distinct => draw.number(0..=9) + 10 * step + base / 2,
                Priorities::Equal => base,
                Priorities::Near => base + draw.number(0..=2),
                Priorities::Extreme => draw.pick(&[1, 254]),
                Priorities::Owners => draw.pick(&[255, 254, base]),
            };
            let advertisement_interval = if mixed_intervals {
                unit * draw.pick(&[1, 2, 4])
            } else {
                interval
            };
            let instance = InstanceConfig {
                interface: self.interface,
                virtual_router_id: self.number,
                version,
                priority: NonZeroU8::new(priority).unwrap_or(NonZeroU8::MIN),
                advertisement_interval,
                max_learned_interval: longest_learned.max(advertisement_interval),
                peers: Peers::ANYBODY,
                checksum: draw.pick(&[ChecksumForm::Rfc9568, ChecksumForm::Rfc5798]),
                authentication: scheme.on_a_host(draw, advertisement_interval),
                addresses: addresses.clone(),
                excluded: Vec::new(),
                preempt: match preemption {
                    Preemption::Always => true,
                    Preemption::Never => false,
                    Preemption::Mixed => draw.chance(500),
                },
                preempt_delay,
                start_delay,
                down_after,
                init_grace,
                announce,
                tracks: tracks.clone(),
                interfaces: Vec::new(),
            };
            config.instances.push((self.id, instance));
        }
    }

    fn addresses(&self, count: u8) -> Vec<VirtualAddress> {
        let number = self.number.0.get();
        let address = |n: u8| -> IpAddr {
            if self.ipv6 {
                let group = if n == 0 { 0xfe80 } else { 0x2001 };
                Ipv6Addr::new(group, 0, 0, 0, 0, 0, number.into(), 0x100 + u16::from(n)).into()
            } else {
                Ipv4Addr::new(10, 9, number, 100 + n).into()
            }
        };
        let with_prefix = |address: IpAddr| VirtualAddress {
            address,
            prefix_length: if self.ipv6 { 128 } else { 32 },
        };
        (0..count).map(address).map(with_prefix).collect()
    }
}

/// With one missed advertisement nothing but Skew_Time keeps a Backup quiet, which for an owner is 1/256 of an
/// interval, and of a second in v2: only a world that is more punctual than that can be held to its promises.
fn down_after(draw: &mut Draw, calm: &Calm, unit: Duration) -> NonZeroU8 {
    let shortest_skew = unit.min(Duration::from_secs(1)) / 256;
    let least = if calm.reaction() < shortest_skew {
        1
    } else {
        2
    };
    let missed = draw.pick(&[3, 3, 3, 2, 5, least]);
    NonZeroU8::new(missed).expect("not 0")
}

fn tracks(draw: &mut Draw, checks: &[vrrp::CheckId]) -> Vec<Track> {
    let mut tracks = Vec::new();
    for &check in checks {
        if draw.chance(700) {
            let weight = draw.weight(1..=120) * draw.pick(&[-1, -1, 1]);
            let on_fail = draw.pick(&[OnFail::Fault, OnFail::Weight(weight), OnFail::Release]);
            tracks.push(Track { check, on_fail });
        }
    }
    tracks
}
