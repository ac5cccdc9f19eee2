//! `$NAME` and `${NAME}`: what stands for them.

use std::collections::BTreeMap;

use super::source::{Fault, Place};

/// A line without its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Definitions may use each other; deeper than this they go round in a circle.
const DEPTH_MAX: usize = 32;
/// What all files together may come to: a few definitions that double each other would fill the memory.
pub(super) const BYTES_MAX: usize = 8 << 20;

/// What has been defined so far. A definition is expanded where it is used, with what is defined by then.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    values: BTreeMap<String, Vec<Line>>,
    /// The folder of the file that is read, for `${_PWD}`.
    pub(super) folder: String,
    /// What `instance` says, for `${_INSTANCE}`.
    pub(super) instance: String,
    /// Bytes written so far.
    written: usize,
}

impl Definitions {
    /// Defines a name, and returns what it stood for before.
    pub(super) fn define(&mut self, name: &str, value: Vec<Line>) -> Option<Vec<Line>> {
        self.values.insert(name.to_owned(), value)
    }

    /// Back to what it stood for before.
    pub(super) fn restore(&mut self, name: &str, before: Option<Vec<Line>>) {
        match before {
            Some(value) => self.values.insert(name.to_owned(), value),
            None => self.values.remove(name),
        };
    }

    /// The line with everything expanded that is defined: several lines when a value has several.
    pub(super) fn expand(&mut self, line: &Line) -> Result<Vec<Line>, Fault> {
        let mut expanded = Expanded {
            lines: Vec::new(),
            current: Line {
                place: line.place,
                text: String::new(),
            },
            written: self.written,
        };
        self.expand_into(line, 0, &mut expanded)?;
        self.written = expanded.written;
        expanded.lines.push(expanded.current);
        Ok(expanded.lines)
    }

    fn expand_into(&self, line: &Line, depth: usize, into: &mut Expanded) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(
                line.place,
                "the definitions that are used here go round in a circle",
                "write what they stand for",
            ));
        }
        let mut rest = line.text.as_str();
        while let Some(at) = rest.find('$') {
            into.push(&rest[..at])?;
            rest = &rest[at..];
            let Some((name, length)) = variable(rest) else {
                into.push("$")?;
                rest = &rest[1..];
                continue;
            };
            if let Some(value) = self.values.get(name) {
                for (index, line) in value.iter().enumerate() {
                    if index > 0 {
                        into.end_line(line.place);
                    }
                    self.expand_into(line, depth + 1, into)?;
                }
            } else if let Some(text) = self.predefined(name, line.place)? {
                into.push(&text)?;
            } else {
                // As keepalived: what is not defined is text, such as a variable of a shell.
                into.push(&rest[..length])?;
            }
            rest = &rest[length..];
        }
        into.push(rest)
    }

    /// What keepalived defines itself.
    fn predefined(&self, name: &str, place: Place) -> Result<Option<String>, Fault> {
        let (name, argument) = name.split_once(' ').unwrap_or((name, ""));
        Ok(Some(match name {
            "_PWD" => self.folder.clone(),
            "_INSTANCE" => self.instance.clone(),
            "_HASH" => "#".to_owned(),
            "_BANG" => "!".to_owned(),
            "_ENV" | "_RANDOM" => {
                let argument = argument.trim();
                return Err(Fault::new(
                    place,
                    format!(
                        "${{{name} {argument}}} is another text wherever keepalived is started"
                    ),
                    "write what it stands for on this node",
                ));
            }
            _ => return Ok(None),
        }))
    }
}

/// The lines made so far.
struct Expanded {
    lines: Vec<Line>,
    current: Line,
    written: usize,
}

impl Expanded {
    fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.written += text.len() + 1;
        if self.written > BYTES_MAX {
            return Err(Fault::new(
                self.current.place,
                format!("what the definitions stand for is longer than {BYTES_MAX} bytes"),
                "write fewer repetitions",
            ));
        }
        self.current.text.push_str(text);
        Ok(())
    }

    fn end_line(&mut self, next: Place) {
        let next = Line {
            place: next,
            text: String::new(),
        };
        self.lines.push(std::mem::replace(&mut self.current, next));
    }
}

/// The name of the variable that `text` begins with, and how many bytes are to be replaced.
fn variable(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}')?;
        let name = &inner[..end];
        let fits = !name.is_empty() && name.bytes().all(|byte| is_of_name(byte) || byte == b' ');
        return fits.then_some((name, end + "${}".len()));
    }
    // Without braces a name ends with its word: in `$A.1` there is none.
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let name = &rest[..end];
    let fits = !name.is_empty() && name.bytes().all(is_of_name);
    fits.then_some((name, name.len() + 1))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
