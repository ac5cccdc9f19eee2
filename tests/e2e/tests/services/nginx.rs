use std::fs;

use e2e::authority::{Authority, DAY};
use e2e::daemon::{Daemon, LIMIT};
use e2e::service::OpenFolder;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use lab::{Netns, Process, Signal, wait_until};

use crate::{check, track, wait_for_verdict};

/// An nginx that only talks to whoever has a certificate of its own authority.
#[test]
fn a_web_service_with_certificates_on_both_sides_is_asked_and_told() {
    let stage = Stage::new().expect("the laboratory works");
    let folder = OpenFolder::new(None);
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    own.write(folder.path("own.pem"));
    other.write(folder.path("other.pem"));
    for name in ["localhost", "probe"] {
        own.certify(name, 30 * DAY, folder.path(""));
    }
    folder.write("garbage.key", "-----BEGIN NONSENSE-----\n");
    let mut nginx = start(&stage.first, &folder);

    let url = "url = \"https://localhost:8443/health\"";
    let numbered = "url = \"https://127.0.0.1:8443/health\"";
    let certificate = |key: &str| {
        format!(
            "client-certificate-file = \"{}\", client-key-file = \"{}\"",
            folder.path("probe.pem"),
            folder.path(key)
        )
    };
    let ca = |file: &str| format!("ca-file = \"{}\"", folder.path(file));
    let (own, probe) = (ca("own.pem"), certificate("probe.key"));
    let asks = |name: &str, url: &str, tls: &str| {
        check(name, "http", &format!("{url}, tls = {{ {tls} }}"))
    };
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(
            &[
                &track(&[
                    "known", "named", "stranger", "wrong-ca", "wrong-name", "gone", "garbage",
                ]),
                "notify = [{ on = \"master\", hook = \"tell\" }]\n",
                "[hooks.tell]\nmodule = \"webhook\"\n",
                &format!("config = {{ url = \"https://localhost:8443/told\", tls = {{ {own}, {probe} }} }}\n"),
                &asks("known", url, &format!("{own}, {probe}")),
                &asks("named", numbered, &format!("server-name = \"localhost\", {own}, {probe}")),
                &asks("stranger", url, &own),
                &asks("wrong-ca", url, &format!("{}, {probe}", ca("other.pem"))),
                &asks("wrong-name", numbered, &format!("{own}, {probe}")),
                &asks("gone", url, &format!("{own}, {}", certificate("gone.key"))),
                &asks("garbage", url, &format!("{own}, {}", certificate("garbage.key"))),
            ]
            .concat(),
        ),
    );
    let gave_200 = "GET https://localhost:8443/health gave 200";
    // Only root can read the key, and no module is run by root.
    wait_for_verdict(&daemon, "known", "passing", gave_200);
    wait_for_verdict(&daemon, "named", "passing", "gave 200");
    wait_for_verdict(&daemon, "stranger", "failing", "gave 400");
    let (unknown, invalid) = ("UnknownIssuer", "not valid for name \"127.0.0.1\"");
    wait_for_verdict(&daemon, "wrong-ca", "failing", unknown);
    wait_for_verdict(&daemon, "wrong-name", "failing", invalid);
    let gone = "gone.key cannot be read: there is no such file";
    wait_for_verdict(&daemon, "gone", "error", gone);
    let garbage = "garbage.key has no private key in PEM form";
    wait_for_verdict(&daemon, "garbage", "error", garbage);

    daemon.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "the hook to tell nginx", || {
        let log = fs::read_to_string(folder.path("access.log")).unwrap_or_default();
        let told = log.contains("POST /told 200 CN=probe\n");
        told.then_some(()).ok_or(log)
    })
    .unwrap_or_else(|error| panic!("{error}"));

    nginx.signal(Signal::STOP).expect("it is ours");
    wait_for_verdict(&daemon, "known", "failing", "no answer within");
    nginx.signal(Signal::CONT).expect("it is ours");
    wait_for_verdict(&daemon, "known", "passing", gave_200);
    nginx.signal(Signal::KILL).expect("it is ours");
    nginx.wait(LIMIT).expect("a killed process ends");
    wait_for_verdict(&daemon, "known", "failing", "connection refused");
}

fn start(host: &Netns, folder: &OpenFolder) -> Process {
    let file = |name: &str| folder.path(name);
    // In the foreground and in one process, which is the one that is stopped and killed.
    let config = format!(
        "daemon off;\n\
         master_process off;\n\
         pid {pid};\n\
         error_log stderr;\n\
         events {{}}\n\
         http {{\n  \
           log_format told '$request_method $uri $status $ssl_client_s_dn';\n  \
           access_log {log} told;\n  \
           server {{\n    \
             listen 127.0.0.1:8443 ssl;\n    \
             ssl_certificate {certificate};\n    \
             ssl_certificate_key {key};\n    \
             ssl_client_certificate {ca};\n    \
             ssl_verify_client on;\n    \
             location / {{ return 200 well; }}\n  \
           }}\n\
         }}\n",
        pid = file("nginx.pid"),
        log = file("access.log"),
        certificate = file("localhost.pem"),
        key = file("localhost.key"),
        ca = file("own.pem"),
    );
    folder.write("nginx.conf", &config);
    host.spawn(&["nginx", "-c", &file("nginx.conf")])
        .expect("nginx can be started")
}
