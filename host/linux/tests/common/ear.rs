//! Hearing one VRRP datagram after the other.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use vrrp_linux::socket::{Inbox, Received, VrrpSocket};

use super::{PATIENCE, readable};

/// What has arrived at a socket and was not looked at yet.
pub struct Ear<'s> {
    socket: &'s VrrpSocket,
    inbox: Inbox,
    arrived: VecDeque<Arrived>,
    last: Option<Arrived>,
}

struct Arrived {
    source: IpAddr,
    destination: IpAddr,
    ttl: Option<u8>,
    payload: Vec<u8>,
}

impl<'s> Ear<'s> {
    pub fn new(socket: &'s VrrpSocket) -> Self {
        Self {
            socket,
            inbox: Inbox::new(),
            arrived: VecDeque::new(),
            last: None,
        }
    }

    /// The next datagram that arrives.
    #[track_caller]
    pub fn receive(&mut self) -> Received<'_> {
        if self.arrived.is_empty() {
            let deadline = Instant::now() + PATIENCE;
            assert!(readable(self.socket, deadline), "nothing arrived");
            assert!(self.listen() > 0, "a readable socket has a datagram");
        }
        self.last = self.arrived.pop_front();
        let last = self.last.as_ref().unwrap();
        Received {
            source: last.source,
            destination: last.destination,
            ttl: last.ttl,
            payload: &last.payload,
        }
    }

    /// Nothing more has arrived.
    #[track_caller]
    pub fn hears_nothing(&mut self) {
        assert_eq!((self.arrived.len(), self.listen()), (0, 0));
    }

    /// Takes what one call brings. Returns how many that were.
    pub fn listen(&mut self) -> usize {
        let arrived = &mut self.arrived;
        let take = |received: Received<'_>| {
            arrived.push_back(Arrived {
                source: received.source,
                destination: received.destination,
                ttl: received.ttl,
                payload: received.payload.to_vec(),
            });
        };
        self.socket.recv(&mut self.inbox, take).unwrap()
    }
}
