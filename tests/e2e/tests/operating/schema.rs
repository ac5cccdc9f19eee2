//! The stable interfaces are as their schemas in `docs/` say.

use std::fs;
use std::path::Path;

use e2e::stage::INSTANCE;
use jsonschema::Validator;
use lab::scenario::State;
use serde_json::Value;

use super::{Pair, said};

fn schema(name: &str) -> Validator {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let text = fs::read_to_string(docs.join(name)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

#[track_caller]
fn holds(schema: &Validator, value: &Value) {
    let errors: Vec<_> = schema
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {value:#}");
}

#[test]
fn what_is_printed_is_what_the_schemas_describe() {
    let (status, event) = (schema("status.schema.json"), schema("event.schema.json"));
    let pair = Pair::new();
    holds(&status, &pair.first.status().unwrap());
    holds(&status, &pair.second.status().unwrap());
    drop(pair.checked);
    pair.second.wait_for_state(INSTANCE, State::Master);
    pair.first.wait_for_state(INSTANCE, State::Fault);
    let failed = pair.first.status().unwrap();
    holds(&status, &failed);
    for line in said(&pair.first.ask(&["events", "--json"]), 0).lines() {
        holds(&event, &serde_json::from_str(line).unwrap());
    }
    // They refuse what is not.
    let mut wrong = failed;
    wrong["instances"][INSTANCE]["priority"]["effective"] = "high".into();
    assert!(!status.is_valid(&wrong));
    assert!(!event.is_valid(&serde_json::json!({ "sequence": 1 })));
}
