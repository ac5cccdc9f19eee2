//! Golden files in `tests/config`: `invalid/*.toml` with all errors in `.err`, `warnings/*.toml`
//! with all warnings in `.warn`, and `valid/*.toml`, which have neither.
//! `UPDATE_EXPECT=1 cargo test` writes what is printed now.

mod reference;
mod schema;
mod variants;

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use vrrp::{Authentication, Key, Mode, OnError, OnFail, Password, Version};
use vrrp_sandbox::{EngineKind, ModuleRole};

use super::model::Limits;
use super::report::Severity;
use super::{BuiltInNames, LoadError, Loaded, ModuleSource, NotifyOn, Report, load, parse};

const BUILT_IN: BuiltInNames<'_> = BuiltInNames {
    checks: &["exec", "file", "http", "process"],
    hooks: &["exec", "systemctl"],
};
const SCENARIO: &str = include_str!("../../tests/config/valid/scenario.toml");

#[test]
fn invalid_files_show_every_error() {
    for path in golden("invalid") {
        let report = match load_golden(&path) {
            Err(LoadError::Invalid(report)) => report,
            other => panic!("{} is not invalid: {other:?}", path.display()),
        };
        let errors = &report.diagnostics;
        assert!(errors.iter().all(|error| error.severity == Severity::Error));
        compare(&path.with_extension("err"), &report);
    }
}

#[test]
fn questionable_files_show_every_warning() {
    for path in golden("warnings") {
        let loaded = load_golden(&path).unwrap_or_else(|error| panic!("{error}"));
        let warnings = &loaded.warnings.diagnostics;
        assert!(!warnings.is_empty(), "{} has no warning", path.display());
        assert!(
            warnings
                .iter()
                .all(|found| found.severity == Severity::Warning)
        );
        compare(&path.with_extension("warn"), &loaded.warnings);
    }
}

#[test]
fn valid_files_show_nothing_on_any_node() {
    for path in golden("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let nodes: Vec<String> = match file.get("nodes") {
            Some(nodes) => nodes.as_table().unwrap().keys().cloned().collect(),
            None => vec!["alone".to_owned()],
        };
        for node in nodes {
            let loaded = parse(&path, &text, Some(&node), "", BUILT_IN);
            let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(loaded.warnings.to_string(), "", "{}", path.display());
        }
    }
}

#[test]
fn an_error_for_one_node_is_an_error_on_every_node() {
    let path = folder("invalid").join("several.toml");
    let text = fs::read_to_string(&path).unwrap();
    let report = |node| {
        let report = parse(&path, &text, Some(node), "", BUILT_IN).unwrap_err();
        report.to_string()
    };
    assert_eq!(report("master"), report("slave"));
}

#[test]
fn every_expectation_has_its_file() {
    for folder in ["invalid", "warnings"] {
        for path in entries(folder) {
            let toml = path.with_extension("toml");
            assert!(toml.exists(), "{} has no .toml", path.display());
        }
    }
}

