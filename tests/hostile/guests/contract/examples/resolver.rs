//! A check that asks for a name.

use contract_guests::text;

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::types::Verdict;
use vrrp_host::plugin::{dns, net};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Resolver;

impl Guest for Resolver {
    fn describe() -> Metadata {
        Metadata {
            name: "resolver".to_owned(),
            version: "1".to_owned(),
            description: String::new(),
            config_schema: "{}".to_owned(),
        }
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        *CONFIG.lock().unwrap() = config;
        Ok(Plan {
            triggers: Vec::new(),
            needs: Vec::new(),
        })
    }

    fn run(_: RunContext) -> Result<Observation, CheckError> {
        let config = CONFIG.lock().unwrap().clone();
        Ok(Observation {
            verdict: Verdict::Passing,
            summary: format!("{:?}", resolve(&config, text(&config, "with"))),
            weight: None,
            facts: Vec::new(),
        })
    }
}

fn resolve(config: &str, name: &str) -> Result<Vec<String>, net::Error> {
    let record_type = match text(config, "type") {
        "AAAA" => dns::RecordType::Aaaa,
        "TXT" => dns::RecordType::Txt,
        _ => dns::RecordType::A,
    };
    let server = Some(text(config, "server")).filter(|server| !server.is_empty());
    let timeout = text(config, "timeout").parse().unwrap_or(5000);
    dns::query(name, record_type, server, timeout)
}

export!(Resolver);
