//! The loop around the core: wait, read the clock once, feed what happened, perform what is to be done.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, error, info, trace, warn};
use vrrp::{
    Action, AddressChange, Advertise, Event, InstanceId, Instant, InterfaceId, Link, Packet, Router,
};
use vrrp_linux::address::{AddressThread, DesiredAddress, NetlinkEvent};
use vrrp_linux::socket::OpenSocketError;
use vrrp_linux::{clock, role};

use super::interfaces::Interfaces;
use super::reason;
use super::setup::Setup;
use super::status;
use crate::exit::chain;
use crate::ipc::{
    Channel, CheckStanding, FromRouter, Outbox, RecvError, StartFailure, StateChange, ToRouter,
};

/// Events of one source that are fed before the others get their turn.
const BATCH: usize = 64;
/// Room for an IPv4 datagram; VRRP messages have at most 255 addresses.
const DATAGRAM: usize = 2048;
/// Above everything that is not real-time, below the kernel's own threads.
const REALTIME_PRIORITY: u8 = 20;
/// How long a stopping router waits for the kernel to confirm that its addresses are gone.
const RELEASE_GRACE: Duration = Duration::from_secs(2);

/// The router at work.
#[derive(Debug)]
pub(super) struct Driver {
    setup: Setup,
    core: Router,
    interfaces: Interfaces,
    addresses: AddressThread,
    /// What each claiming instance wants configured.
    desired: BTreeMap<InstanceId, Vec<DesiredAddress>>,
    /// From where each instance last advertised; the first advertisement precedes the claim.
    sources: BTreeMap<InstanceId, IpAddr>,
    /// Addresses that the kernel still has for us.
    configured: Vec<(String, IpAddr)>,
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
                addresses,
                terminate,
            }) => Ok(Self {
                setup,
                core,
                interfaces,
                addresses,
                desired: BTreeMap::new(),
                sources: BTreeMap::new(),
                configured: Vec::new(),
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
            PollFd::new(&self.addresses, PollFlags::IN),
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
            match self.addresses.try_recv() {
                Some(NetlinkEvent::Link(link)) => {
                    let Some(id) = self.interfaces.find(&link.interface) else {
                        continue;
                    };
                    if let Err(error) = self.interfaces.update(id, &link) {
                        error!(interface = link.interface, %error, "cannot speak VRRP on the interface");
                    }
                    self.core.handle(now, Event::Link(link_event(id, &link)));
                }
                Some(NetlinkEvent::AddressPresent {
                    interface,
                    address,
                    restored,
                }) => {
                    if restored {
                        warn!(interface, %address, "somebody removed the address; it is back");
                    }
                    let key = (interface, address);
                    if !self.configured.contains(&key) {
                        self.configured.push(key.clone());
                    }
                    self.address_changed(now, &key, true);
                }
                Some(NetlinkEvent::AddressAbsent { interface, address }) => {
                    let key = (interface, address);
                    self.configured.retain(|configured| *configured != key);
                    self.address_changed(now, &key, false);
                }
                Some(NetlinkEvent::AddressKept { interface, address }) => {
                    warn!(interface, %address, "the address stays: it was there before vrrp-host");
                    let key = (interface, address);
                    self.configured.retain(|configured| *configured != key);
                }
                Some(NetlinkEvent::AddressFailed {
                    interface,
                    address,
                    error,
                }) => {
                    error!(interface, %address, %error, "cannot configure the address");
                }
                Some(NetlinkEvent::Stopped { error }) => {
                    error!(%error, "the netlink thread ended: giving everything away");
                    self.stop(now);
                }
                None => break,
            }
        }
    }

    fn address_changed(
        &mut self,
        now: Instant,
        (interface, address): &(String, IpAddr),
        present: bool,
    ) {
        let owner = self.desired.iter().find(|(_, wanted)| {
            wanted
                .iter()
                .any(|want| want.address == *address && want.interface == *interface)
        });
        if let Some((&instance, _)) = owner {
            let change = AddressChange {
                instance,
                address: *address,
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

    fn perform(&mut self, now: Instant) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Advertise(advertise) => self.advertise(&advertise),
                Action::Claim(instance) => self.claim(instance),
                Action::Release(instance) => self.release(instance),
                Action::Announce { instance, address } => self.announce(instance, address),
                Action::StateChanged(transition) => {
                    if !self.supervised {
                        info!(
                            "{}: {} -> {} without a supervisor to tell",
                            self.name(transition.instance),
                            transition.before,
                            transition.after
                        );
                    }
                    let change = StateChange {
                        instance: transition.instance.0,
                        before: transition.before,
                        after: transition.after,
                        reason: reason::describe(transition.reason, &self.setup),
                        check: reason::check_of(transition.reason),
                        priority: transition.priority,
                        at_unix_ms: unix_ms(),
                    };
                    self.tell(&FromRouter::StateChanged(change));
                }
                Action::PriorityChanged {
                    instance,
                    before,
                    after,
                    reason,
                } => {
                    let reason = reason::describe(reason, &self.setup);
                    self.tell(&FromRouter::PriorityChanged {
                        instance: instance.0,
                        before,
                        after,
                        reason,
                    });
                }
                Action::CheckChanged(change) => {
                    self.tell(&FromRouter::CheckChanged(CheckStanding {
                        check: change.check.0,
                        before: change.before,
                        after: change.after,
                    }))
                }
                Action::PeerDiffers {
                    instance,
                    source,
                    difference,
                } => {
                    warn!(
                        "{}: {source} {}",
                        self.name(instance),
                        reason::describe_difference(&difference)
                    );
                }
                Action::Discarded {
                    interface,
                    source,
                    discard,
                } => {
                    let interface = self
                        .interfaces
                        .get(interface)
                        .map_or("?", |found| &found.name);
                    trace!(interface, %source, %discard, "discarded");
                }
            }
        }
        trace!(now = now.as_nanos(), "performed");
    }

    fn advertise(&mut self, advertise: &Advertise) {
        self.sources.insert(advertise.instance, advertise.source);
        let Some(interface) = self.interfaces.get(advertise.interface) else {
            return;
        };
        trace!(
            instance = self.name(advertise.instance),
            priority = advertise.priority,
            "advertising"
        );
        if let Err(error) =
            interface.send(advertise.source, advertise.destination, &advertise.payload)
        {
            // The peers will notice the silence; the link event that explains it is on its way.
            debug!(interface = interface.name, %error, "sending an advertisement failed");
        }
    }

    fn claim(&mut self, instance: InstanceId) {
        let Some(setup) = self.setup_of(instance) else {
            return;
        };
        let wanted = setup
            .addresses
            .iter()
            .map(|&(address, prefix_length)| DesiredAddress {
                interface: setup.interface.clone(),
                address,
                prefix_length,
            })
            .collect();
        // Told first: should this process die on the next line, the supervisor cleans up.
        if let Some(&source) = self.sources.get(&instance) {
            self.tell(&FromRouter::Holds {
                instance: instance.0,
                source,
            });
        }
        self.desired.insert(instance, wanted);
        self.update_addresses();
    }

    fn release(&mut self, instance: InstanceId) {
        self.desired.remove(&instance);
        self.update_addresses();
        self.tell(&FromRouter::Released {
            instance: instance.0,
        });
    }

    fn update_addresses(&self) {
        self.addresses
            .set_desired(self.desired.values().flatten().cloned().collect());
    }

    fn announce(&self, instance: InstanceId, address: IpAddr) {
        let IpAddr::V4(address) = address else { return };
        let interface = self
            .setup_of(instance)
            .and_then(|setup| self.interfaces.find(&setup.interface))
            .and_then(|id| self.interfaces.get(id));
        let Some(interface) = interface else { return };
        if let Err(error) = interface.announce(address) {
            debug!(interface = interface.name, %address, %error, "announcing failed");
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

/// What the driver opens before it takes part.
struct Parts {
    core: Router,
    interfaces: Interfaces,
    addresses: AddressThread,
    terminate: UnixStream,
}

impl Parts {
    fn open(setup: &Setup) -> Result<Self, StartFailure> {
        let core = Router::new(setup.router_config())
            .map_err(|error| StartFailure::Config(error.to_string()))?;
        let names = setup.interfaces();
        let interfaces = Interfaces::open(&names).map_err(|error| socket_failure(&error))?;
        let addresses =
            AddressThread::spawn(names).map_err(|error| StartFailure::System(chain(&error)))?;
        let terminate =
            termination().map_err(|error| StartFailure::System(format!("signals: {error}")))?;
        Ok(Self {
            core,
            interfaces,
            addresses,
            terminate,
        })
    }
}

fn socket_failure(error: &OpenSocketError) -> StartFailure {
    match error {
        OpenSocketError::NotPermitted { .. } => StartFailure::Rights(chain(error)),
        OpenSocketError::NoSuchInterface { .. } => StartFailure::Config(chain(error)),
        OpenSocketError::Refused { .. } => StartFailure::System(chain(error)),
    }
}

/// A socket that becomes readable on SIGTERM: systemd's, or the kernel's when the supervisor died.
fn termination() -> io::Result<UnixStream> {
    let (ours, handler) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, handler)?;
    Ok(ours)
}

/// Real-time priority and locked memory, as far as the rights go. Without them the router works,
/// but a busy host can make it late.
fn prepare_process() {
    if let Err(error) = role::lock_memory() {
        debug!(%error, "memory not locked");
    }
    if let Err(error) = role::realtime(REALTIME_PRIORITY) {
        debug!(%error, "no real-time priority");
    }
}

fn link_event(interface: InterfaceId, link: &vrrp_linux::address::LinkState) -> Link {
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

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
