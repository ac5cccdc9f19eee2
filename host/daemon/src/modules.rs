//! The modules embedded in the binary.

use vrrp_sandbox::ModuleRole;

use crate::config::BuiltInNames;

/// A module we ship.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// What it is for; a check and a hook may have the same name.
    pub(crate) role: ModuleRole,
    /// Its name in cluster.toml.
    pub(crate) name: &'static str,
    /// The component, as WebAssembly.
    pub(crate) component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// All of them: the checks, then the hooks, by name.
pub(crate) fn all() -> &'static [BuiltIn] {
    BUILT_IN
}

/// Lends the names that a file may use without a path, as its reader takes them.
pub(crate) fn with_names<T>(read: impl FnOnce(BuiltInNames<'_>) -> T) -> T {
    let [checks, hooks] = [ModuleRole::Check, ModuleRole::Hook].map(names);
    read(BuiltInNames {
        checks: &checks,
        hooks: &hooks,
    })
}

/// The names that a file may use without a path, of checks or of hooks.
pub(crate) fn names(role: ModuleRole) -> Vec<&'static str> {
    let of_role = BUILT_IN.iter().filter(|module| module.role == role);
    of_role.map(|module| module.name).collect()
}

/// The component of that name.
pub(crate) fn find(role: ModuleRole, name: &str) -> Option<&'static [u8]> {
    BUILT_IN
        .iter()
        .find(|module| module.role == role && module.name == name)
        .map(|module| module.component)
}

/// Whether a module of ours uses an interface of the contract. The names of its imports are in the component as they are.
pub(crate) fn imports(role: ModuleRole, name: &str, interface: &str) -> bool {
    let import = format!("vrrp-host:plugin/{interface}@");
    find(role, name).is_some_and(|component| {
        component
            .windows(import.len())
            .any(|bytes| bytes == import.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ping_sends_echo_requests() {
        let pinging: Vec<_> = BUILT_IN
            .iter()
            .filter(|module| imports(module.role, module.name, "icmp"))
            .map(|module| module.name)
            .collect();
        assert_eq!(pinging, ["ping"]);
    }
}
