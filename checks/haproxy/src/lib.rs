//! Built in as `haproxy`: asks HAProxy's stats socket.

use std::time::Duration;

use vrrp_sdk::prelude::*;

/// An answer is a line for each server; ten thousand of them fit.
const ANSWER_MAX: usize = 4 << 20;

/// HAProxy runs, and what is named is up.
///
/// ```toml
/// address = "/run/haproxy/admin.sock"
/// backend = "web"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Haproxy {
    /// Its stats socket: a path such as "/run/haproxy/admin.sock", or "127.0.0.1:9999".
    address: stream::Address,
    /// A frontend that has to be open.
    frontend: Option<String>,
    /// A backend that has to be up: one of its servers is.
    backend: Option<String>,
    /// A server of that backend that has to be up.
    server: Option<String>,
    /// For the whole conversation. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

/// A line of `show stat`.
struct Line<'a> {
    proxy: &'a str,
    /// FRONTEND, BACKEND, or the name of a server.
    service: &'a str,
    status: &'a str,
}

impl Check for Haproxy {
    fn plan(&self) -> Plan {
        Plan::new().needs(self.address.need())
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.server.is_some() && self.backend.is_none() {
            errors.at(["server"], "a server belongs to a backend: add backend");
        }
        let names = [
            ("frontend", &self.frontend),
            ("backend", &self.backend),
            ("server", &self.server),
        ];
        for (key, name) in names {
            let is_name = |name: &String| {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
                !name.is_empty() && name.chars().all(is_part)
            };
            if let Some(name) = name.as_ref().filter(|name| !is_name(name)) {
                errors.at([key], format!("HAProxy has no such names: {name:?}"));
            }
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let command = if self.wanted().next().is_some() {
            "show stat"
        } else {
            "show info"
        };
        match self.ask(command, context.within_deadline(self.timeout.into())) {
            Ok(answer) => Ok(self.judge(&answer)),
            Err(error) => error.into_verdict(&self.address),
        }
    }
}

impl Haproxy {
    /// The lines that have to be up: proxy and service.
    fn wanted(&self) -> impl Iterator<Item = (&str, &str)> {
        let frontend = self.frontend.iter().map(|name| (name.as_str(), "FRONTEND"));
        let service = self.server.as_deref().unwrap_or("BACKEND");
        frontend.chain(
            self.backend
                .iter()
                .map(move |name| (name.as_str(), service)),
        )
    }

    /// HAProxy closes the connection after its answer.
    fn ask(&self, command: &str, timeout: Duration) -> Result<String, net::Error> {
        let mut connection = self.address.connect(timeout)?;
        connection.write(format!("{command}\n").as_bytes())?;
        let answer = connection.read_to_end(ANSWER_MAX)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn judge(&self, answer: &str) -> Observation {
        let address = &self.address;
        if self.wanted().next().is_none() {
            let version = answer
                .lines()
                .find_map(|line| line.strip_prefix("Version: "));
            return match version {
                Some(version) => Observation::passing(format!("HAProxy {version} runs")),
                None => Observation::failing(not_haproxy(address, answer)),
            };
        }
        let Some(lines) = lines(answer) else {
            return Observation::failing(not_haproxy(address, answer));
        };
        let mut observation = Observation::passing("");
        for (proxy, service) in self.wanted() {
            let found = lines
                .iter()
                .find(|line| (line.proxy, line.service) == (proxy, service));
            let name = named(proxy, service);
            let says = match found {
                Some(line) => format!("{name} is {}", line.status),
                None => format!("HAProxy knows no {name}"),
            };
            if !found.is_some_and(Line::is_up) {
                return Observation::failing(says);
            }
            if !observation.summary.is_empty() {
                observation.summary += ", ";
            }
            observation.summary += &says;
        }
        observation
    }
}

impl Line<'_> {
    /// A server without a check of HAProxy's own gets requests like one that is up.
    fn is_up(&self) -> bool {
        let first = self.status.split(' ').next().unwrap_or_default();
        matches!(first, "OPEN" | "UP") || self.status == "no check"
    }
}

/// The lines of `show stat`, which names its columns in the first one; `None` when it is something else.
fn lines(answer: &str) -> Option<Vec<Line<'_>>> {
    let mut lines = answer.lines();
    let columns: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let column = |name| columns.iter().position(|column| *column == name);
    let (proxy, service, status) = (column("pxname")?, column("svname")?, column("status")?);
    let lines = lines.filter_map(|line| {
        // None of the columns that count comes after one with quotes.
        let fields: Vec<&str> = line.split(',').collect();
        Some(Line {
            proxy: fields.get(proxy)?,
            service: fields.get(service)?,
            status: fields.get(status)?,
        })
    });
    Some(lines.collect())
}

/// `backend app`, `frontend web`, `server app/app1`
fn named(proxy: &str, service: &str) -> String {
    match service {
        "FRONTEND" => format!("frontend {proxy}"),
        "BACKEND" => format!("backend {proxy}"),
        server => format!("server {proxy}/{server}"),
    }
}

fn not_haproxy(address: &stream::Address, answer: &str) -> String {
    match answer.lines().find(|line| !line.is_empty()) {
        Some(line) => format!(
            "{address} answered {:?}",
            line.chars().take(60).collect::<String>()
        ),
        None => format!("{address} answered nothing"),
    }
}

#[cfg(test)]
mod tests;
