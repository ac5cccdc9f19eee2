//! Who vouches for a module: minisign signatures (Ed25519 over the BLAKE2b of the file, `minisign(1)`).

use std::fmt;
use std::str::FromStr;

use minisign::SignatureBox;
use minisign_verify::Signature;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A key that signatures are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a public key of minisign; write the second line of its .pub file, 56 letters and digits that begin with RW"
)]
pub(crate) struct ParseKeyError;

impl PublicKey {
    /// The number by which people tell keys apart.
    pub(crate) fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    /// Takes the line with the key, or all of the `.pub` file that it is in.
    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let line = text.trim().lines().last().ok_or(ParseKeyError)?;
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| ParseKeyError)?;
        let id = minisign::PublicKey::from_base64(line).map_err(|_| ParseKeyError)?;
        let id = KeyId::from_bytes(id.keynum()).ok_or(ParseKeyError)?;
        Ok(Self { id, key })
    }
}

/// The id of a key, as `minisign` prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(u64);

impl KeyId {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_le_bytes).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u64::from_str_radix(&text, 16).ok();
        let number = number.filter(|_| text.len() <= 16);
        number.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is not the id of a key, up to 16 hexadecimal digits"
            ))
        })
    }
}

/// Nobody that we know vouches for the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no signature.
    #[error("the module is not signed, and only modules signed by {} are accepted", list(.0))]
    Missing(Vec<KeyId>),
    /// What is there cannot be read.
    #[error("the signature of the module is not one of minisign")]
    Malformed,
    /// Somebody else's.
    #[error("the module is signed by {by}; only modules signed by {} are accepted", list(.known))]
    OtherKey {
        /// Who signed it.
        by: KeyId,
        /// Who should have.
        known: Vec<KeyId>,
    },
    /// A signature of something else, or a forged one.
    #[error("the signature of the module is wrong: {by} has not signed these bytes")]
    Wrong {
        /// Who is said to have signed it.
        by: KeyId,
    },
}

fn list(keys: &[KeyId]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("key {key}")).collect();
    keys.join(" or ")
}

/// Who says to have signed, as far as can be told without a key.
pub(crate) fn claimed_signer(signature: &str) -> Option<KeyId> {
    let signature = SignatureBox::from_string(signature).ok()?;
    KeyId::from_bytes(signature.keynum())
}

/// Which of `keys` has signed `component`.
///
/// # Errors
/// When none has.
pub(crate) fn verify(
    keys: &[PublicKey],
    signature: Option<&str>,
    component: &[u8],
) -> Result<KeyId, SignatureError> {
    let known = || keys.iter().map(PublicKey::id).collect();
    let text = signature.ok_or_else(|| SignatureError::Missing(known()))?;
    let by = claimed_signer(text).ok_or(SignatureError::Malformed)?;
    let signature = Signature::decode(text).map_err(|_| SignatureError::Malformed)?;
    let mut candidates = keys.iter().filter(|key| key.id == by).peekable();
    if candidates.peek().is_none() {
        return Err(SignatureError::OtherKey { by, known: known() });
    }
    // Anybody can make a key with the id of another one.
    let verified = |key: &PublicKey| key.key.verify(component, &signature, false).is_ok();
    if candidates.any(verified) {
        Ok(by)
    } else {
        Err(SignatureError::Wrong { by })
    }
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    fn key_pair() -> (KeyPair, PublicKey) {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.pk.to_box().unwrap().to_string();
        let key: PublicKey = text.parse().unwrap();
        assert_eq!(pair.pk.to_base64().parse(), Ok(key.clone()));
        (pair, key)
    }

    fn sign(pair: &KeyPair, component: &[u8]) -> String {
        minisign::sign(None, &pair.sk, component, None, None)
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_signature_of_a_known_key_counts() {
        let (pair, key) = key_pair();
        let (_, other) = key_pair();
        let signature = sign(&pair, b"component");
        let known = [other.clone(), key.clone()];
        assert_eq!(verify(&known, Some(&signature), b"component"), Ok(key.id()));
        assert_eq!(claimed_signer(&signature), Some(key.id()));

        assert_eq!(
            verify(std::slice::from_ref(&other), Some(&signature), b"component"),
            Err(SignatureError::OtherKey {
                by: key.id(),
                known: vec![other.id()]
            })
        );
        assert_eq!(
            verify(&known, Some(&signature), b"komponent"),
            Err(SignatureError::Wrong { by: key.id() })
        );
        assert_eq!(
            verify(&known, None, b"component"),
            Err(SignatureError::Missing(vec![other.id(), key.id()]))
        );
    }

    #[test]
    fn no_byte_of_a_signature_can_be_changed() {
        let (pair, key) = key_pair();
        let signature = sign(&pair, b"component");
        let known = [key];
        let comment = signature.lines().next().unwrap().len();
        for at in comment + 1..signature.len() {
            let mut forged = signature.clone().into_bytes();
            forged[at] ^= 1;
            let Ok(forged) = String::from_utf8(forged) else {
                continue;
            };
            let result = verify(&known, Some(&forged), b"component");
            // The line that ends the file may be any.
            if result.is_ok() {
                assert_eq!(forged.trim_end(), signature.trim_end(), "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        let (pair, _) = key_pair();
        let key = pair.pk.to_base64();
        for text in [
            "",
            "RWQ",
            &key[1..],
            &format!("{key}A"),
            "untrusted comment: x",
        ] {
            assert_eq!(text.parse::<PublicKey>(), Err(ParseKeyError), "{text}");
        }
    }
}
