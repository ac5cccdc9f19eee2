//! docs/configuration.md is what the keys' descriptions say, and what they say of defaults and ranges is what the reader does.
//!
//! `cargo xtask docs` writes the page anew; so does this test with `UPDATE_EXPECT=1`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use expect_test::expect_file;
use toml::Value;

use super::variants::{Change, read, toml_value, variants};
use super::{golden, guard_secrets, source_tree};
use crate::config::cluster::ROOT;
use crate::config::key::{Key, Keys, Kind, LeftOut};
use crate::config::reader::show_size;

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask docs` from the descriptions of the keys in host/daemon/src/config. -->

# cluster.toml, key by key

What each key does, what it may be, and what it means to leave it out. A whole file is in the [README](../README.md#the-scenario), more
are in [examples](../examples). `vrrp-host check-config cluster.toml` shows every error of a file at once.

* The file is [TOML](https://toml.io). Unknown keys are errors. Names (`NAME` below) are free: 1 to 64 characters without spaces.
* A duration is a text with a unit, `\"250ms\"`, `\"2s\"`, `\"1m 30s\"`; a size is one, too: `\"64KiB\"`, `\"16MiB\"`.
* Some values may be given by node, where the file has `[nodes]`: `interface = { first = \"eth0\", second = \"ens3\" }`, one for each.
* Paths are taken from the folder of cluster.toml.
* [cluster.schema.json](cluster.schema.json) tells an editor the same (JSON Schema, for Taplo or Even Better TOML). A first line
  `#:schema cluster.schema.json` with the path to it, or its address, has it used.
";

/// Every table with a key that may be left out, and none of these keys.
const LEFT_OUT: &str = r#"
http = { listen = "127.0.0.1:9650" }
sandbox = {}

[checks.check]
module = "process"
limits = {}

[hooks.hook]
module = "systemctl"
limits = {}

[instances.instance]
interface = "eth0"
virtual-router-id = 1
virtual-addresses = [{ address = "192.0.2.1" }]
routes = [{ to = "198.51.100.0/24" }]
rules = [{ from = "192.0.2.1" }]
announce = {}
authentication = { keys = { 1 = "../secrets/first.key" } }
track = [{ interface = "eth1" }]
"#;

/// Keys of which one decides about the range of the next.
const DEPENDENT: [&str; 3] = ["version", "advertisement-interval", "max-learned-interval"];

#[test]
fn the_page_is_what_the_descriptions_say() {
    expect_file![source_tree().join("docs/configuration.md")].assert_eq(&page());
}

#[test]
fn to_write_a_default_is_to_leave_it_out() {
    guard_secrets();
    let file: Value = LEFT_OUT.parse::<toml::Table>().unwrap().into();
    let expected = read(&file).unwrap();
    let mut seen = BTreeSet::new();
    for (place, variant) in variants("", &Kind::Table(ROOT), &file, &written_defaults) {
        let cluster = read(&variant).unwrap_or_else(|errors| panic!("{place}: {errors}"));
        assert_eq!(cluster, expected, "{place}");
        seen.insert(place);
    }
    let mut all = BTreeSet::new();
    visit("", ROOT, &mut |path, key| {
        if matches!(key.left_out, LeftOut::Default(_)) {
            all.insert(path.to_owned());
        }
    });
    // A group tracks what an instance tracks.
    all.retain(|path| !path.starts_with("sync-groups."));
    all.retain(|path| !path.contains(".excluded-addresses."));
    assert_eq!(seen, all);
}

#[test]
fn ranges_end_where_they_are_said_to() {
    guard_secrets();
    let (mut within, mut beyond) = (0, 0);
    for path in golden("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let file: Value = text.parse::<toml::Table>().unwrap().into();
        let change = |ends: fn(&Kind) -> [Vec<Value>; 2], which: usize| {
            let change = move |kind: &Kind, _: &Value| {
                let ends = ends(kind)[which].clone().into_iter();
                ends.map(|end| (format!(" = {end}"), end)).collect()
            };
            let changed = variants("", &Kind::Table(ROOT), &file, &change);
            changed.into_iter().filter(|(place, _)| {
                !DEPENDENT
                    .iter()
                    .any(|key| place.contains(&format!(".{key} ")))
            })
        };
        for (place, variant) in change(ends, 0) {
            let errors = read(&variant).err().unwrap_or_default();
            assert!(!errors.contains("write a value from"), "{place}: {errors}");
            within += 1;
        }
        for (place, variant) in change(ends, 1) {
            assert!(read(&variant).is_err(), "{}: {place}", path.display());
            beyond += 1;
        }
    }
    assert!(
        within > 50 && beyond > 50,
        "{within} and {beyond} were tried"
    );
}

#[test]
fn every_example_is_a_value_of_its_key() {
    visit("", ROOT, &mut |path, key| {
        if key.example.is_empty() {
            return;
        }
        let line = format!("{} = {}", key.name, key.example);
        let parsed = line.parse::<toml::Table>();
        assert!(parsed.is_ok(), "{path}: {line}");
    });
}

/// A table with each of the defaults that it does not have.
fn written_defaults(kind: &Kind, value: &Value) -> Vec<Change> {
    let (Kind::Table(keys), Value::Table(table)) = (kind, value) else {
        return Vec::new();
    };
    let missing = keys
        .known
        .iter()
        .filter(|key| !table.contains_key(key.name));
    let changes = missing.filter_map(|key| {
        let LeftOut::Default(default) = key.left_out else {
            return None;
        };
        let mut table = table.clone();
        table.insert(key.name.to_owned(), toml_value(default));
        Some((format!(".{}", key.name), Value::Table(table)))
    });
    changes.collect()
}

