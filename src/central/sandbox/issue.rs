//! Signing tokens, as Central does it.

use rusty_paseto::core::{Footer, Key, Paseto, PasetoAsymmetricPrivateKey, Payload, Public, V4};
use serde::Serialize;

use crate::ids::UserId;
use crate::keys::SigningKey;
use crate::time::Timestamp;

/// The claims of PROTOCOL.md section 2.
#[derive(Serialize)]
struct ScopedClaims<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    server_id: &'a str,
    sub: UserId,
    iat: Timestamp,
    nbf: Timestamp,
    exp: Timestamp,
}

/// A token that lets `user_id` into `server_id` from `now` until `expires_at`.
pub(super) fn scoped_token(
    key: &SigningKey,
    server_id: &str,
    user_id: UserId,
    now: Timestamp,
    expires_at: Timestamp,
) -> String {
    let claims = ScopedClaims { kind: "scoped_server", server_id, sub: user_id, iat: now, nbf: now, exp: expires_at };
    sign(key, &serde_json::json!(claims).to_string(), None)
}

/// `payload` and `footer` as a v4.public token.
#[expect(clippy::expect_used, reason = "signing fails only for keys of a wrong length or with a foreign public half")]
pub(in crate::central) fn sign(key: &SigningKey, payload: &str, footer: Option<&str>) -> String {
    let secret = Key::<64>::try_from(key.to_hex().reveal()).expect("a signing key is 64 bytes in hex");
    let mut token = Paseto::<V4, Public>::builder();
    token.set_payload(Payload::from(payload));
    if let Some(footer) = footer {
        token.set_footer(Footer::from(footer));
    }
    token.try_sign(&PasetoAsymmetricPrivateKey::from(&secret)).expect("the public half is the seed's own")
}
