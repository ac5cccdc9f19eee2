//! Makes a fresh Debian machine able to build, test and show vrrp-host. What is there already is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use lab::{Missing, Requirement};

use crate::cargo::run as run_command;

/// For the modules, and for the proof that the protocol crate needs no operating system.
const TARGETS: [&str; 2] = ["wasm32-wasip2", "wasm32-unknown-unknown"];
/// Of the packages we install, those that would start something on the machine itself.
const SERVICES: [(&str, &str); 8] = [
    ("docker-registry", "docker-registry.service"),
    ("haproxy", "haproxy.service"),
    ("keepalived", "keepalived.service"),
    ("nginx-light", "nginx.service"),
    ("postgresql", "postgresql.service"),
    ("prometheus", "prometheus.service"),
    (
        "prometheus-node-exporter",
        "prometheus-node-exporter.service",
    ),
    ("redis-server", "redis-server.service"),
];
/// Asked by Debian's maintainer scripts before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const NO_SERVICES: &str =
    "#!/bin/sh\n# By `cargo xtask setup` of vrrp-host, while it installs packages.\nexit 101\n";

pub(crate) fn run() -> anyhow::Result<()> {
    allow_services();
    for target in TARGETS {
        add_target(target)?;
    }
    let missing = lab::missing();
    if !missing.is_empty() {
        install(&missing)?;
    }
    lab::require()?;
    Ok(())
}

/// Installs the packages that something else than demo and test needs, each known by a file that it has.
pub(crate) fn packages(wanted: &[(&'static str, &'static str)]) -> anyhow::Result<()> {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|&(program, package)| Requirement { program, package })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Installs a compilation target of the Rust toolchain.
pub(crate) fn add_target(target: &str) -> anyhow::Result<()> {
    if is_installed(target)? {
        return Ok(());
    }
    println!("installing the compilation target {target}");
    let status = Command::new("rustup").args(["target", "add", target]).status().with_context(|| {
        format!("the Rust toolchain has no target {target}, and there is no rustup to add it: see https://rustup.rs")
    })?;
    ensure!(
        status.success(),
        "rustup could not add the target {target}; is there a network?"
    );
    Ok(())
}

fn is_installed(target: &str) -> anyhow::Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run rustc")?;
    Ok(output.status.success()
        && Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists())
}

fn install(missing: &[Requirement]) -> anyhow::Result<()> {
    let mut packages: Vec<&str> = missing
        .iter()
        .map(|requirement| requirement.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let wanted = packages.join(" ");
    if lab::require() == Err(Missing::Root) {
        bail!(
            "missing: {wanted}. Run this as root, or install them with: sudo apt-get install {wanted}"
        );
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "missing: {wanted}. This is no Debian: install the programs they have by your own means"
        );
    }
    println!("installing {wanted}");
    let _policy = NoServices::new()?;
    apt_get(&["update"]).context("the lists of packages cannot be had; is there a network?")?;
    apt_get(
        &[
            &["install", "--yes", "--no-install-recommends"],
            packages.as_slice(),
        ]
        .concat(),
    )
    .with_context(|| format!("the packages cannot be had, is there a network? {wanted}"))?;
    for (_, service) in SERVICES
        .iter()
        .filter(|(package, _)| packages.contains(package))
    {
        silence(service)?;
    }
    Ok(())
}

fn apt_get(args: &[&str]) -> anyhow::Result<()> {
    run_command(
        Command::new("apt-get")
            .arg("--quiet")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// A service we brought to the machine is for its laboratory hosts, not for the machine.
fn silence(service: &str) -> anyhow::Result<()> {
    run_command(Command::new("systemctl").args(["--quiet", "disable", service])).with_context(
        || format!("{service}, just installed, may start at the next boot of this machine"),
    )?;
    if Path::new("/run/systemd/system").exists() {
        run_command(Command::new("systemctl").args(["stop", service]))
            .with_context(|| format!("{service}, just installed, may run on this machine"))?;
    }
    Ok(())
}

/// Takes back what forbids services to start while we install packages: afterwards, and when we were interrupted or
/// killed. The policy of an administrator or an image stands.
pub(crate) fn allow_services() {
    if fs::read_to_string(POLICY).is_ok_and(|policy| policy == NO_SERVICES) {
        _ = fs::remove_file(POLICY);
    }
}

/// While it exists, installing a package starts no service.
struct NoServices;

impl NoServices {
    fn new() -> anyhow::Result<Self> {
        if !Path::new(POLICY).exists() {
            fs::write(POLICY, NO_SERVICES)
                .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot write {POLICY}"))?;
        }
        Ok(Self)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        allow_services();
    }
}
