//! The loop around the core: wait, read the clock once, feed what happened, perform what is to be done.

mod open;
mod perform;
mod reload;
mod strangers;
mod vrid_conflicts;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tracing::{debug, error, trace, warn};
use vrrp::{AddressChange, Event, InstanceId, Instant, InterfaceId, Packet, Router, Signer};
use vrrp_linux::clock;
use vrrp_linux::heartbeat::Heartbeat;
use vrrp_linux::netlink::{NetlinkEvent, NetlinkThread, Object};
use vrrp_linux::socket::{Inbox, Received};

use self::open::{Parts, prepare_process};
use self::vrid_conflicts::tell_conflict;
use super::advertisements::Advertisements;
use super::discards::Discards;
use super::heartbeat::Pulse;
use super::holdings::Holdings;
use super::interfaces::Interfaces;
use super::primary;
use super::setup::{Incoming, Piece, Setup};
use super::status;
use super::strangers::Strangers;
use super::virtual_macs::VirtualMacs;
use super::vrid_conflicts::VridConflicts;
use crate::ipc::{Channel, FromRouter, Outbox, RecvError, StartFailure, ToRouter};
use crate::lateness::Lateness;
use crate::logging;

/// Events of one source that are fed before the others get their turn.
const BATCH: usize = 64;
/// Datagrams of one socket that are fed before the timers get their turn: more than its receive buffer holds. After a stall,
/// whatever has arrived goes before what is due, also where hundreds of instances share an interface; and a flood that
/// never ends still leaves the timers their turn.
const DATAGRAMS: usize = 1024;
/// How late a timer may be before what has arrived in the meantime is looked for once more.
const STALL: Duration = Duration::from_millis(1);
/// How long a stopping router goes on using its addresses for a peer to take them.
pub(crate) const YIELD_GRACE: Duration = Duration::from_millis(1_500);
/// How long a stopping router waits in all, also for the kernel to confirm that its addresses, routes and rules are gone.
const RELEASE_GRACE: Duration = Duration::from_secs(2);
/// How long the kernel may take to close the sockets of a router that has given everything away.
const END_MAX: Duration = Duration::from_secs(10);
/// How long a stopped router waits for the kernel to remove the interfaces of its virtual MACs.
const MACVLAN_GRACE: Duration = Duration::from_millis(500);

/// The router at work.
#[derive(Debug)]
pub(super) struct Driver {
    setup: Setup,
    core: Router,
    interfaces: Interfaces,
    netlink: NetlinkThread,
    virtual_macs: VirtualMacs,
    holdings: Holdings,
    /// From where each instance last advertised; the first advertisement precedes the claim.
    sources: BTreeMap<InstanceId, IpAddr>,
    signer: Signer,
    inbox: Inbox,
    advertisements: Advertisements,
    /// Addresses, routes and rules that the kernel still has for us.
    configured: BTreeSet<Object>,
    discards: Discards,
    pulse: Pulse,
    strangers: Strangers,
    vrid_conflicts: VridConflicts,
    lateness: Lateness,
    channel: Channel,
    outbox: Outbox,
    terminate: UnixStream,
    /// The set-up to go on with, as far as it has arrived.
    incoming: Option<Incoming>,
    /// Since when it has been giving everything away, and whether the supervisor is there to be told.
    stopping: Option<Instant>,
    supervised: bool,
}

