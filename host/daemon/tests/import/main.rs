//! `vrrp-host import`, as its users type it. What the files become has tests beside the code (`src/import/tests`).

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::expect_file;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_vrrp-host");

const PASSWORD: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 110
    virtual_ipaddress {
        192.0.2.1
    }
    authentication {
        auth_type PASS
        auth_pass secret
    }
}
";

/// `vrrp-host ARGUMENTS` in a folder.
fn vrrp_host(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

fn folder_with(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    folder
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut folders: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// With every module loaded and every command looked for.
#[test]
fn check_config_takes_the_examples() {
    let state = tempfile::tempdir().unwrap();
    let examples = examples();
    assert_eq!(examples.len(), 16);
    for folder in examples {
        let state = state.path().to_str().unwrap();
        let arguments = [
            "check-config",
            "cluster.toml",
            "--node",
            "first",
            "--state-dir",
            state,
        ];
        let (stdout, _) = assert_code(&vrrp_host(&folder, &arguments), 0);
        assert!(
            stdout.contains("no errors"),
            "{}: {stdout}",
            folder.display()
        );
    }
}

/// `cargo xtask docs` writes them anew; so does this test with `UPDATE_EXPECT=1`.
#[test]
fn examples_are_what_is_imported() {
    for folder in examples() {
        let mut files: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".conf"))
            .collect();
        files.sort();
        // The one that is for all nodes stands for two.
        if let [shared] = &files[..] {
            files = vec![format!("first={shared}"), format!("second={shared}")];
        }
        let mut arguments = vec!["import"];
        arguments.extend(files.iter().map(String::as_str));
        let (stdout, stderr) = assert_code(&vrrp_host(&folder, &arguments), 0);
        expect_file![folder.join("cluster.toml")].assert_eq(&stdout);
        // What is lost is told in both places.
        let is_complete = stderr == "everything is translated\n";
        let has_loss =
            stdout.contains("# Not translated:") || stdout.contains("# authentication =");
        assert_eq!(is_complete, !has_loss, "{}: {stderr}", folder.display());
    }
}

/// `--strict`: no single failure leaves an address without an owner for longer than the protocol needs. The whole answer is kept
/// beside each example; `cargo xtask docs` writes it anew, and so does this test with `UPDATE_EXPECT=1`.
#[test]
fn examples_survive_every_single_failure() {
    for folder in examples() {
        let arguments = ["simulate", "cluster.toml", "--what-if", "--strict"];
        let (stdout, _) = assert_code(&vrrp_host(&folder, &arguments), 0);
        expect_file![folder.join("what-if.txt")].assert_eq(&stdout);
    }
}

#[test]
fn what_is_not_translated_is_on_stderr() {
    let text = format!("global_defs {{\n  vrrp_strict\n}}\n{PASSWORD}");
    let folder = folder_with("a.conf", &text);
    let (_, stderr) = assert_code(&vrrp_host(folder.path(), &["import", "a.conf"]), 0);
    assert!(stderr.starts_with("1 thing is not translated"), "{stderr}");
    assert!(stderr.contains("a.conf:2: vrrp_strict: "), "{stderr}");
}

#[test]
fn output_is_a_file_with_its_passwords_beside_it() {
    let folder = folder_with("keepalived.conf", PASSWORD);
    let arguments = ["import", "keepalived.conf", "--output", "cluster.toml"];
    let (stdout, _) = assert_code(&vrrp_host(folder.path(), &arguments), 0);
    assert_eq!(stdout, "");
    let password = folder.path().join("VI_1.pass");
    assert_eq!(fs::read_to_string(&password).unwrap(), "secret\n");
    assert_eq!(
        fs::metadata(&password).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let check = ["check-config", "cluster.toml", "--state-dir", "state"];
    assert_code(&vrrp_host(folder.path(), &check), 0);

    // Nothing is overwritten.
    let before = fs::read_to_string(folder.path().join("cluster.toml")).unwrap();
    let (_, stderr) = assert_code(&vrrp_host(folder.path(), &arguments), 64);
    assert!(stderr.contains("cluster.toml is there already"), "{stderr}");
    let other = ["import", "keepalived.conf", "--output", "other.toml"];
    let (_, stderr) = assert_code(&vrrp_host(folder.path(), &other), 64);
    assert!(stderr.contains("VI_1.pass is there already"), "{stderr}");
    assert!(!folder.path().join("other.toml").exists());
    assert_eq!(
        fs::read_to_string(folder.path().join("cluster.toml")).unwrap(),
        before
    );
}

#[test]
fn what_the_reader_does_not_take_is_not_written() {
    let twice = PASSWORD
        .replace("VI_1", "VI_2")
        .replace("192.0.2.1", "192.0.2.2");
    let folder = folder_with("keepalived.conf", &format!("{PASSWORD}{twice}"));
    let arguments = ["import", "keepalived.conf", "--output", "cluster.toml"];
    let (_, stderr) = assert_code(&vrrp_host(folder.path(), &arguments), 70);
    assert!(
        stderr.contains("both have the virtual-router-id 51"),
        "{stderr}"
    );
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn files_that_cannot_be_parsed_are_underlined() {
    let folder = folder_with(
        "keepalived.conf",
        "vrrp_instance VI_1 {\n  interface eth0\n",
    );
    let (_, stderr) = assert_code(
        &vrrp_host(folder.path(), &["import", "keepalived.conf"]),
        78,
    );
    assert!(stderr.contains("--> keepalived.conf:1:1"), "{stderr}");
    assert!(stderr.contains("^^^^^^^^^^"), "{stderr}");
}

#[test]
fn files_without_an_instance_have_nothing_to_import() {
    let folder = folder_with("keepalived.conf", "virtual_server 192.0.2.1 80 {\n}\n");
    let (_, stderr) = assert_code(
        &vrrp_host(folder.path(), &["import", "keepalived.conf"]),
        78,
    );
    assert!(stderr.contains("no vrrp_instance"), "{stderr}");
    assert!(stderr.contains("LVS"), "{stderr}");
}

#[test]
fn command_lines_that_cannot_be_are_told() {
    let folder = folder_with("keepalived.conf", PASSWORD);
    for (arguments, says) in [
        (&["import"][..], "NODE="),
        (&["import", "nowhere.conf"], "cannot read nowhere.conf"),
        (
            &["import", "keepalived.conf", "--address", "first"],
            "write NODE=ADDRESS",
        ),
        (
            &["import", "a=keepalived.conf", "--address", "b=192.0.2.1"],
            "no file is of the node `b`",
        ),
        (
            &["import", "keepalived.conf", "keepalived.conf"],
            "write NODE=FILE for each",
        ),
    ] {
        let (_, stderr) = assert_code(&vrrp_host(folder.path(), arguments), 64);
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_address_of_a_node_may_be_given() {
    let folder = folder_with(
        "keepalived.conf",
        &PASSWORD.replace("authentication", "unknown"),
    );
    let arguments = [
        "import",
        "first=keepalived.conf",
        "--address",
        "first=192.0.2.7",
    ];
    let (stdout, _) = assert_code(&vrrp_host(folder.path(), &arguments), 0);
    assert!(
        stdout.contains("[nodes.first]\naddress = \"192.0.2.7\"\n"),
        "{stdout}"
    );
}
