//! What is sent: the whole transition, or a template with parts of it.

use serde_json::json;
use vrrp_sdk::Transition;

/// How what is filled into a template is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// So that it can stand inside a JSON string.
    Json,
    /// As in a form of HTML (application/x-www-form-urlencoded).
    Form,
    /// As it is.
    Plain,
}

/// A word in braces, and what it stands for.
type Word = (&'static str, fn(&Transition) -> String);

const WORDS: [Word; 10] = [
    ("addresses", |transition| transition.addresses.join(",")),
    ("at-unix-ms", |transition| transition.at_unix_ms.to_string()),
    ("before", |transition| transition.before.to_string()),
    ("instance", |transition| transition.instance.clone()),
    ("interface", |transition| transition.interface_name.clone()),
    ("priority", |transition| {
        transition.effective_priority.to_string()
    }),
    ("reason", |transition| transition.reason.clone()),
    ("sequence", |transition| transition.sequence.to_string()),
    ("state", |transition| transition.after.to_string()),
    ("virtual-router-id", |transition| {
        transition.virtual_router_id.to_string()
    }),
];

impl Writing {
    pub(crate) fn of(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else {
            return Self::Json;
        };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        if media_type.ends_with("json") {
            Self::Json
        } else if media_type == "application/x-www-form-urlencoded" {
            Self::Form
        } else {
            Self::Plain
        }
    }

    fn write(self, value: &str) -> String {
        match self {
            Self::Json => {
                let quoted = json!(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Form => value.bytes().map(form_byte).collect(),
            Self::Plain => value.to_owned(),
        }
    }
}

fn form_byte(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
            char::from(byte).to_string()
        }
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    }
}

/// Everything, with the names that `vrrp-host status --json` uses.
pub(crate) fn whole(transition: &Transition) -> String {
    json!({
        "instance": transition.instance,
        "virtual-router-id": transition.virtual_router_id,
        "interface": transition.interface_name,
        "before": transition.before.to_string(),
        "state": transition.after.to_string(),
        "priority": transition.effective_priority,
        "reason": transition.reason,
        "addresses": transition.addresses,
        "sequence": transition.sequence,
        "at-unix-ms": transition.at_unix_ms,
    })
    .to_string()
}

pub(crate) fn fill_in(template: &str, transition: &Transition, writing: Writing) -> String {
    let mut text = String::new();
    for part in parts(template) {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Word(written) => match WORDS.iter().find(|(word, _)| *word == written) {
                Some((_, value)) => text.push_str(&writing.write(&value(transition))),
                None => text.push_str(written),
            },
        }
    }
    text
}

/// Words in braces that stand for nothing.
pub(crate) fn unknown_words(template: &str) -> Vec<&str> {
    let words = parts(template).filter_map(|part| match part {
        Part::Word(word) => Some(word),
        Part::Text(_) => None,
    });
    words
        .filter(|word| !WORDS.iter().any(|(known, _)| known == word))
        .collect()
}

pub(crate) fn words() -> Vec<String> {
    WORDS
        .iter()
        .map(|(word, _)| format!("{{{word}}}"))
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    /// A word of small letters and hyphens in braces. Other braces, such as those of JSON, are text.
    Word(&'a str),
}

fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((word, after)) = leading_word(rest) {
            rest = after;
            return Some(Part::Word(word));
        }
        let braces = rest.char_indices().skip(1).filter(|(_, c)| *c == '{');
        let mut ends = braces.map(|(at, _)| at);
        let end = ends.find(|at| leading_word(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(Part::Text(text))
    })
}

fn leading_word(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
    is_word.then_some((word, after))
}
