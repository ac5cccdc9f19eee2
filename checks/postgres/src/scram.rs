//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, without channel binding.
//!
//! What makes a password slow to guess makes it slow to use: 4096 rounds of HMAC are what a server asks for. What comes of them
//! depends on the password, the salt and the count alone, so it is kept from one run to the next.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use stringprep::saslprep;
use vrrp_sdk::state;

/// As the protocol calls it.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

/// "n,,": no channel binding, no other identity.
const GS2_HEADER: &str = "n,,";
/// The header as the server has to repeat it to nobody: in base64.
const CHANNEL_BINDING: &str = "c=biws";
/// Of random; what is sent has a third more characters.
const NONCE_BYTES: usize = 18;
/// Where the keys of the last run are kept.
const KEPT: &str = "scram";

type Block = [u8; 32];

/// Why the server cannot be logged in to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("what it says is not SCRAM: {0:?}")]
    Syntax(String),
    #[error("SCRAM fails: {0}")]
    Server(String),
    #[error("it does not know the password itself, and is not who it says to be")]
    Impostor,
}

/// An exchange that was begun.
pub(crate) struct Scram {
    nonce: String,
}

/// An exchange of which the server's proof is missing.
pub(crate) struct Proven {
    /// What to send.
    pub(crate) message: String,
    server_signature: Block,
}

impl Scram {
    pub(crate) fn new() -> Self {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the host has random numbers");
        Self::with_nonce(BASE64_STANDARD.encode(nonce))
    }

    fn with_nonce(nonce: String) -> Self {
        Self { nonce }
    }

    /// What to send first. PostgreSQL knows the user already.
    pub(crate) fn message(&self) -> String {
        format!("{GS2_HEADER}{}", self.bare(""))
    }

    fn bare(&self, user: &str) -> String {
        format!("n={user},r={}", self.nonce)
    }

    /// Takes in what the server says to the first message.
    pub(crate) fn prove(self, challenge: &[u8], password: &str) -> Result<Proven, Error> {
        self.prove_as("", challenge, password)
    }

    fn prove_as(self, user: &str, challenge: &[u8], password: &str) -> Result<Proven, Error> {
        let challenge = String::from_utf8_lossy(challenge);
        let syntax = || Error::Syntax(challenge.chars().take(60).collect());
        let mut attributes = challenge.split(',');
        let mut attribute = |name| attributes.next()?.strip_prefix(name);
        let (nonce, salt, rounds) = (attribute("r="), attribute("s="), attribute("i="));
        let nonce = nonce
            .filter(|nonce| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce))
            .ok_or_else(syntax)?;
        let salt = salt
            .and_then(|salt| BASE64_STANDARD.decode(salt).ok())
            .ok_or_else(syntax)?;
        let rounds = rounds
            .and_then(|rounds| rounds.parse().ok())
            .filter(|rounds| *rounds > 0)
            .ok_or_else(syntax)?;

        let keys = Keys::of(password, &salt, rounds);
        let answer = format!("{CHANNEL_BINDING},r={nonce}");
        let signed = format!("{},{challenge},{answer}", self.bare(user));
        let stored = Sha256::digest(keys.client);
        let signature = mac(&keyed(&stored), signed.as_bytes());
        let proof: Vec<u8> = keys
            .client
            .iter()
            .zip(signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        Ok(Proven {
            message: format!("{answer},p={}", BASE64_STANDARD.encode(proof)),
            server_signature: mac(&keyed(&keys.server), signed.as_bytes()),
        })
    }
}

impl Proven {
    /// Takes in the server's last message: whether it knows the password, too.
    pub(crate) fn verify(&self, last: &[u8]) -> Result<(), Error> {
        let last = String::from_utf8_lossy(last);
        if let Some(error) = last.strip_prefix("e=") {
            return Err(Error::Server(error.to_owned()));
        }
        let signature = last
            .strip_prefix("v=")
            .and_then(|signature| BASE64_STANDARD.decode(signature).ok())
            .ok_or_else(|| Error::Syntax(last.chars().take(60).collect()))?;
        if signature == self.server_signature {
            Ok(())
        } else {
            Err(Error::Impostor)
        }
    }
}

/// What comes of a password.
struct Keys {
    client: Block,
    server: Block,
}

impl Keys {
    /// Those of the last run, when it had the same password and the server still has the same salt.
    fn of(password: &str, salt: &[u8], rounds: u32) -> Self {
        let made_of = Sha256::new()
            .chain_update(rounds.to_be_bytes())
            .chain_update(u64::try_from(salt.len()).unwrap_or(u64::MAX).to_be_bytes())
            .chain_update(salt)
            .chain_update(password)
            .finalize();
        let kept = state::get(KEPT).unwrap_or_default();
        if let Some((client, server)) = kept
            .strip_prefix(made_of.as_slice())
            .and_then(|keys| keys.split_first_chunk())
            .and_then(|(client, rest)| Some((*client, rest.try_into().ok()?)))
        {
            return Self { client, server };
        }
        let keys = Self::make(password, salt, rounds);
        // The next run makes them again when they were not kept.
        let _ = state::put(
            KEPT,
            &[made_of.as_slice(), &keys.client, &keys.server].concat(),
        );
        keys
    }

