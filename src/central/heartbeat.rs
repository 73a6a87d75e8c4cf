//! Tells Central once a minute that this server lives, and everyone here whether Central does (PROTOCOL.md section 6).
//!
//! Whatever comes of it, the server goes on serving.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use tokio::sync::watch;
use url::Url;

use super::http::{self, bounded_body};
use super::route;
use super::state::{CentralState, HeartbeatOutcome};
use crate::ids::ServerId;
use crate::secret::Secret;
use crate::time::Clock;

/// The time between two heartbeats when all is well (PROTOCOL.md section 6), and the longest pause after failures.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause after the first failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Why no heartbeat can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The URL takes no path, as `mailto:` does not.
    #[error("not a URL that can be called: {0}")]
    Url(Url),
    /// The HTTP client could not be made.
    #[error("could not prepare the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// The heartbeat of one server.
pub struct Heartbeat {
    client: Client,
    url: Url,
    api_key: Secret,
    clock: Clock,
    /// Written by [`Heartbeat::run`] alone, which logs what changes; sessions read it.
    state: watch::Sender<CentralState>,
}

impl Heartbeat {
    /// Prepares heartbeats for `server_id` to the Central at `central_url`; nothing is sent yet.
    pub fn new(central_url: &Url, server_id: &ServerId, api_key: Secret, clock: Clock) -> Result<Self, HeartbeatError> {
        let url = route(central_url, server_id, "heartbeat").ok_or_else(|| HeartbeatError::Url(central_url.clone()))?;
        let state = watch::Sender::new(CentralState::default());
        Ok(Self { client: http::client(&url)?, url, api_key, clock, state })
    }

    /// What is known of Central, now and as it changes.
    pub fn state(&self) -> watch::Receiver<CentralState> {
        self.state.subscribe()
    }

    /// Sends heartbeats until it is dropped: one at once, then one a minute, sooner after a failure.
    pub async fn run(self) {
        let mut failures = 0;
        loop {
            let outcome = self.beat().await;
            failures = if outcome == HeartbeatOutcome::Accepted { 0 } else { failures + 1 };
            self.publish(outcome);
            tokio::time::sleep(jittered(pause_after(failures), random())).await;
        }
    }

    /// Sends one heartbeat and says what came of it.
    pub async fn beat(&self) -> HeartbeatOutcome {
        let sent = self
            .client
            .post(self.url.clone())
            .bearer_auth(self.api_key.reveal())
            .header(CONTENT_TYPE, "application/json")
            .body(concat!(r#"{"software_version":""#, env!("CARGO_PKG_VERSION"), r#""}"#))
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return HeartbeatOutcome::Unreachable(in_words(&error.without_url())),
        };
        match response.status() {
            // The answer says nothing more, but one that never ends is no success.
            StatusCode::OK => match bounded_body(response).await {
                Ok(_) => HeartbeatOutcome::Accepted,
                Err(error) => HeartbeatOutcome::Unreachable(in_words(&error)),
            },
            StatusCode::UNAUTHORIZED => HeartbeatOutcome::InvalidKey,
            StatusCode::FORBIDDEN => HeartbeatOutcome::Suspended,
            status => HeartbeatOutcome::UnexpectedStatus(status.as_u16()),
        }
    }

    fn publish(&self, outcome: HeartbeatOutcome) {
        let before = self.state.borrow().clone();
        if before.last_outcome.as_ref() == Some(&outcome) {
            tracing::debug!(%outcome, "heartbeat as before");
        } else {
            log_change(&outcome);
        }
        self.state.send_replace(before.after(outcome, self.clock.now()));
    }
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heartbeat({})", self.url)
    }
}

/// One line for each change, so that a long outage does not fill the log.
fn log_change(outcome: &HeartbeatOutcome) {
    match outcome {
        HeartbeatOutcome::Accepted => tracing::info!("central accepts the heartbeat"),
        HeartbeatOutcome::InvalidKey => {
            tracing::error!("central refuses the heartbeat (401): CENTRAL_API_KEY is invalid or revoked");
        }
        HeartbeatOutcome::Suspended => {
            tracing::error!("central refuses the heartbeat (403): this server is suspended or terminated");
        }
        HeartbeatOutcome::UnexpectedStatus(status) => tracing::warn!(status, "central fails to take the heartbeat"),
        HeartbeatOutcome::Unreachable(reason) => tracing::warn!(reason, "central can't be reached"),
    }
}

/// How long to wait after this many failures in a row.
fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => INTERVAL,
        Some(doublings) => FIRST_RETRY.saturating_mul(2_u32.saturating_pow(doublings)).min(INTERVAL),
    }
}

/// `pause`, up to five per cent longer or shorter, so that servers that started together do not call together for ever.
fn jittered(pause: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    pause.mul_f64(0.95 + 0.1 * share)
}

/// A failing source of randomness costs the jitter, not the heartbeat.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// The error and all that caused it, in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_minute() {
        let pauses: Vec<_> = (0..8).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(pauses, [60, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause_after(u32::MAX), INTERVAL);
    }

    #[test]
    fn jitter_is_a_few_per_cent() {
        assert_eq!(jittered(INTERVAL, 0), Duration::from_secs(57));
        assert_eq!(jittered(INTERVAL, u32::MAX), Duration::from_secs(63));
    }

    #[test]
    fn the_route_goes_below_the_path_of_central() {
        let id: ServerId = "CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E".parse().expect("a UUID");
        let url = |base: &str| route(&base.parse().expect("a URL"), &id, "heartbeat").map(String::from);
        let route = "api/v1/servers/CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E/heartbeat";
        assert_eq!(url("http://localhost:8080"), Some(format!("http://localhost:8080/{route}")));
        assert_eq!(url("https://zync.example/central/"), Some(format!("https://zync.example/central/{route}")));
        assert_eq!(url("mailto:central@zync.example"), None);
    }
}
