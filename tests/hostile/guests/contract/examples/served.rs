//! A check that has the broker read files and run commands.

use contract_guests::{text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};
use vrrp_host::plugin::types::Verdict;
use vrrp_host::plugin::{exec, files};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Served;

impl Guest for Served {
    fn describe() -> Metadata {
        Metadata {
            name: "served".to_owned(),
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
            "read" => match files::read(subject, 100) {
                Ok(content) => String::from_utf8_lossy(&content).into_owned(),
                Err(error) => format!("{error:?}"),
            },
            "modified" => format!("{:?}", files::modified_unix_ms(subject)),
            "run" => match exec::run(subject, &texts(&config, "args"), 60_000) {
                Ok(output) => format!(
                    "{:?} {:?} {:?} {}",
                    output.ending,
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                    output.truncated
                ),
                Err(error) => format!("{error:?}"),
            },
            "run-much" => format!("{:?}", exec::run(subject, &["x".repeat(40_000)], 60_000)),
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

export!(Served);
