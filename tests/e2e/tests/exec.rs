//! Scripts that were written for keepalived, as checks and hooks of the real daemon, and files that decide.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use e2e::daemon::{Daemon, LIMIT};
use e2e::refused::Attempt;
use e2e::stage::{INSTANCE, Stage, cluster};
use hostile::Guests;
use lab::scenario::State;
use lab::{Signal, wait_until};
use tempfile::TempDir;

/// Scripts and what they write, where everybody can get at them.
struct Scripts(TempDir);

impl Scripts {
    fn new() -> Self {
        let folder = TempDir::with_prefix("scripts-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A script of sh, in which `$DIR` is this folder.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.0.path().display();
        self.write(name, &format!("#!/bin/sh\nDIR={folder}\n{text}\n"), 0o755)
    }

    /// A file that every script may change.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        self.write(name, content, 0o666)
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let (new, path) = (self.path("new"), self.path(name));
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        // Whoever reads it meanwhile sees the old content or the new one.
        fs::rename(&new, &path).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Waits until a file says so.
    fn wait_for(&self, name: &str, wanted: &str) {
        let waited = wait_until(LIMIT, &format!("{name} to say {wanted}"), || {
            let text = self.read(name);
            if text == wanted { Ok(()) } else { Err(text) }
        });
        waited.unwrap();
    }

    /// Waits until a script has written its process id, and gives it.
    fn pid(&self, name: &str) -> u32 {
        let waited = wait_until(LIMIT, &format!("a process id in {name}"), || {
            let text = self.read(name);
            text.trim().parse().map_err(|_| text)
        });
        waited.unwrap()
    }
}

fn wait_until_gone(pid: u32) {
    let waited = wait_until(LIMIT, &format!("process {pid} to be gone"), || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        // A zombie runs no more.
        match stat {
            Ok(stat) if !stat.contains(") Z ") => Err(stat),
            _ => Ok(()),
        }
    });
    waited.unwrap();
}

/// A check or hook `exec` that runs a command.
fn exec(kind: &str, name: &str, command: &Path, keys: &str) -> String {
    format!(
        "[{kind}.{name}]\n\
         module = \"exec\"\n\
         config = {{ command = \"{}\"{keys} }}\n",
        command.display()
    )
}

#[test]
fn scripts_of_keepalived_move_the_address_and_are_told_in_order() {
    let stage = Stage::new().unwrap();
    let scripts = Scripts::new();
    let check = scripts.script(
        "check",
        "code=$(cat $DIR/code)\n[ $code = 0 ] || echo the app is down\nexit $code",
    );
    let notify = scripts.script("notify", "echo \"$@\" >> $DIR/told-$1; shift");
    scripts.file("code", "0");
    scripts.file("told-first", "");
    scripts.file("told-second", "");
    let file = |node: &str| {
        cluster(&format!(
            "priority = {{ first = 200, second = 100 }}\n\
             track = [{{ check = \"app\", nodes = [\"first\"] }}]\n\
             notify = [{{ on = [\"master\", \"backup\", \"fault\", \"stop\"], hook = \"tell\" }}]\n\
             {}interval = \"100ms\"\n{}every = true\n",
            exec("checks", "app", &check, ""),
            exec("hooks", "tell", &notify, &format!(", args = [\"{node}\"]")),
        ))
    };
    let mut first = Daemon::start(&stage.first, "first", &file("first"));
    first.wait_for_state(INSTANCE, State::Master);
    let mut second = Daemon::start(&stage.second, "second", &file("second"));
    second.wait_for_state(INSTANCE, State::Backup);

    scripts.file("code", "3");
    first.wait_for_state(INSTANCE, State::Fault);
    second.wait_for_state(INSTANCE, State::Master);
    let status = first.status().unwrap();
    let app = &status["checks"]["app"];
    assert_eq!(app["verdict"], "failing", "{app}");
    let summary = format!("{} ended with code 3: the app is down", check.display());
    assert_eq!(app["summary"], summary.as_str());

    scripts.file("code", "0");
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    for daemon in [&mut first, &mut second] {
        daemon.process.signal(Signal::TERM).unwrap();
        daemon.process.wait(LIMIT).unwrap();
    }
    let told = |node: &str, states: &[&str], priority: u8| {
        let line = |state: &&str| format!("{node} INSTANCE {INSTANCE} {state} {priority}\n");
        states.iter().map(line).collect::<String>()
    };
    let all = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP"];
    scripts.wait_for("told-first", &told("first", &all, 200));
    let all = ["BACKUP", "MASTER", "BACKUP"];
    let until_stop = scripts.read("told-second");
    // When the first host stops, the second one may become MASTER before it stops itself.
    let begun = told("second", &all, 100);
    assert!(until_stop.starts_with(&begun), "{until_stop}");
    assert!(until_stop.ends_with("STOP 100\n"), "{until_stop}");
}

