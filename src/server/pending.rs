//! Eviction policy for connections that have not authenticated: a limit on those that wait for their client, a share of it
//! for each source network, and the oldest idle one first.
//!
//! A connection whose request is being answered waits for the server, not for its client, so it does not count against the
//! limit. Admission never waits: somebody makes room at once, or the newcomer is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use tokio_util::sync::CancellationToken;

/// How many connections beyond the limit may wait for the server: as many as the listener's backlog holds, since so many
/// may come at once after an outage.
const MAX_ANSWERING: usize = 4096;

/// One network may have this fraction of the limit.
const NETWORK_SHARE: usize = 4;

/// Where connections come from: an IPv4 address, or the first half of an IPv6 address, which is one customer's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SourceNetwork(IpAddr);

impl SourceNetwork {
    /// The network of `address`; `None` for loopback, where a reverse proxy stands for everyone.
    pub(super) fn of(address: IpAddr) -> Option<Self> {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) if address.is_loopback() => address.into(),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        };
        (!network.is_loopback()).then_some(Self(network))
    }
}

/// The connections, each under its number, in the order in which they came.
pub(super) struct PendingConnections {
    max: usize,
    last: u64,
    connections: BTreeMap<u64, Pending>,
    /// Those that may be evicted, in the order of eviction.
    evictable: BTreeSet<(Rank, u64)>,
    answering: usize,
}

struct Pending {
    network: Option<SourceNetwork>,
    stage: Stage,
    had_response: bool,
    /// Ends the connection.
    cancel: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What the client sent may be there, and was not read yet.
    New,
    /// The client has sent no request, or a part of one.
    Silent,
    /// A request is being answered.
    Answering,
    /// The last request was answered.
    Idle,
}

/// Who is evicted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Idle,
    Silent,
    /// Being answered, not for the first time. Only for the bound on everything.
    AnsweringAgain,
}

impl Pending {
    fn rank(&self) -> Option<Rank> {
        match self.stage {
            Stage::Idle => Some(Rank::Idle),
            Stage::Silent => Some(Rank::Silent),
            Stage::Answering if self.had_response => Some(Rank::AnsweringAgain),
            Stage::New | Stage::Answering => None,
        }
    }
}

impl PendingConnections {
    /// A limit of `max`.
    pub(super) fn new(max: usize) -> Self {
        Self { max, last: 0, connections: BTreeMap::new(), evictable: BTreeSet::new(), answering: 0 }
    }

    /// Takes in a connection from `network`, which `cancel` ends, and evicts others where that is necessary. Its number;
    /// `None` if there is no room.
    pub(super) fn admit(&mut self, network: Option<SourceNetwork>, cancel: CancellationToken) -> Option<u64> {
        if network.is_some_and(|network| self.waiting_of(network) >= (self.max / NETWORK_SHARE).max(1)) {
            self.evict_first(|pending| pending.network == network);
        }
        while self.connections.len() - self.answering >= self.max && self.evict_first(|_| true) {}
        if self.connections.len() >= self.max + MAX_ANSWERING && !self.evict() {
            return None;
        }
        self.last += 1;
        let pending = Pending { network, stage: Stage::New, had_response: false, cancel };
        self.connections.insert(self.last, pending);
        Some(self.last)
    }

    /// What the client had sent was read.
    pub(super) fn first_read_done(&mut self, number: u64) {
        if self.connections.get(&number).is_some_and(|pending| pending.stage == Stage::New) {
            self.enter(number, Stage::Silent);
        }
    }

    /// A request came.
    pub(super) fn request_received(&mut self, number: u64) {
        self.enter(number, Stage::Answering);
    }

    /// The response to it is there.
    pub(super) fn response_ready(&mut self, number: u64) {
        self.enter(number, Stage::Idle);
    }

    /// Whether the client has not sent a request yet.
    pub(super) fn awaits_first_request(&self, number: u64) -> bool {
        self.connections.get(&number).is_some_and(|pending| matches!(pending.stage, Stage::New | Stage::Silent))
    }

