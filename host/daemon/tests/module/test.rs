//! `vrrp-host module test`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use crate::support::{BINARY, Said, guest, module, said, web_server};

/// The command is a process that it looks for.
const FOUND: &str = "{ name = \"vrrp-host\" }";
const NOT_FOUND: &str = "{ name = \"no-such-process\" }";

fn test(module_name: &str, config: &str, more: &[&str]) -> Said {
    let mut arguments = vec!["test", module_name, "--config", config];
    arguments.extend(more);
    module(&arguments)
}

#[test]
fn the_exit_code_is_the_verdict() {
    let passing = test("process", FOUND, &[]);
    passing.assert(
        0,
        &[
            "passing: ",
            " named vrrp-host (pid ",
            "count ",
            "time ",
            "CPU time ",
            " of 50.00 ms",
            "memory ",
            " KiB of 16384 KiB",
            "process:vrrp-host ",
            "granted",
        ],
    );
    test("process", NOT_FOUND, &[]).assert(1, &["failing: no process named no-such-process"]);
    let denied = test(
        &guest("curious"),
        "{ do = \"find\", with = \"init\" }",
        &[
            "--allow",
            "process:other",
            "--allow",
            "unit:x",
            "--allow",
            "http:GET http://x/",
        ],
    );
    denied.assert(
        2,
        &[
            "error: denied: process.find; to allow it write allow = [\"process:other\", ",
            "\"process:init\"]",
            "process:init ",
            " denied\n",
        ],
    );
}

#[test]
fn http_goes_to_a_real_server() {
    let up = web_server(200);
    let passing = test("http", &format!("{{ url = \"{up}\" }}"), &[]);
    passing.assert(
        0,
        &[
            &format!("passing: GET {up} gave 200"),
            &format!("http:GET {up}"),
        ],
    );
    let down = web_server(503);
    let failing = test("http", &format!("{{ url = \"{down}\" }}"), &[]);
    failing.assert(1, &[&format!("failing: GET {down} gave 503")]);
}

#[test]
fn it_takes_no_rights() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let binary = folder.path().join("vrrp-host");
    fs::copy(BINARY, &binary).expect("a program can be copied");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(&binary);
    command
        .args(["module", "test", "process", "--config", FOUND])
        .env_clear()
        .current_dir("/");
    // The tests run as root; whoever may not become another user is one already.
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    said(&mut command).assert(0, &["passing: "]);
}

#[test]
fn a_module_from_elsewhere_has_what_is_allowed() {
    let author = guest("author");
    let needs = "allow = [\"process:no-such-process\"]";
    test(&author, NOT_FOUND, &[]).assert(2, &["error: ", needs]);
    let allowed = test(&author, NOT_FOUND, &["--allow", "process:no-such-process"]);
    allowed.assert(
        0,
        &[
            "passing: no no-such-process runs",
            "process:no-such-process  granted",
        ],
    );
    test(&author, NOT_FOUND, &["--allow", "proces:x"])
        .assert(2, &["`proces:x` is not a grant", "write `process:NAME`"]);
}

#[test]
fn a_fault_is_what_the_module_is_told() {
    let config = "{ url = \"http://127.0.0.1:9/\" }";
    for (fault, verdict) in [
        (
            "http=timeout",
            "failing: GET http://127.0.0.1:9/: no answer within ",
        ),
        (
            "http.send=name-not-found",
            "failing: GET http://127.0.0.1:9/: its name is unknown",
        ),
        (
            "http=tls",
            "failing: GET http://127.0.0.1:9/: TLS failed: a fault injected by the test",
        ),
    ] {
        let word = fault.split_once('=').expect("it has a word").1;
        let injected = format!("not tried, --fault says {word}");
        let call = "http.send(GET http://127.0.0.1:9/";
        test("http", config, &["--fault", fault]).assert(1, &[verdict, call, &injected]);
    }
    test("http", config, &["--fault", "http=denied"])
        .assert(2, &["error: denied: http:GET http://127.0.0.1:9/"]);
    test("process", FOUND, &["--fault", "process=unavailable"])
        .assert(2, &["error: unavailable: ", "process.find(vrrp-host)"]);
}

#[test]
fn a_fault_that_cannot_be_is_told_which_can() {
    test("process", FOUND, &["--fault", "process"])
        .assert(64, &["write CAPABILITY=ERROR, such as `http=timeout`"]);
    test("process", FOUND, &["--fault", "proces=denied"]).assert(
        64,
        &["no capability is called `proces`; there are process, systemd, "],
    );
    test("process", FOUND, &["--fault", "http=timeout"]).assert(
        2,
        &["the fault `http=timeout` cannot happen to this module: what it calls is `process.find`"],
    );
    test("process", FOUND, &["--fault", "process=timeout"]).assert(
        2,
        &["cannot happen to this module: write one of denied, unavailable"],
    );
}

