//! Who must go when more connections than there is room for have not said what they want.
//!
//! Those go first who had an answer and only keep their connection: whoever wants more can connect again. Then those who
//! say nothing, or never finish saying it, from wherever most of them come, so that one network's silence does not cost
//! another's its place. The more must go, the shorter they are waited for.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long one who says nothing is waited for, though others want the place. A request follows its connection's
/// handshake at once; what is late was lost on the way and is sent again.
const PATIENCE: Duration = Duration::from_millis(300);

/// The same when so many had to go that nobody could be waited for longer.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);

/// Those who had to go are forgotten when nobody had to for this long.
const MEMORY: Duration = Duration::from_secs(1);

/// Where connections come from: an IPv4 address, or the first half of an IPv6 address, which is one customer's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

/// The connections, each under its number, in the order in which they came.
pub(super) struct Crowd {
    max: usize,
    last: u64,
    guests: BTreeMap<u64, Guest>,
    /// How many had to go one soon after the other, and when the last one did.
    gone: (usize, Instant),
}

struct Guest {
    origin: Origin,
    stage: Stage,
    had_answer: Option<Instant>,
    connection: Option<AbortHandle>,
}

enum Stage {
    /// What it sent may be there, and was not looked at yet.
    New,
    /// It has sent no request, or a part of one.
    Silent(Instant),
    /// Its request is being answered.
    Answering,
    /// It had its answer.
    Idle,
}

/// Whether there was room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// There is now, and this is the number.
    Open(u64),
    /// Nobody can be sent away before this time, if at all.
    Full(Option<Instant>),
}

impl Crowd {
    /// Room for `max`.
    pub(super) fn new(max: usize) -> Self {
        Self { max, last: 0, guests: BTreeMap::new(), gone: (0, Instant::now()) }
    }

    /// Takes in one more, and sends another away if it must.
    pub(super) fn enter(&mut self, origin: Origin, now: Instant) -> Entry {
        if self.guests.len() >= self.max {
            match self.next_to_go(now) {
                Some((number, at)) if at <= now => self.send_away(number, now),
                later => return Entry::Full(later.map(|(_, at)| at)),
            }
        }
        self.last += 1;
        self.guests.insert(self.last, Guest { origin, stage: Stage::New, had_answer: None, connection: None });
        Entry::Open(self.last)
    }

