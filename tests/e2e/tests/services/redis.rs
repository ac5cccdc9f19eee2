use std::time::Duration;

use e2e::authority::{Authority, DAY};
use e2e::daemon::{Daemon, LIMIT};
use e2e::service::OpenFolder;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use lab::{Netns, Process, Signal};

use crate::{check, track, wait_for_verdict};

const PASSWORD: &str = "sesame";

#[test]
fn redis_is_seen_as_what_it_is() {
    let stage = Stage::new().expect("the laboratory works");
    let folder = OpenFolder::new(None);
    let authority = Authority::new("authority");
    authority.write(folder.path("ca.pem"));
    let valid_for = 10 * DAY - Duration::from_secs(60);
    authority.certify("localhost", valid_for, folder.path(""));
    let mut redis = start(&stage.first, &folder);
    let tls = format!(
        "tls = {{ server-name = \"localhost\", ca-file = \"{}\", client-certificate-file = \"{}\", client-key-file = \"{}\" }}",
        folder.path("ca.pem"),
        folder.path("localhost.pem"),
        folder.path("localhost.key"),
    );
    let socket = folder.path("redis.sock");
    let password_file = folder.path("password");
    folder.write_secret("password", &format!("{PASSWORD}\n"));
    let password = format!("password-file = \"{password_file}\"");
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&[
            &track(&["primary", "socket", "locked-out", "certificate", "stranger"]),
            &check(
                "primary",
                "redis",
                &format!("address = \"127.0.0.1:6380\", role = \"primary\", {password}, {tls}"),
            ),
            &check("socket", "redis", &format!("address = \"{socket}\", role = \"primary\", {password}")),
            &check("locked-out", "redis", "address = \"127.0.0.1:6379\", password = \"simsala\""),
            &check(
                "certificate",
                "tcp",
                &format!(
                    "address = \"127.0.0.1:6380\", send = \"PING\\r\\n\", expect = \"-NOAUTH\", certificate-warning = \"14d\", {tls}"
                ),
            ),
            &check("stranger", "tcp", "address = \"127.0.0.1:6380\", tls = true"),
        ].map(String::as_str).concat()),
    );

    let is_primary = "127.0.0.1:6380 is primary";
    wait_for_verdict(&daemon, "primary", "passing", is_primary);
    wait_for_verdict(
        &daemon,
        "socket",
        "passing",
        &format!("{socket} is primary"),
    );
    wait_for_verdict(&daemon, "locked-out", "error", "WRONGPASS");
    let warning = "answers as expected, but its certificate ends in 9 days";
    wait_for_verdict(&daemon, "certificate", "warning", warning);
    wait_for_verdict(&daemon, "stranger", "failing", "UnknownIssuer");

    redis_cli(&stage.first, &["replicaof", "127.0.0.1", "1"]);
    let is_replica = "127.0.0.1:6380 is replica, and has to be primary";
    wait_for_verdict(&daemon, "primary", "failing", is_replica);
    redis_cli(&stage.first, &["replicaof", "no", "one"]);
    wait_for_verdict(&daemon, "primary", "passing", is_primary);

    redis.signal(Signal::STOP).expect("it is ours");
    for check in ["primary", "socket", "certificate"] {
        wait_for_verdict(&daemon, check, "failing", "no answer within");
    }
    redis.signal(Signal::CONT).expect("it is ours");
    wait_for_verdict(&daemon, "primary", "passing", is_primary);

    redis.signal(Signal::KILL).expect("it is ours");
    redis.wait(LIMIT).expect("a killed process ends");
    for check in ["primary", "socket", "certificate", "stranger"] {
        wait_for_verdict(&daemon, check, "failing", "connection refused");
    }
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
}

fn start(host: &Netns, folder: &OpenFolder) -> Process {
    let file = |name| folder.path(name);
    let [socket, certificate, key, ca] =
        ["redis.sock", "localhost.pem", "localhost.key", "ca.pem"].map(file);
    let redis = host
        .spawn(&[
            "redis-server",
            "--port",
            "6379",
            "--bind",
            "127.0.0.1",
            "--dir",
            &folder.path(""),
            "--save",
            "",
            "--requirepass",
            PASSWORD,
            "--unixsocket",
            &socket,
            "--unixsocketperm",
            "777",
            "--tls-port",
            "6380",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
        ])
        .expect("redis-server can be started");
    redis
        .wait_for_log(LIMIT, "The server is now ready to accept connections at")
        .expect("it starts");
    redis
}

fn redis_cli(host: &Netns, command: &[&str]) {
    let argv = [&["redis-cli", "--no-auth-warning", "-a", PASSWORD], command].concat();
    let answer = host.run(&argv).expect("redis-cli is there");
    assert_eq!(answer.trim(), "OK");
}
