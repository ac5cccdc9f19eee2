//! Passwords and keys on their way to the router, which alone needs them.
//!
//! `vrrp` knows no serde, and its secrets give themselves away only on purpose: this is the purpose.

use std::num::NonZeroU8;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vrrp::{Authentication, Hmac, Key, KeyId, Mode, Password};

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    None,
    Password(&'a [u8]),
    Hmac {
        #[serde(with = "ModeDef")]
        mode: Mode,
        #[serde(borrow)]
        keys: Vec<(NonZeroU8, &'a [u8])>,
        active_key: NonZeroU8,
        window: Duration,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mode")]
enum ModeDef {
    ReceiveOnly,
    Permissive,
    Enforce,
}

pub(super) fn serialize<S: Serializer>(
    authentication: &Authentication,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let wire = match authentication {
        Authentication::None => Wire::None,
        Authentication::Password(password) => Wire::Password(password.expose()),
        Authentication::Hmac(hmac) => {
            let keys = hmac.keys.iter();
            Wire::Hmac {
                mode: hmac.mode,
                keys: keys.map(|(id, key)| (id.0, &key.expose()[..])).collect(),
                active_key: hmac.active_key.0,
                window: hmac.window,
            }
        }
    };
    wire.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Authentication, D::Error> {
    Ok(match Wire::deserialize(deserializer)? {
        Wire::None => Authentication::None,
        Wire::Password(password) => Authentication::Password(Password::new(password)),
        Wire::Hmac {
            mode,
            keys,
            active_key,
            window,
        } => Authentication::Hmac(Hmac {
            mode,
            keys: keys
                .into_iter()
                .map(|(id, key)| Ok((KeyId(id), Key::new(key).map_err(D::Error::custom)?)))
                .collect::<Result<_, D::Error>>()?,
            active_key: KeyId(active_key),
            window,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Carrier(#[serde(with = "super")] Authentication);

    #[test]
    fn arrives_as_it_was_sent() {
        let id = |number| KeyId(NonZeroU8::new(number).unwrap());
        for authentication in [
            Authentication::None,
            Authentication::Password(Password::new(b"hunter2")),
            Authentication::Hmac(Hmac {
                mode: Mode::Permissive,
                keys: vec![
                    (id(1), Key::new(&[1; 32]).unwrap()),
                    (id(200), Key::new(&[2; 64]).unwrap()),
                ],
                active_key: id(200),
                window: Duration::from_millis(5500),
            }),
        ] {
            let sent = Carrier(authentication);
            let bytes = postcard::to_stdvec(&sent).unwrap();
            assert_eq!(postcard::from_bytes::<Carrier>(&bytes), Ok(sent));
        }
    }
}
