use e2e::daemon::{Daemon, LIMIT};
use e2e::service::{OpenFolder, postgres_program, run_as, spawn_as};
use e2e::stage::{Stage, cluster};
use lab::{Netns, Process, Signal};
use serde_json::Value;

use crate::{check, track, wait_for_verdict};

/// The user that Debian's package makes; the server refuses to be root.
const USER: &str = "postgres";
const PASSWORD: &str = "sesame";

#[test]
fn postgres_is_seen_as_what_it_is() {
    let stage = Stage::new().expect("the laboratory works");
    let host = &stage.first;
    let folder = OpenFolder::new(Some(USER));
    initialise(host, &folder);
    let mut primary = start(host, &folder, "primary", 5432);
    let _replica = start(host, &folder, "replica", 5433);
    folder.write_secret("check-password", &format!("{PASSWORD}\n"));
    let file = folder.path("check-password");
    let login = format!("user = \"{USER}\", password-file = \"{file}\"");
    let at = |port| format!("address = \"127.0.0.1:{port}\"");
    let daemon = Daemon::start(
        host,
        "first",
        &cluster(
            &[
                &track(&[
                    "primary",
                    "replica",
                    "md5",
                    "trusted",
                    "plain",
                    "locked-out",
                ]),
                &check(
                    "primary",
                    "postgres",
                    &format!("{}, role = \"primary\", {login}", at(5432)),
                ),
                &check(
                    "replica",
                    "postgres",
                    &format!("{}, role = \"replica\", {login}", at(5433)),
                ),
                &check(
                    "md5",
                    "postgres",
                    &format!("{}, user = \"old\", password = \"{PASSWORD}\"", at(5432)),
                ),
                &check(
                    "trusted",
                    "postgres",
                    &format!(
                        "address = \"{}\", user = \"{USER}\"",
                        folder.path(".s.PGSQL.5432")
                    ),
                ),
                &check(
                    "plain",
                    "postgres",
                    &format!("{}, {login}, tls = true", at(5432)),
                ),
                &check(
                    "locked-out",
                    "postgres",
                    &format!("{}, user = \"{USER}\", password = \"x\"", at(5432)),
                ),
            ]
            .map(String::as_str)
            .concat(),
        ),
    );
    let status = wait_for_verdict(&daemon, "primary", "passing", "127.0.0.1:5432 is primary");
    print_cost(&status["checks"]["primary"]);
    wait_for_verdict(&daemon, "replica", "passing", "127.0.0.1:5433 is replica");
    wait_for_verdict(&daemon, "md5", "passing", "127.0.0.1:5432 is primary");
    wait_for_verdict(&daemon, "trusted", "passing", "5432 is primary");
    wait_for_verdict(&daemon, "plain", "failing", "the server does not speak TLS");
    wait_for_verdict(
        &daemon,
        "locked-out",
        "error",
        "password authentication failed",
    );

    let data = folder.path("replica");
    run_as(
        USER,
        host,
        &[&postgres_program("pg_ctl"), "promote", "-w", "-D", &data],
    );
    let promoted = "127.0.0.1:5433 is primary, and has to be replica";
    let status = wait_for_verdict(&daemon, "replica", "failing", promoted);
    print_cost(&status["checks"]["primary"]);
    assert_eq!(status["checks"]["primary"]["errors"], 0, "{status}");
    let log = daemon.process.log();
    for text in [log, status.to_string()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }

    primary.signal(Signal::STOP).expect("it is ours");
    for check in ["primary", "trusted"] {
        wait_for_verdict(&daemon, check, "failing", "no answer within");
    }
    primary.signal(Signal::CONT).expect("it is ours");
    wait_for_verdict(&daemon, "primary", "passing", "127.0.0.1:5432 is primary");

    // An immediate shutdown: it ends its children and itself, and cleans nothing up.
    primary.signal(Signal::QUIT).expect("it is ours");
    primary.wait(LIMIT).expect("it ends");
    wait_for_verdict(&daemon, "primary", "failing", "connection refused");

    // The interpreter takes several times as long for the same login, within the same limit.
    drop(daemon);
    let promoted = check(
        "promoted",
        "postgres",
        &format!("{}, role = \"primary\", {login}", at(5433)),
    );
    let engine = "[sandbox]\nengine = \"pulley\"\n";
    let keys = [&track(&["promoted"]), engine, &promoted].concat();
    let daemon = Daemon::start(host, "first", &cluster(&keys));
    for runs in [1, 3] {
        let status = daemon.wait_for("the interpreter to log in", |status| {
            let check = &status["checks"]["promoted"];
            check["verdict"] == "passing" && check["runs"].as_u64() >= Some(runs)
        });
        print_cost(&status["checks"]["promoted"]);
        assert_eq!(status["checks"]["promoted"]["errors"], 0, "{status}");
    }
}

fn print_cost(check: &Value) {
    let (runs, wall, cpu) = (&check["runs"], &check["last-run-us"], &check["last-cpu-us"]);
    println!("login {runs} with SCRAM took {wall} µs, {cpu} µs of them of a processor");
}

/// The data of two servers, of which the second one is in recovery.
fn initialise(host: &Netns, folder: &OpenFolder) {
    folder.write("password", PASSWORD);
    let (primary, replica) = (folder.path("primary"), folder.path("replica"));
    let password = folder.path("password");
    run_as(
        USER,
        host,
        &[
            &postgres_program("initdb"),
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
            "--username",
            USER,
            "--pwfile",
            &password,
            "-D",
            &primary,
        ],
    );
    let hba = format!("{primary}/pg_hba.conf");
    let others = std::fs::read_to_string(&hba).expect("initdb writes it");
    std::fs::write(&hba, format!("host all old 127.0.0.1/32 md5\n{others}")).expect("root may");
    // In single-user mode, because there is no server yet that could be asked.
    let sql =
        format!("set password_encryption = 'md5'; create role old login password '{PASSWORD}';");
    let single = format!(
        "echo \"{sql}\" | {} --single -D {primary} postgres",
        postgres_program("postgres")
    );
    run_as(USER, host, &["sh", "-c", &single]);
    run_as(USER, host, &["cp", "--archive", &primary, &replica]);
    run_as(USER, host, &["touch", &format!("{replica}/standby.signal")]);
}

fn start(host: &Netns, folder: &OpenFolder, name: &str, port: u16) -> Process {
    let setting = |key: &str, value: &str| format!("{key}={value}");
    let server = spawn_as(
        USER,
        host,
        &[
            &postgres_program("postgres"),
            "-D",
            &folder.path(name),
            "-c",
            &setting("port", &port.to_string()),
            "-c",
            &setting(
                "unix_socket_directories",
                folder.path("").trim_end_matches('/'),
            ),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "shared_memory_type=mmap",
            "-c",
            "dynamic_shared_memory_type=mmap",
        ],
    );
    server
        .wait_for_log(LIMIT, "ready to accept")
        .expect("it starts");
    server
}
