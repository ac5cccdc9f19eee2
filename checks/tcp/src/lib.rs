//! Built in as `tcp`: connects, and if wanted encrypts, says something and waits for an answer.

use std::time::{Duration, SystemTime};

use vrrp_sdk::prelude::*;

use octets::Octets;

mod octets;

/// The answer has to come within so many bytes.
const ANSWER_MAX: usize = 64 << 10;
/// More characters of a wrong answer make a summary hard to read.
const ANSWER_SHOWN: usize = 60;

/// A service accepts connections, and answers.
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where it listens, such as "127.0.0.1:25", or the path of its Unix socket.
    address: stream::Address,
    /// TLS from the start: true, or a table with server-name, verify, ca-file, client-certificate-file and
    /// client-key-file.
    #[serde(default)]
    tls: net::TlsOption,
    /// What to send: text, or a list of bytes.
    send: Option<Octets>,
    /// What the answer has to contain: text, or a list of bytes.
    expect: Option<Octets>,
    /// How long before its end the server's certificate is a warning. When it has ended, the check fails.
    certificate_warning: Option<TimeSpan>,
    /// For the whole conversation. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

/// What there was to see.
struct Seen {
    /// What was said instead of what was expected, and why nothing more came.
    other_answer: Option<(String, net::Error)>,
    certificate_not_after: Option<SystemTime>,
}

impl Check for Tcp {
    fn plan(&self) -> Plan {
        let files = self.tls.0.iter().flat_map(net::Tls::needs);
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
        } else if self.certificate_warning.is_some() {
            errors.at(
                ["certificate-warning"],
                "there is no certificate: add tls = true",
            );
        }
        if self.expect.as_ref().is_some_and(Octets::is_empty) {
            errors.at(["expect"], "every answer contains nothing: leave it out");
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        match self.look(context.within_deadline(self.timeout.into())) {
            Ok(seen) => Ok(self.judge(&seen)),
            Err(error) => error.into_verdict(&self.address),
        }
    }
}

impl Tcp {
    fn look(&self, timeout: Duration) -> Result<Seen, net::Error> {
        let mut connection = self.address.connect(timeout)?;
        if let Some(tls) = &self.tls.0 {
            connection.start_tls(tls)?;
        }
        if let Some(request) = &self.send {
            connection.write(request.as_bytes())?;
        }
        let other_answer = match &self.expect {
            None => None,
            Some(expected) => match connection.read_until(expected.as_bytes(), ANSWER_MAX) {
                Ok(_) => None,
                Err(error) if connection.unread().is_empty() => return Err(error),
                Err(error) => Some((shown(connection.unread()), error)),
            },
        };
        Ok(Seen {
            other_answer,
            certificate_not_after: connection.certificate_not_after(),
        })
    }

    fn judge(&self, seen: &Seen) -> Observation {
        let address = &self.address;
        if let Some((answer, error)) = &seen.other_answer {
            return Observation::failing(format!("{address} answered {answer}: {error}"));
        }
        let works = match self.expect {
            Some(_) => format!("{address} answers as expected"),
            None => format!("{address} accepts connections"),
        };
        let (Some(warning), Some(end)) = (self.certificate_warning, seen.certificate_not_after)
        else {
            return Observation::passing(works);
        };
        let observation = match end.duration_since(clock::now()) {
            Err(past) => Observation::failing(format!(
                "the certificate of {address} ended {} ago",
                days(past.duration())
            )),
            Ok(left) if left < warning.into() => Observation::warning(format!(
                "{works}, but its certificate ends in {}",
                days(left)
            )),
            Ok(left) => {
                Observation::passing(format!("{works}, its certificate ends in {}", days(left)))
            }
        };
        observation.fact("certificate-not-after", unix_seconds(end))
    }
}

/// The beginning of an answer, in quotes.
fn shown(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    match text.char_indices().nth(ANSWER_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// `3 days`, or hours in the last two of them.
fn days(time: Duration) -> String {
    match time.as_secs() / 3600 {
        1 => "1 hour".to_owned(),
        hours @ ..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
