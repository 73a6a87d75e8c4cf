//! Which creates are recent enough to be recognized when they are sent again.
//!
//! Age is counted in time that the server ran, never by the clock: a clock that is far ahead for one message would make
//! every earlier create old at once, and every later one young for as long as the log's times stand still. Time in which
//! the server did not run does not count: a create is recognized for a day at least, and for at most an hour more of running
//! time.

use std::collections::VecDeque;
use std::time::Duration;

/// How the age of creates is counted: in steps of this length.
const STEP: Duration = Duration::from_hours(1);
const STEPS: usize = 24;

/// The keys of the messages at which the latest steps began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DedupWindow {
    /// Oldest first, the first being that from which creates are recognized; never more than `STEPS + 1`.
    starts: VecDeque<i64>,
    /// How much of the latest step has passed.
    passed: Duration,
}

impl DedupWindow {
    /// Everything is recent.
    pub(super) fn new() -> Self {
        Self { starts: VecDeque::from([i64::MIN]), passed: Duration::ZERO }
    }

    /// The key of the first message whose create is recognized.
    pub(super) fn first(&self) -> i64 {
        self.starts.front().copied().unwrap_or(i64::MIN)
    }

    /// Lets `time` pass; messages from the key `fresh` on may have been created at its end. Returns whether a step began.
    pub(super) fn advance(&mut self, time: Duration, fresh: i64) -> bool {
        self.passed = self.passed.saturating_add(time);
        let mut began = false;
        while self.passed >= STEP && self.first() < fresh {
            self.passed -= STEP;
            self.starts.push_back(fresh);
            if self.starts.len() > STEPS + 1 {
                self.starts.pop_front();
            }
            began = true;
        }
        // Of all that was stored before, nothing is recent any more: more time has nothing left to do.
        self.passed = self.passed.min(STEP);
        began
    }

    /// As it is stored: the milliseconds that passed of the latest step, then the keys, each big-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let passed = i64::try_from(self.passed.as_millis()).unwrap_or(i64::MAX);
        std::iter::once(&passed).chain(&self.starts).flat_map(|number| number.to_be_bytes()).collect()
    }

    /// What was stored; `None` if these bytes are not that.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let mut numbers = numbers.iter().map(|number| i64::from_be_bytes(*number));
        let passed = Duration::from_millis(numbers.next()?.try_into().ok()?);
        let starts: VecDeque<_> = numbers.collect();
        ((1..=STEPS + 1).contains(&starts.len()) && passed <= STEP && starts.iter().is_sorted())
            .then_some(Self { starts, passed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_create_is_recent_for_a_day_and_at_most_an_hour_more() {
        // One message a minute, whose key is its minute.
        let mut window = DedupWindow::new();
        for minute in 0..10_000 {
            window.advance(MINUTE, minute);
            let (day_ago, hour_more) = (minute + 1 - 24 * 60, minute - 25 * 60);
            assert!(window.first() <= day_ago.max(0), "minute {minute}: {window:?}");
            assert!(window.first() >= hour_more || hour_more < 0, "minute {minute}: {window:?}");
        }
    }

    #[test]
    fn a_long_silence_ends_it_for_all() {
        let mut window = DedupWindow::new();
        window.advance(MINUTE, 5);
        assert!(window.advance(Duration::from_secs(u64::MAX), 9));
        assert_eq!(window.first(), 9);
        window.advance(MINUTE * (24 * 60 - 1), 10);
        assert_eq!(window.first(), 9, "what was created at the end of the silence is recent");
    }

    #[test]
    fn it_is_stored_and_damage_is_no_window() {
        let mut window = DedupWindow::new();
        for hour in 0..40 {
            window.advance(STEP + MINUTE, hour);
            assert_eq!(DedupWindow::from_bytes(&window.to_bytes()).as_ref(), Some(&window));
        }
        let stored = window.to_bytes();
        let longer = [&stored[..], &stored[8..]].concat();
        for damaged in [&[][..], &stored[..8], &stored[1..], &stored[..stored.len() - 3], &[0xff; 80], &longer] {
            assert_eq!(DedupWindow::from_bytes(damaged), None, "{damaged:?}");
        }
    }
}