#[test]
fn nodes_see_the_same_file_with_their_own_values() {
    let first = scenario("master");
    let second = scenario("slave");

    let view = |loaded: &Loaded| {
        let instance = &loaded.cluster.instances[0];
        (
            loaded.cluster.node.clone(),
            instance.priority.get(),
            instance.tracks.len(),
            instance
                .notify
                .iter()
                .map(|notify| notify.on.clone())
                .collect::<Vec<_>>(),
            loaded
                .cluster
                .checks
                .iter()
                .map(|check| check.module.used)
                .collect::<Vec<_>>(),
            loaded
                .cluster
                .hooks
                .iter()
                .map(|hook| hook.module.used)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        view(&first),
        (
            "master".to_owned(),
            100,
            1,
            vec![vec![NotifyOn::Fault]],
            vec![true],
            vec![true, false]
        ),
    );
    assert_eq!(
        view(&second),
        (
            "slave".to_owned(),
            99,
            0,
            vec![vec![NotifyOn::Master], vec![NotifyOn::Backup]],
            vec![false],
            vec![true, true],
        ),
    );
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let cluster = scenario("master").cluster;

    let check = &cluster.checks[0];
    assert_eq!(check.name, "node-exporter");
    assert_eq!(
        check.module.source,
        ModuleSource::BuiltIn(ModuleRole::Check, "process".to_owned())
    );
    assert_eq!(check.module.config, json!({ "name": "node_exporter" }));
    assert_eq!(check.module.path, ["checks", "node-exporter"]);
    assert_eq!(check.module.allow, None);
    assert_eq!(check.module.timeout, Duration::from_secs(1));
    assert_eq!(check.interval, Duration::from_secs(2));
    assert_eq!((check.rise.get(), check.fall.get()), (1, 1));
    assert_eq!((check.on_error, check.error_hold), (OnError::Hold, 3));
    assert_eq!(
        check.module.limits,
        Limits {
            memory: 16 * 1024 * 1024,
            cpu: Duration::from_millis(50),
            output: 1024 * 1024,
            handles: 128,
            log_rate: 20,
        }
    );

    let hook = &cluster.hooks[0];
    assert_eq!((hook.name.as_str(), hook.every), ("start-exporter", false));
    assert_eq!(hook.module.timeout, Duration::from_secs(30));

    let instance = &cluster.instances[0];
    assert_eq!(
        (instance.name.as_str(), instance.interface.as_str()),
        ("VI_1", "eth0")
    );
    assert_eq!(instance.virtual_router_id.0.get(), 251);
    assert_eq!(instance.version, Version::V3);
    assert_eq!(instance.advertisement_interval, Duration::from_secs(1));
    assert_eq!(instance.checksum, vrrp::ChecksumForm::Rfc5798);
    assert_eq!(
        instance.virtual_addresses[0].address,
        IpAddr::from([172, 27, 0, 247])
    );
    assert_eq!(instance.virtual_addresses[0].prefix_length, 32);
    assert!(instance.preempt);
    assert_eq!(instance.down_after.get(), 3);
    assert_eq!(instance.init_grace, Duration::from_secs(10));
    assert_eq!(instance.announce.repeat.get(), 5);
    assert_eq!(instance.announce.delay, Duration::from_secs(5));
    assert_eq!(instance.tracks[0].on_fail, OnFail::Fault);
}

#[test]
fn every_key_is_read() {
    guard_secrets();
    let path = folder("valid").join("every-key.toml");
    let cluster = parse(
        &path,
        &fs::read_to_string(&path).unwrap(),
        Some("first"),
        "",
        BUILT_IN,
    )
    .unwrap()
    .cluster;

    let check = &cluster.checks[0];
    assert_eq!(
        check.module.source,
        ModuleSource::File(folder("valid").join("./modules/db.wasm"))
    );
    assert_eq!(
        check.module.config,
        json!({ "text": "a", "list": [1, 2.5, true], "table": { "number": 255 } })
    );
    assert_eq!(
        check.module.allow.as_deref(),
        Some(&["tcp:192.0.2.9:5432".to_owned()][..])
    );
    assert_eq!(check.module.timeout, Duration::from_millis(500));
    assert_eq!(check.interval, Duration::from_millis(1500));
    assert_eq!((check.rise.get(), check.fall.get()), (2, 4));
    assert_eq!((check.on_error, check.error_hold), (OnError::Fail, 0));
    assert_eq!(
        check.module.limits,
        Limits {
            memory: 64 << 20,
            cpu: Duration::from_millis(20),
            output: 64 << 10,
            handles: 16,
            log_rate: 0,
        }
    );

    let hook = &cluster.hooks[0];
    assert!(hook.every);
    assert_eq!(
        hook.module.source,
        ModuleSource::File(PathBuf::from("/opt/page.wasm"))
    );
    assert_eq!(hook.module.allow, Some(Vec::new()));
    assert_eq!(hook.module.timeout, Duration::from_secs(5));

    assert_eq!(cluster.sandbox.engine, EngineKind::Pulley);
    assert_eq!(cluster.router.cpus, [0, 2]);
    let http = cluster.http.as_ref().unwrap();
    assert_eq!(http.listen.to_string(), "0.0.0.0:9650");
    assert!(http.token.is_some());

    let [four, two] = &cluster.instances[..] else {
        panic!("two instances");
    };
    assert_eq!(four.interface, "bond0.10");
    assert_eq!(four.priority.get(), 200);
    assert_eq!(four.advertisement_interval, Duration::from_millis(250));
    assert_eq!(four.checksum, vrrp::ChecksumForm::Rfc9568);
    assert_eq!(four.virtual_addresses[1].prefix_length, 24);
    assert_eq!(
        texts(&four.virtual_addresses[2..]),
        ["192.0.2.102/24 dev eth1 label vip scope link"]
    );
    assert_eq!(
        texts(&four.excluded_addresses),
        [
            "2001:db8::100/64 dev bond0.10",
            "192.0.2.103/32 dev bond0.10 scope 199",
            "fe80::100/128 dev eth9"
        ]
    );
    assert_eq!(
        texts(&four.routes),
        [
            "default via 192.0.2.254 dev eth1 src 192.0.2.100 table 100 metric 50",
            "198.51.100.0/24 via 203.0.113.1 dev bond0.10 onlink",
            "blackhole 198.51.101.0/24 table local",
            "198.51.102.7/32 dev bond0.10",
            "2001:db8:1::/48 via fe80::1 dev bond0.10",
            "2001:db8:2::/48 via 2001:db8::fe",
            "::/0 via 2001:db8::fe table default",
        ]
    );
    assert_eq!(
        texts(&four.rules),
        [
            "from 192.0.2.100/32 lookup 100 priority 1000",
            "from all to 2001:db8:1::/48 fwmark 0x10 iif eth1 lookup main priority 32765",
            "from ::/0 fwmark 0x10/0xff lookup main priority 32765",
            "from all fwmark 0x10/0x10 lookup 200 priority 32765",
        ]
    );
    assert!(!four.preempt);
    assert_eq!(four.down_after.get(), 5);
    assert_eq!(four.init_grace, Duration::ZERO);
    assert_eq!(four.announce.repeat.get(), 2);
    assert_eq!(four.announce.delay, Duration::ZERO);
    assert_eq!(four.tracks[0].on_fail, OnFail::Release);
    assert_eq!(four.notify[0].on, [NotifyOn::Master, NotifyOn::Stop]);
    assert_eq!(two.version, Version::V2);
    assert_eq!(two.advertisement_interval, Duration::from_secs(3));
    assert_eq!(two.tracks[0].on_fail, OnFail::Weight(-60));
}

fn texts(objects: &[impl ToString]) -> Vec<String> {
    objects.iter().map(ToString::to_string).collect()
}

#[test]
fn authentication_is_read() {
    guard_secrets();
    let path = folder("valid").join("authentication.toml");
    let text = fs::read_to_string(&path).unwrap();
    let loaded = parse(&path, &text, None, "first", BUILT_IN).unwrap();
    let of = |name: &str| {
        let mut instances = loaded.cluster.instances.iter();
        let found = instances.find(|instance| instance.name == name);
        found.unwrap().authentication.clone()
    };
    let hmac = |name| match of(name) {
        Authentication::Hmac(hmac) => hmac,
        other @ (Authentication::None | Authentication::Password(_)) => panic!("{name}: {other:?}"),
    };
    let ascending: Vec<u8> = (0..32).collect();
    let first = Key::new(&ascending).unwrap();

    let short = hmac("as-short-as-can-be");
    assert_eq!((short.mode, short.active_key.0.get()), (Mode::Enforce, 7));
    assert_eq!(short.window, Duration::from_secs(5));
    assert_eq!(short.keys[0].1, first);

    let long = hmac("every-key");
    assert_eq!(
        (long.mode, long.active_key.0.get()),
        (Mode::Permissive, 200)
    );
    assert_eq!(long.window, Duration::from_secs(30));
    assert_eq!(long.keys.len(), 2);
    assert_eq!(
        long.keys[1].1,
        Key::new(b"correct horse battery staple, and a newline\n").unwrap()
    );

    assert_eq!(hmac("slow").window, Duration::from_secs(30));
    let password = Authentication::Password(Password::new(b"hunter2"));
    assert_eq!(of("password"), password);
    assert_eq!(of("none"), Authentication::None);
}

#[test]
fn a_host_finds_itself() {
    let node = |requested, host_name| {
        let loaded = parse(
            Path::new("c.toml"),
            SCENARIO,
            requested,
            host_name,
            BUILT_IN,
        );
        loaded.map(|loaded| loaded.cluster.node).ok()
    };
    assert_eq!(node(None, "slave").as_deref(), Some("slave"));
    assert_eq!(node(None, "Slave.example.com").as_deref(), Some("slave"));
    assert_eq!(node(Some("master"), "slave").as_deref(), Some("master"));
    assert_eq!(node(Some("Master"), "slave"), None);
    assert_eq!(node(None, "slaves"), None);
}

#[test]
fn a_file_without_nodes_is_about_this_host() {
    let text = "instances.a = { interface = 'eth0', virtual-router-id = 1, virtual-addresses = ['192.0.2.1'] }";
    let node = |requested| {
        let loaded = parse(
            Path::new("c.toml"),
            text,
            requested,
            "db7.example.com",
            BUILT_IN,
        );
        loaded.unwrap().cluster.node
    };
    assert_eq!(node(None), "db7.example.com");
    assert_eq!(node(Some("other")), "other");
}

#[test]
fn module_errors_point_into_the_config() {
    let check = |table: [&str; 2], pointer: &str, expected: &str| {
        let source = scenario_text(
            "[checks.deep]\nmodule = 'http'\n[checks.deep.config]\n\
             list = [10, { 'a/b~' = 'here' }]\n[checks.bare]\nmodule = 'http'\n",
        );
        let loaded = parse(Path::new("c.toml"), &source, Some("master"), "", BUILT_IN).unwrap();
        let error = loaded
            .source
            .module_error(&table.map(str::to_owned), pointer, "no");
        assert_eq!(&source[error.span], expected, "{table:?} {pointer}");
    };
    check(["checks", "node-exporter"], "/name", "\"node_exporter\"");
    check(
        ["checks", "node-exporter"],
        "",
        "{ name = \"node_exporter\" }",
    );
    check(
        ["checks", "node-exporter"],
        "/absent",
        "{ name = \"node_exporter\" }",
    );
    check(
        ["checks", "node-exporter"],
        "/name/deeper",
        "\"node_exporter\"",
    );
    check(
        ["hooks", "start-exporter"],
        "/unit",
        "\"node_exporter.service\"",
    );
    check(["checks", "deep"], "/list/0", "10");
    check(["checks", "deep"], "/list/1/a~1b~0", "'here'");
    check(["checks", "deep"], "/list/9", "[10, { 'a/b~' = 'here' }]");
    check(["checks", "deep"], "/list/x", "[10, { 'a/b~' = 'here' }]");
    check(["checks", "deep"], "", "[checks.deep.config]");
    check(["checks", "bare"], "/url", "[checks.bare]");
    check(["checks", "gone"], "/url", "checks");
    check(["gone", "gone"], "/url", "");
}

#[test]
fn a_module_error_is_shown_like_any_other() {
    let loaded = scenario("master");
    let error = loaded.source.module_error(
        &loaded.cluster.checks[0].module.path,
        "/name",
        "no process can have this name",
    );
    expect_test::expect![[r#"
        error: no process can have this name
          --> cluster.toml:10:21
           |
        10 | config   = { name = "node_exporter" }
           |                     ^^^^^^^^^^^^^^^"#]]
    .assert_eq(&loaded.source.report(vec![error]).to_string());
}

#[test]
fn a_path_is_taken_from_the_folder_of_the_file() {
    let module = |path: &str, module: &str| {
        let text = scenario_text(&format!("[checks.m]\nmodule = {module:?}\n"));
        let loaded = parse(Path::new(path), &text, Some("master"), "", BUILT_IN).unwrap();
        loaded.cluster.checks[0].module.source.clone()
    };
    let file = |path: &str| ModuleSource::File(PathBuf::from(path));
    assert_eq!(module("/etc/v/c.toml", "m.wasm"), file("/etc/v/m.wasm"));
    assert_eq!(module("/etc/v/c.toml", "../m"), file("/etc/v/../m"));
    assert_eq!(module("/etc/v/c.toml", "/m"), file("/m"));
    let here = std::env::current_dir().unwrap();
    assert_eq!(
        module("c.toml", "m.wasm"),
        ModuleSource::File(here.join("m.wasm"))
    );
}

#[test]
fn a_file_that_is_not_there_says_which() {
    let error = load(Path::new("/nonexistent/cluster.toml"), None, BUILT_IN).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/cluster.toml");
    assert!(matches!(error, LoadError::Io { .. }));
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let text = "\"\\u001b[2J\" = 1\n[checks.\"\\u001b\"]\nmodule = '\u{202e}'\n";
    let report = parse(Path::new("c.toml"), text, None, "h", BUILT_IN).unwrap_err();
    let shown = report.to_string();
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
}

#[test]
fn a_file_full_of_errors_is_reported_in_bounds() {
    let text: String = (0..10_000).map(|n| format!("key-{n} = 1\n")).collect();
    let report = parse(Path::new("c.toml"), &text, None, "h", BUILT_IN).unwrap_err();
    // Each unknown key, and the instance that is missing.
    assert_eq!(report.diagnostics.len(), 10_001);
    let shown = report.to_string();
    assert!(shown.ends_with("c.toml: 10001 errors\nc.toml: only the first 200 findings are shown"));
    assert_eq!(shown.matches("error: ").count(), 200);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        examine(&text)?;
    }

    #[test]
    fn no_mutation_panics(text in mutated()) {
        examine(&text)?;
    }

    #[test]
    fn no_exchange_of_values_panics(
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(VALUES),
    ) {
        let starts: Vec<usize> = BIG.match_indices(" = ").map(|(at, _)| at + 3).collect();
        let start = starts[place.index(starts.len())];
        let end = BIG[start..].find('\n').map_or(BIG.len(), |at| start + at);
        examine(&format!("{}{value}{}", &BIG[..start], &BIG[end..]))?;
    }
}

const BIG: &str = include_str!("../../tests/config/valid/every-key.toml");
const VALUES: &[&str] = &[
    "0",
    "-1",
    "255",
    "256",
    "9223372036854775807",
    "99999999999999999999",
    "0xffff",
    "1.5",
    "nan",
    "inf",
    "true",
    "''",
    "'0s'",
    "'1ns'",
    "'584000000000y'",
    "'99999999999999GiB'",
    "'é'",
    "[]",
    "[[]]",
    "['x']",
    "[{}]",
    "{}",
    "{ first = 0, third = 2 }",
    "1979-05-27",
    "{",
    "[",
    "'",
    "",
];

/// What holds for any text: each error is shown at its place, and nothing panics.
fn examine(text: &str) -> Result<(), TestCaseError> {
    match parse(Path::new("c.toml"), text, Some("first"), "host", BUILT_IN) {
        Ok(loaded) => {
            let _ = loaded.warnings.render(true);
        }
        Err(report) => {
            prop_assert!(!report.diagnostics.is_empty());
            prop_assert!(report.render(false).contains("c.toml:"));
            for error in &report.diagnostics {
                prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            }
        }
    }
    Ok(())
}

/// The big file with pieces cut out, doubled, or written over.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..40_usize,
        "[\\[\\]{}=.,\"'#\n a-z0-9é]{0,6}",
    );
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut characters: Vec<char> = BIG.chars().collect();
        for (place, length, text) in edits {
            let start = place.index(characters.len() + 1);
            let end = (start + length).min(characters.len());
            characters.splice(start..end, text.chars());
        }
        characters.into_iter().collect()
    })
}

