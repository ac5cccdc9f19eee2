//! What may depend on what: the architecture, enforced.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::cargo::cargo;

/// What no crate below `vrrp` may be: a runtime, the operating system, a serialisation, an engine.
const IMPURE: [&str; 10] = [
    "libc",
    "mio",
    "nix",
    "rustix",
    "serde",
    "serde_core",
    "socket2",
    "tokio",
    "wasmtime",
    "wasi",
];

/// Which of our crates may use which others of ours. The modules under `checks/` are not listed: all may use the SDK.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("vrrp", &[]),
    ("vrrp-linux", &["vrrp"]),
    ("vrrp-sandbox", &["vrrp-linux"]),
    ("vrrp-host", &["vrrp", "vrrp-linux", "vrrp-sandbox"]),
    ("vrrp-sdk", &["vrrp-sdk-macros"]),
    ("vrrp-sdk-macros", &[]),
    ("lab", &[]),
    ("e2e", &["lab"]),
    ("sim", &["vrrp"]),
    ("fuzz", &["sim", "vrrp"]),
    ("xtask", &["e2e", "hostile", "lab"]),
];

/// Checks every rule and reports every breach.
pub(crate) fn check() -> anyhow::Result<()> {
    let output = cargo(&["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo's metadata is not understood")?;
    let breaches = Graph::new(metadata).breaches();
    ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None` is a normal dependency; the others are `build` and `dev`.
    kind: Option<String>,
}

/// Who uses whom, by name; what only tests use is left out.
struct Graph {
    uses: BTreeMap<String, BTreeSet<String>>,
    ours: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl Graph {
    fn new(metadata: Metadata) -> Self {
        let names: BTreeMap<&str, &str> = metadata
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &metadata.resolve.nodes {
            let shipped = node.deps.iter().filter(|dependency| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind.as_deref() != Some("dev"))
            });
            uses.entry(name(&node.id))
                .or_default()
                .extend(shipped.map(|dependency| name(&dependency.pkg)));
        }
        let is_ours = |package: &&Package| metadata.workspace_members.contains(&package.id);
        let is_module = |package: &&Package| package.manifest_path.contains("/checks/");
        let ours = metadata
            .packages
            .iter()
            .filter(is_ours)
            .map(|package| package.name.clone())
            .collect();
        let modules = metadata
            .packages
            .iter()
            .filter(is_ours)
            .filter(is_module)
            .map(|package| package.name.clone())
            .collect();
        Self {
            uses,
            ours,
            modules,
        }
    }

    fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for impure in self
            .below("vrrp")
            .iter()
            .filter(|name| IMPURE.contains(&name.as_str()))
        {
            breaches.push(format!(
                "vrrp is pure, and must not come to depend on {impure}"
            ));
        }
        for (user, used) in self
            .ours
            .iter()
            .filter_map(|name| Some((name, self.uses.get(name)?)))
        {
            for engine in used.iter().filter(|name| name.starts_with("wasmtime")) {
                if user != "vrrp-sandbox" {
                    breaches.push(format!(
                        "vrrp-sandbox alone uses wasmtime, but {user} depends on {engine}"
                    ));
                }
            }
            for other in used
                .intersection(&self.ours)
                .filter(|other| !self.may_use(user, other))
            {
                breaches.push(format!("{user} must not depend on {other}"));
            }
        }
        breaches
    }

    fn may_use(&self, user: &str, other: &str) -> bool {
        if self.modules.contains(user) {
            return other == "vrrp-sdk";
        }
        ALLOWED
            .iter()
            .any(|(name, others)| *name == user && others.contains(&other))
    }

    /// Everything that a package needs, directly or not.
    fn below(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            let used = self.uses.get(name).into_iter().flatten();
            open.extend(
                used.filter(|name| found.insert((*name).clone()))
                    .map(String::as_str),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uses: &[(&str, &[&str])], expected: &[&str]) {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let graph = Graph {
            uses: uses
                .iter()
                .map(|(name, used)| ((*name).to_owned(), owned(used)))
                .collect(),
            ours: owned(&[
                "vrrp",
                "vrrp-linux",
                "vrrp-sandbox",
                "vrrp-host",
                "vrrp-sdk",
                "check-process",
                "lab",
            ]),
            modules: owned(&["check-process"]),
        };
        assert_eq!(graph.breaches(), expected);
    }

    #[test]
    fn the_house_as_it_is_drawn_stands() {
        check(
            &[
                ("vrrp", &["thiserror"]),
                ("vrrp-linux", &["vrrp", "libc"]),
                ("vrrp-sandbox", &["vrrp-linux", "wasmtime", "wasmtime-wasi"]),
                (
                    "vrrp-host",
                    &["vrrp", "vrrp-linux", "vrrp-sandbox", "tokio"],
                ),
                ("check-process", &["vrrp-sdk"]),
            ],
            &[],
        );
    }

    #[test]
    fn what_is_impure_is_found_at_any_depth() {
        check(
            &[
                ("vrrp", &["clean", "chrono"]),
                ("chrono", &["clean", "time"]),
                ("time", &["libc"]),
            ],
            &["vrrp is pure, and must not come to depend on libc"],
        );
    }

    #[test]
    fn the_engine_has_one_user() {
        check(
            &[("vrrp-host", &["wasmtime-wasi"])],
            &["vrrp-sandbox alone uses wasmtime, but vrrp-host depends on wasmtime-wasi"],
        );
    }

    #[test]
    fn arrows_point_one_way() {
        check(
            &[("vrrp", &["vrrp-linux"])],
            &["vrrp must not depend on vrrp-linux"],
        );
        check(
            &[("vrrp-linux", &["vrrp-sandbox"])],
            &["vrrp-linux must not depend on vrrp-sandbox"],
        );
        check(
            &[("check-process", &["vrrp"])],
            &["check-process must not depend on vrrp"],
        );
        check(
            &[("vrrp-host", &["lab"])],
            &["vrrp-host must not depend on lab"],
        );
    }
}
