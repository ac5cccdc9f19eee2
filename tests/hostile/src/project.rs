//! The project that `vrrp-host module new` writes, built as its author would, but without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A project of `vrrp-host module new`.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    scratch: PathBuf,
}

impl Project {
    /// Has `vrrp_host` write the project `name` below `scratch`, with these further arguments. What was there under that
    /// name goes; what was built before is used.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn new(vrrp_host: &Path, scratch: &Path, name: &str, arguments: &[&str]) -> Self {
        let folder = scratch.join("projects").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("an old project can be removed");
        }
        let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk");
        let output = Command::new(vrrp_host)
            .args(["module", "new", name, "--sdk", sdk, "--path"])
            .arg(&folder)
            .args(arguments)
            .output()
            .expect("vrrp-host can be run");
        assert!(output.status.success(), "{output:?}");
        Self::at(folder, scratch)
    }

    /// A project that was written before.
    ///
    /// # Panics
    ///
    /// When the lock file cannot be copied into it.
    #[must_use]
    pub fn at(folder: PathBuf, scratch: &Path) -> Self {
        // The versions that are on this machine. An author gets the newest ones instead.
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("a lock file can be copied");
        Self {
            folder,
            scratch: scratch.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `cargo ARGUMENTS` in the project.
    ///
    /// # Panics
    ///
    /// When there is no cargo.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.folder).args(arguments);
        offline(&mut cargo, &self.scratch);
        cargo.output().expect("cargo can be run")
    }

    /// Builds the component and gives its file.
    ///
    /// # Panics
    ///
    /// When it does not build.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        let output = self.cargo(&["build", "--release", "--target", crate::TARGET]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("warning"), "{said}");
        let name = self.folder.file_name().expect("it has a name");
        let file = format!("{}.wasm", name.to_string_lossy().replace('-', "_"));
        crate::release(&self.scratch).join(file)
    }
}

/// Has a command, and every cargo below it, build with what is on this machine and with what was built for the guests
/// below `scratch`: the SDK and all below it take most of the time. What the test's own cargo says of its build is not
/// meant for it.
pub fn offline(command: &mut Command, scratch: &Path) {
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", crate::target(scratch))
        // As the profile of the guests. An author waits for a smaller component.
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        // The project says "stable", which need not be installed under that name.
        .env("RUSTUP_TOOLCHAIN", toolchain());
    for variable in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(variable);
    }
}

/// The toolchain that builds this test.
fn toolchain() -> String {
    std::env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".to_owned())
}
