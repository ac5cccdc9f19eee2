//! A check that uses what needs a grant: processes, units and HTTP.

use contract_guests::{some, teller, text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use vrrp_host::plugin::net::Tls;
use vrrp_host::plugin::{http, process, systemd};

teller!("curious", tell);

fn tell(config: &str, subject: &str) -> Result<String, CheckError> {
    Ok(match text(config, "do") {
        "find" => match process::find(subject) {
            Ok(found) => format!("{found:?}"),
            Err(process::Error::Denied) => {
                return Err(CheckError::Denied("process.find".to_owned()));
            }
            Err(error) => format!("{error:?}"),
        },
        "unit" => format!("{:?}", systemd::get(subject)),
        "http" => fetch(config, subject),
        other => other.to_owned(),
    })
}

fn fetch(config: &str, url: &str) -> String {
    let number = |key| text(config, key).parse().ok();
    let method = match text(config, "method") {
        "" => "GET",
        method => method,
    };
    let headers = texts(config, "headers");
    let response = http::send(&http::Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
        body: text(config, "body").as_bytes().to_vec(),
        timeout_ms: number("timeout").unwrap_or(5000),
        max_body: number("max-body").unwrap_or(1000),
        follow_redirects: number("follow").unwrap_or(0) as u8,
        tls: Tls {
            server_name: some(text(config, "server-name")),
            verify: text(config, "verify") != "no",
            ca_file: some(text(config, "ca")),
            client_certificate_file: some(text(config, "certificate")),
            client_key_file: some(text(config, "key")),
        },
    });
    match response {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            format!(
                "{} {body:?} truncated={}",
                response.status, response.truncated
            )
        }
        Err(error) => format!("{error:?}"),
    }
}
