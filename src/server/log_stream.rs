//! An answer with entries of the log chain: page by page, each out of a short transaction of its own, so that a long one
//! neither is built in memory nor keeps the write-ahead log from being emptied.
//!
//! A requester takes its time, so its connection has no handshake permit any more. It is bounded by the number of streams
//! instead, and for that it must end with its answer: a stream that is read too slowly, or that must make room for another,
//! is cut off. So is one whose token holds no longer, which each page asks anew.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::handshakes::HandshakePermit;
use super::log_access::LogAccess;
use super::log_streams::StreamPermit;
use super::shared::Shared;
use crate::channels::LogPage;
use crate::ids::ChainIndex;
use crate::storage::StorageError;

/// Entries that one transaction reads: about 110 KiB of lines.
const PAGE: u32 = 256;

/// Pages that wait for a slow requester.
const WAITING_PAGES: usize = 1;

/// How long a requester may take for one page: at least 11 KiB/s. The first ones go into the system's buffers.
const PAGE_SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for what is on its way when the last page was taken.
const LAST_SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may take for its end when a stream breaks off.
const BREAK_TIMEOUT: Duration = Duration::from_secs(2);

/// What an answer that is broken off ends with: no line, since it has no end, and no entry. The connection breaks, too, but
/// some proxies end their own answer properly all the same.
const BROKEN_OFF: &[u8] = br#"{"error":"broken_off"}"#;

/// Which entries are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: ChainIndex,
    /// How many at most.
    pub(super) limit: u64,
}

/// What is on its way to a reader.
#[derive(Debug)]
enum Part {
    Lines(Bytes),
    /// All that was wanted and is there came before this.
    End,
}

/// The answer to a requester whose stream was admitted.
pub(super) fn answer(
    shared: Arc<Shared>,
    range: Range,
    access: LogAccess,
    permit: &HandshakePermit,
    stream: StreamPermit,
) -> Response {
    let (parts, receiver) = mpsc::channel(WAITING_PAGES);
    let connection = permit.release();
    let (tracker, overdue, mut draining) =
        (shared.connections.clone(), shared.overdue.clone(), shared.draining.subscribe());
    // A server that stops waits until those who read were told.
    tracker.spawn(overdue.run_until_cancelled_owned(async move {
        let all = async {
            let is_whole = send_pages(&shared, range, access, parts).await;
            if is_whole {
                connection.end_within(LAST_SEND_TIMEOUT).await;
            }
            is_whole
        };
        let is_whole = tokio::select! {
            is_whole = all => is_whole,
            () = stream.cancelled() => false,
            _ = draining.wait_for(|is_draining| *is_draining) => false,
        };
        if !is_whole {
            connection.end_within(BREAK_TIMEOUT).await;
        }
    }));
    response(body(receiver))
}

/// The answer to HEAD: as the other, without its body.
pub(super) fn head() -> Response {
    response(stream::empty())
}

fn response(body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("authorization")),
        // It has no permit any more.
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// What comes of `parts`. Without an end of theirs, [`BROKEN_OFF`] follows, and then an error, which breaks the connection.
fn body(mut parts: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut stage = Stage::Open;
    stream::poll_fn(move |context| match stage {
        Stage::Open => parts.poll_recv(context).map(|part| match part {
            Some(Part::Lines(lines)) => Some(Ok(lines)),
            Some(Part::End) => {
                stage = Stage::Over;
                None
            }
            None => {
                stage = Stage::Marked { pauses: 2 };
                Some(Ok(Bytes::from_static(BROKEN_OFF)))
            }
        }),
        Stage::Marked { pauses: pauses @ 1.. } => {
            stage = Stage::Marked { pauses: pauses - 1 };
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Stage::Marked { pauses: 0 } => {
            stage = Stage::Over;
            Poll::Ready(Some(Err(io::Error::other("the entries were broken off"))))
        }
        // The compression asks again after the end.
        Stage::Over => Poll::Ready(None),
    })
}

#[derive(Clone, Copy)]
enum Stage {
    /// More parts may come.
    Open,
    /// That they broke off was said. The compression and then hyper pass on what they have when nothing more is there for
    /// now, and nothing after an error.
    Marked {
        pauses: u8,
    },
    Over,
}

/// Sends page after page. False if that was broken off: the requester is gone or too slow, its token holds no longer, the
/// server stops, or reading failed.
async fn send_pages(
    shared: &Shared,
    Range { mut from, mut limit }: Range,
    access: LogAccess,
    parts: mpsc::Sender<Part>,
) -> bool {
    while limit > 0 {
        if access.has_expired(shared) {
            return false;
        }
        let count = u32::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let now = shared.clock.now();
        let page = shared.readers.read(move |database| {
            if access.is_revoked(database, now)? {
                return Ok(None);
            }
            LogPage::read(database, from, count, access.sealing).map(Some)
        });
        let lines = match page.await {
            Ok(None) => return false,
            Ok(Some(LogPage { last: None, .. })) => break,
            Ok(Some(LogPage { lines, last: Some(last) })) => {
                limit = limit.saturating_sub((last.0 - from.0).saturating_add(1));
                from = last.next();
                lines.into()
            }
            Err(failure) => {
                let failure: StorageError = failure;
                tracing::error!(error = %failure, "reading the log chain failed");
                return false;
            }
        };
        if !send(&parts, Part::Lines(lines)).await {
            return false;
        }
    }
    send(&parts, Part::End).await
}

/// False if the requester is gone or does not take it in time.
async fn send(parts: &mpsc::Sender<Part>, part: Part) -> bool {
    timeout(PAGE_SEND_TIMEOUT, parts.send(part)).await.is_ok_and(|sent| sent.is_ok())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn read(parts: Vec<Part>) -> Vec<Result<Bytes, String>> {
        let (sender, receiver) = mpsc::channel(parts.len() + 1);
        for part in parts {
            sender.send(part).await.expect("there is room");
        }
        drop(sender);
        let mut body = std::pin::pin!(body(receiver));
        let mut read = Vec::new();
        while let Some(part) = body.next().await {
            read.push(part.map_err(|error| error.to_string()));
        }
        assert!(body.next().await.is_none(), "an end is an end");
        read
    }

    #[tokio::test]
    async fn an_answer_that_is_not_whole_says_so_and_ends_with_an_error() {
        let lines = || Part::Lines(Bytes::from_static(b"{}\n"));
        let came = || Ok(Bytes::from_static(b"{}\n"));
        let (said, broken) = (Ok(Bytes::from_static(BROKEN_OFF)), Err("the entries were broken off".to_owned()));
        assert_eq!(read(vec![lines(), Part::End]).await, [came()]);
        assert_eq!(read(vec![lines(), lines()]).await, [came(), came(), said.clone(), broken.clone()]);
        assert_eq!(read(Vec::new()).await, [said, broken]);
    }
}
