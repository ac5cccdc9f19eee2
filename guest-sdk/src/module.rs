//! The two roles of a module, and the component that exports one.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::bindings::check::exports::vrrp_host::plugin::checker;
use crate::bindings::check::vrrp_host::plugin::types::Metadata;
use crate::bindings::hook::exports::vrrp_host::plugin::notifier;
use crate::{
    CheckError, ConfigError, ConfigErrors, HookError, Observation, Plan, RunContext, Transition,
    config,
};

/// A health check: looks at a service and gives a verdict.
///
/// Implemented by the struct that carries `#[vrrp_sdk::check]`.
#[diagnostic::on_unimplemented(
    message = "the check `{Self}` does not say what it does",
    note = "write `impl vrrp_sdk::Check for {Self}`"
)]
pub trait Check {
    /// What the check will touch, and what should wake it beside its interval.
    fn plan(&self) -> Plan;

    /// Reports what is wrong with the config beyond its types: values that do not fit together.
    /// Called when the config is loaded, so that `vrrp-host check-config` shows the errors.
    fn validate(&self, errors: &mut ConfigErrors) {
        let _ = errors;
    }

    /// Looks once. Every call runs in a fresh instance: nothing is left of the last one but what
    /// [`state`](crate::state) keeps.
    ///
    /// # Errors
    /// When no verdict can be formed. A service that does not answer is not an error but
    /// [`Observation::failing`]: an error never makes an address move by itself.
    fn run(&self, context: &RunContext) -> Result<Observation, CheckError>;
}

/// A notify hook: acts upon a transition of a VRRP instance.
///
/// Implemented by the struct that carries `#[vrrp_sdk::hook]`.
#[diagnostic::on_unimplemented(
    message = "the hook `{Self}` does not say what it does",
    note = "write `impl vrrp_sdk::Hook for {Self}`"
)]
pub trait Hook {
    /// What the hook will touch. Triggers mean nothing to a hook.
    fn plan(&self) -> Plan;

    /// As [`Check::validate`].
    fn validate(&self, errors: &mut ConfigErrors) {
        let _ = errors;
    }

    /// Acts upon one transition. It has already happened: a hook neither delays nor vetoes it.
    ///
    /// # Errors
    /// [`HookError::Retry`] is called again with backoff, [`HookError::Permanent`] is not.
    fn notify(&self, transition: &Transition) -> Result<(), HookError>;
}

/// A check or a hook as the host loads it. Implemented by the macros, not by hand.
pub trait Module: DeserializeOwned + JsonSchema + 'static {
    /// The author's package.
    const NAME: &'static str;
    /// The version of the author's package.
    const VERSION: &'static str;
    /// One line for people.
    const DESCRIPTION: &'static str;

    /// See [`Check::plan`].
    fn plan(&self) -> Plan;

    /// See [`Check::validate`].
    fn validate(&self, errors: &mut ConfigErrors);
}

/// The component of a check.
pub struct CheckComponent<T>(PhantomData<T>);

impl<T: Module + Check> checker::Guest for CheckComponent<T> {
    fn describe() -> Metadata {
        describe::<T>()
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        configure::<T>(&config)
    }

    fn run(context: RunContext) -> Result<Observation, CheckError> {
        with_configured(|check: &T| check.run(&context))
            .unwrap_or_else(|error| Err(CheckError::Internal(error.to_string())))
    }
}

/// The component of a hook.
pub struct HookComponent<T>(PhantomData<T>);

impl<T: Module + Hook> notifier::Guest for HookComponent<T> {
    fn describe() -> Metadata {
        describe::<T>()
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        configure::<T>(&config)
    }

    fn notify(transition: Transition) -> Result<(), HookError> {
        with_configured(|hook: &T| hook.notify(&transition))
            .unwrap_or_else(|error| Err(HookError::Permanent(error.to_string())))
    }
}

impl<T> fmt::Debug for CheckComponent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckComponent")
    }
}

impl<T> fmt::Debug for HookComponent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookComponent")
    }
}

thread_local! {
    /// What `configure` read, for the `run` or `notify` that follows in the same instance.
    static CONFIGURED: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

fn describe<T: Module>() -> Metadata {
    Metadata {
        name: T::NAME.to_owned(),
        version: T::VERSION.to_owned(),
        description: T::DESCRIPTION.to_owned(),
        config_schema: config::schema::<T>().to_string(),
    }
}

fn configure<T: Module>(text: &str) -> Result<Plan, Vec<ConfigError>> {
    let module: T = config::parse(text)?;
    let plan = module.plan();
    CONFIGURED.replace(Some(Box::new(module)));
    Ok(plan)
}

#[derive(Debug, thiserror::Error)]
#[error("the host did not call `configure` first, or it failed")]
struct NotConfigured;

fn with_configured<T: Module, R>(call: impl FnOnce(&T) -> R) -> Result<R, NotConfigured> {
    CONFIGURED.with_borrow(|configured| {
        let module = configured.as_ref().and_then(|module| module.downcast_ref());
        module.map(call).ok_or(NotConfigured)
    })
}

#[cfg(test)]
mod tests;
