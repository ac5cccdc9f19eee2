//! What the documentation tells people to type is what the command line takes.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use clap::error::ErrorKind;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::Arguments;

const PROGRAM: &str = "vrrp-host";
/// What ends a command in a line of the shell.
const OPERATORS: [&str; 11] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", ")"];
/// What may stand before a command.
const PREFIXES: [&str; 5] = ["$", "sudo", "exec", "then", "do"];

#[test]
fn every_command_of_the_documentation_is_understood() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let pages = ["*.md", "docs/**/*.md", "guest-sdk/*.md"]
        .into_iter()
        .flat_map(|pattern| glob::glob(&format!("{root}/{pattern}")).unwrap());
    let (mut in_blocks, mut in_text) = (0, 0);
    let mut wrong = Vec::new();
    for page in pages {
        let page = page.unwrap();
        let text = fs::read_to_string(&page).unwrap();
        for code in codes(&text) {
            let (commands, accepts): (_, fn(ErrorKind) -> bool) = match &code {
                Code::Block(text) => {
                    let lines = text.replace("\\\n", " ");
                    let commands: Vec<_> = lines.lines().flat_map(commands).collect();
                    in_blocks += commands.len();
                    (commands, is_an_answer)
                }
                Code::Inline(text) => {
                    let commands = commands(text);
                    in_text += commands.len();
                    (commands, is_an_answer_or_an_excerpt)
                }
            };
            wrong.extend(
                commands
                    .iter()
                    .filter_map(|command| misunderstood(&page, command, accepts)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        in_blocks > 40 && in_text > 40,
        "{in_blocks} and {in_text} were tried"
    );
}

#[test]
fn commands_are_found() {
    let found = |line: &str| {
        let commands = commands(line);
        let commands: Vec<_> = commands.iter().map(|words| words.join(" ")).collect();
        commands.join("; ")
    };
    for (line, expected) in [
        (
            "vrrp-host status --json | jq . # all of it",
            "vrrp-host status --json",
        ),
        (
            "$ sudo vrrp-host reload && vrrp-host status",
            "vrrp-host reload; vrrp-host status",
        ),
        (
            "timeout 3 vrrp-host events --follow",
            "vrrp-host events --follow",
        ),
        (
            "A=b /usr/bin/vrrp-host drain 'VI 1'; true",
            "vrrp-host drain VI 1",
        ),
        ("journalctl --unit vrrp-host -n 20", ""),
        ("systemctl status vrrp-host", ""),
        ("man vrrp-host", ""),
    ] {
        assert_eq!(found(line), expected, "{line}");
    }
}

#[test]
fn stale_commands_are_found() {
    let page = Path::new("page.md");
    let tried = |line: &str, accepts| {
        let commands = commands(line);
        misunderstood(page, &commands[0], accepts).is_some()
    };
    for (line, in_block, in_text) in [
        ("vrrp-host status --json", false, false),
        ("vrrp-host --version", false, false),
        ("vrrp-host explain", true, false),
        ("vrrp-host status --xml", true, true),
        ("vrrp-host state", true, true),
        ("vrrp-host log-level loud", true, true),
    ] {
        assert_eq!(tried(line, is_an_answer), in_block, "{line}");
        assert_eq!(tried(line, is_an_answer_or_an_excerpt), in_text, "{line}");
    }
}

enum Code {
    /// Of a shell, line by line.
    Block(String),
    Inline(String),
}

fn codes(text: &str) -> Vec<Code> {
    let mut codes = Vec::new();
    let mut block: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = &event {
            let is_shell = info.split(' ').next() == Some("sh");
            block = is_shell.then(String::new);
        } else if let (Event::Text(line), Some(block)) = (&event, &mut block) {
            block.push_str(line);
        } else if let Event::End(TagEnd::CodeBlock) = event {
            codes.extend(block.take().map(Code::Block));
        } else if let Event::Code(text) = event {
            codes.push(Code::Inline(text.into_string()));
        }
    }
    codes
}

/// The calls of the program in a line of the shell, each with its arguments.
fn commands(line: &str) -> Vec<Vec<String>> {
    let Some(words) = shlex::split(line) else {
        return Vec::new();
    };
    let ends = |word: &String| OPERATORS.contains(&word.as_str()) || word.ends_with(';');
    words
        .split_inclusive(ends)
        .filter_map(|command| {
            let words = command.iter().map(|word| word.trim_end_matches(';'));
            let words = words.filter(|word| !word.is_empty() && !OPERATORS.contains(word));
            let mut words: Vec<_> = words.map(str::to_owned).collect();
            let start = words.iter().position(|word| !is_before_a_command(word))?;
            let start = match words[start].as_str() {
                "timeout" => start + 2,
                _ => start,
            };
            let program = words.get(start)?.rsplit('/').next();
            (program == Some(PROGRAM)).then(|| {
                let mut command = words.split_off(start);
                PROGRAM.clone_into(&mut command[0]);
                command
            })
        })
        .collect()
}

fn is_before_a_command(word: &str) -> bool {
    let is_assignment = word
        .split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    is_assignment || PREFIXES.contains(&word)
}

/// What the command line says to a command that it does not take.
fn misunderstood(
    page: &Path,
    command: &[String],
    accepts: fn(ErrorKind) -> bool,
) -> Option<String> {
    let error = Arguments::try_parse_from(command).err()?;
    (!accepts(error.kind()))
        .then(|| format!("{}: `{}`: {error}", page.display(), command.join(" ")))
}

/// Whether a file that is named is there, the page cannot say; the tests of the guides try it.
fn is_an_answer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::ValueValidation
    )
}

/// Text speaks of `vrrp-host explain` without naming an instance.
fn is_an_answer_or_an_excerpt(kind: ErrorKind) -> bool {
    let is_incomplete = matches!(
        kind,
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    is_an_answer(kind) || is_incomplete
}
