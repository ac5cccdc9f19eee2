//! Processes that start and exit, in a network namespace (where the kernel tells nothing) and outside of one.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use common::{Namespace, PATIENCE, is_root};
use tokio::time::timeout;
use vrrp_linux::process::{OpenConnectorError, ProcConnector, ProcessEvent, ProcessWatcher};

fn started(name: &str) -> ProcessEvent {
    ProcessEvent::Started(name.to_owned())
}

fn exited(name: &str) -> ProcessEvent {
    ProcessEvent::Exited(name.to_owned())
}

#[test]
fn starts_and_exits_are_seen_without_the_kernels_events() {
    if !is_root("starts_and_exits_are_seen_without_the_kernels_events") {
        return;
    }
    let namespace = Namespace::new();
    namespace.run(|| {
        block_on(async {
            let refused = ProcConnector::open();
            assert!(
                matches!(refused, Err(OpenConnectorError::NotHere)),
                "{refused:?}"
            );
            let watcher = ProcessWatcher::new(None).unwrap();
            follow_starts_and_exits(watcher, "vl-scan", PATIENCE).await;
        });
    });
}

#[test]
fn starts_and_exits_are_seen_with_the_kernels_events() {
    if !is_root("starts_and_exits_are_seen_with_the_kernels_events") {
        return;
    }
    block_on(async {
        let connector = match ProcConnector::open() {
            Ok(connector) => connector,
            Err(error @ (OpenConnectorError::NotHere | OpenConnectorError::NotPermitted)) => {
                // Inside of a container there is nothing to test.
                assert!(in_container(), "{error}");
                return;
            }
            Err(error) => panic!("{error:?}"),
        };
        let watcher = ProcessWatcher::new(Some(connector)).unwrap();
        // Far less than the scan that is a safety net would need to notice three starts.
        follow_starts_and_exits(watcher, "vl-connector", Duration::from_secs(4)).await;
    });
}

async fn follow_starts_and_exits(mut watcher: ProcessWatcher, name: &str, within: Duration) {
    let next = async |watcher: &mut ProcessWatcher| {
        timeout(within, watcher.next())
            .await
            .expect("it did not happen")
            .unwrap()
    };
    let early = Sleeper::called(name);
    watcher.watch(name);
    assert_eq!(next(&mut watcher).await, started(name));
    drop(early);
    assert_eq!(next(&mut watcher).await, exited(name));
    for _ in 0..2 {
        let one = Sleeper::called(name);
        assert_eq!(next(&mut watcher).await, started(name));
        let two = Sleeper::called(name);
        assert_eq!(next(&mut watcher).await, started(name));
        drop(one);
        assert_eq!(next(&mut watcher).await, exited(name));
        drop(two);
        assert_eq!(next(&mut watcher).await, exited(name));
    }

    watcher.unwatch(name);
    let other = format!("{name}-2");
    watcher.watch(&other);
    let _unwatched = Sleeper::called(name);
    let _watched = Sleeper::called(&other);
    assert_eq!(next(&mut watcher).await, started(&other));
}

#[test]
fn a_process_that_takes_the_name_late_is_seen() {
    let directory = std::env::temp_dir().join(format!("vl-late-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join("vl-late");
    symlink(sleep(), &program).unwrap();
    block_on(async {
        let mut watcher = ProcessWatcher::new(None).unwrap();
        watcher.watch("vl-late");
        // Longer than a process counts as young.
        let script = format!("sleep 3; exec {} 600", program.display());
        let _process = Sleeper(Command::new("sh").arg("-c").arg(script).spawn().unwrap());
        let event = timeout(PATIENCE, watcher.next())
            .await
            .expect("it did not happen");
        assert_eq!(event.unwrap(), started("vl-late"));
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A sleeping process, killed when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn called(name: &str) -> Self {
        Self(Command::new(sleep()).arg0(name).arg("600").spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleep() -> PathBuf {
    let candidates = ["/usr/bin/sleep", "/bin/sleep"];
    candidates
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .unwrap()
}

/// Whether the kernel has reason to keep its events from this process: it tells them in the first namespaces only.
fn in_container() -> bool {
    // The kernel's own numbers for these, the same on every host.
    const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
    const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";
    let namespace = |process: &str, kind: &str| {
        std::fs::read_link(format!("/proc/{process}/ns/{kind}")).unwrap()
    };
    namespace("self", "pid").as_os_str() != FIRST_PID_NAMESPACE
        || namespace("self", "user").as_os_str() != FIRST_USER_NAMESPACE
        || namespace("self", "net") != namespace("1", "net")
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future);
}
