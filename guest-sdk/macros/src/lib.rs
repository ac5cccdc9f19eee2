//! The attribute macros of `vrrp-sdk`, which documents and re-exports them.

use proc_macro::TokenStream;

mod module;

/// Makes a struct the configuration of a check, and its crate a check module.
///
/// The struct reads itself from the check's `config` table in cluster.toml: keys in kebab-case,
/// unknown keys refused, defaults as `#[serde(default)]` says. Its documentation becomes the
/// module's description, that of its fields goes into the config schema. Implement
/// `vrrp_sdk::Check` for it. A crate holds one module.
#[proc_macro_attribute]
pub fn check(arguments: TokenStream, item: TokenStream) -> TokenStream {
    module::expand(module::Role::Check, arguments.into(), item.into()).into()
}

/// Makes a struct the configuration of a hook, and its crate a hook module.
///
/// As [`macro@check`], but for `vrrp_sdk::Hook`.
#[proc_macro_attribute]
pub fn hook(arguments: TokenStream, item: TokenStream) -> TokenStream {
    module::expand(module::Role::Hook, arguments.into(), item.into()).into()
}

/// Makes a struct or enum usable inside the configuration of a check or hook.
///
/// Names are in kebab-case and unknown keys are refused, as in the configuration itself.
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    module::expand_config(arguments.into(), item.into()).into()
}
