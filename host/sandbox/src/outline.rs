//! What a component imports and exports, read from its bytes without compiling or running any of it.

use wasmparser::{Parser, Payload};

use crate::capability::Capability;
use crate::compile::{CompileError, check};

const PACKAGE: &str = "vrrp-host:plugin/";

/// The names at the surface of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Full names of what it imports: `vrrp-host:plugin/http@0.1.0`.
    pub imports: Vec<String>,
    /// Full names of what it exports.
    pub exports: Vec<String>,
}

impl Outline {
    /// Reads a component.
    ///
    /// # Errors
    /// When the bytes are no component.
    pub fn read(wasm: &[u8]) -> Result<Self, CompileError> {
        check(wasm)?;
        let mut outline = Self::default();
        outline
            .collect(wasm)
            .map_err(|error| CompileError::Invalid(error.to_string()))?;
        Ok(outline)
    }

    fn collect(&mut self, wasm: &[u8]) -> wasmparser::Result<()> {
        // A component has others inside, whose imports are its own business.
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Payload::Version { .. } = payload {
                depth += 1;
            } else if let Payload::End(_) = payload {
                depth = depth.saturating_sub(1);
            } else if depth > 1 {
                continue;
            } else if let Payload::ComponentImportSection(section) = payload {
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                }
            } else if let Payload::ComponentExportSection(section) = payload {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// How the grants that its imports take are written; what it needs of them depends on its config.
    pub fn grant_forms(&self) -> Vec<&'static str> {
        self.imports
            .iter()
            .filter_map(|import| {
                let interface = import.strip_prefix(PACKAGE)?.split('@').next()?;
                Capability::find(interface)?.granted_by.first()
            })
            .map(|class| class.form())
            .collect()
    }
}
