//! The modules embedded in the binary.

/// A module we ship.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// Its name in cluster.toml.
    pub(crate) name: &'static str,
    /// The component, as WebAssembly.
    pub(crate) component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The names a file may use without a path.
pub(crate) fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|module| module.name).collect()
}

/// The component of that name.
pub(crate) fn find(name: &str) -> Option<&'static [u8]> {
    BUILT_IN
        .iter()
        .find(|module| module.name == name)
        .map(|module| module.component)
}

/// Whether a module of ours uses an interface of the contract. The names of its imports are in the component as they are.
pub(crate) fn imports(name: &str, interface: &str) -> bool {
    let import = format!("vrrp-host:plugin/{interface}@");
    find(name).is_some_and(|component| {
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
        let pinging: Vec<_> = names()
            .into_iter()
            .filter(|name| imports(name, "icmp"))
            .collect();
        assert_eq!(pinging, ["ping"]);
    }
}
