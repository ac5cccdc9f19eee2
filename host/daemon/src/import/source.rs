//! The files that are read, and places in them.

use std::path::{Path, PathBuf};

use crate::config::{Diagnostic, Report, Source};

/// A line of one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    file: usize,
    /// Counted from 1.
    line: usize,
}

impl Place {
    pub(super) fn new(file: usize, line: usize) -> Self {
        Self { file, line }
    }
}

/// Everything that was read, includes among it.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Source>);

impl Files {
    /// Takes a file in; the number is that of its places.
    pub(super) fn add(&mut self, path: &Path, text: String) -> usize {
        self.0.push(Source::new(path, text));
        self.0.len() - 1
    }

    /// `master.conf:8`.
    pub(super) fn show(&self, place: Place) -> String {
        format!("{}:{}", self.path(place).display(), place.line)
    }

    /// Several of them, each once: `master.conf:8, slave.conf:4`.
    pub(super) fn show_all(&self, places: &[Place]) -> String {
        let mut shown: Vec<String> = Vec::new();
        for place in places {
            let place = self.show(*place);
            if !shown.contains(&place) {
                shown.push(place);
            }
        }
        shown.join(", ")
    }

    fn path(&self, place: Place) -> PathBuf {
        let source = self.0.get(place.file);
        source.map_or_else(PathBuf::new, |source| source.path().to_owned())
    }

    /// What is wrong, with the line underlined.
    pub(super) fn report(&self, fault: Fault) -> Option<Report> {
        let source = self.0.get(fault.place.file)?;
        let text = source.text();
        let mut start = 0;
        for line in text.split_inclusive('\n').take(fault.place.line - 1) {
            start += line.len();
        }
        let line = text[start..].lines().next().unwrap_or_default();
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start().len();
        let span = start + indent..start + indent + trimmed.len();
        Some(source.report(vec![
            Diagnostic::error(span, fault.message).help(fault.help),
        ]))
    }
}

/// Why a file cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: String,
}

impl Fault {
    pub(super) fn new(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: help.into(),
        }
    }
}
