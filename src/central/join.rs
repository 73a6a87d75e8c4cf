//! Asking a Central for a person's token (PROTOCOL.md section 6).

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use super::http::{AnswerError, MAX_RETRY_AFTER, bounded_body, is_passing, redirect_target, retry_after};
use super::route;
use crate::ids::{ServerId, UserId};
use crate::printable::Untrusted;
use crate::secret::Secret;
use crate::time::{Clock, Timestamp};

/// A person's way in.
#[derive(Debug, Clone)]
pub struct JoinedUser {
    /// The scoped token.
    pub token: Secret,
    /// Whom it is for.
    pub user_id: UserId,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Why Central gave no token.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The URL takes no path.
    #[error("not a URL that can be called: {0}")]
    Url(Url),
    /// It could not be reached, or its answer not read.
    #[error("could not ask Central for a token")]
    Http(#[source] AnswerError),
    /// It answered something else than a token.
    #[error("Central gave no token: it answered {status}{}", reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// Its word for the reason, if it gave one that is a plain word; of a redirect, where it points to.
        reason: Option<Untrusted>,
        /// How long it asks not to be asked again, at most [`MAX_RETRY_AFTER`].
        retry_after: Option<Duration>,
    },
    /// It said 200, and then something that is no token.
    #[error("Central's answer can't be understood")]
    Malformed,
}

impl JoinError {
    /// How long Central asks not to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Asks `central_url` for a token with which `user_id` (somebody new if there is none) gets into `server_id`.
pub async fn join(
    client: &Client,
    central_url: &Url,
    server_id: &ServerId,
    user_id: Option<UserId>,
) -> Result<JoinedUser, JoinError> {
    let url = route(central_url, server_id, "join").ok_or_else(|| JoinError::Url(central_url.clone()))?;
    let body = serde_json::json!({ "user_id": user_id }).to_string();
    let sent = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await;
    let response = sent.map_err(|error| JoinError::Http(error.without_url().into()))?;
    let status = response.status();
    let points_to = redirect_target(&response).filter(|_| status.is_redirection());
    let retry_after = retry_after(response.headers(), Clock::system().now()).filter(|_| is_passing(status));
    let body = bounded_body(response).await.map_err(JoinError::Http)?;
    if status != StatusCode::OK {
        let reason = points_to.or_else(|| error_word(&body));
        let retry_after = retry_after.map(|asked| asked.min(MAX_RETRY_AFTER));
        return Err(JoinError::Refused { status, reason, retry_after });
    }
    let answer: JoinAnswer = serde_json::from_slice(&body).map_err(|_| JoinError::Malformed)?;
    Ok(JoinedUser { token: Secret::new(answer.token), user_id: answer.user_id, expires_at: answer.expires_at })
}

#[derive(Deserialize)]
struct JoinAnswer {
    token: String,
    user_id: UserId,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

fn error_word(body: &[u8]) -> Option<Untrusted> {
    let answer: ErrorAnswer = serde_json::from_slice(body).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (answer.error.len() <= 64 && answer.error.chars().all(plain)).then(|| answer.error.into())
}
