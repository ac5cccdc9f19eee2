//! What the file may say.

use crate::config::control::CONTROL;
use crate::config::group::GROUP;
use crate::config::http::HTTP;
use crate::config::instance::INSTANCE;
use crate::config::key::{Key, Keys, Kind};
use crate::config::module::{CHECK, HOOK, MODULES};
use crate::config::nodes::{NAME, NODE};
use crate::config::router::ROUTER;
use crate::config::sandbox::SANDBOX;

pub(in crate::config) const ROOT: Keys = Keys::new(&[
    Key::optional(
        "nodes",
        Kind::Named(NAME, &Kind::Table(NODE)),
        "the file describes one host alone",
        "The hosts of the cluster, which all have the same file. A node finds itself by its host name, with or without the domain, or is told \
         by `--node`.",
    ),
    Key::optional(
        "checks",
        Kind::Named(NAME, &Kind::Table(CHECK)),
        "nothing is checked",
        "What can be wrong. A check does nothing by itself: an instance tracks it.",
    ),
    Key::optional(
        "hooks",
        Kind::Named(NAME, &Kind::Table(HOOK)),
        "nothing is called",
        "What is done at a transition. A hook does nothing by itself: an instance notifies it. Each instance has its calls made \
         in order, one at a time, and never waits for them.",
    ),
    Key::required(
        "instances",
        Kind::Named(NAME, &Kind::Table(INSTANCE)),
        "The virtual routers, at least one: addresses that move together, and the terms on which they move.",
    ),
    Key::optional(
        "sync-groups",
        Kind::Named(NAME, &Kind::Table(GROUP)),
        "every instance moves by itself",
        "Instances that are MASTER together, or none of them is.",
    ),
    Key::optional(
        "http",
        Kind::Table(HTTP),
        "neither is served",
        "Where metrics and the status page are served ([monitoring.md](monitoring.md)).",
    ),
    Key::optional(
        "control",
        Kind::Table(CONTROL),
        "only root may ask",
        "Who may ask the running daemon by `vrrp-host status` and its like.",
    ),
    Key::optional(
        "modules",
        Kind::Table(MODULES),
        "a module from a registry needs its digest, and no signature",
        "Whose modules are run ([sharing-modules.md](sharing-modules.md)).",
    ),
    Key::optional(
        "router",
        Kind::Table(ROUTER),
        "the default of each",
        "How the process that speaks VRRP runs.",
    ),
    Key::optional(
        "sandbox",
        Kind::Table(SANDBOX),
        "the default of each",
        "How modules are run.",
    ),
]);
