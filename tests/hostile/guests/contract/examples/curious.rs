//! A check that uses what needs a grant: processes, units and HTTP.

use contract_guests::{text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::types::Verdict;
use vrrp_host::plugin::{http, process, systemd};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Curious;

impl Guest for Curious {
    fn describe() -> Metadata {
        Metadata {
            name: "curious".to_owned(),
            version: "1".to_owned(),
            description: String::new(),
            config_schema: "{}".to_owned(),
        }
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        let needs = texts(&config, "needs");
        *CONFIG.lock().unwrap() = config;
        Ok(Plan {
            triggers: Vec::new(),
            needs,
        })
    }

    fn run(_: RunContext) -> Result<Observation, CheckError> {
        let config = CONFIG.lock().unwrap().clone();
        let subject = text(&config, "with");
        let summary = match text(&config, "do") {
            "find" => match process::find(subject) {
                Ok(found) => format!("{found:?}"),
                Err(process::Error::Denied) => {
                    return Err(CheckError::Denied("process.find".to_owned()));
                }
                Err(error) => format!("{error:?}"),
            },
            "unit" => format!("{:?}", systemd::get(subject)),
            "http" => fetch(&config, subject),
            other => other.to_owned(),
        };
        Ok(Observation {
            verdict: Verdict::Passing,
            summary,
            weight: None,
            facts: Vec::new(),
        })
    }
}

fn fetch(config: &str, url: &str) -> String {
    let number = |key| text(config, key).parse().ok();
    let method = match text(config, "method") {
        "" => "GET",
        method => method,
    };
    let headers = texts(config, "headers");
    let response = http::send(&http::Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
        body: text(config, "body").as_bytes().to_vec(),
        timeout_ms: number("timeout").unwrap_or(5000),
        max_body: number("max-body").unwrap_or(1000),
        follow_redirects: number("follow").unwrap_or(0) as u8,
        verify_tls: text(config, "verify") != "no",
    });
    match response {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            format!(
                "{} {body:?} truncated={}",
                response.status, response.truncated
            )
        }
        Err(error) => format!("{error:?}"),
    }
}

export!(Curious);
