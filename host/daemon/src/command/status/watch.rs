//! `vrrp-host status --watch`: the status, again and again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, poll, read};
use crossterm::execute;
use crossterm::queue;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::problems::problems;
use super::words::Clock;
use super::{page, tables};
use crate::cli::Options;
use crate::command::ask::ask_status;
use crate::command::terminal::{Terminal, Tone};
use crate::exit::Failure;
use crate::status::Status;

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows the status until somebody has seen enough; where stdout is no terminal, a line for each thing that is new.
///
/// # Errors
/// When the terminal fails, or the first look when there is none. A daemon that is gone is shown, and waited for.
pub(crate) fn watch(options: &Options) -> Result<(), Failure> {
    if Terminal::of_stdout().width.is_some() {
        on_terminal(options).map_err(Failure::internal)
    } else {
        as_lines(options)
    }
}

fn on_terminal(options: &Options) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, ended.clone())?;
    }
    let mut screen = Screen::open()?;
    while !ended.load(Ordering::Relaxed) {
        let terminal = Terminal::of_stdout();
        let clock = Clock::at(SystemTime::now());
        let text = match ask_status(options) {
            Ok(status) => page(&status, clock, terminal),
            Err(failure) => {
                let wrong = terminal.paint(Tone::Bad, &failure.to_string());
                format!("{} UTC\n\n{wrong}\n", clock.now())
            }
        };
        screen.draw(&text)?;
        if wait_for_key(&ended)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits for the next look; true when it is the end. Another size of the terminal is a reason to look at once.
fn wait_for_key(ended: &AtomicBool) -> io::Result<bool> {
    let due = Instant::now() + PERIOD;
    loop {
        let left = due.saturating_duration_since(Instant::now());
        match poll(left) {
            Ok(true) => {
                let event = read()?;
                if event.as_key_press_event().is_some_and(is_end) {
                    return Ok(true);
                }
                if matches!(event, Event::Resize(..)) {
                    return Ok(false);
                }
            }
            Ok(false) => return Ok(false),
            // A signal that is none of the end was for somebody else.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if ended.load(Ordering::Relaxed) {
                    return Ok(true);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    control && matches!(key.code, KeyCode::Char('c' | 'd'))
        || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc)
}

/// A screen of its own, which leaves what was there before as it was.
struct Screen(Stdout);

impl Screen {
    fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        let mut screen = Self(io::stdout());
        execute!(screen.0, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Writes every line over the one that was there, in one go, so that nothing flickers.
    fn draw(&mut self, text: &str) -> io::Result<()> {
        let (_, rows) = size()?;
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate, MoveTo(0, 0))?;
        for (row, line) in fitting(text, rows).iter().enumerate() {
            if row > 0 {
                frame.write_all(b"\r\n")?;
            }
            frame.write_all(line.as_bytes())?;
            queue!(frame, Clear(ClearType::UntilNewLine))?;
        }
        queue!(
            frame,
            Clear(ClearType::FromCursorDown),
            EndSynchronizedUpdate
        )?;
        self.0.write_all(&frame)?;
        self.0.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do when the terminal is gone.
        let _ = execute!(self.0, Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// The lines that a screen has rows for; the last says when there are more.
fn fitting(text: &str, rows: u16) -> Vec<String> {
    let rows = usize::from(rows).max(1);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > rows {
        let more = lines.len() + 1 - rows;
        lines.truncate(rows - 1);
        lines.push(format!("{more} more lines: `vrrp-host status | less`"));
    }
    lines
}

fn as_lines(options: &Options) -> Result<(), Failure> {
    let mut known = Known::default();
    loop {
        let now = SystemTime::now();
        let lines = match ask_status(options) {
            Ok(status) => told(&status, Clock::at(now)),
            Err(failure) if known.0.is_empty() => return Err(failure),
            Err(failure) => vec![failure.to_string()],
        };
        let stamp = humantime::format_rfc3339_seconds(now).to_string();
        let text = known.news(lines, &stamp);
        let mut stdout = io::stdout();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(Failure::internal)?,
        }
        std::thread::sleep(PERIOD);
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Known(BTreeSet<String>);

impl Known {
    /// Those of the lines that were not told last, each with the time.
    fn news(&mut self, lines: Vec<String>, stamp: &str) -> String {
        let mut text = String::new();
        for line in lines.iter().filter(|line| !self.0.contains(*line)) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{stamp} {line}");
        }
        self.0 = lines.into_iter().collect();
        text
    }
}

/// The state of each instance and what is wrong, in lines that stay the same for as long as it does.
fn told(status: &Status, clock: Clock) -> Vec<String> {
    let instances = status.instances.iter().map(|(name, instance)| {
        format!(
            "{name}: {} since {}, priority {}, MASTER: {}: {}",
            instance.state,
            clock.time(&instance.since),
            instance.priority.effective,
            tables::master(instance),
            instance.reason,
        )
    });
    // Without the time that passes.
    let problems = problems(status, Clock::at(SystemTime::UNIX_EPOCH));
    let nothing = problems.is_empty().then(|| "nothing is wrong".to_owned());
    let problems = problems.into_iter();
    let problems = problems.map(|problem| format!("{} {}", problem.severity.mark(), problem.text));
    instances.chain(problems).chain(nothing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_that_is_too_small_says_so() {
        assert_eq!(fitting("a\nb\nc\n", 3), ["a", "b", "c"]);
        assert_eq!(
            fitting("a\nb\nc\nd\n", 3),
            ["a", "b", "2 more lines: `vrrp-host status | less`"]
        );
        assert_eq!(fitting("", 3), [""; 0]);
    }

    #[test]
    fn only_what_is_new_is_told() {
        let mut known = Known::default();
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(known.news(lines(&["a", "b"]), "T1"), "T1 a\nT1 b\n");
        assert_eq!(known.news(lines(&["a", "b"]), "T2"), "");
        assert_eq!(known.news(lines(&["b", "c"]), "T3"), "T3 c\n");
        assert_eq!(known.news(lines(&["a", "c"]), "T4"), "T4 a\n");
    }

    #[test]
    fn keys_that_end_it() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        for (code, modifiers, end) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, true),
            (KeyCode::Esc, KeyModifiers::NONE, true),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
            (KeyCode::Char('c'), KeyModifiers::NONE, false),
            (KeyCode::Enter, KeyModifiers::NONE, false),
        ] {
            assert_eq!(is_end(key(code, modifiers)), end, "{code:?} {modifiers:?}");
        }
    }
}