#[test]
fn a_hook_is_told_a_transition() {
    let config = "{ action = \"start\", unit = \"nginx\" }";
    let faulty = |error: &str| {
        test(
            "systemctl",
            config,
            &["--fault", &format!("systemd-control={error}")],
        )
    };
    faulty("timeout").assert(
        1,
        &["retry: no result from systemd in time for nginx.service"],
    );
    faulty("not-found").assert(1, &["permanent: systemd knows no unit nginx.service"]);
    test("systemctl", config, &["--state", "master"])
        .assert(64, &["--state is for a check, and `systemctl` is a hook"]);
    test("process", FOUND, &["--before", "master"])
        .assert(64, &["--before is for a hook, and `process` is a check"]);
}

#[test]
fn a_config_error_points_into_the_config() {
    let wrong = test("process", "{ name = \"nginx\", min = -1, mx = 2 }", &[]);
    wrong.assert(
        2,
        &[
            " --> --config:1:25",
            "write a whole number, 0 or more, not integer -1",
            " --> --config:1:34",
            "unknown key \"mx\"",
            "--config: 2 errors",
        ],
    );
    test("process", "{ \"name\": \"nginx\" }", &[])
        .assert(2, &["this is JSON; write it as in cluster.toml"]);
    test("process", "", &[]).assert(64, &["--config"]);
    module(&["test", "process"]).assert(2, &["missing key \"name\""]);
}

#[test]
fn a_module_that_misbehaves_is_an_error_with_its_limit() {
    let hostile = guest("hostile");
    for (act, timeout, said) in [
        (
            "loop",
            "20s",
            "error: the module used more than 50ms of CPU time",
        ),
        (
            "eat",
            "20s",
            "error: the module wanted more than 16384 KiB of memory",
        ),
        (
            "panic",
            "20s",
            "error: the module crashed: it gave up (panic or abort)",
        ),
        ("sleep", "300ms", "error: the module took longer than 300ms"),
    ] {
        let config = format!("{{ do = \"{act}\" }}");
        test(&hostile, &config, &["--timeout", timeout]).assert(2, &[said]);
    }
}

#[test]
fn what_is_no_module_is_told_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("our paths are UTF-8").to_owned()
    };
    module(&["test", &file("core.wasm", b"\0asm\x01\0\0\0")])
        .assert(2, &["build it for the target wasm32-wasip2"]);
    module(&["test", &file("text.wasm", b"hello")]).assert(2, &["the module is not WebAssembly"]);
    module(&["test", &file("empty.wasm", b"\0asm\x0d\0\x01\0")]).assert(
        2,
        &[
            "the module is not a check or hook",
            "it exports nothing of vrrp-host:plugin",
        ],
    );
    module(&["test", "proces"]).assert(
        64,
        &["no module is called `proces`; did you mean `process`?"],
    );
    module(&["test", "quux"]).assert(
        64,
        &["built in are `dns`, `check:exec`, ", "./my-check.wasm"],
    );
    module(&["test", "exec"]).assert(
        64,
        &["more than one module is called `exec`; write `check:exec` or `hook:exec`"],
    );
    module(&["test", "hook:process"])
        .assert(64, &["no module is called `hook:process`; did you mean "]);
    module(&["test", "oci://r.lan/a:1"])
        .assert(64, &["which version? Write oci://r.lan/a:1@sha256:DIGEST"]);
    let missing = format!("oci://r.lan/a:1@sha256:{}", "0".repeat(64));
    module(&["test", &missing]).assert(
        64,
        &[
            "this node does not have the module",
            "`vrrp-host module add oci://r.lan/a:1@sha256:",
        ],
    );
    module(&["test", "./none.wasm"])
        .assert(64, &["cannot read ./none.wasm", "cargo build --release"]);
    module(&["test", "/"]).assert(64, &["/ is not a file"]);
}

#[test]
fn runs_follow_one_another_and_are_told_as_json() {
    let said = test("process", FOUND, &["--runs", "3", "--json"]);
    said.assert(0, &[]);
    let told = said.json();
    assert_eq!(told["module"], "process");
    assert_eq!(told["role"], "check");
    let runs = told["runs"].as_array().expect("a list of runs");
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!(run["outcome"], "passing");
        // Other tests run the same program at the same time.
        assert!(run["facts"]["count"].is_string(), "{run}");
        assert_eq!(run["denied"], 0);
        assert!(run["wall-us"].as_u64() > Some(0), "{run}");
        assert!(run["cpu-us"].as_u64() > Some(0), "{run}");
        assert!(run["memory-bytes"].as_u64() > Some(0), "{run}");
    }
    assert_eq!(
        told["asked"],
        json!([{ "what": "process:vrrp-host", "reply": "granted", "times": 3 }])
    );
    let failed = test(
        "process",
        FOUND,
        &["--fault", "process=unavailable", "--json"],
    );
    failed.assert(2, &[]);
    assert_eq!(failed.json()["runs"][0]["error"], "unavailable");
}
