//! A module as a page of documentation, from nothing but what it says of itself.

use std::fmt::Write as _;

use vrrp_sandbox::ModuleRole;

use super::inspect::{Configured, Known, woken_by};
use crate::config::ModuleSource;
use crate::exit::Failure;

/// The page in Markdown.
///
/// # Errors
/// When the module gives no example: without one, nobody sees what a config looks like.
pub(super) fn page(known: &Known<'_>) -> Result<String, Failure> {
    let name = &known.target.name;
    let Some(configured) = &known.configured else {
        return Err(Failure::no_verdict(format!(
            "the module {name} gives no example of its config; add one to the documentation of its struct, in a block \
             that starts with ```toml: the keys as they stand under [checks.NAME.config]"
        )));
    };
    let mut page = format!(
        "<!-- Written by `vrrp-host module inspect --markdown` from what the module says of itself. -->\n\n# {name}\n\n"
    );
    let prose = match known.schema.description() {
        none if none.is_empty() => known.description.metadata.description.clone(),
        prose => prose,
    };
    let from = match known.target.source {
        ModuleSource::BuiltIn(..) => "Built in as",
        ModuleSource::File(_) | ModuleSource::Registry(..) => "Named",
    };
    let _ = writeln!(
        page,
        "{prose}\n\n{from} `{name}`, a {}.\n\n## Config\n",
        known.description.role
    );
    keys(known, &mut page);
    example(known, configured, &mut page);
    needs(known, configured, &mut page);
    Ok(page)
}

fn keys(known: &Known<'_>, page: &mut String) {
    let keys = known.schema.keys();
    if keys.is_empty() {
        page.push_str("It has no keys.\n");
        return;
    }
    page.push_str("| key | value | when left out | |\n|---|---|---|---|\n");
    for key in keys {
        let default = match (&key.default, key.required) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "required".to_owned(),
            (None, false) => "–".to_owned(),
        };
        let cells = [
            format!("`{}`", key.name),
            key.kind,
            default,
            key.description,
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}

/// A whole file, so that it can be tried: `vrrp-host check-config` accepts it.
fn example(known: &Known<'_>, configured: &Configured, page: &mut String) {
    let name = &known.target.name;
    let Configured { config, .. } = configured;
    let (module, allow) = match &known.target.source {
        ModuleSource::BuiltIn(_, name) => (name.clone(), None),
        ModuleSource::File(path) => (
            format!(
                "./{}",
                path.file_name().unwrap_or_default().to_string_lossy()
            ),
            configured.allow_line.as_deref(),
        ),
        ModuleSource::Registry(reference, _) => {
            (reference.to_string(), configured.allow_line.as_deref())
        }
    };
    let allow = allow.map(|line| format!("{line}\n")).unwrap_or_default();
    let instance = "[instances.VI_1]\ninterface         = \"eth0\"\nvirtual-router-id = 51\n\
                    virtual-addresses = [\"192.0.2.1/24\"]\n";
    let (table, used) = match known.description.role {
        ModuleRole::Check => (
            format!(
                "[checks.{name}]\nmodule   = \"{module}\"\ninterval = \"2s\"\nconfig   = {config}\n{allow}"
            ),
            format!("track             = [{{ check = \"{name}\" }}]\n"),
        ),
        ModuleRole::Hook => (
            format!("[hooks.{name}]\nmodule = \"{module}\"\nconfig = {config}\n{allow}"),
            format!("\n[[instances.VI_1.notify]]\non   = \"master\"\nhook = \"{name}\"\n"),
        ),
    };
    let _ = writeln!(
        page,
        "\n## Example\n\n```toml\n{table}\n{instance}{used}```"
    );
}

fn needs(known: &Known<'_>, configured: &Configured, page: &mut String) {
    page.push_str("\n## What it needs\n\n");
    match &configured.allow_line {
        Some(line) => {
            let given = match known.target.source {
                ModuleSource::BuiltIn(..) => {
                    "A module that is built in has what its config needs; in the example"
                }
                ModuleSource::File(_) | ModuleSource::Registry(..) => "In the example",
            };
            let _ = writeln!(page, "{given}: `{line}`");
        }
        None => page.push_str("No grant.\n"),
    }
    let triggers = &configured.plan.triggers;
    if known.description.role == ModuleRole::Hook {
        return;
    }
    if triggers.is_empty() {
        page.push_str("\nIt runs on its interval.\n");
        return;
    }
    let _ = writeln!(
        page,
        "\nIt runs on its interval, and in the example at once when\n"
    );
    for trigger in triggers {
        let _ = writeln!(page, "* {}", woken_by(trigger));
    }
}
