//! Running the binary, and modules to run it on.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use hostile::Guests;
use serde_json::Value;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_vrrp-host");

/// Where what takes long to build is kept between runs.
pub(crate) fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The top of the source tree.
pub(crate) fn source_tree() -> PathBuf {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    tree.canonicalize().expect("the source tree is there")
}

/// The component of a guest that the tests have.
pub(crate) fn guest(name: &str) -> String {
    Guests::build(scratch())
        .file(name)
        .to_str()
        .expect("our paths are UTF-8")
        .to_owned()
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `vrrp-host module ARGUMENTS`.
pub(crate) fn module(arguments: &[&str]) -> Said {
    let mut command = Command::new(BINARY);
    command.arg("module").args(arguments);
    said(&mut command)
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().expect("a program can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    Said {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Said {
    /// Checks the exit code, and that it said all of these texts, wherever.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for text in texts {
            assert!(
                self.stdout.contains(text) || self.stderr.contains(text),
                "{text:?} is missing in {self}"
            );
        }
    }

    /// What it said on stdout, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}"
        )
    }
}

/// A web server on loopback that gives every request this status, until the test ends.
pub(crate) fn web_server(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client comes");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    });
    format!("http://{address}/health")
}
