//! What a confined process cannot do, seen by trying it. Each test starts this binary again as the process that tries.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;

use common::is_root;
use common::spawned::{ROLE, Spawned, say_and_stay};
use procfs::process::{Process, Status};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use vrrp_linux::landlock::{Enforced, Reach};
use vrrp_linux::rights::{self, Identity};
use vrrp_linux::seccomp::{self, Profile};

/// The folder that a process is to work in.
const FOLDER: &str = "VL_FOLDER";
const PARENT: &str = "VL_PARENT";

#[test]
fn a_router_has_sockets_and_nothing_else() {
    assert_eq!(
        lines("router"),
        [
            "a thread: Ok(7)",
            "a datagram: Ok(())",
            "a netlink socket: Ok(())",
            "a Bluetooth socket: EPERM",
            "to write a file: Ok(())",
            "to remove a file: EPERM",
            "a program: EPERM",
            "a signal to its parent: EPERM",
            "executable memory: EPERM",
            "another limit: EPERM",
            "another root: EPERM",
            "io_uring: ENOSYS",
            "refused-calls: execve",
        ]
    );
}

#[test]
fn a_worker_reads_and_writes_nothing() {
    assert_eq!(
        lines("worker"),
        [
            "a thread: Ok(7)",
            "a datagram: Ok(())",
            "a netlink socket: Ok(())",
            "a Bluetooth socket: EPERM",
            "to write a file: EPERM",
            "to remove a file: EPERM",
            "a program: EPERM",
            "a signal to its parent: EPERM",
            "executable memory: Ok(())",
            "another limit: EPERM",
            "another root: EPERM",
            "io_uring: ENOSYS",
            "refused-calls: execve",
        ]
    );
}

#[test]
fn a_compiler_has_files_and_nothing_else() {
    assert_eq!(
        lines("compiler"),
        [
            "a thread: Ok(7)",
            "a datagram: EPERM",
            "a netlink socket: EPERM",
            "a Bluetooth socket: EPERM",
            "to write a file: Ok(())",
            "to remove a file: Ok(())",
            "a program: EPERM",
            "a signal to its parent: EPERM",
            "executable memory: EPERM",
            "another limit: EPERM",
            "another root: EPERM",
            "io_uring: ENOSYS",
            "refused-calls: execve",
        ]
    );
}

#[test]
fn a_process_that_starts_another_one_is_ended() {
    let mut child = Spawned::role("fork");
    let status = child.child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
}

#[test]
fn what_is_out_of_reach_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["read", "write", "other"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("file"), name).unwrap();
    }
    let mut child = in_folder("landlock", folder.path());
    if child.line() == "Not" {
        // The kernel has none, and then nothing is kept from anybody.
        assert_eq!(child.line(), "read: Ok(()) Ok(())");
        return;
    }
    assert_eq!(child.line(), "read: Ok(()) EACCES");
    assert_eq!(child.line(), "write: Ok(()) Ok(())");
    assert_eq!(child.line(), "other: EACCES EACCES");
    assert_eq!(child.line(), "a program: EACCES");
}

#[test]
fn a_router_keeps_four_capabilities_of_root_and_becomes_somebody_else() {
    if !is_root("a_router_keeps_four_capabilities_of_root_and_becomes_somebody_else") {
        return;
    }
    // CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_IPC_LOCK 14, CAP_SYS_NICE 23.
    let four = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23;
    let (_child, status) = status_of("become_router");
    assert_eq!((status.ruid, status.euid, status.suid), (61, 61, 61));
    assert_eq!((status.rgid, status.groups), (62, vec![]));
    assert_eq!((status.capeff, status.capprm), (four, four));
    assert_eq!((status.capinh, status.capamb), (0, Some(0)));
    assert_eq!(status.capbnd, Some(four));
}

#[test]
fn a_worker_keeps_nothing() {
    if !is_root("a_worker_keeps_nothing") {
        return;
    }
    let (_child, status) = status_of("drop_privileges");
    assert_eq!((status.ruid, status.euid, status.suid), (61, 61, 61));
    assert_eq!((status.rgid, status.groups), (62, vec![]));
    assert_eq!((status.capeff, status.capprm, status.capinh), (0, 0, 0));
    assert_eq!((status.capamb, status.capbnd), (Some(0), Some(0)));
}

#[test]
fn a_supervisor_gives_its_children_no_more_than_it_kept() {
    if !is_root("a_supervisor_gives_its_children_no_more_than_it_kept") {
        return;
    }
    let mut child = Spawned::role("keep_supervising");
    let of_program = child.line();
    let status = confined_thread(&child);
    assert_eq!(status.ruid, 0);
    // CAP_SYS_ADMIN 21 and CAP_SYS_MODULE 16 are not among them, CAP_NET_ADMIN 12 and CAP_KILL 5 are.
    assert_eq!(status.capeff & (1 << 21 | 1 << 16), 0);
    assert_eq!(status.capeff & (1 << 12 | 1 << 5), 1 << 12 | 1 << 5);
    assert_eq!(of_program, format!("CapEff:\t{:016x}", status.capeff));
}

