//! What the file needs of this host, and giving up the rest.

use vrrp_linux::group::Group;
use vrrp_linux::{link, rights, role, user};

use super::broker::user_of;
use super::identities::Identities;
use super::prepare::Checked;
use crate::config::{Diagnostic, Instance, Module, closest, list};
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
    let lacking_names = lacking.join(", ");
    // Root has what its service may have; others have what they are given.
    let help = if user::is_root() {
        let lacking = lacking.join(" ");
        format!("add them to the service's CapabilityBoundingSet={lacking}")
    } else {
        let all: Vec<_> = rights::router_capabilities().collect();
        let all = all.join(" ");
        format!("run as root, or give the service AmbientCapabilities={all}")
    };
    Err(Failure::rights(format!(
        "missing rights: {lacking_names}; {help}"
    )))
}

/// What the supervisor goes on with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    pub(super) identities: Identities,
    /// Whether those are all that it was started with.
    pub(super) all: bool,
}

impl Rights {
    /// Gives up what the file does not need. Only a command of root needs all that there is, as its author is used to; what others
    /// need is known.
    ///
    /// # Errors
    /// When the host cannot be asked for its users, or the kernel refuses.
    pub(super) fn reduce(checked: &Checked) -> Result<Self, Failure> {
        let identities = Identities::find().map_err(|error| {
            Failure::temporary(format!("this host's users cannot be looked up: {error}"))
        })?;
        let all = command_of_root(checked).is_some();
        if !all {
            rights::keep_supervising().map_err(Failure::internal)?;
        }
        Ok(Self { identities, all })
    }
}

/// A reload brings no rights back.
///
/// # Errors
/// When the file has a command of root, and those before it had none.
pub(super) fn check_rights(checked: &Checked, all_rights: bool) -> Result<(), Failure> {
    let Some(module) = command_of_root(checked).filter(|_| !all_rights) else {
        return Ok(());
    };
    let place = [module.path[0].as_str(), &module.path[1], "user"];
    let message = "vrrp-host gave up the rights of root's commands when it was started without one";
    let error = checked.source.error_at(&place, message);
    let error = error
        .help("restart it, and this node's addresses move for that: `systemctl restart vrrp-host`");
    Err(Failure::config(checked.source.report(vec![error])))
}

/// A module that this node runs commands of as root.
fn command_of_root(checked: &Checked) -> Option<&Module> {
    used_modules(checked).find(|module| user_of(module).is_ok_and(|user| user.is_root()))
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
            let help = known_interfaces(name);
            checked.source.error_at(&place, &message).help(help)
        })
        .collect();
    missing.extend(used_modules(checked).filter_map(|module| {
        let message = user_of(module).err()?;
        let place = [module.path[0].as_str(), &module.path[1], "user"];
        Some(checked.source.error_at(&place, &message))
    }));
    missing.extend(missing_processors(checked));
    missing.extend(missing_group(checked)?);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::config(checked.source.report(missing)))
    }
}

/// What there is instead of an interface that is not there.
fn known_interfaces(missing: &str) -> String {
    let names = link::names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    match closest(missing, &names) {
        Some(close) => format!("did you mean `{close}`? It has {}", list(&names)),
        None if names.is_empty() => "`ip link` lists those it has".to_owned(),
        None => format!("it has {}", list(&names)),
    }
}

/// The router would run on the others, or on any.
fn missing_processors(checked: &Checked) -> Option<Diagnostic> {
    let there = role::processors().ok()?;
    let is_missing = |cpu: &&usize| !there.contains(cpu);
    let missing = checked.cluster.router.cpus.iter().find(is_missing)?;
    let message = format!("vrrp-host cannot run on processor {missing}");
    let there: Vec<_> = there.iter().map(usize::to_string).collect();
    let help = format!("it may run on {}", there.join(", "));
    let place = ["router", "cpu-affinity", &checked.cluster.node];
    Some(checked.source.error_at(&place, &message).help(help))
}

/// The group whose members may look through the control socket.
///
/// # Errors
/// When the host cannot be asked for its groups.
pub(super) fn readers(checked: &Checked) -> Result<Option<Group>, Failure> {
    let name = checked.cluster.control.read_only_group.as_deref();
    let group = name.map(Group::named).transpose().map_err(|error| {
        Failure::temporary(format!("this host's groups cannot be looked up: {error}"))
    })?;
    Ok(group.flatten())
}

/// Nobody could look.
fn missing_group(checked: &Checked) -> Result<Option<Diagnostic>, Failure> {
    let Some(name) = &checked.cluster.control.read_only_group else {
        return Ok(None);
    };
    if readers(checked)?.is_some() {
        return Ok(None);
    }
    let message = format!("this host has no group {name}");
    let help =
        format!("make it with `groupadd --system {name}`, or write one that `getent group` lists");
    let place = ["control", "read-only-group"];
    Ok(Some(checked.source.error_at(&place, &message).help(help)))
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
