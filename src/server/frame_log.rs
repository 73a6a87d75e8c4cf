//! The log of encoded frames: what everyone reads, each from their own place on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::ids::{ChainIndex, UserId};

/// Nobody is too slow who is behind by no more than this time, as long as the log is not [`MAX_BURST`] times as big as it
/// should be: a burst of long messages must not cost everyone their connection.
const BURST_GRACE: Duration = Duration::from_secs(2);
const MAX_BURST: usize = 16;

/// How much is gathered in a chunk before the next begins, and in how much of the log a connection takes no further chunk.
/// A chunk is bigger by what was appended last, which may be a whole batch of the writer's.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Frames to be appended to the log together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the frame that `write` writes. It is not sent to `not_for`; it records `chain_index`.
    pub(super) fn push(
        &mut self,
        not_for: Option<UserId>,
        chain_index: Option<ChainIndex>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let from = self.bytes.len();
        write(&mut self.bytes);
        self.marks.push(Mark { from, to: self.bytes.len(), not_for, chain_index });
    }
}

/// Where a frame stands in its segment.
#[derive(Debug, Clone, Copy)]
struct Mark {
    from: usize,
    to: usize,
    not_for: Option<UserId>,
    chain_index: Option<ChainIndex>,
}

/// Frames that do not change any more, or a part of them; shared by all who send them.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    bytes: Bytes,
    marks: Arc<[Mark]>,
    /// What of the bytes is to be sent; both ends are frames' ends.
    part: Range<usize>,
}

impl From<Frames> for Segment {
    fn from(frames: Frames) -> Self {
        let part = 0..frames.bytes.len();
        Self { bytes: frames.bytes.into(), marks: frames.marks.into(), part }
    }
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        self.part.len()
    }

    /// Adds its pieces without the frames that are not for `user`: mostly all in one.
    pub(super) fn cut(&self, user: UserId, pieces: &mut VecDeque<Piece>) {
        let Range { start: mut from, end } = self.part;
        let mut chain_index = None;
        let first = self.marks.partition_point(|mark| mark.from < from);
        for mark in self.marks.iter().skip(first).take_while(|mark| mark.from < end) {
            if mark.not_for == Some(user) {
                self.piece(from..mark.from, chain_index.take(), pieces);
                from = mark.to;
            }
            chain_index = mark.chain_index.or(chain_index);
        }
        self.piece(from..end, chain_index, pieces);
    }

    fn piece(&self, part: Range<usize>, chain_index: Option<ChainIndex>, pieces: &mut VecDeque<Piece>) {
        if !part.is_empty() {
            pieces.push_back(Piece { bytes: self.bytes.slice(part), chain_index });
        }
    }
}

/// A part of the log that does not change any more.
#[derive(Debug)]
struct Chunk {
    /// The position of its first byte.
    start: u64,
    frames: Segment,
    since: Instant,
}

/// Bytes to be sent as they are.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// The last chain entry in them.
    pub(super) chain_index: Option<ChainIndex>,
}

/// The log no longer has what a connection should get next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FellBehind;

/// The log. What is appended is fresh until somebody reads it or there is enough of it; then it becomes a chunk that is
/// shared by all readers. A reader that stalls keeps the chunks that it was sending, beside what the log keeps for everyone.
#[derive(Debug)]
pub(super) struct FrameLog {
    chunks: VecDeque<Chunk>,
    /// The sum of the chunks' bytes.
    bytes: usize,
    /// What came after the last chunk; it starts at `end - fresh.bytes.len()`.
    fresh: Frames,
    /// The position after the last byte.
    end: u64,
    max_lag: usize,
}

impl FrameLog {
    /// An empty log that keeps about `max_lag` bytes.
    pub(super) fn new(max_lag: usize) -> Self {
        Self { chunks: VecDeque::new(), bytes: 0, fresh: Frames::default(), end: 0, max_lag }
    }

    /// The position after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Appends frames. Though nobody reads, the log lets go of what is too old.
    pub(super) fn append(&mut self, frames: &Frames) {
        let base = self.fresh.bytes.len();
        self.fresh.bytes.extend_from_slice(&frames.bytes);
        let marks = frames.marks.iter().map(|mark| Mark { from: mark.from + base, to: mark.to + base, ..*mark });
        self.fresh.marks.extend(marks);
        self.end += frames.bytes.len() as u64;
        if self.fresh.bytes.len() >= CHUNK_BYTES {
            self.settle();
        }
    }

