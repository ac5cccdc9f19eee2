//! A host that is only a network stack.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::address_watch::AddressWatch;
use crate::command::{command, display, ip, output, run};
use crate::error::IoContext;
use crate::host::folder::Folder;
use crate::owner::unique_name;
use crate::sweep::kill_all;
use crate::{Output, Result, wait_until};

/// A network namespace, with its loopback interface up. Dropping it kills the processes in it.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes an empty namespace. `label` is what people see in lists of namespaces; it need not be unique.
    ///
    /// # Errors
    ///
    /// Fails without root or iproute2.
    pub fn new(label: &str) -> Result<Self> {
        let name = unique_name(label);
        ip(["netns", "add", &name])?;
        let netns = Self { name };
        netns.ip(&["link", "set", "lo", "up"])?;
        Ok(netns)
    }

    /// Its name for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that programs take to enter it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A command that runs `program` in here, for callers who want to set it up themselves.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = command("ip");
        command.args(["netns", "exec", &self.name, program]);
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

    /// Starts a process that lives until it ends, or until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// Fails when the command cannot be started.
    pub fn spawn(&self, argv: &[&str]) -> Result<Process> {
        Process::spawn(&mut self.command_line(argv))
    }

    /// `ip ARGS` in here.
    ///
    /// # Errors
    ///
    /// Fails when `ip` does.
    pub fn ip(&self, args: &[&str]) -> Result<String> {
        ip(["-n", &self.name].iter().chain(args))
    }

    /// Records every change of an interface's addresses from now on.
    ///
    /// # Errors
    ///
    /// Fails when `ip monitor` cannot be started.
    pub fn watch_addresses(&self) -> Result<AddressWatch> {
        AddressWatch::start(self)
    }

    /// Gives an interface an address, which is usable at once: nobody looks for another host that has it.
    ///
    /// # Errors
    ///
    /// Fails when `ip` does.
    pub fn add_address(
        &self,
        interface: &str,
        address: impl Into<IpAddr>,
        prefix_length: u8,
    ) -> Result<()> {
        let address = address.into();
        let with_prefix_length = format!("{address}/{prefix_length}");
        let mut args = vec!["address", "add", &with_prefix_length, "dev", interface];
        args.extend(address.is_ipv6().then_some("nodad"));
        self.ip(&args).map(drop)
    }

    /// Whether an interface in here has this address at this moment.
    ///
    /// # Errors
    ///
    /// Fails when `ip` does.
    pub fn has_address(&self, address: impl Into<IpAddr>) -> Result<bool> {
        let address = address.into().to_string();
        let shown = self.ip(&["-o", "address", "show", "to", &address])?;
        Ok(!shown.trim().is_empty())
    }

    fn command_line(&self, argv: &[&str]) -> Command {
        let (program, args) = argv.split_first().expect("a command has a program");
        let mut command = self.command(program);
        command.args(args);
        command
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        kill_all(&self.name);
        _ = ip(["netns", "del", &self.name]);
    }
}

/// A process in the background. Its output is kept; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    output: PathBuf,
    _folder: Folder,
}

impl Process {
    /// Starts a process whose output, both streams in one, is kept in a file.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let folder = Folder::new("process")?;
        let path = folder.path().join("output");
        let file = File::create(&path).context(|| format!("cannot create {}", path.display()))?;
        let same_file = file
            .try_clone()
            .context(|| "cannot share the output file".to_owned())?;
        let what = display(command);
        // In a group of its own: Ctrl-C is for the test, which then ends its processes in its own order.
        command.stdout(file).stderr(same_file).process_group(0);
        let child = command
            .spawn()
            .context(|| format!("cannot start `{what}`"))?;
        Ok(Self {
            child,
            what,
            output: path,
            _folder: folder,
        })
    }

    /// Its id in this machine's process namespace.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, both streams in one.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.output)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until its output contains a text.
    ///
    /// # Errors
    ///
    /// Times out with the output so far, also when the process has ended meanwhile.
    pub fn wait_for_log(&self, limit: Duration, text: &str) -> Result<()> {
        wait_until(limit, &format!("`{}` to print {text:?}", self.what), || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        })
    }

    /// Sends it a signal. A process that has ended already is no error.
    ///
    /// # Errors
    ///
    /// Fails without the right to do so.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), signal)
            .context(|| format!("cannot send {signal:?} to `{}`", self.what))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// Times out with the output so far.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("`{}` to end", self.what);
        wait_until(limit, &what, || match self.exit_status() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(self.log()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    ///
    /// Fails when the kernel does not say.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .context(|| format!("cannot wait for `{}`", self.what))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
