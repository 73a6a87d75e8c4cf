//! `/log-chain`: the chain for auditors (PROTOCOL.md section 5).
//!
//! Entries stream page by page, each page a short transaction of its own: a long answer neither is built in memory nor
//! keeps the write-ahead log from being emptied, and a reader who does not read is let go.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tower_http::compression::CompressionLayer;

use super::handshakes::Slot;
use super::http_error::{error, error_with, only_get};
use super::shared::Shared;
use crate::channels::{AUDITOR_TOKEN_PREFIX, LogPage, Sealing, auditor_token_hash};
use crate::config::{ChainAccess, Features};
use crate::ids::ChainIndex;
use crate::logchain::{EntryHash, Head};
use crate::storage::StorageError;

/// How many may read entries at the same time; another one is told to come back.
pub(super) const MAX_STREAMS: usize = 16;

/// Entries that one transaction reads: about half a megabyte of lines.
const PAGE: u32 = 1_024;

/// Pages that wait for a slow reader.
const WAITING_PAGES: usize = 1;

/// How long a reader may take for one page.
const READER_PATIENCE: Duration = Duration::from_mins(1);

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
    let stored = match shared.readers.read(crate::storage::Database::head).await {
        Ok(stored) => stored,
        Err(failure) => return unavailable(&failure),
    };
    let head = stored.map_or(Head::EMPTY, |last| Head { length: last.index.0 + 1, hash: EntryHash(last.hash) });
    let signed = head.sign(&shared.signing_key, &shared.profile.server_id, shared.clock.now());
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(signed)).into_response()
}

/// The entries from `from` on, as many as `limit` says.
async fn entries(
    State(shared): State<Arc<Shared>>,
    Extension(slot): Extension<Slot>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some((from, limit)) = range(query.as_deref()) else {
        return error(StatusCode::BAD_REQUEST, "invalid_range");
    };
    let sealing = match sealing(&shared, &headers).await {
        Ok(sealing) => sealing,
        Err(refusal) => return *refusal,
    };
    let Ok(permit) = shared.log_streams.clone().try_acquire_owned() else {
        let retry = (RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        return error_with(StatusCode::SERVICE_UNAVAILABLE, "busy", retry);
    };
    // It said what it wants, and may take its time from here on.
    slot.release();
    let (pages, receiver) = mpsc::channel(WAITING_PAGES);
    tokio::spawn(send_pages(shared, from, limit, sealing, pages, permit));
    let body = stream::unfold(receiver, |mut receiver| async {
        let page = receiver.recv().await?;
        Some((page, receiver))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("authorization")),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// Reads page after page for as long as somebody takes them. An error ends the answer in the middle, which the reader
/// sees as a broken connection.
async fn send_pages(
    shared: Arc<Shared>,
    mut from: ChainIndex,
    mut limit: u64,
    sealing: Sealing,
    pages: mpsc::Sender<io::Result<Bytes>>,
    _permit: OwnedSemaphorePermit,
) {
    while limit > 0 && !shared.is_draining() {
        let count = u32::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let start = from;
        let read = shared.readers.read(move |database| LogPage::read(database, start, count, sealing)).await;
        let page = match read {
            Ok(LogPage { last: None, .. }) => return,
            Ok(LogPage { lines, last: Some(last) }) => {
                limit = limit.saturating_sub((last.0 - from.0).saturating_add(1));
                from = last.next();
                Ok(Bytes::from(lines))
            }
            Err(failure) => {
                tracing::error!(error = %failure, "reading the log chain failed");
                Err(io::Error::other("reading the log chain failed"))
            }
        };
        let failed = page.is_err();
        let sent = timeout(READER_PATIENCE, pages.send(page)).await;
        if failed || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// `from` and `limit` of the query; `None` if one of them is no number.
fn range(query: Option<&str>) -> Option<(ChainIndex, u64)> {
    let (mut from, mut limit) = (0, u64::MAX);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "from" => from = value.parse().ok()?,
            "limit" => limit = value.parse().ok()?,
            _ => {}
        }
    }
    Some((ChainIndex(from), limit))
}

/// What whoever asks may see. A token that is there must be good: nobody is to take sealed entries for what their token
/// gives them.
async fn sealing(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Sealing, Box<Response>> {
    let refuse = || {
        let challenge = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Box::new(error_with(StatusCode::UNAUTHORIZED, "invalid_token", challenge))
    };
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(match shared.profile.features.chain_access {
            ChainAccess::Public => Sealing::Open,
            ChainAccess::Members => Sealing::Sealed,
        });
    };
    let token = header.to_str().ok().and_then(bearer).ok_or_else(refuse)?;
    let now = shared.clock.now();
    if !token.starts_with(AUDITOR_TOKEN_PREFIX) {
        shared.verifier.verify(token, now).map_err(|_| refuse())?;
        return Ok(Sealing::Open);
    }
    let hash = auditor_token_hash(token);
    match shared.readers.read(move |database| database.auditor_token(hash)).await {
        Ok(Some(token)) if token.holds(now) => Ok(Sealing::Open),
        Ok(_) => Err(refuse()),
        Err(failure) => Err(Box::new(unavailable(&failure))),
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
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
        let read = |query| range(query).map(|(from, limit)| (from.0, limit));
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
