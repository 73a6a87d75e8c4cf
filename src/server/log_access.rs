//! What a requester may see of the log chain, and for how long.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::bearer::bearer;
use super::http_error::{error, error_with};
use super::log_streams::Requester;
use super::shared::Shared;
use crate::channels::{AUDITOR_TOKEN_PREFIX, Sealing, auditor_token_hash};
use crate::config::ChainAccess;
use crate::storage::{Database, StorageError};
use crate::time::Timestamp;

/// What a requester may see.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogAccess {
    pub(super) requester: Requester,
    pub(super) sealing: Sealing,
    /// When a member's token expires.
    expires_at: Option<Timestamp>,
}

impl LogAccess {
    /// What the sender of `headers` may see. A token that is there must be good: nobody is to take sealed entries for what
    /// their token gives them.
    pub(super) async fn of(shared: &Shared, headers: &HeaderMap) -> Result<Self, Box<Response>> {
        if !headers.contains_key(AUTHORIZATION) {
            let sealing = match shared.profile.features.chain_access {
                ChainAccess::Public => Sealing::Open,
                ChainAccess::Members => Sealing::Sealed,
            };
            return Ok(Self { requester: Requester::Anonymous, sealing, expires_at: None });
        }
        let token = bearer(headers).ok_or_else(|| Box::new(invalid_token()))?;
        if !token.starts_with(AUDITOR_TOKEN_PREFIX) {
            let claims = shared.verify(token).await.map_err(|_| Box::new(invalid_token()))?;
            let requester = Requester::Member(claims.user_id);
            return Ok(Self { requester, sealing: Sealing::Open, expires_at: Some(claims.expires_at) });
        }
        let requester = Requester::Auditor(auditor_token_hash(token));
        let access = Self { requester, sealing: Sealing::Open, expires_at: None };
        let now = shared.clock.now();
        match shared.readers.read(move |database| access.is_revoked(database, now)).await {
            Ok(false) => Ok(access),
            Ok(true) => Err(Box::new(invalid_token())),
            Err(failure) => Err(Box::new(unavailable(&failure))),
        }
    }

    /// Whether a member's token has expired, by the rule that ends sessions.
    pub(super) fn has_expired(&self, shared: &Shared) -> bool {
        self.expires_at.and_then(|end| shared.session_end(end)).is_some_and(|end| end <= shared.clock.now())
    }

    /// Whether an auditor's token does not hold, or no longer.
    pub(super) fn is_revoked(&self, database: &Database, now: Timestamp) -> Result<bool, StorageError> {
        match self.requester {
            Requester::Auditor(hash) => Ok(!database.auditor_token(hash)?.is_some_and(|token| token.holds(now))),
            Requester::Anonymous | Requester::Member(_) => Ok(false),
        }
    }
}

fn invalid_token() -> Response {
    let challenge = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    error_with(StatusCode::UNAUTHORIZED, "invalid_token", challenge)
}

fn unavailable(failure: &StorageError) -> Response {
    tracing::error!(error = %failure, "reading the log chain failed");
    error(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
}