/// The values at the ends of the range of a kind, and those just beyond them.
fn ends(kind: &Kind) -> [Vec<Value>; 2] {
    let text = |duration| Value::from(humantime::format_duration(duration).to_string());
    let size = |bytes: u64| Value::from(format!("{bytes}B"));
    let step = std::time::Duration::from_nanos(1);
    match kind {
        Kind::Number(range) => {
            let (start, end) = (*range.start(), *range.end());
            [
                vec![start.into(), end.into()],
                vec![(start - 1).into(), (end + 1).into()],
            ]
        }
        Kind::Duration(range) => {
            let (start, end) = (*range.start(), *range.end());
            let before = start.checked_sub(step).map(text);
            [
                vec![text(start), text(end)],
                before.into_iter().chain([text(end + step)]).collect(),
            ]
        }
        Kind::Size(range) => {
            let (start, end) = (*range.start(), *range.end());
            [
                vec![size(start), size(end)],
                vec![size(start - 1), size(end + 1)],
            ]
        }
        Kind::Boolean
        | Kind::Choice(_)
        | Kind::Text(_)
        | Kind::List(..)
        | Kind::ByNode(_)
        | Kind::Either(_)
        | Kind::Table(_)
        | Kind::Named(..)
        | Kind::ModuleConfig => [Vec::new(), Vec::new()],
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n| table | |\n|---|---|\n";
    for key in ROOT.known {
        let title = path_below("", key);
        writeln!(
            page,
            "| [`[{title}]`](#{}) | {} |",
            anchor(&title),
            key.about
        )
        .unwrap();
    }
    let mut described: Vec<(Keys, String)> = Vec::new();
    for key in ROOT.known {
        let title = path_below("", key);
        write!(page, "\n## `[{title}]`\n\n{}", key.about).unwrap();
        writeln!(page, " {}", left_out(key)).unwrap();
        if let Some(keys) = key.value.table() {
            describe(&mut page, &title, keys, &mut described);
        }
    }
    page
}

/// Writes the keys of a table, each with those below it.
fn describe(page: &mut String, table: &str, keys: Keys, described: &mut Vec<(Keys, String)>) {
    for key in keys.known {
        let path = format!("{table}.{}", key.name);
        write!(page, "\n### `{path}`\n\n").unwrap();
        write!(
            page,
            "*{}.* {}\n\n{}\n",
            capital(&said(&key.value)),
            left_out(key),
            key.about
        )
        .unwrap();
        if !key.example.is_empty() {
            write!(page, "\n`{} = {}`\n", key.name, key.example).unwrap();
        }
        if !key.source.is_empty() {
            write!(page, "\n({})\n", key.source).unwrap();
        }
        let Some(below) = key.value.table() else {
            continue;
        };
        if let Some((_, path)) = described.iter().find(|(keys, _)| *keys == below) {
            write!(
                page,
                "\nThe keys of such a table are those of [`{path}`](#{}).\n",
                anchor(path)
            )
            .unwrap();
        } else {
            described.push((below, path.clone()));
            describe(page, &path, below, described);
        }
    }
}

/// Calls `visit` with every key and its path.
fn visit(table: &str, keys: Keys, visit_key: &mut dyn FnMut(&str, &Key)) {
    for key in keys.known {
        let dot = if table.is_empty() { "" } else { "." };
        visit_key(&format!("{table}{dot}{}", key.name), key);
        if let Some(below) = key.value.table() {
            visit(&path_below(table, key), below, visit_key);
        }
    }
}

/// The path of the table below a key.
fn path_below(table: &str, key: &Key) -> String {
    let dot = if table.is_empty() { "" } else { "." };
    let is_named = matches!(key.value, Kind::Named(..));
    let name = if is_named { ".NAME" } else { "" };
    format!("{table}{dot}{}{name}", key.name)
}

/// The anchor that a heading gets, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    kept.flat_map(char::to_lowercase).collect()
}

fn left_out(key: &Key) -> String {
    match key.left_out {
        LeftOut::Refused => "Has to be there.".to_owned(),
        LeftOut::Default(default) => format!("Left out: `{default}`."),
        LeftOut::Means(meaning) => format!("Left out: {meaning}."),
    }
}

/// What a value may be, as the end of a sentence.
fn said(kind: &Kind) -> String {
    let range = |start: &dyn std::fmt::Display, end: &dyn std::fmt::Display| {
        format!("from `{start}` to `{end}`")
    };
    match kind {
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Number(numbers) => {
            format!("a number {}", range(numbers.start(), numbers.end()))
        }
        Kind::Duration(durations) => {
            let show = |duration| humantime::format_duration(duration).to_string();
            let (start, end) = (show(*durations.start()), show(*durations.end()));
            format!("a duration {}", range(&start, &end))
        }
        Kind::Size(sizes) => {
            let (start, end) = (show_size(*sizes.start()), show_size(*sizes.end()));
            format!("a size {}", range(&start, &end))
        }
        Kind::Choice(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            format!("one of {}", words.join(", "))
        }
        Kind::Text(text) => text.what.to_owned(),
        Kind::List(Kind::Table(_), _) => "a list of tables".to_owned(),
        Kind::List(element, _) => format!("a list, each of its entries {}", said(element)),
        Kind::ByNode(value) => format!("{}; or a table with one for each node", said(value)),
        Kind::Either(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(said).collect();
            kinds.join(", or ")
        }
        Kind::Table(_) => "a table".to_owned(),
        Kind::Named(name, value) => {
            format!(
                "a table, its keys {}, its values {}",
                name.what,
                said(value)
            )
        }
        Kind::ModuleConfig => "a table with the keys of the module".to_owned(),
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
