//! What is wrong, in the order in which to look at it, each in a sentence with its reason and since when.

use super::words::{Clock, progress};
use crate::event::one_line;
use crate::status::{Check, Instance, Status, vrid_conflict_words};

/// Something to be told before everything else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) text: String,
}

/// How much something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// It does not do what it is there for.
    Broken,
    /// It may soon not.
    Doubtful,
    /// Somebody wanted it so.
    Wanted,
}

impl Severity {
    /// The word for it, so that it is told without colours.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Broken => "WRONG",
            Self::Doubtful => "LOOK",
            Self::Wanted => "NOTE",
        }
    }
}

/// Everything that is not as it should be, the worst first.
pub(super) fn problems(status: &Status, clock: Clock) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    found.processes(status);
    for (name, instance) in &status.instances {
        found.instance(name, instance, clock);
    }
    for (name, check) in &status.checks {
        found.check(name, check, status, clock);
    }
    found.hooks(status, clock);
    found.reload(status, clock);
    // Of equal ones the first found stays the first.
    found.0.sort_by_key(|problem| problem.severity);
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn push(&mut self, severity: Severity, text: String) {
        self.0.push(Problem { severity, text });
    }

    fn processes(&mut self, status: &Status) {
        if status.processes.router.is_none() {
            let text = "the router is not running: this node has no address and speaks to nobody until it is started again";
            self.push(Severity::Broken, text.to_owned());
        }
        if status.processes.worker.is_none() {
            let text = "the worker is not running: checks report errors and hooks wait until it is started again";
            self.push(Severity::Broken, text.to_owned());
        }
    }

    fn instance(&mut self, name: &str, instance: &Instance, clock: Clock) {
        let since = clock.since(&instance.since);
        match instance.state.as_str() {
            "FAULT" => {
                let text = format!("{name} is in FAULT since {since}: {}", instance.reason);
                self.push(Severity::Broken, text);
            }
            "INIT" => {
                let awaited = awaited(instance);
                let why = if awaited.is_empty() {
                    instance.reason.clone()
                } else {
                    format!("no verdict yet of {}", awaited.join(", "))
                };
                let text = format!("{name} takes part in no election since {since}: {why}");
                self.push(Severity::Doubtful, text);
            }
            _ => {}
        }
        for (interface, track) in &instance.interfaces {
            if track.standing == "down" {
                let does = does(&track.on_fail, track.weight, name);
                let text = format!("the interface {interface} is down, which {does}");
                self.push(Severity::Broken, text);
            }
        }
        if instance.drained {
            let until = if instance.drain_persists {
                "also after a restart, "
            } else {
                ""
            };
            let but = if instance.state == "MASTER" {
                "; it is MASTER all the same, because no other node takes them"
            } else {
                ""
            };
            let text = format!(
                "{name} is drained: it leaves its addresses to other nodes, {until}until `vrrp-host undrain {name}`{but}"
            );
            self.push(Severity::Wanted, text);
        }
        if let Some(conflict) = &instance.vrid_conflict {
            let (source, id) = (&conflict.source, instance.virtual_router_id);
            let words = vrid_conflict_words(source, id, &instance.interface);
            self.push(Severity::Broken, format!("{name}: {words}"));
        }
        if let Some(failure) = &instance.authentication.last_failure {
            let text = format!(
                "{name} heard {} without good authentication at {}: {}",
                failure.source,
                clock.ago(&failure.at),
                failure.error
            );
            self.push(Severity::Doubtful, text);
        }
    }

    fn check(&mut self, name: &str, check: &Check, status: &Status, clock: Clock) {
        let since = check.since.as_deref().map(|at| clock.since(at));
        let since = since.unwrap_or_default();
        let summary = &check.summary;
        let effect = effect(name, status);
        let (severity, text) = match (check.standing.as_str(), check.verdict.as_str()) {
            ("down", verdict) => {
                let verdict = verdict_words(verdict);
                let text =
                    format!("check {name} is down{effect}; {verdict} since {since}: {summary}");
                (Severity::Broken, text)
            }
            ("unknown", verdict) => {
                let verdict = verdict_words(verdict);
                let text = format!(
                    "check {name} is unknown, which counts like a failing weight of -100{effect}; {verdict} since {since}: {summary}"
                );
                (Severity::Broken, text)
            }
            (standing, "failing" | "error") => {
                let verdict = verdict_words(&check.verdict);
                let next = progress(check).map(|next| format!(", {next}"));
                let text = format!(
                    "check {name}: {verdict} since {since}: {summary}; it still counts as {standing}{}",
                    next.unwrap_or_default()
                );
                (Severity::Doubtful, text)
            }
            (_, "warning") => {
                let text = format!("check {name} warns since {since}: {summary}");
                (Severity::Doubtful, text)
            }
            _ => return,
        };
        self.push(severity, text);
    }

    fn hooks(&mut self, status: &Status, clock: Clock) {
        for (name, hook) in &status.hooks {
            let (Some(result), Some(at), Some(subject)) =
                (&hook.last_result, &hook.last_at, &hook.last_subject)
            else {
                continue;
            };
            if result != "done" {
                let at = clock.ago(at);
                let text = format!("hook {name} failed for {subject} at {at}: {result}");
                self.push(Severity::Broken, text);
            }
        }
    }

    fn reload(&mut self, status: &Status, clock: Clock) {
        let last = status.last_reload.as_ref();
        if let Some((reload, error)) = last.and_then(|it| Some((it, it.error.as_ref()?))) {
            let text = format!(
                "the reload at {} was refused, and the file of before is in use: {}; `vrrp-host check-config FILE` says more",
                clock.ago(&reload.at),
                one_line(error)
            );
            self.push(Severity::Doubtful, text);
        }
    }
}

/// The checks without a first verdict that an instance waits for.
fn awaited(instance: &Instance) -> Vec<String> {
    let tracks = instance.tracks.iter();
    let awaited = tracks.filter(|(_, track)| track.standing == "pending");
    awaited.map(|(check, _)| format!("check {check}")).collect()
}

/// What a check does now to the instances that track it.
fn effect(check: &str, status: &Status) -> String {
    let effects: Vec<String> = status
        .instances
        .iter()
        .filter_map(|(name, instance)| {
            let track = instance.tracks.get(check)?;
            let moves = track.weight != 0 || track.standing == "down" && track.on_fail == "fault";
            moves.then(|| does(&track.on_fail, track.weight, name))
        })
        .collect();
    if effects.is_empty() {
        return String::new();
    }
    format!(", which {}", effects.join(" and "))
}

/// What something that is down does to an instance.
fn does(on_fail: &str, weight: i32, instance: &str) -> String {
    match weight {
        0 if on_fail == "fault" => format!("keeps {instance} in FAULT"),
        0 => format!("does nothing to {instance}"),
        1.. => format!("adds {weight} to the priority of {instance}"),
        _ => format!(
            "takes {} from the priority of {instance}",
            weight.unsigned_abs()
        ),
    }
}

/// A verdict as a verb, for a check that has it.
fn verdict_words(verdict: &str) -> &str {
    match verdict {
        "error" => "it cannot tell",
        "failing" => "it fails",
        "warning" => "it warns",
        "passing" => "it passes",
        _ => "it has not run",
    }
}
