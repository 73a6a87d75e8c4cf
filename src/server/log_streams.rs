//! Who may read entries of the log chain at the same time: a number of streams for each kind of requester, a share of them
//! for each user and each network, and a turn for everyone. After its turn a stream ends when another needs its place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pending::SourceNetwork;
use crate::ids::UserId;

/// How many streams of a kind of requester there may be. Each kind has its own, so that strangers keep no member out, and
/// members no auditor.
const MAX_STREAMS: usize = 16;

/// How many of them one user or one network may have.
const SHARE: usize = 4;

/// How long a stream is safe from others that need its place. A requester goes on from the entry it has come to.
const TURN: Duration = Duration::from_secs(20);

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requester {
    /// Anyone.
    Anonymous,
    /// A user with a token for this server.
    Member(UserId),
    /// The holder of a token that the operator issued for the log, by the token's hash.
    Auditor([u8; 32]),
}

/// The streams that there are.
#[derive(Clone, Default)]
pub(super) struct LogStreams(Arc<Mutex<Active>>);

#[derive(Default)]
struct Active {
    last: u64,
    /// Oldest first, and a few dozen at most.
    streams: Vec<ActiveStream>,
}

struct ActiveStream {
    number: u64,
    requester: Requester,
    network: Option<SourceNetwork>,
    since: Instant,
    cancel: CancellationToken,
}

impl LogStreams {
    /// A permit for a stream; without one, how long to wait until there may be one. `network` is `None` for loopback.
    pub(super) fn admit(
        &self,
        requester: Requester,
        network: Option<SourceNetwork>,
        now: Instant,
    ) -> Result<StreamPermit, Duration> {
        let mut active = self.active();
        if let Some(oldest) = active.rival(requester, network) {
            let turn_ends = active.streams.get(oldest).map_or(now, |rival| rival.since + TURN);
            if now < turn_ends {
                return Err(turn_ends - now);
            }
            active.streams.remove(oldest).cancel.cancel();
        }
        active.last += 1;
        let (number, cancel) = (active.last, CancellationToken::new());
        active.streams.push(ActiveStream { number, requester, network, since: now, cancel: cancel.clone() });
        Ok(StreamPermit { number, streams: self.clone(), cancel })
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    /// The stream whose place a newcomer needs; `None` if there is room.
    fn rival(&self, requester: Requester, network: Option<SourceNetwork>) -> Option<usize> {
        let is_of_user = |other: &ActiveStream| requester != Requester::Anonymous && other.requester == requester;
        let is_of_network = |other: &ActiveStream| network.is_some() && other.network == network;
        self.oldest_if(SHARE, is_of_user)
            .or_else(|| self.oldest_if(SHARE, |other| other.is_of_kind(requester) && is_of_network(other)))
            .or_else(|| self.oldest_if(MAX_STREAMS, |other| other.is_of_kind(requester)))
    }

    /// The first of the streams of which `which` is true, if there are `max` of them.
    fn oldest_if(&self, max: usize, which: impl Fn(&ActiveStream) -> bool) -> Option<usize> {
        let mut found = self.streams.iter().enumerate().filter(|(_, stream)| which(stream)).map(|(index, _)| index);
        let oldest = found.next()?;
        (found.count() + 1 >= max).then_some(oldest)
    }
}

impl ActiveStream {
    fn is_of_kind(&self, requester: Requester) -> bool {
        std::mem::discriminant(&self.requester) == std::mem::discriminant(&requester)
    }
}

/// A stream's permit, returned when it is dropped.
pub(super) struct StreamPermit {
    number: u64,
    streams: LogStreams,
    cancel: CancellationToken,
}

impl StreamPermit {
    /// Ready when another stream has taken the place.
    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.streams.active().streams.retain(|stream| stream.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: usize) -> Option<SourceNetwork> {
        SourceNetwork::of(format!("192.0.2.{number}").parse().expect("an address"))
    }

    fn member(number: usize) -> Requester {
        Requester::Member(format!("00000000-0000-4000-8000-{number:012}").parse().expect("a UUID"))
    }

    /// How many streams are admitted one after the other until one is not.
    fn room(requesters: impl Iterator<Item = (Requester, Option<SourceNetwork>)>) -> usize {
        let (streams, now) = (LogStreams::default(), Instant::now());
        let permits: Vec<_> =
            requesters.map_while(|(requester, network)| streams.admit(requester, network, now).ok()).collect();
        permits.len()
    }

    #[test]
    fn each_user_and_each_network_has_a_share_and_strangers_on_loopback_have_all() {
        let of = |requester: fn(usize) -> Requester, network: fn(usize) -> Option<SourceNetwork>| {
            room((0..40).map(|number| (requester(number), network(number))))
        };
        let anonymous = |_| Requester::Anonymous;
        assert_eq!(of(|_| member(1), |_| None), SHARE);
        assert_eq!(of(|_| member(1), network), SHARE);
        assert_eq!(of(member, |_| network(1)), SHARE);
        assert_eq!(of(|_| Requester::Auditor([1; 32]), network), SHARE);
        assert_eq!(of(anonymous, |_| network(1)), SHARE);
        assert_eq!(of(anonymous, network), MAX_STREAMS);
        assert_eq!(of(member, |_| None), MAX_STREAMS);
        assert_eq!(of(anonymous, |_| None), MAX_STREAMS);
    }

    #[test]
    fn a_stream_whose_turn_is_over_makes_room_and_none_before() {
        let (streams, start) = (LogStreams::default(), Instant::now());
        let admit = |requester, seconds| streams.admit(requester, None, start + Duration::from_secs(seconds));
        let mut held: Vec<_> = (0..SHARE).map(|_| admit(member(1), 0).unwrap_or_else(|_| panic!("no room"))).collect();
        let other = admit(member(2), 0);
        assert!(other.is_ok(), "another user has a share, too");
        assert_eq!(admit(member(1), 5).err(), TURN.checked_sub(Duration::from_secs(5)));
        assert!(held.iter().all(|permit| !permit.cancel.is_cancelled()));
        let newest = admit(member(1), TURN.as_secs()).unwrap_or_else(|_| panic!("no room"));
        let cancelled = |permit: &StreamPermit| permit.cancel.is_cancelled();
        assert!(cancelled(&held[0]) && !held[1..].iter().any(cancelled));
        // What was cancelled takes no other's place along when it ends.
        held.remove(0);
        assert!(admit(member(1), TURN.as_secs()).is_ok_and(|_| cancelled(&held[0])));
        drop(newest);
    }
}
