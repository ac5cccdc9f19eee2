//! Built in as `redis`: asks a Redis server for its role.

use std::time::Duration;

use vrrp_sdk::prelude::*;

use reply::Reply;

mod reply;

/// A Redis server answers, in the wanted role.
///
/// A password that the server refuses is an error and not a verdict: it says nothing of the server.
///
/// ```toml
/// address = "127.0.0.1:6379"
/// role = "primary"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Redis {
    /// Where it listens, such as "127.0.0.1:6379", or the path of its Unix socket.
    address: stream::Address,
    /// The role it has to have; any when left out.
    role: Option<database::Role>,
    /// The user to log in as, when it is not the default one.
    username: Option<String>,
    /// The password to log in with.
    password: Option<Secret>,
    /// A file with the password in its first line, which only root has to be able to read. It is read for each run.
    password_file: Option<AbsolutePath>,
    /// TLS: true, or a table with server-name, verify, ca-file, client-certificate-file and client-key-file.
    #[serde(default)]
    tls: net::TlsOption,
    /// For the whole conversation. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

/// Why the role is not known.
enum Problem {
    /// The server cannot be talked to.
    Net(net::Error),
    /// It answered with an error, or with what is not Redis.
    Answer(String),
    /// It does not let us ask.
    Access(String),
}

impl From<net::Error> for Problem {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl Check for Redis {
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
            if self.address.host().is_none() && tls.server_name.is_none() {
                errors.at(
                    ["tls"],
                    "a path is no name in a certificate: add server-name",
                );
            }
        }
        if self.username.is_some() && self.password.is_none() && self.password_file.is_none() {
            errors.at(
                ["username"],
                "a user has a password: add password or password-file",
            );
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
            Ok(role) => Ok(database::judge(address, &role, self.role)),
            Err(Problem::Net(error)) => error.into_verdict(address),
            Err(Problem::Answer(answer)) => {
                Ok(Observation::failing(format!("{address} answered {answer}")))
            }
            Err(Problem::Access(answer)) => Err(CheckError::Unavailable(format!(
                "{address} lets nobody in without the right user and password: {answer}"
            ))),
        }
    }
}

impl Redis {
    /// A word of [`database::Role`], or Redis' own for whatever else it is.
    fn ask(&self, password: Option<&Secret>, timeout: Duration) -> Result<String, Problem> {
        let mut connection = self.address.connect(timeout)?;
        if let Some(tls) = &self.tls.0 {
            connection.start_tls(tls)?;
        }
        if let Some(password) = password {
            let mut auth = vec!["AUTH"];
            auth.extend(self.username.as_deref());
            auth.push(password.expose());
            command(&mut connection, &auth)?;
        }
        let reply = command(&mut connection, &["ROLE"])?;
        if !matches!(reply, Reply::Array(_)) {
            return Err(Problem::Answer(reply.to_string()));
        }
        // The first of its elements; what follows depends on it.
        let first = Reply::read(&mut connection)?;
        let Reply::Text(role) = first else {
            return Err(Problem::Answer(first.to_string()));
        };
        Ok(match role.as_str() {
            "master" => database::Role::Primary.to_string(),
            "slave" => database::Role::Replica.to_string(),
            _ => role,
        })
    }
}

/// Sends a command as an array of strings, and reads the beginning of the reply.
fn command(connection: &mut stream::Connection, words: &[&str]) -> Result<Reply, Problem> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    connection.write(request.as_bytes())?;
    let reply = Reply::read(connection)?;
    let Reply::Error(error) = reply else {
        return Ok(reply);
    };
    let kind = error.split(' ').next().unwrap_or_default();
    let is_access = matches!(kind, "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED");
    // Before version 6 a wrong password was an error like any other.
    if is_access || words.first() == Some(&"AUTH") {
        Err(Problem::Access(error))
    } else {
        Err(Problem::Answer(error))
    }
}

#[cfg(test)]
mod tests;
