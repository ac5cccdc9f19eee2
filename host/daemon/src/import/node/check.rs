//! `vrrp_script`, `vrrp_track_process` and `vrrp_track_file`: checks.

use std::time::Duration;

use toml::Value;

use super::Reader;
use crate::import::command::{self, Module};
use crate::import::draft::{Entry, ModuleDraft, OnFail};
use crate::import::notes::{Kind, Note};
use crate::import::options::Scope;
use crate::import::source::Place;
use crate::import::tree::Statement;
use crate::import::values::{duration, kebab, seconds};

/// What cluster.toml takes for the interval of a check.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
/// The timeout that a check has, unless its interval is shorter.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
/// The longest weight that has an effect.
const WEIGHT_MAX: i16 = 253;

/// What a `track_...` line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Script,
    Process,
    File,
}

/// Something that can be tracked.
#[derive(Clone, Debug)]
pub(super) struct Trackable {
    pub(super) what: What,
    /// As keepalived's file calls it.
    pub(super) name: String,
    pub(super) draft: ModuleDraft,
    pub(super) weight: Weight,
    pub(super) is_used: bool,
}

/// `weight W [reverse]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) value: i16,
    pub(super) is_reversed: bool,
}

impl Weight {
    pub(super) const NONE: Self = Self {
        value: 0,
        is_reversed: false,
    };

    /// From the words behind `weight`.
    pub(super) fn read(words: &[&str], before: Self) -> Option<Self> {
        let value: i16 = words.first()?.parse().ok()?;
        Some(Self {
            value: value.clamp(-WEIGHT_MAX - 1, WEIGHT_MAX + 1),
            is_reversed: match words.get(1) {
                Some(&"reverse") => true,
                Some(&"noreverse") => false,
                _ => before.is_reversed,
            },
        })
    }

    /// What it does when the check is down; `None` when it does the reverse.
    pub(super) fn on_fail(self) -> Option<OnFail> {
        match self {
            Self {
                is_reversed: true, ..
            } => None,
            Self { value: 0, .. } => Some(OnFail::Fault),
            Self { value, .. } => Some(OnFail::Weight(value.clamp(-WEIGHT_MAX, WEIGHT_MAX))),
        }
    }
}

impl Reader {
    pub(super) fn read_trackables(&mut self, statements: &[Statement]) {
        for statement in statements {
            let trackable = match statement.keyword() {
                "vrrp_script" => self.read_script(statement),
                "vrrp_track_process" => self.read_process(statement),
                "vrrp_track_file" | "track_file" => self.read_file(statement),
                _ => continue,
            };
            self.trackables.extend(trackable);
        }
    }

    /// keepalived does not run what nobody tracks either.
    pub(super) fn note_unused(&mut self) {
        let unused = self.trackables.iter().filter(|it| !it.is_used);
        let notes = unused.map(|it| {
            let why = "nothing tracks it, and keepalived does not run it either";
            Note::new(Kind::Needless, it.draft.place, it.draft.what.clone(), why)
        });
        let notes: Vec<_> = notes.collect();
        self.notes.extend(notes);
    }

    fn read_script(&mut self, statement: &Statement) -> Option<Trackable> {
        let mut words = Vec::new();
        let mut timing = Timing::new(statement.place);
        let mut weight = Weight::NONE;
        let mut user = None;
        for statement in statement.statements() {
            match statement.keyword() {
                "script" => (words, _) = command::words_of(&statement.words[1..]),
                "weight" => match Weight::read(&statement.rest(1), weight) {
                    Some(read) => weight = read,
                    None => self.leave_out(Scope::Script, statement),
                },
                "user" => user = Some((statement.word(1).to_owned(), statement.place)),
                "interval" | "timeout" | "rise" | "fall" => {
                    if !timing.take(statement) {
                        self.leave_out(Scope::Script, statement);
                    }
                }
                _ => self.leave_out(Scope::Script, statement),
            }
        }
        if words.is_empty() {
            self.lose(statement, "it has no `script`");
            return None;
        }
        let (module, entries) = match command::recognise(&words) {
            Some(module) => timing.of_module(module),
            None => {
                let mut config = command::exec(&words);
                config.insert("timeout-is".to_owned(), "failing".into());
                let module = Module {
                    name: "exec",
                    config,
                    remarks: Vec::new(),
                };
                let (module, mut entries) = timing.of_command(module);
                entries.push(self.user(user, statement.place));
                (module, entries)
            }
        };
        Some(Trackable {
            what: What::Script,
            name: statement.word(1).to_owned(),
            draft: draft(statement, module, entries),
            weight,
            is_used: false,
        })
    }

