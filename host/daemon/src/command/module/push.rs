//! `vrrp-host module push`: a component, perhaps signed, into a registry.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use minisign::{PublicKey, SecretKey, SecretKeyBox};
use vrrp_sandbox::Outline;

use super::registry::{Registry, RegistryOptions};
use crate::command::progress::Progress;
use crate::exit::{Failure, chain};
use crate::store::{Artifact, COMPONENT_MAX, Digest, Reference};

/// The line of a signature that anybody may change.
const COMMENT: &str = "signature by vrrp-host module push";

/// What to upload where.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The component
    file: PathBuf,
    /// Where to: oci://HOST/REPOSITORY:TAG
    reference: Reference,
    /// Secret key of minisign to sign it with; its password is asked for, or read from standard input
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryOptions,
}

/// Uploads a component and prints by which digest it can be had.
///
/// # Errors
/// When it is no component, cannot be signed, or the registry does not take it.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reference = &arguments.reference;
    if reference.digest.is_some() {
        return Err(Failure::usage(
            "a digest is what comes out of a push; leave it out: oci://HOST/REPOSITORY:TAG",
        ));
    }
    let file = arguments.file.display();
    let component = read(&arguments.file)?;
    let outline = Outline::read(&component)
        .map_err(|error| Failure::config(format!("{file}: {}", chain(&error))))?;
    let signature = match &arguments.sign {
        Some(key) => Some(sign(key, &component)?),
        None => None,
    };
    let artifact = Artifact::new(component, (outline.imports, outline.exports), signature)
        .map_err(|error| Failure::config(format!("{file}: {}", chain(&error))))?;
    let pinned = reference.pinned(artifact.manifest.digest());
    let registry = Registry::of(reference, &arguments.registry)?;
    let pushing = registry.push(reference, artifact);
    let what = format!("uploading {file}");
    arguments
        .registry
        .run(&what, &Progress::default(), pushing)?;
    writeln!(io::stdout(), "{pinned}").map_err(Failure::internal)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut component = Vec::new();
    fs::File::open(file)
        .map_err(unreadable)?
        .take(COMPONENT_MAX + 1)
        .read_to_end(&mut component)
        .map_err(unreadable)?;
    Ok(component)
}

/// Signs as `minisign -S` does; the text is that of a `.minisig` file.
fn sign(key: &Path, component: &[u8]) -> Result<String, Failure> {
    let key = secret_key(key)?;
    let public = PublicKey::from_secret_key(&key).map_err(Failure::internal)?;
    // Part of what is signed, and shown by whoever verifies it.
    let comment = Digest::of(component).to_string();
    minisign::sign(
        Some(&public),
        &key,
        component,
        Some(&comment),
        Some(COMMENT),
    )
    .map(|signature| signature.to_string())
    .map_err(Failure::internal)
}

fn secret_key(file: &Path) -> Result<SecretKey, Failure> {
    let wrong = |error: minisign::PError| {
        Failure::usage(format!(
            "{} is not a secret key of minisign that can be used: {error}",
            file.display()
        ))
    };
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    // minisign writes no checksum into a key without a password, and the crate that we sign with insists on one there.
    let plain = text.lines().nth(1).and_then(|line| {
        let bytes = BASE64_STANDARD.decode(line.trim()).ok()?;
        SecretKey::from_bytes(&bytes).ok()
    });
    if let Some(key) = plain.filter(|key| !key.is_encrypted()) {
        return Ok(key);
    }
    let password = if io::stdin().is_terminal() {
        None
    } else {
        let mut password = String::new();
        io::stdin()
            .read_line(&mut password)
            .map_err(|error| Failure::usage(format!("cannot read the password: {error}")))?;
        Some(password.trim_end_matches(['\r', '\n']).to_owned())
    };
    SecretKeyBox::from_string(&text)
        .and_then(|key| key.into_secret_key(password))
        .map_err(wrong)
}