    fn make(password: &str, salt: &[u8], rounds: u32) -> Self {
        // A password that is none for SASL is taken as it is, as PostgreSQL does.
        let password = saslprep(password).unwrap_or(Cow::Borrowed(password));
        let salted = keyed(&salted(password.as_bytes(), salt, rounds));
        Self {
            client: mac(&salted, b"Client Key"),
            server: mac(&salted, b"Server Key"),
        }
    }
}

/// `Hi` of RFC 5802 section 2.2: PBKDF2 of one block.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> Block {
    // What a key costs is paid once, and not in every round.
    let password = keyed(password);
    let mut last = mac(&password, &[salt, &[0, 0, 0, 1]].concat());
    let mut all = last;
    for _ in 1..rounds {
        last = mac(&password, &last);
        for (all, last) in all.iter_mut().zip(last) {
            *all ^= last;
        }
    }
    all
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn mac(key: &Hmac<Sha256>, message: &[u8]) -> Block {
    key.clone()
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    /// The example of RFC 7677 section 3.
    const CHALLENGE: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const ANSWER: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const LAST: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn prove(challenge: &[u8], password: &str) -> Result<Proven, Error> {
        let scram = Scram::with_nonce("rOprNGfwEbeRWgbNEkqO".to_owned());
        scram.prove_as("user", challenge, password)
    }

    #[test]
    fn the_example_of_the_rfc_is_proven_and_verified() {
        mock::Host::new().enter(|| {
            // Made, and then kept.
            for _ in 0..2 {
                let proven = prove(CHALLENGE, "pencil").unwrap();
                assert_eq!(proven.message, ANSWER);
                assert_eq!(proven.verify(LAST), Ok(()));
            }
            let other = prove(CHALLENGE, "pencil ").unwrap();
            assert_ne!(other.message, ANSWER);
            assert_eq!(other.verify(LAST), Err(Error::Impostor));
        });
    }

    #[test]
    fn keys_are_kept_for_one_password_and_one_salt() {
        let host = mock::Host::new();
        let (a, b) = (
            b"r=rOprNGfwEbeRWgbNEkqO1,s=QUFB,i=9",
            b"r=rOprNGfwEbeRWgbNEkqO1,s=QkJC,i=9",
        );
        let kept = |challenge: &[u8], password: &str| {
            host.enter(|| prove(challenge, password)).unwrap();
            host.stored(KEPT).unwrap()
        };
        let first = kept(a, "pencil");
        assert_eq!(first, kept(a, "pencil"));
        assert!(!first.windows(6).any(|part| part == b"pencil"));
        for (challenge, password) in [(a, "other"), (b, "pencil")] {
            let other = kept(challenge, password);
            assert_ne!(other, first);
            // What is kept is used as it is: nothing is made a second time.
            let client = &other[32..64];
            assert_ne!(client, &first[32..64]);
        }
        // What is kept is believed, so that this proves something else.
        let spoilt = [&first[..32], &[7; 64]].concat();
        let host = mock::Host::new().state(KEPT, &spoilt);
        let (spoilt, right) =
            host.enter(|| (prove(a, "pencil").unwrap(), prove(b, "pencil").unwrap()));
        assert_ne!(spoilt.message, right.message);
    }

    #[test]
    fn what_is_not_scram_is_told() {
        for challenge in [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=QUFB,i=9",
            "r=another,s=QUFB,i=9",
            "r=rOprNGfwEbeRWgbNEkqO1,s=?,i=9",
            "r=rOprNGfwEbeRWgbNEkqO1,s=QUFB,i=0",
            "r=rOprNGfwEbeRWgbNEkqO1,i=9,s=QUFB",
        ] {
            let told = prove(challenge.as_bytes(), "pencil").err();
            assert_eq!(told, Some(Error::Syntax(challenge.to_owned())));
        }
        mock::Host::new().enter(|| {
            let proven = prove(CHALLENGE, "pencil").unwrap();
            let refused = Error::Server("other-error".to_owned());
            assert_eq!(proven.verify(b"e=other-error"), Err(refused));
            let syntax = Error::Syntax("v=?".to_owned());
            assert_eq!(proven.verify(b"v=?"), Err(syntax));
        });
    }

    #[test]
    fn each_exchange_has_a_number_of_its_own() {
        let (one, other) = (Scram::new().message(), Scram::new().message());
        assert_eq!((one.len(), &one[..8]), (8 + 24, "n,,n=,r="));
        assert_ne!(one, other);
    }
}
