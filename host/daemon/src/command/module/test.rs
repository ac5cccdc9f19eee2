//! `vrrp-host module test`: runs a module as the daemon would, and shows what it finds, takes and asks for.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use vrrp_sandbox::{
    Asked, CheckModule, Fault, HookError, HookModule, HookReport, ModuleRole, Observation, Reply,
    RunContext, RunError, RunReport, Transition, Usage, Verdict, VrrpState,
};

use super::target::Terms;
use super::workshop::{Loaded, Workshop, rehearsal};
use crate::cli::Options;
use crate::command::print;
use crate::config::Limits;
use crate::exit::Failure;

/// The instance that a module under test is told about.
const INSTANCE: &str = "VI_1";

/// What to run, and how.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The component's file, the name of a module that is built in, or oci://...@sha256:... of one in the store
    #[arg(value_name = "MODULE")]
    module: String,
    #[command(flatten)]
    terms: Terms,
    /// For a check: the state of the instance that tracks it; `backup` when left out
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// How often to run it, one run after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    runs: u64,
    /// A host function that fails instead of doing its work, such as 'http=timeout' or 'systemd-control.run=denied'; may
    /// be repeated. The errors are those of the contract, and a wrong one is told which there are
    #[arg(long = "fault", value_name = "CAPABILITY=ERROR")]
    faults: Vec<Fault>,
    /// For a hook: the state before the transition; `backup` when left out
    #[arg(long, value_enum, value_name = "STATE")]
    before: Option<State>,
    /// For a hook: the state after the transition; `master` when left out
    #[arg(long, value_enum, value_name = "STATE")]
    after: Option<State>,
    /// For a hook: why the transition happened
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// What only the other role has a use for is most likely a mistake about the role.
    fn fit(&self, role: ModuleRole) -> Result<(), Failure> {
        let misplaced = match role {
            ModuleRole::Check => [
                ("--before", self.before.is_some()),
                ("--after", self.after.is_some()),
                ("--reason", self.reason.is_some()),
            ]
            .iter()
            .find(|(_, given)| *given)
            .map(|(option, _)| {
                (
                    *option,
                    "a hook",
                    "--state says which state its instance is in",
                )
            }),
            ModuleRole::Hook => self.state.map(|_| {
                (
                    "--state",
                    "a check",
                    "--before and --after say which transition it is told",
                )
            }),
        };
        match misplaced {
            None => Ok(()),
            Some((option, whose, instead)) => Err(Failure::usage(format!(
                "{option} is for {whose}, and `{}` is a {role}; {instead}",
                self.module
            ))),
        }
    }
}

/// A state, in the words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Initialize,
    Backup,
    Master,
    Fault,
}

impl From<State> for VrrpState {
    fn from(state: State) -> Self {
        match state {
            State::Initialize => Self::Initialize,
            State::Backup => Self::Backup,
            State::Master => Self::Master,
            State::Fault => Self::Fault,
        }
    }
}

/// Runs the module, prints what came of it, and has the exit code say it too.
///
/// # Errors
/// When it is failing, or came to no verdict.
pub(super) async fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.terms.config()?;
    let workshop = Workshop::open(options, &arguments.module).await?;
    arguments.fit(workshop.description.role)?;
    let rehearsal = rehearsal(arguments.faults.clone());
    let loaded = workshop.load(&arguments.terms, &config, &rehearsal).await?;
    let mut ends = Vec::new();
    for number in 1..=arguments.runs {
        ends.push(match &loaded {
            Loaded::Check(check) => run_check(arguments, check, number, ends.last()).await,
            Loaded::Hook(hook) => call_hook(arguments, hook, number).await,
        });
    }
    let told = Told {
        module: &workshop.target.name,
        role: workshop.description.role,
        ends: &ends,
        asked: &rehearsal.asked(),
        limits: Limits::default(),
    };
    print(&if arguments.json {
        serde_json::to_string_pretty(&told.json()).map_err(Failure::internal)?
    } else {
        told.text()
    })?;
    if ends
        .iter()
        .any(|end| matches!(end.outcome, Outcome::Error { .. }))
    {
        return Err(Failure::no_verdict(""));
    }
    if ends.iter().any(|end| !end.outcome.is_good()) {
        return Err(Failure::negative());
    }
    Ok(())
}

async fn run_check(
    arguments: &Arguments,
    check: &CheckModule,
    number: u64,
    last: Option<&End>,
) -> End {
    let context = RunContext {
        causes: Vec::new(),
        run: number,
        previous: last.and_then(|end| end.outcome.verdict()),
        states: vec![(
            INSTANCE.to_owned(),
            arguments.state.unwrap_or(State::Backup).into(),
        )],
    };
    let RunReport { outcome, usage } = check.run(context).await;
    let outcome = match outcome {
        Ok(observation) => Outcome::Verdict(observation),
        Err(error) => Outcome::error(&error),
    };
    End { outcome, usage }
}

