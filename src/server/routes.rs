//! Every HTTP route in one table.

use std::future::ready;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;

use super::connect::connect;
use super::cross_origin::allow_origins;
use super::http_error::{error, error_with, not_allowed, only_get, require_host};
use super::shared::Shared;
use crate::channels::WriterState;
use crate::config::ChainAccess;
use crate::protocol::{CAPABILITIES_ADDED, CAPABILITIES_ALWAYS, LogChainRoutes, Manifest, PROTOCOL_VERSION};

/// When to come back if there was no room.
const RETRY_SECONDS: u16 = 5;

/// The routes of a server.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(super::log_chain::routes(shared.profile.features))
        .route("/health", only_get(get(health)))
        .route("/manifest", only_get(get(manifest)))
        .route("/connect", only_get(get(connect)))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "not_found") })
        .layer(from_fn_with_state(shared.clone(), allow_origins))
        // For a server that is its own Central; no page has business there.
        .route("/api/v1/servers/{server_id}/heartbeat", post(heartbeat).fallback(|| not_allowed("POST")))
        .layer(from_fn(require_host))
        .with_state(shared)
}

/// Answers everything with a refusal: there is no room for the connection.
pub(super) fn refusing_router(shared: Arc<Shared>) -> Router {
    let retry = (RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    Router::new()
        .fallback(move || ready(error_with(StatusCode::SERVICE_UNAVAILABLE, "server_full", retry.clone())))
        .layer(from_fn_with_state(shared.clone(), allow_origins))
        .with_state(shared)
}

/// The members in the order in which the reference sends them.
#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    server_id: &'a str,
    online: usize,
}

/// Whether the server is up, and whether it can store what it gets.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let (code, status) = match &*shared.writer.borrow() {
        _ if shared.is_draining() => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        WriterState::Ready => (StatusCode::OK, "ok"),
        WriterState::Unavailable(_) | WriterState::Failed(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
        }
    };
    let server_id = shared.profile.server_id.as_str();
    (code, Json(Health { status, server_id, online: shared.presence.online() })).into_response()
}

async fn manifest(State(shared): State<Arc<Shared>>) -> Response {
    let profile = &shared.profile;
    let features = profile.features;
    let optional = [
        (features.text_channels, "channels"),
        (features.announcement_channels, "announcements"),
        (features.log_chain, "log_chain"),
    ];
    let enabled = optional.into_iter().filter_map(|(on, name)| on.then_some(name));
    let log_chain = features.log_chain.then_some(LogChainRoutes {
        entries_url: "/log-chain/entries",
        head_url: "/log-chain/head",
        access: match features.chain_access {
            ChainAccess::Public => "public",
            ChainAccess::Members => "members",
        },
    });
    let manifest = Manifest {
        protocol_version: PROTOCOL_VERSION,
        software_version: env!("CARGO_PKG_VERSION"),
        server_id: profile.server_id.to_string(),
        server_name: profile.server_name.clone(),
        capabilities: enabled.chain(CAPABILITIES_ALWAYS).chain(CAPABILITIES_ADDED).collect(),
        extensions: Vec::new(),
        public_key: shared.signing_key.public().to_string(),
        generated_at: shared.clock.now(),
        log_chain,
    };
    let cache = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([cache], Json(manifest)).into_response()
}

/// For a server without a Central, which sends its heartbeats to itself.
async fn heartbeat(State(shared): State<Arc<Shared>>, server_id: Result<Path<String>, PathRejection>) -> Response {
    if server_id.is_ok_and(|Path(server_id)| shared.profile.server_id.is(&server_id)) {
        Json(json!({ "status": "heartbeat received" })).into_response()
    } else {
        error(StatusCode::BAD_REQUEST, "server_id_mismatch")
    }
}
