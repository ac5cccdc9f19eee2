//! `vrrp-host init`: a cluster.toml to begin with, for the host that it is typed on.

mod draft;
mod listen;
mod place;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use vrrp_linux::link;

use self::draft::Draft;
use self::place::Place;
use super::new_file::{self, Existing};
use super::print;
use crate::cli::Options;
use crate::config;
use crate::exit::Failure;
use crate::modules;

/// Where the service looks for its file (`dist/vrrp-host.service`).
const SERVICE_FILE: &str = "/etc/vrrp-host/cluster.toml";

/// For which interface, and whereto.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Write there; `-` is stdout [default: that of --config, or else /etc/vrrp-host/cluster.toml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the nodes hear each other [default: where the default route leads, or the only one with an address]
    #[arg(long, short, value_name = "NAME")]
    interface: Option<String>,
    /// Replace a file that is there
    #[arg(long, short)]
    force: bool,
}

/// Writes the file and says what to type next. It asks nothing, and never replaces a file that it was not told to.
///
/// # Errors
/// When there is a file already, it cannot be written, or no interface can be chosen.
pub(crate) fn init(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let named = arguments.output.as_ref().or(options.config.as_ref());
    let path = named.map_or_else(|| Path::new(SERVICE_FILE), PathBuf::as_path);
    let path = Some(path).filter(|path| *path != Path::new("-"));
    // Before it is listened for seconds.
    if let Some(path) = path.filter(|path| path.exists() && !arguments.force) {
        return Err(exists(path));
    }
    let place = find_place(arguments.interface.as_deref())?;
    let heard = listen::listen(&place.interface, place.family());
    let shown = path.unwrap_or_else(|| Path::new("cluster.toml"));
    let host_name = gethostname::gethostname();
    let draft = Draft {
        node: draft::node_name(options.node.as_deref(), &host_name.to_string_lossy()),
        virtual_router_id: heard.free_number(),
        place: &place,
        heard: &heard,
        file: shown,
    };
    let text = draft.text();
    check(shown, &text)?;
    match path {
        Some(path) => write(path, &text, arguments.force)?,
        None => print(&text)?,
    }
    // Nothing is left to do when stderr is gone.
    let _ = write!(io::stderr(), "{}", next_steps(path, &draft));
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} is there already, and stays as it is: `--output FILE` names another file, `--force` replaces this one",
        path.display()
    ))
}

fn find_place(interface: Option<&str>) -> Result<Place, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let survey = runtime.block_on(link::survey()).map_err(|error| {
        Failure::temporary(format!(
            "this host's interfaces cannot be looked at: {error}"
        ))
    })?;
    Place::find(&survey, interface).map_err(Failure::config)
}

/// The daemon's own reader has to take it, for every node. What it does not take is a fault of the draft.
fn check(path: &Path, text: &str) -> Result<(), Failure> {
    modules::with_names(|built_in| config::parse_for_every_node(path, text, built_in))
        .map(drop)
        .map_err(|report| {
            Failure::internal(format!(
                "the draft is not a cluster.toml, and nothing was written. This is a fault of vrrp-host: please report it with \
                 what follows.\n\n{report}"
            ))
        })
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let existing = if force {
        Existing::Replaced
    } else {
        Existing::Kept
    };
    let folder = new_file::folder_of(path);
    let written =
        fs::create_dir_all(folder).and_then(|()| new_file::write(path, text.as_bytes(), existing));
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            exists(path)
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            Failure::rights(format!(
                "cannot write {}: {error}; run it with `sudo`, or name another file: `vrrp-host init --output cluster.toml`",
                path.display()
            ))
        } else {
            Failure::usage(format!("cannot write {}: {error}", path.display()))
        }
    })
}

/// What was found out, and what to type next.
fn next_steps(path: Option<&Path>, draft: &Draft<'_>) -> String {
    let Place {
        interface, address, ..
    } = draft.place;
    let (node, id) = (&draft.node, draft.virtual_router_id);
    let mut text = String::new();
    // A string takes everything.
    let _ = writeln!(
        text,
        "{}: virtual-router-id = {id}",
        draft.heard.words(interface)
    );
    let Some(path) = path else {
        return text;
    };
    let file = path.display();
    let _ = write!(
        text,
        "{file} is written for the node {node}, {address} on {interface}. Next:\n\
         \x20 edit {file}: what is marked CHANGE is the other node and the shared address\n\
         \x20 vrrp-host check-config {file}\n\
         \x20 vrrp-host --config {file}{}\n\
         \x20 vrrp-host status\n\
         and the same on the other node, with the same file.\n",
        if path == Path::new(SERVICE_FILE) {
            "    (as a service: systemctl start vrrp-host)"
        } else {
            ""
        }
    );
    text
}
