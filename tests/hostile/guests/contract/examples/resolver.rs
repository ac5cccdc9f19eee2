//! A check that asks for a name.

use contract_guests::{teller, text};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use vrrp_host::plugin::{dns, net};

teller!("resolver", |config, subject| Ok(format!(
    "{:?}",
    resolve(config, subject)
)));

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
