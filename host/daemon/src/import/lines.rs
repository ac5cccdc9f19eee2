//! From files to lines: comments, `include`, definitions, conditional lines and loops.

use std::path::Path;

use super::expand::{Definitions, Line};
use super::notes::{Kind, Note};
use super::repeat::{Loop, read_loop};
use super::source::{Fault, Files, Place};

/// Files that include each other would have no end.
const INCLUDE_DEPTH_MAX: usize = 16;
/// A loop in a loop in a loop is already more than anybody can read.
const LOOP_DEPTH_MAX: usize = 8;

/// The lines of one node's configuration, ready to be parsed.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    files: &'a mut Files,
    /// What conditional lines ask for: `keepalived -i`, the host name when it is left out.
    node: &'a str,
    definitions: Definitions,
    pub(super) lines: Vec<Line>,
    /// What was not found.
    pub(super) notes: Vec<Note>,
}

impl<'a> Lines<'a> {
    pub(super) fn read(
        files: &'a mut Files,
        node: &'a str,
        path: &Path,
        text: String,
    ) -> Result<Self, Fault> {
        let mut lines = Self {
            files,
            node,
            definitions: Definitions::default(),
            lines: Vec::new(),
            notes: Vec::new(),
        };
        lines.read_file(path, text, 0)?;
        Ok(lines)
    }

    fn read_file(&mut self, path: &Path, text: String, depth: usize) -> Result<(), Fault> {
        let file = self.files.add(path, text.clone());
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let outer = std::mem::replace(
            &mut self.definitions.folder,
            folder.to_string_lossy().into_owned(),
        );
        let mut lines = text.lines().enumerate();
        while let Some((index, text)) = lines.next() {
            let line = Line {
                place: Place::new(file, index + 1),
                text: without_comment(text).trim().to_owned(),
            };
            let Some(line) = self.condition(line) else {
                continue;
            };
            if let Some((name, value)) = definition(&line.text) {
                let name = name.to_owned();
                let mut value = vec![Line {
                    place: line.place,
                    text: value.to_owned(),
                }];
                while let Some(last) = value.last_mut()
                    && let Some(text) = last.text.strip_suffix('\\')
                {
                    last.text = text.trim_end().to_owned();
                    let Some((index, text)) = lines.next() else {
                        break;
                    };
                    value.push(Line {
                        place: Place::new(file, index + 1),
                        text: without_comment(text).trim().to_owned(),
                    });
                }
                // Nothing stands behind the `=` of a definition of several lines.
                if value.len() > 1 && value[0].text.is_empty() {
                    value.remove(0);
                }
                self.definitions.define(&name, value);
                continue;
            }
            self.take(line, path, (depth, 0))?;
        }
        self.definitions.folder = outer;
        Ok(())
    }

    /// The line without its condition; `None` when it is for other nodes.
    fn condition(&self, line: Line) -> Option<Line> {
        let Some(rest) = line.text.strip_prefix('@') else {
            return Some(line);
        };
        let (condition, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let is_for_us = match condition.strip_prefix('^') {
            Some(other) => other != self.node,
            None => condition == self.node,
        };
        is_for_us.then(|| Line {
            place: line.place,
            text: text.trim().to_owned(),
        })
    }

    /// Takes a line in: loops are run, definitions expanded, files included.
    fn take(&mut self, line: Line, path: &Path, depths: (usize, usize)) -> Result<(), Fault> {
        let (include_depth, loop_depth) = depths;
        if line.text.starts_with('~') {
            if loop_depth > LOOP_DEPTH_MAX {
                return Err(Fault::new(
                    line.place,
                    format!("loops are more than {LOOP_DEPTH_MAX} deep"),
                    "write fewer of them on one line",
                ));
            }
            let Loop {
                names,
                rounds,
                body,
            } = read_loop(&line, &mut self.definitions)?;
            for round in rounds {
                let mut before = Vec::new();
                for (name, value) in names.iter().zip(round) {
                    let value = Line {
                        place: line.place,
                        text: value,
                    };
                    before.push(self.definitions.define(name, vec![value]));
                }
                let body = Line {
                    place: line.place,
                    text: body.clone(),
                };
                self.take(body, path, (include_depth, loop_depth + 1))?;
                for (name, before) in names.iter().zip(before) {
                    self.definitions.restore(name, before);
                }
            }
            return Ok(());
        }
        let is_plain = !line.text.contains('$');
        for expanded in self.definitions.expand(&line)? {
            let Some(expanded) = self.condition(Line {
                place: expanded.place,
                text: expanded.text.trim().to_owned(),
            }) else {
                continue;
            };
            if expanded.text.starts_with('~') && !is_plain {
                self.take(expanded, path, (include_depth, loop_depth + 1))?;
            } else if let Some(pattern) = include(&expanded.text) {
                self.include(expanded.place, pattern, path, include_depth)?;
            } else if !expanded.text.is_empty() {
                self.remember_instance(&expanded.text);
                self.lines.push(expanded);
            }
        }
        Ok(())
    }

    fn remember_instance(&mut self, text: &str) {
        if let Some(("instance", name)) = text.split_once(char::is_whitespace) {
            name.trim().clone_into(&mut self.definitions.instance);
        }
    }

    /// A pattern is looked for from the folder of the file that has it.
    fn include(
        &mut self,
        place: Place,
        pattern: &str,
        path: &Path,
        depth: usize,
    ) -> Result<(), Fault> {
        if depth == INCLUDE_DEPTH_MAX {
            return Err(Fault::new(
                place,
                format!("files are included more than {INCLUDE_DEPTH_MAX} deep"),
                "include no file from itself",
            ));
        }
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let whole = folder.join(pattern.trim_matches('"'));
        let found = glob::glob(&whole.to_string_lossy()).map_err(|error| {
            Fault::new(
                place,
                format!("this is not a pattern of file names: {error}"),
                "write, for example, `include conf.d/*.conf`",
            )
        })?;
        let mut found: Vec<_> = found.filter_map(Result::ok).collect();
        found.retain(|path| path.is_file());
        if found.is_empty() {
            self.notes.push(Note::new(
                Kind::Lost,
                place,
                format!("include {pattern}"),
                "there is no such file here; import where it is",
            ));
        }
        for path in found {
            let bytes = std::fs::read(&path).map_err(|error| {
                Fault::new(
                    place,
                    format!("cannot read {}: {error}", path.display()),
                    "import where all files can be read",
                )
            })?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.read_file(&path, text, depth + 1)?;
        }
        Ok(())
    }
}

/// What stands before a `#` or `!` that is not in quotes.
fn without_comment(line: &str) -> &str {
    let mut in_quotes = false;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            '#' | '!' if !in_quotes => return &line[..at],
            _ => {}
        }
    }
    line
}

/// `$NAME=VALUE`.
fn definition(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.strip_prefix('$')?.split_once('=')?;
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    fits.then_some((name, value.trim()))
}

/// The pattern of an `include`, however strict it is about what is missing.
fn include(text: &str) -> Option<&str> {
    let (keyword, pattern) = text.split_once(char::is_whitespace)?;
    let is_include = matches!(
        keyword,
        "include" | "includer" | "includem" | "includew" | "includeb" | "includea"
    );
    is_include.then(|| pattern.trim())
}
