//! The fuzzers of `tests/fuzz`, built and run without an installation of `cargo fuzz` and without a nightly compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::cargo::{cargo, run as run_command};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What is fuzzed.
    target: Target,
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Bytes of a datagram.
    Packets,
    /// Events of a router.
    Events,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Events => "events",
        }
    }
}

/// Tells libFuzzer which code an input reaches and what it is compared with. All of it is stable; the address
/// sanitizer, which is not, has nothing to find in code that forbids unsafe.
const COVERAGE: &str = "-Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Build scripts are not to be instrumented, and are not when a target is named.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Longest input. The events of a longer one reach nothing new.
const MOST_BYTES: &str = "-max_len=1200";

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let name = arguments.target.name();
    let house = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let built = house.join("target/fuzz");
    let mut build = cargo(&[
        "build",
        "--locked",
        "--package",
        "fuzz",
        "--features",
        "libfuzzer",
    ]);
    build.args(["--bin", name, "--target", TRIPLE]);
    run_command(
        build
            .arg("--target-dir")
            .arg(&built)
            .env("RUSTFLAGS", COVERAGE),
    )?;

    let program = built.join(TRIPLE).join("debug").join(name);
    let corpus = house.join("tests/fuzz/corpus").join(name);
    let found = built.join("found").join(name);
    fs::create_dir_all(&found).context("cannot make a folder for what is found")?;
    // A finding is written where the person who waits sees it in `git status`.
    let findings = format!("-artifact_prefix={}/broken-", corpus.display());
    let limit = format!("-max_total_time={}", arguments.seconds);
    let mut fuzz = Command::new(&program);
    fuzz.args([&findings, &limit, "-print_final_stats=1", MOST_BYTES]);
    run_command(fuzz.arg(&found).arg(&corpus))?;
    keep_the_smallest(&program, &built.join("kept").join(name), &corpus, &found)
}

/// Makes the corpus anew from what it was and what was found: few and small inputs that reach all the code together.
fn keep_the_smallest(
    program: &Path,
    kept: &Path,
    corpus: &Path,
    found: &Path,
) -> anyhow::Result<()> {
    if kept.exists() {
        fs::remove_dir_all(kept).context("cannot empty the folder for what is kept")?;
    }
    fs::create_dir_all(kept).context("cannot make a folder for what is kept")?;
    let mut merge = Command::new(program);
    merge.args(["-set_cover_merge=1", "-use_counters=0", MOST_BYTES]);
    run_command(merge.arg(kept).arg(corpus).arg(found))?;
    fs::remove_dir_all(corpus).context("cannot empty the corpus")?;
    fs::create_dir_all(corpus).context("cannot make the corpus")?;
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        fs::copy(entry.path(), corpus.join(entry.file_name())).context("cannot copy an input")?;
    }
    Ok(())
}
