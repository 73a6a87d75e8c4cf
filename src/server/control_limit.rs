//! The limit on pings and pongs: each costs a little, nobody needs many, and nothing holds up who sends them.

use std::time::Duration;

use tokio::time::Instant;

/// How many control frames a client may send in [`PERIOD`].
const MAX_FRAMES: u32 = 1000;
const PERIOD: Duration = Duration::from_secs(1);

/// Counts the control frames of a connection.
#[derive(Debug)]
pub(super) struct ControlLimit {
    since: Instant,
    frames: u32,
}

impl ControlLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, frames: 0 }
    }

    /// Counts one; whether it is still within the limit.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        if now >= self.since + PERIOD {
            *self = Self::new(now);
        }
        self.frames += 1;
        self.frames <= MAX_FRAMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_in_a_second_are_allowed_and_no_more() {
        let began = Instant::now();
        let mut limit = ControlLimit::new(began);
        for ms in 0..5000 {
            assert!(limit.allows(began + Duration::from_millis(ms)), "{ms} ms");
        }
        let after = began + Duration::from_secs(6);
        assert!((0..1000).all(|_| limit.allows(after)));
        assert!(!limit.allows(after + Duration::from_millis(999)));
        assert!(limit.allows(after + PERIOD));
    }
}
