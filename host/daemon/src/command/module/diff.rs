//! `vrrp-host module diff`: what an update newly asks for, before it is written into cluster.toml.

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use vrrp_sandbox::Grant;

use super::schema::Schema;
use super::target::ConfigArgument;
use super::workshop::Workshop;
use crate::cli::Options;
use crate::command::print;
use crate::config::Inline;
use crate::exit::{Failure, chain};
use crate::store::{Reference, SCHEME, Store};
use crate::supervisor::compile::cache_dir;

/// What to compare.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The module that runs now: a file, the name of one that is built in, or `oci://...@sha256:...` of one in the store
    old: String,
    /// The module that is to run
    new: String,
    #[command(flatten)]
    config: ConfigArgument,
}

/// Prints the differences. What is newly asked for makes the answer a no.
///
/// # Errors
/// When something is newly asked for, or one of them is no module.
pub(super) async fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.read()?;
    let old = Surface::of(options, &arguments.old, config.as_ref()).await?;
    let new = Surface::of(options, &arguments.new, config.as_ref()).await?;
    let differences = old.differences(&new);
    let asks = differences.iter().any(|difference| difference.asks);
    let mut lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    if !asks {
        lines.push("nothing is newly asked for".to_owned());
    }
    print(&lines.join("\n"))?;
    if asks {
        Err(Failure::negative())
    } else {
        Ok(())
    }
}

/// What a module wants of whoever runs it.
#[derive(Clone, Debug, PartialEq)]
struct Surface {
    contract: String,
    /// By interface: how a grant for it is written.
    imports: BTreeMap<String, String>,
    /// By name: what it has to be.
    keys: BTreeMap<String, String>,
    /// With the config that was given, or why the module does not take that.
    needs: Option<Result<Vec<Grant>, String>>,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    sign: char,
    text: String,
    /// Somebody has to agree with it.
    asks: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.text)
    }
}

impl Surface {
    async fn of(options: &Options, module: &str, config: Option<&Inline>) -> Result<Self, Failure> {
        let workshop = Workshop::open(&locate(options, module)?).await?;
        let description = &workshop.description;
        let schema = Schema::parse(&description.metadata.config_schema).map_err(|error| {
            Failure::no_verdict(format!(
                "the schema of the config of {module} is not JSON: {error}"
            ))
        })?;
        let keys = schema.keys().into_iter().map(|key| {
            let end = if key.required { ", required" } else { "" };
            (key.name, format!("{}{end}", key.kind))
        });
        let imports = description.imports.iter();
        let needs = match config {
            None => None,
            Some(config) => Some(match workshop.survey(config).await {
                Ok(loaded) => Ok(loaded.plan().needs.clone()),
                Err(refusal) => Err(refusal.to_string()),
            }),
        };
        Ok(Self {
            contract: description.contract.clone(),
            imports: imports
                .map(|import| (import.interface.clone(), import.opened_by.join(" or ")))
                .collect(),
            keys: keys.collect(),
            needs,
        })
    }

    /// What is different in `new`, what is asked for first.
    fn differences(&self, new: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        if self.contract != new.contract {
            differences.push(Difference {
                sign: '~',
                text: format!("contract: version {}, was {}", new.contract, self.contract),
                asks: true,
            });
        }
        let takes = |import: &str, form: &str| match form {
            "" => format!("import {import}, open to every module"),
            form => format!("import {import}, takes {form}"),
        };
        compare(&self.imports, &new.imports, takes, &mut differences);
        let key = |name: &str, kind: &str| format!("key {name}: {kind}");
        compare(&self.keys, &new.keys, key, &mut differences);
        self.compare_needs(new, &mut differences);
        differences.sort_by_key(|difference| !difference.asks);
        differences
    }

