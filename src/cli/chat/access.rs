//! The token that opens the connection: given once by the person, or fetched from Central as often as it takes.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use crate::central::{self, JoinError};
use crate::cli::CliError;
use crate::ids::{ServerId, UserId};
use crate::secret::Secret;
use crate::time::Timestamp;

/// How long before its end a session is renewed.
const RENEW_AHEAD: Duration = Duration::from_mins(2);

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Access {
    /// The person gave one; there is no other.
    Token(Secret),
    /// Central gives them.
    Central(Membership),
}

/// Whom Central gives tokens for what.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    client: Client,
    central_url: Url,
    server_id: ServerId,
    /// Made up by Central at the first joining, if the person named none.
    user_id: Option<UserId>,
    /// The last token, until the server refuses it.
    token: Option<Secret>,
}

impl Membership {
    /// The membership of `user_id`, a new person if there is none.
    pub(super) fn new(central_url: Url, server_id: ServerId, user_id: Option<UserId>) -> Result<Self, CliError> {
        let client =
            central::client(&central_url).map_err(|error| CliError::failed(format!("no HTTP client: {error}")))?;
        Ok(Self { client, central_url, server_id, user_id, token: None })
    }

    /// Whether there is a token from an earlier joining.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// A new token from Central.
    pub(super) async fn join(&mut self) -> Result<Secret, JoinError> {
        let joined = central::join(&self.client, &self.central_url, &self.server_id, self.user_id).await?;
        self.user_id = Some(joined.user_id);
        self.token = Some(joined.token.clone());
        Ok(joined.token)
    }
}

impl Access {
    /// The token to connect with.
    pub(super) async fn token(&mut self) -> Result<Secret, JoinError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::Central(membership) => match &membership.token {
                Some(token) => Ok(token.clone()),
                None => membership.join().await,
            },
        }
    }

    /// The server refuses the token. Whether another one can be had.
    pub(super) fn discard(&mut self) -> bool {
        match self {
            Self::Token(_) => false,
            Self::Central(membership) => membership.token.take().is_some(),
        }
    }

    /// How to get the next token while the session lives, if that is possible.
    pub(super) fn membership(&self) -> Option<&Membership> {
        match self {
            Self::Token(_) => None,
            Self::Central(membership) => Some(membership),
        }
    }

    /// Takes over what a renewal brought.
    pub(super) fn renewed(&mut self, membership: Membership) {
        *self = Self::Central(membership);
    }
}

/// How long to wait with renewing a session that ends at `expires_at`: until two minutes before, or, when less than four
/// are left, half of that.
pub(super) fn renew_in(expires_at: Timestamp, now: Timestamp) -> Duration {
    let left = expires_at.since(now);
    left.saturating_sub(RENEW_AHEAD).max(left / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_well_before_its_end() {
        let now = Timestamp::from_unix_ms(1_000_000);
        let wait = |left| renew_in(now.plus(Duration::from_secs(left)), now).as_secs();
        assert_eq!([wait(3600), wait(240), wait(60), wait(0)], [3480, 120, 30, 0]);
    }
}
