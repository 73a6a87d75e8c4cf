//! How long a verifier waits for a server that does not answer as it should: it may be starting again, or busy.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep};

/// How often at least it is tried, whatever the time.
const TRIES: u32 = 4;

/// The pause after the first failure; it doubles with each further one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The longest pause that a server gets when it asks for one.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// How many times as long a server is waited for that says when to come again.
const ASKED_FACTOR: u32 = 4;

/// The failures since something last came.
pub(super) struct Patience {
    /// How long they may go on.
    window: Duration,
    since: Instant,
    failures: u32,
}

impl Patience {
    /// Gives up after `window` in which nothing came.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, since: Instant::now(), failures: 0 }
    }

    /// Something came: it all begins anew.
    pub(super) fn renew(&mut self) {
        *self = Self::new(self.window);
    }

    /// Waits before the next try, for as long as the server asked for if it did. False: it has been tried enough.
    pub(super) async fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.failures += 1;
        let window = if asked.is_some() { self.window * ASKED_FACTOR } else { self.window };
        if self.failures >= TRIES && self.since.elapsed() >= window {
            return false;
        }
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures - 1)).min(LONGEST_PAUSE);
        let left = window.saturating_sub(self.since.elapsed()).clamp(FIRST_PAUSE, LONGEST_ASKED);
        sleep(asked.map_or(doubled, |asked| asked.clamp(FIRST_PAUSE, left))).await;
        true
    }
}

/// Whether a server that answers like this may answer otherwise in a while.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// When to come again, as the server says. A date in place of seconds is as good as nothing.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The least that a server must send in the time that is spent waiting for it: less is a server that holds its readers up.
const LEAST_BYTES_PER_SEC: u64 = 1024;

/// How fast a server sends.
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Looks at the pace whenever `window` was spent waiting.
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// So many bytes came after so long a wait. False: the server is too slow.
    pub(super) fn came(&mut self, bytes: usize, waited: Duration) -> bool {
        self.bytes += bytes as u64;
        self.waited += waited;
        if self.waited < self.window {
            return true;
        }
        let least = u128::from(LEAST_BYTES_PER_SEC) * self.waited.as_millis() / 1000;
        let is_enough = u128::from(self.bytes) >= least;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_sends_less_than_it_must_is_too_slow_however_it_divides_it() {
        let window = Duration::from_secs(3);
        let drip = |bytes, pause| {
            let mut pace = Pace::new(window);
            (0..100).all(|_| pace.came(bytes, pause))
        };
        assert!(!drip(1, Duration::from_millis(500)));
        assert!(!drip(3000, Duration::from_secs(3)));
        assert!(drip(3073, Duration::from_secs(3)));
        assert!(drip(200, Duration::from_millis(100)));
        assert!(drip(0, Duration::ZERO), "time that is not spent waiting does not count");
    }
}
