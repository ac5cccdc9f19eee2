//! What the guests in `examples/` have in common.

/// `name value` from a config such as `{"do":"find","with":"named"}`, without a JSON parser.
pub fn text<'a>(config: &'a str, key: &str) -> &'a str {
    let start = format!("\"{key}\":\"");
    let Some(at) = config.find(&start) else {
        return "";
    };
    let rest = &config[at + start.len()..];
    &rest[..rest.find('"').unwrap_or(rest.len())]
}

/// A text that may be left out.
pub fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The strings in `"key":["a","b"]`.
pub fn texts(config: &str, key: &str) -> Vec<String> {
    let start = format!("\"{key}\":[");
    let Some(at) = config.find(&start) else {
        return Vec::new();
    };
    let rest = &config[at + start.len()..];
    let list = &rest[..rest.find(']').unwrap_or(rest.len())];
    list.split(',')
        .map(|text| text.trim_matches('"').to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// A check whose summary is what `$tell` makes of its config: `Ok(summary)` is passing. Its config may list `needs`. To be used where
/// the bindings of the world `check` are.
#[macro_export]
macro_rules! teller {
    ($name:literal, $tell:expr) => {
        use exports::vrrp_host::plugin::checker::{
            CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
        };

        static CONFIG: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

        struct Teller;

        impl Guest for Teller {
            fn describe() -> Metadata {
                Metadata {
                    name: $name.to_owned(),
                    version: "1".to_owned(),
                    description: String::new(),
                    config_schema: "{}".to_owned(),
                }
            }

            fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
                let needs = $crate::texts(&config, "needs");
                *CONFIG.lock().unwrap() = config;
                Ok(Plan {
                    triggers: Vec::new(),
                    needs,
                })
            }

            fn run(_: RunContext) -> Result<Observation, CheckError> {
                let config = CONFIG.lock().unwrap().clone();
                let tell: fn(&str, &str) -> Result<String, CheckError> = $tell;
                Ok(Observation {
                    verdict: vrrp_host::plugin::types::Verdict::Passing,
                    summary: tell(&config, $crate::text(&config, "with"))?,
                    weight: None,
                    facts: Vec::new(),
                })
            }
        }

        export!(Teller);
    };
}
