//! The links between the hosts, and what becomes of a packet on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use vrrp::packet::{Advertisement, TTL};
use vrrp::{Advertise, Instant, InterfaceId, Packet, UnixTime};

use crate::draw::Draw;
use crate::marks::{Mark, Marks};
use crate::plan::{Faults, Plan};

/// A datagram on its way to one host.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) interface: InterfaceId,
    pub(crate) source: IpAddr,
    destination: IpAddr,
    ttl: Option<u8>,
    payload: Arc<[u8]>,
    pub(crate) priority: u8,
    /// No router may accept it.
    pub(crate) noise: bool,
    pub(crate) from: usize,
    pub(crate) sent: Instant,
}

impl Parcel {
    pub(crate) fn new(
        now: Instant,
        from: usize,
        advertise: &Advertise,
        payload: Arc<[u8]>,
        hops: u8,
    ) -> Self {
        Self {
            interface: advertise.interface,
            source: advertise.source,
            destination: advertise.destination,
            ttl: Some(TTL - hops),
            payload,
            priority: advertise.priority,
            noise: false,
            from,
            sent: now,
        }
    }

    /// What a host that reads it at this time of its clock hands over.
    pub(crate) fn packet(&self, at: UnixTime) -> Packet<'_> {
        Packet {
            interface: self.interface,
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            payload: &self.payload,
            at,
        }
    }

    /// Something like it that every router must refuse.
    fn spoiled(&self, draw: &mut Draw, strangers: bool) -> Self {
        if strangers && draw.chance(300) {
            let source = match self.source {
                IpAddr::V4(_) => Ipv4Addr::new(10, 0, 9, 9).into(),
                IpAddr::V6(_) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9).into(),
            };
            return Self {
                source,
                payload: readdressed(&self.payload, self.source, source, self.destination),
                noise: true,
                ..self.clone()
            };
        }
        let mut payload = self.payload.to_vec();
        let mut ttl = self.ttl;
        match draw.number(0..=3) {
            0 => payload.truncate(draw.index(payload.len())),
            1 => payload = draw.bytes(usize::from(draw.clone().number(0..=60))),
            2 => {
                let at = draw.index(payload.len());
                payload[at] ^= draw.number(1..=255);
            }
            _ => ttl = draw.pick(&[None, ttl.map(|ttl| ttl - 1), Some(0)]),
        }
        if Advertisement::parse_signed(&payload, self.source, self.destination).is_ok() {
            ttl = None;
        }
        Self {
            ttl,
            payload: payload.into(),
            noise: true,
            ..self.clone()
        }
    }
}

/// The same advertisement with the checksum that it has from another source.
fn readdressed(payload: &Arc<[u8]>, from: IpAddr, to: IpAddr, destination: IpAddr) -> Arc<[u8]> {
    match Advertisement::parse(payload, from, destination) {
        Ok(advertisement) => advertisement.emit(to, destination).into(),
        Err(_) => Arc::clone(payload),
    }
}

/// Every link.
#[derive(Debug)]
pub(crate) struct Network {
    draw: Draw,
    faults: Faults,
    delay: (Duration, Duration),
    strangers: bool,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    /// By sender and receiver.
    paths: Vec<Vec<Path>>,
    storm: bool,
}

/// The way from one host to another.
#[derive(Clone, Copy, Debug)]
struct Path {
    cut: bool,
    /// When a packet on it was last not there in time.
    disturbed: Instant,
    /// The latest arrival so far.
    latest: Instant,
}

/// Packets of a thousand that a storm swallows.
const STORM: u32 = 800;

impl Network {
    pub(crate) fn new(plan: &Plan, draw: Draw) -> Self {
        let start = Instant::from_nanos(0);
        let path = Path {
            cut: false,
            disturbed: start,
            latest: start,
        };
        let hosts = plan.hosts.len();
        let segment = || Segment {
            paths: vec![vec![path; hosts]; hosts],
            storm: false,
        };
        Self {
            draw,
            faults: plan.faults.clone(),
            delay: plan.calm.delay,
            strangers: plan.strangers,
            segments: (0..plan.segments).map(|_| segment()).collect(),
        }
    }

    /// When which copies of a packet arrive at `to`.
    pub(crate) fn carry(
        &mut self,
        parcel: &Parcel,
        to: usize,
        marks: &mut Marks,
    ) -> Vec<(Instant, Parcel)> {
        let now = parcel.sent;
        let (shortest, longest) = self.delay;
        let segment = &mut self.segments[parcel.interface.0 as usize];
        let path = &mut segment.paths[parcel.from][to];
        let loss = if segment.storm {
            STORM
        } else {
            self.faults.loss
        };
        let mut arrivals = Vec::new();
        if path.cut || self.draw.chance(loss) {
            path.disturbed = now;
            marks.hit(Mark::Lost);
            return arrivals;
        }
        let mut at = now + self.draw.between(shortest, longest);
        if self.draw.chance(self.faults.delayed) {
            path.disturbed = now;
            marks.hit(Mark::Delayed);
            at = at + self.draw.between(Duration::ZERO, self.faults.detour);
        }
        if at < path.latest {
            marks.hit(Mark::Overtaken);
        }
        path.latest = path.latest.max(at);
        arrivals.push((at, parcel.clone()));
        if self.draw.chance(self.faults.doubled) {
            marks.hit(Mark::Doubled);
            let again = at + self.draw.between(Duration::ZERO, self.faults.detour);
            arrivals.push((again, parcel.clone()));
        }
        if self.draw.chance(self.faults.noise) {
            let noise = parcel.spoiled(&mut self.draw, self.strangers);
            arrivals.push((now + self.draw.between(shortest, longest), noise));
        }
        arrivals
    }

    /// Whether the next packet comes back to its sender, and when.
    pub(crate) fn reflect(&mut self, now: Instant, marks: &mut Marks) -> Option<Instant> {
        if !self.draw.chance(self.faults.reflected) {
            return None;
        }
        marks.hit(Mark::Reflected);
        let (shortest, longest) = self.delay;
        Some(now + self.draw.between(shortest, longest))
    }

    /// A packet did not arrive, for a reason that lies with one of the hosts.
    pub(crate) fn disturb(&mut self, now: Instant, segment: InterfaceId, from: usize, to: usize) {
        self.segments[segment.0 as usize].paths[from][to].disturbed = now;
    }

    /// When a packet from one host was last not at the other one in time.
    pub(crate) fn disturbed(&self, segment: InterfaceId, from: usize, to: usize) -> Instant {
        self.segments[segment.0 as usize].paths[from][to].disturbed
    }

    pub(crate) fn cut(&mut self, segment: usize, from: usize, to: usize) {
        self.segments[segment].paths[from][to].cut = true;
    }

    pub(crate) fn storm(&mut self, segment: usize) {
        self.segments[segment].storm = true;
    }

    pub(crate) fn heal(&mut self, segment: usize) {
        let segment = &mut self.segments[segment];
        segment.storm = false;
        for path in segment.paths.iter_mut().flatten() {
            path.cut = false;
        }
    }

    /// From now on every packet arrives, once and in time.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults::none();
        for segment in 0..self.segments.len() {
            self.heal(segment);
        }
    }
}
