//! A limit for the whole of a verification over the network: whatever a server does, there is an end.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cli::CliError;

/// Without `--deadline`: for a log of any length, and for each entry that it has.
const BASE: Duration = Duration::from_mins(10);
const ENTRIES_PER_SEC: u64 = 1_000;

/// However long a server says that its log is.
const LONGEST: Duration = Duration::from_hours(24);

/// When the verification must be done.
pub(super) struct Deadline {
    started: Instant,
    given: Option<Duration>,
}

impl Deadline {
    /// Counts from now: as long as is `given`, or else as the log is long.
    pub(super) fn new(given: Option<Duration>) -> Self {
        Self { started: Instant::now(), given }
    }

    /// How long the verification of `length` entries may take.
    fn limit(&self, length: u64) -> Duration {
        self.given.unwrap_or_else(|| BASE.saturating_add(Duration::from_secs(length / ENTRIES_PER_SEC)).min(LONGEST))
    }

    /// Does `work` for a log of `length` entries, or ends it at the deadline.
    pub(super) async fn keep<T>(
        &self,
        length: u64,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let limit = self.limit(length);
        timeout_at(self.started + limit, work).await.unwrap_or_else(|_| {
            let problem = format!("the server's log could not be verified within {} s", limit.as_secs());
            Err(CliError::failed(problem).hint("`--deadline SECONDS` gives it more time"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_the_log_and_has_an_end() {
        let limit = |given, length| Deadline::new(given).limit(length).as_secs();
        assert_eq!((limit(None, 0), limit(None, 1_000_000), limit(None, u64::MAX)), (600, 1_600, 86_400));
        assert_eq!(limit(Some(Duration::from_secs(5)), 1_000_000), 5);
    }
}
