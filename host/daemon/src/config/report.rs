//! What is wrong with a cluster.toml, shown so that a person can mend it in one go.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text of a cluster.toml and where it came from; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Source(Arc<SourceFile>);

#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The text of the file at `path`.
    pub(crate) fn new(path: &Path, text: impl Into<String>) -> Self {
        Self(Arc::new(SourceFile {
            path: path.to_path_buf(),
            text: text.into(),
        }))
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// What it says.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// An error in the `config` of a check or hook, as its module reports it.
    ///
    /// `table` is [`Module::path`](super::Module::path), `pointer` a JSON pointer (RFC 6901) into `config`.
    /// The error points at the value, or at the closest thing around it that the file has.
    pub(crate) fn module_error(
        &self,
        table: &[String; 2],
        pointer: &str,
        message: &str,
    ) -> Diagnostic {
        let inside = tokens(pointer);
        let mut path = vec![table[0].as_str(), table[1].as_str(), "config"];
        path.extend(inside.iter().map(String::as_str));
        self.error_at(&path, message)
    }

    /// An error at the value with this path of keys and list indices (`["instances", "VI_1", "interface"]`),
    /// or at the closest thing around it that the file has.
    pub(crate) fn error_at(&self, path: &[&str], message: &str) -> Diagnostic {
        Diagnostic::error(locate(&self.0.text, path), message)
    }

    /// Binds diagnostics to this file, in the order of the file.
    pub(crate) fn report(&self, mut diagnostics: Vec<Diagnostic>) -> Report {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Report {
            source: self.clone(),
            diagnostics,
        }
    }
}

/// A file with more findings than this is no cluster.toml, and drawing one costs a look at the whole file.
const SHOWN_MAX: usize = 200;

/// Everything that was found in one file, in the order of the file.
///
/// It displays as plain text; each finding has file, line and column, the offending text
/// underlined, and what to write instead.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    source: Source,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// The report as text, with terminal colours or without.
    pub(crate) fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let file = &self.source.0;
        let mut text = self
            .diagnostics
            .iter()
            .take(SHOWN_MAX)
            .map(|diagnostic| renderer.render(&[diagnostic.group(file)]))
            .collect::<Vec<_>>()
            .join("\n\n");
        let errors = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .count();
        let path = file.path.display();
        if errors > 1 {
            text += &format!("\n\n{path}: {errors} errors");
        }
        if self.diagnostics.len() > SHOWN_MAX {
            text += &format!("\n{path}: only the first {SHOWN_MAX} findings are shown");
        }
        text
    }

    /// Each finding in one line, for a log.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let file = &self.source.0;
        self.diagnostics.iter().map(move |diagnostic| {
            let before = file.text.get(..diagnostic.span.start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            let help = diagnostic
                .help
                .as_ref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            format!(
                "{}:{line}:{column}: {}{help}",
                file.path.display(),
                diagnostic.message
            )
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Whether the file can be used in spite of the finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The file is refused.
    Error,
    /// The file means something that its author most likely did not.
    Warning,
}

/// One finding.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    /// Whether the file can be used in spite of it.
    pub(crate) severity: Severity,
    /// What is wrong.
    pub(crate) message: String,
    /// The offending text, as a range of bytes of the file.
    pub(crate) span: Range<usize>,
    /// A few words beside the underline.
    pub(crate) label: Option<String>,
    /// Another place that has to do with it.
    pub(crate) related: Option<(Range<usize>, String)>,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// See [`Diagnostic::missing`].
    pub(super) is_absence: bool,
}

impl Diagnostic {
    /// The text at `span` makes the file unusable.
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            label: None,
            related: None,
            help: None,
            is_absence: false,
        }
    }

    /// Something that should be in the file is not. Nobody can tell while the file has syntax
    /// errors: the missing thing may stand where the parser could not read.
    pub(super) fn missing(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            is_absence: true,
            ..Self::error(span, message)
        }
    }

    /// The text at `span` is valid, but most likely not what its author wants.
    pub(super) fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    pub(super) fn related(self, span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            related: Some((span, label.into())),
            ..self
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    fn group<'a>(&'a self, file: &'a SourceFile) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary
            .span(visible(&self.span, &file.text))
            .label(self.label.as_deref());
        let context = self.related.iter().map(|(span, label)| {
            AnnotationKind::Context
                .span(span.clone())
                .label(label.as_str())
        });
        let snippet = Snippet::source(file.text.as_str())
            .path(file.path.to_string_lossy())
            .annotation(primary)
            .annotations(context);
        // The renderer takes footers as they are, and ours may quote the file.
        let help = self.help.iter().map(|help| {
            let lines: Vec<String> = help.lines().map(normalize_untrusted_str).collect();
            Level::HELP.message(lines.join("\n"))
        });
        level
            .primary_title(self.message.as_str())
            .element(snippet)
            .elements(help)
    }
}

/// An empty span is drawn under the character that follows it.
fn visible(span: &Range<usize>, text: &str) -> Range<usize> {
    let next = text[span.start..].chars().next();
    match next.filter(|next| span.is_empty() && !matches!(next, '\n' | '\r')) {
        Some(next) => span.start..span.start + next.len_utf8(),
        None => span.clone(),
    }
}

/// The steps of a JSON pointer (RFC 6901, section 4).
pub(super) fn tokens(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Walks down `path` as far as the file goes.
fn locate(text: &str, path: &[&str]) -> Range<usize> {
    let (root, _) = DeTable::parse_recoverable(text);
    let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    locate_in(&root, path)
}

/// Walks down `path` from `root`, as far as it goes.
pub(super) fn locate_in(root: &Spanned<DeValue<'_>>, path: &[&str]) -> Range<usize> {
    let mut here = root;
    let mut span = root.span();
    for step in path {
        let next = match here.get_ref() {
            DeValue::Table(table) => table.get(*step),
            DeValue::Array(list) => step.parse().ok().and_then(|index: usize| list.get(index)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => None,
        };
        let Some(next) = next else { break };
        span = next.span();
        here = next;
    }
    span
}
