//! Debian's keepalived on a host, to be compatible with and to compare with.

use crate::{Host, Result};

/// Its service.
pub const UNIT: &str = "keepalived.service";

/// Gives keepalived its configuration and lets it log in detail. It is not started.
///
/// # Errors
///
/// Fails when the files cannot be written.
pub fn install(host: &Host, configuration: &str) -> Result<()> {
    host.write_file("/etc/keepalived/keepalived.conf", configuration)?;
    host.write_file("/etc/default/keepalived", "DAEMON_ARGS=\"--log-detail\"\n")
}
