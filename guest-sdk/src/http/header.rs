use ::http::HeaderName;
use ::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};

/// They belong to the connection or follow from the URL, and the host sends no others.
const RESERVED: [HeaderName; 7] = [
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a header of a config can be sent, for [`Check::validate`](crate::Check::validate).
///
/// # Errors
/// Says what is wrong with it.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    let parsed = parsed.map_err(|_| format!("not the name of a header: {name:?}"))?;
    if RESERVED.contains(&parsed) {
        return Err("vrrp-host sets this header itself".to_owned());
    }
    if value.contains(char::is_control) {
        return Err("a header cannot hold control characters".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_would_refuse_is_refused_at_load() {
        for (name, value, error) in [
            ("Authorization", "Bearer x", None),
            ("x-probe", "", None),
            ("a b", "", Some("not the name of a header: \"a b\"")),
            ("", "", Some("not the name of a header: \"\"")),
            (
                "x",
                "a\r\nb: c",
                Some("a header cannot hold control characters"),
            ),
            ("Host", "x", Some("vrrp-host sets this header itself")),
            (
                "content-length",
                "0",
                Some("vrrp-host sets this header itself"),
            ),
        ] {
            let refused = check_header(name, value).err();
            assert_eq!(refused.as_deref(), error, "{name}");
        }
    }
}
