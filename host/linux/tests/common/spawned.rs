//! A process that a test looks at: the test's own binary, started again as the test `as_child`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The environment variable with what it is to do.
pub const ROLE: &str = "VL_ROLE";

/// Starts each line that is meant for the test.
const MARK: &str = "child: ";

/// A process, killed when dropped; its input stays open as long as it is wanted.
pub struct Spawned {
    pub child: Child,
    output: BufReader<std::process::ChildStdout>,
    _input: ChildStdin,
}

impl Spawned {
    pub fn role(role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["as_child", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role);
        Self::start(command)
    }

    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            output: BufReader::new(child.stdout.take().unwrap()),
            _input: child.stdin.take().unwrap(),
            child,
        }
    }

    /// The next line that is meant for the test.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the process said nothing"
            );
            if let Some(said) = line.trim_end().strip_prefix(MARK) {
                return said.to_owned();
            }
        }
    }
}

/// What such a process says, after the header that the test harness prints; it then stays until its input ends.
pub fn say_and_stay(said: &str) {
    let said = said.replace('\n', &format!("\n{MARK}"));
    let mut output = std::io::stdout();
    writeln!(output, "\n{MARK}{said}").unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
