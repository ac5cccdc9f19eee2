//! What is left to a worker that somebody has taken over through a module, beside what its user may do.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use tracing::{info, warn};
use vrrp_linux::landlock::{Enforced, Reach};
use vrrp_linux::seccomp::{self, Profile};

use crate::exit::chain;

/// What names are looked up with, which authorities the system trusts, and what runs on this host. What a check may read
/// beside that, the broker reads.
const READ: [&str; 7] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/run",
    "/proc",
    "/var/lib/ca-certificates",
];

/// Where OpenSSL, and so everybody, is told that the authorities are elsewhere.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The files that a worker needs, with `cache` for the compiled modules.
pub(super) fn reach(cache: &File) -> Reach {
    let authorities = AUTHORITIES.into_iter().filter_map(std::env::var_os);
    let reach = READ.into_iter().fold(Reach::default(), Reach::read);
    let reach = authorities.fold(reach, Reach::read);
    reach
        .read(format!("/proc/self/fd/{}", cache.as_raw_fd()))
        .write("/dev/null")
}

/// Tells where the kernel does not keep all files from the worker.
pub(super) fn tell(files: io::Result<Enforced>) {
    match files {
        Ok(Enforced::Fully | Enforced::Partly) => {}
        Ok(Enforced::Not) => {
            info!(
                "no Landlock here (the kernel has none, or a container keeps it away): the worker can read what everybody can read"
            );
        }
        Err(error) => warn!(%error, "the worker can read what everybody can read"),
    }
}

/// From now on, the worker makes the system calls that it needs, and no others.
pub(super) fn restrict_calls() {
    if let Err(error) = seccomp::restrict(Profile::Worker) {
        warn!(error = chain(&error), "the worker may make any system call");
    }
}
