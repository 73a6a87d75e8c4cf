//! The routes of the sandbox Central (PROTOCOL.md section 6).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Registry, digest};
use crate::ids::UserId;

/// More than any request here needs.
const MAX_BODY_BYTES: usize = 16 * 1024;

pub(super) fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/api/v1/servers/{id}/join", post(join))
        .route("/api/v1/servers/{id}/heartbeat", post(heartbeat))
        .fallback(async || Refusal::NoSuchRoute)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&registry), available))
        .with_state(registry)
}

/// Each refusal with its status and its word, the same every time.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    NoSuchRoute,
    WrongMethod,
    NoSuchServer,
    InvalidJson,
    InvalidUserId,
    InvalidApiKey,
    Suspended,
    Unavailable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, word) = match self {
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NoSuchServer => (StatusCode::NOT_FOUND, "server_not_found"),
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidUserId => (StatusCode::BAD_REQUEST, "invalid_user_id"),
            Self::InvalidApiKey => (StatusCode::UNAUTHORIZED, "invalid_api_key"),
            Self::Suspended => (StatusCode::FORBIDDEN, "server_suspended"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        (status, Json(json!({ "error": word }))).into_response()
    }
}

/// Counts the request, and plays the outage that a test wants.
async fn available(State(registry): State<Arc<Registry>>, request: Request, next: Next) -> Response {
    registry.requests.send_modify(|count| *count += 1);
    if *registry.available.borrow() { next.run(request).await } else { Refusal::Unavailable.into_response() }
}

#[derive(Deserialize, Default)]
struct JoinRequest {
    user_id: Option<String>,
}

/// Gives a person a token; an empty body is a person without an id yet.
async fn join(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<serde_json::Value>, Refusal> {
    let server = Uuid::try_parse(&id).map_err(|_| Refusal::NoSuchServer)?;
    if registry.servers().get(&server).ok_or(Refusal::NoSuchServer)?.suspended {
        return Err(Refusal::Suspended);
    }
    let request: JoinRequest = match body.trim_ascii() {
        b"" => JoinRequest::default(),
        body => serde_json::from_slice(body).map_err(|_| Refusal::InvalidJson)?,
    };
    let user_id = match request.user_id {
        Some(text) => text.parse().map_err(|_| Refusal::InvalidUserId)?,
        None => UserId::from(Uuid::new_v4()),
    };
    let joined = registry.issue(&server.to_string(), user_id);
    Ok(Json(json!({ "token": joined.token.reveal(), "user_id": joined.user_id, "expires_at": joined.expires_at })))
}

#[derive(Deserialize)]
struct HeartbeatRequest {
    #[serde(rename = "software_version")]
    _software_version: String,
}

async fn heartbeat(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<serde_json::Value>, Refusal> {
    let server = Uuid::try_parse(&id).map_err(|_| Refusal::NoSuchServer)?;
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let key_digest = digest(key.ok_or(Refusal::InvalidApiKey)?);
    {
        let servers = registry.servers();
        let known = servers.get(&server).ok_or(Refusal::NoSuchServer)?;
        if known.api_key_digest != key_digest {
            return Err(Refusal::InvalidApiKey);
        }
        if known.suspended {
            return Err(Refusal::Suspended);
        }
    }
    serde_json::from_slice::<HeartbeatRequest>(&body).map_err(|_| Refusal::InvalidJson)?;
    registry.heartbeats.send_modify(|count| *count += 1);
    Ok(Json(json!({ "status": "heartbeat received" })))
}
