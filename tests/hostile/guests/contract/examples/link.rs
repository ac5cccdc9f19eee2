//! A check that looks at the interface `with`, and wants to be told when the path `watch` changes.

use contract_guests::{text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::link;
use vrrp_host::plugin::types::{Trigger, Verdict};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Link;

impl Guest for Link {
    fn describe() -> Metadata {
        Metadata {
            name: "link".to_owned(),
            version: "1".to_owned(),
            description: String::new(),
            config_schema: "{}".to_owned(),
        }
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        let needs = texts(&config, "needs");
        let paths = texts(&config, "watch");
        *CONFIG.lock().unwrap() = config;
        Ok(Plan {
            triggers: paths.into_iter().map(Trigger::PathChanged).collect(),
            needs,
        })
    }

    fn run(_: RunContext) -> Result<Observation, CheckError> {
        let config = CONFIG.lock().unwrap().clone();
        Ok(Observation {
            verdict: Verdict::Passing,
            summary: format!("{:?}", link::get(text(&config, "with"))),
            weight: None,
            facts: Vec::new(),
        })
    }
}

export!(Link);
