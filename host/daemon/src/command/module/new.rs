//! `vrrp-host module new`: the project of a check or a hook, which builds and passes its test as it is.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::command::print;
use crate::exit::Failure;

/// The project to write.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The crate's name, such as `disk-space`
    #[arg(value_name = "NAME")]
    name: String,
    /// A hook instead of a check
    #[arg(long)]
    hook: bool,
    /// The folder to write; NAME in the current one when left out. It must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Where vrrp-sdk is: the folder `guest-sdk` of vrrp-host's source, or the URL of a git repository that has it. It is
    /// not on crates.io. When left out, it is looked for in the source tree that the current folder or this program is in
    #[arg(long, value_name = "PATH|URL")]
    sdk: Option<String>,
}

/// Writes the project and says what to do next.
///
/// # Errors
/// When the name or the folder cannot be, or nobody knows where the SDK is; then nothing was written.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = CrateName::parse(&arguments.name).map_err(Failure::usage)?;
    let folder = match &arguments.path {
        Some(path) => path.clone(),
        None => PathBuf::from(name.as_str()),
    };
    check_free(&folder)?;
    let sdk = Sdk::find(arguments.sdk.as_deref())?;
    let project = Project {
        name: &name,
        role: if arguments.hook {
            Role::Hook
        } else {
            Role::Check
        },
        sdk: &sdk,
    };
    for (file, content) in project.files() {
        write(&folder.join(file), &content)?;
    }
    print(&format!(
        "{} has a {} with its test; its README.md has the three commands",
        folder.display(),
        project.role.noun()
    ))
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Check,
    Hook,
}

impl Role {
    fn noun(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Hook => "hook",
        }
    }
}

/// What is written.
struct Project<'a> {
    name: &'a CrateName,
    role: Role,
    sdk: &'a Sdk,
}

impl Project<'_> {
    fn files(&self) -> [(&'static str, String); 5] {
        let (code, config, allow) = match self.role {
            // The command itself is the process that it looks for, so that the first try succeeds anywhere.
            Role::Check => (
                include_str!("new/check.rs"),
                "{ name = \"vrrp-host\" }",
                "process:vrrp-host",
            ),
            Role::Hook => (
                include_str!("new/hook.rs"),
                "{ url = \"http://127.0.0.1:9000/vrrp\" }",
                "http:POST http://127.0.0.1:9000/vrrp",
            ),
        };
        let noun = self.role.noun();
        let name = self.name.as_str();
        let table = format!(
            "[{noun}s.{name}]\nmodule = \"/usr/local/lib/vrrp-host/{}.wasm\"\nconfig = {config}\nallow  = [\"{allow}\"]",
            self.name.snake_case()
        );
        let terms = format!("--config '{config}' --allow '{allow}'");
        let named = |template: &str| {
            template
                .replace("my-module", name)
                .replace("my_module", &self.name.snake_case())
                .replace("MyModule", &self.name.camel_case())
                .replace("A role for", &format!("A {noun} for"))
        };
        [
            (
                "Cargo.toml",
                named(include_str!("new/manifest.toml")).replace("SDK", &self.sdk.dependency()),
            ),
            (
                "rust-toolchain.toml",
                include_str!("new/rust-toolchain.toml").to_owned(),
            ),
            (
                "README.md",
                named(include_str!("new/README.md"))
                    .replace("TERMS", &terms)
                    .replace("CLUSTER", &table),
            ),
            ("src/lib.rs", named(code)),
            (".gitignore", "/target\n".to_owned()),
        ]
    }
}

/// A name that cargo takes, and that cluster.toml and file names have no trouble with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CrateName(String);

/// The longest name; crates.io has the same limit.
const NAME_MAX: usize = 64;

/// Names that the project could not have: words of the language, and crates that every module has anyway.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "vrrp-sdk",
    "vrrp-sdk-macros",
    "where",
    "while",
    "wit-bindgen",
    "yield",
    "union",
];

