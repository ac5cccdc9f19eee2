//! The loop of an author, to its end: what `vrrp-host module new` writes decides about an address in a running cluster.

use std::path::Path;
use std::process::Command;

use e2e::checked::Checked;
use e2e::daemon::Daemon;
use e2e::stage::{INSTANCE, Stage, cluster};
use hostile::project::Project;
use lab::scenario::{State, vrrp_host_binary};
use serde_json::Value;

#[test]
fn a_new_project_is_a_check_of_a_running_cluster() {
    let binary = vrrp_host_binary().expect("vrrp-host is built");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let component = Project::new(&binary, scratch, "end-to-end", &[]).build();
    let stage = Stage::new().expect("the laboratory works");
    // On the other host: where it runs does not matter, all of them share this machine's processes.
    let checked = Checked::start(&stage.second);
    let config = format!("{{ name = \"{}\" }}", checked.name);

    let output = Command::new(&binary)
        .args(["module", "inspect", "--json", "--config", &config])
        .arg(&component)
        .output()
        .expect("vrrp-host can be run");
    assert!(output.status.success(), "{output:?}");
    let inspected: Value = serde_json::from_slice(&output.stdout).expect("it writes JSON");
    let allow = inspected["configured"]["allow"].as_str();
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "track = [{{ check = \"own\" }}]\n\
             [checks.own]\n\
             module = \"{}\"\n\
             interval = \"60s\"\n\
             config = {config}\n\
             {}\n",
            component.display(),
            allow.expect("it needs a grant"),
        )),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    let status = daemon.status().expect("the daemon answers");
    assert_eq!(status["checks"]["own"]["verdict"], "passing", "{status}");
    let summary = format!("1 processes named {}", checked.name);
    assert_eq!(status["checks"]["own"]["summary"], summary, "{status}");
    // Its trigger, not its interval, tells.
    drop(checked);
    daemon.wait_for_state(INSTANCE, State::Fault);
}
