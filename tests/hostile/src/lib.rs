//! Modules for tests: components that misbehave, and one as its author writes it.
//!
//! They are in `guests/`, a workspace of its own, which is built for wasm32-wasip2 when a test asks for them:
//!
//! * `hostile`: a check that needs no grant and does what its config says: `{ do = "loop" }`, "eat", "panic" and more,
//!   after as many good runs as `after-runs = "3"` says.
//! * `curious`: a check that uses what needs a grant: processes, units and HTTP.
//! * `pinger` and `resolver`: checks that send echo requests, and ask for names.
//! * `served`: a check that has the broker read files and run commands.
//! * `early`: a check that wants `dns`, which the tests rename to a capability of a later version.
//! * `mistyped`: a check whose functions have the contract's names and other types.
//! * `table`: a check whose table grows without end, made from text.
//! * `hook`: a hook that runs a job on a unit.
//! * `talker`: a check that talks to servers, over streams as its `steps` say, and by datagrams.
//! * `link`: a check that looks at an interface and has paths watched.
//! * `author`: a check written with the SDK: no process called `name` runs.

pub mod guide;
mod pad;
pub mod project;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use pad::pad;
pub use text::componentize;

const TARGET: &str = "wasm32-wasip2";

/// Where guests are built, below a folder of tests.
#[must_use]
pub fn target(folder: &Path) -> PathBuf {
    folder.join("guests")
}

/// Where the components are.
fn release(folder: &Path) -> PathBuf {
    target(folder).join(TARGET).join("release")
}

/// The guests, built.
#[derive(Debug)]
pub struct Guests {
    release: PathBuf,
}

impl Guests {
    /// Builds what has changed since the last time, below `folder`: `CARGO_TARGET_TMPDIR` for a test. A program does so once;
    /// whoever asks again gets the same.
    ///
    /// # Panics
    ///
    /// When they do not build; the compiler has said why.
    #[must_use]
    pub fn build(folder: &Path) -> &'static Self {
        static BUILT: OnceLock<Guests> = OnceLock::new();
        BUILT.get_or_init(|| Self::build_now(folder))
    }

    fn build_now(folder: &Path) -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/Cargo.toml");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--locked", "--release", "--lib"])
            .args(["--examples", "--target", TARGET])
            .args(["--manifest-path", manifest, "--target-dir"])
            .arg(target(folder));
        // What the outer build says of this machine's target is not meant for the guests.
        for variable in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(variable);
        }
        let status = cargo.status().expect("cargo can be run");
        assert!(
            status.success(),
            "the guests do not build; is the target {TARGET} installed?"
        );
        let release = release(folder);
        text::write(&release.join("table.wasm"), text::TABLE);
        Self { release }
    }

    /// The file of a guest's component, as its linker wrote it.
    ///
    /// # Panics
    ///
    /// When there is no such guest.
    #[must_use]
    pub fn file(&self, guest: &str) -> PathBuf {
        let name = format!("{guest}.wasm");
        [
            self.release.join("examples").join(&name),
            self.release.join(&name),
        ]
        .into_iter()
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("there is no guest {guest}"))
    }
}
