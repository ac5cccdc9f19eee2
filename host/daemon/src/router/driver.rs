//! The loop around the core: wait, read the clock once, feed what happened, perform what is to be done.

mod open;
mod perform;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, error, trace, warn};
use vrrp::{AddressChange, Event, InstanceId, Instant, InterfaceId, Link, Packet, Router};
use vrrp_linux::clock;
use vrrp_linux::netlink::{NetlinkEvent, NetlinkThread, Object};

use self::open::{Parts, prepare_process};
use super::interfaces::Interfaces;
use super::setup::Setup;
use super::status;
use crate::ipc::{Channel, FromRouter, Outbox, RecvError, StartFailure, ToRouter};

/// Events of one source that are fed before the others get their turn.
const BATCH: usize = 64;
/// Room for an IPv4 datagram; VRRP messages have at most 255 addresses.
const DATAGRAM: usize = 2048;
/// How long a stopping router waits for the kernel to confirm that its addresses, routes and rules are gone.
const RELEASE_GRACE: Duration = Duration::from_secs(2);

/// The router at work.
#[derive(Debug)]
pub(super) struct Driver {
    setup: Setup,
    core: Router,
    interfaces: Interfaces,
    netlink: NetlinkThread,
    /// Which instance claims an address of an interface.
    holders: BTreeMap<(String, IpAddr), InstanceId>,
    /// From where each instance last advertised; the first advertisement precedes the claim.
    sources: BTreeMap<InstanceId, IpAddr>,
    /// Addresses, routes and rules that the kernel still has for us.
    configured: BTreeSet<Object>,
    channel: Channel,
    outbox: Outbox,
    terminate: UnixStream,
    /// Since when it has been giving everything away, and whether the supervisor is there to be told.
    stopping: Option<Instant>,
    supervised: bool,
}

impl Driver {
    /// Opens everything; on failure the channel comes back, so that the supervisor can be told.
    pub(super) fn start(channel: Channel, setup: Setup) -> Result<Self, (Channel, StartFailure)> {
        match Parts::open(&setup) {
            Ok(Parts {
                core,
                interfaces,
                netlink,
                terminate,
            }) => Ok(Self {
                setup,
                core,
                interfaces,
                netlink,
                holders: BTreeMap::new(),
                sources: BTreeMap::new(),
                configured: BTreeSet::new(),
                channel,
                outbox: Outbox::default(),
                terminate,
                stopping: None,
                supervised: true,
            }),
            Err(failure) => Err((channel, failure)),
        }
    }

    /// Runs until everything is given away.
    pub(super) fn run(mut self) -> io::Result<()> {
        prepare_process();
        self.tell(&FromRouter::Started);
        self.core.handle(clock::now(), Event::Startup);
        self.perform(clock::now());
        while !self.finished() {
            self.wait()?;
            let now = clock::now();
            // What has already arrived goes before what is due: after a stall of ours, the
            // advertisement that waits in the socket proves that the Active router lives.
            self.read_packets(now);
            self.read_netlink(now);
            self.read_channel(now);
            self.read_signals(now);
            self.core.handle_timeout(now);
            self.perform(now);
            self.flush();
        }
        self.tell(&FromRouter::Stopped);
        Ok(())
    }

    fn finished(&self) -> bool {
        self.stopping.is_some_and(|since| {
            self.configured.is_empty() || clock::now() >= since + RELEASE_GRACE
        })
    }

