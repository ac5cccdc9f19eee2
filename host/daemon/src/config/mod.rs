//! cluster.toml (DESIGN §6): from text to values that need no further checks, or to every error at once.
//!
//! The file is parsed with spans, then read by hand: [`reader`] turns each value into a type or
//! reports an error and goes on, so that one run shows all there is to mend. Whichever node it is
//! read for, the values of all nodes are checked: a file is valid on every node or on none.

use std::path::Path;

use toml::de::DeTable;

mod authentication;
mod cluster;
mod control;
mod group;
mod http;
mod inline;
mod instance;
mod key;
mod lint;
mod model;
mod module;
mod names;
mod nodes;
mod reader;
mod report;
mod router;
mod sandbox;
mod secret;
mod suggest;
mod syntax;

#[cfg(test)]
mod tests;

pub(crate) use http::{Http, Token};
pub(crate) use inline::Inline;
pub(crate) use model::{
    Check, Cluster, Group, Hook, Instance, Limits, Module, ModuleSource, Notify, NotifyOn,
};
pub(crate) use module::{BuiltInNames, CHECK_TIMEOUT_DEFAULT, HOOK_TIMEOUT_DEFAULT, is_path};
pub(crate) use nodes::bare;
pub(crate) use report::{Diagnostic, Report, Source};
pub(crate) use suggest::{closest, list, unknown};

use crate::store::PublicKey;
use cluster::Draft;
use module::Modules;
use reader::Sink;

/// A valid cluster.toml.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// What it says to this node.
    pub(crate) cluster: Cluster,
    /// Its text, to point at when a module refuses its configuration.
    pub(crate) source: Source,
    /// What its author most likely did not mean.
    pub(crate) warnings: Report,
}

/// Why a cluster.toml cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It has errors.
    #[error(transparent)]
    Invalid(#[from] Report),
}

/// Reads and checks the file at `path`, for the node called `node` or else for the one that
/// this host's name says. `built_in` are the names of the modules in the binary.
///
/// # Errors
/// When the file cannot be read or has errors.
pub(crate) fn load(
    path: &Path,
    node: Option<&str>,
    built_in: BuiltInNames<'_>,
) -> Result<Loaded, LoadError> {
    let text = read_text(path)?;
    let host_name = gethostname::gethostname();
    let loaded = parse(path, &text, node, &host_name.to_string_lossy(), built_in)?;
    Ok(loaded)
}

/// Reads and checks the file at `path` for each node of its `[nodes]`, in the order of their names; once, for a node without
/// a name, when it describes one host alone.
///
/// # Errors
/// When the file cannot be read or has errors.
pub(crate) fn load_for_every_node(
    path: &Path,
    built_in: BuiltInNames<'_>,
) -> Result<Vec<Loaded>, LoadError> {
    let text = read_text(path)?;
    Ok(parse_for_every_node(path, &text, built_in)?)
}

/// Checks the `text` of the file at `path`; see [`load_for_every_node`].
///
/// # Errors
/// Every error that the file has.
pub(crate) fn parse_for_every_node(
    path: &Path,
    text: &str,
    built_in: BuiltInNames<'_>,
) -> Result<Vec<Loaded>, Report> {
    let (document, _) = DeTable::parse_recoverable(text);
    let nodes = cluster::read_nodes(&document);
    let names = if nodes.is_alone() {
        vec![None]
    } else {
        nodes.names().into_iter().map(Some).collect()
    };
    let names = names.into_iter();
    names
        .map(|node| parse(path, text, node, "", built_in))
        .collect()
}

/// Checks the `text` of the file at `path`; see [`load`].
///
/// # Errors
/// Every error that the file has.
pub(crate) fn parse(
    path: &Path,
    text: &str,
    node: Option<&str>,
    host_name: &str,
    built_in: BuiltInNames<'_>,
) -> Result<Loaded, Report> {
    let source = Source::new(path, text);
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let modules = Modules {
        built_in,
        folder: absolute.parent().unwrap_or_else(|| Path::new("/")),
        file: path,
    };
    let sink = Sink::default();
    let draft = Draft::read(&document, modules, &sink);
    let node = draft.nodes.identify(node, host_name, &sink);
    let errors = sink.into_diagnostics();
    let errors = syntax::merge(&document, &syntax_errors, errors, text);
    if !errors.is_empty() {
        return Err(source.report(errors));
    }
    let warnings = source.report(lint::lint(&draft));
    match node.and_then(|node| draft.resolve(&node)) {
        Some(cluster) => Ok(Loaded {
            cluster,
            source,
            warnings,
        }),
        None => Err(source.report(vec![
            source.error_at(&[], "some of the file could not be read"),
        ])),
    }
}

/// What `[modules]` of the file at `path` says, whatever else is wrong with it; no key when there is no such file yet.
///
/// # Errors
/// When the file cannot be read, is not TOML, or a key is wrong.
pub(crate) fn signing_keys(path: &Path) -> Result<Vec<PublicKey>, LoadError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(LoadError::Io {
                path: path.to_path_buf(),
                source,
            });
        }
    };
    let text = decode(path, bytes)?;
    let (document, syntax_errors) = DeTable::parse_recoverable(&text);
    let sink = Sink::default();
    let keys = cluster::read_keys(&document, &sink);
    let errors = syntax::merge(&document, &syntax_errors, sink.into_diagnostics(), &text);
    match keys {
        Some(keys) if errors.is_empty() => Ok(keys),
        _ => Err(Source::new(path, text.as_str()).report(errors).into()),
    }
}

fn read_text(path: &Path) -> Result<String, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| LoadError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(decode(path, bytes)?)
}

/// Text must be UTF-8; the report shows what can be shown of text that is not.
fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Report> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        Source::new(path, text).report(vec![
            Diagnostic::error(span, "the file is not UTF-8 text")
                .label("this byte belongs to no character")
                .help("save the file as UTF-8"),
        ])
    })
}
