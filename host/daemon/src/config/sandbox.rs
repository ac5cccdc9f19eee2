//! `[sandbox]`: how modules are run.

use vrrp_sandbox::EngineKind;

use super::key::{Key, Keys, Kind, words};
use super::model::Sandbox;
use super::reader::Table;

pub(super) const SANDBOX: Keys = Keys::new(&[Key::default(
    "engine",
    Kind::Choice(&words(&ENGINES)),
    "\"native\"",
    "Whether modules are compiled to native code or interpreted, which takes longer and needs no executable memory \
     (`MemoryDenyWriteExecute=yes`, SELinux without `execmem`).",
)
.example("\"pulley\"")]);
const ENGINES: [(&str, EngineKind); 2] = [
    ("native", EngineKind::Native),
    ("pulley", EngineKind::Pulley),
];

impl Sandbox {
    pub(super) fn read(root: &Table<'_>) -> Option<Self> {
        root.read("sandbox", Self::default(), |field| {
            let table = field.table("[sandbox]", "[sandbox]", SANDBOX)?;
            let engine = table.read("engine", EngineKind::default(), |field| {
                field.choice(&ENGINES)
            });
            Some(Self { engine: engine? })
        })
    }
}
