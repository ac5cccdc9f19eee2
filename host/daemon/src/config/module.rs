//! `[checks.NAME]` and `[hooks.NAME]`: what runs, on which terms.

mod keys;

use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use toml::de::DeValue;
use vrrp_sandbox::ModuleRole;

use self::keys::{
    CHECK_INTERVAL, CHECK_TIMEOUT, CONSECUTIVE, CPU, ERROR_HOLD, HANDLES, HOOK_TIMEOUT, LIMITS,
    LOG_RATE, MEMORY, ON_ERROR, OUTPUT,
};
use super::model::{Check, Hook, Limits, Module, ModuleSource};
use super::nodes::{bare, check_name};
use super::reader::{Field, Table};
use super::suggest::{closest, list};
use crate::store::{Lock, PublicKey, Reference, SCHEME};

pub(super) use self::keys::{CHECK, HOOK, MODULES};

const KEY_EXAMPLE: &str = "modules = { key = \"RWQ...\" }";
const CHECK_INTERVAL_DEFAULT: Duration = Duration::from_secs(2);
/// A check that takes longer than this by default would delay a failover.
pub(crate) const CHECK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
pub(crate) const HOOK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            cpu: Duration::from_millis(50),
            output: 1 << 20,
            handles: 128,
            log_rate: 20,
        }
    }
}

/// The names of the modules in the binary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuiltInNames<'a> {
    pub(crate) checks: &'a [&'a str],
    pub(crate) hooks: &'a [&'a str],
}

/// Where modules are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modules<'a> {
    pub(super) built_in: BuiltInNames<'a>,
    /// Folder of cluster.toml, absolute.
    pub(super) folder: &'a Path,
    /// cluster.toml, as the person who runs `vrrp-host` calls it.
    pub(super) file: &'a Path,
}

impl Check {
    pub(super) fn read(field: &Field<'_>, modules: Modules<'_>) -> Option<Self> {
        check_name(field, "a check");
        let title = title("checks", field);
        let table = field.table(&title, &title, CHECK)?;
        let interval = table.read("interval", CHECK_INTERVAL_DEFAULT, |field| {
            field.duration(&CHECK_INTERVAL, "2s")
        });
        let longest = interval.unwrap_or(*CHECK_INTERVAL.end());
        let timeout = table.read("timeout", longest.min(CHECK_TIMEOUT_DEFAULT), |field| {
            check_timeout(&field, longest)
        });
        let module = read_module(
            &table,
            ModuleRole::Check,
            ["checks", field.key()],
            "module = \"process\"",
            timeout,
            modules,
        );
        let rise = table.read("rise", NonZeroU16::MIN, consecutive);
        let fall = table.read("fall", NonZeroU16::MIN, consecutive);
        let on_error = table.read("on-error", vrrp::OnError::Hold, |field| {
            field.choice(&ON_ERROR)
        });
        let error_hold = table.read("error-hold", 3, |field| {
            u16::try_from(field.number(ERROR_HOLD, 3)?).ok()
        });
        Some(Self {
            name: field.key().to_owned(),
            module: module?,
            interval: interval?,
            rise: rise?,
            fall: fall?,
            on_error: on_error?,
            error_hold: error_hold?,
        })
    }
}

impl Hook {
    pub(super) fn read(field: &Field<'_>, modules: Modules<'_>) -> Option<Self> {
        check_name(field, "a hook");
        let title = title("hooks", field);
        let table = field.table(&title, &title, HOOK)?;
        let timeout = table.read("timeout", HOOK_TIMEOUT_DEFAULT, |field| {
            field.duration(&HOOK_TIMEOUT, "30s")
        });
        let module = read_module(
            &table,
            ModuleRole::Hook,
            ["hooks", field.key()],
            "module = \"systemctl\"",
            timeout,
            modules,
        );
        let every = table.read("every", false, |field| field.boolean());
        Some(Self {
            name: field.key().to_owned(),
            module: module?,
            every: every?,
        })
    }
}

fn title(kind: &str, field: &Field<'_>) -> String {
    format!("[{kind}.{}]", bare(field.key()))
}

