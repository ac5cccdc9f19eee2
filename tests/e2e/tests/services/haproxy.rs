use e2e::daemon::{Daemon, LIMIT};
use e2e::inside::WebServer;
use e2e::service::OpenFolder;
use e2e::stage::{Stage, cluster};
use lab::{Netns, Process, Signal};

use crate::{check, track, wait_for_verdict};

const APP: u16 = 8080;

#[test]
fn haproxy_is_seen_with_what_is_behind_it() {
    let stage = Stage::new().expect("the laboratory works");
    let folder = OpenFolder::new(None);
    let app = WebServer::start(&stage.first, APP);
    let mut haproxy = start(&stage.first, &folder);
    let socket = folder.path("stats.sock");
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(
            &[
                &track(&["runs", "app", "server", "unknown"]),
                &check("runs", "haproxy", "address = \"127.0.0.1:9999\""),
                &check(
                    "app",
                    "haproxy",
                    &format!("address = \"{socket}\", frontend = \"web\", backend = \"app\""),
                ),
                &check(
                    "server",
                    "haproxy",
                    &format!("address = \"{socket}\", backend = \"app\", server = \"app1\""),
                ),
                &check(
                    "unknown",
                    "haproxy",
                    &format!("address = \"{socket}\", backend = \"spp\""),
                ),
            ]
            .map(String::as_str)
            .concat(),
        ),
    );
    wait_for_verdict(&daemon, "runs", "passing", "HAProxy 2.");
    wait_for_verdict(
        &daemon,
        "app",
        "passing",
        "frontend web is OPEN, backend app is UP",
    );
    wait_for_verdict(&daemon, "server", "passing", "server app/app1 is UP");
    wait_for_verdict(
        &daemon,
        "unknown",
        "failing",
        "HAProxy knows no backend spp",
    );

    drop(app);
    wait_for_verdict(&daemon, "app", "failing", "backend app is DOWN");
    wait_for_verdict(&daemon, "server", "failing", "server app/app1 is DOWN");
    wait_for_verdict(&daemon, "runs", "passing", "HAProxy 2.");
    let _app = WebServer::start(&stage.first, APP);
    wait_for_verdict(&daemon, "app", "passing", "backend app is UP");

    haproxy.signal(Signal::STOP).expect("it is ours");
    for check in ["runs", "app"] {
        wait_for_verdict(&daemon, check, "failing", "no answer within");
    }
    haproxy.signal(Signal::CONT).expect("it is ours");
    wait_for_verdict(&daemon, "app", "passing", "backend app is UP");

    haproxy.signal(Signal::KILL).expect("it is ours");
    haproxy.wait(LIMIT).expect("a killed process ends");
    for check in ["runs", "app"] {
        wait_for_verdict(&daemon, check, "failing", "connection refused");
    }
}

fn start(host: &Netns, folder: &OpenFolder) -> Process {
    // Closed to the user that modules run as, as Debian's own is.
    let socket = folder.path("stats.sock");
    folder.write(
        "haproxy.cfg",
        &format!(
            "global\n  \
               stats socket {socket} mode 600\n  \
               stats socket ipv4@127.0.0.1:9999\n\
             defaults\n  \
               mode http\n  \
               timeout connect 1s\n  \
               timeout client 1s\n  \
               timeout server 1s\n\
             frontend web\n  \
               bind 127.0.0.1:80\n  \
               default_backend app\n\
             backend app\n  \
               server app1 127.0.0.1:{APP} check inter 100ms rise 1 fall 1\n"
        ),
    );
    // In the foreground and in one process, which is the one that is stopped and killed.
    host.spawn(&["haproxy", "-db", "-f", &folder.path("haproxy.cfg")])
        .expect("haproxy can be started")
}