    /// Adds what stands between `cursor` and `limit`, until it is 64 KiB or more, and moves the cursor to its end.
    pub(super) fn read(
        &mut self,
        cursor: &mut u64,
        limit: u64,
        segments: &mut Vec<Segment>,
    ) -> Result<usize, FellBehind> {
        if *cursor >= limit {
            return Ok(0);
        }
        self.settle();
        let after = self.chunks.partition_point(|chunk| chunk.start <= *cursor);
        let first = after.checked_sub(1).ok_or(FellBehind)?;
        let mut bytes = 0;
        for chunk in self.chunks.iter().skip(first) {
            if *cursor >= limit || bytes >= CHUNK_BYTES {
                break;
            }
            let within = |position: u64| usize::try_from(position.saturating_sub(chunk.start)).unwrap_or(usize::MAX);
            let part = within(*cursor)..within(limit).min(chunk.frames.len());
            bytes += part.len();
            *cursor = chunk.start + part.end as u64;
            segments.push(Segment { part, ..chunk.frames.clone() });
        }
        Ok(bytes)
    }

    /// Whether what stands at `cursor` is no longer there.
    pub(super) fn has_lost(&self, cursor: u64) -> bool {
        self.start() > cursor
    }

    /// The position of the oldest byte that is still there.
    pub(super) fn start(&self) -> u64 {
        self.chunks.front().map_or(self.end - self.fresh.bytes.len() as u64, |oldest| oldest.start)
    }

    /// Turns what is fresh into a chunk, and lets go of chunks that are too old.
    fn settle(&mut self) {
        if self.fresh.bytes.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        let length = fresh.bytes.len();
        self.chunks.push_back(Chunk { start: self.end - length as u64, frames: fresh.into(), since: Instant::now() });
        self.bytes += length;
        while let Some(oldest) = self.chunks.front()
            && let rest = self.bytes - oldest.frames.len()
            && rest >= self.max_lag
            && (oldest.since.elapsed() > BURST_GRACE || rest >= self.max_lag * MAX_BURST)
        {
            self.chunks.pop_front();
            self.bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn frames(texts: &[(&str, Option<UserId>)]) -> Frames {
        let mut frames = Frames::default();
        for (text, not_for) in texts {
            frames.push(*not_for, None, |out| out.extend_from_slice(text.as_bytes()));
        }
        frames
    }

    fn taken(log: &mut FrameLog, cursor: &mut u64, user: UserId) -> Result<String, FellBehind> {
        let (mut segments, mut pieces) = (Vec::new(), VecDeque::new());
        log.read(cursor, log.end(), &mut segments)?;
        for segment in segments {
            segment.cut(user, &mut pieces);
        }
        Ok(pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect())
    }

    #[test]
    fn everyone_gets_everything_once_but_what_is_kept_from_them() {
        let mut log = FrameLog::new(1000);
        let (mut early, mut late) = (0, 0);
        log.append(&frames(&[("a", None), ("b", Some(user(1))), ("c", None)]));
        assert_eq!(taken(&mut log, &mut early, user(1)).as_deref(), Ok("ac"));
        log.append(&frames(&[("d", None)]));
        assert_eq!(taken(&mut log, &mut early, user(1)).as_deref(), Ok("d"));
        assert_eq!(taken(&mut log, &mut late, user(2)).as_deref(), Ok("abcd"));
        assert_eq!(taken(&mut log, &mut late, user(2)).as_deref(), Ok(""));
    }

    #[test]
    fn a_reader_starts_in_the_middle_of_what_is_fresh() {
        let mut log = FrameLog::new(1000);
        log.append(&frames(&[("before", None)]));
        let mut cursor = log.end();
        log.append(&frames(&[("after", None)]));
        assert_eq!(taken(&mut log, &mut cursor, user(1)).as_deref(), Ok("after"));
    }

    #[test]
    fn what_nobody_reads_does_not_pile_up() {
        let mut log = FrameLog::new(1);
        let text = "x".repeat(CHUNK_BYTES / 4);
        for _ in 0..40 {
            log.append(&frames(&[(&text, None)]));
        }
        assert!(log.has_lost(0));
        assert!(log.bytes + log.fresh.bytes.len() <= 2 * CHUNK_BYTES, "{}", log.bytes);
    }

    #[test]
    fn who_lags_too_far_has_fallen_behind() {
        let mut log = FrameLog::new(10);
        let (mut slow, mut fast) = (0, 0);
        for _ in 0..=MAX_BURST {
            assert_eq!(taken(&mut log, &mut 0, user(1)).map(|_| ()), Ok(()), "a burst is no reason");
            log.append(&frames(&[("0123456789", None)]));
            taken(&mut log, &mut fast, user(1)).expect("it keeps up");
        }
        assert!(log.has_lost(slow));
        assert_eq!(taken(&mut log, &mut slow, user(1)), Err(FellBehind));
    }
}
