//! `[sandbox]`: how modules are run.

use vrrp_sandbox::EngineKind;

use super::model::Sandbox;
use super::reader::{Keys, Table};

const SANDBOX: Keys = Keys {
    known: &["engine"],
    later: &[],
};

impl Sandbox {
    pub(super) fn read(root: &Table<'_>) -> Option<Self> {
        root.read("sandbox", Self::default(), |field| {
            let table = field.table("[sandbox]", "[sandbox]", SANDBOX)?;
            let engine = table.read("engine", EngineKind::default(), |field| {
                field.choice(&[
                    ("native", EngineKind::Native),
                    ("pulley", EngineKind::Pulley),
                ])
            });
            Some(Self { engine: engine? })
        })
    }
}
