//! Built in as `webhook`: tells a web service of a transition, which may move a cloud address on the way.

use std::collections::BTreeMap;

use vrrp_sdk::prelude::*;

mod body;

/// Sends a transition to a URL, as JSON or in the words of a template.
#[vrrp_sdk::hook]
#[derive(Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to send it, such as `https://api.example.com/v1/failover`.
    url: http::Url,
    #[serde(default)]
    method: Method,
    /// Sent with the request, such as authorization.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What to send instead of the whole transition. {instance}, {state}, {before}, {interface}, {virtual-router-id}, {priority},
    /// {reason}, {addresses}, {sequence} and {at-unix-ms} are filled in, written as the content-type header asks for:
    /// inside JSON strings when there is none.
    body: Option<String>,
    /// Signs the body: the header x-vrrp-host-signature is "sha256=" and its HMAC-SHA256 in hexadecimal digits.
    secret: Option<Secret>,
    /// For one request. Keep it under the hook's timeout, within which a request that failed is repeated.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
    /// How to talk to an https:// URL: a table with server-name, verify, ca-file, client-certificate-file and
    /// client-key-file.
    tls: Option<net::Tls>,
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Delete,
    Get,
    Patch,
    #[default]
    Post,
    Put,
}

/// The same for each repetition of a request, and for no other one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const SIGNATURE: &str = "x-vrrp-host-signature";
const CONTENT_TYPE: &str = "content-type";

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(5_000)
}

impl Hook for Webhook {
    fn plan(&self) -> Plan {
        let needs = self.request().needs();
        needs.into_iter().fold(Plan::new(), Plan::needs)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if let Some(template) = &self.body {
            for unknown in body::unknown_words(template) {
                errors.at(
                    ["body"],
                    format!(
                        "nothing is called {{{unknown}}}: write one of {}",
                        body::words().join(", ")
                    ),
                );
            }
        }
        if self
            .secret
            .as_ref()
            .is_some_and(|secret| secret.expose().is_empty())
        {
            errors.at(
                ["secret"],
                "everybody knows this one: write what `openssl rand -hex 32` prints",
            );
        }
        if let Some(tls) = &self.tls {
            self.url.validate_tls("tls", tls, errors);
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"5s\"");
        }
        for (name, value) in &self.headers {
            if let Err(error) = http::check_header(name, value) {
                errors.at(["headers", name], error);
            }
        }
    }

    fn notify(&self, transition: &Transition) -> Result<(), HookError> {
        let request = self.telling(transition);
        let response = request.send().map_err(|error| match error {
            // What is denied now is denied the next time.
            http::Error::Denied(_) | http::Error::Tls(_) | http::Error::Unusable(_) => {
                HookError::Permanent(format!("{request}: {error}"))
            }
            http::Error::Timeout { .. }
            | http::Error::Refused
            | http::Error::Unreachable
            | http::Error::NameNotFound
            | http::Error::Io(_) => HookError::Retry(format!("{request}: {error}")),
        })?;
        let gave = || format!("{request} gave {}", response.status());
        match response.status() {
            200..=299 => Ok(()),
            // Too early, too slow, too much, or the server's own affair: RFC 9110 section 15, RFC 6585, RFC 8470.
            408 | 425 | 429 | 500.. => Err(HookError::Retry(gave())),
            _ => Err(HookError::Permanent(gave())),
        }
    }
}

impl Webhook {
    /// What is the same for every transition.
    fn request(&self) -> http::Request {
        http::Request::new(self.method.as_str(), &self.url)
            .timeout(self.timeout.into())
            .tls(&self.tls.clone().unwrap_or_default())
    }

    fn telling(&self, transition: &Transition) -> http::Request {
        let body = self.body(transition);
        let mut request = self
            .request()
            .header(IDEMPOTENCY_KEY, idempotency_key(transition))
            .max_body(0);
        if self.header(CONTENT_TYPE).is_none() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret.expose(), &body));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body)
    }

    fn body(&self, transition: &Transition) -> String {
        match &self.body {
            None => body::whole(transition),
            Some(template) => {
                let writing = body::Writing::of(self.header(CONTENT_TYPE));
                body::fill_in(template, transition, writing)
            }
        }
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    }
}

/// Sequence numbers begin anew with the daemon; the time makes them unique.
fn idempotency_key(transition: &Transition) -> String {
    format!(
        "{}-{}-{}",
        transition.instance, transition.at_unix_ms, transition.sequence
    )
}

fn signature(secret: &str, body: &str) -> String {
    let code = hmac_sha256::HMAC::mac(body, secret);
    let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

#[cfg(test)]
mod tests;
