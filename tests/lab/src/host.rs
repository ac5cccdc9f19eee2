//! A host with systemd, journal and D-Bus.

mod boot;
mod cgroup;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod process;

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::str::FromStr;
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use self::cgroup::Cgroup;
pub(crate) use self::cgroup::{CGROUPS, remove_cgroup};
use self::folder::Folder;
pub(crate) use self::folder::LAB_FOLDER;
use self::journal::{Cursor, JournalEntry};
use self::process::HostProcess;
use crate::command::{command, output, run};
use crate::error::{IoContext, unexpected};
use crate::{Error, Netns, Output, Port, Result, Segment, require, wait_until};

/// How many lines of its journal a host shows when the test that uses it fails.
const LAST_WORDS: usize = 80;

/// A host: this machine's programs under a systemd of their own, with own processes, own network and own files.
///
/// It is booted from an overlay of `/`, in under a second, and shares the kernel's clocks with us: times from its journal
/// compare with times from a [`crate::Capture`]. No service of the machine is started in it.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: IpAddr,
    supervisor: Child,
    leader: Pid,
    port: Port,
    netns: Netns,
    _cgroup: Option<Cgroup>,
    _files: Folder,
}

impl Host {
    /// The interface that every host has.
    pub const INTERFACE: &'static str = "eth0";
    const PREFIX_LENGTH: u8 = 24;

    /// Boots a host with the host name `name`, and `address` (a /24) on its interface.
    ///
    /// # Errors
    ///
    /// Says what is missing on this machine, or what systemd printed when it does not come up in 30 s.
    pub fn boot(segment: &Segment, name: &str, address: impl Into<IpAddr>) -> Result<Self> {
        require()?;
        let address = address.into();
        let netns = Netns::new(name)?;
        let port = segment.attach(&netns, Self::INTERFACE, (address, Self::PREFIX_LENGTH))?;
        let files = Folder::new(name)?;
        let cgroup = Cgroup::new(name)?;
        let root = boot::prepare_root(&files, name)?;
        let (supervisor, leader) = boot::boot(&files, &root, &netns, cgroup.as_ref(), name)?;
        Ok(Self {
            name: name.to_owned(),
            address,
            supervisor,
            leader,
            port,
            netns,
            _cgroup: cgroup,
            _files: files,
        })
    }

