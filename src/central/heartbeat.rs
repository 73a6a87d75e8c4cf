//! Tells Central once a minute that this server lives, and everyone here whether Central does (PROTOCOL.md section 6).
//!
//! Whatever comes of it, the server goes on serving.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use tokio::sync::watch;
use url::Url;

use super::http::{self, MAX_RETRY_AFTER, bounded_body};
use super::route;
use super::state::{CentralState, HeartbeatOutcome};
use crate::ids::ServerId;
use crate::secret::Secret;
use crate::time::Clock;

/// The time between two heartbeats when all is well (PROTOCOL.md section 6), and the longest pause after failures.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause after the first failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// How much a pause may differ, as a share of it.
const MAX_JITTER: f64 = 0.05;

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
            let answer = self.send().await;
            failures = if answer.outcome == HeartbeatOutcome::Accepted { 0 } else { failures + 1 };
            let pause = pause(failures, answer.least_pause, random());
            self.publish(answer.outcome);
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends one heartbeat and says what came of it.
    pub async fn beat(&self) -> HeartbeatOutcome {
        self.send().await.outcome
    }

    async fn send(&self) -> Answer {
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
            Err(error) => return HeartbeatOutcome::Unreachable(in_words(&error.without_url())).into(),
        };
        let least_pause = self.least_pause(&response);
        let outcome = match response.status() {
            // The answer says nothing more, but one that never ends is no success.
            StatusCode::OK => match bounded_body(response).await {
                Ok(_) => HeartbeatOutcome::Accepted,
                Err(error) => HeartbeatOutcome::Unreachable(in_words(&error)),
            },
            StatusCode::UNAUTHORIZED => HeartbeatOutcome::InvalidKey,
            StatusCode::FORBIDDEN => HeartbeatOutcome::Suspended,
            status if http::is_passing(status) => HeartbeatOutcome::Unavailable(status.as_u16()),
            status => HeartbeatOutcome::WrongUrl {
                status: status.as_u16(),
                points_to: http::redirect_target(&response).filter(|_| status.is_redirection()),
            },
        };
        Answer { outcome, least_pause }
    }

    /// How long Central is to be left alone after this answer.
    fn least_pause(&self, response: &Response) -> Duration {
        let status = response.status();
        if !http::is_passing(status) {
            return Duration::ZERO;
        }
        let asked = http::retry_after(response.headers(), self.clock.now()).unwrap_or_default().min(MAX_RETRY_AFTER);
        // Whoever is asked too often gets no more requests than when all is well.
        if status == StatusCode::TOO_MANY_REQUESTS { asked.max(INTERVAL) } else { asked }
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
        HeartbeatOutcome::Unavailable(status) => tracing::warn!(status, "central fails to take the heartbeat"),
        HeartbeatOutcome::WrongUrl { status, points_to: Some(points_to) } => tracing::error!(
            status, %points_to,
            "CENTRAL_URL is wrong: it redirects, which is not followed; set it to where Central is"
        ),
        HeartbeatOutcome::WrongUrl { status, points_to: None } => tracing::error!(
            status,
            "CENTRAL_URL or SERVER_ID is wrong: no Central that knows this server answers there"
        ),
        HeartbeatOutcome::Unreachable(reason) => tracing::warn!(reason, "central can't be reached"),
    }
}

/// What came of a heartbeat, and how long to wait at least before the next.
struct Answer {
    outcome: HeartbeatOutcome,
    least_pause: Duration,
}

impl From<HeartbeatOutcome> for Answer {
    fn from(outcome: HeartbeatOutcome) -> Self {
        Self { outcome, least_pause: Duration::ZERO }
    }
}

/// How long to wait after this many failures in a row, and at least `least`.
fn pause(failures: u32, least: Duration, random: u32) -> Duration {
    jittered(pause_after(failures), random).max(least.mul_f64(1.0 + MAX_JITTER * share(random)))
}

/// How long to wait after this many failures in a row.
fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => INTERVAL,
        Some(doublings) => FIRST_RETRY.saturating_mul(2_u32.saturating_pow(doublings)).min(INTERVAL),
    }
}

/// `pause`, up to [`MAX_JITTER`] longer or shorter, so that servers that started together do not call together for ever.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause.mul_f64(1.0 - MAX_JITTER + 2.0 * MAX_JITTER * share(random))
}

fn share(random: u32) -> f64 {
    f64::from(random) / f64::from(u32::MAX)
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
    fn central_is_left_alone_as_long_as_it_asks() {
        let seconds = |failures, least, random| pause(failures, Duration::from_secs(least), random).as_secs_f64();
        assert!((seconds(1, 40, 0) - 40.0).abs() < 0.001 && (seconds(1, 40, u32::MAX) - 42.0).abs() < 0.001);
        assert!((seconds(6, 1, 0) - 57.0).abs() < 0.001, "a shorter time than the usual pause changes nothing");
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