/// Runs of a check do not overlap, so one must end before the next is due.
fn check_timeout(field: &Field<'_>, interval: Duration) -> Option<Duration> {
    let timeout = field.duration(&CHECK_TIMEOUT, "1s")?;
    if timeout > interval {
        let interval = humantime::format_duration(interval);
        field.error(
            format!("`timeout` is longer than the interval of {interval}"),
            format!("write at most \"{interval}\", or a longer `interval`"),
        );
        return None;
    }
    Some(timeout)
}

fn consecutive(field: Field<'_>) -> Option<NonZeroU16> {
    let number = field.number(CONSECUTIVE, 3)?;
    NonZeroU16::new(u16::try_from(number).ok()?)
}

fn read_module(
    table: &Table<'_>,
    role: ModuleRole,
    path: [&str; 2],
    example: &str,
    timeout: Option<Duration>,
    modules: Modules<'_>,
) -> Option<Module> {
    let source = table.require("module", example, |field| {
        read_source(&field, role, modules)
    });
    let config = table.read("config", Value::Object(serde_json::Map::new()), |field| {
        read_config(&field, "`config = { name = \"nginx\" }`")
    });
    let allow = table.read("allow", None, |field| read_allow(&field).map(Some));
    let limits = table.read("limits", Limits::default(), read_limits);
    let user = table.read("user", None, |field| read_user(&field).map(Some));
    Some(Module {
        source: source?,
        config: config?,
        allow: allow?,
        limits: limits?,
        user: user?,
        timeout: timeout?,
        path: path.map(str::to_owned),
        used: false,
    })
}

/// Whether a module of this name is a file, and not one that is built in.
pub(crate) fn is_path(text: &str) -> bool {
    text.contains('/') || Path::new(text).extension().is_some_and(|end| end == "wasm")
}

fn read_source(field: &Field<'_>, role: ModuleRole, modules: Modules<'_>) -> Option<ModuleSource> {
    let text = field.string("process")?;
    if text.starts_with(SCHEME) {
        return read_reference(field, text, modules);
    }
    if text.contains("@sha256:") {
        field.error(
            "a module from a registry begins with `oci://`",
            format!("write `module = \"{SCHEME}{text}\"`"),
        );
        return None;
    }
    if is_path(text) {
        return Some(ModuleSource::File(modules.folder.join(text)));
    }
    let BuiltInNames { checks, hooks } = modules.built_in;
    let (noun, ours, other_noun, others) = match role {
        ModuleRole::Check => ("check", checks, "hook", hooks),
        ModuleRole::Hook => ("hook", hooks, "check", checks),
    };
    if ours.contains(&text) {
        return Some(ModuleSource::BuiltIn(role, text.to_owned()));
    }
    let built_in = list(ours);
    if others.contains(&text) {
        field.error(
            format!("`{text}` is a {other_noun}, not a {noun}"),
            format!("built in are the {noun}s {built_in}"),
        );
        return None;
    }
    field.error(
        format!("no module is called `{text}`"),
        match closest(text, ours) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!(
                "built in are {built_in}; a file is written with a slash, `\"./my-check.wasm\"`"
            ),
        },
    );
    None
}

/// What a tag means can change; what runs must not, unless somebody changes the file.
fn read_reference(field: &Field<'_>, text: &str, modules: Modules<'_>) -> Option<ModuleSource> {
    let reference: Reference = match text.parse() {
        Ok(reference) => reference,
        Err(error) => {
            field.error(
                format!(
                    "{} is not a module in a registry: {}",
                    field.what(),
                    error.problem()
                ),
                "write `oci://HOST/REPOSITORY:TAG@sha256:DIGEST`",
            );
            return None;
        }
    };
    if let Some(digest) = reference.digest {
        return Some(ModuleSource::Registry(reference, digest));
    }
    let lock = Lock::in_folder(modules.folder).ok();
    let locked = lock.as_ref().and_then(|lock| lock.find(&reference));
    field.error(
        "a module from a registry needs its digest, so that every node runs the same",
        match locked {
            Some(entry) => format!(
                "modules.lock has it: write `module = \"{}\"`",
                reference.pinned(entry.digest)
            ),
            None => format!(
                "download it, which prints the line to write: `vrrp-host module add {reference} --config {}`",
                modules.file.display()
            ),
        },
    );
    None
}

