//! What the command line makes happen: `fail:node-exporter@master` and its like.

use std::time::Duration;

use vrrp::{Command, Outcome};

use super::act::{Act, Happens};
use super::scene::{NodePlan, Scene};
use crate::config::{closest, list};

/// What an event word is followed by.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `crash:NODE`.
    Node(Happens),
    /// `fail:CHECK@NODE`.
    Check(Outcome),
    /// `link-down:INTERFACE@NODE`.
    Interface { up: bool },
    /// `drain:INSTANCE@NODE`.
    Instance(Command),
}

const WORDS: [(&str, Form); 16] = [
    ("fail", Form::Check(Outcome::Failing)),
    ("warn", Form::Check(Outcome::Warning)),
    ("pass", Form::Check(Outcome::Passing)),
    ("error", Form::Check(Outcome::Error)),
    ("crash", Form::Node(Happens::Crash)),
    ("start", Form::Node(Happens::Start)),
    ("stop", Form::Node(Happens::Stop)),
    ("cut", Form::Node(Happens::Cut)),
    ("heal", Form::Node(Happens::Heal)),
    ("freeze", Form::Node(Happens::Freeze)),
    ("thaw", Form::Node(Happens::Thaw)),
    ("link-down", Form::Interface { up: false }),
    ("link-up", Form::Interface { up: true }),
    ("drain", Form::Instance(Command::Drain)),
    ("undrain", Form::Instance(Command::Undrain)),
    ("release", Form::Instance(Command::Release)),
];

/// Something to happen, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) act: Act,
    pub(crate) words: String,
}

/// Reads the pairs of time and event of a command line, of a simulation as long as `length`.
///
/// # Errors
/// Everything that is wrong, a line each, with what to write instead.
pub(crate) fn read(
    scene: &Scene,
    length: Duration,
    pairs: &[(String, String)],
) -> Result<Vec<Planned>, String> {
    let mut planned = Vec::new();
    let mut wrong = Vec::new();
    for (time, words) in pairs {
        let (at, act) = (read_time(time, length), read_act(scene, words));
        if let (Ok(at), Ok(act)) = (&at, &act) {
            planned.push(Planned {
                at: *at,
                act: *act,
                words: words.clone(),
            });
        }
        let problems = [at.err(), act.err()].into_iter().flatten();
        wrong.extend(problems.map(|problem| format!("--at {time} {words}: {problem}")));
    }
    if wrong.is_empty() {
        Ok(planned)
    } else {
        Err(wrong.join("\n"))
    }
}

fn read_time(text: &str, length: Duration) -> Result<Duration, String> {
    let at = humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a time; write a number and a unit: 5s, 250ms"))?;
    if at > length {
        let at = humantime::format_duration(at);
        let length = humantime::format_duration(length);
        return Err(format!(
            "the simulation ends after {length}; make it longer: --for {at}, or more"
        ));
    }
    Ok(at)
}

/// Reads an event.
pub(crate) fn read_act(scene: &Scene, text: &str) -> Result<Act, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let known = WORDS.iter().find(|(known, _)| *known == word);
    let Some((word, form)) = known else {
        return Err(unknown_word(word));
    };
    let (thing, node) = match form {
        Form::Node(_) => ("", rest),
        Form::Check(_) | Form::Interface { .. } | Form::Instance(_) => {
            rest.rsplit_once('@').unwrap_or((rest, ""))
        }
    };
    let what_to_write = form.example(word);
    if node.is_empty() {
        return Err(format!("at which node? write {what_to_write}"));
    }
    let names = scene.node_names();
    let Some(index) = names.iter().position(|known| *known == node) else {
        return Err(unknown("node", node, &names, "the file has"));
    };
    let plan = &scene.nodes[index];
    let what = match *form {
        Form::Node(what) => what,
        Form::Check(outcome) => Happens::Check(find_check(scene, plan, thing)?, outcome),
        Form::Interface { up } => Happens::Link(find_interface(plan, thing)?, up),
        Form::Instance(command) => Happens::Command(find_instance(plan, thing)?, command),
    };
    Ok(Act { node: index, what })
}

impl Form {
    fn example(self, word: &str) -> String {
        let of = match self {
            Self::Node(_) => "NODE",
            Self::Check(_) => "CHECK@NODE",
            Self::Interface { .. } => "INTERFACE@NODE",
            Self::Instance(_) => "INSTANCE@NODE",
        };
        format!("{word}:{of}")
    }
}

fn unknown_word(word: &str) -> String {
    let words = WORDS.map(|(word, _)| word);
    unknown("event", word, &words, "there are")
}

/// Says that something is not known, and which name may have been meant.
fn unknown(what: &str, name: &str, known: &[&str], there_are: &str) -> String {
    let help = match closest(name, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("{there_are} {}", list(known)),
    };
    format!("no {what} is called `{name}`; {help}")
}

fn find_check(scene: &Scene, plan: &NodePlan, name: &str) -> Result<usize, String> {
    let checks = plan.setup.checks.iter();
    let known: Vec<&str> = checks.map(|check| check.name.as_str()).collect();
    if let Some(check) = known.iter().position(|known| *known == name) {
        return Ok(check);
    }
    let elsewhere = scene.nodes.iter().filter(|node| {
        let mut checks = node.setup.checks.iter();
        checks.any(|check| check.name == name)
    });
    let elsewhere: Vec<&str> = elsewhere.map(|node| node.name.as_str()).collect();
    if !elsewhere.is_empty() {
        return Err(format!(
            "nothing on `{}` tracks the check `{name}`; it is tracked on {}",
            plan.name,
            list(&elsewhere)
        ));
    }
    if known.is_empty() {
        return Err(format!("nothing on `{}` tracks a check", plan.name));
    }
    let there_are = format!("`{}` has", plan.name);
    Err(unknown("check", name, &known, &there_are))
}

fn find_interface(plan: &NodePlan, name: &str) -> Result<usize, String> {
    let interfaces = plan.router.watched_interfaces().iter();
    let known: Vec<&str> = interfaces.map(String::as_str).collect();
    let there_are = format!("what the file uses on `{}` is", plan.name);
    plan.interface(name)
        .ok_or_else(|| unknown("interface", name, &known, &there_are))
}

/// A sync group goes by any of its members.
fn find_instance(plan: &NodePlan, name: &str) -> Result<usize, String> {
    let instances = plan.setup.instances.iter();
    let instances: Vec<&str> = instances.map(|plan| plan.instance.name.as_str()).collect();
    if let Some(instance) = instances.iter().position(|known| *known == name) {
        return Ok(instance);
    }
    let groups = &plan.setup.groups;
    let group = groups.iter().find(|plan| plan.group.name == name);
    if let Some(member) = group.and_then(|plan| plan.group.members.first()) {
        return Ok(*member);
    }
    let groups = groups.iter().map(|plan| plan.group.name.as_str());
    let known: Vec<&str> = instances.iter().copied().chain(groups).collect();
    Err(unknown(
        "instance or sync group",
        name,
        &known,
        "the file has",
    ))
}
