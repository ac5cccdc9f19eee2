//! The laboratory itself, on the real thing: namespaces, hosts, captures.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use std::{fs, panic};

use lab::{
    Account, Error, Host, HostProcess, JournalEvent, Netns, Payload, Segment, Signal, UnitState,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(30);
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const UNIT: &str = "prometheus-node-exporter.service";

#[test]
fn two_hosts_are_two_hosts() {
    let segment = Segment::new("segment").unwrap();
    let first = Host::boot(&segment, "first", FIRST).unwrap();
    let second = Host::boot(&segment, "second", SECOND).unwrap();
    for (host, name, address) in [
        (&first, "first", "192.0.2.1/24"),
        (&second, "second", "192.0.2.2/24"),
    ] {
        assert_eq!(host.run(&["hostname"]).unwrap().trim(), name);
        assert_eq!(
            host.systemctl(&["is-system-running"]).unwrap().trim(),
            "running"
        );
        assert!(
            host.run(&["ip", "-4", "address", "show", "eth0"])
                .unwrap()
                .contains(address)
        );
        assert_eq!(host.unit_state("dbus.service").unwrap(), UnitState::Active);
        assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Inactive);
    }

    // Each systemd has its own services, and stops no process of the other's.
    for host in [&first, &second] {
        host.systemctl(&["start", UNIT]).unwrap();
        host.wait_for_unit(LIMIT, UNIT, UnitState::Active).unwrap();
    }
    let exporter = |host: &Host| {
        host.processes()
            .into_iter()
            .find(|process| process.unit.as_deref() == Some(UNIT))
    };
    assert_ne!(
        exporter(&first).unwrap().pid,
        exporter(&second).unwrap().pid
    );
    first.systemctl(&["stop", UNIT]).unwrap();
    assert_eq!(first.unit_state(UNIT).unwrap(), UnitState::Inactive);
    assert_eq!(exporter(&first), None);
    assert_eq!(second.unit_state(UNIT).unwrap(), UnitState::Active);
    assert!(exporter(&second).is_some());
}

#[test]
fn an_account_has_what_its_processes_and_their_children_cost() {
    // The shell that computes has ended when the other one speaks.
    const COMPUTE: &str =
        "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo done; sleep 3600";
    let host = Netns::new("spender").unwrap();
    let [account, other] = ["account", "other"].map(|label| Account::new(label).unwrap());
    assert_eq!(account.processor_time().unwrap(), Duration::ZERO);
    let under = account.under();
    let mut argv: Vec<&str> = under.iter().map(String::as_str).collect();
    argv.extend(["sh", "-c", COMPUTE]);
    let process = host.spawn(&argv).unwrap();
    process.wait_for_log(LIMIT, "done").unwrap();
    let spent = account.processor_time().unwrap();
    assert!(spent > Duration::from_millis(20), "{spent:?}");
    let memory = account.memory().unwrap();
    assert!((10 << 10..10 << 20).contains(&memory), "{memory} bytes");
    assert_eq!(other.processor_time().unwrap(), Duration::ZERO);
    assert_eq!(other.memory().unwrap(), 0);
}

