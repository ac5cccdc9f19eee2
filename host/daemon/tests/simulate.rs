//! `vrrp-host simulate`, as its users type it, and `docs/simulate.md`: every command in it is run and prints what stands there.
//! `UPDATE_EXPECT=1 cargo test` writes what is printed now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::expect_file;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_vrrp-host");

fn source_tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with a cluster.toml that has this text.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("cluster.toml"), text).expect("a file can be written");
    folder
}

/// The file that README.md shows.
fn scenario() -> String {
    let readme = fs::read_to_string(source_tree().join("README.md")).expect("README.md is there");
    let mut blocks = readme.split("\n```").skip(1).step_by(2);
    let block = blocks.find_map(|block| block.strip_prefix("toml\n[nodes.master]\n"));
    let block = block.expect("README.md shows the scenario's file");
    format!("[nodes.master]\n{block}\n")
}

/// Runs commands in a folder, with everything that they print on one stream.
fn run(folder: &Path, script: &str) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let binaries = Path::new(BINARY).parent().expect("it is in a folder");
    Command::new("sh")
        .args(["-euc", &format!("exec 2>&1\n{script}")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", binaries.display()))
        .output()
        .expect("a shell can be run")
}

/// `vrrp-host simulate cluster.toml ARGUMENTS` on a file: the exit code and what it prints.
fn simulate(text: &str, arguments: &str) -> (Option<i32>, String) {
    let folder = folder(text);
    let output = run(
        folder.path(),
        &format!("vrrp-host simulate cluster.toml {arguments}"),
    );
    let printed = String::from_utf8(output.stdout).expect("it writes UTF-8");
    (output.status.code(), printed)
}

#[test]
fn every_command_prints_what_the_guide_shows() {
    let guide = source_tree().join("docs/simulate.md");
    let text = fs::read_to_string(&guide).expect("the guide is there");
    let folder = folder(&scenario());
    let mut parts: Vec<String> = text.split("\n```").map(str::to_owned).collect();
    let mut printed = None;
    let mut commands = 0;
    // Every second part is a block: its kind, a line feed, its content.
    for part in parts.iter_mut().skip(1).step_by(2) {
        let (kind, content) = part.split_once('\n').unwrap_or((part, ""));
        if let Some(code) = kind.strip_prefix("sh") {
            let code = code.trim().parse().unwrap_or(0);
            let output = run(folder.path(), content);
            let said = String::from_utf8(output.stdout).expect("it writes UTF-8");
            assert_eq!(output.status.code(), Some(code), "{content}\n{said}");
            printed = Some(said);
            commands += 1;
        } else if let Some(said) = printed.take() {
            assert_eq!(kind, "text", "what a command prints stands below it");
            *part = format!("text\n{}", said.trim_end());
        }
    }
    assert!(commands >= 5, "the guide has lost its commands");
    expect_file![guide].assert_eq(&parts.join("\n```"));
    let drawn = fs::read_to_string(folder.path().join("simulate.svg")).expect("it was drawn");
    expect_file![source_tree().join("docs/simulate.svg")].assert_eq(&drawn);
}

#[test]
fn strict_says_by_its_exit_code_that_nobody_takes_over() {
    let alone = "[nodes.first]\n\
        [instances.VI_1]\n\
        interface = \"eth0\"\n\
        virtual-router-id = 51\n\
        virtual-addresses = [\"192.0.2.100\"]\n";
    let (code, printed) = simulate(alone, "--what-if --strict");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("first -> nobody"), "{printed}");
    let (code, printed) = simulate(alone, "--what-if --json");
    assert_eq!(code, Some(0), "{printed}");
    let what_if: serde_json::Value = serde_json::from_str(&printed).expect("it writes JSON");
    let crash = &what_if["failures"][1];
    assert_eq!(crash["event"], "crash:first", "{printed}");
    assert_eq!(crash["instances"][0]["within-bound"], false, "{printed}");
}

#[test]
fn what_cannot_be_is_told_at_once() {
    let file = scenario();
    for (arguments, code, words) in [
        ("--at 5s", 64, "2 values required"),
        ("--at 5s crash:mastr", 64, "did you mean `master`?"),
        ("--for 1y", 64, "--for: write at most 24h"),
        ("--for soon", 64, "write a number and a unit: 60s, 5m"),
        ("--strict", 64, "--what-if"),
        ("--what-if --at 5s crash:master", 64, "cannot be used with"),
        (
            "--svg no/such/folder.svg",
            64,
            "cannot write no/such/folder.svg",
        ),
        ("--config cluster.toml", 64, "name the file once"),
    ] {
        let (seen, printed) = simulate(&file, arguments);
        assert_eq!(seen, Some(code), "{arguments}: {printed}");
        assert!(printed.contains(words), "{arguments}: {printed}");
    }
    let (code, printed) = simulate("[instances.VI_1]\n", "");
    assert_eq!(code, Some(78), "{printed}");
    assert!(printed.contains("interface"), "{printed}");
}
