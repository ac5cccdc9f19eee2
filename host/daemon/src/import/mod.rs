//! `vrrp-host import`: from keepalived's files to one cluster.toml.
//!
//! Files become [`lines`] (comments, includes, definitions), lines become a [`tree`] of statements, the statements of each
//! [`node`] become a draft in the words of cluster.toml, and the drafts of all nodes become one [`cluster`], which is
//! written with comments that say where each line comes from. Whatever has no line there is a note, by the table of [`options`].

mod cluster;
mod command;
mod draft;
mod expand;
mod lines;
mod node;
mod notes;
mod options;
mod repeat;
mod source;
mod tree;
mod values;
mod write;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use toml::Value;

use self::cluster::Cluster;
use self::draft::Entry;
use self::lines::Lines;
use self::notes::{Kind, Note};
use self::source::{Fault, Files};
use self::tree::Statement;
use self::values::name_of;
use crate::config::Report;

pub(crate) use self::write::{Passwords, Secret};

/// The file of one node.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// What the node is called; found out when left out.
    pub(crate) node: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What is wanted beside the files.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Addresses of nodes, by their names.
    pub(crate) addresses: Vec<(String, IpAddr)>,
    /// Speak the version that keepalived speaks when its files do not say which.
    pub(crate) keep_version: bool,
    pub(crate) passwords: Passwords,
}

/// A cluster.toml.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) text: String,
    /// The first of its nodes; none when it describes one host alone.
    pub(crate) first_node: Option<String>,
    /// What is not translated, a line each.
    pub(crate) lost: Vec<String>,
    /// The files that it names.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) instances: usize,
}

/// Why there is no cluster.toml.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// Files that cannot be parsed, with what is wrong in each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Invalid(Vec<Report>),
    /// Two files are of one node.
    #[error(
        "{0} and {1} would both be the node `{2}`: write NODE=FILE for each, for example first={0}"
    )]
    SameNode(String, String, String),
    /// An address is given for a node that there is not.
    #[error("--address: no file is of the node `{0}`")]
    NoSuchNode(String),
}

/// Translates.
///
/// # Errors
/// When a file cannot be parsed, or it cannot be told which node each is of.
pub(crate) fn import(inputs: Vec<Input>, wanted: &Wanted) -> Result<Imported, ImportError> {
    let mut files = Files::default();
    let mut parsed = Vec::new();
    let mut faults = Vec::new();
    let is_alone =
        matches!(&inputs[..], [input] if input.node.is_none() && wanted.addresses.is_empty());
    for input in inputs {
        match parse(&mut files, input) {
            Ok(node) => parsed.push(node),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        let reports = faults.into_iter().filter_map(|fault| files.report(fault));
        return Err(ImportError::Invalid(reports.collect()));
    }
    check_names(&parsed, wanted)?;
    let address_of = |name: &str| {
        let mut given = wanted.addresses.iter();
        given
            .find(|(node, _)| node == name)
            .map(|(_, address)| *address)
    };
    let given: Vec<_> = parsed.iter().map(|node| address_of(&node.name)).collect();
    let origins: Vec<_> = parsed.iter().map(Parsed::origin).collect();
    let drafts = parsed.into_iter().zip(&given).map(|(parsed, address)| {
        node::translate(&parsed.name, *address, &parsed.statements, parsed.notes)
    });
    let mut cluster = cluster::assemble(drafts.collect(), &given, is_alone);
    if wanted.keep_version {
        keep_version(&mut cluster);
    }
    let (text, secrets) = write::write(&cluster, &files, &origins, wanted.passwords);
    Ok(Imported {
        text,
        first_node: cluster.nodes.first().map(|node| node.name.clone()),
        lost: lost(&cluster, &files, wanted.passwords),
        secrets,
        instances: cluster.instances.len(),
    })
}

/// A node's statements.
struct Parsed {
    name: String,
    path: PathBuf,
    statements: Vec<Statement>,
    notes: Vec<Note>,
}

impl Parsed {
    fn origin(&self) -> String {
        format!("{}: {}", self.name, self.path.display())
    }
}

fn parse(files: &mut Files, input: Input) -> Result<Parsed, Fault> {
    let Input { node, path, text } = input;
    let node = node.as_deref().and_then(name_of);
    let stem = stem(&path);
    // Conditional lines go by the name that the node has.
    let id = node.as_deref().or(stem.as_deref()).unwrap_or_default();
    let Lines { lines, notes, .. } = Lines::read(files, id, &path, text)?;
    let statements = tree::parse(&lines)?;
    let by_router_id = || node::router_id(&statements).and_then(name_of);
    let name = node.or(stem).or_else(by_router_id);
    Ok(Parsed {
        name: name.unwrap_or_else(|| "node".to_owned()),
        path,
        notes,
        statements,
    })
}

/// `master` of `master.conf` and of `keepalived-master.conf`; nothing of `keepalived.conf`, as every node calls it.
fn stem(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_string_lossy();
    let stem = stem.strip_prefix("keepalived").unwrap_or(&stem);
    name_of(stem.trim_start_matches(['-', '_', '.']))
}

fn check_names(parsed: &[Parsed], wanted: &Wanted) -> Result<(), ImportError> {
    for (index, node) in parsed.iter().enumerate() {
        let same = parsed[..index].iter().find(|other| other.name == node.name);
        if let Some(other) = same {
            let show = |parsed: &Parsed| parsed.path.display().to_string();
            return Err(ImportError::SameNode(
                show(other),
                show(node),
                node.name.clone(),
            ));
        }
    }
    let is_known = |name: &str| parsed.iter().any(|node| node.name == name);
    match wanted.addresses.iter().find(|(node, _)| !is_known(node)) {
        Some((node, _)) => Err(ImportError::NoSuchNode(node.clone())),
        None => Ok(()),
    }
}

fn keep_version(cluster: &mut Cluster) {
    for instance in &mut cluster.instances {
        if !instance.is_v2_by_default || instance.entries.iter().any(|entry| entry.key == "version")
        {
            continue;
        }
        let entry = Entry::new("version", Value::from(2_i64), instance.places.clone())
            .remark("what keepalived speaks when nothing is said; leave it out when every node runs vrrp-host");
        let after_id = instance.entries.len().min(2);
        instance.entries.insert(after_id, entry);
    }
}

/// What is not translated, a line each.
fn lost(cluster: &Cluster, files: &Files, passwords: Passwords) -> Vec<String> {
    let gathered = write::gather(&cluster.notes, Kind::Lost);
    let notes = gathered
        .into_iter()
        .map(|(places, what, why)| format!("{}: {what}: {why}", files.show_all(&places)));
    let left_out = cluster
        .instances
        .iter()
        .filter_map(|instance| instance.password.as_ref())
        .filter(|_| passwords == Passwords::LeftOut)
        .map(|password| {
            let place = files.show(password.place);
            format!("{place}: authentication: it is a comment, because the password belongs into a file of its own, which `--output` writes")
        });
    let lines = notes.chain(left_out);
    lines.map(|line| write::one_line(&line)).collect()
}
