//! An answer with entries of the log chain: page by page, each out of a short transaction of its own, so that a long one
//! neither is built in memory nor keeps the write-ahead log from being emptied.
//!
//! A reader takes its time, so its connection is no handshake any more. It is bounded by the number of streams instead, and
//! for that it must end with its answer: whoever takes too long for a page, or for the end, is cut off.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::handshakes::HandshakePermit;
use super::shared::Shared;
use crate::channels::{LogPage, Sealing};
use crate::ids::ChainIndex;

/// How many of a kind may read entries at the same time.
const MAX_STREAMS: usize = 8;

/// Entries that one transaction reads: about half a megabyte of lines.
const PAGE: u32 = 1_024;

/// Pages that wait for a slow reader.
const WAITING_PAGES: usize = 1;

/// How long a reader may take for one page.
const READER_PATIENCE: Duration = Duration::from_mins(1);

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Anyone.
    Stranger,
    /// Somebody with a token for this server.
    Member,
    /// Somebody with a token that the operator issued for the log.
    Auditor,
}

/// The places for those who read. Each kind has its own, so that strangers keep no member out, and members no auditor.
#[derive(Debug)]
pub(super) struct LogStreams {
    strangers: Arc<Semaphore>,
    members: Arc<Semaphore>,
    auditors: Arc<Semaphore>,
}

impl Default for LogStreams {
    fn default() -> Self {
        let places = || Arc::new(Semaphore::new(MAX_STREAMS));
        Self { strangers: places(), members: places(), auditors: places() }
    }
}

impl LogStreams {
    /// A place; `None` if all of this kind are taken.
    pub(super) fn place(&self, reader: Reader) -> Option<OwnedSemaphorePermit> {
        let places = match reader {
            Reader::Stranger => &self.strangers,
            Reader::Member => &self.members,
            Reader::Auditor => &self.auditors,
        };
        places.clone().try_acquire_owned().ok()
    }
}

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

/// The answer to a reader who has a place.
pub(super) fn answer(
    shared: Arc<Shared>,
    range: Range,
    sealing: Sealing,
    permit: &HandshakePermit,
    place: OwnedSemaphorePermit,
) -> Response {
    let (parts, receiver) = mpsc::channel(WAITING_PAGES);
    let connection = permit.release();
    tokio::spawn(async move {
        let is_taken = send_pages(&shared, range, sealing, parts).await;
        connection.end_within(if is_taken { READER_PATIENCE } else { Duration::ZERO }).await;
        drop(place);
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("authorization")),
        // It has no permit any more.
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    (headers, Body::from_stream(body(receiver))).into_response()
}

/// What comes of `parts`. Without an end of theirs this ends with an error, which breaks the connection: the reader must
/// not take what was broken off for all that there is.
fn body(mut parts: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut is_over = false;
    stream::poll_fn(move |context| {
        // The compression asks again after the end.
        if is_over {
            return Poll::Ready(None);
        }
        parts.poll_recv(context).map(|part| match part {
            Some(Part::Lines(lines)) => Some(Ok(lines)),
            Some(Part::End) => {
                is_over = true;
                None
            }
            None => {
                is_over = true;
                Some(Err(io::Error::other("the entries were broken off")))
            }
        })
    })
}

/// Reads page after page for as long as somebody takes them. False if the reader is gone, or takes too long.
async fn send_pages(
    shared: &Shared,
    Range { mut from, mut limit }: Range,
    sealing: Sealing,
    parts: mpsc::Sender<Part>,
) -> bool {
    while limit > 0 {
        if shared.is_draining() {
            return true;
        }
        let count = u32::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let page = shared.readers.read(move |database| LogPage::read(database, from, count, sealing)).await;
        let lines = match page {
            Ok(LogPage { last: None, .. }) => break,
            Ok(LogPage { lines, last: Some(last) }) => {
                limit = limit.saturating_sub((last.0 - from.0).saturating_add(1));
                from = last.next();
                lines.into()
            }
            Err(failure) => {
                tracing::error!(error = %failure, "reading the log chain failed");
                return true;
            }
        };
        if !send(&parts, Part::Lines(lines)).await {
            return false;
        }
    }
    send(&parts, Part::End).await
}

/// False if the reader is gone or does not take it in time.
async fn send(parts: &mpsc::Sender<Part>, part: Part) -> bool {
    timeout(READER_PATIENCE, parts.send(part)).await.is_ok_and(|sent| sent.is_ok())
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
    async fn only_an_answer_that_is_whole_ends_without_an_error() {
        let lines = || Part::Lines(Bytes::from_static(b"{}\n"));
        let came = || Ok(Bytes::from_static(b"{}\n"));
        let broken = || Err("the entries were broken off".to_owned());
        assert_eq!(read(vec![lines(), Part::End]).await, [came()]);
        assert_eq!(read(vec![lines(), lines()]).await, [came(), came(), broken()]);
        assert_eq!(read(Vec::new()).await, [broken()]);
    }
}
