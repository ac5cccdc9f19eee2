//! Builds the modules we ship for wasm32-wasip2 and embeds them, so that one file is the whole installation.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name in cluster.toml, package, file that cargo makes of it. The package begins with what it is, a check or a hook.
const MODULES: &[(&str, &str, &str)] = &[
    ("dns", "check-dns", "check_dns.wasm"),
    ("exec", "check-exec", "check_exec.wasm"),
    ("file", "check-file", "check_file.wasm"),
    ("haproxy", "check-haproxy", "check_haproxy.wasm"),
    ("http", "check-http", "check_http.wasm"),
    ("interface", "check-interface", "check_interface.wasm"),
    ("ping", "check-ping", "check_ping.wasm"),
    ("postgres", "check-postgres", "check_postgres.wasm"),
    ("process", "check-process", "check_process.wasm"),
    ("redis", "check-redis", "check_redis.wasm"),
    ("tcp", "check-tcp", "check_tcp.wasm"),
    ("unit", "check-unit", "check_unit.wasm"),
    ("exec", "hook-exec", "hook_exec.wasm"),
    ("systemctl", "hook-systemctl", "hook_systemctl.wasm"),
    ("webhook", "hook-webhook", "hook_webhook.wasm"),
];

const TARGET: &str = "wasm32-wasip2";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    for source in ["checks", "guest-sdk", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    // A folder of its own: the outer cargo holds the lock of the usual one.
    let target_dir = out.join("guest");
    build(&root, &target_dir);

    let mut table = String::from("pub(crate) static BUILT_IN: &[BuiltIn] = &[\n");
    for (name, package, file) in MODULES {
        let role = match package.split_once('-') {
            Some(("check", _)) => "Check",
            Some(("hook", _)) => "Hook",
            _ => panic!("{package} is neither check-NAME nor hook-NAME"),
        };
        let component = target_dir.join(TARGET).join("guest").join(file);
        writeln!(
            table,
            "    BuiltIn {{ role: ModuleRole::{role}, name: {name:?}, component: include_bytes!({:?}) }},",
            component.display().to_string()
        )
        .expect("writing to a string succeeds");
    }
    table.push_str("];\n");
    fs::write(out.join("built_in.rs"), table).expect("OUT_DIR is writable");
}

fn build(root: &Path, target_dir: &Path) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--profile",
            "guest",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(target_dir);
    for (_, package, _) in MODULES {
        cargo.args(["--package", package]);
    }
    // What the outer build says of the host's target is not meant for the guests.
    for (name, _) in env::vars() {
        if name.starts_with("CARGO_ENCODED_RUSTFLAGS")
            || name.starts_with("RUSTFLAGS")
            || name.starts_with("CARGO_BUILD_")
            || name.starts_with("CARGO_CFG_")
            || name.starts_with("CARGO_FEATURE_")
            || matches!(
                name.as_str(),
                "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "TARGET"
            )
        {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().expect("cargo can be run");
    assert!(
        status.success(),
        "the modules did not build for {TARGET}; if the target is missing: rustup target add {TARGET}"
    );
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
