//! `dns`: one question, to a chosen server or to the host's own.
//!
//! A question about a name needs `dns:NAME`. To ask a server of the module's own choice is more than that: it is a
//! conversation with that server, and needs `udp:ADDRESS:PORT` as well.

mod exchange;
mod servers;

use std::fmt::Write as _;
use std::net::SocketAddr;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::{dns, net};
use crate::grant::{Grant, GrantClass, dns_name};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "dns",
    granted_by: &[GrantClass::Dns],
    link: |linker| dns::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl dns::Host for Call {
    async fn query(
        &mut self,
        name: String,
        record_type: dns::RecordType,
        server: Option<String>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Vec<String>, net::Error>> {
        let deadline = self.call_deadline(timeout_ms);
        let chosen = match server.as_deref().map(chosen_server).transpose() {
            Ok(chosen) => chosen,
            Err(error) => return Ok(Err(error)),
        };
        let question = match question(&name, record_type) {
            Ok(question) => question,
            Err(error) => return Ok(Err(error)),
        };
        let mut needs = vec![Grant::Dns(dns_name(&name))];
        if let Some((_, need)) = &chosen {
            needs.push(need.clone());
        }
        if !self.permits_all(&needs) {
            return Ok(Err(net::Error::Denied));
        }
        let servers = match chosen {
            Some((server, _)) => vec![server],
            None => servers::of_this_host().await,
        };
        Ok(exchange::ask(&servers, &question, deadline)
            .await
            .map(|answer| records(&answer, question.query_type())))
    }
}

/// The server's address, and the grant that a conversation with it needs.
fn chosen_server(text: &str) -> Result<(SocketAddr, Grant), net::Error> {
    let invalid = || {
        net::Error::Io(format!(
            "`{text}` is not the address and port of a server: write 192.0.2.53:53 or [2001:db8::53]:53"
        ))
    };
    let server: SocketAddr = text.parse().map_err(|_| invalid())?;
    let server = SocketAddr::new(server.ip().to_canonical(), server.port());
    let need = format!("udp:{server}").parse().map_err(|_| invalid())?;
    Ok((server, need))
}

/// The name is complete as it stands: the search list of the host is for people who type.
fn question(name: &str, record_type: dns::RecordType) -> Result<Query, net::Error> {
    let mut parsed = Name::from_ascii(name)
        .ok()
        .filter(|parsed| !parsed.is_root())
        .ok_or_else(|| net::Error::Io(format!("`{name}` is not a name in DNS")))?;
    parsed.set_fqdn(true);
    let record_type = match record_type {
        dns::RecordType::A => RecordType::A,
        dns::RecordType::Aaaa => RecordType::AAAA,
        dns::RecordType::Cname => RecordType::CNAME,
        dns::RecordType::Mx => RecordType::MX,
        dns::RecordType::Ns => RecordType::NS,
        dns::RecordType::Ptr => RecordType::PTR,
        dns::RecordType::Soa => RecordType::SOA,
        dns::RecordType::Srv => RecordType::SRV,
        dns::RecordType::Txt => RecordType::TXT,
    };
    Ok(Query::query(parsed, record_type))
}

/// The records that were asked for, without the aliases on the way to them.
fn records(answer: &Message, wanted: RecordType) -> Vec<String> {
    let data = answer.answers.iter().map(|record| &record.data);
    data.filter(|data| data.record_type() == wanted)
        .map(as_in_a_zone_file)
        .collect()
}

/// RFC 1035 section 5.1.
fn as_in_a_zone_file(data: &RData) -> String {
    let RData::TXT(text) = data else {
        return data.to_string();
    };
    let strings = text.txt_data.iter().map(|string| quoted(string));
    strings.collect::<Vec<_>>().join(" ")
}

fn quoted(string: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in string {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            other => {
                // Writing to a string succeeds.
                let _ = write!(text, "\\{other:03}");
            }
        }
    }
    text.push('"');
    text
}

/// What an answer without records means; nothing is wrong with one that only has none.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest belongs to updates, signatures and the future"
)]
fn refusal(code: ResponseCode, server: SocketAddr) -> Option<net::Error> {
    let word = match code {
        ResponseCode::NoError => return None,
        ResponseCode::NXDomain => return Some(net::Error::NameNotFound),
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        other => return Some(net::Error::Io(format!("{server} answered: {other}"))),
    };
    Some(net::Error::Io(format!("{server} answered {word}")))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME, MX, TXT};

    use super::*;

    #[test]
    fn records_are_written_as_in_a_zone_file_and_aliases_are_left_out() {
        let name = Name::from_ascii("www.example.com.").unwrap();
        let mut answer = Message::query();
        for data in [
            RData::CNAME(CNAME(name.clone())),
            RData::A(A::new(192, 0, 2, 1)),
            RData::A(A::new(192, 0, 2, 2)),
            RData::MX(MX::new(10, name.clone())),
            RData::TXT(TXT::from_bytes(vec![b"say \"hi\"\\", b"\xff;"])),
        ] {
            answer.add_answer(Record::from_rdata(name.clone(), 60, data));
        }
        assert_eq!(records(&answer, RecordType::A), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(records(&answer, RecordType::CNAME), ["www.example.com."]);
        assert_eq!(records(&answer, RecordType::MX), ["10 www.example.com."]);
        assert_eq!(
            records(&answer, RecordType::TXT),
            [r#""say \"hi\"\\" "\255;""#]
        );
        assert!(records(&answer, RecordType::AAAA).is_empty());
    }

    #[test]
    fn a_server_is_an_address_with_a_port() {
        for (text, need) in [
            ("192.0.2.53:53", "udp:192.0.2.53:53"),
            ("[2001:db8::53]:5353", "udp:[2001:db8::53]:5353"),
            ("[::ffff:192.0.2.53]:53", "udp:192.0.2.53:53"),
        ] {
            assert_eq!(chosen_server(text).unwrap().1.to_string(), need);
        }
        for text in ["192.0.2.53", "ns1.example.com:53", "192.0.2.53:0", ""] {
            let error = chosen_server(text).unwrap_err();
            assert!(
                matches!(&error, net::Error::Io(words) if words.contains("write 192.0.2.53:53")),
                "{error:?}"
            );
        }
    }
}
