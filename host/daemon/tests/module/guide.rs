//! `docs/writing-modules.md`: every command in it is run, in its order, in one folder.
//!
//! A block that starts with ```sh holds commands that succeed; after ```sh 1 the last one ends with that exit code.
//! A block of which the first line has the name of a file (```toml cluster.toml) is that file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hostile::project::{Project, offline};
use hostile::target;

use crate::support::{BINARY, said, scratch, source_tree};

/// The project that the guide makes.
const PROJECT: &str = "web-workers";

/// A block of the guide.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    /// Commands, and the exit code of the last.
    Commands(String, i32),
    /// A file and its content.
    File(String, String),
}

fn blocks(text: &str) -> Vec<Block> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced
        .filter_map(|block| {
            let (info, content) = block.split_once('\n')?;
            let content = format!("{content}\n");
            match info.split_once(' ').unwrap_or((info, "")) {
                ("sh", "") => Some(Block::Commands(content, 0)),
                ("sh", code) => Some(Block::Commands(
                    content,
                    code.parse().expect("an exit code"),
                )),
                (_, "") => None,
                (_, file) => Some(Block::File(file.to_owned(), content)),
            }
        })
        .collect()
}

#[test]
fn every_command_does_what_the_guide_says() {
    let text = fs::read_to_string(source_tree().join("docs/writing-modules.md"))
        .expect("the guide is there");
    let blocks = blocks(&text);
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let source = home.path().join("vrrp-host");
    symlink(source_tree(), &source).expect("a link can be made");
    let mut commands = 0;
    for block in &blocks {
        match block {
            Block::File(name, content) => {
                fs::write(home.path().join(PROJECT).join(name), content)
                    .expect("a file can be written");
            }
            Block::Commands(script, code) => {
                run(home.path(), script, *code);
                commands += script.lines().count();
            }
        }
    }
    assert!(
        commands >= 10,
        "the guide has lost its commands: {blocks:?}"
    );
}

/// Runs the commands in the project, once there is one.
fn run(home: &Path, script: &str, code: i32) {
    let project = home.join(PROJECT);
    let folder = if project.exists() { &project } else { home };
    if project.exists() && !project.join("target").exists() {
        // What is built is found under the name that the guide uses.
        symlink(target(scratch()), project.join("target")).expect("a link can be made");
        let _ = Project::at(project.clone(), scratch());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let binaries = Path::new(BINARY).parent().expect("it is in a folder");
    let mut command = Command::new("sh");
    command
        .args(["-euxc", script])
        .current_dir(folder)
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", binaries.display()));
    offline(&mut command, scratch());
    said(&mut command).assert(code, &[]);
}

#[test]
fn blocks_are_told_apart() {
    let text =
        "x\n```sh\na\nb\n```\ny\n```toml f.toml\nc = 1\n```\n```text\nz\n```\n```sh 1\nd\n```\n";
    assert_eq!(
        blocks(text),
        [
            Block::Commands("a\nb\n".to_owned(), 0),
            Block::File("f.toml".to_owned(), "c = 1\n".to_owned()),
            Block::Commands("d\n".to_owned(), 1),
        ]
    );
}
