//! The names a component imports and exports, compared with the contract.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::LoadError;
use crate::Engine;
use crate::capability::{CAPABILITIES, Capability, Link};
use crate::grant::GrantClass;
use crate::module::Role;
use crate::module::check::Checker;
use crate::module::describe::{Import, ModuleRole};
use crate::module::hook::Notifier;

const PACKAGE: &str = "vrrp-host:plugin";

/// A minor version of the contract. Patch versions only add, so they go together; see `wit/README.md`.
struct Contract {
    version: &'static str,
    capabilities: &'static [Capability],
}

/// The versions that this host has, newest first: the last two. An interface is linked under its full name, so a component
/// gets those of the version it was built for, and each version has capabilities and roles of its own.
const CONTRACTS: &[Contract] = &[Contract {
    version: "0.1.",
    capabilities: CAPABILITIES,
}];

/// `0.1.x`, for messages.
fn versions() -> String {
    let versions: Vec<_> = CONTRACTS
        .iter()
        .map(|contract| format!("{}x", contract.version))
        .collect();
    versions.join(" and ")
}

/// What the standard libraries of the guests' languages want. All of it is there, and none of it leads anywhere.
const WASI: [&str; 6] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// Name of an interface: `package/name@version`.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (package, rest) = text.split_once('/')?;
        let (interface, version) = rest.split_once('@')?;
        Some(Self {
            package,
            interface,
            version,
        })
    }

    /// The version of the contract that it is of; `None` for one that this host does not have.
    fn contract(&self) -> Option<&'static Contract> {
        CONTRACTS
            .iter()
            .find(|contract| self.package == PACKAGE && self.version.starts_with(contract.version))
    }

    fn capability(&self) -> Option<&'static Capability> {
        let mut capabilities = self.contract()?.capabilities.iter();
        capabilities.find(|capability| capability.interface == self.interface)
    }
}

/// The capabilities that a component imports, by the full name of the import.
pub(in crate::module) struct Imports(Vec<(String, &'static Capability)>);

impl Imports {
    /// Fails on what nobody can have.
    pub(in crate::module) fn read(
        engine: &Engine,
        component: &Component,
    ) -> Result<Self, LoadError> {
        let mut capabilities = Vec::new();
        let ty = component.component_type();
        for (import, item) in ty.imports(engine.wasmtime()) {
            if is_vocabulary(engine, &item.ty) {
                continue;
            }
            let name = Name::parse(import);
            if name.as_ref().is_some_and(|name| {
                WASI.contains(&name.package) && name.version.starts_with("0.2.")
            }) {
                continue;
            }
            let Some(name) = name.filter(|name| name.contract().is_some()) else {
                return Err(unknown(import));
            };
            let Some(capability) = name.capability() else {
                return Err(LoadError::UnavailableImport {
                    import: import.to_owned(),
                });
            };
            capabilities.push((import.to_owned(), capability));
        }
        Ok(Self(capabilities))
    }

    /// The imports that no grant of these classes opens; all classes when `None`.
    pub(super) fn not_opened_by(&self, classes: Option<&[GrantClass]>) -> Vec<&str> {
        let opened =
            |capability: &Capability| classes.is_none_or(|classes| capability.opened_by(classes));
        self.0
            .iter()
            .filter(|(_, capability)| !opened(capability))
            .map(|(import, _)| import.as_str())
            .collect()
    }

    pub(super) fn links(&self) -> impl Iterator<Item = (&str, Link)> {
        self.0
            .iter()
            .map(|(import, capability)| (import.as_str(), capability.link))
    }

    /// For whoever asks what a component calls.
    pub(in crate::module) fn described(&self) -> Vec<Import> {
        self.0
            .iter()
            .map(|(import, capability)| Import {
                interface: import.clone(),
                opened_by: capability
                    .granted_by
                    .iter()
                    .map(|class| class.form())
                    .collect(),
            })
            .collect()
    }

    /// How a grant for `import` is written.
    pub(super) fn grant_form(import: &str) -> &'static str {
        Name::parse(import)
            .and_then(|name| name.capability())
            .and_then(|capability| capability.granted_by.first())
            .map_or("", |class| class.form())
    }
}

/// An import without functions: an interface whose types another one uses.
fn is_vocabulary(engine: &Engine, import: &ComponentItem) -> bool {
    let ComponentItem::ComponentInstance(instance) = import else {
        return false;
    };
    instance
        .exports(engine.wasmtime())
        .all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
}

/// A component may export more than the role asks for, but not something else.
pub(super) fn check_exports<R: Role>(
    engine: &Engine,
    component: &Component,
) -> Result<(), LoadError> {
    let ty = component.component_type();
    let mut other = None;
    for (export, _) in ty.exports(engine.wasmtime()) {
        let Some(name) = Name::parse(export).filter(|name| name.package == PACKAGE) else {
            continue;
        };
        match (name.interface, name.contract().is_some()) {
            (interface, true) if interface == R::EXPORT => return Ok(()),
            ("checker", true) => other = Some("it is a check".to_owned()),
            ("notifier", true) => other = Some("it is a hook".to_owned()),
            (_, true) => {}
            (_, false) => {
                other = Some(built_for(&name));
            }
        }
    }
    Err(LoadError::WrongExports {
        wanted: R::NOUN,
        found: other.unwrap_or_else(|| format!("it exports nothing of {PACKAGE}")),
    })
}

fn built_for(name: &Name<'_>) -> String {
    let (version, ours) = (name.version, versions());
    format!("it is built for version {version} of {PACKAGE}, this is {ours}")
}

/// What a component can be used as, and the version of the contract that it was built for. One that is both is a check.
pub(in crate::module) fn role(
    engine: &Engine,
    component: &Component,
) -> Result<(ModuleRole, String), LoadError> {
    let role = match check_exports::<Checker>(engine, component) {
        Ok(()) => ModuleRole::Check,
        Err(not_a_check) => match check_exports::<Notifier>(engine, component) {
            Ok(()) => ModuleRole::Hook,
            Err(_) => {
                let LoadError::WrongExports { found, .. } = not_a_check else {
                    return Err(not_a_check);
                };
                let wanted = "check or hook";
                return Err(LoadError::WrongExports { wanted, found });
            }
        },
    };
    let wanted = match role {
        ModuleRole::Check => Checker::EXPORT,
        ModuleRole::Hook => Notifier::EXPORT,
    };
    let ty = component.component_type();
    let version = ty
        .exports(engine.wasmtime())
        .filter_map(|(export, _)| Name::parse(export))
        .find(|name| name.contract().is_some() && name.interface == wanted)
        .map(|name| name.version.to_owned());
    Ok((role, version.unwrap_or_default()))
}

fn unknown(import: &str) -> LoadError {
    let hint = match Name::parse(import) {
        Some(name) if name.package == PACKAGE => Some(built_for(&name)),
        Some(name) if name.package == "wasi:http" => {
            Some(format!("its author can use {PACKAGE}/http"))
        }
        _ => None,
    };
    LoadError::UnknownImport {
        import: import.to_owned(),
        hint,
    }
}
