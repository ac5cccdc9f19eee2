//! What a killed run has left in the kernel.

use std::io;

use rustix::io::Errno;

use super::kernel::{Interrupted, Kernel};
use super::object::Object;
use super::view::View;

/// Removes every address, route and rule of the network namespace that bears [`PROTOCOL`](super::PROTOCOL), and returns what it
/// removed: what a router left behind when it was killed, perhaps with other interfaces than it would have now.
///
/// # Errors
///
/// See [`LeftOverError`]. Removal goes on after an object that the kernel refuses to remove; the first such error is returned at the end.
pub async fn remove_left_over() -> Result<Vec<Object>, LeftOverError> {
    let mut kernel = Kernel::connect().map_err(LeftOverError::Netlink)?;
    let interrupted = |interrupted: Interrupted| LeftOverError::Netlink(interrupted.into());
    let view = View::of(kernel.dump().await.map_err(interrupted)?);
    let mut removed = Vec::new();
    let mut failed = None;
    for (object, entry) in view.marked() {
        match kernel.remove(&entry).await.map_err(interrupted)? {
            // Somebody else was faster, or the kernel: a route goes with its source address.
            Ok(()) | Err(Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::SRCH | Errno::NOENT) => {
                removed.push(object);
            }
            Err(errno) => {
                failed.get_or_insert_with(|| LeftOverError::Remove {
                    object,
                    source: errno.into(),
                });
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// [`remove_left_over`] for callers that are not asynchronous. It must not be called from a task of a tokio runtime.
///
/// # Errors
///
/// As [`remove_left_over`].
pub fn remove_left_over_blocking() -> Result<Vec<Object>, LeftOverError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(LeftOverError::Netlink)?
        .block_on(remove_left_over())
}

/// Why left-over objects could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum LeftOverError {
    /// The kernel could not be asked.
    #[error("cannot list the addresses, routes and rules of this host")]
    Netlink(#[source] io::Error),
    /// An object stays, mostly for want of `CAP_NET_ADMIN`.
    #[error("cannot remove the left-over {} {object}", object.kind())]
    Remove {
        /// What it is.
        object: Object,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}
