//! The commands beside running the daemon.

mod check_config;
mod status;

pub(crate) use check_config::check_config;
pub(crate) use status::status;
