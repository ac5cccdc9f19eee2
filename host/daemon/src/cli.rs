//! The command line (DESIGN §8).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vrrp_linux::rights;

use crate::exit::Failure;
use crate::logging::Level;
use crate::supervisor::InstanceCommand;
use crate::{command, router, supervisor, worker};

/// Where `--state-dir` is when it is left out.
pub(crate) const STATE_DIR: &str = "/var/lib/vrrp-host";

/// A VRRP daemon whose health checks and hooks are sandboxed WebAssembly components.
///
/// `vrrp-host --config cluster.toml` runs the daemon. The same file serves every node of the cluster.
#[derive(Debug, Parser)]
#[command(name = "vrrp-host", version, args_conflicts_with_subcommands = false)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The cluster's configuration
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// This node's name in the file; the host name when left out
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Where the running daemon listens for `status` and its like
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "/run/vrrp-host/control.sock"
    )]
    pub(crate) control: PathBuf,
    /// Where modules are kept, those from registries and compiled ones
    #[arg(long, global = true, value_name = "DIR", default_value = STATE_DIR)]
    pub(crate) state_dir: PathBuf,
    /// Form of the log on stderr; its level comes from the environment variable VRRP_HOST_LOG
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line a person reads.
    Text,
    /// A JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented cluster.toml for this host, to begin with; asks nothing
    Init(command::init::Arguments),
    /// Check cluster.toml and every module it names, for all nodes, without starting anything
    CheckConfig {
        /// The file; the same as --config
        file: Option<PathBuf>,
    },
    /// Show what the file does in virtual time when checks fail, hosts crash and links go down; needs no rights
    Simulate(command::simulate::Arguments),
    /// Write a cluster.toml from the keepalived.conf of one node or several
    Import(command::import::Arguments),
    /// Write, try, look at and share checks and hooks, without a cluster and without root
    #[command(subcommand)]
    Module(command::module::Command),
    /// Show the state of the running daemon
    Status {
        /// As JSON, a stable interface
        #[arg(long)]
        json: bool,
        /// Go on showing it, until q or Ctrl-C; a line for each change where stdout is no terminal
        #[arg(long, conflicts_with = "json")]
        watch: bool,
    },
    /// Show what happened: transitions with their reasons, checks, hooks, reloads, restarts
    Events {
        /// As JSON, an object a line, a stable interface
        #[arg(long)]
        json: bool,
        /// Go on with what happens from now on
        #[arg(long, short)]
        follow: bool,
        /// How many of the last 1,000 [default: all of them; 10 with --follow]
        #[arg(long, short = 'n', value_name = "N")]
        last: Option<usize>,
    },
    /// Say why an instance is in its state, and what would happen if each of its checks failed
    Explain {
        /// An instance by name
        instance: String,
    },
    /// Run a check of the running daemon
    #[command(subcommand)]
    Check(CheckCommand),
    /// Log more or less, in every process of the running daemon, until it is restarted
    LogLevel {
        /// How much
        #[arg(value_enum)]
        level: Level,
    },
    /// Have the running daemon go on with its cluster.toml as it is now; a file with errors changes nothing
    Reload,
    /// Leave addresses to other nodes until `undrain`; they stay in use until another node has them
    Drain {
        #[command(flatten)]
        names: Names,
        /// Also after a restart of the daemon or the host
        #[arg(long)]
        persist: bool,
    },
    /// Take part as before `drain`
    Undrain(Names),
    /// Give addresses to another node once; with the highest priority and preemption, they come back
    Release(Names),
    /// Print what has a shell complete these commands
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages; packages have them
    #[command(hide = true)]
    Man {
        /// An existing folder
        folder: PathBuf,
    },
    /// The other processes of the daemon, started by itself
    #[command(hide = true, subcommand)]
    Role(Role),
}

/// What a check can be asked to do.
#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Run it now; it counts as any other run. Ends with 0 when it passes, 1 when it fails, 2 on an error
    Run {
        /// A check by name
        check: String,
    },
}

/// Which instances are meant.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Names {
    /// Instances or sync groups, by name
    #[arg(value_name = "INSTANCE")]
    pub(crate) names: Vec<String>,
    /// Every instance of this node
    #[arg(long)]
    pub(crate) all: bool,
}

/// What the binary can be beside the supervisor. Each is started by the supervisor with its
/// socketpair as standard input (see `ipc`).
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Speaks VRRP and holds the addresses
    Router {
        /// Process id of the supervisor
        parent: u32,
        #[command(flatten)]
        identity: Identity,
    },
    /// Runs the components
    Worker {
        /// Process id of the supervisor
        parent: u32,
        #[command(flatten)]
        identity: Identity,
        /// Open sockets for echo requests
        #[arg(long)]
        icmp: bool,
    },
    /// Compiles components into the cache and ends
    Compile,
}

/// Whom a process becomes that root started.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// Its user
    #[arg(long)]
    uid: u32,
    /// Its group
    #[arg(long)]
    gid: u32,
}

impl From<Identity> for rights::Identity {
    fn from(Identity { uid, gid }: Identity) -> Self {
        Self { uid, gid }
    }
}

/// Does what the command line says.
pub(crate) fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, options } = arguments;
    match command {
        None => supervisor::run(&options),
        Some(Command::Init(arguments)) => command::init(&options, &arguments),
        Some(Command::CheckConfig { file }) => command::check_config(&options, file.as_deref()),
        Some(Command::Simulate(arguments)) => command::simulate::simulate(&options, arguments),
        Some(Command::Import(arguments)) => command::import(&arguments),
        Some(Command::Module(command)) => command::module::run(&options, command),
        Some(Command::Status { json, watch: false }) => command::status(&options, json),
        Some(Command::Status { watch: true, .. }) => command::watch(&options),
        Some(Command::Events { json, follow, last }) => {
            command::events(&options, json, follow, last)
        }
        Some(Command::Explain { instance }) => command::explain(&options, &instance),
        Some(Command::Check(CheckCommand::Run { check })) => command::run_check(&options, &check),
        Some(Command::LogLevel { level }) => command::log_level(&options, level),
        Some(Command::Reload) => command::reload(&options),
        Some(Command::Drain { names, persist }) => {
            command::instances(&options, names, InstanceCommand::Drain { persist })
        }
        Some(Command::Undrain(names)) => {
            command::instances(&options, names, InstanceCommand::Undrain)
        }
        Some(Command::Release(names)) => {
            command::instances(&options, names, InstanceCommand::Release)
        }
        Some(Command::Completions { shell }) => command::completions(shell),
        Some(Command::Man { folder }) => command::manual(&folder),
        Some(Command::Role(Role::Router { parent, identity })) => {
            router::run(&options, parent, identity.into())
        }
        Some(Command::Role(Role::Worker {
            parent,
            identity,
            icmp,
        })) => worker::run(&options, parent, identity.into(), icmp),
        Some(Command::Role(Role::Compile)) => supervisor::compile::child(&options),
    }
}

#[cfg(test)]
mod tests;
