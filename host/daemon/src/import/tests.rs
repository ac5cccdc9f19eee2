//! The pair of the scenario, keepalived's language, files that cannot be parsed, several nodes, and every option of the table.
//!
//! `UPDATE_EXPECT=1 cargo test` writes the table of docs/from-keepalived.md anew. The files of examples/ are compared in `tests/import`.

mod documentation;
mod errors;
mod language;
mod merging;

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use proptest::prelude::*;

use super::{ImportError, Imported, Input, Passwords, Wanted, import};
use crate::config::{self, Loaded};
use crate::modules;

/// Nothing but the files.
fn plain() -> Wanted {
    Wanted {
        addresses: Vec::new(),
        keep_version: false,
        passwords: Passwords::LeftOut,
    }
}

fn input(node: Option<&str>, path: &str, text: &str) -> Input {
    Input {
        node: node.map(str::to_owned),
        path: PathBuf::from(path),
        text: text.to_owned(),
    }
}

/// One file, which can be parsed.
#[track_caller]
fn imported(text: &str) -> Imported {
    let imported = import(vec![input(None, "keepalived.conf", text)], &plain());
    imported.unwrap_or_else(|error| panic!("{error}"))
}

/// An instance with these lines in it, and what stands before it.
fn instance(before: &str, lines: &str) -> String {
    format!(
        "{before}\nvrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n192.0.2.1\n}}\n{lines}\n}}\n"
    )
}

/// What the daemon reads in it, on a node.
#[track_caller]
fn read(text: &str, node: Option<&str>) -> Loaded {
    let path = Path::new("cluster.toml");
    let loaded = modules::with_names(|built_in| config::parse(path, text, node, "", built_in));
    loaded.unwrap_or_else(|report| panic!("{report}\n{text}"))
}

fn source_tree() -> PathBuf {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    tree.canonicalize().unwrap()
}

#[test]
fn the_pair_of_the_scenario_is_the_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/scenario");
    let file = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        input(None, name, &text)
    };
    let wanted = Wanted {
        addresses: vec![
            ("master".to_owned(), "172.27.0.1".parse().unwrap()),
            ("slave".to_owned(), "172.27.0.2".parse().unwrap()),
        ],
        ..plain()
    };
    let imported = import(vec![file("master.conf"), file("slave.conf")], &wanted).unwrap();
    assert_eq!(imported.lost, Vec::<String>::new());
    expect_file![folder.join("cluster.toml")].assert_eq(&imported.text);
    // But for the hooks, which have the whole name of their unit.
    let named = imported
        .text
        .replace("start-node-exporter", "start-exporter");
    let named = named.replace("stop-node-exporter", "stop-exporter");
    let scenario = include_str!("../../tests/config/valid/scenario.toml");
    for node in ["master", "slave"] {
        let [ours, theirs] = [&named, scenario].map(|text| read(text, Some(node)).cluster);
        assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"));
    }
}

/// Whatever stands in the files, it is translated or refused.
#[track_caller]
fn assert_no_surprise(text: &str) {
    let inputs = vec![
        input(Some("first"), "first.conf", text),
        input(Some("second"), "second.conf", text),
    ];
    match import(inputs, &plain()) {
        Ok(imported) => {
            let parsed = imported.text.parse::<toml::Table>();
            parsed.unwrap_or_else(|error| panic!("{error}\n{}", imported.text));
        }
        Err(ImportError::Invalid(reports)) => assert!(!reports.is_empty()),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC*") {
        assert_no_surprise(&text);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_no_surprise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_order_of_words_is_too_strange(words in proptest::collection::vec(0..WORDS.len(), 0..80)) {
        let text: Vec<&str> = words.into_iter().map(|word| WORDS[word]).collect();
        assert_no_surprise(&text.join(" "));
    }
}

/// What files are made of, and what gets them out of step.
const WORDS: [&str; 64] = [
    "{",
    "}",
    "\n",
    "\n",
    "\n",
    "{\n",
    "}\n",
    "\"",
    "\\",
    "#",
    "!",
    "@first",
    "@^first",
    "$X=\\\n",
    "$X=1",
    "$X",
    "${X}",
    "~SEQ(X, 1, 3)",
    "~LST({X, Y}, {1, 2})",
    "global_defs",
    "vrrp_version",
    "vrrp_instance",
    "vrrp_sync_group",
    "vrrp_script",
    "vrrp_track_process",
    "track_file",
    "VI_1",
    "VI_2",
    "interface",
    "eth0",
    "virtual_router_id",
    "51",
    "priority",
    "255",
    "0",
    "-1",
    "99999999999999999999",
    "state",
    "MASTER",
    "advert_int",
    "0.01",
    "virtual_ipaddress",
    "192.0.2.1/24",
    "fe80::1",
    "2001:db8::1/129",
    "dev",
    "label",
    "scope",
    "track_script",
    "track_interface",
    "weight",
    "reverse",
    "script",
    "notify_master",
    "notify",
    "unicast_peer",
    "unicast_src_ip",
    "authentication",
    "auth_pass",
    "virtual_routes",
    "default via",
    "virtual_rules",
    "from",
    "é",
];
