use std::fs;
use std::path::{Path, PathBuf};

use e2e::daemon::Daemon;
use e2e::inside::WebServer;
use e2e::refused::Attempt;
use e2e::stage::{Stage, cluster};
use lab::Netns;

use crate::{check, track, wait_for_verdict};

#[test]
fn what_is_wrong_in_a_config_is_shown_where_it_stands_and_a_grant_is_asked_for() {
    let stage = Stage::new().expect("the laboratory works");
    let attempt = Attempt::new(cluster(&format!(
        "track = [{{ check = \"db\" }}, {{ check = \"lb\" }}]\n{}{}{}",
        check(
            "db",
            "postgres",
            "address = \"localhost\", role = \"master\""
        ),
        check("lb", "haproxy", "address = \"/run/haproxy.sock\""),
        "allow = [\"tcp:127.0.0.1:9999\"]\n",
    )));
    attempt.check_config(&stage.first).assert_says(
        78,
        &[
            "not an address such as \"127.0.0.1:80\" or \"/run/service.sock\": \"localhost\"",
            "--> cluster.toml:14:22",
            "unknown value \"master\"; write one of \"primary\", \"replica\"",
            "--> cluster.toml:14:42",
            "missing key \"user\": The user to log in as; it needs no rights.",
            "nothing in `allow` grants; to allow it write allow = [\"tcp:127.0.0.1:9999\", \"unix:/run/haproxy.sock\"]",
        ],
    );
}

#[test]
fn a_name_that_leads_to_a_link_local_address_is_denied() {
    let stage = Stage::new().expect("the laboratory works");
    let _hosts = Hosts::of(
        &stage.first,
        "169.254.169.254 metadata.lan\n127.0.0.1 app.lan\n",
    );
    let _app = WebServer::start(&stage.first, 8080);
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(
            &[
                track(&["app", "metadata"]),
                check("app", "tcp", "address = \"app.lan:8080\""),
                check("metadata", "tcp", "address = \"metadata.lan:80\""),
            ]
            .concat(),
        ),
    );
    wait_for_verdict(
        &daemon,
        "app",
        "passing",
        "app.lan:8080 accepts connections",
    );
    wait_for_verdict(&daemon, "metadata", "error", "denied: tcp:metadata.lan:80");
    let why = "the address that the host of metadata.lan:80 resolved to; only a grant of the address itself allows it";
    let log = daemon.process.log();
    assert!(log.contains(why), "{log}");
}

/// What `/etc/hosts` is for programs that are started in a host (ip-netns(8)).
struct Hosts(PathBuf);

impl Hosts {
    fn of(host: &Netns, content: &str) -> Self {
        let folder = Path::new("/etc/netns").join(host.name());
        fs::create_dir_all(&folder).expect("root may");
        fs::write(folder.join("hosts"), content).expect("root may");
        Self(folder)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
        // Only when nobody else has one.
        _ = fs::remove_dir("/etc/netns");
    }
}
