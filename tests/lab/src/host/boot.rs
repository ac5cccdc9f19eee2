//! From an overlay of `/` to a running systemd.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::cgroup::Cgroup;
use super::folder::Folder;
use crate::command::{command, run};
use crate::error::{IoContext, unexpected};
use crate::{Error, Netns, Result};

const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// What a host boots into: a basic system with D-Bus.
const TARGET: &str = "\
[Unit]
Description=A host of the laboratory
Requires=basic.target
Wants=dbus.service
After=basic.target dbus.service
AllowIsolate=yes
";

/// The journal stays in memory and keeps every line of a noisy test.
const JOURNALD: &str = "\
[Journal]
Storage=volatile
RateLimitIntervalSec=0
";

/// Mounts the host's file system and makes it a host's.
pub(super) fn prepare_root(files: &Folder, name: &str) -> Result<PathBuf> {
    let path = |part: &str| files.path().join(part);
    let root = path("root");
    for folder in ["root", "changes", "work"] {
        fs::create_dir(path(folder))
            .context(|| format!("cannot create {}", path(folder).display()))?;
    }
    let options = format!(
        "lowerdir=/,upperdir={},workdir={}",
        path("changes").display(),
        path("work").display()
    );
    run(command("mount")
        .args(["-t", "overlay", "-o", &options, "overlay"])
        .arg(&root))?;

    write(&root, "etc/hostname", &format!("{name}\n"))?;
    write(
        &root,
        "etc/hosts",
        &format!("127.0.0.1 localhost\n127.0.1.1 {name}\n"),
    )?;
    write(&root, "etc/machine-id", &random_id()?)?;
    write(&root, "etc/fstab", "")?;
    write(&root, "etc/systemd/journald.conf.d/lab.conf", JOURNALD)?;
    write(&root, "etc/systemd/system/lab.target", TARGET)?;
    disable_everything(&root.join("etc/systemd/system"))?;
    // Images of containers have it, so that packages start no service; on a host they do.
    _ = fs::remove_file(root.join("usr/sbin/policy-rc.d"));
    Ok(root)
}

/// Starts systemd and waits until it says that it is up. Returns its supervisor, systemd-nspawn, and its own id.
pub(super) fn boot(
    files: &Folder,
    root: &Path,
    netns: &Netns,
    cgroup: Option<&Cgroup>,
    name: &str,
) -> Result<(Child, Pid)> {
    let socket_path = files.path().join("notify");
    let socket = UnixDatagram::bind(&socket_path)
        .context(|| format!("cannot listen on {}", socket_path.display()))?;
    let console_path = files.path().join("console");
    let console = fs::File::create(&console_path)
        .context(|| format!("cannot create {}", console_path.display()))?;
    let also_console = console
        .try_clone()
        .context(|| "cannot share the console".to_owned())?;

    let mut nspawn = nspawn(cgroup);
    nspawn
        .args([
            "--quiet",
            "--boot",
            "--register=no",
            "--notify-ready=yes",
            "--capability=all",
        ])
        .args(["--link-journal=no", "--resolv-conf=off", "--console=pipe"])
        .arg(format!("--machine={}", netns.name()))
        .arg(format!("--hostname={name}"))
        .arg(format!("--directory={}", root.display()))
        .arg(format!(
            "--network-namespace-path={}",
            netns.path().display()
        ))
        .arg("systemd.unit=lab.target")
        .env("NOTIFY_SOCKET", &socket_path)
        .stdout(console)
        .stderr(also_console)
        .stdin(Stdio::null())
        .process_group(0);
    let mut supervisor = nspawn
        .spawn()
        .context(|| "cannot start systemd-nspawn".to_owned())?;
    match wait_until_up(&socket, &mut supervisor) {
        Ok(leader) => Ok((supervisor, leader)),
        Err(error) => {
            _ = supervisor.kill();
            _ = supervisor.wait();
            let console = fs::read_to_string(&console_path).unwrap_or_default();
            Err(Error::TimedOut {
                what: format!("{name} to boot ({error})"),
                limit: BOOT_LIMIT,
                seen: if console.is_empty() {
                    "nothing on its console".to_owned()
                } else {
                    console
                },
            })
        }
    }
}

/// systemd-nspawn, started in the host's own control groups where nobody else would give it any.
fn nspawn(cgroup: Option<&Cgroup>) -> Command {
    const JOIN_AND_EXEC: &str = r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@""#;
    match cgroup {
        None => command("systemd-nspawn"),
        Some(cgroup) => {
            let mut shell = command("sh");
            shell
                .args(["-c", JOIN_AND_EXEC, "sh"])
                .args(cgroup.groups());
            shell.args(["--", "systemd-nspawn", "--keep-unit"]);
            shell
        }
    }
}

/// Reads notifications until systemd in the host is ready, and returns its process id.
fn wait_until_up(socket: &UnixDatagram, supervisor: &mut Child) -> Result<Pid> {
    let start = Instant::now();
    let mut leader = None;
    let mut buffer = [0; 4096];
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .context(|| "cannot set a time-out".to_owned())?;
    while start.elapsed() < BOOT_LIMIT {
        let Ok(length) = socket.recv(&mut buffer) else {
            // Nothing yet: a good moment to see whether there is anybody left to wait for.
            match supervisor
                .try_wait()
                .context(|| "cannot wait for systemd-nspawn".to_owned())?
            {
                None => continue,
                Some(status) => {
                    return Err(unexpected("the end of systemd-nspawn", status.to_string()));
                }
            }
        };
        let text = String::from_utf8_lossy(&buffer[..length]);
        for line in text.lines() {
            if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                leader = pid.parse().ok().and_then(Pid::from_raw);
            }
            if line == "READY=1" {
                return leader
                    .ok_or_else(|| unexpected("readiness without a process id", text.as_ref()));
            }
        }
    }
    Err(unexpected("a silent systemd", "no READY=1"))
}

/// Forgets what is enabled on this machine: none of its services, timers and firewalls starts on a host.
fn disable_everything(units: &Path) -> Result<()> {
    let cannot_read = || format!("cannot read {}", units.display());
    for entry in fs::read_dir(units).context(cannot_read)? {
        let path = entry.context(cannot_read)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wants" || extension == "requires")
        {
            fs::remove_dir_all(&path).context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn random_id() -> Result<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context(|| "cannot get a random id".to_owned())?;
    Ok(uuid.replace('-', ""))
}

fn write(root: &Path, path: &str, contents: &str) -> Result<()> {
    let path = root.join(path);
    let folder = path.parent().expect("the path of a file has a folder");
    fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
    // A link, as some of these are on some machines, would lead out of the overlay.
    _ = fs::remove_file(&path);
    fs::write(&path, contents).context(|| format!("cannot write {}", path.display()))
}