#[test]
fn a_script_that_hangs_is_killed_and_is_no_verdict() {
    let stage = Stage::new().unwrap();
    let scripts = Scripts::new();
    let hanging = |name: &str| {
        let text = format!("trap '' TERM\necho $$ > $DIR/{name}.pid\nsleep 600");
        scripts.file(&format!("{name}.pid"), "");
        text
    };
    let check = scripts.script(
        "check",
        &format!("[ -s $DIR/hang ] || exit 0\n{}", hanging("check")),
    );
    let farewell = scripts.script("farewell", &hanging("farewell"));
    scripts.file("hang", "");
    let file = cluster(&format!(
        "track = [{{ check = \"app\" }}]\n\
         notify = [{{ on = \"stop\", hook = \"farewell\" }}]\n\
         {}interval = \"500ms\"\ntimeout = \"300ms\"\nerror-hold = 1000\n{}",
        exec("checks", "app", &check, ""),
        exec("hooks", "farewell", &farewell, ""),
    ));
    let mut daemon = Daemon::start(&stage.first, "first", &file);
    daemon.wait_for_state(INSTANCE, State::Master);

    scripts.file("hang", "yes");
    let status = daemon.wait_for("errors of the check", |status| {
        status["checks"]["app"]["errors"].as_u64() >= Some(3)
    });
    let app = &status["checks"]["app"];
    assert_eq!(app["verdict"], "error", "{app}");
    assert_eq!(app["standing"], "up", "{app}");
    let summary = app["summary"].as_str().unwrap();
    let wanted = format!("timeout: {} did not end within ", check.display());
    assert!(summary.starts_with(&wanted), "{summary}");
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");

    scripts.file("hang", "");
    daemon.wait_for("the check to pass again", |status| {
        status["checks"]["app"]["verdict"] == "passing"
    });
    wait_until_gone(scripts.pid("check.pid"));

    daemon.process.signal(Signal::TERM).unwrap();
    let farewell = scripts.pid("farewell.pid");
    daemon.process.wait(LIMIT).unwrap();
    wait_until_gone(farewell);
}

#[test]
fn the_number_in_a_file_moves_the_address() {
    let stage = Stage::new().unwrap();
    let scripts = Scripts::new();
    let number = scripts.file("number", "0");
    let file = cluster(&format!(
        "priority = {{ first = 120, second = 100 }}\n\
         track = [{{ check = \"number\", nodes = [\"first\"] }}]\n\
         [checks.number]\n\
         module = \"file\"\n\
         interval = \"100ms\"\n\
         config = {{ path = \"{}\", weight = 10 }}\n",
        number.display()
    ));
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    second.wait_for_state(INSTANCE, State::Backup);

    scripts.file("number", "-5");
    second.wait_for_state(INSTANCE, State::Master);
    first.wait_for_state(INSTANCE, State::Backup);
    let status = first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["priority"]["effective"], 70);

    scripts.file("number", "3");
    first.wait_for_state(INSTANCE, State::Master);
    let status = first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["priority"]["effective"], 150);

    // As with keepalived, this is more than a weight.
    scripts.file("number", "-26");
    first.wait_for_state(INSTANCE, State::Fault);
    fs::remove_file(&number).unwrap();
    first.wait_for_state(INSTANCE, State::Master);
}

