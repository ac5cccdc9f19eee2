//! What the file needs of this host.

use vrrp_linux::{link, rights};

use super::broker::user_of;
use super::prepare::Checked;
use crate::config::{Instance, Module};
use crate::exit::Failure;

/// What the file needs of this host: rights and interfaces.
///
/// # Errors
/// With everything that is missing.
pub(super) fn check(checked: &Checked) -> Result<(), Failure> {
    check_names(checked)?;
    let lacking = rights::missing_capabilities().map_err(Failure::internal)?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::rights(format!(
        "missing rights: {}; run as root, or give the service AmbientCapabilities={}",
        lacking.join(", "),
        lacking.join(" ")
    )))
}

/// Instances need the interfaces that they speak on, and those of their addresses, routes and rules; commands need their
/// users.
///
/// # Errors
/// With every interface and user that is missing.
pub(super) fn check_names(checked: &Checked) -> Result<(), Failure> {
    let mut missing: Vec<_> = checked
        .cluster
        .instances
        .iter()
        .flat_map(|instance| named_interfaces(instance, &checked.cluster.node))
        .filter(|(_, name)| !link::exists(name))
        .map(|(place, name)| {
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            let message = format!("this host has no interface {name}");
            checked
                .source
                .error_at(&place, &message)
                .help("`ip link` lists those it has")
        })
        .collect();
    missing.extend(used_modules(checked).filter_map(|module| {
        let message = user_of(module).err()?;
        let place = [module.path[0].as_str(), &module.path[1], "user"];
        Some(checked.source.error_at(&place, &message))
    }));
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::config(checked.source.report(missing)))
    }
}

/// Those that this node runs.
fn used_modules(checked: &Checked) -> impl Iterator<Item = &Module> {
    let cluster = &checked.cluster;
    let checks = cluster.checks.iter().map(|check| &check.module);
    let hooks = cluster.hooks.iter().map(|hook| &hook.module);
    checks.chain(hooks).filter(|module| module.used)
}

/// The interfaces that an instance names, each with its place in the file.
fn named_interfaces<'a>(instance: &'a Instance, node: &str) -> Vec<(Vec<String>, &'a str)> {
    let place = |steps: &[&str]| {
        let steps = ["instances", &instance.name]
            .into_iter()
            .chain(steps.iter().copied());
        steps.map(str::to_owned).collect::<Vec<_>>()
    };
    let in_list =
        |list: &str, index: usize, key: &str| place(&[list, &index.to_string(), key, node]);
    let mut names = vec![(place(&["interface", node]), instance.interface.as_str())];
    let lists = [
        ("virtual-addresses", &instance.virtual_addresses),
        ("excluded-addresses", &instance.excluded_addresses),
    ];
    for (list, addresses) in lists {
        let others = addresses.iter().enumerate();
        let others = others.filter(|(_, address)| address.interface != instance.interface);
        names.extend(
            others
                .map(|(index, address)| (in_list(list, index, "dev"), address.interface.as_str())),
        );
    }
    for (index, route) in instance.routes.iter().enumerate() {
        let dev = route
            .dev
            .as_deref()
            .filter(|dev| *dev != instance.interface);
        names.extend(dev.map(|dev| (in_list("routes", index, "dev"), dev)));
    }
    for (index, rule) in instance.rules.iter().enumerate() {
        let iif = rule.iif.as_deref();
        names.extend(iif.map(|iif| (in_list("rules", index, "iif"), iif)));
    }
    names
}
