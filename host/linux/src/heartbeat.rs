//! A sign of life from one process to another: the time until which the other one need not worry, in memory that both have.
//! Giving it costs one store and wakes nobody.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use vrrp::Instant;

/// What both processes have, bytes.
const LENGTH: usize = size_of::<u64>();

/// One end; both are alike.
#[derive(Debug)]
pub struct Heartbeat {
    memory: MmapRaw,
}

impl Heartbeat {
    /// An end that stays, with a promise until `until`, and what the other process makes its own end of with
    /// [`Heartbeat::open`].
    ///
    /// # Errors
    /// When the kernel has no memory or no file descriptor for it.
    pub fn new(until: Instant) -> io::Result<(Self, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("vrrp-host heartbeat", flags)?;
        ftruncate(&file, LENGTH as u64)?;
        // Nobody can take the memory away from below the other process, which would end that one.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let ours = Self::map(&file)?;
        ours.promise(until);
        Ok((ours, file))
    }

    /// The end of the other process.
    ///
    /// # Errors
    /// When `file` is not one from [`Heartbeat::new`], or cannot be mapped.
    pub fn open(file: OwnedFd) -> io::Result<Self> {
        let seals = rustix::fs::fcntl_get_seals(&file)?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Self::map(&file)
    }

    fn map(file: &OwnedFd) -> io::Result<Self> {
        let memory = MmapOptions::new().len(LENGTH).map_raw(file.as_raw_fd())?;
        Ok(Self { memory })
    }

    /// There will be another sign before `until`, on [`clock::now`](crate::clock::now).
    pub fn promise(&self, until: Instant) {
        self.word().store(until.as_nanos(), Ordering::Relaxed);
    }

    /// The last promise of either process.
    pub fn promised(&self) -> Instant {
        Instant::from_nanos(self.word().load(Ordering::Relaxed))
    }

    // JUSTIFICATION: memory of two processes is no reference of Rust's, only an atomic in it can be one.
    #[expect(unsafe_code, reason = "see the justification above")]
    fn word(&self) -> &AtomicU64 {
        let word = self.memory.as_mut_ptr().cast::<u64>();
        // SAFETY: the mapping begins on a page, is `LENGTH` bytes long, stays as long as `self`, and sealed files do not
        // shrink; everybody who has it, in this process and in the other one, uses this function.
        unsafe { AtomicU64::from_ptr(word) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_sees_the_last_promise() {
        let (ours, file) = Heartbeat::new(Instant::from_nanos(7)).unwrap();
        let theirs = Heartbeat::open(file).unwrap();
        assert_eq!(theirs.promised(), Instant::from_nanos(7));
        theirs.promise(Instant::from_nanos(u64::MAX));
        assert_eq!(ours.promised(), Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn nobody_takes_the_memory_away() {
        let (ours, file) = Heartbeat::new(Instant::from_nanos(7)).unwrap();
        ftruncate(&file, 0).unwrap_err();
        assert_eq!(ours.promised(), Instant::from_nanos(7));
        let other = OwnedFd::from(tempfile::tempfile().unwrap());
        Heartbeat::open(other).unwrap_err();
    }
}
