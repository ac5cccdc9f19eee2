//! Built in as `http`: requests a URL and judges the answer.

use std::collections::BTreeMap;

use vrrp_sdk::prelude::*;

use status::StatusPattern;

mod status;

/// An HTTP request gets the expected answer.
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Http {
    /// What to request, such as "http://127.0.0.1:8080/health".
    url: http::Url,
    #[serde(default)]
    method: Method,
    /// Which answers pass: numbers, or classes such as "2xx".
    #[serde(default = "ok")]
    expect_status: Vec<StatusPattern>,
    /// Text that the first 64 KiB of the body have to contain.
    expect_body: Option<String>,
    /// For the whole request. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
    /// How to talk to an https:// URL: a table with server-name, verify, ca-file, client-certificate-file and
    /// client-key-file. A redirect to another site is followed without the certificate.
    tls: Option<net::Tls>,
    /// Sent with the request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How many redirects to follow. Without any, a redirect is judged like every other answer.
    #[serde(default)]
    follow_redirects: u8,
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Get,
    Head,
    Options,
    Post,
}

fn ok() -> Vec<StatusPattern> {
    vec![StatusPattern::Code(200)]
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

impl Check for Http {
    fn plan(&self) -> Plan {
        let needs = self.request().needs();
        needs.into_iter().fold(Plan::new(), Plan::needs)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.expect_status.is_empty() {
            errors.at(["expect-status"], "no answer could pass: write [200]");
        }
        if self.method == Method::Head && self.expect_body.is_some() {
            errors.at(
                ["expect-body"],
                "the answer to HEAD has no body: write method = \"GET\"",
            );
        }
        if let Some(tls) = &self.tls {
            self.url.validate_tls("tls", tls, errors);
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
        for (name, value) in &self.headers {
            if let Err(error) = http::check_header(name, value) {
                errors.at(["headers", name], error);
            }
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let request = self
            .request()
            .timeout(context.within_deadline(self.timeout.into()));
        match request.send() {
            Ok(response) => Ok(self.judge(&request, &response)),
            Err(error) => error.into_verdict(&request),
        }
    }
}

impl Http {
    fn request(&self) -> http::Request {
        let request = http::Request::new(self.method.as_str(), &self.url)
            .tls(&self.tls.clone().unwrap_or_default())
            .follow_redirects(self.follow_redirects);
        self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    fn judge(&self, request: &http::Request, response: &http::Response) -> Observation {
        let status = response.status();
        let missing_text = self
            .expect_body
            .as_ref()
            .filter(|text| !response.text().contains(text.as_str()));

        let gave = format!("{request} gave {status}");
        let observation = if !self
            .expect_status
            .iter()
            .any(|pattern| pattern.matches(status))
        {
            Observation::failing(gave)
        } else if let Some(text) = missing_text {
            let part = if response.is_truncated() {
                "the first 64 KiB of the body"
            } else {
                "the body"
            };
            Observation::failing(format!("{gave}, but {part} does not contain {text:?}"))
        } else {
            Observation::passing(gave)
        };
        observation
            .fact("status", status)
            .fact("time-us", response.elapsed().as_micros())
    }
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

#[cfg(test)]
mod tests;