/// Not a test: the process that the tests look at. It says what it did and stays until its input ends.
#[test]
#[ignore = "started by the other tests"]
fn as_child() {
    let identity = Identity { uid: 61, gid: 62 };
    let said = match std::env::var(ROLE).unwrap().as_str() {
        "router" => try_everything(Profile::Router),
        "worker" => try_everything(Profile::Worker),
        "compiler" => try_everything(Profile::Compiler),
        "fork" => {
            seccomp::restrict(Profile::Worker).unwrap();
            format!("{:?}", Command::new("true").status())
        }
        "landlock" => try_files(),
        "become_router" => format!("{:?}", rights::become_router(identity)),
        "drop_privileges" => format!("{:?}", rights::drop_privileges(identity)),
        "keep_supervising" => {
            rights::keep_supervising().unwrap();
            let output = Command::new("grep")
                .args(["CapEff", "/proc/self/status"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
        other => panic!("{other}"),
    };
    say_and_stay(said.trim_end());
}

/// What a process of a role says of its tries; the last line is the first of the log.
fn lines(role: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("there"), "").unwrap();
    let mut child = in_folder(role, folder.path());
    (0..13).map(|_| child.line()).collect()
}

fn in_folder(role: &str, folder: &Path) -> Spawned {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["as_child", "--exact", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .env(PARENT, std::process::id().to_string());
    Spawned::start(command)
}

/// A process that has done something to its rights, and what the kernel says of them.
fn status_of(role: &str) -> (Spawned, Status) {
    let mut child = Spawned::role(role);
    assert_eq!(child.line(), "Ok(())");
    let status = confined_thread(&child);
    (child, status)
}

/// Rights are a thread's, and the test harness runs a test on a thread of its own: the one that can gain none any more.
fn confined_thread(child: &Spawned) -> Status {
    let pid = child.child.id().try_into().unwrap();
    let mut tasks = Process::new(pid).unwrap().tasks().unwrap();
    let status = tasks.find_map(|task| {
        let status = task.unwrap().status().unwrap();
        (status.nonewprivs == Some(1)).then_some(status)
    });
    status.unwrap()
}

fn try_everything(profile: Profile) -> String {
    let log = Log::start();
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let parent = std::env::var(PARENT).unwrap().parse().unwrap();
    seccomp::restrict(profile).unwrap();
    let program = told::<()>(&Err(Command::new("true").exec()));
    let limit = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    let tries = [
        ("a thread", {
            let thread = std::thread::Builder::new().spawn(|| 7);
            told(&thread.map(|thread| thread.join().unwrap()))
        }),
        ("a datagram", {
            let sent = UdpSocket::bind("127.0.0.1:0")
                .and_then(|socket| socket.send_to(b"hello", socket.local_addr()?));
            told(&sent.map(drop))
        }),
        ("a netlink socket", {
            let opened = socket(AddressFamily::NETLINK, SocketType::RAW, None);
            told(&opened.map(drop).map_err(io::Error::from))
        }),
        ("a Bluetooth socket", {
            let opened = socket(AddressFamily::BLUETOOTH, SocketType::RAW, None);
            told(&opened.map(drop).map_err(io::Error::from))
        }),
        ("to write a file", {
            told(&File::create(folder.join("new")).map(drop))
        }),
        ("to remove a file", {
            told(&fs::remove_file(folder.join("there")))
        }),
        ("a program", program),
        ("a signal to its parent", {
            let sent = kill_process(Pid::from_raw(parent).unwrap(), Signal::WINCH);
            told(&sent.map_err(io::Error::from))
        }),
        ("executable memory", told(&make_executable())),
        ("another limit", {
            told(&setrlimit(Resource::Nofile, limit).map_err(io::Error::from))
        }),
        ("another root", {
            told(&rustix::process::chroot("/").map_err(io::Error::from))
        }),
        ("io_uring", told(&set_up_io_uring())),
    ];
    let tries = tries.map(|(what, result)| format!("{what}: {result}\n"));
    tries.concat() + &format!("refused-calls: {}", log.first())
}

/// What can be told of a result in a word.
fn told<T: Debug>(result: &io::Result<T>) -> String {
    let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
    match errno {
        Some(libc::EPERM) => "EPERM".to_owned(),
        Some(libc::EACCES) => "EACCES".to_owned(),
        Some(libc::ENOSYS) => "ENOSYS".to_owned(),
        _ => format!("{result:?}"),
    }
}

#[expect(unsafe_code, reason = "memory that nothing uses is mapped and changed")]
fn make_executable() -> io::Result<()> {
    const LENGTH: usize = 4096;
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: the kernel chooses a place where nothing is.
    let memory = unsafe { mmap_anonymous(std::ptr::null_mut(), LENGTH, protection, flags)? };
    // SAFETY: it was mapped above, and nothing refers to it.
    unsafe { mprotect(memory, LENGTH, MprotectFlags::READ | MprotectFlags::EXEC)? };
    Ok(())
}

#[expect(unsafe_code, reason = "no crate of ours has this call")]
fn set_up_io_uring() -> io::Result<()> {
    // SAFETY: without parameters, the kernel does nothing but refuse.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn try_files() -> String {
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let reach = Reach::default()
        .read(folder.join("read"))
        .read("/usr")
        .read("/lib64")
        .read("/no/such/path")
        .write(folder.join("write"));
    let enforced = reach.enforce().unwrap();
    let mut said = vec![match enforced {
        Enforced::Fully | Enforced::Partly => "Enforced".to_owned(),
        Enforced::Not => "Not".to_owned(),
    }];
    for name in ["read", "write", "other"] {
        let read = told(&fs::read(folder.join(name).join("file")).map(drop));
        let write = told(&fs::write(folder.join(name).join("new"), ""));
        said.push(format!("{name}: {read} {write}"));
    }
    let program = Command::new("/usr/bin/true").status().map(drop);
    said.push(format!("a program: {}", told(&program)));
    said.join("\n")
}

/// What this process logs.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .init();
        log
    }

    /// The name of the call in its first line, which another thread writes.
    fn first(&self) -> String {
        let deadline = std::time::Instant::now() + common::PATIENCE;
        loop {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let told = text.split_once("refused the system call ");
            if let Some((_, rest)) = told {
                return rest.split_once(':').unwrap().0.to_owned();
            }
            assert!(std::time::Instant::now() < deadline, "{text}");
            std::thread::yield_now();
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
