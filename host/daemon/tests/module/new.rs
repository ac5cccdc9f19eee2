//! `vrrp-host module new`.

use std::fs;
use std::path::Path;
use std::process::Command;

use hostile::project::Project;
use tempfile::TempDir;

use crate::support::{BINARY, Said, module, said, scratch, source_tree, web_server};

fn project(name: &str, arguments: &[&str]) -> Project {
    Project::new(Path::new(BINARY), scratch(), name, arguments)
}

/// Its own tests pass, and the compiler has nothing to say.
#[track_caller]
fn assert_tested(project: &Project) {
    let output = project.cargo(&["test"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let passed = String::from_utf8_lossy(&output.stdout);
    assert!(passed.contains("test result: ok. 2 passed"), "{passed}");
}

#[test]
fn a_new_check_builds_passes_its_tests_and_runs() {
    let project = project("enough-workers", &[]);
    assert_tested(&project);
    let component = project.build();
    let component = component.to_str().expect("our paths are UTF-8");
    let readme = fs::read_to_string(project.folder().join("README.md")).expect("there is one");
    let commands: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("cargo ") || line.starts_with("vrrp-host "))
        .collect();
    assert_eq!(commands.len(), 3, "{readme}");
    // The command of the README, with the place that this test builds into.
    let command = commands[2]
        .replace("vrrp-host module", "\"$0\" module")
        .replace(
            "target/wasm32-wasip2/release/enough_workers.wasm",
            component,
        );
    let said = said(Command::new("sh").args(["-c", &command, BINARY]));
    said.assert(
        0,
        &[
            "passing: ",
            " processes named vrrp-host",
            "process:vrrp-host",
            "granted",
        ],
    );

    let inspected = module(&["inspect", component]);
    inspected.assert(
        0,
        &[
            "enough_workers: check, enough-workers 0.1.0",
            "So many processes of a name are running.",
        ],
    );
}

#[test]
fn a_new_hook_builds_passes_its_tests_and_runs() {
    let project = project("tell-server", &["--hook"]);
    assert_tested(&project);
    let component = project.build();
    let url = web_server(200);
    let said = module(&[
        "test",
        component.to_str().expect("our paths are UTF-8"),
        "--config",
        &format!("{{ url = \"{url}\" }}"),
        "--allow",
        &format!("http:POST {url}"),
        "--before",
        "master",
        "--after",
        "fault",
    ]);
    said.assert(0, &["done\n", &format!("http:POST {url}"), "granted"]);
}

/// `vrrp-host module new ARGUMENTS` outside of the source tree.
fn new(folder: &TempDir, arguments: &[&str]) -> Said {
    // The program itself is looked at for the source tree, so it has to be outside as well.
    let binary = folder.path().join("vrrp-host");
    if !binary.exists() {
        fs::copy(BINARY, &binary).expect("a program can be copied");
    }
    let mut command = Command::new(binary);
    command
        .current_dir(folder.path())
        .args(["module", "new"])
        .args(arguments);
    said(&mut command)
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let sdk = source_tree().join("guest-sdk");
    let sdk = sdk.to_str().expect("our paths are UTF-8");
    let there = folder.path().join("there");
    fs::create_dir(&there).expect("a folder can be made");
    fs::write(there.join("notes"), "mine").expect("a file can be written");

    new(&folder, &["DiskSpace", "--sdk", sdk]).assert(
        64,
        &["`DiskSpace` cannot be the name of a crate", ": disk-space"],
    );
    new(&folder, &["there", "--sdk", sdk]).assert(
        64,
        &["there is there already; write another folder with --path"],
    );
    new(&folder, &["a", "--sdk", sdk, "--path", "there/notes"]).assert(64, &["is there already"]);
    new(&folder, &["a", "--sdk", "there"]).assert(64, &["there is no vrrp-sdk in there"]);
    new(&folder, &["a"]).assert(
        64,
        &["where is vrrp-sdk?", "--sdk /path/to/vrrp-host/guest-sdk"],
    );
    assert!(!folder.path().join("a").exists());
    assert_eq!(fs::read_dir(&there).expect("it is there").count(), 1);

    new(&folder, &["a", "--sdk", sdk]).assert(0, &["a has a check with its test"]);
    let manifest = fs::read_to_string(folder.path().join("a/Cargo.toml")).expect("there is one");
    assert!(
        manifest.contains(&format!("vrrp-sdk = {{ path = \"{sdk}\" }}")),
        "{manifest}"
    );
    new(&folder, &["a", "--sdk", sdk]).assert(64, &["a is there already"]);
}

#[test]
fn the_sdk_is_found_in_the_source_tree() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let project = folder.path().join("b");
    let mut command = Command::new(BINARY);
    command
        .current_dir(source_tree().join("checks"))
        .args(["module", "new", "b", "--path"])
        .arg(&project);
    said(&mut command).assert(0, &[]);
    let manifest = fs::read_to_string(project.join("Cargo.toml")).expect("there is one");
    let sdk = source_tree().join("guest-sdk");
    assert!(
        manifest.contains(&format!("path = \"{}\"", sdk.display())),
        "{manifest}"
    );
}