    /// Whom a command runs as.
    pub(super) fn user(&self, own: Option<(String, Place)>, place: Place) -> Entry {
        let global = self.globals.script_user.as_ref();
        let global = global.map(|told| (told.value.clone(), told.place));
        match own.or(global).filter(|(user, _)| is_user(user)) {
            Some((user, place)) => Entry::at("user", user, place),
            None => Entry::at("user", "root", place).remark(
                "no user is given: keepalived takes keepalived_script when there is one, or else root; \
                 better write one that may do no more than this",
            ),
        }
    }

    fn read_process(&mut self, statement: &Statement) -> Option<Trackable> {
        let mut module = Module::new("process", []);
        let mut weight = Weight::NONE;
        let mut entries = Vec::new();
        for statement in statement.statements() {
            match statement.keyword() {
                "process" => {
                    let (words, _) = command::words_of(&statement.words[1..]);
                    let Some((first, arguments)) = words.split_first() else {
                        self.leave_out(Scope::Process, statement);
                        continue;
                    };
                    let name = command::program(first);
                    module.config.insert("name".to_owned(), name.into());
                    if !arguments.is_empty() {
                        module.remarks.push(format!(
                            "keepalived also compares the arguments `{}`; this check does not",
                            arguments.join(" ")
                        ));
                    }
                }
                keyword @ ("quorum" | "quorum_max") => {
                    let Some(count) = self.number::<u16>(Scope::Process, statement) else {
                        continue;
                    };
                    let key = if keyword == "quorum" { "min" } else { "max" };
                    let count = Value::from(i64::from(count.value));
                    module.config.insert(key.to_owned(), count);
                }
                "weight" => match Weight::read(&statement.rest(1), weight) {
                    Some(read) => weight = read,
                    None => self.leave_out(Scope::Process, statement),
                },
                "interval" => match self.seconds(Scope::Process, statement) {
                    Some(interval) => entries.push(
                        Entry::at(
                            "interval",
                            duration(interval.value.clamp(INTERVAL_MIN, INTERVAL_MAX)),
                            statement.place,
                        )
                        .remark("keepalived has no such option here and ignores it; this check also runs when the process exits or starts"),
                    ),
                    None => continue,
                },
                _ => self.leave_out(Scope::Process, statement),
            }
        }
        if !module.config.contains_key("name") {
            self.lose(statement, "it has no `process`");
            return None;
        }
        // None at all: it must not run.
        if module.config.get("max") == Some(&Value::from(0_i64)) {
            module.config.insert("min".to_owned(), Value::from(0_i64));
        }
        Some(Trackable {
            what: What::Process,
            name: statement.word(1).to_owned(),
            draft: draft(statement, module, entries),
            weight,
            is_used: false,
        })
    }

    fn read_file(&mut self, statement: &Statement) -> Option<Trackable> {
        let mut path = String::new();
        let mut weight = Weight {
            value: 1,
            is_reversed: false,
        };
        for statement in statement.statements() {
            match statement.keyword() {
                "file" => statement.word(1).clone_into(&mut path),
                "weight" => match Weight::read(&statement.rest(1), weight) {
                    Some(read) => weight = read,
                    None => self.leave_out(Scope::File, statement),
                },
                _ => self.leave_out(Scope::File, statement),
            }
        }
        if !path.starts_with('/') {
            self.lose(statement, "it has no `file` with an absolute path");
            return None;
        }
        let module = Module::new("file", [("path", path.into())]);
        Some(Trackable {
            what: What::File,
            name: statement.word(1).to_owned(),
            draft: draft(statement, module, Vec::new()),
            weight,
            is_used: false,
        })
    }
}

