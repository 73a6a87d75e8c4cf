//! Ed25519 keys and signatures, as configured and as the chain uses them: `SERVER_SECRET_KEY` is seed then public key,
//! `SERVER_PUBLIC_KEY` that public key.
//!
//! AWS-LC signs, in less than half the time; keys are made and checked, and signatures verified, by ed25519-dalek. An Ed25519
//! signature is a function of key and message, so both make the same one.

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{SigningKey as Ed25519Key, VerifyingKey};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Why text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not hexadecimal digits, or not as many as the key has.
    #[error("expected {expected} hexadecimal digits")]
    Malformed {
        /// How many digits such a key has.
        expected: usize,
    },
    /// The public half of a secret key is not the one that its seed gives.
    #[error("its second half is not the public key of its first half")]
    Contradictory,
    /// Not a point of the curve, or one of small order, with which anyone can sign.
    #[error("not a usable Ed25519 public key")]
    Weak,
}

/// The key that signs entries and heads. Printing it shows only the public half. Both of its forms wipe their memory when they
/// go: dalek's as it says, AWS-LC's like all that its allocator frees.
pub struct SigningKey {
    key: Ed25519Key,
    signer: Ed25519KeyPair,
}

impl SigningKey {
    /// The key of this 32-byte seed.
    #[expect(clippy::expect_used, reason = "any 32 bytes are a seed, and dalek gives its public key")]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = Ed25519Key::from_bytes(seed);
        let signer =
            Ed25519KeyPair::from_seed_and_public_key(seed, key.verifying_key().as_bytes()).expect("a key pair");
        Self { key, signer }
    }

    /// Reads 128 hexadecimal digits: the seed, then the public key that belongs to it.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0_u8; 64]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| KeyError::Malformed { expected: 128 })?;
        let (seed, public) = bytes.split_at(32);
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).map_err(|_| KeyError::Malformed { expected: 128 })?);
        let key = Self::from_seed(&seed);
        if key.public().0.as_bytes() == public { Ok(key) } else { Err(KeyError::Contradictory) }
    }

    /// The 128 hexadecimal digits that [`SigningKey::from_hex`] reads.
    pub fn to_hex(&self) -> Secret {
        let bytes = Zeroizing::new(self.key.to_keypair_bytes());
        Secret::new(hex::encode(bytes.as_slice()))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.signer.sign(message).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public: {})", self.public())
    }
}

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A public key that is safe to verify with: on the curve, and not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Weak)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::Malformed { expected: 64 })?;
        Self::from_bytes(&bytes)
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether `signature` over `message` is this key's, by ed25519-dalek's `verify_strict`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer as _;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_libraries_make_the_same_signature(seed: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..200)) {
            let key = SigningKey::from_seed(&seed);
            let signature = key.sign(&message);
            prop_assert_eq!(signature, Signature(key.key.sign(&message).to_bytes()));
            prop_assert!(key.public().verify(&message, &signature));
        }
    }

    #[test]
    fn a_secret_key_is_read_back_from_what_is_written() {
        let key = SigningKey::from_seed(&[5; 32]);
        let text = key.to_hex();
        assert_eq!(text.reveal().len(), 128);
        assert_eq!(SigningKey::from_hex(text.reveal()).map(|k| k.public()), Ok(key.public()));
    }

    #[test]
    fn a_secret_key_with_another_public_half_is_refused() {
        let text = SigningKey::from_seed(&[5; 32]).to_hex();
        let other = SigningKey::from_seed(&[6; 32]).public().to_string();
        let mixed = format!("{}{other}", &text.reveal()[..64]);
        assert_eq!(SigningKey::from_hex(&mixed).map(|k| k.public()), Err(KeyError::Contradictory));
    }

    #[test]
    fn a_point_of_small_order_is_no_public_key() {
        // The neutral element, with which every message has a valid signature.
        let neutral = format!("01{}", "00".repeat(31));
        assert_eq!(PublicKey::from_hex(&neutral), Err(KeyError::Weak));
        assert_eq!(PublicKey::from_hex("abc"), Err(KeyError::Malformed { expected: 64 }));
    }
}
