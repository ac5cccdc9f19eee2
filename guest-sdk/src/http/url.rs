use std::borrow::Cow;
use std::fmt;

use ::http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::ConfigErrors;
use crate::net::Tls;

/// An `http://` or `https://` URL in a config.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Url(String);

impl Url {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an `https://` URL.
    pub fn is_encrypted(&self) -> bool {
        self.0
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
    }

    /// Reports what does not fit together in `tls`, the table of this key that is meant for this URL.
    pub fn validate_tls(&self, key: &str, tls: &Tls, errors: &mut ConfigErrors) {
        if !self.is_encrypted() {
            errors.at(
                [key],
                "nothing is encrypted on the way to an http:// URL: write https://, or leave it out",
            );
        }
        tls.validate(key, errors);
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&Url> for String {
    fn from(url: &Url) -> Self {
        url.0.clone()
    }
}

/// Why a text is not a URL to request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("not an http:// or https:// URL: {0}")]
    Scheme(String),
    #[error("not a URL: {0}")]
    Syntax(String),
    #[error("user and password do not belong in a URL: send an authorization header")]
    UserInfo,
}

impl TryFrom<String> for Url {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(UrlError::Scheme(text));
        };
        if !["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(UrlError::Scheme(text));
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return Err(UrlError::Syntax(text));
        };
        let Some(authority) = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
        else {
            return Err(UrlError::Syntax(text));
        };
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let port = &authority.as_str()[authority.host().len()..];
        if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(UrlError::Syntax(text));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Url {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_to_request_are_taken_as_they_are() {
        for text in [
            "http://127.0.0.1:9100/metrics",
            "https://example.com",
            "https://[2001:db8::1]:8443/health?full=1",
            "HTTP://localhost/",
        ] {
            assert_eq!(
                Url::try_from(text.to_owned()).as_ref().map(Url::as_str),
                Ok(text)
            );
        }
    }

    #[test]
    fn what_cannot_be_requested_is_refused() {
        let syntax = |text: &str| UrlError::Syntax(text.to_owned());
        let scheme = |text: &str| UrlError::Scheme(text.to_owned());
        for (text, error) in [
            ("", scheme("")),
            ("localhost:80/x", scheme("localhost:80/x")),
            ("ftp://localhost/", scheme("ftp://localhost/")),
            ("http://", syntax("http://")),
            ("http:///metrics", syntax("http:///metrics")),
            ("http://local host/", syntax("http://local host/")),
            ("http://localhost:0/", syntax("http://localhost:0/")),
            ("http://localhost:65536/", syntax("http://localhost:65536/")),
            ("http://localhost:/", syntax("http://localhost:/")),
            ("http://me:secret@localhost/", UrlError::UserInfo),
        ] {
            assert_eq!(Url::try_from(text.to_owned()), Err(error));
        }
    }
}
