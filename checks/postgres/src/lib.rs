//! Built in as `postgres`: asks a PostgreSQL server whether it is in recovery.

use std::time::Duration;

use vrrp_sdk::prelude::*;

use session::{Problem, Session};

mod scram;
mod session;

/// A PostgreSQL server answers, in the wanted role.
///
/// A password that the server refuses is an error and not a verdict: it says nothing of the server.
///
/// ```toml
/// address = "127.0.0.1:5432"
/// role = "primary"
/// user = "vrrp"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Where it listens, such as "127.0.0.1:5432", or the path of its Unix socket, which ends in
    /// ".s.PGSQL.5432".
    address: stream::Address,
    /// The role it has to have; any when left out.
    role: Option<database::Role>,
    /// The user to log in as; it needs no rights.
    user: String,
    /// The password, when the server asks for one.
    password: Option<Secret>,
    /// A file with the password in its first line, which only root has to be able to read. It is read for each run.
    password_file: Option<AbsolutePath>,
    /// The database to log in to.
    #[serde(default = "default_database")]
    database: String,
    /// TLS: true, or a table with server-name, verify, ca-file, client-certificate-file and client-key-file.
    #[serde(default)]
    tls: net::TlsOption,
    /// For the whole conversation. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

fn default_database() -> String {
    "postgres".to_owned()
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

impl Check for Postgres {
    fn plan(&self) -> Plan {
        let password = self.password_file.iter();
        let files = password
            .map(|file| Need::read(file.as_str()))
            .chain(self.tls.0.iter().flat_map(net::Tls::needs));
        files.fold(Plan::new().needs(self.address.need()), Plan::needs)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if let Some(tls) = &self.tls.0 {
            tls.validate("tls", errors);
            if self.address.host().is_none() {
                errors.at(
                    ["tls"],
                    "PostgreSQL has no TLS on Unix sockets: leave it out",
                );
            }
        }
        for (key, text) in [("user", &self.user), ("database", &self.database)] {
            if text.is_empty() || text.contains('\0') {
                errors.at([key], format!("PostgreSQL has no such names: {text:?}"));
            }
        }
        if self.password.is_some() && self.password_file.is_some() {
            errors.at(
                ["password-file"],
                "the password is written there as well: leave one of the two out",
            );
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let address = &self.address;
        let password = Secret::of(self.password.as_ref(), self.password_file.as_ref())?;
        let timeout = context.within_deadline(self.timeout.into());
        match self.ask(password.as_ref(), timeout) {
            Ok(role) => Ok(database::judge(address, role.as_str(), self.role)),
            Err(Problem::Net(error)) => error.into_verdict(address),
            Err(Problem::Answer(answer)) => {
                Ok(Observation::failing(format!("{address}: {answer}")))
            }
            Err(Problem::Unfinished(why)) => {
                Err(CheckError::Unavailable(format!("{address}: {why}")))
            }
            Err(Problem::Access(answer)) => Err(CheckError::Unavailable(format!(
                "{address} does not let {} in: {answer}",
                self.user
            ))),
        }
    }
}

impl Postgres {
    fn ask(&self, password: Option<&Secret>, timeout: Duration) -> Result<database::Role, Problem> {
        let mut connection = self.address.connect(timeout)?;
        if let Some(tls) = &self.tls.0 {
            session::start_tls(&mut connection, tls)?;
        }
        let mut session = Session::new(connection);
        session.log_in(&self.user, password.map(Secret::expose), &self.database)?;
        let role = match session.query("select pg_is_in_recovery()")?.as_str() {
            "t" => database::Role::Replica,
            "f" => database::Role::Primary,
            other => return Err(Problem::Answer(format!("pg_is_in_recovery() is {other:?}"))),
        };
        session.end();
        Ok(role)
    }
}

#[cfg(test)]
mod tests;
