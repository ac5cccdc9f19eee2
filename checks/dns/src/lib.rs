//! Built in as `dns`: asks about a name and judges the answer.

use std::net::{IpAddr, SocketAddr};

use vrrp_sdk::dns::{Query, RecordType};
use vrrp_sdk::prelude::*;

mod name;

/// A name resolves, to the expected records.
///
/// ```toml
/// name = "www.example.com"
/// server = "192.0.2.53"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Dns {
    /// What to ask about, such as "www.example.com"; with record-type "PTR" also an address.
    name: String,
    /// Which records to ask for.
    #[serde(default)]
    record_type: Type,
    /// The server to ask, such as "192.0.2.53" or "192.0.2.53:5353"; those of /etc/resolv.conf when left out.
    server: Option<String>,
    /// What has to be among the answers, as a zone file writes it: addresses, "10 mail.example.com".
    /// When left out, any answer will do.
    #[serde(default)]
    expect: Vec<String>,
    /// For the answer, over all attempts. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Type {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// Where DNS servers listen.
const PORT: u16 = 53;

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

impl Check for Dns {
    fn plan(&self) -> Plan {
        let needs = self.query().needs();
        needs.into_iter().fold(Plan::new(), Plan::needs)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if let Err(error) = name::check(&self.name) {
            errors.at(["name"], error);
        } else if self.record_type != Type::Ptr
            && let Ok(address) = self.name.parse::<IpAddr>()
        {
            errors.at(
                ["name"],
                format!("{address} is an address: write a name, or record-type = \"PTR\""),
            );
        }
        if let Some(server) = &self.server
            && parse_server(server).is_none()
        {
            errors.at(
                ["server"],
                format!(
                    "not the address of a server: {server:?}; write \"192.0.2.53\" or \"[2001:db8::53]:5353\""
                ),
            );
        }
        for (index, record) in self.expect.iter().enumerate() {
            if let Err(error) = self.record_type.check(record) {
                errors.at(["expect", &index.to_string()], error);
            }
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let query = self
            .query()
            .timeout(context.within_deadline(self.timeout.into()));
        match query.send() {
            Ok(records) => Ok(self.judge(&query, &records)),
            Err(denied @ dns::Error::Denied(_)) => Err(denied.into()),
            // A server that does not answer is a verdict, not an error.
            Err(error) => Ok(Observation::failing(format!("{query}: {error}"))),
        }
    }
}

impl Dns {
    fn query(&self) -> Query {
        let name = match self.name.parse() {
            Ok(address) if self.record_type == Type::Ptr => name::reverse(address),
            _ => self.name.clone(),
        };
        let query = Query::new(name, self.record_type.into());
        match self.server.as_deref().and_then(parse_server) {
            Some(server) => query.server(server),
            None => query,
        }
    }

    fn judge(&self, query: &Query, records: &[String]) -> Observation {
        if records.is_empty() {
            return Observation::failing(format!("{query}: the name has no such record"));
        }
        let given = records.join(", ");
        let is_missing = |wanted: &&String| !records.iter().any(|record| is_same(record, wanted));
        let missing: Vec<&str> = self
            .expect
            .iter()
            .filter(is_missing)
            .map(String::as_str)
            .collect();
        let observation = if missing.is_empty() {
            Observation::passing(format!("{query} gave {given}"))
        } else {
            let missing = missing.join(", ");
            Observation::failing(format!("{query} gave {given}, but not {missing}"))
        };
        observation.fact("records", records.len())
    }
}

/// An address, with the usual port when none is written.
fn parse_server(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse::<SocketAddr>().ok();
    let server = with_port.or_else(|| Some(SocketAddr::new(text.parse().ok()?, PORT)))?;
    (server.port() != 0).then_some(server)
}

/// Whether two records say the same: addresses however they are written, names without regard to case and
/// to the dot at their end.
fn is_same(record: &str, wanted: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match (address(record), address(wanted)) {
        (Some(record), Some(wanted)) => record == wanted,
        _ => {
            let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
            record == wanted || !record.contains('"') && plain(record) == plain(wanted)
        }
    }
}

impl Type {
    /// Whether `record` could ever be among the answers.
    fn check(self, record: &str) -> Result<(), String> {
        if record.is_empty() {
            return Err("no record is empty".to_owned());
        }
        let address = record.parse::<IpAddr>();
        match self {
            Self::A if !matches!(address, Ok(IpAddr::V4(_))) => {
                Err(format!("no A record is {record:?}: write \"192.0.2.80\""))
            }
            Self::Aaaa if !matches!(address, Ok(IpAddr::V6(_))) => Err(format!(
                "no AAAA record is {record:?}: write \"2001:db8::80\""
            )),
            Self::Txt if !record.starts_with('"') => Err(format!(
                "a text stands in quotation marks here too: write '\"{record}\"'"
            )),
            Self::A
            | Self::Aaaa
            | Self::Cname
            | Self::Mx
            | Self::Ns
            | Self::Ptr
            | Self::Soa
            | Self::Srv
            | Self::Txt => Ok(()),
        }
    }
}

impl From<Type> for RecordType {
    fn from(record_type: Type) -> Self {
        match record_type {
            Type::A => Self::A,
            Type::Aaaa => Self::Aaaa,
            Type::Cname => Self::Cname,
            Type::Mx => Self::Mx,
            Type::Ns => Self::Ns,
            Type::Ptr => Self::Ptr,
            Type::Soa => Self::Soa,
            Type::Srv => Self::Srv,
            Type::Txt => Self::Txt,
        }
    }
}

#[cfg(test)]
mod tests;
