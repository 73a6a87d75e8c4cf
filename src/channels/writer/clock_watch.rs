//! Says when the log's time is ahead of the clock: entries never go back in time, so after a clock that was far ahead all
//! that is written has the time of that moment, until the clock has come so far.

use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// How far the last entry may be ahead without a word: a clock that is being adjusted goes back by less.
const TOLERANCE: Duration = Duration::from_mins(1);

/// How often it is said.
const INTERVAL: Duration = Duration::from_mins(1);

/// When it was said.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// The next time, by [`Clock::running`]; `None` if it was not said yet.
    due: Option<Duration>,
}

impl ClockWatch {
    /// Warns if the last entry, of the time `last`, is ahead of the clock, and that was not said within the last minute.
    pub(super) fn check(&mut self, last: Timestamp, clock: &Clock) {
        let now = clock.now();
        if self.is_due(last.since(now), clock.running()) {
            tracing::warn!(
                last_entry = %last,
                clock = %now,
                ahead_secs = last.since(now).as_secs(),
                "the log is ahead of the clock: what is written gets the last entry's time until the clock has come \
                 that far (docs/clock.md)"
            );
        }
    }

    fn is_due(&mut self, ahead: Duration, running: Duration) -> bool {
        let is_due = ahead > TOLERANCE && self.due.is_none_or(|due| due <= running);
        if is_due {
            self.due = Some(running + INTERVAL);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_once_a_minute_while_the_log_is_more_than_a_minute_ahead() {
        let mut watch = ClockWatch::default();
        let (minute, second) = (Duration::from_mins(1), Duration::from_secs(1));
        assert!(!watch.is_due(Duration::ZERO, second));
        assert!(!watch.is_due(minute, second));
        assert!(watch.is_due(minute + second, second));
        assert!(!watch.is_due(minute * 9, minute));
        assert!(watch.is_due(minute * 9, minute + second));
        assert!(!watch.is_due(minute, minute * 9));
        assert!(watch.is_due(minute * 2, minute * 10));
    }
}
