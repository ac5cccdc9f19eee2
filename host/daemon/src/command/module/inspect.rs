//! `vrrp-host module inspect`: what a module is, what its config holds and what it needs.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};
use vrrp_sandbox::{Description, Import, Plan, Trigger};

use super::page;
use super::schema::{Schema, toml};
use super::target::{ConfigArgument, Target, full_name, shortest_name};
use super::workshop::Workshop;
use crate::cli::Options;
use crate::command::print;
use crate::config::Inline;
use crate::exit::Failure;
use crate::modules;

/// What to look at.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The component's file, the name of a module that is built in, or oci://...@sha256:... of one in the store; without it, those that are built in are listed
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON, with the schema of the config
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As a page of documentation
    #[arg(long, requires = "module")]
    markdown: bool,
}

/// Prints what there is to know.
///
/// # Errors
/// When it is no module, or refuses the config.
pub(super) async fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let Some(module) = &arguments.module else {
        return list(options, arguments.json).await;
    };
    let config = arguments.config.read()?;
    let workshop = Workshop::open(options, module).await?;
    let known = Known::find_out(&workshop, config).await?;
    print(&if arguments.json {
        serde_json::to_string_pretty(&known.json()).map_err(Failure::internal)?
    } else if arguments.markdown {
        page::page(&known)?
    } else {
        known.text()
    })
}

async fn list(options: &Options, as_json: bool) -> Result<(), Failure> {
    let mut text = String::new();
    let mut objects = Vec::new();
    for module in modules::all() {
        let workshop = Workshop::open(options, &full_name(module)).await?;
        let description = &workshop.description.metadata.description;
        let (name, role) = (module.name, module.role.to_string());
        let _ = writeln!(
            text,
            "{:<12} {role:<5}   {description}",
            shortest_name(module)
        );
        objects.push(json!({ "name": name, "role": role, "description": description }));
    }
    if as_json {
        text = serde_json::to_string_pretty(&objects).map_err(Failure::internal)?;
    }
    print(&text)
}

/// Everything about a module.
pub(super) struct Known<'a> {
    pub(super) target: &'a Target,
    pub(super) description: &'a Description,
    pub(super) schema: Schema,
    /// With the config that was given, or else with the module's own example.
    pub(super) configured: Option<Configured>,
}

/// What a module decides from a config.
pub(super) struct Configured {
    /// As it stands behind `config =`.
    pub(super) config: String,
    /// The module gave it itself.
    pub(super) is_example: bool,
    pub(super) plan: Plan,
    pub(super) allow_line: Option<String>,
}

impl<'a> Known<'a> {
    async fn find_out(workshop: &'a Workshop, given: Option<Inline>) -> Result<Self, Failure> {
        let Workshop {
            target,
            description,
            ..
        } = workshop;
        let schema = workshop.schema()?;
        let is_example = given.is_none();
        let config = match given {
            Some(config) => Some(config),
            None => schema.example().as_deref().map(example).transpose()?,
        };
        let configured = match config {
            None => None,
            Some(config) => {
                let loaded = workshop.survey(&config).await?;
                Some(Configured {
                    config: schema.write(config.value()),
                    is_example,
                    plan: loaded.plan().clone(),
                    allow_line: loaded.allow_line(),
                })
            }
        };
        Ok(Self {
            target,
            description,
            schema,
            configured,
        })
    }

    fn text(&self) -> String {
        let Description {
            role,
            contract,
            imports,
            metadata,
        } = self.description;
        let mut text = format!(
            "{}: {role}, {} {}, for version {contract} of the contract, {} KiB\n",
            self.target.name,
            metadata.name,
            metadata.version,
            self.target.size.div_ceil(1024)
        );
        match self.schema.description() {
            none if none.is_empty() => text.push_str(&metadata.description),
            long => text.push_str(&long),
        }
        text.push_str("\n\ncalls\n");
        for import in imports {
            let _ = writeln!(text, "    {:<38} {}", import.interface, takes(import));
        }
        if imports.is_empty() {
            text.push_str("    nothing of the host\n");
        }
        text.push_str("\nconfig\n");
        for key in self.schema.keys() {
            let default = match (&key.default, key.required) {
                (Some(default), _) => format!(", {default} when left out"),
                (None, true) => ", required".to_owned(),
                (None, false) => String::new(),
            };
            let _ = writeln!(text, "    {}: {}{default}", key.name, key.kind);
            if !key.description.is_empty() {
                let _ = writeln!(text, "        {}", key.description);
            }
        }
        match &self.configured {
            Some(configured) => text.push_str(&configured.text()),
            None => text
                .push_str("\nWhat it needs depends on its config: --config '{ .. }' shows it.\n"),
        }
        text
    }

    fn json(&self) -> Value {
        let Description {
            role,
            contract,
            imports,
            metadata,
        } = self.description;
        let imports: Vec<_> = imports
            .iter()
            .map(|import| json!({ "interface": import.interface, "opened-by": import.opened_by }))
            .collect();
        let mut object = json!({
            "module": self.target.name,
            "role": role.to_string(),
            "name": metadata.name,
            "version": metadata.version,
            "description": metadata.description,
            "contract": contract,
            "bytes": self.target.size,
            "imports": imports,
            "config-schema": self.schema.root,
        });
        if let Some(configured) = &self.configured {
            let triggers = configured.plan.triggers.iter();
            object["configured"] = json!({
                "config": configured.config,
                "is-example": configured.is_example,
                "needs": configured.needs(),
                "triggers": triggers.map(woken_by).collect::<Vec<_>>(),
                "allow": configured.allow_line,
            });
        }
        object
    }
}

impl Configured {
    fn needs(&self) -> Vec<String> {
        self.plan.needs.iter().map(ToString::to_string).collect()
    }

    fn text(&self) -> String {
        let whose = if self.is_example { "its example, " } else { "" };
        let mut text = format!("\nwith {whose}config = {}\n", self.config);
        for need in self.needs() {
            let _ = writeln!(text, "    needs {need}");
        }
        for trigger in &self.plan.triggers {
            let _ = writeln!(text, "    runs at once when {}", woken_by(trigger));
        }
        match &self.allow_line {
            Some(line) => {
                let _ = writeln!(text, "    {line}");
            }
            None => text.push_str("    needs no grant\n"),
        }
        text
    }
}

/// The module's example as a config.
fn example(text: &str) -> Result<Inline, Failure> {
    let explain = |problem: String| {
        Failure::no_verdict(format!(
            "the example in the module's description is no config: {problem}"
        ))
    };
    let table: toml::Table = toml::from_str(text).map_err(|error| explain(error.to_string()))?;
    let value = serde_json::to_value(table).map_err(|error| explain(error.to_string()))?;
    Inline::read(&toml(&value)).map_err(|error| explain(error.to_string()))
}

/// What it takes to call an interface.
fn takes(import: &Import) -> String {
    if import.opened_by.is_empty() {
        "open to every module".to_owned()
    } else {
        format!("takes {}", import.opened_by.join(" or "))
    }
}

/// What has happened when a check is run at once.
pub(super) fn woken_by(trigger: &Trigger) -> String {
    match trigger {
        Trigger::ProcessStarted(name) => format!("a process named {name} starts"),
        Trigger::ProcessExited(name) => format!("a process named {name} exits"),
        Trigger::UnitChanged(unit) => format!("the unit {unit} changes its state"),
        Trigger::PathChanged(path) => format!("{path} changes"),
        Trigger::LinkChanged(link) => format!("the interface {link} changes its state"),
        Trigger::AddressChanged(link) => format!("the interface {link} gets or loses an address"),
    }
}
