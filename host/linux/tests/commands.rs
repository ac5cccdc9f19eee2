//! Commands as real processes, and whatever they do to get out of their limits.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{PATIENCE, is_root};
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;
use vrrp_linux::command::{
    Command, CommandError, Ending, LeftRunning, OUTPUT_MAX, Output, Untrusted, check,
};
use vrrp_linux::user::User;

/// Scripts in a folder that everybody can read.
struct Scripts(TempDir);

impl Scripts {
    fn new() -> Self {
        let folder = TempDir::with_prefix("commands-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes one that is run by sh.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        self.file(name, &format!("#!/bin/sh\n{text}\n"), 0o755)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    Command {
        program: program.to_owned(),
        arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        user: User::unprivileged(),
        left_running: LeftRunning::IsKilled,
    }
}

/// A pipe that nobody closes.
fn never() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn run_within(command: &Command, limit: Duration) -> Result<Output, CommandError> {
    let (stop, _open) = never();
    let mut outcome = None;
    command.run(Instant::now() + limit, &stop, |answer| {
        outcome = Some(answer)
    });
    outcome.unwrap()
}

#[track_caller]
fn output(command: &Command) -> Output {
    run_within(command, PATIENCE).unwrap()
}

#[track_caller]
fn stdout_of(command: &Command) -> String {
    let output = output(command);
    assert_eq!(output.ending, Ending::Exited(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a script that writes its processes into `pids`, past a time limit that begins when they are there. Gives how
/// long after the limit the answer came.
fn overrun(scripts: &Scripts, script: &Path) -> Duration {
    let limit = Duration::from_millis(300);
    let pids = scripts.file("pids", "", 0o666);
    let started = Instant::now();
    let (answers, answer) = mpsc::channel();
    let (stop, _open) = never();
    command(script, &[pids.to_str().unwrap()]).run(started + limit, &stop, |outcome| {
        answers.send((outcome, Instant::now())).unwrap();
    });
    let (outcome, answered) = answer.recv().unwrap();
    assert!(matches!(outcome, Err(CommandError::Timeout)), "{outcome:?}");
    // The run ends when the command is reaped; what it started is reaped by whoever adopted it.
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        wait_until_gone(pid.parse().unwrap());
    }
    answered - started - limit
}

#[track_caller]
fn wait_until_gone(pid: i32) {
    let deadline = Instant::now() + PATIENCE;
    while is_running(pid) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A zombie runs no more, and who has adopted it here may never look at it.
fn is_running(pid: i32) -> bool {
    let exists = test_kill_process(Pid::from_raw(pid).unwrap()).is_ok();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    exists && !stat.contains(") Z ")
}

#[test]
fn a_command_has_its_arguments_and_nothing_else() {
    let scripts = Scripts::new();
    let arguments = scripts.script("arguments", "printf '<%s>' \"$@\"");
    let arguments = command(&arguments, &["a b", "$HOME;*", ""]);
    assert_eq!(stdout_of(&arguments), "<a b><$HOME;*><>");
    let environment = "LANG=C.UTF-8\n\
                       PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
    let program = |path: &str, arguments: &[&str]| stdout_of(&command(Path::new(path), arguments));
    assert_eq!(program("/usr/bin/env", &[]), environment);
    assert_eq!(program("/bin/pwd", &[]), "/\n");
    assert_eq!(program("/bin/cat", &[]), "");
    // The last one is the folder that is being listed.
    assert_eq!(program("/bin/ls", &["/proc/self/fd"]), "0\n1\n2\n3\n");
    let group = scripts.script("group", "cut -d ' ' -f 5 /proc/$$/stat; echo $$");
    let group = stdout_of(&command(&group, &[]));
    let numbers: Vec<&str> = group.lines().collect();
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn a_code_and_a_signal_are_told_apart() {
    let scripts = Scripts::new();
    let exits = scripts.script("exits", "echo out; echo err >&2; exit 3");
    let exited = output(&command(&exits, &[]));
    assert_eq!(exited.ending, Ending::Exited(3));
    assert_eq!(
        (&exited.stdout[..], &exited.stderr[..]),
        (&b"out\n"[..], &b"err\n"[..])
    );
    let killed = scripts.script("killed", "kill -SEGV $$");
    assert_eq!(output(&command(&killed, &[])).ending, Ending::Signaled(11));
}

#[test]
fn a_script_that_ignores_the_first_signal_is_killed_by_the_second() {
    let scripts = Scripts::new();
    let script = scripts.script(
        "ignores",
        "trap 'echo ignored' TERM; echo $$ >> $1; while :; do sleep 1; done",
    );
    let late = overrun(&scripts, &script);
    assert!(late < Duration::from_millis(250), "{late:?}");
}

#[test]
fn a_script_that_says_that_all_is_well_when_its_time_is_over_is_not_believed() {
    let scripts = Scripts::new();
    let script = scripts.script(
        "well",
        "trap 'exit 0' TERM; echo $$ >> $1; sleep 600 & wait",
    );
    overrun(&scripts, &script);
}

#[test]
fn everything_that_a_script_started_is_killed_with_it() {
    let scripts = Scripts::new();
    // Each level ignores the polite signal, and starts more than the one above it waits for.
    let script = scripts.script(
        "family",
        "trap '' TERM\n\
         grow() { echo $$ >> $2; [ $1 = 0 ] || { grow $(($1 - 1)) $2 & grow $(($1 - 1)) $2 & }; sh -c 'echo $$ >> $0; sleep 600' $2; }\n\
         grow 3 $1",
    );
    overrun(&scripts, &script);
    let pids = fs::read_to_string(scripts.path("pids")).unwrap();
    assert!(pids.lines().count() >= 16, "{pids}");
}

#[test]
fn what_holds_the_pipes_keeps_nobody_waiting() {
    let scripts = Scripts::new();
    let script = scripts.script("leaves", "sleep 600 & echo $! ; exit 0");
    let started = Instant::now();
    let text = stdout_of(&command(&script, &[]));
    assert!(started.elapsed() < PATIENCE);
    wait_until_gone(text.trim().parse().unwrap());

    let stays = Command {
        left_running: LeftRunning::Stays,
        ..command(&script, &[])
    };
    let pid = stdout_of(&stays).trim().parse().unwrap();
    assert!(is_running(pid));
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}

#[test]
fn a_flood_of_output_is_cut_and_told() {
    let scripts = Scripts::new();
    let script = scripts.script(
        "flood",
        "head -c 1000000 /dev/zero; head -c 10 /dev/zero >&2",
    );
    let flood = output(&command(&script, &[]));
    assert_eq!(flood.ending, Ending::Exited(0));
    assert_eq!((flood.stdout.len(), flood.stderr.len()), (OUTPUT_MAX, 10));
    assert!(flood.truncated);
    let exact = scripts.script("exact", &format!("head -c {OUTPUT_MAX} /dev/zero"));
    let exact = output(&command(&exact, &[]));
    assert_eq!((exact.stdout.len(), exact.truncated), (OUTPUT_MAX, false));
    let endless = scripts.script("endless", "echo $$ >> $1; exec cat /dev/zero");
    overrun(&scripts, &endless);
}

#[test]
fn a_command_ends_with_its_caller() {
    let scripts = Scripts::new();
    let script = scripts.script("waits", "trap '' TERM; echo $$ > $1; sleep 600");
    let pids = scripts.file("pids", "", 0o666);
    let (stop, open) = never();
    let command = command(&script, &[pids.to_str().unwrap()]);
    let (answers, answer) = mpsc::channel();
    let runner = std::thread::spawn(move || {
        command.run(Instant::now() + PATIENCE * 10, &stop, |outcome| {
            answers.send(outcome).unwrap();
        });
    });
    let deadline = Instant::now() + PATIENCE;
    let pid: i32 = loop {
        if let Ok(pid) = fs::read_to_string(&pids).unwrap().trim().parse() {
            break pid;
        }
        assert!(Instant::now() < deadline, "the script does not start");
        std::thread::sleep(Duration::from_millis(5));
    };
    drop(open);
    let outcome = answer.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(outcome, Err(CommandError::Stopped)), "{outcome:?}");
    runner.join().unwrap();
    assert!(!is_running(pid));
}

#[test]
fn what_cannot_be_started_is_told() {
    let scripts = Scripts::new();
    let no_interpreter = scripts.file("interpreter", "#!/no/such/interpreter\n", 0o755);
    let not_executable = scripts.file("plain", "#!/bin/sh\n", 0o644);
    let user = User::unprivileged();
    for (program, message) in [
        (
            no_interpreter,
            "the interpreter that its first line names is missing".to_owned(),
        ),
        (
            not_executable,
            format!("the user {} may not execute it", user.name()),
        ),
        (scripts.path("none"), "there is no such file".to_owned()),
        (
            scripts.path("interpreter/none"),
            "there is no such file".to_owned(),
        ),
        (scripts.path(""), "it is not a regular file".to_owned()),
    ] {
        let error = run_within(&command(&program, &[]), PATIENCE).unwrap_err();
        assert_eq!(error.to_string(), message, "{program:?}");
    }
    let nul = run_within(&command(Path::new("/bin/echo"), &["a\0b"]), PATIENCE);
    assert!(matches!(nul, Err(CommandError::Start(_))), "{nul:?}");
}

#[test]
fn it_runs_as_its_user_and_without_rights() {
    if !is_root("it_runs_as_its_user_and_without_rights") {
        return;
    }
    let scripts = Scripts::new();
    let script = scripts.script(
        "who",
        "echo $(id -u) $(id -g) $(id -G)\n\
         grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs):' /proc/self/status | tr '\\t' ' '",
    );
    let as_user = |user: User| {
        let text = stdout_of(&Command {
            user,
            ..command(&script, &[])
        });
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let rights = |word: &str| format!("{word}: 0000000000000000");
    let none = ["CapPrm", "CapEff", "CapAmb"].map(rights);
    let nobody = as_user(User::unprivileged());
    assert_eq!(nobody[0], "65534 65534 65534");
    assert_eq!(nobody[1..4], none);
    assert_eq!(nobody[4], "NoNewPrivs: 1");
    let daemon = as_user(User::named("daemon").unwrap().unwrap());
    assert_eq!(daemon[0], "1 1 1");
    assert_eq!(daemon[1..], nobody[1..]);
    let root = as_user(User::named("root").unwrap().unwrap());
    assert!(root[0].starts_with("0 0"), "{root:?}");
    assert_ne!(root[2], none[1]);
    assert_eq!(root[4], "NoNewPrivs: 0");
}

#[test]
fn a_setuid_program_gives_no_rights() {
    if !is_root("a_setuid_program_gives_no_rights") {
        return;
    }
    let scripts = Scripts::new();
    let id = scripts.path("id");
    fs::copy("/usr/bin/id", &id).unwrap();
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(stdout_of(&command(&id, &["-u"])).trim(), "65534");
}

#[test]
fn what_others_can_change_is_not_run() {
    if !is_root("what_others_can_change_is_not_run") {
        return;
    }
    let scripts = Scripts::new();
    let user = User::unprivileged();
    let good = scripts.script("good", "exit 0");
    assert_eq!(check(&good, &user), Ok(()));
    assert_eq!(check(Path::new("good"), &user), Err(Untrusted::Relative));
    assert_eq!(
        check(&scripts.path("none"), &user),
        Err(Untrusted::NotFound)
    );
    assert_eq!(check(&scripts.path(""), &user), Err(Untrusted::NotAFile));

    let open = scripts.file("open", "#!/bin/sh\n", 0o757);
    assert_eq!(check(&open, &user), Err(Untrusted::Writable(open.clone())));
    let run = run_within(&command(&open, &[]), PATIENCE);
    assert!(
        matches!(run, Err(CommandError::Untrusted(Untrusted::Writable(_)))),
        "{run:?}"
    );

    let grouped = scripts.file("grouped", "#!/bin/sh\n", 0o775);
    assert_eq!(check(&grouped, &user), Ok(()), "the group is root's");
    chown(&grouped, None, Some(1)).unwrap();
    assert_eq!(check(&grouped, &user), Err(Untrusted::Writable(grouped)));

    let owned = scripts.script("owned", "exit 0");
    chown(&owned, Some(1), None).unwrap();
    assert!(matches!(
        check(&owned, &user),
        Err(Untrusted::Owner { owner: 1, .. })
    ));
    let owner = User::named("daemon").unwrap().unwrap();
    assert_eq!(check(&owned, &owner), Ok(()));

    let plain = scripts.file("plain", "#!/bin/sh\n", 0o744);
    assert!(matches!(
        check(&plain, &user),
        Err(Untrusted::NotExecutable { .. })
    ));
    assert_eq!(
        check(&plain, &User::named("root").unwrap().unwrap()),
        Ok(())
    );

    let folder = scripts.path("folder");
    fs::create_dir(&folder).unwrap();
    let below = scripts.script("folder/below", "exit 0");
    let link = scripts.path("link");
    symlink(&below, &link).unwrap();
    assert_eq!(check(&link, &user), Ok(()));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        check(&below, &user),
        Err(Untrusted::Writable(folder.clone()))
    );
    assert_eq!(
        check(&link, &user),
        Err(Untrusted::Writable(folder.clone()))
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(check(&below, &user), Ok(()));
}
