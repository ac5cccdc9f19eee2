//! `vrrp-host check-config`: everything that would be checked at a start, for all nodes, starting nothing.

use std::io::Write;
use std::path::Path;

use super::name_file;
use crate::cli::Options;
use crate::exit::Failure;
use crate::supervisor;

/// Checks the file and every module it names.
///
/// # Errors
/// With every error at once.
pub(crate) fn check_config(options: &Options, file: Option<&Path>) -> Result<(), Failure> {
    let file = name_file(options, file, "check-config")?;
    let options = Options {
        config: Some(file.clone()),
        ..options.clone()
    };
    let checked = supervisor::read(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(supervisor::try_modules(&options, &checked))?;
    let cluster = &checked.cluster;
    let mut stdout = std::io::stdout();
    let _ = write!(stdout, "{}", checked.warnings);
    let _ = writeln!(
        stdout,
        "{}: {} nodes, {} instances, {} checks, {} hooks: no errors",
        file.display(),
        cluster.nodes.len().max(1),
        cluster.instances.len(),
        cluster.checks.len(),
        cluster.hooks.len()
    );
    Ok(())
}
