//! Who may look.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};

use crate::config::Token;

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The client does not know the token.
    Unknown,
    /// It asked for a name that may be anybody's.
    ForeignName,
}

/// Whether a request with these headers is answered. With a token, by who knows it. Without one everybody on this host may look,
/// but no page of another site that a browser of this host shows: its name for this server, which it can have resolve to
/// 127.0.0.1, is not one that is answered to.
pub(super) fn check(token: Option<&Token>, headers: &HeaderMap) -> Result<(), Denied> {
    match token {
        Some(token) => {
            let offered = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
            if offered.is_some_and(|offered| knows(token, offered)) {
                Ok(())
            } else {
                Err(Denied::Unknown)
            }
        }
        None => {
            let host = headers.get(HOST).map(|host| host.to_str().unwrap_or(""));
            if host.is_none_or(is_own_name) {
                Ok(())
            } else {
                Err(Denied::ForeignName)
            }
        }
    }
}

/// `Bearer TOKEN` (RFC 6750), or `Basic` with the token as password, whatever the user (RFC 7617).
fn knows(token: &Token, authorization: &[u8]) -> bool {
    let Some(space) = authorization.iter().position(|byte| *byte == b' ') else {
        return false;
    };
    let (scheme, rest) = authorization.split_at(space);
    let credentials = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return token.is(credentials);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return false;
    }
    let Ok(decoded) = BASE64_STANDARD.decode(credentials) else {
        return false;
    };
    let colon = decoded.iter().position(|byte| *byte == b':');
    let password = colon.and_then(|colon| decoded.get(colon + 1..));
    password.is_some_and(|password| token.is(password))
}

/// An IP address or `localhost`, with a port or without.
fn is_own_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn with_token(authorization: &str) -> Result<(), Denied> {
        let token = Token::new(SECRET.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        check(Some(&token), &headers)
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[test]
    fn who_knows_the_token_is_answered() {
        assert_eq!(with_token(&format!("Bearer {SECRET}")), Ok(()));
        assert_eq!(with_token(&format!("bearer  {SECRET}")), Ok(()));
        assert_eq!(with_token(&basic(&format!("anybody:{SECRET}"))), Ok(()));
        assert_eq!(with_token(&basic(&format!(":{SECRET}"))), Ok(()));
    }

    #[test]
    fn nobody_else_is() {
        let token = Token::new(SECRET.as_bytes()).unwrap();
        assert_eq!(check(Some(&token), &HeaderMap::new()), Err(Denied::Unknown));
        let wrong = [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {SECRET}0"),
            format!("Digest {SECRET}"),
            SECRET.to_owned(),
            basic(SECRET),
            basic(&format!("{SECRET}:")),
            "Basic !!!".to_owned(),
        ];
        for authorization in wrong {
            assert_eq!(
                with_token(&authorization),
                Err(Denied::Unknown),
                "{authorization:?}"
            );
        }
    }

    #[test]
    fn without_a_token_names_of_others_are_not_answered_to() {
        let asked = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            check(None, &headers)
        };
        for host in [
            "127.0.0.1:9650",
            "127.0.0.1",
            "[::1]:9650",
            "[::1]",
            "localhost",
            "LocalHost:9650",
        ] {
            assert_eq!(asked(host), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9650",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9650",
        ] {
            assert_eq!(asked(host), Err(Denied::ForeignName), "{host}");
        }
        // HTTP/1.0, which no browser speaks.
        assert_eq!(check(None, &HeaderMap::new()), Ok(()));
    }
}
