//! The commands beside running the daemon.

mod ask;
mod check_config;
mod instances;
pub(crate) mod module;
mod reload;
mod status;

pub(crate) use check_config::check_config;
pub(crate) use instances::instances;
pub(crate) use reload::reload;
pub(crate) use status::status;
