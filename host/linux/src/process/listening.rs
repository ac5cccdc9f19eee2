//! Who has a port.

use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, all_processes};

/// The process that listens at this TCP port in this network namespace, by id and name. `None` when there is none, or when it
/// may not be looked at.
pub fn listening_at(port: u16) -> Option<(u32, String)> {
    let sockets = [tcp(), tcp6()].into_iter().flatten().flatten();
    let listens = sockets
        .filter(|socket| socket.state == TcpState::Listen && socket.local_address.port() == port);
    let inodes: Vec<_> = listens.map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let has_one = |process: &procfs::process::Process| {
        let mut files = process.fd().into_iter().flatten().flatten();
        files.any(|file| matches!(file.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
    };
    let process = all_processes().ok()?.flatten().find(has_one)?;
    let pid = u32::try_from(process.pid()).ok()?;
    Some((pid, process.stat().ok()?.comm))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (pid, _) = listening_at(port).unwrap();
        assert_eq!(pid, std::process::id());
        drop(listener);
        assert_eq!(listening_at(port), None);
    }
}
