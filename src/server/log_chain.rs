//! `/log-chain`: the chain for auditors (PROTOCOL.md section 5), its signed head and its entries.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json};
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;

use super::handshakes::HandshakePermit;
use super::http_error::{error, error_with, only_get};
use super::log_access::LogAccess;
use super::log_stream::{self, Range};
use super::shared::Shared;
use crate::config::Features;
use crate::ids::ChainIndex;

/// The routes of the chain; none if it is switched off.
pub(super) fn routes(features: Features) -> Router<Arc<Shared>> {
    if !features.log_chain {
        return Router::new();
    }
    Router::new()
        .route("/log-chain/head", only_get(get(head)))
        .route("/log-chain/entries", only_get(get(entries)))
        .layer(CompressionLayer::new().quality(tower_http::CompressionLevel::Fastest))
}

/// The signed head of what is committed.
async fn head(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_draining() {
        return shutting_down();
    }
    let (key, server) = (&shared.signing_key, &shared.profile.server_id);
    let signed = shared.signed_heads.sign(shared.hub.head(), key, server, shared.clock.now());
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(signed)).into_response()
}

/// The entries from `from` on, as many as `limit` says.
async fn entries(
    State(shared): State<Arc<Shared>>,
    Extension(permit): Extension<HandshakePermit>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    if shared.is_draining() {
        return shutting_down();
    }
    // A response of HTTP/1.0 ends where the connection does, so one that is broken off would look whole.
    if request.version() < Version::HTTP_11 {
        return error(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http_1_1_required");
    }
    let Some(range) = range(query.as_deref()) else {
        return error(StatusCode::BAD_REQUEST, "invalid_range");
    };
    let (is_head, headers) = (request.method() == Method::HEAD, request.headers());
    let access = match LogAccess::of(&shared, headers).await {
        Ok(access) => access,
        Err(refusal) => return *refusal,
    };
    if is_head {
        return log_stream::head();
    }
    match shared.log_streams.admit(access.requester, permit.source(), Instant::now()) {
        Ok(stream) => log_stream::answer(shared, range, access, &permit, stream),
        Err(wait) => {
            let retry = (RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            error_with(StatusCode::SERVICE_UNAVAILABLE, "busy", retry)
        }
    }
}

/// `from` and `limit` of the query; `None` if one of them is no number.
fn range(query: Option<&str>) -> Option<Range> {
    let (mut from, mut limit) = (0, u64::MAX);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "from" => from = value.parse().ok()?,
            "limit" => limit = value.parse().ok()?,
            _ => {}
        }
    }
    Some(Range { from: ChainIndex(from), limit })
}

/// What comes now would be less than there is.
fn shutting_down() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "shutting_down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_or_refused() {
        let read = |query| range(query).map(|range| (range.from.0, range.limit));
        assert_eq!(read(None), Some((0, u64::MAX)));
        assert_eq!(read(Some("from=5&limit=7&x=y")), Some((5, 7)));
        for bad in ["from=-1", "from=x", "limit=", "limit=18446744073709551616"] {
            assert_eq!(read(Some(bad)), None, "{bad}");
        }
    }
}