/// `[modules]`: the keys whose signature a module from a registry needs.
pub(super) fn read_keys(root: &Table<'_>) -> Option<Vec<PublicKey>> {
    root.read("modules", Vec::new(), |field| {
        let table = field.table("[modules]", KEY_EXAMPLE, MODULES)?;
        let one = table.read("key", None, |field| read_key(&field).map(Some));
        let several = table.read("keys", Vec::new(), |field| {
            let elements = field.elements("[\"RWQ...\"]")?;
            let keys: Vec<_> = elements.iter().map(read_key).collect();
            keys.into_iter().collect()
        });
        let (one, mut several) = (one?, several?);
        several.extend(one);
        Some(several)
    })
}

fn read_key(field: &Field<'_>) -> Option<PublicKey> {
    let text = field.string("RWQ...")?;
    let key = text.parse();
    if key.is_err() {
        field.error(
            format!("{} is not a public key of minisign", field.what()),
            "write the second line of its .pub file, 56 letters and digits that begin with RW",
        );
    }
    key.ok()
}

/// The table that a module is given.
pub(super) fn read_config(field: &Field<'_>, example: &str) -> Option<Value> {
    match field.value() {
        DeValue::Table(_) => json(field),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => field.wrong_type("a table", example),
    }
}

/// Values that JSON does not have are errors rather than guesses.
fn json(field: &Field<'_>) -> Option<Value> {
    match field.value() {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Integer(_) => field.number(i64::MIN..=i64::MAX, 0).map(Value::from),
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok();
            let number = number.and_then(serde_json::Number::from_f64);
            if number.is_none() {
                field.error(
                    "modules are given finite numbers only",
                    "write a finite number",
                );
            }
            number.map(Value::Number)
        }
        DeValue::Datetime(time) => {
            let help = format!("write it as a string: `\"{time}\"`");
            field.error("modules are given no dates or times", help);
            None
        }
        DeValue::Array(elements) => {
            let elements: Vec<_> = elements
                .iter()
                .map(|element| json(&field.inside(element)))
                .collect();
            elements
                .into_iter()
                .collect::<Option<_>>()
                .map(Value::Array)
        }
        DeValue::Table(table) => {
            let entries: Vec<_> = table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(&field.inside(value))?)))
                .collect();
            entries
                .into_iter()
                .collect::<Option<_>>()
                .map(Value::Object)
        }
    }
}

fn read_allow(field: &Field<'_>) -> Option<Vec<String>> {
    // An empty list says in writing what the default is: nothing is granted.
    if matches!(field.value(), DeValue::Array(elements) if elements.is_empty()) {
        return Some(Vec::new());
    }
    let grants: Vec<_> = field
        .elements("[\"tcp:192.0.2.1:80\"]")?
        .iter()
        .map(|element| element.string("tcp:192.0.2.1:80").map(str::to_owned))
        .collect();
    grants.into_iter().collect()
}

/// Whether the node that runs the module has such a user, only that node can tell.
fn read_user(field: &Field<'_>) -> Option<String> {
    let name = field.string("nobody")?;
    if name.is_empty() || name.contains(|c: char| c.is_control() || c == ':' || c == '/') {
        field.error(
            format!("`{}` is not the name of a user", name.escape_debug()),
            "write a name of this host's users, such as \"nobody\"",
        );
        return None;
    }
    Some(name.to_owned())
}

fn read_limits(field: Field<'_>) -> Option<Limits> {
    let default = Limits::default();
    let table = field.table("`limits`", "limits = { memory = \"16MiB\" }", LIMITS)?;
    let memory = table.read("memory", default.memory, |field| {
        field.size(MEMORY, "16MiB")
    });
    let cpu = table.read("cpu", default.cpu, |field| field.duration(&CPU, "50ms"));
    let output = table.read("output", default.output, |field| field.size(OUTPUT, "1MiB"));
    let handles = table.read("handles", default.handles, |field| {
        u32::try_from(field.number(HANDLES, 128)?).ok()
    });
    let log_rate = table.read("log-rate", default.log_rate, |field| {
        u32::try_from(field.number(LOG_RATE, 20)?).ok()
    });
    Some(Limits {
        memory: memory?,
        cpu: cpu?,
        output: output?,
        handles: handles?,
        log_rate: log_rate?,
    })
}
