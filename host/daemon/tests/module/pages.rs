//! `docs/modules`: a page for each module that is built in, written from what the module says of itself.
//!
//! `cargo xtask docs` writes them anew; so does this test with `UPDATE_EXPECT=1`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use expect_test::expect_file;

use crate::support::{BINARY, module, said, source_tree};

/// Name, role and description of every module. The name alone may be that of a check and of a hook.
fn built_in() -> Vec<[String; 3]> {
    let said = module(&["inspect", "--json"]);
    said.assert(0, &[]);
    let list = said.json();
    let list = list.as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    list.map(|module| ["name", "role", "description"].map(|key| text(&module[key])))
        .collect()
}

fn folder() -> PathBuf {
    source_tree().join("docs/modules")
}

#[test]
fn pages_say_what_the_modules_say() {
    let built_in = built_in();
    let mut wanted = BTreeSet::from(["README.md".to_owned()]);
    let mut index = String::from(
        "<!-- Written by `cargo xtask docs`. -->\n\n# Modules that are built in\n\n| module | | |\n|---|---|---|\n",
    );
    for [name, role, description] in &built_in {
        let said = module(&["inspect", &format!("{role}:{name}"), "--markdown"]);
        said.assert(0, &[]);
        let page = format!("{role}-{name}.md");
        let example = said.stdout.split("```toml\n").nth(1);
        let example = example.and_then(|rest| rest.split("```").next());
        assert_accepted(example.unwrap_or_else(|| panic!("{page} has no example")));
        expect_file![folder().join(&page)].assert_eq(&said.stdout);
        index += &format!("| [`{name}`]({page}) | {role} | {description} |\n");
        wanted.insert(page);
    }
    expect_file![folder().join("README.md")].assert_eq(&index);
    let pages = fs::read_dir(folder()).expect("the folder is there");
    let pages: BTreeSet<_> = pages
        .map(|page| {
            page.expect("it can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(pages, wanted, "a page of no module: remove it");
}

/// `vrrp-host check-config` takes it as it is on the page.
#[track_caller]
fn assert_accepted(example: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("cluster.toml");
    fs::write(&file, example).expect("a file can be written");
    let mut command = Command::new(BINARY);
    command
        .arg("check-config")
        .arg(&file)
        .arg("--state-dir")
        .arg(folder.path());
    said(&mut command).assert(0, &["no errors"]);
}
