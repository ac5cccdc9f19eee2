//! What of PostgreSQL's protocol (version 3.0, chapter 55 of its manual) it takes to ask one question.

use std::io;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use vrrp_sdk::{net, stream};

use crate::scram::{self, Scram};

/// Bytes of a message; none that is expected has a hundredth of it.
const MESSAGE_MAX: usize = 64 << 10;

/// Why there is no answer to the question.
pub(crate) enum Problem {
    /// The server cannot be talked to.
    Net(net::Error),
    /// It answered with an error, or with what is not PostgreSQL.
    Answer(String),
    /// It does not let us ask.
    Access(String),
}

impl From<net::Error> for Problem {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<scram::Error> for Problem {
    fn from(error: scram::Error) -> Self {
        Self::Answer(error.to_string())
    }
}

/// Of the protocol's own encoding.
impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Answer(format!("not what PostgreSQL says: {error}"))
    }
}

/// Asks for TLS and begins it. The server answers with one byte (section 55.2.10).
pub(crate) fn start_tls(
    connection: &mut stream::Connection,
    tls: &net::Tls,
) -> Result<(), Problem> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    connection.write(&request)?;
    match connection.read_exact(1)?.as_slice() {
        // What came beside the byte was not encrypted, and must not be taken for what is (CVE-2021-23222).
        b"S" if connection.unread().is_empty() => Ok(connection.start_tls(tls)?),
        b"N" => Err(net::Error::Tls("the server does not speak TLS".to_owned()).into()),
        other => Err(Problem::Answer(format!(
            "not what PostgreSQL says: {:?}",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// A conversation with the server.
pub(crate) struct Session {
    connection: stream::Connection,
    received: BytesMut,
}

impl Session {
    pub(crate) fn new(connection: stream::Connection) -> Self {
        Self {
            connection,
            received: BytesMut::new(),
        }
    }

    /// Up to the server being ready for a query.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "parameters and keys come as well, which nobody asked for"
    )]
    pub(crate) fn log_in(
        &mut self,
        user: &str,
        password: Option<&str>,
        database: &str,
    ) -> Result<(), Problem> {
        let parameters = [
            ("user", user),
            ("database", database),
            ("application_name", "vrrp-host"),
        ];
        self.send(|message| frontend::startup_message(parameters, message))?;
        let asked = || password.ok_or_else(|| Problem::Access("it asks for a password".to_owned()));
        loop {
            match self.next()? {
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(user.as_bytes(), asked()?.as_bytes(), body.salt());
                    self.send(|message| frontend::password_message(hash.as_bytes(), message))?;
                }
                Message::AuthenticationSasl(_) => self.scram(asked()?)?,
                Message::AuthenticationCleartextPassword => {
                    return Err(Problem::Access(
                        "it asks for the password itself; set scram-sha-256 in its pg_hba.conf"
                            .to_owned(),
                    ));
                }
                Message::AuthenticationGss
                | Message::AuthenticationSspi
                | Message::AuthenticationKerberosV5 => {
                    return Err(Problem::Access("it asks for Kerberos".to_owned()));
                }
                Message::ReadyForQuery(_) => return Ok(()),
                _ => {}
            }
        }
    }

    /// A server that does not know the password either is found out.
    fn scram(&mut self, password: &str) -> Result<(), Problem> {
        let other = || Problem::Answer("not what PostgreSQL says to SCRAM".to_owned());
        let scram = Scram::new();
        let first = scram.message();
        self.send(|message| {
            frontend::sasl_initial_response(scram::MECHANISM, first.as_bytes(), message)
        })?;
        let Message::AuthenticationSaslContinue(body) = self.next()? else {
            return Err(other());
        };
        let proven = scram.prove(body.data(), password)?;
        self.send(|message| frontend::sasl_response(proven.message.as_bytes(), message))?;
        let Message::AuthenticationSaslFinal(body) = self.next()? else {
            return Err(other());
        };
        Ok(proven.verify(body.data())?)
    }

    /// The one value of the one row that `query` has for an answer.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what describes the row does not matter"
    )]
    pub(crate) fn query(&mut self, query: &str) -> Result<String, Problem> {
        self.send(|message| frontend::query(query, message))?;
        let mut value = None;
        loop {
            match self.next()? {
                Message::DataRow(row) => {
                    use fallible_iterator::FallibleIterator;

                    let range = row.ranges().next()?.flatten();
                    value = range.and_then(|range| row.buffer().get(range).map(<[u8]>::to_vec));
                }
                Message::ReadyForQuery(_) => {
                    let value = value
                        .ok_or_else(|| Problem::Answer("an answer without a row".to_owned()))?;
                    return Ok(String::from_utf8_lossy(&value).into_owned());
                }
                _ => {}
            }
        }
    }

    /// Says good-bye, or the server's log would tell of a client that broke off.
    pub(crate) fn end(&mut self) {
        // The answer is known: whether this arrives is the server's affair.
        let _ = self.send(|message| {
            frontend::terminate(message);
            Ok(())
        });
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), Problem> {
        let mut message = BytesMut::new();
        write(&mut message)?;
        Ok(self.connection.write(&message)?)
    }

    fn next(&mut self) -> Result<Message, Problem> {
        loop {
            // Whatever is not PostgreSQL has some length there, for which the parser would make room.
            if let Some(length) = self.received.get(1..5) {
                let length = length
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                if length > MESSAGE_MAX {
                    let start = String::from_utf8_lossy(&self.received);
                    let start: String = start.chars().take(60).collect();
                    return Err(Problem::Answer(format!(
                        "not what PostgreSQL says: {start:?}"
                    )));
                }
            }
            match Message::parse(&mut self.received)? {
                Some(Message::ErrorResponse(body)) => return Err(refusal(&body)),
                Some(message) => return Ok(message),
                None => {
                    let part = self.connection.read()?;
                    if part.is_empty() {
                        return Err(net::Error::Io("it closed the connection".to_owned()).into());
                    }
                    self.received.extend_from_slice(&part);
                }
            }
        }
    }
}

/// The fields of an error (section 55.8): `C` is its code, `M` its message.
fn refusal(body: &ErrorResponseBody) -> Problem {
    use fallible_iterator::FallibleIterator;

    let mut code = String::new();
    let mut message = String::new();
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value(),
            b'M' => message = value(),
            _ => {}
        }
    }
    // Class 28: the user, the password or pg_hba.conf; 3D000: there is no such database.
    if code.starts_with("28") || code == "3D000" {
        Problem::Access(message)
    } else {
        Problem::Answer(message)
    }
}
