//! Faults on purpose: a function of the host that answers with an error instead of doing its work.
//!
//! The errors are those of the contract. What an interface can answer is read from the type that the component
//! imports it with, so a capability needs nothing of its own for this.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, Val};

use super::{Rehearsal, Reply};
use crate::Engine;
use crate::capability::CAPABILITIES;
use crate::store::Call;

/// What an error says that has something to say.
const MESSAGE: &str = "a fault injected by the test";

/// Values of a call that are shown, and bytes of each.
const SHOWN_MAX: usize = 3;
const SHOWN_BYTES_MAX: usize = 128;

/// `http=timeout`: the functions of an interface, or the one that `stream.read=timeout` names, answer with this error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The interface, in the contract's words: `http`, `systemd-control`.
    interface: String,
    /// One function of it: `read`, also where it belongs to a resource.
    function: Option<String>,
    /// The error, in the contract's words: `timeout`, `name-not-found`.
    error: String,
}

/// A text that is not a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a fault: {problem}")]
pub struct ParseFaultError {
    text: String,
    problem: String,
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let fail = |problem: String| ParseFaultError {
            text: text.to_owned(),
            problem,
        };
        let parts = text
            .split_once('=')
            .filter(|(place, error)| !place.is_empty() && !error.is_empty());
        let Some((place, error)) = parts else {
            return Err(fail(
                "write CAPABILITY=ERROR, such as `http=timeout`".to_owned(),
            ));
        };
        let (interface, function) = match place.split_once('.') {
            Some((interface, function)) => (interface, Some(function.to_owned())),
            None => (place, None),
        };
        // What takes no grant cannot fail: its functions return no error.
        let mut known = CAPABILITIES
            .iter()
            .filter(|capability| !capability.granted_by.is_empty())
            .map(|capability| capability.interface);
        if !known.clone().any(|name| name == interface) {
            let first = known.next().unwrap_or_default();
            let all = known.fold(first.to_owned(), |all, name| format!("{all}, {name}"));
            return Err(fail(format!(
                "no capability is called `{interface}`; there are {all}"
            )));
        }
        Ok(Self {
            interface: interface.to_owned(),
            function,
            error: error.to_owned(),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.interface)?;
        if let Some(function) = &self.function {
            write!(f, ".{function}")?;
        }
        write!(f, "={}", self.error)
    }
}

/// A fault that this module cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fault `{fault}` cannot happen to this module: {problem}")]
pub(crate) struct FaultError {
    fault: Fault,
    problem: String,
}

