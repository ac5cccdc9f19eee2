//! Commands, run on threads of their own and ended with the daemon.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::time::sleep;
use tracing::{debug, warn};
use vrrp_linux::command::{self, Command, CommandError, LeftRunning, Output};
use vrrp_linux::user::User;
use vrrp_sandbox::Grant;

use super::{Broker, Threads};
use crate::config::Module;
use crate::ipc::{Asker, BrokerAnswer, BrokerError, BrokerReply, CommandEnding, CommandOutput};

/// Commands at one time, of all checks and of all hooks.
const RUNNING_MAX: usize = 64;
/// Of one hook: it may be called for many instances at once. A command that hangs with its disk counts until the disk is back.
const RUNNING_OF_HOOK: usize = 16;
/// Of one check, whose runs do not overlap: one that cannot be killed keeps the next from starting.
const RUNNING_OF_CHECK: usize = 1;
/// How long the load of a module waits for the disk that its command is on.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// From the end of the daemon, how long commands may take to die.
const DYING_MAX: Duration = Duration::from_secs(1);

/// What is running, and a way to end it.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    checks: Threads,
    hooks: Threads,
    /// Threads that only look at commands.
    looking: Threads,
    stop: Arc<Mutex<Option<Stop>>>,
}

/// The commands hold the first end, and end when the second is closed.
#[derive(Debug)]
struct Stop {
    awaited: Arc<OwnedFd>,
    _held: OwnedFd,
}

/// Whom the commands of each check and hook run as, by number.
#[derive(Clone, Debug, Default)]
pub(in crate::supervisor) struct Users {
    pub(in crate::supervisor) checks: Vec<Result<User, String>>,
    pub(in crate::supervisor) hooks: Vec<Result<User, String>>,
}

impl Users {
    fn of(&self, asker: Asker) -> Result<User, String> {
        let (users, index) = match asker {
            Asker::Check(index) => (&self.checks, index),
            Asker::Hook(index) => (&self.hooks, index),
        };
        usize::try_from(index)
            .ok()
            .and_then(|index| users.get(index))
            .cloned()
            .unwrap_or_else(|| Err("there is no such module".to_owned()))
    }
}

/// Whom the commands of a module run as.
///
/// # Errors
/// With what to write instead.
pub(in crate::supervisor) fn user_of(module: &Module) -> Result<User, String> {
    let Some(name) = &module.user else {
        return Ok(User::unprivileged());
    };
    match User::named(name) {
        Ok(Some(user)) if user.can_be_assumed() => Ok(user),
        Ok(Some(_)) => Err(format!(
            "only root can run commands as {name}; leave it out, or start vrrp-host as root"
        )),
        Ok(None) => Err(format!(
            "this host has no user {name}; `getent passwd` lists those it has"
        )),
        Err(error) => Err(format!("the user {name} cannot be looked up: {error}")),
    }
}

impl Commands {
    pub(super) fn new() -> Self {
        let checks = Threads::new("check commands", RUNNING_MAX, RUNNING_OF_CHECK);
        let hooks = Threads::new("hook commands", RUNNING_MAX, RUNNING_OF_HOOK);
        Self {
            checks,
            hooks,
            looking: Threads::new("command files", RUNNING_MAX, RUNNING_MAX),
            stop: Arc::default(),
        }
    }

    /// The same for other checks and hooks.
    pub(super) fn for_others(&self) -> Self {
        Self {
            checks: self.checks.for_others(),
            hooks: self.hooks.for_others(),
            looking: self.looking.for_others(),
            stop: self.stop.clone(),
        }
    }

    fn stop(&self) -> io::Result<Arc<OwnedFd>> {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = &*stop {
            return Ok(stop.awaited.clone());
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let awaited = Arc::new(read);
        *stop = Some(Stop {
            awaited: awaited.clone(),
            _held: write,
        });
        Ok(awaited)
    }
}

impl Broker {
    pub(super) async fn run_command(
        &self,
        asker: Asker,
        program: PathBuf,
        arguments: Vec<String>,
        timeout: Duration,
    ) -> BrokerAnswer {
        match self.output(asker, program, arguments, timeout).await {
            Ok(output) => BrokerAnswer {
                reply: BrokerReply::Command(Ok(CommandOutput {
                    ending: match output.ending {
                        command::Ending::Exited(code) => CommandEnding::Exited(code),
                        command::Ending::Signaled(signal) => CommandEnding::Signaled(signal),
                    },
                    stdout_length: output.stdout.len(),
                    truncated: output.truncated,
                })),
                bytes: [output.stdout, output.stderr].concat(),
            },
            Err(error) => BrokerReply::Command(Err(error)).into(),
        }
    }

