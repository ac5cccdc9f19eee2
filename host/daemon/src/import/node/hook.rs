//! `notify_master` and its like: hooks.

use toml::Value;

use super::Reader;
use crate::import::command::{self, Module};
use crate::import::draft::{Entry, ModuleDraft, NotifyDraft};
use crate::import::options::Scope;
use crate::import::tree::Statement;
use crate::import::values::kebab;

/// Programs whose name says nothing about what they do.
const NAMELESS: [&str; 8] = [
    "env", "sh", "bash", "dash", "python3", "python", "perl", "sudo",
];

impl Reader {
    /// Reads a statement when it is a notification; `None` when it is another one.
    pub(super) fn read_notify(
        &mut self,
        scope: Scope,
        statement: &Statement,
    ) -> Option<Option<NotifyDraft>> {
        let on: &[&str] = match statement.keyword() {
            "notify" => &["master", "backup", "fault", "stop"],
            "notify_master" => &["master"],
            "notify_backup" => &["backup"],
            "notify_fault" => &["fault"],
            "notify_stop" => &["stop"],
            _ => return None,
        };
        let (words, taken) = command::words_of(&statement.words[1..]);
        if words.is_empty() {
            self.leave_out(scope, statement);
            return Some(None);
        }
        let draft = match command::systemctl(&words) {
            // keepalived gives a general script arguments, which systemctl takes for units.
            Some((action, unit)) if on.len() == 1 => {
                let config = [("action", action.into()), ("unit", unit.into())];
                let stem = unit.split('.').next().unwrap_or(unit);
                ModuleDraft {
                    name: kebab(&format!("{action}-{stem}")),
                    place: statement.place,
                    what: statement.show(),
                    module: Module::new("systemctl", config),
                    entries: Vec::new(),
                }
            }
            _ => self.command_hook(statement, on, &words, taken),
        };
        let known = self
            .hooks
            .iter()
            .position(|hook| hook.does_the_same(&draft));
        let hook = known.unwrap_or_else(|| {
            self.hooks.push(draft);
            self.hooks.len() - 1
        });
        Some(Some(NotifyDraft {
            on,
            hook,
            place: statement.place,
        }))
    }

    fn command_hook(
        &self,
        statement: &Statement,
        on: &[&str],
        words: &[String],
        taken: usize,
    ) -> ModuleDraft {
        let is_general = on.len() > 1;
        let place = statement.place;
        let user = statement
            .rest(1 + taken)
            .first()
            .map(|user| (*user).to_owned());
        let mut entries = vec![self.user(user.map(|user| (user, place)), place)];
        let mut config = command::exec(words);
        if is_general {
            entries.push(Entry::at("every", true, place));
        } else {
            config.insert("notify-args".to_owned(), Value::from(false));
        }
        let stem = stem(words);
        ModuleDraft {
            name: kebab(&if is_general || stem.ends_with(on[0]) {
                stem.to_owned()
            } else {
                format!("{stem}-{}", on[0])
            }),
            place,
            what: statement.show(),
            module: Module {
                name: "exec",
                config,
                remarks: Vec::new(),
            },
            entries,
        }
    }
}

/// What the command is called.
fn stem(words: &[String]) -> &str {
    let names = words.iter().map(|word| command::program(word));
    let telling = names
        .filter(|name| !name.starts_with('-') && !NAMELESS.contains(name) && !name.contains(' '))
        .find(|name| name.contains(|c: char| c.is_ascii_alphabetic()));
    let name = telling.unwrap_or("notify");
    name.split('.').next().unwrap_or(name)
}
