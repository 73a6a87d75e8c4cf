//! The scoped token that lets a person in: PASETO `v4.public`, signed by Central and checked here without asking it
//! (PROTOCOL.md section 2).
//!
//! rusty_paseto verifies the signature; the claims are checked here, each exactly as the protocol has it, since the
//! library's own parser knows neither our claims nor our rule for the times.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use rusty_paseto::core::{Footer, Key, Paseto, PasetoAsymmetricPublicKey, Public, UntrustedToken, V4};

use crate::ids::{ServerId, UserId};
use crate::keys::PublicKey;
use crate::strict_json::Value;
use crate::time::Timestamp;

/// The longest token that is looked at, in bytes of text (PROTOCOL.md section 2).
pub const MAX_TOKEN_BYTES: usize = 4096;

/// What every token starts with; anything else is refused before any decoding.
const PREFIX: &str = "v4.public.";

/// The only `type` that opens a session.
const SCOPED_SERVER: &str = "scoped_server";

/// How far Central's clock may be ahead of ours for `nbf` and `iat`. `exp` has no such allowance.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// What a token that verified says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Whom it lets in: `sub`.
    pub user_id: UserId,
    /// When the session ends: `exp`, to the millisecond.
    pub expires_at: Timestamp,
}

/// Why a token lets nobody in. A client hears `invalid_token` whatever it was; this is for the log, and so it never
/// carries a byte of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Another version or purpose, or no token at all.
    #[error("not a PASETO v4.public token")]
    NotV4Public,
    /// No key of Central's verifies it.
    #[error("token is signed by no key of Central's")]
    BadSignature,
    /// The payload is no JSON object with each claim once, present where it must be, and of its type.
    #[error("claims of the token are missing, doubled or malformed")]
    BadClaims,
    /// Its `type` is another than `scoped_server`.
    #[error("token is of another type")]
    WrongType,
    /// Its `server_id` is another server's.
    #[error("token is for another server")]
    WrongServer,
    /// Its `exp` has come.
    #[error("token has expired")]
    Expired,
    /// Its `nbf` or `iat` is more than a minute ahead.
    #[error("token is not valid yet")]
    NotYetValid,
}

/// Checks tokens for one server against Central's keys.
pub struct TokenVerifier {
    server_id: ServerId,
    /// In the order in which they are tried: the current one first.
    keys: Vec<Key<32>>,
}

impl TokenVerifier {
    /// Accepts tokens for `server_id` that any of `keys` signed. With no key it accepts none.
    pub fn new(server_id: ServerId, keys: &[PublicKey]) -> Self {
        Self { server_id, keys: keys.iter().map(|key| Key::from(key.as_bytes())).collect() }
    }

    /// What `token` says, if it is good at the time `now`.
    ///
    /// Costs about one Ed25519 verification with the key that signed it, and one for each key that is tried before; text
    /// that can't be a token costs nothing.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let payload = self.signed_payload(token)?;
        self.check(&WireClaims::parse(&payload)?, now)
    }

    /// The payload, once a key of Central's verifies it.
    fn signed_payload(&self, token: &str) -> Result<String, TokenError> {
        if !token.starts_with(PREFIX) {
            return Err(TokenError::NotV4Public);
        }
        let footer = untrusted_footer(token)?;
        let footer = footer.as_deref().map(Footer::from);
        self.keys
            .iter()
            .find_map(|key| {
                Paseto::try_verify(token, &PasetoAsymmetricPublicKey::<V4, Public>::from(key), footer, None).ok()
            })
            .ok_or(TokenError::BadSignature)
    }

    fn check(&self, claims: &WireClaims<'_>, now: Timestamp) -> Result<Claims, TokenError> {
        if claims.kind != SCOPED_SERVER {
            return Err(TokenError::WrongType);
        }
        if !self.server_id.is(&claims.server_id) {
            return Err(TokenError::WrongServer);
        }
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let latest = now.plus(CLOCK_SKEW);
        if [claims.nbf, claims.iat].into_iter().flatten().any(|at| at > latest) {
            return Err(TokenError::NotYetValid);
        }
        Ok(Claims { user_id: claims.sub, expires_at: claims.exp })
    }
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenVerifier(server: {}, keys: {})", self.server_id, self.keys.len())
    }
}

/// The token's own footer. The signature covers it and nothing here believes it, but rusty_paseto verifies a token with a
/// footer only when told exactly that footer; so a footer that is not UTF-8, or over its 1,024 characters, is refused.
///
/// An empty fourth part would be a second spelling of the token without one, and is refused too.
fn untrusted_footer(token: &str) -> Result<Option<String>, TokenError> {
    let untrusted = UntrustedToken::try_parse(token).map_err(|_| TokenError::NotV4Public)?;
    if untrusted.footer_base64() == Some("") {
        return Err(TokenError::NotV4Public);
    }
    untrusted.footer_str().map_err(|_| TokenError::NotV4Public)
}

/// The claims as they stand in the payload.
struct WireClaims<'a> {
    kind: Cow<'a, str>,
    server_id: Cow<'a, str>,
    sub: UserId,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
}

impl<'a> WireClaims<'a> {
    fn parse(payload: &'a str) -> Result<Self, TokenError> {
        let Some(Value::Object(mut claims)) = Value::parse(payload) else { return Err(TokenError::BadClaims) };
        // A claim may be absent, but neither null nor of another type.
        let mut claim = |name| match claims.take_even_null(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(TokenError::BadClaims),
        };
        let (kind, server_id, sub) = (claim("type")?, claim("server_id")?, claim("sub")?);
        let (exp, nbf, iat) = (claim("exp")?, claim("nbf")?, claim("iat")?);
        let time = |text: Cow<'_, str>| Timestamp::parse_rfc3339(&text).ok_or(TokenError::BadClaims);
        Ok(Self {
            kind: kind.ok_or(TokenError::BadClaims)?,
            server_id: server_id.ok_or(TokenError::BadClaims)?,
            sub: sub.ok_or(TokenError::BadClaims)?.parse().map_err(|_| TokenError::BadClaims)?,
            exp: exp.map(time).transpose()?.ok_or(TokenError::BadClaims)?,
            nbf: nbf.map(time).transpose()?,
            iat: iat.map(time).transpose()?,
        })
    }
}