async fn call_hook(arguments: &Arguments, hook: &HookModule, number: u64) -> End {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let transition = Transition {
        instance: INSTANCE.to_owned(),
        virtual_router_id: 51,
        interface_name: "eth0".to_owned(),
        before: arguments.before.unwrap_or(State::Backup).into(),
        after: arguments.after.unwrap_or(State::Master).into(),
        effective_priority: 100,
        reason: arguments
            .reason
            .clone()
            .unwrap_or_else(|| "vrrp-host module test".to_owned()),
        // RFC 5737: an address of nobody.
        addresses: vec!["192.0.2.1".to_owned()],
        sequence: number,
        at_unix_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
    };
    let HookReport { outcome, usage } = hook.report(transition).await;
    let outcome = match outcome {
        Ok(()) => Outcome::Done,
        Err(HookError::Retry(why)) => Outcome::NotDone { why, retry: true },
        Err(HookError::Permanent(why)) => Outcome::NotDone { why, retry: false },
        Err(HookError::Module(error)) => Outcome::error(&error),
    };
    End { outcome, usage }
}

/// How a run ended, and what it cost.
struct End {
    outcome: Outcome,
    usage: Usage,
}

enum Outcome {
    Verdict(Observation),
    Done,
    NotDone { why: String, retry: bool },
    Error { kind: &'static str, why: String },
}

impl Outcome {
    fn error(error: &RunError) -> Self {
        Self::Error {
            kind: error.kind(),
            why: error.to_string(),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Verdict(observation) => Some(observation.verdict),
            Self::Done | Self::NotDone { .. } | Self::Error { .. } => None,
        }
    }

    fn is_good(&self) -> bool {
        match self {
            Self::Verdict(observation) => observation.verdict != Verdict::Failing,
            Self::Done => true,
            Self::NotDone { .. } | Self::Error { .. } => false,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Verdict(observation) => match observation.verdict {
                Verdict::Passing => "passing",
                Verdict::Warning => "warning",
                Verdict::Failing => "failing",
            },
            Self::Done => "done",
            Self::NotDone { retry: true, .. } => "retry",
            Self::NotDone { retry: false, .. } => "permanent",
            Self::Error { .. } => "error",
        }
    }

    fn summary(&self) -> &str {
        match self {
            Self::Verdict(observation) => &observation.summary,
            Self::Done => "",
            Self::NotDone { why, .. } | Self::Error { why, .. } => why,
        }
    }
}

/// Everything there is to tell.
struct Told<'a> {
    module: &'a str,
    role: ModuleRole,
    ends: &'a [End],
    asked: &'a [Asked],
    limits: Limits,
}

impl Told<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        for (end, number) in self.ends.iter().zip(1..) {
            if self.ends.len() > 1 {
                let _ = write!(text, "run {number}: ");
            }
            text.push_str(end.outcome.word());
            if !end.outcome.summary().is_empty() {
                let _ = write!(text, ": {}", end.outcome.summary());
            }
            text.push('\n');
            if let Outcome::Verdict(observation) = &end.outcome {
                if let Some(weight) = observation.weight {
                    line(&mut text, "weight", &weight.to_string());
                }
                for fact in &observation.facts {
                    line(&mut text, &fact.name, &fact.value);
                }
            }
            let Usage {
                cpu,
                wall,
                memory_peak,
                denied: _,
            } = end.usage;
            line(&mut text, "time", &milliseconds(wall));
            line(
                &mut text,
                "CPU time",
                &format!("{} of {}", milliseconds(cpu), milliseconds(self.limits.cpu)),
            );
            line(
                &mut text,
                "memory",
                &format!(
                    "{} KiB of {} KiB",
                    memory_peak >> 10,
                    self.limits.memory >> 10
                ),
            );
        }
        if self.asked.is_empty() {
            text.push_str("asked for nothing that takes a grant\n");
        } else {
            text.push_str("asked for\n");
        }
        for asked in self.asked {
            let times = match asked.times {
                1 => String::new(),
                times => format!(", {times} times"),
            };
            line(
                &mut text,
                &asked.what,
                &format!("{}{times}", reply(&asked.reply)),
            );
        }
        text
    }

    fn json(&self) -> Value {
        let runs: Vec<_> = self.ends.iter().map(run_json).collect();
        let asked: Vec<_> = self.asked.iter().map(asked_json).collect();
        json!({
            "module": self.module,
            "role": self.role.to_string(),
            "runs": runs,
            "asked": asked,
        })
    }
}

fn run_json(end: &End) -> Value {
    let Usage {
        cpu,
        wall,
        memory_peak,
        denied,
    } = end.usage;
    let mut run = json!({
        "outcome": end.outcome.word(),
        "summary": end.outcome.summary(),
        "wall-us": microseconds(wall),
        "cpu-us": microseconds(cpu),
        "memory-bytes": memory_peak,
        "denied": denied,
    });
    match &end.outcome {
        Outcome::Verdict(observation) => {
            let facts = observation.facts.iter();
            run["weight"] = json!(observation.weight);
            run["facts"] = facts
                .map(|fact| (fact.name.clone(), json!(fact.value)))
                .collect();
        }
        Outcome::Error { kind, .. } => run["error"] = json!(kind),
        Outcome::Done | Outcome::NotDone { .. } => {}
    }
    run
}

fn asked_json(asked: &Asked) -> Value {
    let mut object = json!({ "what": asked.what, "times": asked.times });
    object["reply"] = json!(match &asked.reply {
        Reply::Granted => "granted",
        Reply::Denied => "denied",
        Reply::Injected(error) => {
            object["error"] = json!(error);
            "injected"
        }
    });
    object
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Granted => "granted".to_owned(),
        Reply::Denied => "denied".to_owned(),
        Reply::Injected(error) => format!("not tried, --fault says {error}"),
    }
}

/// The columns of all that is shown under a run.
const NAME_WIDTH: usize = 24;

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "    {name:<NAME_WIDTH$} {value}");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
