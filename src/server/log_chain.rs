//! `/log-chain`: the chain for auditors (PROTOCOL.md section 5), its signed head and its entries.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json};
use tower_http::compression::CompressionLayer;

use super::handshakes::HandshakePermit;
use super::http_error::{error, error_with, only_get};
use super::log_stream::{self, Range, Reader};
use super::shared::Shared;
use crate::channels::{AUDITOR_TOKEN_PREFIX, Sealing, auditor_token_hash};
use crate::config::{ChainAccess, Features};
use crate::ids::ChainIndex;
use crate::logchain::{EntryHash, Head};
use crate::storage::StorageError;

/// When to come back.
const RETRY_SECONDS: u16 = 5;

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
    let stored = match shared.readers.read(crate::storage::Database::head).await {
        Ok(stored) => stored,
        Err(failure) => return unavailable(&failure),
    };
    let head = stored.map_or(Head::EMPTY, |last| Head { length: last.index.0 + 1, hash: EntryHash(last.hash) });
    let (key, server) = (&shared.signing_key, &shared.profile.server_id);
    let signed = shared.signed_heads.sign(head, key, server, shared.clock.now());
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(signed)).into_response()
}

/// The entries from `from` on, as many as `limit` says.
async fn entries(
    State(shared): State<Arc<Shared>>,
    Extension(permit): Extension<HandshakePermit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if shared.is_draining() {
        return shutting_down();
    }
    let Some(range) = range(query.as_deref()) else {
        return error(StatusCode::BAD_REQUEST, "invalid_range");
    };
    let (reader, sealing) = match reader(&shared, &headers).await {
        Ok(known) => known,
        Err(refusal) => return *refusal,
    };
    let Some(place) = shared.log_streams.place(reader) else {
        let retry = (RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        return error_with(StatusCode::SERVICE_UNAVAILABLE, "busy", retry);
    };
    log_stream::answer(shared, range, sealing, &permit, place)
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

/// Who asks, and what they may see. A token that is there must be good: nobody is to take sealed entries for what their token
/// gives them.
async fn reader(shared: &Shared, headers: &HeaderMap) -> Result<(Reader, Sealing), Box<Response>> {
    let refuse = || {
        let challenge = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Box::new(error_with(StatusCode::UNAUTHORIZED, "invalid_token", challenge))
    };
    let Some(header) = headers.get(AUTHORIZATION) else {
        let sealing = match shared.profile.features.chain_access {
            ChainAccess::Public => Sealing::Open,
            ChainAccess::Members => Sealing::Sealed,
        };
        return Ok((Reader::Stranger, sealing));
    };
    let token = header.to_str().ok().and_then(bearer).ok_or_else(refuse)?;
    let now = shared.clock.now();
    if !token.starts_with(AUDITOR_TOKEN_PREFIX) {
        shared.verify(token).await.map_err(|_| refuse())?;
        return Ok((Reader::Member, Sealing::Open));
    }
    let hash = auditor_token_hash(token);
    match shared.readers.read(move |database| database.auditor_token(hash)).await {
        Ok(Some(token)) if token.holds(now) => Ok((Reader::Auditor, Sealing::Open)),
        Ok(_) => Err(refuse()),
        Err(failure) => Err(Box::new(unavailable(&failure))),
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What comes now would be less than there is.
fn shutting_down() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "shutting_down")
}

fn unavailable(failure: &StorageError) -> Response {
    tracing::error!(error = %failure, "reading the log chain failed");
    error(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
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

    #[test]
    fn a_bearer_token_is_found_in_its_header() {
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!((bearer("abc"), bearer("Basic abc")), (None, None));
    }
}