impl Driver {
    /// Opens everything; on failure the channel comes back, so that the supervisor can be told.
    pub(super) fn start(
        channel: Channel,
        setup: Setup,
        heartbeat: Heartbeat,
    ) -> Result<Self, (Channel, StartFailure)> {
        let signer = setup.signer();
        let pulse = Pulse::new(heartbeat, &setup);
        match Parts::open(&setup) {
            Ok(Parts {
                core,
                interfaces,
                netlink,
                virtual_macs,
                terminate,
            }) => Ok(Self {
                setup,
                core,
                interfaces,
                netlink,
                virtual_macs,
                holdings: Holdings::default(),
                sources: BTreeMap::new(),
                signer,
                inbox: Inbox::new(),
                advertisements: Advertisements::default(),
                configured: BTreeSet::new(),
                discards: Discards::default(),
                pulse,
                strangers: Strangers::default(),
                vrid_conflicts: VridConflicts::default(),
                lateness: Lateness::default(),
                channel,
                outbox: Outbox::default(),
                terminate,
                incoming: None,
                stopping: None,
                supervised: true,
            }),
            Err(failure) => Err((channel, failure)),
        }
    }

    /// Runs until everything is given away.
    pub(super) fn run(mut self) -> io::Result<()> {
        prepare_process();
        self.take_part();
        while !self.finished() {
            self.turn()?;
        }
        self.pulse.takes_until(clock::now() + END_MAX);
        self.tell(&FromRouter::Stopped);
        if !self.virtual_macs.close(MACVLAN_GRACE) {
            // The supervisor removes what is left.
            warn!("the kernel was too slow to remove the interfaces of virtual MACs");
        }
        Ok(())
    }

    fn take_part(&mut self) {
        self.tell(&FromRouter::Started);
        self.core.handle(clock::now(), Event::Startup);
        self.perform(clock::now());
    }

    /// Waits until there is something to do, and does it.
    fn turn(&mut self) -> io::Result<()> {
        let (now, ready) = self.wait()?;
        self.read_packets(now, &ready.sockets);
        if ready.netlink {
            self.read_netlink(now);
        }
        if ready.virtual_macs {
            self.read_virtual_macs(now);
        }
        if ready.channel {
            self.read_channel(now);
        }
        if ready.terminate {
            self.read_signals(now);
        }
        self.core.handle_timeout(now);
        self.perform(now);
        self.tell_discards(now);
        self.look_at_strangers(now);
        self.flush();
        self.pulse.turned(now);
        Ok(())
    }

    fn finished(&self) -> bool {
        self.stopping.is_some_and(|since| {
            let released = self.core.is_stopped() && self.configured.is_empty();
            released || clock::now() >= since + RELEASE_GRACE
        })
    }

    /// Reads what has arrived at those of the sockets, in the order of the interfaces, that have something.
    fn read_packets(&mut self, now: Instant, ready: &[bool]) {
        if !ready.contains(&true) {
            return;
        }
        let at = clock::wall();
        let mut ready = ready.iter().copied();
        for (id, interface) in self.interfaces.iter() {
            for socket in interface.sockets() {
                if !ready.next().unwrap_or(false) {
                    continue;
                }
                let place = (id, interface.name.as_str());
                let (core, conflicts, setup) =
                    (&mut self.core, &mut self.vrid_conflicts, &self.setup);
                let mut take = |received: Received<'_>| {
                    trace!(interface = interface.name, source = %received.source, bytes = received.payload.len(), "received");
                    if let Some(instance) = conflicts.note(now, at, place, &received, setup) {
                        tell_conflict(setup, instance, received.source);
                    }
                    let packet = Packet {
                        interface: id,
                        source: received.source,
                        destination: received.destination,
                        ttl: received.ttl,
                        payload: received.payload,
                        at,
                    };
                    core.handle(now, Event::Packet(packet));
                };
                for _ in 0..DATAGRAMS / Inbox::CAPACITY {
                    match socket.recv(&mut self.inbox, &mut take) {
                        Ok(Inbox::CAPACITY) => {}
                        Ok(_) => break,
                        Err(error) => {
                            // The interface went away or down; netlink tells in its own words.
                            debug!(interface = interface.name, %error, "receiving failed");
                            break;
                        }
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
                    let link = primary::link_event(id, &link, &self.setup);
                    self.vrid_conflicts.link_changed(&link);
                    self.core.handle(now, Event::Link(link));
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
                    self.stop(now, Duration::ZERO);
                }
                None => break,
            }
        }
    }