impl CrateName {
    fn parse(text: &str) -> Result<Self, String> {
        let refuse =
            |problem: String| Err(format!("`{text}` cannot be the name of a crate: {problem}"));
        if text.is_empty() {
            return refuse("write, for example, disk-space".to_owned());
        }
        if text.len() > NAME_MAX {
            return refuse(format!("write at most {NAME_MAX} characters"));
        }
        let suggestion = suggest(text);
        if suggestion != text {
            return refuse(format!(
                "write lower-case letters, digits and hyphens: {suggestion}"
            ));
        }
        if TAKEN.contains(&text) {
            return refuse(format!(
                "Rust has another use for it; write {text}-check, for example"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the file that cargo makes.
    fn snake_case(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The name of the struct.
    fn camel_case(&self) -> String {
        self.0
            .split('-')
            .map(|part| {
                let (first, rest) = part.split_at(1);
                first.to_uppercase() + rest
            })
            .collect()
    }
}

/// The closest name that can be: the name itself when it is one.
fn suggest(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            // A word begins, unless one has just begun.
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        } else if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.to_owned()
    } else {
        format!("check-{name}").trim_end_matches('-').to_owned()
    }
}

/// Where the project gets the SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sdk {
    Folder(PathBuf),
    Git(String),
}

impl Sdk {
    fn find(given: Option<&str>) -> Result<Self, Failure> {
        match given {
            Some(url) if url.contains("://") || url.starts_with("git@") => {
                // cargo has no form for scp's way to write it.
                Ok(Self::Git(
                    match url
                        .strip_prefix("git@")
                        .and_then(|rest| rest.split_once(':'))
                    {
                        Some((host, path)) => format!("ssh://git@{host}/{path}"),
                        None => url.to_owned(),
                    },
                ))
            }
            Some(path) => {
                let folder = Path::new(path);
                let found = [folder.to_owned(), folder.join("guest-sdk")]
                    .into_iter()
                    .find(|folder| is_sdk(folder));
                let found = found.ok_or_else(|| {
                    Failure::usage(format!(
                        "there is no vrrp-sdk in {path}; write the path of the folder guest-sdk in vrrp-host's source"
                    ))
                })?;
                absolute(&found).map(Self::Folder)
            }
            None => Self::in_source_tree(),
        }
    }

    fn in_source_tree() -> Result<Self, Failure> {
        let starts = [std::env::current_dir(), std::env::current_exe()];
        let found = starts
            .iter()
            .flatten()
            .flat_map(|start| start.ancestors())
            .map(|folder| folder.join("guest-sdk"))
            .find(|folder| is_sdk(folder));
        match found {
            Some(folder) => absolute(&folder).map(Self::Folder),
            None => Err(Failure::usage(
                "where is vrrp-sdk? It is not on crates.io: write --sdk /path/to/vrrp-host/guest-sdk, or --sdk with the \
                 URL of its git repository",
            )),
        }
    }

    /// As it stands in Cargo.toml.
    fn dependency(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match self {
            Self::Folder(folder) => format!("{{ path = {} }}", quoted(&folder.to_string_lossy())),
            Self::Git(url) => format!("{{ git = {} }}", quoted(url)),
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|manifest| manifest.lines().any(|line| line == "name = \"vrrp-sdk\""))
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    folder
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot find {}: {error}", folder.display())))
}

/// Nothing of anybody's is overwritten.
fn check_free(folder: &Path) -> Result<(), Failure> {
    let free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if free {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is there already; write another folder with --path",
        folder.display()
    )))
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    let explain =
        |error: std::io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(explain)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(explain)?;
    file.write_all(content.as_bytes()).map_err(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cargo_takes_or_is_told_another() {
        for name in ["disk-space", "a", "http2", "x-9"] {
            assert_eq!(CrateName::parse(name), Ok(CrateName(name.to_owned())));
        }
        for (name, suggestion) in [
            ("DiskSpace", "disk-space"),
            ("disk_space", "disk-space"),
            ("disk space!", "disk-space"),
            ("-x", "x"),
            ("../etc/cron.d", "etc-cron-d"),
            ("9lives", "check-9lives"),
            ("Prüfung", "pr-fung"),
            ("///", "check"),
        ] {
            let error = CrateName::parse(name).unwrap_err();
            assert!(error.ends_with(&format!(": {suggestion}")), "{error}");
            assert_eq!(suggest(suggestion), suggestion);
        }
        let error = CrateName::parse("test").unwrap_err();
        assert!(error.contains("write test-check"), "{error}");
        assert!(CrateName::parse("").unwrap_err().contains("disk-space"));
        assert!(
            CrateName::parse(&"x".repeat(65))
                .unwrap_err()
                .contains("64")
        );
    }

    #[test]
    fn names_in_other_cases() {
        let name = CrateName("disk-space-9".to_owned());
        assert_eq!(name.snake_case(), "disk_space_9");
        assert_eq!(name.camel_case(), "DiskSpace9");
    }

    #[test]
    fn a_repository_is_written_as_cargo_reads_it() {
        let dependency = |sdk| Sdk::find(Some(sdk)).unwrap().dependency();
        assert_eq!(
            dependency("https://git.lan/vrrp-host"),
            "{ git = \"https://git.lan/vrrp-host\" }"
        );
        assert_eq!(
            dependency("git@git.lan:a/vrrp-host.git"),
            "{ git = \"ssh://git@git.lan/a/vrrp-host.git\" }"
        );
    }
}