    fn compare_needs(&self, new: &Self, differences: &mut Vec<Difference>) {
        let none = Ok(Vec::new());
        let before = self.needs.as_ref().unwrap_or(&none);
        let after = new.needs.as_ref().unwrap_or(&none);
        if let Err(refusal) = after {
            differences.push(Difference {
                sign: '!',
                text: format!("the new module refuses the config: {refusal}"),
                asks: true,
            });
        }
        if let Err(refusal) = before {
            differences.push(Difference {
                sign: '!',
                text: format!("the old module refuses the config: {refusal}"),
                asks: false,
            });
        }
        let before = before.as_deref().unwrap_or_default();
        let after = after.as_deref().unwrap_or_default();
        let mut push = |sign, needs: &[Grant], others: &[Grant], asks| {
            for need in needs {
                if !others.iter().any(|other| other.covers(need)) {
                    differences.push(Difference {
                        sign,
                        text: format!("needs {need}"),
                        asks,
                    });
                }
            }
        };
        push('+', after, before, true);
        push('-', before, after, false);
    }
}

/// What is in one of two tables only, or not the same in both.
fn compare(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    show: impl Fn(&str, &str) -> String,
    differences: &mut Vec<Difference>,
) {
    for (name, value) in new {
        let text = show(name, value);
        let (sign, text) = match old.get(name) {
            Some(before) if before == value => continue,
            Some(before) => ('~', format!("{text}, was {before}")),
            None => ('+', text),
        };
        differences.push(Difference {
            sign,
            text,
            asks: true,
        });
    }
    for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        differences.push(Difference {
            sign: '-',
            text: show(name, value),
            asks: false,
        });
    }
}

/// The file of a module in the store; anything else as it is.
fn locate(options: &Options, module: &str) -> Result<String, Failure> {
    if !module.starts_with(SCHEME) {
        return Ok(module.to_owned());
    }
    let reference: Reference = module.parse().map_err(Failure::usage)?;
    let Some(digest) = &reference.digest else {
        return Err(Failure::usage(format!(
            "which version? {reference}@sha256:..., as cluster.toml and modules.lock have it"
        )));
    };
    let store = Store::in_folder(&cache_dir(&options.state_dir));
    let stored = store.load(digest).map_err(|error| {
        Failure::no_verdict(format!(
            "{reference}: {}; `vrrp-host module add` downloads it",
            chain(&error)
        ))
    })?;
    Ok(stored.path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(imports: &[&str], keys: &[(&str, &str)], needs: &[&str]) -> Surface {
        Surface {
            contract: "0.1.0".to_owned(),
            imports: imports
                .iter()
                .map(|import| ((*import).to_owned(), "dns:NAME".to_owned()))
                .collect(),
            keys: keys
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()))
                .collect(),
            needs: Some(Ok(needs.iter().map(|need| need.parse().unwrap()).collect())),
        }
    }

    #[track_caller]
    fn check(old: &Surface, new: &Surface, expected: &[(&str, bool)]) {
        let differences = old.differences(new);
        let found: Vec<_> = differences
            .iter()
            .map(|difference| (difference.to_string(), difference.asks))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(text, asks)| (text.as_str(), *asks))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_new_is_asked_for_and_what_is_gone_is_not() {
        let old = surface(&["a", "b"], &[("url", "text")], &["unit:a:start,stop"]);
        check(&old, &old, &[]);
        let new = surface(
            &["b", "c"],
            &[("url", "text, required"), ("port", "a number")],
            &["unit:a", "tcp:h:1"],
        );
        check(
            &old,
            &new,
            &[
                ("+ import c, takes dns:NAME", true),
                ("+ key port: a number", true),
                ("~ key url: text, required, was text", true),
                ("+ needs tcp:h:1", true),
                ("- import a, takes dns:NAME", false),
                ("- needs unit:a.service:start,stop", false),
            ],
        );
    }

    #[test]
    fn another_contract_and_a_refused_config_are_told() {
        let old = surface(&[], &[], &["dns:a"]);
        let later = Surface {
            contract: "0.2.0".to_owned(),
            ..old.clone()
        };
        check(
            &old,
            &later,
            &[("~ contract: version 0.2.0, was 0.1.0", true)],
        );
        let refusing = Surface {
            needs: Some(Err("no".to_owned())),
            ..old.clone()
        };
        check(
            &old,
            &refusing,
            &[
                ("! the new module refuses the config: no", true),
                ("- needs dns:a", false),
            ],
        );
        check(
            &refusing,
            &old,
            &[
                ("+ needs dns:a", true),
                ("! the old module refuses the config: no", false),
            ],
        );
    }
}
