//! A check that sends echo requests.

use contract_guests::text;

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::types::Verdict;
use vrrp_host::plugin::{icmp, net};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Pinger;

impl Guest for Pinger {
    fn describe() -> Metadata {
        Metadata {
            name: "pinger".to_owned(),
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
            summary: format!("{:?}", ping(&config, text(&config, "with"))),
            weight: None,
            facts: Vec::new(),
        })
    }
}

fn ping(config: &str, address: &str) -> Result<Vec<Option<u64>>, net::Error> {
    let number = |key, otherwise| text(config, key).parse().unwrap_or(otherwise);
    let timeout = number("timeout", 5000);
    icmp::ping(
        address,
        number("count", 1) as u8,
        number("interval", 0),
        timeout,
    )
}

export!(Pinger);
