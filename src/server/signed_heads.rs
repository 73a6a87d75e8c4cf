//! The server's word on its chain, signed once a second at most as long as the chain does not grow: anyone may ask for it,
//! as often as they like.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::ids::ServerId;
use crate::keys::SigningKey;
use crate::logchain::{Head, SignedHead};
use crate::time::Timestamp;

/// How long a signed head is given out again.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last head that was signed.
#[derive(Default)]
pub(super) struct SignedHeads {
    /// Held while one is signed, so that those who ask at the same time get the same.
    last: Mutex<Option<SignedHead>>,
}

impl SignedHeads {
    /// `head`, signed by `key` within the last second.
    pub(super) fn sign(&self, head: Head, key: &SigningKey, server: &ServerId, now: Timestamp) -> SignedHead {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good =
            |last: &&SignedHead| last.head == head && last.timestamp <= now && now < last.timestamp.plus(GOOD_FOR);
        if let Some(last) = last.as_ref().filter(is_good) {
            return last.clone();
        }
        last.insert(head.sign(key, server, now)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_signed_anew_when_it_is_another_or_a_second_old() {
        let (heads, key) = (SignedHeads::default(), SigningKey::from_seed(&[1; 32]));
        let server = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let sign = |head, ms| heads.sign(head, &key, &server, Timestamp::from_unix_ms(ms));
        let longer = Head { length: 1, ..Head::EMPTY };
        for (head, now, signed_at) in [
            (Head::EMPTY, 5_000, 5_000),
            (Head::EMPTY, 5_999, 5_000),
            (longer, 5_999, 5_999),
            (longer, 6_998, 5_999),
            (longer, 6_999, 6_999),
            (longer, 6_000, 6_000),
        ] {
            let signed = sign(head, now);
            assert_eq!((signed.head, signed.timestamp.unix_ms()), (head, signed_at), "at {now}");
            assert!(signed.is_signed_by(&key.public()));
        }
    }
}
