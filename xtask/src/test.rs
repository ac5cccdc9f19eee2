//! Every check and every test, with a line for each step.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::cargo::{BINARY, build_daemon, cargo, run as run_command};
use crate::terminal::Style;
use crate::{dist, rules, setup};

/// The packages that are built and tested together.
const WITHOUT_END_TO_END: [&str; 3] = ["--workspace", "--exclude", "e2e"];

const NO_DAEMON: &str = "there is no vrrp-host to test";

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut suite = Suite::default();
    if suite.step("setup", |_| setup::run()) {
        suite.run_steps();
    }
    Ok(suite.finish())
}

/// What has been done so far, and how it went.
#[derive(Debug, Default)]
struct Suite {
    failed_steps: Vec<&'static str>,
    tests: Counts,
}

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Suite {
    /// A step that fails does not keep the others from telling what they find.
    fn run_steps(&mut self) {
        self.step("format", |_| {
            run_command(&mut cargo(&["fmt", "--all", "--", "--check"]))
        });
        self.step("dependency rules", |_| rules::check());
        self.step("vrrp needs no operating system", |_| {
            run_command(&mut cargo(&[
                "build",
                "--locked",
                "--package",
                "vrrp",
                "--target",
                "wasm32-unknown-unknown",
            ]))
        });
        self.step("clippy", |_| {
            run_command(&mut cargo(&[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        });
        self.step("documentation", |_| {
            let mut doc = cargo(&[
                "doc",
                "--locked",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ]);
            run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
        });
        let mut daemon = None;
        self.step("build", |_| {
            let everything = [&WITHOUT_END_TO_END[..], &["--all-targets"]].concat();
            daemon = Some(build_daemon(&everything)?);
            Ok(())
        });
        self.step("tests", |counts| {
            let mut tests = cargo(&["test", "--locked", "--no-fail-fast"]);
            run_tests(tests.args(WITHOUT_END_TO_END), counts)
        });
        // The same tests as before, which need no more building.
        self.step("sandbox tests, interpreted", |counts| {
            let mut tests = cargo(&["test", "--locked", "--no-fail-fast"]);
            tests
                .args(WITHOUT_END_TO_END)
                .args(["--test", "sandbox"])
                .env("VRRP_SANDBOX_ENGINE", "pulley");
            run_tests(&mut tests, counts)
        });
        // The tests would install it themselves, and seem to hang.
        self.step("cargo-deb", |_| dist::provide_cargo_deb());
        self.step("end-to-end tests", |counts| {
            let daemon = daemon.as_ref().context(NO_DAEMON)?;
            let mut tests = cargo(&["test", "--locked", "--package", "e2e", "--no-fail-fast"]);
            // One at a time: they measure, and boot hosts.
            tests.args(["--", "--test-threads=1"]).env(BINARY, daemon);
            run_tests(&mut tests, counts)
        });
        self.step("chaos", |_| {
            // Ourselves, also after the build has put another file in our place.
            let mut chaos = Command::new("/proc/self/exe");
            chaos
                .args(["chaos", "--minutes", "2", "--seed", "1"])
                .env(BINARY, daemon.as_ref().context(NO_DAEMON)?);
            run_command(&mut chaos)
        });
    }

    /// Does a step and says how it went. Returns whether it went well.
    fn step(
        &mut self,
        name: &'static str,
        action: impl FnOnce(&mut Counts) -> anyhow::Result<()>,
    ) -> bool {
        println!("{}", Style::Bold.paint(format_args!("==> {name}")));
        let start = Instant::now();
        let result = action(&mut self.tests);
        let seconds = start.elapsed().as_secs_f64();
        match &result {
            Ok(()) => println!("{} {name} ({seconds:.1} s)\n", Style::Green.paint("✓")),
            Err(error) => {
                println!(
                    "{} {name} ({seconds:.1} s): {error:#}\n",
                    Style::Red.paint("✗")
                );
                self.failed_steps.push(name);
            }
        }
        result.is_ok()
    }

    /// The last line is for programs to read: the sum over all test runs, alone.
    fn finish(self) -> ExitCode {
        if !self.failed_steps.is_empty() {
            println!("failed: {}", self.failed_steps.join(", "));
        }
        println!("{} passed, {} failed", self.tests.passed, self.tests.failed);
        if self.failed_steps.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs `cargo test`, shows what it prints and counts.
fn run_tests(command: &mut Command, counts: &mut Counts) -> anyhow::Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = BufReader::new(child.stdout.take().context("cargo has no output")?);
    for line in output.lines() {
        let line = line.context("cannot read what cargo prints")?;
        println!("{line}");
        if let Some(Counts { passed, failed }) = parse_result(&line) {
            counts.passed += passed;
            counts.failed += failed;
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    ensure!(status.success(), "cargo test ended with {status}");
    Ok(())
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn parse_result(line: &str) -> Option<Counts> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = counts.split("; ").filter_map(|count| count.split_once(' '));
    let mut next = |what: &str| {
        let (count, unit) = counts.next()?;
        if unit == what {
            count.parse().ok()
        } else {
            None
        }
    };
    Some(Counts {
        passed: next("passed")?,
        failed: next("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let line = "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 6.24s";
        assert_eq!(
            parse_result(line),
            Some(Counts {
                passed: 7,
                failed: 2
            })
        );
        for line in [
            "",
            "test a ... ok",
            "test result: ok.",
            "test result: ok. 3 failed; 2 passed; finished",
        ] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }
}
