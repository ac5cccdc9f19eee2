//! `vrrp-host import`: a cluster.toml from the files of keepalived.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::new_file::{self, Existing};
use super::print;
use crate::config;
use crate::exit::Failure;
use crate::import::{ImportError, Imported, Input, Passwords, Secret, Wanted};
use crate::modules;

/// What to translate, and whereto.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// keepalived.conf of each node: FILE, or NODE=FILE where the name of the file is not that of the node
    #[arg(required = true, value_name = "[NODE=]FILE")]
    files: Vec<String>,
    /// Write there, and each password into a file beside it; on stdout when left out, without passwords
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The address of a node itself, where its file does not say it
    #[arg(long, value_name = "NODE=ADDRESS", value_parser = node_address)]
    address: Vec<(String, IpAddr)>,
    /// Speak version 2 where the files do not say which, as keepalived does: for as long as nodes with keepalived are left
    #[arg(long)]
    keep_version: bool,
}

fn node_address(text: &str) -> Result<(String, IpAddr), String> {
    let (node, address) = text.split_once('=').ok_or("write NODE=ADDRESS")?;
    let address = address
        .parse()
        .map_err(|_| format!("`{address}` is not an IP address"))?;
    Ok((node.to_owned(), address))
}

/// Translates the files. What is not translated is told on stderr, and is no failure.
///
/// # Errors
/// When there is no such file, and when one cannot be parsed or has nothing to translate.
pub(crate) fn import(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.files.iter().map(|file| read(file));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let wanted = Wanted {
        addresses: arguments.address.clone(),
        keep_version: arguments.keep_version,
        passwords: match arguments.output {
            Some(_) => Passwords::Beside,
            None => Passwords::LeftOut,
        },
    };
    let imported = crate::import::import(inputs, &wanted).map_err(|error| match error {
        ImportError::Invalid(_) => Failure::config(error),
        ImportError::SameNode(..) | ImportError::NoSuchNode(_) => Failure::usage(error),
    })?;
    if imported.instances == 0 {
        let mut message = "there is no vrrp_instance that could be translated".to_owned();
        for line in &imported.lost {
            message.push_str("\n  ");
            message.push_str(line);
        }
        return Err(Failure::config(message));
    }
    match &arguments.output {
        None => {
            check(Path::new("cluster.toml"), &imported)?;
            print(&imported.text)?;
        }
        Some(path) => write(path, &imported)?,
    }
    tell(&imported);
    Ok(())
}

/// `FILE`, or `NODE=FILE` unless there is a file of that name.
fn read(argument: &str) -> Result<Input, Failure> {
    let (node, path) = match argument.split_once('=') {
        Some((node, path)) if !node.is_empty() && !Path::new(argument).exists() => {
            (Some(node), path)
        }
        _ => (None, argument),
    };
    let bytes =
        fs::read(path).map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
    Ok(Input {
        node: node.map(str::to_owned),
        path: PathBuf::from(path),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// The daemon's own reader has to take it. What it does not take is a fault of the translation.
fn check(path: &Path, imported: &Imported) -> Result<(), Failure> {
    let node = imported.first_node.as_deref();
    let text = &imported.text;
    match modules::with_names(|built_in| config::parse(path, text, node, "", built_in)) {
        Ok(_) => Ok(()),
        Err(report) => Err(Failure::internal(format!(
            "the translation is not a cluster.toml, and nothing was written. Either keepalived would not start with these files, \
             or this is a fault of vrrp-host: please report it with them.\n\n{report}"
        ))),
    }
}

/// Everything or nothing.
fn write(path: &Path, imported: &Imported) -> Result<(), Failure> {
    let folder = new_file::folder_of(path);
    if path.exists() {
        return Err(exists(path));
    }
    let mut written = Vec::new();
    let result = write_secrets(folder, &imported.secrets, &mut written)
        .and_then(|()| check(path, imported))
        .and_then(|()| write_new(path, &imported.text));
    if result.is_err() {
        for secret in written {
            // It was made a moment ago; what is left to do when it cannot be removed is told by the error itself.
            let _ = fs::remove_file(secret);
        }
    }
    result
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} is there already: name another file, or move it away",
        path.display()
    ))
}

fn write_secrets(
    folder: &Path,
    secrets: &[Secret],
    written: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    for secret in secrets {
        let path = folder.join(&secret.name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let mut file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&path));
            }
            Err(error) => return Err(cannot_write(&path, &error)),
        };
        written.push(path.clone());
        file.write_all(secret.content.as_bytes())
            .map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    new_file::write(path, text.as_bytes(), Existing::Kept).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            exists(path)
        } else {
            cannot_write(path, &error)
        }
    })
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot write {}: {error}", path.display()))
}

/// What is not translated, for whoever does not read to the end of the file.
fn tell(imported: &Imported) {
    let mut stderr = io::stderr();
    // Nothing is left to do when stderr is gone.
    let _ = match imported.lost.len() {
        0 => writeln!(stderr, "everything is translated"),
        count => writeln!(
            stderr,
            "{count} {} not translated; the end of the file says so too:",
            if count == 1 { "thing is" } else { "things are" }
        ),
    };
    for line in &imported.lost {
        let _ = writeln!(stderr, "  {line}");
    }
}