    fn read_virtual_macs(&mut self, now: Instant) {
        match self.virtual_macs.read() {
            Ok(changed) => {
                let concerned = self.setup.instances().filter(|(_, instance)| {
                    let name = instance.virtual_mac.as_ref();
                    name.is_some_and(|name| changed.contains(name))
                });
                for (instance, _) in concerned {
                    self.holdings.tell_again(instance);
                }
            }
            Err(error) => {
                error!(%error, "the macvlan thread ended: giving everything away");
                self.stop(now, Duration::ZERO);
            }
        }
    }

    /// The core hears of addresses only.
    fn object_changed(&mut self, now: Instant, object: &Object, present: bool) {
        let Object::Address(address) = object else {
            return;
        };
        if let Some(instance) = self.holdings.holder(address) {
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
                Ok(Some(message)) => self.message(now, message),
                Ok(None) => return,
                Err(error) => self.supervisor_lost(now, &error),
            }
        }
    }

    fn message(&mut self, now: Instant, message: ToRouter) {
        let message = match &mut self.incoming {
            Some(incoming) => match incoming.take(message) {
                Piece::Taken => return,
                Piece::Last(setup) => {
                    self.incoming = None;
                    return self.reload(now, setup);
                }
                Piece::Other(message) => message,
            },
            None => message,
        };
        match message {
            ToRouter::Reports(reports) => {
                for report in reports {
                    if let Some(check) = self.setup.check_id(report.check) {
                        let report = vrrp::Report {
                            check,
                            outcome: report.outcome,
                            weight: report.weight,
                        };
                        self.core.handle(now, Event::Report(report));
                    }
                }
            }
            ToRouter::Command { instance, command } => {
                if let Some(instance) = self.setup.instance_id(instance) {
                    self.core.handle(now, Event::Command(instance, command));
                }
            }
            ToRouter::LogLevel(level) => logging::set_level(level),
            ToRouter::Status => self.tell_status(),
            ToRouter::Reload => self.incoming = Some(Incoming::default()),
            ToRouter::Stop => self.stop(now, YIELD_GRACE),
            ToRouter::Heartbeat(_)
            | ToRouter::Check(_)
            | ToRouter::Instance(_)
            | ToRouter::Group(_)
            | ToRouter::Start { .. } => warn!("set-up message after the start ignored"),
        }
    }

    fn supervisor_lost(&mut self, now: Instant, error: &RecvError) {
        // Without a supervisor nobody would clean up after this process, or hear of a failed check.
        warn!(%error, "the supervisor is gone: giving everything away");
        self.supervised = false;
        self.stop(now, Duration::ZERO);
    }

    fn read_signals(&mut self, now: Instant) {
        let mut byte = [0; 16];
        if self.terminate.read(&mut byte).is_ok_and(|count| count > 0) {
            self.stop(now, YIELD_GRACE);
        }
    }

    /// Gives everything away. With a `grace`, healthy instances use their addresses until a peer has taken them.
    fn stop(&mut self, now: Instant, grace: Duration) {
        self.stopping.get_or_insert(now);
        self.core.handle(now, Event::Shutdown { grace });
    }

    fn tell_discards(&mut self, now: Instant) {
        for line in self.discards.timeout(now) {
            line.write(self.interface_name(line.interface));
        }
    }

    fn interface_name(&self, id: InterfaceId) -> &str {
        self.interfaces
            .get(id)
            .map_or("?", |found| found.name.as_str())
    }

    fn tell_status(&mut self) {
        let conflict = |instance| self.vrid_conflicts.of(clock::now(), instance);
        for part in status::answer(&self.core, &self.setup, &self.lateness, conflict) {
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

    fn name(&self, instance: InstanceId) -> &str {
        let instance = self.setup.instance(instance);
        instance.map_or("?", |setup| setup.name.as_str())
    }
}

#[cfg(test)]
mod tests;
