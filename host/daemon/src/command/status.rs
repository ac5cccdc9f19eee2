//! `vrrp-host status`: asks the running daemon.

use std::io::{self, Write};

use super::ask::ask;
use crate::cli::Options;
use crate::exit::Failure;
use crate::status::Status;
use crate::supervisor::{Request, Response};

/// Prints the status, as a table or as JSON.
///
/// # Errors
/// When no daemon answers at the control socket.
pub(crate) fn status(options: &Options, json: bool) -> Result<(), Failure> {
    let status = match ask(options, &Request::Status)? {
        Response::Status(status) => status,
        Response::Accepted(_) => return Err(Failure::internal("not an answer to `status`")),
        Response::Error(message) => return Err(Failure::temporary(message)),
    };
    let text = if json {
        serde_json::to_string_pretty(&status).map_err(Failure::internal)?
    } else {
        table(&status)
    };
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}

fn table(status: &Status) -> String {
    let mut text = format!("node {}, vrrp-host {}\n", status.node, status.version);
    for (name, instance) in &status.instances {
        text.push_str(&format!(
            "\n{name}: {state} since {since}, priority {effective} (base {base})\n    {reason}\n    {addresses} on {interface}, virtual router {vrid}\n",
            state = instance.state,
            since = instance.since,
            effective = instance.priority.effective,
            base = instance.priority.base,
            reason = instance.reason,
            addresses = instance.virtual_addresses.join(", "),
            interface = instance.interface,
            vrid = instance.virtual_router_id,
        ));
        if let Some(mac) = &instance.virtual_mac {
            text.push_str(&format!("    {} on {}\n", mac.address, mac.interface));
        }
        if instance.drained {
            text.push_str("    drained: it leaves the addresses to others\n");
        }
        let lists = [
            ("excluded address", &instance.excluded_addresses),
            ("route", &instance.routes),
            ("rule", &instance.rules),
        ];
        for (kind, list) in lists {
            for object in list {
                text.push_str(&format!("    {kind} {object}\n"));
            }
        }
        if let Some(master) = &instance.master {
            text.push_str(&format!(
                "    MASTER is {} with priority {}\n",
                master.address, master.priority
            ));
        }
        if let Some(failure) = &instance.authentication.last_failure {
            text.push_str(&format!(
                "    last advertisement without good authentication, from {} at {}: {}\n",
                failure.source, failure.at, failure.error
            ));
        }
    }
    for (name, group) in &status.sync_groups {
        text.push_str(&format!(
            "\nsync group {name}: {} since {}\n    {}\n    {}\n",
            group.state,
            group.since,
            group.reason,
            group.members.join(", ")
        ));
    }
    for (name, check) in &status.checks {
        let since = check.since.as_deref().unwrap_or("the start");
        text.push_str(&format!(
            "\ncheck {name}: {} since {since}: {}\n",
            check.verdict, check.summary
        ));
    }
    for (name, hook) in &status.hooks {
        let last = hook.last_result.as_deref().unwrap_or("never called");
        text.push_str(&format!(
            "\nhook {name}: {} calls, {} failed, last: {last}\n",
            hook.runs, hook.errors
        ));
    }
    text
}