    /// The connection has ended, or is bounded by something else.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(pending) = self.connections.remove(&number) {
            self.forget(number, &pending);
        }
    }

    /// Ends the first connection in the order of eviction. False if there is none.
    pub(super) fn evict(&mut self) -> bool {
        let first = self.evictable.first().map(|(_, number)| *number);
        first.is_some_and(|number| self.end(number))
    }

    /// The same among those that wait for their client and of which `which` is true.
    fn evict_first(&mut self, which: impl Fn(&Pending) -> bool) -> bool {
        let waiting = self.evictable.iter().take_while(|(rank, _)| *rank <= Rank::Silent);
        let mut numbers = waiting.map(|(_, number)| *number);
        let first = numbers.find(|number| self.connections.get(number).is_some_and(&which));
        first.is_some_and(|number| self.end(number))
    }

    fn end(&mut self, number: u64) -> bool {
        let Some(pending) = self.connections.remove(&number) else { return false };
        self.forget(number, &pending);
        pending.cancel.cancel();
        true
    }

    fn enter(&mut self, number: u64, stage: Stage) {
        let Some(pending) = self.connections.get_mut(&number) else { return };
        if let Some(rank) = pending.rank() {
            self.evictable.remove(&(rank, number));
        }
        self.answering -= usize::from(pending.stage == Stage::Answering);
        pending.stage = stage;
        pending.had_response |= stage == Stage::Idle;
        self.answering += usize::from(stage == Stage::Answering);
        if let Some(rank) = pending.rank() {
            self.evictable.insert((rank, number));
        }
    }

    fn forget(&mut self, number: u64, pending: &Pending) {
        if let Some(rank) = pending.rank() {
            self.evictable.remove(&(rank, number));
        }
        self.answering -= usize::from(pending.stage == Stage::Answering);
    }

    fn waiting_of(&self, network: SourceNetwork) -> usize {
        let waiting = self.connections.values().filter(|pending| pending.stage != Stage::Answering);
        waiting.filter(|pending| pending.network == Some(network)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Option<SourceNetwork> {
        SourceNetwork::of(address.parse().expect("an address"))
    }

    /// Pending connections, and what was cancelled of them.
    struct Fixture(PendingConnections, Vec<CancellationToken>);

    impl Fixture {
        fn new(max: usize) -> Self {
            Self(PendingConnections::new(max), Vec::new())
        }

        /// A connection that sends nothing.
        fn silent(&mut self, address: &str) -> u64 {
            let number = self.admit(address).expect("room");
            self.0.first_read_done(number);
            number
        }

        fn admit(&mut self, address: &str) -> Option<u64> {
            self.1.push(CancellationToken::new());
            self.0.admit(network(address), self.1.last().expect("it was pushed").clone())
        }

        fn evicted(&self) -> Vec<usize> {
            (1..).zip(&self.1).filter(|(_, token)| token.is_cancelled()).map(|(number, _)| number).collect()
        }
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_half_an_ipv6_address_and_loopback_is_none() {
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("2001:db8:1:2::"), network("2001:db8:1:3::"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(network(loopback), None, "{loopback}");
        }
        assert!(network("::2").is_some());
    }

    #[test]
    fn the_oldest_idle_connection_goes_before_the_oldest_silent_one() {
        let mut pending = Fixture::new(3);
        pending.silent("127.0.0.1");
        pending.silent("127.0.0.1");
        let served = pending.silent("127.0.0.1");
        pending.0.request_received(served);
        pending.0.response_ready(served);
        pending.silent("127.0.0.1");
        assert_eq!(pending.evicted(), [3]);
        pending.silent("127.0.0.1");
        assert_eq!(pending.evicted(), [1, 3]);
    }

    #[test]
    fn a_network_with_its_share_makes_room_for_itself() {
        let mut pending = Fixture::new(8);
        pending.silent("192.0.2.1");
        pending.silent("192.0.2.2");
        pending.silent("192.0.2.2");
        pending.silent("192.0.2.2");
        assert_eq!(pending.evicted(), [2]);
        for _ in 0..5 {
            pending.silent("127.0.0.1");
        }
        assert_eq!(pending.evicted(), [2], "loopback has no share");
    }

    #[test]
    fn those_being_answered_and_those_not_read_are_no_reason_to_evict_and_are_not_evicted() {
        let mut pending = Fixture::new(2);
        for _ in 0..10 {
            let answering = pending.silent("127.0.0.1");
            pending.0.request_received(answering);
        }
        assert_eq!(pending.admit("127.0.0.1"), Some(11));
        assert_eq!(pending.admit("127.0.0.1"), Some(12));
        assert_eq!(pending.admit("127.0.0.1"), Some(13));
        assert_eq!(pending.evicted(), [0; 0]);
        // As soon as they can be, they are.
        (11..=13).for_each(|number| pending.0.first_read_done(number));
        pending.admit("127.0.0.1");
        assert_eq!(pending.evicted(), [11, 12]);
    }

    #[test]
    fn everything_is_bounded_and_who_asks_again_goes_before_who_asks_first() {
        let mut pending = Fixture::new(1);
        let again = pending.silent("127.0.0.1");
        pending.0.request_received(again);
        pending.0.response_ready(again);
        pending.0.request_received(again);
        for _ in 0..MAX_ANSWERING {
            let first = pending.silent("127.0.0.1");
            pending.0.request_received(first);
        }
        assert_eq!(pending.evicted(), [0; 0]);
        assert!(pending.admit("127.0.0.1").is_some());
        assert_eq!(pending.evicted(), [1]);
        assert_eq!(pending.admit("127.0.0.1"), None, "there is nobody left to evict");
        pending.0.remove(2);
        assert!(pending.admit("127.0.0.1").is_some());
    }
}
