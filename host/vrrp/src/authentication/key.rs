//! Secrets: compared in constant time, wiped when they are dropped, and never shown.

use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU8;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The number of a key in the trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub NonZeroU8);

/// A key to sign and to verify with; cheap to clone.
#[derive(Clone)]
pub struct Key(Arc<Zeroizing<[u8; Self::MAX_LEN]>>);

impl Key {
    /// The fewest bytes of a key: as many as the digest has (RFC 2104 §3).
    pub const MIN_LEN: usize = 32;
    /// The most bytes of a key: one block of SHA-256.
    pub const MAX_LEN: usize = 64;

    /// A key of 32 to 64 bytes.
    ///
    /// # Errors
    /// The length, when it is another one.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyLength> {
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&bytes.len()) {
            return Err(KeyLength(bytes.len()));
        }
        // HMAC itself pads a shorter key with zeros (RFC 2104 §2): this is the same key.
        let mut block = Zeroizing::new([0; Self::MAX_LEN]);
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(Self(Arc::new(block)))
    }

    /// The key, padded with zeros, which makes no other key of it.
    pub fn expose(&self) -> &[u8; Self::MAX_LEN] {
        &self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A key has 32 to 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes instead of {min} to {max}", min = Key::MIN_LEN, max = Key::MAX_LEN)]
pub struct KeyLength(pub usize);

/// A password as it stands in the advertisements of version 2 (RFC 2338 §5.3.10).
#[derive(Clone)]
pub struct Password(Zeroizing<[u8; Self::LEN]>);

impl Password {
    /// Bytes that the wire has room for.
    pub const LEN: usize = 8;

    /// The first eight bytes of `text`, padded with zeros.
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The password, padded with zeros.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_key_has_32_to_64_bytes() {
        for length in [0, 1, 31, 65, 1000] {
            let bytes = alloc::vec![7; length];
            assert_eq!(Key::new(&bytes), Err(KeyLength(length)));
        }
        for length in 32..=64 {
            let bytes = alloc::vec![7; length];
            let key = Key::new(&bytes).unwrap();
            assert_eq!(key.expose()[..length], bytes);
            assert!(key.expose()[length..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn every_bit_of_a_secret_counts() {
        let (key, password) = ([0x5a; 64], [0x5a; 8]);
        for bit in 0..key.len() * 8 {
            let mut other = key;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Key::new(&key), Key::new(&other));
        }
        for bit in 0..password.len() * 8 {
            let mut other = password;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Password::new(&password), Password::new(&other));
        }
        assert_eq!(Key::new(&key), Key::new(&key));
        assert_eq!(Password::new(&password), Password::new(&password));
    }

    #[test]
    fn a_password_is_cut_and_padded_to_eight_bytes() {
        assert_eq!(Password::new(b"").expose(), &[0; 8]);
        assert_eq!(Password::new(b"abc").expose(), b"abc\0\0\0\0\0");
        assert_eq!(Password::new(b"abcdefghi").expose(), b"abcdefgh");
    }

    #[test]
    fn no_secret_is_shown() {
        let key = Key::new(b"correct horse battery staple, 32 bytes").unwrap();
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_eq!(format!("{:?}", Password::new(b"hunter2")), "Password(..)");
    }
}
