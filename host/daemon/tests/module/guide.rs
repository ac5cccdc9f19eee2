//! `docs/writing-modules.md`: every command in it is run, in its order, in one folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hostile::guide::{Block, blocks};
use hostile::project::{Project, offline};
use hostile::target;

use crate::support::{BINARY, said, scratch, source_tree};

/// The project that the guide makes.
const PROJECT: &str = "web-workers";

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
