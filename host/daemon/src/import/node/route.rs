//! `virtual_routes` and `virtual_rules`.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::{Table, Value};

use super::Reader;
use super::track::is_interface;
use crate::import::notes::{Kind, Note};
use crate::import::options::Scope;
use crate::import::tree::Statement;

/// The types that cluster.toml has beside `unicast`.
const TYPES: [&str; 3] = ["blackhole", "unreachable", "prohibit"];
/// What changes where a route leads, or which packets a rule is for: without it there is nothing left that is right.
const DECISIVE_OF_ROUTE: [&str; 6] = ["or", "nexthop", "encap", "vrf", "tos", "dsfield"];

impl Reader {
    pub(super) fn read_routes(&mut self, statement: &Statement) -> Vec<Value> {
        let statements = statement.statements().iter();
        statements
            .filter_map(|statement| self.read_route(statement))
            .collect()
    }

    pub(super) fn read_rules(&mut self, statement: &Statement) -> Vec<Value> {
        let statements = statement.statements().iter();
        statements
            .filter_map(|statement| self.read_rule(statement))
            .collect()
    }

    fn read_route(&mut self, statement: &Statement) -> Option<Value> {
        let mut route = Table::new();
        let mut kind = None;
        let mut to = None;
        let mut lesser = Vec::new();
        let mut words = statement.rest(0).into_iter();
        while let Some(word) = words.next() {
            if TYPES.contains(&word) {
                kind = Some(word);
                continue;
            }
            let (key, value) = match word {
                "unicast" | "no_track" | "add" | "append" | "prepend" | "fastopen_no_cookie"
                | "quickack" => {
                    if word != "unicast" {
                        lesser.push(word);
                    }
                    continue;
                }
                "onlink" => ("onlink", Some(Value::from(true))),
                "to" => {
                    to = words.next().and_then(destination);
                    continue;
                }
                "via" | "gw" => {
                    let next = words.find(|word| !matches!(*word, "inet" | "inet6"));
                    ("via", host(next.unwrap_or("")))
                }
                "src" => ("src", host(words.next().unwrap_or(""))),
                "dev" | "oif" => ("dev", interface(words.next().unwrap_or(""))),
                "table" => ("table", table(words.next().unwrap_or(""))),
                "metric" | "priority" | "preference" => {
                    ("metric", number(words.next().unwrap_or("")))
                }
                other if to.is_none() && destination(other).is_some() => {
                    to = destination(other);
                    continue;
                }
                other if DECISIVE_OF_ROUTE.contains(&other) => (other, None),
                other => {
                    // The others have a value.
                    words.next();
                    lesser.push(other);
                    continue;
                }
            };
            let Some(value) = value else {
                self.leave_out_as(Scope::Route, word, statement.place, statement.show());
                return None;
            };
            route.insert(key.to_owned(), value);
        }
        let Some(to) = to else {
            self.lose(statement, "it is not said where the route leads to");
            return None;
        };
        if let Some(why) = inconsistency(&to, kind, &route) {
            self.lose(statement, why);
            return None;
        }
        for word in lesser {
            let what = format!("{} .. {word}", statement.word(0));
            self.leave_out_as(Scope::Route, word, statement.place, what);
        }
        route.insert("to".to_owned(), Value::from(to));
        if let Some(kind) = kind {
            route.insert("type".to_owned(), Value::from(kind));
        }
        Some(Value::Table(route))
    }

    fn read_rule(&mut self, statement: &Statement) -> Option<Value> {
        let mut rule = Table::new();
        let mut words = statement.rest(0).into_iter();
        while let Some(word) = words.next() {
            if word == "no_track" {
                let what = format!("{} .. {word}", statement.word(0));
                self.leave_out_as(Scope::Rule, word, statement.place, what);
                continue;
            }
            let argument = words.next().unwrap_or("");
            if word == "protocol" {
                let what = format!("{} .. {word} {argument}", statement.word(0));
                self.leave_out_as(Scope::Rule, word, statement.place, what);
                continue;
            }
            let (key, value) = match word {
                "from" | "to" if matches!(argument, "all" | "any" | "default") => continue,
                "from" | "to" => (word, network(argument)),
                "fwmark" => ("fwmark", mark(argument)),
                "iif" | "dev" => ("iif", interface(argument)),
                "table" | "lookup" => ("table", table(argument)),
                "priority" | "preference" | "pref" => (
                    "priority",
                    number(argument).filter(|number| *number != Value::from(0_i64)),
                ),
                _ => ("", None),
            };
            let Some(value) = value else {
                self.leave_out_as(Scope::Rule, word, statement.place, statement.show());
                return None;
            };
            rule.insert(key.to_owned(), value);
        }
        let family = |key: &str| {
            let text = rule.get(key)?.as_str()?;
            Some(text.contains(':'))
        };
        let differs =
            matches!((family("from"), family("to")), (Some(from), Some(to)) if from != to);
        let says_nothing = rule.keys().all(|key| key == "priority");
        if differs || says_nothing {
            let note = Note::new(
                Kind::Lost,
                statement.place,
                statement.show(),
                "the rule says neither for which packets it is nor which table they take, or mixes address families",
            );
            self.notes.push(note);
            return None;
        }
        Some(Value::Table(rule))
    }
}

/// Why cluster.toml cannot have the route.
fn inconsistency(to: &str, kind: Option<&str>, route: &Table) -> Option<&'static str> {
    let leads_on = ["via", "dev", "src", "onlink"];
    if kind.is_some() && leads_on.iter().any(|key| route.contains_key(*key)) {
        return Some("a route of this type leads nowhere, and this one says where");
    }
    if route.contains_key("onlink") && !route.contains_key("via") {
        return Some("`onlink` is about a gateway, which is missing");
    }
    let is_v6 = |text: &str| text.contains(':');
    let of_address = |key: &str| route.get(key)?.as_str().map(is_v6);
    let of_destination = (to != "default").then(|| is_v6(to));
    let mut families = [of_destination, of_address("via"), of_address("src")]
        .into_iter()
        .flatten();
    let first = families.next()?;
    families
        .any(|family| family != first)
        .then_some("destination, gateway and source are of different address families")
}

/// `default`, or a network.
fn destination(text: &str) -> Option<String> {
    match text {
        "default" => Some(text.to_owned()),
        _ => Some(network(text)?.as_str()?.to_owned()),
    }
}

fn network(text: &str) -> Option<Value> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()?;
    let network = network.trunc();
    Some(Value::from(
        if network.prefix_len() == network.max_prefix_len() {
            network.addr().to_string()
        } else {
            network.to_string()
        },
    ))
}

fn host(text: &str) -> Option<Value> {
    let address: IpAddr = text.split('/').next()?.parse().ok()?;
    let is_host = !address.is_unspecified() && !address.is_multicast();
    is_host.then(|| Value::from(address.to_string()))
}

fn interface(text: &str) -> Option<Value> {
    is_interface(text).then(|| Value::from(text))
}

fn table(text: &str) -> Option<Value> {
    match text {
        "main" | "local" | "default" => Some(Value::from(text)),
        _ => number(text).filter(|number| *number != Value::from(0_i64)),
    }
}

fn number(text: &str) -> Option<Value> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    Some(Value::from(i64::from(number)))
}

/// `MARK` or `MARK/MASK`.
fn mark(text: &str) -> Option<Value> {
    let Some((value, mask)) = text.split_once('/') else {
        return number(text).filter(|number| *number != Value::from(0_i64));
    };
    let (value, mask) = (number(value)?.as_integer()?, number(mask)?.as_integer()?);
    (mask != 0 && value & !mask == 0).then(|| Value::from(text))
}
