//! Names in DNS.

use std::net::IpAddr;

/// Of a name with its dots, and of what is between two of them: RFC 1035 section 2.3.4.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Says what is wrong with a name.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let plain = name.strip_suffix('.').unwrap_or(name);
    if plain.is_empty() {
        return Err("write a name, such as \"www.example.com\"".to_owned());
    }
    if !name.is_ascii() {
        return Err(format!(
            "not a name in DNS: {name:?}; write it as it is sent, \"xn--...\""
        ));
    }
    if name
        .contains(|c: char| c.is_ascii_control() || c.is_ascii_whitespace() || "\\/\"".contains(c))
    {
        return Err(format!("not a name in DNS: {name:?}"));
    }
    // An address for a PTR record is no name yet.
    let labels = plain.split('.');
    if plain.len() > NAME_MAX
        || labels
            .clone()
            .any(|label| label.is_empty() || label.len() > LABEL_MAX)
    {
        return Err(format!("not a name in DNS: {name:?}"));
    }
    Ok(())
}

/// Where the name of an address is: RFC 1035 section 3.5, RFC 3596 section 2.5.
pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            let nibbles = octets
                .iter()
                .rev()
                .flat_map(|octet| [octet & 15, octet >> 4]);
            let digits: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{digits}ip6.arpa")
        }
    }
}
