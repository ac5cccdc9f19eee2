//! `vrrp-host status --watch`, on a terminal and elsewhere.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::daemon::LIMIT;
use e2e::path::utf8;
use e2e::stage::INSTANCE;
use lab::scenario::{State, vrrp_host_binary};
use lab::{Signal, wait_until};
use tempfile::TempDir;

use super::Pair;

const END_OF_FRAME: &str = "\u{1b}[?2026l";

/// What the screen shows after each drawing that is whole: what has been written to the terminal, without its commands.
fn frames(written: &str) -> Vec<String> {
    let mut frames: Vec<&str> = written.split(END_OF_FRAME).collect();
    frames.pop();
    frames.into_iter().map(without_commands).collect()
}

fn without_commands(written: &str) -> String {
    let mut text = String::new();
    let mut rest = written;
    while let Some((before, command)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        // CSI, parameters, and a letter.
        let end = command.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &command[end + 1..]);
    }
    text.push_str(rest);
    text.replace('\r', "")
}

#[test]
fn a_terminal_shows_it_anew_without_blanks_in_between_until_somebody_has_seen_enough() {
    let pair = Pair::new();
    let folder = TempDir::with_prefix("terminal-").unwrap();
    let capture = folder.path().join("capture");
    let command = format!(
        "stty columns 110 rows 40; exec {} status --watch --control {}",
        utf8(&vrrp_host_binary().unwrap()),
        utf8(pair.first.control()),
    );
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &command])
        .arg(&capture)
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let written = || fs::read_to_string(&capture).unwrap_or_default();
    let shows = |what: &str| {
        let frame = wait_until(LIMIT, &format!("{what:?} to be shown"), || {
            let written = written();
            match frames(&written).pop() {
                Some(frame) if frame.contains(what) => Ok(frame),
                _ => Err(written),
            }
        });
        frame.unwrap_or_else(|error| panic!("{error}"))
    };
    let healthy = shows("Nothing is wrong.");
    assert!(healthy.contains("MASTER"), "{healthy}");
    drop(pair.checked);
    pair.first.wait_for_state(INSTANCE, State::Fault);
    let fault = shows("is in FAULT since");
    let wrong = fault.find("WRONG").unwrap();
    assert!(wrong < fault.find("INSTANCE").unwrap(), "{fault}");

    script.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    let ended = script.wait().unwrap();
    assert!(ended.success(), "{ended:?}");
    let written = written();
    // Colours, a screen of its own that is left again, and no line that is blank for a moment.
    for command in ["\u{1b}[?1049h", "\u{1b}[?1049l", "\u{1b}[?25h", "\u{1b}[1m"] {
        assert!(written.contains(command), "{command:?} in {written:?}");
    }
    assert!(!written.contains("\u{1b}[2J"), "{written:?}");

    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("status-watch.txt");
    let shown = format!("{healthy}\n{}\n\n{fault}\n", "-".repeat(110));
    fs::write(kept, &shown).unwrap();
    println!("{shown}");
}

#[test]
fn elsewhere_a_line_tells_what_is_new() {
    let pair = Pair::new();
    let binary = vrrp_host_binary().unwrap();
    let control = utf8(pair.first.control());
    let command = [utf8(&binary), "status", "--watch", "--control", control];
    let mut watch = pair.stage.first.spawn(&command).unwrap();
    watch
        .wait_for_log(LIMIT, &format!("{INSTANCE}: MASTER"))
        .unwrap();
    drop(pair.checked);
    watch
        .wait_for_log(LIMIT, &format!("WRONG {INSTANCE} is in FAULT"))
        .unwrap();
    let log = watch.log();
    assert!(!log.contains('\u{1b}'), "{log}");
    println!("{log}");
    watch.signal(Signal::INT).unwrap();
    watch.wait(LIMIT).unwrap();
}
