//! Network namespaces for tests of this crate.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of what they share"
)]

pub mod ear;
pub mod spawned;

pub mod objects;
pub mod watched;

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::Socket;

/// What takes milliseconds on an idle host may take seconds on a loaded one; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whether tests that need root can run. Where `CI` is set they must.
pub fn is_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} needs root for network namespaces: run the tests as root"
    );
    let _ = writeln!(
        std::io::stderr(),
        "{test}: skipped, it needs root for network namespaces"
    );
    false
}

/// A network namespace of its own, deleted when dropped.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Empty but for its loopback interface, which is up.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vl-{}-{count}", std::process::id());
        run("ip", &format!("netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Two of them, joined by a link: `eth0` with 172.27.0.1/24 in the first, and with 172.27.0.2/24 in the second.
    pub fn pair() -> (Self, Self) {
        let (one, other) = (Self::new(), Self::new());
        one.ip(&format!(
            "link add eth0 type veth peer name eth0 netns {}",
            other.name
        ));
        for (namespace, host) in [(&one, 1), (&other, 2)] {
            namespace.ip(&format!("address add 172.27.0.{host}/24 dev eth0"));
            namespace.ip("link set eth0 up");
        }
        one.wait_until("link show eth0", |output| output.contains("LOWER_UP"));
        other.wait_until("link show eth0", |output| output.contains("LOWER_UP"));
        (one, other)
    }

    /// What `ip ARGUMENTS` prints in the namespace; it must succeed.
    pub fn ip(&self, arguments: &str) -> String {
        run("ip", &format!("-n {} {arguments}", self.name))
    }

    /// Has one `ip` do all these lines; it must succeed.
    pub fn ip_batch(&self, lines: &str) {
        let file = std::env::temp_dir().join(format!("{}.batch", self.name));
        std::fs::write(&file, lines).unwrap();
        self.ip(&format!("-batch {}", file.display()));
        std::fs::remove_file(&file).unwrap();
    }

    /// Waits until the output of `ip ARGUMENTS` is as `expected`.
    #[track_caller]
    pub fn wait_until(&self, arguments: &str, expected: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.ip(arguments);
            if expected(&output) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "`ip {arguments}` still prints:\n{output}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The link-local address that the kernel gave to an interface, once it is known to be unique.
    #[track_caller]
    pub fn link_local(&self, interface: &str) -> Ipv6Addr {
        let show = format!("-o -6 address show dev {interface} scope link");
        self.wait_until(&show, |shown| {
            shown.contains("inet6") && !shown.contains("tentative")
        });
        let shown = self.ip(&show);
        let mut words = shown.split(|c: char| c.is_whitespace() || c == '/');
        words.find(|word| *word == "inet6").unwrap();
        words.next().unwrap().parse().unwrap()
    }

    /// How many messages the kernel has dropped because the routing sockets in the namespace that listen to changes were full.
    pub fn netlink_drops(&self) -> u64 {
        let sockets =
            self.run(|| std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
        let mut lines = sockets.lines().map(|line| line.split_whitespace());
        let titles: Vec<_> = lines.next().unwrap().collect();
        let column = |title| titles.iter().position(|other| *other == title).unwrap();
        let (protocol, groups, drops) = (column("Eth"), column("Groups"), column("Drops"));
        lines
            .map(Iterator::collect::<Vec<_>>)
            .filter(|socket| socket[protocol] == "0" && socket[groups].contains(|c| c != '0'))
            .map(|socket| socket[drops].parse::<u64>().unwrap())
            .sum()
    }

    /// Calls `body` on a thread that is in the namespace.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                body()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}

/// What `program ARGUMENTS` prints; it must succeed.
#[track_caller]
pub fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `fd` is readable, at most until `deadline`; tells whether it is.
pub fn readable(fd: impl AsFd, deadline: Instant) -> bool {
    let rest = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&rest)).unwrap() > 0
}

/// The next frame of this kind; the kernel has its own to send meanwhile.
#[track_caller]
pub fn receive_frame(socket: &Socket, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let socket: OwnedFd = socket.as_fd().try_clone_to_owned().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; 2048];
    loop {
        assert!(readable(&socket, deadline), "it did not arrive");
        let (_, length) = recv(&socket, &mut buffer, RecvFlags::DONTWAIT).unwrap();
        if wanted(&buffer[..length]) {
            return buffer[..length].to_vec();
        }
    }
}
