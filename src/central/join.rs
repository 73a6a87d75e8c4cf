//! Asking a Central for a person's token (PROTOCOL.md section 6).

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use super::http::{AnswerError, bounded_body};
use super::route;
use crate::ids::{ServerId, UserId};
use crate::secret::Secret;
use crate::time::Timestamp;

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
    #[error("Central gave no token: it answered {status}{}", word.as_deref().map(|word| format!(" ({word})")).unwrap_or_default())]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// Its word for the reason, if it gave one that is a plain word.
        word: Option<String>,
    },
    /// It said 200, and then something that is no token.
    #[error("Central's answer can't be understood")]
    Malformed,
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
    let body = bounded_body(response).await.map_err(JoinError::Http)?;
    if status != StatusCode::OK {
        return Err(JoinError::Refused { status, word: error_word(&body) });
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

fn error_word(body: &[u8]) -> Option<String> {
    let answer: ErrorAnswer = serde_json::from_slice(body).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (answer.error.len() <= 64 && answer.error.chars().all(plain)).then_some(answer.error)
}
