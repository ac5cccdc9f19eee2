//! Where somebody works with modules and a registry, and the commands that a page of documentation tells him.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use lab::scenario::vrrp_host_binary;
use tempfile::TempDir;

use crate::path::utf8;
use crate::registry::Registry;

/// The module that is worked on.
pub const REPOSITORY: &str = "checks/queue";

/// Where somebody works: a folder with files, and a node's state directory below it.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
    registry: SocketAddr,
    page: &'static str,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    /// An empty desk that works with a registry, whose page is `page`.
    pub fn new(page: &'static str, registry: &Registry) -> Self {
        let desk = Self {
            folder: TempDir::with_prefix("sharing-").expect("a temporary folder can be made"),
            registry: registry.address(),
            page,
        };
        let binary = vrrp_host_binary().expect("vrrp-host is built");
        // The page has a node's own places in it.
        let wrapper = format!(
            "#!/bin/sh\n\
             case \"$*\" in *--state-dir*) ;; *) set -- \"$@\" --state-dir {} ;; esac\n\
             case \"$*\" in *--node*) ;; *) set -- \"$@\" --node first ;; esac\n\
             exec {} \"$@\" --control {}\n",
            desk.state().display(),
            binary.display(),
            desk.path("control.sock").display(),
        );
        fs::create_dir(desk.path("bin")).expect("a folder can be made");
        desk.write("bin/vrrp-host", wrapper);
        fs::set_permissions(
            desk.path("bin/vrrp-host"),
            fs::Permissions::from_mode(0o755),
        )
        .expect("it is ours");
        desk
    }

    /// A file of the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file can be written");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Takes a file from another desk.
    pub fn copy(&self, from: &Self, name: &str) {
        self.write(name, from.read(name));
    }

    /// The state directory of the node.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The store of the node.
    pub fn store(&self) -> PathBuf {
        self.state().join("modules")
    }

    /// What is in the store beside what was compiled.
    pub fn stored(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.store()) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("it can be listed").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".cwasm"))
            .collect();
        names.sort();
        names
    }

    /// Checks that nothing was stored, and nothing locked.
    #[track_caller]
    pub fn assert_nothing_added(&self) {
        assert_eq!(self.stored(), Vec::<String>::new());
        assert!(!self.path("modules.lock").exists());
    }

    /// [`REPOSITORY`] with this tag, in the registry.
    pub fn reference(&self, tag: &str) -> String {
        reference(self.registry, tag)
    }

    /// A pair of keys, `NAME.key` and `NAME.pub`; returns the public one.
    pub fn key(&self, name: &str) -> String {
        self.sh(&format!("minisign -G -W -s {name}.key -p {name}.pub"))
            .assert_done();
        let text = self.read(&format!("{name}.pub"));
        text.lines().last().expect("a key has two lines").to_owned()
    }

    /// Pushes a component under a tag; returns the reference with the digest.
    pub fn push(&self, wasm: &Path, tag: &str, more: &[&str]) -> String {
        let wasm = utf8(wasm);
        let reference = self.reference(tag);
        let arguments = [&["module", "push", wasm, &reference], more].concat();
        self.vrrp_host(&arguments).assert_done().trim().to_owned()
    }

    /// `vrrp-host module add REFERENCE MORE`.
    pub fn add(&self, reference: &str, more: &[&str]) -> Ended {
        let arguments = ["module", "add", reference, "--config", "cluster.toml"];
        self.vrrp_host(&[&arguments, more].concat())
    }

    /// `vrrp-host`, here.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.path("bin/vrrp-host"));
        self.surround(&mut command);
        command
    }

    /// An environment that is the same on every machine.
    fn surround(&self, command: &mut Command) {
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.path("bin").display()
        );
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("DOCKER_CONFIG", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
    }

    /// `vrrp-host ARGUMENTS`, to its end.
    pub fn vrrp_host(&self, arguments: &[&str]) -> Ended {
        let output = self.command().args(arguments).output();
        ended(output.expect("vrrp-host can be run"))
    }

    /// A script, to its end.
    pub fn sh(&self, script: &str) -> Ended {
        let mut command = Command::new("sh");
        self.surround(&mut command);
        ended(
            command
                .args(["-e", "-c", script])
                .output()
                .expect("there is a shell"),
        )
    }

    /// The commands of a section of the page, for this desk.
    pub fn section(&self, title: &str) -> Vec<String> {
        let (_, section) = self
            .page
            .split_once(&format!("\n## {title}\n"))
            .unwrap_or_else(|| panic!("the page has no section {title}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        let blocks = section.split("```sh\n").skip(1);
        blocks
            .filter_map(|block| block.split("```").next())
            .flat_map(str::lines)
            .map(|line| {
                line.replace("registry.example.com", &self.registry.to_string())
                    .replace("/etc/vrrp-host/", "")
            })
            .collect()
    }

    /// Runs a section of the page.
    pub fn run_section(&self, title: &str) -> Ended {
        self.sh(&self.section(title).join("\n"))
    }
}

impl Ended {
    /// Checks that it went well; returns what it printed.
    #[track_caller]
    pub fn assert_done(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }

    /// Checks the exit code, and that stderr has all of these texts.
    #[track_caller]
    pub fn assert_says(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "{text:?} is missing in {self:#?}"
            );
        }
    }
}

fn ended(output: Output) -> Ended {
    Ended {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// [`REPOSITORY`] with this tag, in a registry.
#[must_use]
pub fn reference(registry: SocketAddr, tag: &str) -> String {
    format!("oci://{registry}/{REPOSITORY}:{tag}")
}
