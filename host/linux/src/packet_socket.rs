//! Frames that go to an interface's link as they are.

use std::io;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use socket2::{Domain, Socket, Type};

use crate::socket::{OpenSocketError, PRIORITY_CONTROL, interface_index};

/// Sends frames on one interface; it receives nothing.
///
/// Like [`VrrpSocket`](crate::socket::VrrpSocket) it belongs to the interface that had the name when it was opened.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: Socket,
}

impl PacketSocket {
    /// Opens the socket on `interface`, which must exist but may be down.
    pub(crate) fn open(interface: &str) -> Result<Self, OpenSocketError> {
        let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
        // Protocol 0: the socket is never given a frame to receive.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)
            .map_err(refused("open a packet socket"))?;
        socket
            .set_priority(PRIORITY_CONTROL)
            .map_err(refused("set the packet socket's priority"))?;
        let index = interface_index(&socket, interface)?;
        rustix::net::bind(&socket, &LinkLayerAddress::of_interface(index))
            .map_err(io::Error::from)
            .map_err(refused("bind the packet socket"))?;
        Ok(Self { socket })
    }

    /// Sends a whole frame, its Ethernet header included. Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports: `ENETDOWN` when the interface is down, `ENXIO` when it is gone, `WouldBlock` when its queue is full.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        loop {
            match rustix::net::send(&self.socket, frame, SendFlags::DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// `struct sockaddr_ll` of packet(7).
#[repr(C)]
struct LinkLayerAddress {
    family: u16,
    protocol: u16,
    index: i32,
    hardware_type: u16,
    packet_type: u8,
    address_length: u8,
    address: [u8; 8],
}

impl LinkLayerAddress {
    fn of_interface(index: u32) -> Self {
        Self {
            family: rustix::net::AddressFamily::PACKET.as_raw(),
            protocol: 0,
            // The kernel's interface indices are positive `int`s.
            index: i32::try_from(index).unwrap_or(0),
            hardware_type: 0,
            packet_type: 0,
            address_length: 0,
            address: [0; 8],
        }
    }
}

// JUSTIFICATION: neither rustix, socket2 nor the standard library has a safe link-layer socket address,
// and without one a packet socket cannot be bound to an interface.
// SAFETY: the pointer is to a `repr(C)` struct that has the layout of `struct sockaddr_ll` and is borrowed
// for the whole call of `f`, and the length is the struct's own.
#[expect(unsafe_code, reason = "see the justification above")]
unsafe impl SocketAddrArg for LinkLayerAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        const LENGTH: SocketAddrLen = 20;
        const { assert!(size_of::<Self>() == LENGTH as usize) };
        f(std::ptr::from_ref(self).cast(), LENGTH)
    }
}
