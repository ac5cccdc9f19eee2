//! From a component to native code. Compiling takes time and memory that the author of the component decides
//! on, so a short-lived process with limits of its own does it.

use wasmparser::{Encoding, Parser, Payload};

use crate::engine::{EngineConfig, EngineError, cache_key};

/// Bytes of a component.
const WASM_MAX: usize = 32 << 20;

/// Turns components into artifacts for engines of an equal [`EngineConfig`].
#[derive(Debug)]
pub struct Compiler {
    engine: wasmtime::Engine,
}

impl Compiler {
    /// Needs none of the address space that an [`Engine`](crate::Engine) reserves.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let engine = wasmtime::Engine::new(&config.wasmtime()?)
            .map_err(|error| EngineError::Reserve(format!("{error:#}")))?;
        Ok(Self { engine })
    }

    /// Native code for `wasm`, to be put into a [`CompiledCache`](crate::CompiledCache).
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        check(wasm)?;
        self.engine
            .precompile_component(wasm)
            .map_err(|error| CompileError::Invalid(format!("{error:#}")))
    }

    /// The name under which the compiled form of `wasm` is cached; equal to that of the engine.
    pub fn cache_key(&self, wasm: &[u8]) -> String {
        cache_key(&self.engine, wasm)
    }
}

/// A file that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Larger than any component should be.
    #[error("the module has {size} bytes, more than the {WASM_MAX} that are allowed")]
    TooLarge {
        /// Bytes of the file.
        size: usize,
    },
    /// Native code of unknown origin.
    #[error("the module is already compiled; give the .wasm component it was made from")]
    Precompiled,
    /// A WebAssembly module that is not a component.
    #[error(
        "the module is a core WebAssembly module, not a component; build it for the target wasm32-wasip2"
    )]
    CoreModule,
    /// Text instead of bytes, another kind of file.
    #[error("the module is not WebAssembly")]
    NotWasm,
    /// Cut off, corrupted, or using what is not supported.
    #[error("the module is not a valid component: {0}")]
    Invalid(String),
}

/// Reads the whole file before anything is compiled.
pub(crate) fn check(wasm: &[u8]) -> Result<(), CompileError> {
    if wasm.len() > WASM_MAX {
        return Err(CompileError::TooLarge { size: wasm.len() });
    }
    if wasmtime::Engine::detect_precompiled(wasm).is_some() {
        return Err(CompileError::Precompiled);
    }
    if !wasm.starts_with(b"\0asm") {
        return Err(CompileError::NotWasm);
    }
    let mut payloads = Parser::new(0).parse_all(wasm);
    match payloads.next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        })) => {}
        Some(Ok(_)) => return Err(CompileError::CoreModule),
        Some(Err(error)) => return Err(CompileError::Invalid(error.to_string())),
        None => return Err(CompileError::NotWasm),
    }
    for payload in payloads {
        payload.map_err(|error| CompileError::Invalid(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineKind;

    #[track_caller]
    fn refused(wasm: &[u8]) -> CompileError {
        Compiler::new(&EngineConfig::default())
            .unwrap()
            .compile(wasm)
            .unwrap_err()
    }

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_not_a_component_is_refused_with_its_reason() {
        assert_eq!(refused(b""), CompileError::NotWasm);
        assert_eq!(refused(b"(component)"), CompileError::NotWasm);
        assert_eq!(refused(b"\0asm\x01\0\0\0"), CompileError::CoreModule);
        assert_eq!(
            refused(&vec![0; WASM_MAX + 1]),
            CompileError::TooLarge { size: WASM_MAX + 1 }
        );
        assert!(matches!(
            refused(&EMPTY_COMPONENT[..6]),
            CompileError::Invalid(_)
        ));
    }

    #[test]
    fn compiled_code_is_not_compiled_again() {
        let compiler = Compiler::new(&EngineConfig::default()).unwrap();
        let compiled = compiler.compile(EMPTY_COMPONENT).unwrap();
        assert_eq!(compiler.compile(&compiled), Err(CompileError::Precompiled));
    }

    #[test]
    fn compiler_and_engine_agree_on_the_key_and_each_kind_has_its_own() {
        let mut keys = Vec::new();
        for kind in [EngineKind::Native, EngineKind::Pulley] {
            let config = EngineConfig {
                kind,
                concurrent_calls: 1,
                memory_max: 1 << 20,
            };
            let engine = crate::Engine::new(config).unwrap();
            let compiler = Compiler::new(&config).unwrap();
            assert_eq!(engine.cache_key(b"a"), compiler.cache_key(b"a"));
            assert_ne!(engine.cache_key(b"a"), engine.cache_key(b"b"));
            keys.push(engine.cache_key(b"a"));
        }
        assert_ne!(keys[0], keys[1]);
    }
}
