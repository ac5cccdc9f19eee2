//! A check that sends echo requests.

use contract_guests::{teller, text};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use vrrp_host::plugin::{icmp, net};

teller!("pinger", |config, subject| Ok(format!(
    "{:?}",
    ping(config, subject)
)));

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
