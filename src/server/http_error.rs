//! Refusals over HTTP: a status and one stable word in JSON.

use std::future::{Ready, ready};

use axum::Json;
use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use serde_json::json;

/// A refusal: a status, and `{"error": word}`.
pub(super) fn error(status: StatusCode, word: &'static str) -> Response {
    (status, Json(json!({ "error": word }))).into_response()
}

/// A refusal with a header.
pub(super) fn error_with(status: StatusCode, word: &'static str, header: (HeaderName, HeaderValue)) -> Response {
    (status, [header], Json(json!({ "error": word }))).into_response()
}

/// Refuses every other method, HEAD too, as the reference does.
pub(super) fn only_get<S: Clone + Send + Sync + 'static>(route: MethodRouter<S>) -> MethodRouter<S> {
    route.head(|| not_allowed("GET")).fallback(|| not_allowed("GET"))
}

/// 405, with what is allowed.
pub(super) fn not_allowed(allowed: &'static str) -> Ready<Response> {
    ready(error_with(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", (ALLOW, HeaderValue::from_static(allowed))))
}