    /// Says what ends the connection.
    pub(super) fn is_held_by(&mut self, number: u64, connection: AbortHandle) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.connection = Some(connection);
        }
    }

    /// What it had sent was looked at.
    pub(super) fn was_looked_at(&mut self, number: u64, now: Instant) {
        if let Some(guest @ Guest { stage: Stage::New, .. }) = self.guests.get_mut(&number) {
            guest.stage = Stage::Silent(now);
        }
    }

    /// It sent a request.
    pub(super) fn asked(&mut self, number: u64) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.stage = Stage::Answering;
        }
    }

    /// Its answer is there.
    pub(super) fn was_answered(&mut self, number: u64, now: Instant) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.stage = Stage::Idle;
            // The first counts: asking again and again keeps no place.
            guest.had_answer.get_or_insert(now);
        }
    }

    /// It ended, or is bounded by something else now; says whether that made room.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        self.guests.remove(&number).is_some()
    }

    fn send_away(&mut self, number: u64, now: Instant) {
        if let Some(Guest { connection: Some(connection), .. }) = self.guests.remove(&number) {
            connection.abort();
        }
        self.gone = (self.gone_lately(now) + 1, now);
    }

    /// Who goes next, and from when on.
    fn next_to_go(&self, now: Instant) -> Option<(u64, Instant)> {
        let idle = self.idle();
        if idle.is_some_and(|(_, at)| at <= now) {
            return idle;
        }
        let silent = self.silent().map(|(number, since)| (number, since + self.patience(now)));
        idle.into_iter().chain(silent).min_by_key(|(_, at)| *at)
    }

    /// Who had an answer first, and when it certainly was sent.
    fn idle(&self) -> Option<(u64, Instant)> {
        let answered = self.guests.iter().filter_map(|(number, guest)| match guest.stage {
            Stage::Idle => Some((*number, guest.had_answer? + LEAST_PATIENCE)),
            _ => None,
        });
        answered.min_by_key(|(_, at)| *at)
    }

    /// Who has been silent for longest of those from where most of the silent ones are, and since when.
    fn silent(&self) -> Option<(u64, Instant)> {
        let mut origins: HashMap<Origin, (usize, Instant, u64)> = HashMap::new();
        for (number, guest) in &self.guests {
            if let Stage::Silent(since) = guest.stage {
                let (count, first, oldest) = origins.entry(guest.origin).or_insert((0, since, *number));
                *count += 1;
                if since < *first {
                    (*first, *oldest) = (since, *number);
                }
            }
        }
        let most = origins.into_values().max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        most.map(|(_, since, number)| (number, since))
    }

    /// A quarter for each time that as many as there is room for had to go.
    fn patience(&self, now: Instant) -> Duration {
        let times = u32::try_from(self.gone_lately(now) / self.max.max(1)).unwrap_or(u32::MAX);
        (PATIENCE / 4_u32.saturating_pow(times)).max(LEAST_PATIENCE)
    }

    fn gone_lately(&self, now: Instant) -> usize {
        let (count, last) = self.gone;
        if now.saturating_duration_since(last) < MEMORY { count } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        Origin::from(address.parse::<IpAddr>().expect("an address"))
    }

    /// Lets one in that then says nothing.
    fn silent(crowd: &mut Crowd, address: &str, now: Instant) -> u64 {
        let Entry::Open(number) = crowd.enter(origin(address), now) else { panic!("no room") };
        crowd.was_looked_at(number, now);
        number
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_half_an_ipv6_address() {
        assert_eq!(origin("2001:db8:1:2:3::4"), origin("2001:db8:1:2:ffff::"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("2001:db8:1:2::"), origin("2001:db8:1:3::"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }

    #[test]
    fn the_oldest_goes_of_where_most_come_from_and_not_before_its_time() {
        let (mut crowd, start) = (Crowd::new(3), Instant::now());
        let alone = silent(&mut crowd, "192.0.2.1", start);
        let first = silent(&mut crowd, "192.0.2.2", start + Duration::from_millis(1));
        let second = silent(&mut crowd, "192.0.2.2", start + Duration::from_millis(2));
        let at = start + Duration::from_millis(1) + PATIENCE;
        let newcomer = origin("192.0.2.3");
        assert_eq!(crowd.enter(newcomer, at - Duration::from_millis(1)), Entry::Full(Some(at)));
        assert_eq!(crowd.enter(newcomer, at), Entry::Open(4));
        assert!(crowd.leave(alone) && crowd.leave(second) && !crowd.leave(first));
    }

    #[test]
    fn who_was_answered_goes_before_any_who_was_not_however_often_it_asks() {
        let (mut crowd, start) = (Crowd::new(2), Instant::now());
        silent(&mut crowd, "192.0.2.1", start);
        let served = silent(&mut crowd, "192.0.2.2", start);
        crowd.asked(served);
        crowd.was_answered(served, start);
        let later = start + LEAST_PATIENCE;
        crowd.asked(served);
        let newcomer = origin("192.0.2.3");
        assert_eq!(crowd.enter(newcomer, later), Entry::Full(Some(start + PATIENCE)), "an answer is being made");
        crowd.was_answered(served, later);
        assert_eq!(crowd.enter(newcomer, later), Entry::Open(3));
        assert!(!crowd.leave(served));
    }

    #[test]
    fn those_not_looked_at_and_those_being_answered_stay() {
        let (mut crowd, start) = (Crowd::new(2), Instant::now());
        let answering = silent(&mut crowd, "192.0.2.1", start);
        crowd.asked(answering);
        assert_eq!(crowd.enter(origin("192.0.2.1"), start), Entry::Open(2));
        assert_eq!(crowd.enter(origin("192.0.2.1"), start + Duration::from_mins(1)), Entry::Full(None));
    }

    #[test]
    fn thousands_of_silent_ones_are_through_in_half_a_second() {
        let (mut crowd, start) = (Crowd::new(512), Instant::now());
        let mut now = start;
        for _ in 0..4_000 {
            while let Entry::Full(at) = crowd.enter(origin("192.0.2.1"), now) {
                now = at.expect("somebody can go");
            }
            crowd.was_looked_at(crowd.last, now);
        }
        assert!(now - start < Duration::from_millis(600), "{:?}", now - start);
        assert_eq!(crowd.patience(now + MEMORY), PATIENCE, "it is forgotten");
    }
}