    /// Its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address it was booted with.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Its network stack.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Where it is plugged in.
    #[must_use]
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// A command that runs `program` on the host, for callers who want to set it up themselves.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = command("nsenter");
        command
            .arg("--all")
            .arg(format!("--target={}", self.leader.as_raw_pid()))
            .arg("--")
            .arg(program);
        command
    }

    /// Runs a command that has to succeed, and returns its standard output.
    ///
    /// # Errors
    ///
    /// Fails when the command does.
    pub fn run(&self, argv: &[&str]) -> Result<String> {
        run(&mut self.command_line(argv))
    }

    /// Runs a command to its end, whatever its exit status.
    ///
    /// # Errors
    ///
    /// Fails when the command cannot be started.
    pub fn output(&self, argv: &[&str]) -> Result<Output> {
        output(&mut self.command_line(argv))
    }

    /// `systemctl ARGS`, which has to succeed.
    ///
    /// # Errors
    ///
    /// Fails when `systemctl` does.
    pub fn systemctl(&self, args: &[&str]) -> Result<String> {
        run(self.command("systemctl").args(args))
    }

    /// A property of a unit, as `systemctl show` prints it.
    ///
    /// # Errors
    ///
    /// Fails when `systemctl` does.
    pub fn unit_property(&self, unit: &str, property: &str) -> Result<String> {
        let value = self.systemctl(&["show", "--value", "--property", property, unit])?;
        Ok(value.trim_end().to_owned())
    }

    /// What a unit is doing.
    ///
    /// # Errors
    ///
    /// Fails when `systemctl` does.
    pub fn unit_state(&self, unit: &str) -> Result<UnitState> {
        self.unit_property(unit, "ActiveState")?.parse()
    }

    /// Waits until a unit is in a state.
    ///
    /// # Errors
    ///
    /// Times out with the state it is in.
    pub fn wait_for_unit(&self, limit: Duration, unit: &str, state: UnitState) -> Result<()> {
        wait_until(
            limit,
            &format!("{unit} on {} to be {state:?}", self.name),
            || match self.unit_state(unit) {
                Ok(seen) if seen == state => Ok(()),
                Ok(seen) => Err(format!("{seen:?}")),
                Err(error) => Err(error.to_string()),
            },
        )
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Errors
    ///
    /// Fails when the path cannot be written.
    pub fn write_file(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        let path = self.outside(path);
        let folder = path.parent().expect("the path of a file has a folder");
        fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
        fs::write(&path, contents).context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a text file.
    ///
    /// # Errors
    ///
    /// Fails when there is none.
    pub fn read_file(&self, path: &str) -> Result<String> {
        let path = self.outside(path);
        fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    }

    /// Installs a program of this machine as `/usr/local/bin/NAME`.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be copied.
    pub fn install(&self, program: &Path, name: &str) -> Result<()> {
        let target = self.outside("/usr/local/bin").join(name);
        fs::copy(program, &target)
            .context(|| format!("cannot copy {} to the host", program.display()))?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))
            .context(|| format!("cannot make {} executable", target.display()))
    }

    /// What the journal has about a unit, from the unit itself and from systemd, after a cursor or since the boot:
    /// everything that was logged before the call.
    ///
    /// # Errors
    ///
    /// Fails when `journalctl` does, or prints what is no journal entry.
    pub fn journal(&self, unit: &str, after: Option<&Cursor>) -> Result<Vec<JournalEntry>> {
        journal::read(self, &["--unit", unit], after)
    }

    /// The whole journal, after a cursor or since the boot.
    ///
    /// # Errors
    ///
    /// As [`Host::journal`].
    pub fn journal_of_all(&self, after: Option<&Cursor>) -> Result<Vec<JournalEntry>> {
        journal::read(self, &[], after)
    }

    /// Every process on the host.
    #[must_use]
    pub fn processes(&self) -> Vec<HostProcess> {
        process::list(self.leader)
    }

    /// Sends a signal to a process of [`Host::processes`].
    ///
    /// # Errors
    ///
    /// Fails when it has ended.
    pub fn kill(&self, process: &HostProcess, signal: Signal) -> Result<()> {
        kill_process(process.pid, signal).context(|| {
            format!(
                "cannot send {signal:?} to {} on {}",
                process.name, self.name
            )
        })
    }

    /// Shuts the host down in order, as `poweroff` does: every service gets its stop signal and its time.
    ///
    /// Dropping a host is pulling its plug.
    ///
    /// # Errors
    ///
    /// Times out when a service does not stop.
    pub fn power_off(mut self, limit: Duration) -> Result<()> {
        self.systemctl(&["poweroff"])?;
        let what = format!("{} to power off", self.name);
        wait_until(limit, &what, || match self.supervisor.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("still up".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    fn command_line(&self, argv: &[&str]) -> Command {
        let (program, args) = argv.split_first().expect("a command has a program");
        let mut command = self.command(program);
        command.args(args);
        command
    }

    /// A path on the host as this machine sees it.
    fn outside(&self, path: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.leader.as_raw_pid()));
        root.join(path.trim_start_matches('/'))
    }

    #[expect(
        clippy::print_stderr,
        reason = "the test harness shows it with the failure it explains"
    )]
    fn print_last_words(&self) {
        eprintln!("--- the last lines of {}'s journal", self.name);
        let entries = self.journal_of_all(None).unwrap_or_default();
        for entry in &entries[entries.len().saturating_sub(LAST_WORDS)..] {
            eprintln!("{entry}");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.supervisor.try_wait() {
            return;
        }
        if thread::panicking() {
            self.print_last_words();
        }
        // The kernel ends every process of a process namespace with its first one.
        _ = kill_process(self.leader, Signal::KILL);
        _ = self.supervisor.wait();
    }
}

/// What a unit is doing: systemd's ActiveState.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    Active,
    Reloading,
    Inactive,
    Failed,
    Activating,
    Deactivating,
    Maintenance,
}

impl FromStr for UnitState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "active" => Self::Active,
            "reloading" => Self::Reloading,
            "inactive" => Self::Inactive,
            "failed" => Self::Failed,
            "activating" => Self::Activating,
            "deactivating" => Self::Deactivating,
            "maintenance" => Self::Maintenance,
            _ => return Err(unexpected("a unit's state", text)),
        })
    }
}