    fn wait(&self) -> io::Result<()> {
        let mut sources = vec![
            PollFd::new(&self.netlink, PollFlags::IN),
            PollFd::new(&self.terminate, PollFlags::IN),
        ];
        if self.supervised {
            let writable = if self.outbox.is_waiting() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            sources.push(PollFd::new(&self.channel, PollFlags::IN | writable));
        }
        for (_, interface) in self.interfaces.iter() {
            if let Some(socket) = &interface.socket {
                sources.push(PollFd::new(socket, PollFlags::IN));
            }
        }
        let timeout = self.next_wake_up().map(|at| {
            let left = at.saturating_duration_since(clock::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_wake_up(&self) -> Option<Instant> {
        let due = self.core.poll_timeout().map(|deadline| deadline.at);
        let give_up = self.stopping.map(|since| since + RELEASE_GRACE);
        due.into_iter().chain(give_up).min()
    }

    fn read_packets(&mut self, now: Instant) {
        let mut buffer = [0; DATAGRAM];
        for (id, interface) in self.interfaces.iter() {
            let Some(socket) = &interface.socket else {
                continue;
            };
            for _ in 0..BATCH {
                match socket.recv(&mut buffer) {
                    Ok(Some(received)) => {
                        trace!(interface = interface.name, source = %received.source, bytes = received.payload.len(), "received");
                        self.core.handle(
                            now,
                            Event::Packet(Packet {
                                interface: id,
                                source: received.source,
                                destination: received.destination,
                                ttl: received.ttl,
                                payload: received.payload,
                            }),
                        );
                    }
                    Ok(None) => break,
                    Err(error) => {
                        // The interface went away or down; netlink tells in its own words.
                        debug!(interface = interface.name, %error, "receiving failed");
                        break;
                    }
                }
            }
        }
    }

    fn read_netlink(&mut self, now: Instant) {
        for _ in 0..BATCH {
            match self.netlink.try_recv() {
                Some(NetlinkEvent::Link(link)) => {
                    let Some(id) = self.interfaces.find(&link.interface) else {
                        continue;
                    };
                    if let Err(error) = self.interfaces.update(id, &link) {
                        error!(interface = link.interface, %error, "cannot speak VRRP on the interface");
                    }
                    if self.interfaces.get(id).is_some_and(|found| found.speaks) {
                        self.core.handle(now, Event::Link(link_event(id, &link)));
                    }
                }
                Some(NetlinkEvent::Present { object, restored }) => {
                    if restored {
                        warn!("the {} {object} was gone; it is back", object.kind());
                    }
                    self.object_changed(now, &object, true);
                    self.configured.insert(object);
                }
                Some(NetlinkEvent::Absent { object }) => {
                    self.configured.remove(&object);
                    self.object_changed(now, &object, false);
                }
                Some(NetlinkEvent::Kept { object }) => {
                    let kind = object.kind();
                    warn!("the {kind} {object} stays: it was there before vrrp-host");
                    self.configured.remove(&object);
                }
                Some(NetlinkEvent::Failed { object, error }) => {
                    let kind = object.kind();
                    if matches!(object, Object::Route(_))
                        && error.kind() == io::ErrorKind::AlreadyExists
                    {
                        error!(
                            "the route {object} has to wait: somebody else has one to there in the same table with the same metric"
                        );
                    } else {
                        error!(%error, "cannot configure the {kind} {object}");
                    }
                }
                Some(NetlinkEvent::Stopped { error }) => {
                    error!(%error, "the netlink thread ended: giving everything away");
                    self.stop(now);
                }
                None => break,
            }
        }
    }

    /// The core hears of addresses only.
    fn object_changed(&mut self, now: Instant, object: &Object, present: bool) {
        let Object::Address(address) = object else {
            return;
        };
        let key = (address.interface.clone(), address.address);
        if let Some(&instance) = self.holders.get(&key) {
            let change = AddressChange {
                instance,
                address: address.address,
                present,
            };
            self.core.handle(now, Event::Address(change));
        }
    }

    fn read_channel(&mut self, now: Instant) {
        for _ in 0..BATCH {
            if !self.supervised {
                return;
            }
            match self.channel.try_recv() {
                Ok(Some(ToRouter::Report(report))) => self.core.handle(
                    now,
                    Event::Report(vrrp::Report {
                        check: vrrp::CheckId(report.check),
                        outcome: report.outcome,
                        weight: report.weight,
                    }),
                ),
                Ok(Some(ToRouter::Status)) => self.tell_status(),
                Ok(Some(ToRouter::Stop)) => self.stop(now),
                Ok(Some(ToRouter::Check(_) | ToRouter::Instance(_) | ToRouter::Start)) => {
                    warn!("set-up message after the start ignored");
                }
                Ok(None) => return,
                Err(error) => self.supervisor_lost(now, &error),
            }
        }
    }

    fn supervisor_lost(&mut self, now: Instant, error: &RecvError) {
        // Without a supervisor nobody would clean up after this process, or hear of a failed check.
        warn!(%error, "the supervisor is gone: giving everything away");
        self.supervised = false;
        self.stop(now);
    }

    fn read_signals(&mut self, now: Instant) {
        let mut byte = [0; 16];
        if self.terminate.read(&mut byte).is_ok_and(|count| count > 0) {
            self.stop(now);
        }
    }

    fn stop(&mut self, now: Instant) {
        if self.stopping.is_none() {
            self.stopping = Some(now);
            self.core.handle(now, Event::Shutdown);
        }
    }

    fn tell_status(&mut self) {
        let (instances, checks) = (self.setup.instances.len(), self.setup.checks.len());
        for part in status::answer(&self.core, instances, checks) {
            self.tell(&part);
        }
    }

    fn tell(&mut self, message: &FromRouter) {
        if self.supervised && self.outbox.send(&self.channel, message).is_err() {
            // Its end of file is handled where the channel is read.
            debug!("the supervisor does not take messages");
        }
    }

    fn flush(&mut self) {
        if self.supervised && self.outbox.is_waiting() && self.outbox.flush(&self.channel).is_err()
        {
            debug!("the supervisor does not take messages");
        }
        let dropped = self.outbox.take_dropped();
        if dropped > 0 {
            warn!(
                dropped,
                "the supervisor took no messages for so long that some were dropped"
            );
        }
    }

    fn setup_of(&self, instance: InstanceId) -> Option<&crate::ipc::InstanceSetup> {
        self.setup.instances.get(usize::try_from(instance.0).ok()?)
    }

    fn name(&self, instance: InstanceId) -> &str {
        self.setup_of(instance)
            .map_or("?", |setup| setup.name.as_str())
    }
}

fn link_event(interface: InterfaceId, link: &vrrp_linux::netlink::LinkState) -> Link {
    let v4 = link
        .addresses
        .iter()
        .find_map(|(address, _)| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
    let v6 = link
        .addresses
        .iter()
        .find_map(|(address, _)| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(*address),
            IpAddr::V6(_) | IpAddr::V4(_) => None,
        });
    Link {
        interface,
        up: link.up,
        primary: v4,
        link_local: v6,
    }
}
