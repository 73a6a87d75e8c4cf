//! Content hashes that can't be guessed: of what only some may read, and of acts and the texts beside them.
//!
//! A hash in the chain is for ever, and one of something short can be found by trying. So contents of a channel that not
//! everyone may read are hashed with a random salt, acts carry one in their text, and what a person typed stands beside an
//! act as a [`Disclosure`], of which the act has only the hash. Text and salt can be erased; the entry still verifies.
//! The leading bytes 0xFE and 0xFF never begin UTF-8, so that no message has the hash of an act or of a salted content.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::entry::ContentHash;

/// What stands before the salt of a content that is hashed with one.
const SALTED: u8 = 0xfe;

/// What stands before the text of an act.
const ACT: u8 = 0xff;

/// 16 random bytes; 32 lower-case hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// Reads 32 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A salt is as secret as what it protects.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl Serialize for Salt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("expected 32 lower-case hexadecimal digits"))
    }
}

impl ContentHash {
    /// `SHA-256(0xFE ‖ salt ‖ content)`: of a message, an edit or a delete in a channel that not everyone may read.
    pub fn of_salted(salt: Salt, content: &[u8]) -> Self {
        Self(Sha256::new().chain_update([SALTED]).chain_update(salt.0).chain_update(content).finalize().into())
    }

    /// `SHA-256(0xFF ‖ text)`: of an act.
    pub fn of_act(text: &[u8]) -> Self {
        Self(Sha256::new().chain_update([ACT]).chain_update(text).finalize().into())
    }
}

/// A text that stands beside an act, with the salt of its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// What a person typed.
    pub text: String,
    /// Fresh for each text; never the act's own.
    pub salt: Salt,
}

impl Disclosure {
    /// `SHA-256(salt ‖ text)`, which the act has as its member `NAME_hash` (the construction of RFC 9901, SD-JWT).
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.salt.0).chain_update(self.text.as_bytes()).finalize().into()
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosure(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_32_lower_case_digits() {
        assert_eq!(Salt::from_hex("000102030405060708090a0b0c0d0e0f").map(|salt| salt.0[15]), Some(15));
        for text in
            ["", "00", "000102030405060708090A0B0C0D0E0F", "000102030405060708090a0b0c0d0e0f00", &"g".repeat(32)]
        {
            assert_eq!(Salt::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_salt_protects_is_not_shown_by_debug() {
        let disclosure = Disclosure { text: "spam".into(), salt: Salt([7; 16]) };
        assert!(!format!("{disclosure:?} {:?}", disclosure.salt).contains("spam"));
        assert!(!format!("{:?}", disclosure.salt).contains('7'));
    }

    #[test]
    fn one_content_has_another_hash_in_each_of_its_roles() {
        let text = "{}";
        let salt = Salt([0; 16]);
        let hashes = [
            ContentHash::of(text),
            ContentHash::of_act(text.as_bytes()),
            ContentHash::of_salted(salt, text.as_bytes()),
            ContentHash(Disclosure { text: text.into(), salt }.hash()),
        ];
        for (place, hash) in hashes.iter().enumerate() {
            assert!(!hashes.iter().skip(place + 1).any(|other| other == hash));
        }
    }
}