/// What cluster.toml takes for the name of a user.
fn is_user(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_control() || matches!(c, ':' | '/'))
}

fn draft(statement: &Statement, module: Module, entries: Vec<Entry>) -> ModuleDraft {
    let given = statement.word(1);
    let lower = given.to_ascii_lowercase();
    let bare = ["chk_", "check_", "track_"]
        .into_iter()
        .find_map(|prefix| lower.strip_prefix(prefix));
    ModuleDraft {
        name: kebab(bare.unwrap_or(given)),
        place: statement.place,
        what: statement.show(),
        module,
        entries,
    }
}

/// How often a script runs, and how many results count.
struct Timing {
    interval: Duration,
    timeout: Option<Duration>,
    entries: Vec<Entry>,
    place: Place,
    interval_place: Place,
    timeout_place: Place,
}

impl Timing {
    fn new(place: Place) -> Self {
        Self {
            interval: Duration::from_secs(1),
            timeout: None,
            entries: Vec::new(),
            place,
            interval_place: place,
            timeout_place: place,
        }
    }

    /// Takes a statement; false when its value makes no sense.
    fn take(&mut self, statement: &Statement) -> bool {
        let word = statement.word(1);
        let place = statement.place;
        match statement.keyword() {
            keyword @ ("interval" | "timeout") => {
                let Some(time) = seconds(word) else {
                    return false;
                };
                if keyword == "timeout" {
                    self.timeout = Some(time).filter(|time| !time.is_zero());
                    self.timeout_place = place;
                } else {
                    let time = if time.is_zero() { self.interval } else { time };
                    self.interval = time.clamp(INTERVAL_MIN, INTERVAL_MAX);
                    self.interval_place = place;
                }
            }
            keyword => {
                let Some(count) = word.parse::<u16>().ok().filter(|count| *count > 0) else {
                    return false;
                };
                let count = i64::from(count);
                self.entries.push(match keyword {
                    "rise" => Entry::at("rise", count, place),
                    _ if count == 1 => Entry::at("fall", count, place),
                    _ => Entry::at("fall", count, place).remark(
                        "keepalived takes the very first failure after its start for one at once, whatever `fall` says",
                    ),
                });
            }
        }
        true
    }

    fn interval(&self) -> Entry {
        let entry = Entry::at("interval", duration(self.interval), self.interval_place);
        if self.interval_place == self.place {
            entry.remark("keepalived's interval when none is given")
        } else {
            entry
        }
    }

    /// For a command, and for a module that waits for somebody's answer.
    fn of_command(mut self, module: Module) -> (Module, Vec<Entry>) {
        let mut entries = vec![self.interval()];
        let wanted = self.timeout.unwrap_or(self.interval);
        let timeout = wanted.min(self.interval);
        if timeout != TIMEOUT_DEFAULT.min(self.interval) {
            let entry = Entry::at("timeout", duration(timeout), self.timeout_place);
            entries.push(if timeout < wanted {
                entry.remark("runs do not overlap, so it ends when the next one is due")
            } else if self.timeout.is_none() {
                entry.remark("keepalived's timeout is the interval when none is given")
            } else {
                entry
            });
        }
        entries.append(&mut self.entries);
        (module, entries)
    }

    /// For a module of ours that does what the script did.
    fn of_module(mut self, mut module: Module) -> (Module, Vec<Entry>) {
        let timeout = self.timeout.unwrap_or(self.interval).min(self.interval);
        match module.name {
            "http" | "tcp" | "ping" => {
                // Of its own accord the module waits for 800ms, and what it has not got by then is failing.
                if timeout > TIMEOUT_DEFAULT && !module.config.contains_key("timeout") {
                    module
                        .config
                        .insert("timeout".to_owned(), duration(timeout));
                }
                self.of_command(module)
            }
            // The others wait for nobody.
            _ => {
                let mut entries = vec![self.interval()];
                entries.append(&mut self.entries);
                (module, entries)
            }
        }
    }
}
