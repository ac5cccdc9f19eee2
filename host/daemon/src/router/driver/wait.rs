//! What the router waits for, and what of it has come.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use smallvec::SmallVec;
use vrrp::{Instant, Why};
use vrrp_linux::clock;

use super::{Driver, RELEASE_GRACE, STALL};

/// Descriptors that are waited for without an allocation; a router with more interfaces than that allocates one list at each
/// wake-up.
const USUAL: usize = 32;

/// What has something to read.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) netlink: bool,
    pub(super) virtual_macs: bool,
    pub(super) terminate: bool,
    pub(super) channel: bool,
    /// The sockets for VRRP, in the order of the interfaces.
    pub(super) sockets: SmallVec<[bool; USUAL]>,
}

impl Driver {
    /// Waits until there is something to do. Returns when that is, and what there is to read.
    pub(super) fn wait(&mut self) -> io::Result<(Instant, Ready)> {
        let core = self.core.poll_timeout();
        let others = self.stopping.map(|since| since + RELEASE_GRACE);
        let others = others.into_iter().chain(self.discards.deadline());
        let others = others.chain(self.strangers.deadline());
        let others = others.chain([self.pulse.due()]);
        let due = others.chain(core.map(|deadline| deadline.at)).min();
        let ready = self.poll(due)?;
        let now = clock::now();
        let Some(deadline) = core.filter(|deadline| deadline.at <= now) else {
            return Ok((now, ready));
        };
        let late = now.saturating_duration_since(deadline.at);
        self.lateness.note(late);
        // What has already arrived goes before what is due: after a stall of ours, the advertisement that waits in the socket
        // proves that the Active router lives.
        let takes_over = matches!(deadline.why, Why::ActiveDown(_));
        if takes_over || late >= STALL {
            return Ok((now, self.poll(Some(now))?));
        }
        Ok((now, ready))
    }

    fn poll(&self, until: Option<Instant>) -> io::Result<Ready> {
        let mut sources = SmallVec::<[_; USUAL]>::new();
        let readable = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        sources.extend([
            readable(self.netlink.as_fd()),
            readable(self.virtual_macs.as_fd()),
            readable(self.terminate.as_fd()),
        ]);
        if self.supervised {
            let writable = if self.outbox.is_waiting() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            sources.push(PollFd::new(&self.channel, PollFlags::IN | writable));
        }
        let others = sources.len();
        for (_, interface) in self.interfaces.iter() {
            sources.extend(interface.sockets().map(|socket| readable(socket.as_fd())));
        }
        let timeout = until.map(|at| {
            let left = at.saturating_duration_since(clock::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) => {}
            // A signal: its socket says so at the next look, and nothing else is lost.
            Err(Errno::INTR) => sources.iter_mut().for_each(PollFd::clear_revents),
            Err(error) => return Err(error.into()),
        }
        let mut ready = sources.iter().map(|source| !source.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        Ok(Ready {
            netlink: next(),
            virtual_macs: next(),
            terminate: next(),
            channel: self.supervised && next(),
            sockets: sources
                .iter()
                .skip(others)
                .map(|source| !source.revents().is_empty())
                .collect(),
        })
    }
}
