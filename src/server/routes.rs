//! Every HTTP route in one table.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use axum::{Json, Router};
use serde_json::json;

use super::connect::connect;
use super::shared::Shared;
use crate::channels::WriterState;
use crate::protocol::{CAPABILITIES_ADDED, CAPABILITIES_ALWAYS, LogChainRoutes, Manifest, PROTOCOL_VERSION};

/// The routes of a server.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", only(MethodFilter::GET, "GET", any(health)))
        .route("/manifest", only(MethodFilter::GET, "GET", any(manifest)))
        .route("/connect", only(MethodFilter::GET, "GET", any(connect)))
        .route("/api/v1/servers/{server_id}/heartbeat", only(MethodFilter::POST, "POST", any(heartbeat)))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "not_found") })
        .with_state(shared)
}
