//! `vrrp-host module inspect`.

use serde_json::json;

use crate::support::{guest, module};

#[test]
fn a_module_says_what_it_is_and_needs() {
    let said = module(&[
        "inspect",
        "process",
        "--config",
        "{ name = \"nginx\", min = 2 }",
    ]);
    said.assert(
        0,
        &[
            "process: check, check-process 0.1.0, for version 0.1.0 of the contract, ",
            "A process of this name is running.",
            "vrrp-host:plugin/process@0.1.0 ",
            "takes process:NAME",
            "name: text, required",
            "min: whole number, 0 or more, 1 when left out",
            "How many may be running at most.",
            "with config = { name = \"nginx\", min = 2 }",
            "needs process:nginx",
            "runs at once when a process named nginx exits",
            "allow = [\"process:nginx\"]",
        ],
    );
}

#[test]
fn without_a_config_its_own_example_is_taken() {
    let said = module(&["inspect", "http"]);
    said.assert(
        0,
        &[
            "with its example, config = { url = \"http://127.0.0.1:8080/health\"",
            "allow = [\"http:GET http://127.0.0.1:8080/health\"]",
        ],
    );
    module(&["inspect", &guest("author")]).assert(0, &["What it needs depends on its config"]);
}

#[test]
fn the_line_to_paste_has_what_is_watched_too() {
    let said = module(&[
        "inspect",
        &guest("author"),
        "--config",
        "{ name = \"pg_dump\" }",
        "--json",
    ]);
    said.assert(0, &[]);
    let told = said.json();
    assert_eq!(told["role"], "check");
    assert_eq!(told["contract"], "0.1.0");
    assert_eq!(told["name"], "author-guest");
    assert_eq!(
        told["imports"],
        json!([{ "interface": "vrrp-host:plugin/process@0.1.0", "opened-by": ["process:NAME"] }])
    );
    assert_eq!(told["config-schema"]["required"], json!(["name"]));
    assert_eq!(
        told["configured"],
        json!({
            "config": "{ name = \"pg_dump\" }",
            "is-example": false,
            "needs": ["process:pg_dump"],
            "triggers": ["a process named pg_dump starts", "a process named pg_dump exits"],
            "allow": "allow = [\"process:pg_dump\"]",
        })
    );
}

#[test]
fn what_is_built_in_is_listed() {
    let said = module(&["inspect"]);
    said.assert(
        0,
        &[
            "process ",
            "check   A process of this name is running.",
            "systemctl ",
            "hook ",
        ],
    );
}

#[test]
fn a_config_that_is_refused_is_shown() {
    let said = module(&["inspect", "process", "--config", "{ name = \"/bin/x\" }"]);
    said.assert(
        2,
        &[
            " --> --config:1:10",
            "write the name of a process, not a path: \"x\"",
        ],
    );
    module(&["inspect", "--markdown"]).assert(64, &["MODULE"]);
}