/// Puts the faults of a rehearsal in front of the functions that are linked already.
pub(crate) fn inject(
    engine: &Engine,
    component: &Component,
    linker: &mut Linker<Call>,
    rehearsal: &Arc<Rehearsal>,
) -> wasmtime::Result<()> {
    if rehearsal.faults().is_empty() {
        return Ok(());
    }
    let functions = imported_functions(engine, component);
    linker.allow_shadowing(true);
    for fault in rehearsal.faults() {
        let refuse = |problem| FaultError {
            fault: fault.clone(),
            problem,
        };
        let mut hit = false;
        let mut words = Vec::new();
        for function in &functions {
            if !function.is_meant_by(fault) {
                continue;
            }
            words.extend(function.errors.iter().map(|error| error.name.as_str()));
            let Some(error) = function.errors.iter().find(|e| e.name == fault.error) else {
                continue;
            };
            hit = true;
            function.replace(linker, error, rehearsal)?;
        }
        if hit {
            continue;
        }
        words.sort_unstable();
        words.dedup();
        return Err(if words.is_empty() {
            let mut called: Vec<_> = functions
                .iter()
                .filter(|function| !function.errors.is_empty())
                .map(|function| format!("`{}.{}`", function.interface, function.short_name()))
                .collect();
            called.sort_unstable();
            refuse(match called.as_slice() {
                [] => "it calls nothing that can fail".to_owned(),
                called => format!("what it calls is {}", called.join(", ")),
            })
        } else {
            refuse(format!("write one of {}", words.join(", ")))
        }
        .into());
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// A function of the host that a component imports.
struct Imported {
    /// `vrrp-host:plugin/http@0.1.0`
    instance: String,
    /// `http`
    interface: String,
    /// `send`, `[method]connection.read`
    name: String,
    /// The errors that it can answer with; none when it cannot fail.
    errors: Vec<ErrorCase>,
}

/// An error of a function.
struct ErrorCase {
    name: String,
    value: Val,
}

impl Imported {
    /// `read` of `[method]connection.read`.
    fn short_name(&self) -> &str {
        self.name.rsplit(['.', ']']).next().unwrap_or(&self.name)
    }

    fn is_meant_by(&self, fault: &Fault) -> bool {
        let by_name = |function: &String| function == self.short_name();
        self.interface == fault.interface && fault.function.as_ref().is_none_or(by_name)
    }

    fn replace(
        &self,
        linker: &mut Linker<Call>,
        error: &ErrorCase,
        rehearsal: &Arc<Rehearsal>,
    ) -> wasmtime::Result<()> {
        let called = format!("{}.{}", self.interface, self.short_name());
        let word = error.name.clone();
        let result = Val::Result(Err(Some(Box::new(error.value.clone()))));
        let rehearsal = rehearsal.clone();
        linker
            .instance(&self.instance)?
            .func_new(&self.name, move |_, _, parameters, results| {
                let what = format!("{called}({})", shown(parameters));
                rehearsal.note(what, Reply::Injected(word.clone()));
                results[0] = result.clone();
                Ok(())
            })
    }
}

/// Everything of the contract that the component calls.
fn imported_functions(engine: &Engine, component: &Component) -> Vec<Imported> {
    let engine = engine.wasmtime();
    let ty = component.component_type();
    let mut functions = Vec::new();
    for (import, item) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        let Some((_, interface)) = import.split_once('/') else {
            continue;
        };
        let interface = interface.split('@').next().unwrap_or(interface);
        if !CAPABILITIES
            .iter()
            .any(|known| known.interface == interface)
        {
            continue;
        }
        for (name, export) in instance.exports(engine) {
            if let ComponentItem::ComponentFunc(function) = export.ty {
                functions.push(Imported {
                    instance: import.to_owned(),
                    interface: interface.to_owned(),
                    name: name.to_owned(),
                    errors: errors_of(&function),
                });
            }
        }
    }
    functions
}

/// The cases of `E`, where the function returns `result<_, E>`.
fn errors_of(function: &ComponentFunc) -> Vec<ErrorCase> {
    let Some(Type::Result(result)) = function.results().next() else {
        return Vec::new();
    };
    match result.err() {
        Some(Type::Enum(words)) => words
            .names()
            .map(|name| ErrorCase {
                name: name.to_owned(),
                value: Val::Enum(name.to_owned()),
            })
            .collect(),
        Some(Type::Variant(variant)) => variant
            .cases()
            .filter_map(|case| {
                let payload = match case.ty {
                    None => None,
                    Some(Type::String) => Some(Box::new(Val::String(MESSAGE.to_owned()))),
                    Some(_) => return None,
                };
                Some(ErrorCase {
                    name: case.name.to_owned(),
                    value: Val::Variant(case.name.to_owned(), payload),
                })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The first texts of what a function was called with: enough to tell one call from another.
fn shown(parameters: &[Val]) -> String {
    let mut texts = Vec::new();
    parameters
        .iter()
        .for_each(|value| collect(value, &mut texts));
    texts.join(" ")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "numbers, lists and handles tell no call from another"
)]
fn collect(value: &Val, texts: &mut Vec<String>) {
    if texts.len() == SHOWN_MAX {
        return;
    }
    match value {
        Val::String(text) => texts.push(crate::text::clean(text, SHOWN_BYTES_MAX)),
        Val::Enum(word) => texts.push(word.clone()),
        Val::Record(fields) => fields.iter().for_each(|(_, value)| collect(value, texts)),
        Val::Tuple(values) => values.iter().for_each(|value| collect(value, texts)),
        Val::Option(Some(value)) => collect(value, texts),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_capability_or_a_function_of_it_and_an_error() {
        for text in ["http=timeout", "systemd-control.run=bus", "stream.read=io"] {
            assert_eq!(
                text.parse::<Fault>().map(|fault| fault.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_not_a_fault_is_told_what_to_write() {
        let refused = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        for text in ["http", "=timeout", "http=", ""] {
            assert_eq!(
                refused(text),
                format!("`{text}` is not a fault: write CAPABILITY=ERROR, such as `http=timeout`")
            );
        }
        let error = refused("htpp=timeout");
        assert!(
            error.contains("no capability is called `htpp`; there are process, systemd,"),
            "{error}"
        );
        // It cannot fail.
        assert!(refused("log=denied").contains("no capability is called `log`"));
    }
}
