//! Auditors' tokens: random text that opens the full log chain and nothing else. Stored as a hash, shown once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// How a token begins, so that people and programs see what it is.
pub const AUDITOR_TOKEN_PREFIX: &str = "coms-auditor-";

/// A token of 32 random bytes.
pub fn new_auditor_token(random: &[u8; 32]) -> Secret {
    Secret::new(format!("{AUDITOR_TOKEN_PREFIX}{}", BASE64.encode(random)))
}

/// Under what a token is stored. It is as random as a key, so a plain hash can't be searched.
pub fn auditor_token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_is_not_what_is_stored() {
        let token = new_auditor_token(&[7; 32]);
        assert_eq!(token.reveal().len(), AUDITOR_TOKEN_PREFIX.len() + 43);
        assert_ne!(auditor_token_hash(token.reveal()), auditor_token_hash(new_auditor_token(&[8; 32]).reveal()));
    }
}
