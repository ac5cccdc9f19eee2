//! A check from the future: the tests rename the capability that it wants to one that no version has.

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use exports::vrrp_host::plugin::checker::{
    CheckError, ConfigError, Guest, Metadata, Observation, Plan, RunContext,
};

struct Early;

impl Guest for Early {
    fn describe() -> Metadata {
        unreachable!()
    }

    fn configure(_: String) -> Result<Plan, Vec<ConfigError>> {
        unreachable!()
    }

    fn run(_: RunContext) -> Result<Observation, CheckError> {
        let found = vrrp_host::plugin::dns::query(
            "example.com",
            vrrp_host::plugin::dns::RecordType::A,
            None,
            10,
        );
        Err(CheckError::Internal(format!("{found:?}")))
    }
}

export!(Early);
