//! `vrrp-host module diff`: what an update newly asks for, before it is written into cluster.toml.

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use vrrp_sandbox::Grant;

use super::schema::Key;
use super::target::ConfigArgument;
use super::workshop::Workshop;
use crate::cli::Options;
use crate::command::print;
use crate::config::Inline;
use crate::exit::Failure;

/// What to compare.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The module that runs now: a file, the name of one that is built in, or oci://...@sha256:... of one in the store
    #[arg(value_name = "OLD")]
    old: String,
    /// The module that is to run instead
    #[arg(value_name = "NEW")]
    new: String,
    #[command(flatten)]
    config: ConfigArgument,
}

/// Prints the differences. What is newly asked for makes the answer a no.
///
/// # Errors
/// When something is newly asked for, one of them is no module, or one is a check and the other a hook.
pub(super) async fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config.read()?;
    let old = Workshop::open(options, &arguments.old).await?;
    let new = Workshop::open(options, &arguments.new).await?;
    let (was, is) = (old.description.role, new.description.role);
    if was != is {
        return Err(Failure::usage(format!(
            "{} is a {was} and {} is a {is}: one cannot take the place of the other",
            arguments.old, arguments.new
        )));
    }
    let old = Surface::of(&old, config.as_ref()).await?;
    let new = Surface::of(&new, config.as_ref()).await?;
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
    /// By interface: how a grant for it is written; empty when it is open to every module.
    imports: BTreeMap<String, String>,
    /// By name.
    keys: BTreeMap<String, Value>,
    /// With the config that was given, or why the module does not take that.
    needs: Option<Result<Vec<Grant>, String>>,
}

/// What a key of the config has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    kind: String,
    required: bool,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.required { ", required" } else { "" };
        write!(f, "{}{end}", self.kind)
    }
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
    async fn of(workshop: &Workshop, config: Option<&Inline>) -> Result<Self, Failure> {
        let keys = workshop.schema()?.keys().into_iter().map(|key| {
            let Key {
                name,
                kind,
                required,
                ..
            } = key;
            (name, Value { kind, required })
        });
        let description = &workshop.description;
        let imports = description.imports.iter();
        let needs = match config {
            None => None,
            Some(config) => Some(match workshop.survey(config).await {
                Ok(loaded) => loaded.plan().wants().map_err(|error| error.to_string()),
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
        let import = |name: &str, form: &String| match form.as_str() {
            "" => format!("import {name}, open to every module"),
            form => format!("import {name}, takes {form}"),
        };
        let is_closed = |form: &String| !form.is_empty();
        compare(
            &self.imports,
            &new.imports,
            import,
            is_closed,
            &mut differences,
        );
        let key = |name: &str, value: &Value| format!("key {name}: {value}");
        let is_required = |value: &Value| value.required;
        compare(&self.keys, &new.keys, key, is_required, &mut differences);
        self.compare_needs(new, &mut differences);
        differences.sort_by_key(|difference| !difference.asks);
        differences
    }

    fn compare_needs(&self, new: &Self, differences: &mut Vec<Difference>) {
        let none = Ok(Vec::new());
        let before = self.needs.as_ref().unwrap_or(&none);
        let after = new.needs.as_ref().unwrap_or(&none);
        for (whose, needs, asks) in [("new", after, true), ("old", before, false)] {
            if let Err(refusal) = needs {
                differences.push(Difference {
                    sign: '!',
                    text: format!("the {whose} module refuses the config: {refusal}"),
                    asks,
                });
            }
        }
        let before = before.as_deref().unwrap_or_default();
        let after = after.as_deref().unwrap_or_default();
        for (sign, needs, others, asks) in [('+', after, before, true), ('-', before, after, false)]
        {
            let mut told: Vec<&Grant> = Vec::new();
            for need in needs {
                let is_covered = |other: &Grant| other.covers(need);
                if others.iter().any(is_covered) || told.iter().any(|other| is_covered(other)) {
                    continue;
                }
                told.push(need);
                differences.push(Difference {
                    sign,
                    text: format!("needs {need}"),
                    asks,
                });
            }
        }
    }
}

/// What is in one of two tables only, or not the same in both. Something new is asked for when `asks` says so of it;
/// what has changed always is.
fn compare<V: PartialEq + fmt::Display>(
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
    show: impl Fn(&str, &V) -> String,
    asks: impl Fn(&V) -> bool,
    differences: &mut Vec<Difference>,
) {
    for (name, value) in new {
        let text = show(name, value);
        differences.push(match old.get(name) {
            Some(before) if before == value => continue,
            Some(before) => Difference {
                sign: '~',
                text: format!("{text}, was {before}"),
                asks: true,
            },
            None => Difference {
                sign: '+',
                text,
                asks: asks(value),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(imports: &[(&str, &str)], keys: &[(&str, bool)], needs: &[&str]) -> Surface {
        Surface {
            contract: "0.1.0".to_owned(),
            imports: imports
                .iter()
                .map(|(name, form)| ((*name).to_owned(), (*form).to_owned()))
                .collect(),
            keys: keys
                .iter()
                .map(|(name, required)| {
                    let kind = "text".to_owned();
                    let required = *required;
                    ((*name).to_owned(), Value { kind, required })
                })
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
        const DNS: &str = "dns:NAME";
        let old = surface(
            &[("a", DNS), ("b", DNS)],
            &[("url", false)],
            &["unit:a:start,stop"],
        );
        check(&old, &old, &[]);
        let new = surface(
            &[("b", DNS), ("c", DNS), ("log", "")],
            &[("url", true), ("port", true), ("user", false)],
            &["unit:a", "tcp:h:1", "tcp:h:1"],
        );
        check(
            &old,
            &new,
            &[
                ("+ import c, takes dns:NAME", true),
                ("+ key port: text, required", true),
                ("~ key url: text, required, was text", true),
                ("+ needs tcp:h:1", true),
                ("+ import log, open to every module", false),
                ("- import a, takes dns:NAME", false),
                ("+ key user: text", false),
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
