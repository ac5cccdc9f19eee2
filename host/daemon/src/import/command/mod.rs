//! The commands of scripts and notifications: a module of ours does what many of them do.

mod curl;
mod probe;

use toml::{Table, Value};

use super::tree::Word;
use super::values::strings;

pub(super) use probe::recognise;

/// A module with its `config`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) config: Table,
    /// What is not the same as it was.
    pub(super) remarks: Vec<String>,
}

impl Module {
    pub(super) fn new<const N: usize>(name: &'static str, config: [(&str, Value); N]) -> Self {
        Self {
            name,
            config: config
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect(),
            remarks: Vec::new(),
        }
    }

    fn remark(mut self, remark: &str) -> Self {
        self.remarks.push(remark.to_owned());
        self
    }
}

/// The words of a command, which is either in quotes as a whole or written as it is, and how many words of the statement it takes:
/// behind one in quotes may come its user.
pub(super) fn words_of(words: &[Word]) -> (Vec<String>, usize) {
    match words.first() {
        Some(first) if first.is_quoted => (split(&first.text), 1),
        _ => {
            let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            (split(&texts.join(" ")), words.len())
        }
    }
}

/// At spaces that are not in quotes.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => current.get_or_insert_default().extend(characters.next()),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => current.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                current.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(current.take()),
            (c, None) => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    words
}

/// The name of the program without its folder.
pub(super) fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The `command` and `args` of the modules `exec`. A program that is named without its folder is found by env.
pub(super) fn exec(words: &[String]) -> Table {
    let mut config = Table::new();
    let (command, args) = match words.split_first() {
        Some((first, args)) if first.starts_with('/') => (first.as_str(), args),
        _ => ("/usr/bin/env", words),
    };
    config.insert("command".to_owned(), Value::from(command));
    if !args.is_empty() {
        config.insert("args".to_owned(), strings(args));
    }
    config
}

/// `systemctl start UNIT`, or `service NAME start`: action and unit.
pub(super) fn systemctl(words: &[String]) -> Option<(&str, &str)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (action, unit) = match words[..] {
        [command, action, unit] if program(command) == "systemctl" => (action, unit),
        [command, unit, action] if program(command) == "service" => (action, unit),
        [command, action] if command.starts_with("/etc/init.d/") => (action, program(command)),
        _ => return None,
    };
    let is_known = matches!(
        action,
        "start" | "stop" | "restart" | "reload" | "try-restart"
    );
    (is_known && !unit.starts_with('-')).then_some((action, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        let cases: [(&str, &[&str]); 6] = [
            ("/bin/a  b\tc", &["/bin/a", "b", "c"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            (r#"a "b \"c" d\ e"#, &["a", "b \"c", "d e"]),
            ("a '' b", &["a", "", "b"]),
            ("a 'b", &["a", "b"]),
            ("", &[]),
        ];
        for (text, words) in cases {
            assert_eq!(split(text), words, "{text}");
        }
    }

    #[test]
    fn units_are_found_however_they_are_asked_for() {
        let found = |text| {
            let words = split(text);
            systemctl(&words).map(|(action, unit)| format!("{action} {unit}"))
        };
        let start = Some("start nginx.service".to_owned());
        assert_eq!(found("systemctl start nginx.service"), start);
        assert_eq!(found("/usr/bin/systemctl start nginx.service"), start);
        assert_eq!(
            found("service nginx reload"),
            Some("reload nginx".to_owned())
        );
        assert_eq!(
            found("/etc/init.d/nginx stop"),
            Some("stop nginx".to_owned())
        );
        for other in [
            "systemctl mask nginx",
            "systemctl --no-block start",
            "systemctl start nginx mysql",
            "start nginx",
            "",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
