//! `[http]`: where metrics and the status page are served, and to whom.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::key::{Key, Keys, Kind, Text};
use super::nodes::{ByNode, Nodes};
use super::reader::{Field, Table};
use super::report::Diagnostic;
use super::secret::{SECRET_FILE, SecretFiles};

pub(super) const HTTP: Keys = Keys::new(&[
    Key::required(
        "listen",
        Kind::ByNode(&Kind::Text(
            Text::new("an IP address with a port").pattern("^.+:[0-9]+$"),
        )),
        "The address and port to serve at. Anything but loopback needs a `token-file`.",
    )
    .example("\"127.0.0.1:9650\""),
    Key::optional(
        "token-file",
        SECRET_FILE,
        "nothing is asked for, which only loopback may have",
        "A file with what a client has to know: 16 to 256 visible ASCII characters. A browser is asked for it as a password, programs send \
         `Authorization: Bearer TOKEN`.",
    )
    .example("\"/etc/vrrp-host/http.token\""),
]);
const LISTEN_EXAMPLE: &str = "127.0.0.1:9650";

/// `[http]` on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    /// The address and port to listen at.
    pub(crate) listen: SocketAddr,
    /// What a client has to know; nothing when `None`, which only loopback may have.
    pub(crate) token: Option<Token>,
}

/// What a client has to know. Of the secret itself only a digest is kept, which serves to recognise it.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// How many characters one has.
    pub(super) const LENGTH: RangeInclusive<usize> = 16..=256;

    /// `None` when it is of another length, or has other characters than visible ones of ASCII.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        let fits = Self::LENGTH.contains(&secret.len());
        let is_visible = secret.iter().all(u8::is_ascii_graphic);
        (fits && is_visible).then(|| Self(digest(secret)))
    }

    /// Whether this is the secret. How long that takes does not depend on how much of it is right.
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        self.0.ct_eq(&digest(offered)).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// `[http]` before it is known which node this is.
#[derive(Debug, Default)]
pub(super) struct HttpDraft {
    /// `None` without the table.
    listen: Option<ByNode<SocketAddr>>,
    token: Option<Token>,
}

impl HttpDraft {
    pub(super) fn read(root: &Table<'_>, nodes: &Nodes, secrets: SecretFiles<'_>) -> Option<Self> {
        root.read("http", Self::default(), |field| {
            let table = field.table("[http]", "[http]", HTTP)?;
            let token = table.read("token-file", None, |field| secrets.token(&field).map(Some));
            let has_token = table.get("token-file").is_some() || table.misspells(&["token-file"]);
            let example = format!("listen = {LISTEN_EXAMPLE:?}");
            let listen = table.require("listen", &example, |field| {
                ByNode::read(&field, nodes, |field| {
                    let address = read_address(field)?;
                    if !has_token {
                        check_loopback(field, address);
                    }
                    Some(address)
                })
            });
            Some(Self {
                listen: Some(listen?),
                token: token?,
            })
        })
    }

    /// What it is on `node`.
    pub(super) fn resolve(&self, node: &str) -> Option<Http> {
        Some(Http {
            listen: *self.listen.as_ref()?.at(node)?,
            token: self.token.clone(),
        })
    }
}

fn read_address(field: &Field<'_>) -> Option<SocketAddr> {
    let text = field.string(LISTEN_EXAMPLE)?;
    let help = match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => return Some(address),
        Ok(address) => format!(
            "write a port from 1 to 65535: `\"{}\"`",
            SocketAddr::new(address.ip(), 9650)
        ),
        Err(_) => suggestion(text),
    };
    field.error(format!("`{text}` is not an address with a port"), help);
    None
}

/// What was most likely meant.
fn suggestion(text: &str) -> String {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return format!("add a port: `\"{}\"`", SocketAddr::new(ip, 9650));
    }
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port: u16 = port.filter(|port| *port != 0).unwrap_or(9650);
    format!(
        "write `\"127.0.0.1:{port}\"` for this host alone, `\"0.0.0.0:{port}\"` or `\"[::]:{port}\"` for all of its addresses"
    )
}

/// What others can reach says who is MASTER and what is broken: not to everybody.
fn check_loopback(field: &Field<'_>, address: SocketAddr) {
    if address.ip().to_canonical().is_loopback() {
        return;
    }
    let port = address.port();
    let message = format!("others can reach {address}, and [http] has no `token-file`");
    field.push(Diagnostic::error(field.span(), message).help(format!(
        "add `token-file = \"/etc/vrrp-host/http.token\"`, made by \
         `(umask 077; openssl rand -hex 32 > /etc/vrrp-host/http.token)`, or listen at `\"127.0.0.1:{port}\"`"
    )));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_whole() {
        let token = Token::new(b"0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [
            &b""[..],
            b"0123456789abcde",
            b"0123456789abcdef ",
            b"0123456789abcdeF",
        ] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_token_is_neither_short_nor_invisible() {
        for secret in [
            &b""[..],
            b"fifteen-letters",
            b"with a space in it",
            b"sixteen-letter\0s",
            &[b'x'; 257],
        ] {
            assert_eq!(Token::new(secret), None, "{secret:?}");
        }
        assert!(Token::new(&[b'x'; 256]).is_some());
    }
}