    async fn output(
        &self,
        asker: Asker,
        program: PathBuf,
        arguments: Vec<String>,
        timeout: Duration,
    ) -> Result<Output, BrokerError> {
        self.check(asker, &Grant::Exec(program.clone()))?;
        let io = |error: io::Error| BrokerError::Io(error.to_string());
        let user = self.users.of(asker).map_err(BrokerError::Io)?;
        let deadline = Instant::now() + timeout;
        let stop = self.commands.stop().map_err(io)?;
        // What a check starts is part of the look; what a hook starts may be what it is for.
        let (threads, left_running) = match asker {
            Asker::Check(_) => (&self.commands.checks, LeftRunning::IsKilled),
            Asker::Hook(_) => (&self.commands.hooks, LeftRunning::Stays),
        };
        let command = Command {
            program,
            arguments,
            user,
            left_running,
        };
        let ran = threads.run(asker, timeout, move |answer| {
            command.run(deadline, &*stop, |outcome| {
                // Nobody waits any more when the start has hung.
                let _ = answer.send(outcome);
            });
        });
        ran.await?.map_err(|error| match error {
            CommandError::NotFound => BrokerError::NotFound,
            CommandError::Timeout => BrokerError::Timeout,
            CommandError::Untrusted(_) | CommandError::Stopped | CommandError::Start(_) => {
                BrokerError::Io(error.to_string())
            }
        })
    }

    /// What is wrong with the commands that a check or hook may run, each with what to do about it.
    pub(in crate::supervisor) async fn look_at_commands(
        &self,
        asker: Asker,
    ) -> Vec<(PathBuf, String)> {
        let Ok(user) = self.users.of(asker) else {
            // Said where the user is written.
            return Vec::new();
        };
        let mut wrong = Vec::new();
        for program in self.granted_commands(asker) {
            let (path, user) = (program.clone(), user.clone());
            let looked = self.commands.looking.run(asker, LOOK_MAX, move |answer| {
                let _ = answer.send(command::check(&path, &user));
            });
            match looked.await {
                Ok(Ok(())) => {}
                Ok(Err(untrusted)) => wrong.push((program, untrusted.to_string())),
                Err(BrokerError::Timeout) => {
                    wrong.push((program, "the disk that it is on does not answer".to_owned()));
                }
                Err(error) => debug!(?error, "a command was not looked at"),
            }
        }
        wrong
    }

    fn granted_commands(&self, asker: Asker) -> Vec<PathBuf> {
        let grants = self.grants_of(asker).iter();
        let commands = grants.filter_map(|grant| match grant {
            Grant::Exec(program) => Some(program.clone()),
            Grant::Process(_)
            | Grant::Unit(_)
            | Grant::UnitControl { .. }
            | Grant::Http(_)
            | Grant::Tcp(_)
            | Grant::Udp(_)
            | Grant::UnixSocket(_)
            | Grant::Dns(_)
            | Grant::Icmp(_)
            | Grant::Read(_)
            | Grant::Link(_) => None,
        });
        commands.collect()
    }

    /// Ends every command: nobody waits for one any more.
    pub(in crate::supervisor) fn end_commands(&self) {
        let stop = &self.commands.stop;
        drop(stop.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Ends every command and waits until they are gone.
    pub(in crate::supervisor) async fn stop_commands(&self) {
        self.end_commands();
        let deadline = Instant::now() + DYING_MAX;
        while !(self.commands.checks.is_idle() && self.commands.hooks.is_idle()) {
            if Instant::now() >= deadline {
                warn!("a command cannot be killed; does its disk hang?");
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}
