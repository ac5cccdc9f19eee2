//! Every option of the table does what the table says, and docs/from-keepalived.md says the same.

use super::super::options::{self, Fate, Known, Scope};
use super::*;

/// A configuration that has this line in its place.
fn with(scope: Scope, line: &str) -> String {
    let definitions = [
        (
            "example_script",
            "vrrp_script example_script {\nscript \"/bin/true\"\n}\n",
        ),
        (
            "example_process",
            "vrrp_track_process example_process {\nprocess nginx\n}\n",
        ),
        (
            "example_file",
            "vrrp_track_file example_file {\nfile \"/run/weight\"\n}\n",
        ),
    ];
    let defined = definitions.iter().filter(|(name, _)| line.contains(name));
    let defined: String = defined.map(|(_, definition)| *definition).collect();
    let other = "vrrp_instance VI_2 {\ninterface eth0\nvirtual_router_id 52\nvirtual_ipaddress {\n192.0.2.2\n}\n}\n";
    match scope {
        Scope::Root => instance("", "") + other + line,
        Scope::Global => instance(&format!("global_defs {{\n{line}\n}}"), ""),
        Scope::Instance => instance(&defined, line),
        Scope::Group => {
            let members = if line.starts_with("group") {
                ""
            } else {
                "group {\nVI_1\nVI_2\n}\n"
            };
            instance(&defined, "") + other + &format!("vrrp_sync_group G {{\n{members}{line}\n}}\n")
        }
        Scope::Script => {
            let command = if line.starts_with("script ") {
                ""
            } else {
                "script \"/bin/true\"\n"
            };
            let before = format!("vrrp_script s {{\n{command}{line}\n}}");
            instance(&before, "track_script {\ns\n}")
        }
        Scope::Process => {
            let name = if line.starts_with("process ") {
                ""
            } else {
                "process nginx\n"
            };
            let before = format!("vrrp_track_process p {{\n{name}{line}\n}}");
            instance(&before, "track_process {\np\n}")
        }
        Scope::File => {
            let path = if line.starts_with("file ") {
                ""
            } else {
                "file \"/run/weight\"\n"
            };
            let before = format!("vrrp_track_file f {{\n{path}{line}\n}}");
            instance(&before, "track_file {\nf\n}")
        }
        Scope::Address => instance("", "").replace("192.0.2.1\n", &format!("192.0.2.1\n{line}\n")),
        Scope::Route => instance("", &format!("virtual_routes {{\n{line}\n}}")),
        Scope::Rule => instance("", &format!("virtual_rules {{\n{line}\n}}")),
    }
}

/// A line that has an option which is not translated.
fn line_of(scope: Scope, keyword: &str) -> String {
    match scope {
        Scope::Address => format!("192.0.2.7/24 {keyword} 192.0.2.8"),
        Scope::Route => format!("198.51.100.0/24 via 192.0.2.254 {keyword} 1"),
        Scope::Rule => format!("from 192.0.2.7 table 100 {keyword} 1"),
        Scope::Root => format!("{keyword} name {{\n}}"),
        Scope::Global
        | Scope::Instance
        | Scope::Group
        | Scope::Script
        | Scope::Process
        | Scope::File => {
            format!("{keyword} 1")
        }
    }
}

fn names(known: &Known) -> Vec<(Scope, &'static str)> {
    let scopes = known.scopes.iter();
    scopes
        .flat_map(|scope| known.keywords.iter().map(|keyword| (*scope, *keyword)))
        .collect()
}

#[test]
fn what_is_translated_is_not_in_the_lists() {
    for known in options::all() {
        let Fate::Becomes { example, .. } = known.fate else {
            continue;
        };
        for scope in known.scopes {
            let mentions = known
                .keywords
                .iter()
                .any(|keyword| example.split_whitespace().any(|word| word == *keyword));
            assert!(mentions, "the example of {:?} is {example}", known.keywords);
            let text = with(*scope, example);
            let imported = imported(&text);
            // A password is a comment on stdout, and told.
            let lost: Vec<_> = imported
                .lost
                .iter()
                .filter(|line| !line.contains("--output"))
                .collect();
            assert!(lost.is_empty(), "{text}\n{lost:?}");
            assert!(
                !imported.text.contains("Needs no line"),
                "{text}\n{}",
                imported.text
            );
            read(&imported.text, None);
        }
    }
}

