//! From sources in `tests/guests` to components, each with its language's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::cargo::{cargo, run};
use crate::setup;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests");
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/plugin.wit");
const WORLD: &str = "running";

const WIT_BINDGEN: &str = "0.63.0";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
const COMPONENTIZE_JS: &str = "@bytecodealliance/componentize-js@0.23.0";

/// What the Debian packages put where.
const PACKAGES: [(&str, &str); 5] = [
    ("/usr/bin/clang", "clang"),
    ("/usr/bin/wasm-ld", "lld"),
    ("/usr/lib/wasm32-wasi/crt1-reactor.o", "wasi-libc"),
    (
        "/usr/share/doc/libclang-rt-14-dev-wasm32",
        "libclang-rt-14-dev-wasm32",
    ),
    ("/usr/bin/npm", "npm"),
];

/// Each with the folder of its source.
const LANGUAGES: [(&str, Make); 3] = [
    ("c", Build::c),
    ("python", Build::python),
    ("javascript", Build::javascript),
];

type Make = fn(&Build) -> anyhow::Result<PathBuf>;

/// A built check.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) language: &'static str,
    pub(super) component: PathBuf,
}

/// Builds all of them below `folder`.
pub(super) fn all(folder: &Path) -> anyhow::Result<Vec<Guest>> {
    setup::packages(&PACKAGES)?;
    let wit = folder.join("wit");
    let deps = wit.join("deps").join("plugin");
    fs::create_dir_all(&deps).with_context(|| format!("cannot make {}", deps.display()))?;
    fs::copy(CONTRACT, deps.join("plugin.wit"))?;
    fs::copy(
        Path::new(SOURCES).join("running.wit"),
        wit.join("running.wit"),
    )?;
    let build = Build {
        folder: folder.to_owned(),
        wit,
    };
    LANGUAGES
        .into_iter()
        .map(|(language, make)| {
            println!("building the check in {language}");
            let component = make(&build).with_context(|| format!("the check in {language}"))?;
            Ok(Guest {
                language,
                component,
            })
        })
        .collect()
}

struct Build {
    folder: PathBuf,
    wit: PathBuf,
}

impl Build {
    fn c(&self) -> anyhow::Result<PathBuf> {
        let tools = self.folder.join("tools");
        let wit_bindgen = tools.join("bin").join("wit-bindgen");
        if !wit_bindgen.exists() {
            let version = [
                "--version",
                WIT_BINDGEN,
                "--no-default-features",
                "--features",
                "c",
            ];
            let mut install = cargo(&["install", "wit-bindgen-cli", "--locked"]);
            run(install.args(version).arg("--root").arg(&tools))?;
        }
        let folder = self.fresh("c")?;
        run(Command::new(wit_bindgen)
            .args(["c", "--world", WORLD, "--out-dir"])
            .arg(&folder)
            .arg(&self.wit))?;
        let core = folder.join("core.wasm");
        run(Command::new("clang")
            .args([
                "--target=wasm32-wasi",
                "-mexec-model=reactor",
                "-Os",
                "-Wall",
                "-Wl,--strip-all",
            ])
            .arg("-I")
            .arg(&folder)
            .arg(format!("{SOURCES}/c/check.c"))
            .args(["running.c", "running_component_type.o"].map(|file| folder.join(file)))
            .arg("-o")
            .arg(&core))?;
        let component = folder.join("check.wasm");
        let bytes = hostile::componentize(&fs::read(&core)?)
            .context("what clang has made is no module for the world")?;
        fs::write(&component, bytes)?;
        Ok(component)
    }

    fn python(&self) -> anyhow::Result<PathBuf> {
        let environment = self.folder.join("python-tools");
        let componentize = environment.join("bin").join("componentize-py");
        if !componentize.exists() {
            run(Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment))?;
            run(Command::new(environment.join("bin").join("pip")).args([
                "install",
                "--quiet",
                COMPONENTIZE_PY,
            ]))?;
        }
        let folder = self.fresh("python")?;
        // Python leaves compiled files beside what it reads.
        fs::copy(
            format!("{SOURCES}/python/check.py"),
            folder.join("check.py"),
        )?;
        let tool = || {
            let mut tool = Command::new(&componentize);
            tool.arg("-d").arg(&self.wit).args(["-w", WORLD]);
            tool
        };
        let bindings = folder.join("bindings");
        run(tool().arg("bindings").arg(&bindings))?;
        let component = folder.join("check.wasm");
        run(tool()
            .args(["componentize", "check", "-p"])
            .arg(&bindings)
            .arg("-p")
            .arg(&folder)
            .arg("-o")
            .arg(&component))?;
        Ok(component)
    }

    fn javascript(&self) -> anyhow::Result<PathBuf> {
        let tools = self.folder.join("javascript-tools");
        fs::create_dir_all(&tools)?;
        if !tools.join("node_modules").exists() {
            fs::write(tools.join("package.json"), "{ \"private\": true }\n")?;
            run(Command::new("npm").current_dir(&tools).args([
                "install",
                "--no-audit",
                "--no-fund",
                "--silent",
                COMPONENTIZE_JS,
            ]))?;
        }
        // Node looks for packages beside the script.
        let script = tools.join("build.mjs");
        fs::copy(format!("{SOURCES}/javascript/build.mjs"), &script)?;
        let component = self.fresh("javascript")?.join("check.wasm");
        run(Command::new("node")
            .arg(script)
            .arg(format!("{SOURCES}/javascript/check.js"))
            .arg(&self.wit)
            .arg(&component))?;
        Ok(component)
    }

    /// An empty folder.
    fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