#[test]
fn what_cannot_work_starts_nothing_and_is_told_with_what_to_write() {
    let stage = Stage::new().unwrap();
    let scripts = Scripts::new();
    let open = scripts.write("open", "#!/bin/sh\n", 0o777);
    let missing = scripts.path("missing");
    let plain = scripts.write("plain", "#!/bin/sh\n", 0o644);
    let attempt = Attempt::new(cluster(&format!(
        "track = [{{ check = \"open\" }}, {{ check = \"missing\" }}]\n\
         notify = [{{ on = \"master\", hook = \"plain\" }}]\n{}{}{}",
        exec("checks", "open", &open, ""),
        exec("checks", "missing", &missing, ""),
        exec("hooks", "plain", &plain, ""),
    )));
    let (open, missing, plain) = (open.display(), missing.display(), plain.display());
    for refusal in [
        attempt.start(&stage.first),
        attempt.check_config(&stage.first),
    ] {
        refusal.assert_says(
            78,
            &[
                &format!("{open} cannot be run: others than its owner can change {open}: chmod go-w {open}"),
                &format!("{missing} cannot be run: there is no such file"),
                &format!("{plain} cannot be run: the user with the number 65534 may not execute it"),
                &format!("chmod a+rx {plain}"),
                &format!("config = {{ command = \"{missing}\" }}"),
                "3 errors",
            ],
        );
    }
    attempt.assert_nothing_started(&stage.first);

    let user = Attempt::new(cluster(&format!(
        "track = [{{ check = \"app\" }}]\n{}user = \"no-such-user\"\n",
        exec("checks", "app", Path::new("/bin/true"), ""),
    )));
    user.start(&stage.first).assert_says(
        78,
        &[
            "this host has no user no-such-user; `getent passwd` lists those it has",
            "user = \"no-such-user\"",
        ],
    );

    let relative = Attempt::new(cluster(&format!(
        "track = [{{ check = \"app\" }}]\n{}",
        exec("checks", "app", Path::new("check.sh"), ""),
    )));
    relative
        .start(&stage.first)
        .assert_says(78, &["write an absolute path", "check.sh"]);
}

#[test]
fn a_module_from_elsewhere_reads_and_runs_what_is_pasted_and_no_more() {
    let stage = Stage::new().unwrap();
    let scripts = Scripts::new();
    let granted = scripts.path("granted");
    fs::create_dir(&granted).unwrap();
    fs::set_permissions(&granted, fs::Permissions::from_mode(0o755)).unwrap();
    scripts.file("granted/state", "as primary");
    scripts.file("secret", "secret");
    std::os::unix::fs::symlink("../secret", granted.join("link")).unwrap();
    let module = Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file("served");
    let module = module.display();
    let check = |name: &str, act: &str, with: &str, keys: &str| {
        let needs = match act {
            "read" => format!("\"read:{}\"", granted.display()),
            _ => "\"exec:/bin/echo\"".to_owned(),
        };
        format!(
            "[checks.{name}]\n\
             module = \"{module}\"\n\
             interval = \"200ms\"\n\
             config = {{ do = \"{act}\", with = \"{with}\", args = [\"hello\"], needs = [{needs}] }}\n{keys}\n"
        )
    };
    let state = granted.join("state");
    let tracked = |checks: &str| cluster(&format!("{checks}\n"));
    let refused = Attempt::new(tracked(&format!(
        "track = [{{ check = \"inside\" }}]\n{}",
        check("inside", "read", state.to_str().unwrap(), "")
    )));
    let line = format!("allow = [\"read:{}\"]", granted.display());
    refused.start(&stage.first).assert_says(78, &[&line]);

    let allow = format!(
        "allow = [\"read:{}\", \"exec:/bin/echo\"]",
        granted.display()
    );
    let file = [
        ("inside", "read", state.as_path()),
        ("link", "read", &granted.join("link")),
        ("echo", "run", Path::new("/bin/echo")),
        ("shell", "run", Path::new("/bin/sh")),
    ]
    .map(|(name, act, path)| check(name, act, path.to_str().unwrap(), &allow))
    .concat();
    let tracks =
        ["inside", "link", "echo", "shell"].map(|name| format!("{{ check = \"{name}\" }}"));
    let file = tracked(&format!("track = [{}]\n{file}", tracks.join(", ")));
    let daemon = Daemon::start(&stage.first, "first", &file);
    daemon.wait_for_state(INSTANCE, State::Master);
    let status = daemon.status().unwrap();
    let summary = |check: &str| status["checks"][check]["summary"].as_str().unwrap();
    assert_eq!(summary("inside"), "as primary");
    assert!(summary("link").contains("Denied"), "{status}");
    assert!(
        summary("echo").starts_with(r#"Ending::Exited(0) "hello\n""#),
        "{status}"
    );
    assert!(summary("shell").contains("Denied"), "{status}");
    let log = daemon.process.log();
    assert!(
        log.contains("denied: exec:/bin/sh; to allow it write allow = ["),
        "{log}"
    );
}
