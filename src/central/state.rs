//! What is known of Central: whether it can be reached, since when, and so when a session must end.

use std::fmt;
use std::time::Duration;

use crate::printable::Untrusted;
use crate::time::Timestamp;

/// How long a session that outlived its token during an outage goes on once Central is back (PROTOCOL.md section 2): the
/// time that clients have to get new tokens.
pub const EXPIRY_GRACE: Duration = Duration::from_mins(5);

/// What came of one heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeartbeatOutcome {
    /// 200: Central knows that the server lives.
    Accepted,
    /// 401: the API key is invalid or revoked.
    InvalidKey,
    /// 403: the server is suspended or terminated.
    Suspended,
    /// 5xx or 429: Central, or a proxy before it, can't answer now.
    Unavailable(u16),
    /// A redirect, 404 or any other status: `CENTRAL_URL` is not Central's, or Central does not know the server's id.
    WrongUrl {
        /// The status.
        status: u16,
        /// Where a redirect points to.
        points_to: Option<Untrusted>,
    },
    /// No answer, or none that could be read; the reason in words, without the URL.
    Unreachable(String),
}

impl HeartbeatOutcome {
    /// Whether Central is away, so that nobody can get a token and no session may end (PROTOCOL.md section 6). A wrong
    /// `CENTRAL_URL` says nothing of the kind.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unreachable(_))
    }
}

impl fmt::Display for HeartbeatOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::InvalidKey => f.write_str("the API key is invalid or revoked"),
            Self::Suspended => f.write_str("the server is suspended or terminated"),
            Self::Unavailable(status) => write!(f, "it can't answer now (status {status})"),
            Self::WrongUrl { status, points_to: Some(target) } => {
                write!(f, "CENTRAL_URL is wrong: it redirects (status {status}) to {target}")
            }
            Self::WrongUrl { status, points_to: None } => {
                write!(
                    f,
                    "CENTRAL_URL or SERVER_ID is wrong: no Central that knows this server answers with status {status}"
                )
            }
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
        }
    }
}

/// A time during which Central was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it was first seen to be away.
    pub from: Timestamp,
    /// When it was first seen again; `None` while it is away.
    pub until: Option<Timestamp>,
}

/// What the heartbeats have shown so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CentralState {
    /// The latest outage, be it over or not. One that returns within [`EXPIRY_GRACE`] is the same outage still.
    pub outage: Option<Outage>,
    /// What the last heartbeat came to; `None` before the first.
    pub last_outcome: Option<HeartbeatOutcome>,
}

impl CentralState {
    /// Whether Central is there, as far as is known. True before the first heartbeat: it is away only when that was seen.
    pub fn is_reachable(&self) -> bool {
        self.outage.is_none_or(|outage| outage.until.is_some())
    }

    /// When a session whose token expires at `expires_at` ends: then, or, if Central was away at that moment, once it has
    /// been back for [`EXPIRY_GRACE`]. `None` while it is away: not yet.
    pub fn session_end(&self, expires_at: Timestamp) -> Option<Timestamp> {
        match self.outage {
            Some(outage) if expires_at >= outage.from => match outage.until {
                None => None,
                Some(until) if expires_at < until => Some(until.plus(EXPIRY_GRACE)),
                Some(_) => Some(expires_at),
            },
            _ => Some(expires_at),
        }
    }

    /// This state after a heartbeat at `now`.
    pub(super) fn after(&self, outcome: HeartbeatOutcome, now: Timestamp) -> Self {
        let outage = if outcome.is_away() {
            Some(Outage { from: self.outage_at(now), until: None })
        } else {
            self.outage.map(|outage| Outage { until: outage.until.or(Some(now)), ..outage })
        };
        Self { outage, last_outcome: Some(outcome) }
    }

    /// When the outage began that is seen at `now`.
    fn outage_at(&self, now: Timestamp) -> Timestamp {
        match self.outage {
            Some(Outage { from, until: None }) => from,
            Some(Outage { from, until: Some(until) }) if now < until.plus(EXPIRY_GRACE) => from,
            _ => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use HeartbeatOutcome::{Accepted, InvalidKey, Suspended, WrongUrl};

    use super::*;

    const fn at(minute: u64) -> Timestamp {
        Timestamp::from_unix_ms(minute * 60_000)
    }

    /// The state after these heartbeats: the minute and whether Central was there.
    fn after(beats: &[(u64, bool)]) -> CentralState {
        beats.iter().fold(CentralState::default(), |state, &(minute, there)| {
            let outcome = if there { Accepted } else { HeartbeatOutcome::Unavailable(502) };
            state.after(outcome, at(minute))
        })
    }

    #[test]
    fn a_session_ends_with_its_token_while_central_is_there() {
        assert_eq!(CentralState::default().session_end(at(30)), Some(at(30)));
        assert_eq!(after(&[(10, true), (11, true)]).session_end(at(30)), Some(at(30)));
    }

    #[test]
    fn a_session_that_expires_while_central_is_away_lives_until_it_has_been_back_for_five_minutes() {
        let away = after(&[(10, true), (20, false), (25, false)]);
        assert_eq!(away.session_end(at(19)), Some(at(19)), "it expired before Central went away");
        assert_eq!(away.session_end(at(21)), None);
        let back = after(&[(20, false), (25, false), (40, true), (41, true)]);
        assert_eq!(back.session_end(at(21)), Some(at(45)));
        assert_eq!(back.session_end(at(43)), Some(at(43)), "Central was back at that moment");
    }

    #[test]
    fn central_that_goes_away_again_soon_ends_no_session() {
        let flapping = after(&[(20, false), (40, true), (42, false)]);
        assert_eq!(flapping.session_end(at(21)), None);
        let later = after(&[(20, false), (40, true), (46, false)]);
        assert_eq!(later.outage, Some(Outage { from: at(46), until: None }));
    }

    #[test]
    fn a_refusal_and_a_wrong_url_end_no_outage_late_and_begin_none() {
        let redirect = WrongUrl { status: 308, points_to: Some("https://central.example/".into()) };
        for outcome in [InvalidKey, Suspended, redirect, WrongUrl { status: 404, points_to: None }] {
            assert!(CentralState::default().after(outcome.clone(), at(1)).is_reachable());
            let back = after(&[(1, false)]).after(outcome, at(2));
            assert_eq!(back.session_end(at(1)), Some(at(7)));
        }
        assert!(!after(&[(1, false)]).is_reachable());
    }
}