#[test]
fn what_is_not_translated_is_told_with_the_reason_of_the_table() {
    for known in options::all() {
        let (why, is_lost) = match known.fate {
            Fate::Becomes { .. } => continue,
            Fate::Needless(why) => (why, false),
            Fate::Lost(why) => (why, true),
        };
        for (scope, keyword) in names(known) {
            let text = with(scope, &line_of(scope, keyword));
            let imported = imported(&text);
            let told = imported.lost.iter().any(|line| line.contains(why));
            assert_eq!(told, is_lost, "{keyword}: {:?}", imported.lost);
            let squeezed = |text: &str| {
                text.replace("# ", "")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            assert!(
                squeezed(&imported.text).contains(&squeezed(why)),
                "{keyword}\n{}",
                imported.text
            );
            read(&imported.text, None);
        }
    }
}

#[test]
fn an_option_has_one_fate() {
    let mut seen = std::collections::BTreeSet::new();
    for (scope, keyword) in options::all().flat_map(names) {
        assert!(
            seen.insert((scope, keyword)),
            "{keyword} of {}",
            name_of(scope)
        );
    }
}

/// As the documentation calls it.
fn name_of(scope: Scope) -> &'static str {
    match scope {
        Scope::Root => "the file",
        Scope::Global => "global_defs",
        Scope::Instance => "vrrp_instance",
        Scope::Group => "vrrp_sync_group",
        Scope::Script => "vrrp_script",
        Scope::Process => "vrrp_track_process",
        Scope::File => "vrrp_track_file",
        Scope::Address => "virtual_ipaddress",
        Scope::Route => "virtual_routes",
        Scope::Rule => "virtual_rules",
    }
}

/// The order of the documentation.
const SCOPES: [Scope; 10] = [
    Scope::Instance,
    Scope::Group,
    Scope::Script,
    Scope::Process,
    Scope::File,
    Scope::Address,
    Scope::Route,
    Scope::Rule,
    Scope::Global,
    Scope::Root,
];

/// The tables as they are in the documentation. What several blocks have is with the first of them.
fn tables() -> String {
    let mut text = String::new();
    for scope in SCOPES {
        let title = if scope == Scope::Root {
            "Outside of all blocks".to_owned()
        } else {
            format!("In `{}`", name_of(scope))
        };
        text += &format!("\n### {title}\n\n| keepalived | cluster.toml |\n|---|---|\n");
        for known in options::all().filter(|known| known.scopes.first() == Some(&scope)) {
            text += &row(known);
        }
    }
    text
}

fn row(known: &Known) -> String {
    let keywords: Vec<_> = known
        .keywords
        .iter()
        .map(|keyword| format!("`{keyword}`"))
        .collect();
    let others: Vec<_> = known
        .scopes
        .iter()
        .skip(1)
        .map(|scope| name_of(*scope))
        .collect();
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" (also in {})", others.join(", "))
    };
    let fate = match known.fate {
        Fate::Becomes { what, .. } => what.to_owned(),
        Fate::Needless(why) => format!("needs no line: {why}"),
        Fate::Lost(why) => format!("**not translated**: {why}"),
    };
    format!(
        "| {}{also} | {} |\n",
        keywords.join(", "),
        fate.replace('|', "\\|")
    )
}

#[test]
fn the_documentation_has_the_table() {
    const BEGIN: &str = "<!-- Written by `cargo xtask docs` from here on. -->\n";
    let path = source_tree().join("docs/from-keepalived.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once(BEGIN).expect("the page has the mark");
    expect_file![path].assert_eq(&format!("{before}{BEGIN}{}", tables()));
}