#[test]
fn a_host_tells_what_happens_on_it() {
    let segment = Segment::new("segment").unwrap();
    let host = Host::boot(&segment, "teller", FIRST).unwrap();
    host.write_file("/run/lab/greeting", "hello\n").unwrap();
    assert_eq!(host.run(&["cat", "/run/lab/greeting"]).unwrap(), "hello\n");
    assert_eq!(host.read_file("/run/lab/greeting").unwrap(), "hello\n");
    assert!(!Path::new("/run/lab/greeting").exists());

    let before = SystemTime::now();
    host.systemctl(&["start", UNIT]).unwrap();
    let started = host.journal(UNIT, None).unwrap();
    let event = started
        .iter()
        .find(|entry| entry.event == Some(JournalEvent::Started))
        .unwrap();
    assert!(event.at >= before && event.at <= SystemTime::now());

    // A simple service counts as started once it is forked, before it becomes the program, and we may look half-way: name
    // and arguments do not change at once.
    let is_exporter = |process: &HostProcess| {
        let program = process.command_line.first().map(String::as_str);
        process.name == "prometheus-node" && program == Some("/usr/bin/prometheus-node-exporter")
    };
    let exporter = wait_until(LIMIT, "the exporter to run", || {
        let exporter = host
            .processes()
            .into_iter()
            .find(|process| process.unit.as_deref() == Some(UNIT));
        match exporter {
            Some(process) if is_exporter(&process) => Ok(process),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert_eq!(
        exporter.pid_on_host.to_string(),
        host.unit_property(UNIT, "MainPID").unwrap()
    );
    host.kill(&exporter, Signal::KILL).unwrap();
    let cursor = &started.last().unwrap().cursor;
    wait_until(LIMIT, "the journal to show the kill", || {
        let entries = host.journal(UNIT, Some(cursor)).unwrap();
        if entries
            .iter()
            .any(|entry| entry.message.contains("status=9/KILL"))
        {
            Ok(())
        } else {
            Err(format!("{entries:?}"))
        }
    })
    .unwrap();

    let error = host.run(&["sh", "-c", "echo why >&2; exit 3"]).unwrap_err();
    assert!(matches!(&error, Error::Command { status, .. } if status.code() == Some(3)));
    assert!(error.to_string().ends_with("why"), "{error}");
    host.power_off(LIMIT).unwrap();
}

#[test]
fn an_installed_program_runs_on_the_host() {
    let segment = Segment::new("segment").unwrap();
    let host = Host::boot(&segment, "installer", FIRST).unwrap();
    host.install(Path::new("/bin/echo"), "lab-echo").unwrap();
    assert_eq!(host.run(&["lab-echo", "hello"]).unwrap(), "hello\n");
    assert!(!Path::new("/usr/local/bin/lab-echo").exists());
}

#[test]
fn a_capture_sees_every_frame_since_it_started() {
    let segment = Segment::new("segment").unwrap();
    let first = Netns::new("first").unwrap();
    let second = Netns::new("second").unwrap();
    let _first_port = segment.attach(&first, "eth0", (FIRST, 24)).unwrap();
    let _second_port = segment.attach(&second, "eth0", (SECOND, 24)).unwrap();
    let mut capture = segment.capture().unwrap();
    let before = SystemTime::now();

    // Nobody answers on that port; the question who has the address is asked all the same.
    _ = first
        .output(&["bash", "-c", "echo lost > /dev/udp/192.0.2.2/9"])
        .unwrap();
    let frames = capture.frames().unwrap();
    let question = frames
        .iter()
        .find(|frame| matches!(&frame.payload, Payload::Arp(arp) if arp.target == SECOND))
        .unwrap();
    assert!(question.at >= before && question.at <= SystemTime::now());
    assert!(question.gratuitous_arp().is_none());
    assert_eq!(question.destination, "ff:ff:ff:ff:ff:ff");
    assert!(question.is_good(), "{question:?}");

    let all = capture.stop().unwrap();
    assert_eq!(all[..frames.len()], frames);
    assert!(
        all.iter().any(|frame| frame.sender() == Some(FIRST.into())),
        "{all:?}"
    );
}

#[test]
fn what_a_port_carries_is_not_guessed_from_its_number() {
    let segment = Segment::new("segment").unwrap();
    let first = Netns::new("first").unwrap();
    let second = Netns::new("second").unwrap();
    let _first_port = segment.attach(&first, "eth0", (FIRST, 24)).unwrap();
    let _second_port = segment.attach(&second, "eth0", (SECOND, 24)).unwrap();
    // PROFINET has this port, and what follows is no packet of it.
    let range = "net.ipv4.ip_local_port_range=34962 34962";
    first.run(&["sysctl", "-q", "-w", range]).unwrap();
    let capture = segment.capture().unwrap();
    first
        .run(&["bash", "-c", "echo > /dev/udp/192.0.2.2/9"])
        .unwrap();
    let frames = capture.stop().unwrap();
    let sent = frames
        .iter()
        .find(|frame| frame.sender() == Some(FIRST.into()))
        .unwrap();
    assert!(sent.is_good(), "{sent:?}");
}

#[test]
fn an_unplugged_host_loses_its_carrier() {
    let segment = Segment::new("segment").unwrap();
    let host = Netns::new("host").unwrap();
    let port = segment.attach(&host, "eth0", (FIRST, 24)).unwrap();
    let wait_for = |state: &str| {
        wait_until(LIMIT, state, || {
            let link = host.ip(&["link", "show", "eth0"]).unwrap();
            if link.contains(state) {
                Ok(())
            } else {
                Err(link)
            }
        })
        .unwrap();
    };
    wait_for(",LOWER_UP");
    port.unplug().unwrap();
    wait_for("NO-CARRIER");
    port.plug().unwrap();
    wait_for(",LOWER_UP");
}

#[test]
fn addresses_are_watched() {
    let host = Netns::new("host").unwrap();
    let watch = host.watch_addresses().unwrap();
    let before = SystemTime::now();
    host.ip(&["address", "add", "192.0.2.7/32", "dev", "lo"])
        .unwrap();
    assert!(host.has_address(Ipv4Addr::new(192, 0, 2, 7)).unwrap());
    host.ip(&["address", "del", "192.0.2.7/32", "dev", "lo"])
        .unwrap();
    assert!(!host.has_address(Ipv4Addr::new(192, 0, 2, 7)).unwrap());
    let changes = wait_until(LIMIT, "two changes", || {
        let changes = watch.changes();
        if changes.len() == 2 {
            Ok(changes)
        } else {
            Err(format!("{changes:?}"))
        }
    })
    .unwrap();
    assert_eq!([true, false], [changes[0].added, changes[1].added]);
    // The kernel's clock that stamps the change may lag a tick behind ours.
    assert!(changes[0].at >= before - Duration::from_millis(20) && changes[0].at <= changes[1].at);
}

#[test]
fn a_process_is_watched_and_killed() {
    let host = Netns::new("host").unwrap();
    let mut process = host
        .spawn(&[
            "sh",
            "-c",
            "trap 'echo stopped; exit 4' TERM; echo up; sleep 600 & wait",
        ])
        .unwrap();
    process.wait_for_log(LIMIT, "up").unwrap();
    process.signal(Signal::TERM).unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().code(), Some(4));
    assert_eq!(process.log(), "up\nstopped\n");

    let id = host.spawn(&["sleep", "600"]).unwrap().id();
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn nothing_is_left_of_a_panic() {
    let seen = panic::catch_unwind(|| {
        let segment = Segment::new("unlucky").unwrap();
        let host = Host::boot(&segment, "unlucky", FIRST).unwrap();
        panic::panic_any((
            segment.netns().path(),
            host.netns().path(),
            host.processes()[0].pid,
        ));
    })
    .unwrap_err();
    let (segment, host, pid) = *seen
        .downcast::<(std::path::PathBuf, std::path::PathBuf, rustix::process::Pid)>()
        .unwrap();
    assert!(!segment.exists());
    assert!(!host.exists());
    assert!(!Path::new(&format!("/proc/{}", pid.as_raw_pid())).exists());
    assert_eq!(
        traces(&format!("-{}-", std::process::id()), "unlucky"),
        [""; 0]
    );
}

/// Set in the process that [`a_killed_process_is_swept_up_after`] starts and kills.
const VICTIM: &str = "LAB_VICTIM";

#[test]
fn a_killed_process_is_swept_up_after() {
    if std::env::var_os(VICTIM).is_some() {
        let segment = Segment::new("victim").unwrap();
        let _host = Host::boot(&segment, "victim", FIRST).unwrap();
        let _capture = segment.capture().unwrap();
        fs::write(std::env::var_os(VICTIM).unwrap(), "up").unwrap();
        loop {
            std::thread::park();
        }
    }
    let ready = std::env::temp_dir().join(format!("lab-victim-{}", std::process::id()));
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_is_swept_up_after"])
        .env(VICTIM, &ready)
        .spawn()
        .unwrap();
    wait_until(LIMIT, "the victim to boot its host", || {
        if ready.exists() {
            Ok(())
        } else {
            Err("no file")
        }
    })
    .unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    fs::remove_file(&ready).unwrap();

    let its = format!("-{}-", victim.id());
    assert!(!traces(&its, "").is_empty());
    lab::sweep();
    assert_eq!(traces(&its, ""), [""; 0]);
}

/// What there is of a process's laboratory: namespaces, mounts, folders and control groups.
fn traces(owner: &str, label: &str) -> Vec<String> {
    let named =
        |name: &str| name.starts_with("lab-") && name.contains(owner) && name.contains(label);
    let mut traces: Vec<String> = [
        "/run/netns",
        "/run/vrrp-lab",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/unified",
    ]
    .into_iter()
    .filter_map(|folder| fs::read_dir(folder).ok())
    .flatten()
    .map(|entry| {
        entry
            .expect("a folder can be read")
            .file_name()
            .to_string_lossy()
            .into_owned()
    })
    .filter(|name| named(name))
    .collect();
    let mounts = fs::read_to_string("/proc/self/mounts").expect("there is a /proc");
    traces.extend(
        mounts
            .split_whitespace()
            .filter(|word| word.split('/').any(named))
            .map(str::to_owned),
    );
    traces
}
