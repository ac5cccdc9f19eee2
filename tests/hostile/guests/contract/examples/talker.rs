//! A check that talks to servers: over streams, step by step as `steps` says, and by datagrams.

use contract_guests::{some, teller, text, texts};

wit_bindgen::generate!({ path: "../../../../wit", world: "check" });

use vrrp_host::plugin::net::{Error, Tls};
use vrrp_host::plugin::stream::Connection;
use vrrp_host::plugin::udp;

teller!("talker", tell);

fn tell(config: &str, address: &str) -> Result<String, CheckError> {
    Ok(match text(config, "do") {
        "talk" => talk(config, address),
        "hoard" => hoard(config, address),
        "datagram" => {
            let send = text(config, "send").as_bytes();
            let max = text(config, "max").parse().unwrap_or(1000);
            shown(udp::exchange(address, send, max, timeout(config)))
        }
        other => other.to_owned(),
    })
}

/// What came of each step.
fn talk(config: &str, address: &str) -> String {
    let timeout = timeout(config);
    let connection = match open(address, timeout) {
        Ok(connection) => connection,
        Err(error) => return format!("{error:?}"),
    };
    let steps = texts(config, "steps");
    let outcomes = steps.iter().map(|step| {
        let (act, with) = step.split_once(' ').unwrap_or((step, ""));
        match act {
            "write" => match connection.write(with.as_bytes(), timeout) {
                Ok(()) => "written".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "flood" => format!(
                "{:?}",
                (0..1000).find_map(|_| connection.write(&[0; 100_000], timeout).err())
            ),
            "read" => shown(connection.read(with.parse().unwrap(), timeout)),
            "tls" => match connection.start_tls(&tls(config, with), timeout) {
                Ok(()) => "encrypted".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "not-after" => format!("{:?}", connection.certificate_not_after()),
            "peer" => connection.peer(),
            other => other.to_owned(),
        }
    });
    outcomes.collect::<Vec<_>>().join("; ")
}

/// Holds as many conversations as `count` says.
fn hoard(config: &str, address: &str) -> String {
    let count = text(config, "count").parse().unwrap();
    let all: Vec<_> = (0..count).map(|_| open(address, timeout(config))).collect();
    let open = all.iter().filter(|connection| connection.is_ok()).count();
    format!("{open} open")
}

fn open(address: &str, timeout: u32) -> Result<Connection, Error> {
    if address.starts_with('/') {
        Connection::unix(address, timeout)
    } else {
        Connection::tcp(address, timeout)
    }
}

fn tls(config: &str, server_name: &str) -> Tls {
    Tls {
        server_name: some(server_name),
        verify: text(config, "verify") != "no",
        ca_file: some(text(config, "ca")),
        client_certificate_file: some(text(config, "certificate")),
        client_key_file: some(text(config, "key")),
    }
}

fn timeout(config: &str) -> u32 {
    text(config, "timeout").parse().unwrap_or(5000)
}

fn shown(read: Result<Vec<u8>, Error>) -> String {
    match read {
        Ok(data) => format!("{:?}", String::from_utf8_lossy(&data)),
        Err(error) => format!("{error:?}"),
    }
}
