//! A hook that runs a job on a unit.

use contract_guests::{text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "hook" });

use exports::vrrp_host::plugin::notifier::{
    ConfigError, Guest, HookError, Metadata, Plan, Transition,
};
use vrrp_host::plugin::systemd::Error;
use vrrp_host::plugin::systemd_control::{self, Action};

static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

struct Hook;

impl Guest for Hook {
    fn describe() -> Metadata {
        Metadata {
            name: "hook".to_owned(),
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

    fn notify(event: Transition) -> Result<(), HookError> {
        let config = CONFIG.lock().unwrap().clone();
        let action = match text(&config, "action") {
            "stop" => Action::Stop,
            "panic" => panic!("as told"),
            _ => Action::Start,
        };
        match systemd_control::run(text(&config, "unit"), action, 60_000) {
            Ok(()) => Ok(()),
            Err(Error::Denied) => Err(HookError::Permanent(format!(
                "denied for {}",
                event.instance
            ))),
            Err(Error::NotFound) => Err(HookError::Permanent("no such unit".to_owned())),
            Err(error) => Err(HookError::Retry(format!("{error:?}"))),
        }
    }
}

export!(Hook);