#[test]
fn the_lock_says_which_digest_a_module_needs() {
    let folder = tempfile::tempdir().unwrap();
    let digest = format!("sha256:{}", "0123".repeat(16));
    let lock = format!(
        "version = 1\n\
         [[module]]\nreference = \"oci://registry.example.com/queue:1.2.0\"\ndigest = \"{digest}\"\nsize = 9\n"
    );
    fs::write(folder.path().join("modules.lock"), lock).unwrap();
    let path = folder.path().join("cluster.toml");
    let help = |module: &str| {
        let text = scenario_text(&format!("[checks.queue]\nmodule = \"{module}\"\n"));
        let report = parse(&path, &text, Some("master"), "", BUILT_IN).unwrap_err();
        let [error] = report.diagnostics.as_slice() else {
            panic!("{report}")
        };
        error.help.clone().unwrap()
    };
    for module in [
        "oci://registry.example.com/queue",
        "oci://registry.example.com/queue:1.2.0",
    ] {
        let line = format!("`module = \"{module}@{digest}\"`");
        assert_eq!(help(module), format!("modules.lock has it: write {line}"));
    }
    let other = help("oci://registry.example.com/queue:1.3.0");
    assert!(other.contains("`vrrp-host module add oci://"), "{other}");
}

fn scenario(node: &str) -> Loaded {
    parse(
        Path::new("cluster.toml"),
        SCENARIO,
        Some(node),
        "",
        BUILT_IN,
    )
    .unwrap()
}

fn scenario_text(more: &str) -> String {
    format!("{SCENARIO}\n{more}")
}

fn source_tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(name)
}

fn entries(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn golden(name: &str) -> Vec<PathBuf> {
    guard_secrets();
    let mut paths = entries(name);
    paths.retain(|path| path.extension() == Some(OsStr::new("toml")));
    assert!(!paths.is_empty());
    paths
}

/// Loads a golden file. Its first line may say for which node: `# node: NAME`.
fn load_golden(path: &Path) -> Result<Loaded, LoadError> {
    let bytes = fs::read(path).unwrap();
    let text = super::decode(&named(path), bytes)?;
    let node = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# node: "));
    Ok(parse(&named(path), &text, node, "first", BUILT_IN)?)
}

/// Git does not keep what the mode of a file says about others.
fn guard_secrets() {
    for path in entries("secrets") {
        let is_open = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("readable");
        let mode = if is_open { 0o644 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// The name alone, so that reports are the same in every checkout.
fn named(path: &Path) -> PathBuf {
    PathBuf::from(path.file_name().unwrap())
}

fn compare(expected: &Path, report: &Report) {
    let actual = format!("{report}\n");
    expect_test::expect_file![expected].assert_eq(&actual);
}
