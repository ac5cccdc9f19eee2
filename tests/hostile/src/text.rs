//! Checks as WebAssembly text, for what no compiler would make.

use std::fs;
use std::path::Path;
use std::process;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
pub(crate) const TABLE: &str = include_str!("../guests/table.wat");

/// Writes the component of a core module that exports the functions of the world `check`. Tests that run at the same time
/// never see half of it.
pub(crate) fn write(file: &Path, core: &str) {
    let temporary = file.with_extension(process::id().to_string());
    fs::write(&temporary, component(core))
        .and_then(|()| fs::rename(&temporary, file))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
}

fn component(core: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).expect("the text is WebAssembly");
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_path(CONTRACT).expect("the contract is WIT");
    let world = resolve
        .select_world(&[contract], Some("check"))
        .expect("the contract has a world for checks");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .and_then(|()| componentize(&module))
        .expect("the module follows the contract")
}

/// The component of a core module that says itself what its world is, as bindings for C have it do.
///
/// # Errors
///
/// When it does not have what its world wants.
pub fn componentize(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(core)?
        .validate(true)
        .encode()
}
