//! Ephemeral state: who is online and who is typing. Kept beside the log of events, because it is state and not history.
//!
//! Of each user, and of each user's typing in a channel, only the newest update matters. An update becomes visible with
//! the next wake-up and takes the place of the earlier one, so a connection gets at most one of each kind at each wake-up,
//! and one that reads slowly gets what is true when it reads. Nothing here can make anybody fall behind.
//!
//! Each update has its place among the events: it is sent after those that were published before it, and before those that
//! were published later.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::frame_log::{CHUNK_BYTES, Frames, Segment};
use crate::ids::{ChannelId, UserId};
use crate::protocol::Event;

/// The most updates that are kept for connections that have not seen them yet; beyond it the oldest are forgotten.
const MAX_UPDATES: usize = 64 * 1024;

/// The most earlier changes of a user's presence that are remembered.
const MAX_CHANGES: usize = 16;

/// The most batches that are kept for the next connection that has seen as much.
const MAX_BATCHES: usize = 8;

/// What an update is about; the next one about the same takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// A user comes or goes, always in turns.
    Presence(UserId),
    /// A user starts or stops typing in a channel.
    Typing(UserId, ChannelId),
}

impl Topic {
    /// The event that tells of an update: the user is online or typing now, or not any more.
    pub(super) fn event(&self, is_so: bool) -> Event {
        match self {
            Self::Presence(user_id) => Event::Presence { user_id: *user_id, joined: is_so },
            Self::Typing(user_id, channel_id) => {
                Event::Typing { channel_id: channel_id.clone(), user_id: *user_id, started: is_so }
            }
        }
    }

    /// The user, who is not told of their own coming, going and typing.
    fn user(&self) -> UserId {
        let (Self::Presence(user) | Self::Typing(user, _)) = self;
        *user
    }
}

/// Where a connection stands: in the log of events, and in the updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) log: u64,
    /// The version of the next update.
    pub(super) updates: u64,
}

impl Position {
    /// Whether everything before `target` was taken.
    pub(super) fn has_reached(self, target: Self) -> bool {
        self.log >= target.log && self.updates >= target.updates
    }
}

#[derive(Debug)]
struct Update {
    topic: Topic,
    /// The end of the log of events when it was made.
    after: u64,
    frame: Bytes,
    /// The versions of earlier updates about the same presence. A connection that has seen none of an even number of
    /// changes already knows the outcome; who counts comings and goings must not be told of one of them alone.
    changes: Vec<u64>,
}

/// The newest update about each topic.
#[derive(Debug, Default)]
struct Newest {
    visible: Option<u64>,
    pending: Option<u64>,
}

/// Updates as they are sent to connections that have seen the same.
#[derive(Debug)]
struct Batch {
    seen: u64,
    /// The place of its last update among the events, and of the first update behind it.
    after: u64,
    next_after: u64,
    next: u64,
    frames: Segment,
}

#[derive(Debug, Default)]
pub(super) struct EphemeralState {
    /// By version.
    updates: BTreeMap<u64, Update>,
    newest: HashMap<Topic, Newest>,
    batches: VecDeque<Batch>,
    /// The version of the first update that is not visible yet.
    visible: u64,
    /// The version of the next update.
    end: u64,
}

impl EphemeralState {
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The version of the newest update about `topic`, if it is still kept.
    pub(super) fn version(&self, topic: &Topic) -> Option<u64> {
        self.newest.get(topic).and_then(|newest| newest.pending.or(newest.visible))
    }

    /// Adds an update, which becomes visible with [`EphemeralState::publish`]; returns its version. `after` is the end of
    /// the log of events.
    pub(super) fn push(&mut self, topic: Topic, after: u64, frame: Bytes) -> u64 {
        let version = self.end;
        self.end += 1;
        let newest = self.newest.entry(topic.clone()).or_default();
        let earlier = match newest.pending.replace(version) {
            Some(pending) => self.updates.remove(&pending).map(|update| (pending, update.changes)),
            None => newest.visible.and_then(|visible| Some((visible, self.updates.get(&visible)?.changes.clone()))),
        };
        let mut changes = Vec::new();
        if let (Topic::Presence(_), Some((version, earlier))) = (&topic, earlier) {
            changes = earlier;
            changes.push(version);
            if changes.len() > MAX_CHANGES {
                // Two, so that whoever has seen neither still counts right.
                changes.drain(..2);
            }
        }
        self.updates.insert(version, Update { topic, after, frame, changes });
        if self.updates.len() > MAX_UPDATES {
            self.forget_oldest();
        }
        version
    }

    /// Makes all updates visible.
    pub(super) fn publish(&mut self) {
        if self.visible == self.end {
            return;
        }
        self.batches.clear();
        let mut replaced = Vec::new();
        for (version, update) in self.updates.range(self.visible..) {
            if let Some(newest) = self.newest.get_mut(&update.topic) {
                newest.pending = None;
                replaced.extend(newest.visible.replace(*version));
            }
        }
        for version in replaced {
            self.updates.remove(&version);
        }
        self.visible = self.end;
    }

    /// Forgets updates that only connections which have lost their place in the log of events can have missed: it starts at
    /// `start` now.
    pub(super) fn forget_before(&mut self, start: u64) {
        while self.updates.first_key_value().is_some_and(|(_, oldest)| oldest.after < start) {
            self.forget_oldest();
        }
    }

    /// The place among the events of the first visible update that was not taken at `position`.
    pub(super) fn next_after(&self, position: Position) -> Option<u64> {
        self.unseen(position.updates).next().map(|(_, update)| update.after)
    }

    /// Takes the visible updates that come before the event at `position`, until they are 64 KiB or more; moves the position
    /// behind them. `None` if there are none.
    pub(super) fn take(&mut self, position: &mut Position) -> Option<Segment> {
        if self.next_after(*position)? > position.log {
            return None;
        }
        let fits = |batch: &Batch| {
            batch.seen == position.updates && batch.after <= position.log && position.log < batch.next_after
        };
        if let Some(batch) = self.batches.iter().find(|batch| fits(batch)) {
            position.updates = batch.next;
            return Some(batch.frames.clone());
        }
        let batch = self.batch(*position);
        position.updates = batch.next;
        let frames = batch.frames.clone();
        self.batches.truncate(MAX_BATCHES - 1);
        self.batches.push_front(batch);
        Some(frames)
    }

    fn batch(&self, position: Position) -> Batch {
        let seen = position.updates;
        let (mut frames, mut after, mut next_after, mut next) = (Frames::default(), 0, u64::MAX, self.visible);
        for (version, update) in self.unseen(seen) {
            if update.after > position.log || frames.len() >= CHUNK_BYTES {
                (next_after, next) = (update.after.max(position.log + 1), *version);
                break;
            }
            after = update.after;
            let unseen = update.changes.iter().filter(|version| **version >= seen).count();
            if unseen % 2 == 0 {
                frames.push(Some(update.topic.user()), None, |out| out.extend_from_slice(&update.frame));
            }
        }
        Batch { seen, after, next_after, next, frames: frames.into() }
    }

    /// The visible updates from version `seen` on.
    fn unseen(&self, seen: u64) -> impl Iterator<Item = (&u64, &Update)> {
        self.updates.range(seen..self.visible.max(seen))
    }

    fn forget_oldest(&mut self) {
        let Some((version, Update { topic, .. })) = self.updates.pop_first() else { return };
        if let Entry::Occupied(mut entry) = self.newest.entry(topic) {
            let newest = entry.get_mut();
            newest.visible = newest.visible.filter(|visible| *visible != version);
            newest.pending = newest.pending.filter(|pending| *pending != version);
            if newest.visible.is_none() && newest.pending.is_none() {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn typing(n: u8) -> Topic {
        Topic::Typing(user(n), ChannelId::from("general"))
    }

    fn push(state: &mut EphemeralState, topic: Topic, after: u64, frame: &'static str) -> u64 {
        state.push(topic, after, Bytes::from_static(frame.as_bytes()))
    }

    /// What user 9 gets at `position`.
    fn taken(state: &mut EphemeralState, position: &mut Position) -> String {
        let mut pieces = VecDeque::new();
        while let Some(segment) = state.take(position) {
            segment.cut(user(9), &mut pieces);
        }
        pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    #[test]
    fn only_the_newest_update_is_sent_at_a_wake_up_and_not_to_its_own_user() {
        let mut state = EphemeralState::default();
        let (mut fast, mut slow) = (Position::default(), Position::default());
        push(&mut state, typing(1), 0, "a");
        assert_eq!(taken(&mut state, &mut fast), "", "not visible yet");
        state.publish();
        assert_eq!(taken(&mut state, &mut fast), "a");
        for _ in 0..1000 {
            push(&mut state, typing(1), 0, "b");
        }
        push(&mut state, typing(9), 0, "mine");
        push(&mut state, typing(2), 0, "c");
        push(&mut state, typing(1), 0, "d");
        assert_eq!(state.updates.len(), 4, "one that is visible, and one of each that waits");
        state.publish();
        assert_eq!(taken(&mut state, &mut fast), "cd");
        assert_eq!(taken(&mut state, &mut slow), "cd");
        assert_eq!(taken(&mut state, &mut slow), "");
    }

    #[test]
    fn updates_keep_their_place_among_the_events() {
        let mut state = EphemeralState::default();
        push(&mut state, typing(1), 10, "a");
        push(&mut state, typing(2), 20, "b");
        state.publish();
        let mut position = Position { log: 0, updates: 0 };
        assert_eq!((taken(&mut state, &mut position).as_str(), state.next_after(position)), ("", Some(10)));
        position.log = 10;
        assert_eq!((taken(&mut state, &mut position).as_str(), state.next_after(position)), ("a", Some(20)));
        position.log = 20;
        assert_eq!((taken(&mut state, &mut position).as_str(), state.next_after(position)), ("b", None));
        // Another connection, which has seen as much but stands elsewhere, does not get the same batch.
        let mut ahead = Position { log: 20, updates: 0 };
        assert_eq!(taken(&mut state, &mut ahead), "ab");
        let mut behind = Position { log: 10, updates: 0 };
        assert_eq!(taken(&mut state, &mut behind), "a");
    }

    #[test]
    fn who_counts_comings_and_goings_counts_right_however_rarely_they_look() {
        let mut state = EphemeralState::default();
        let presence = || Topic::Presence(user(1));
        // Those who look after each number of changes; of each, whether the user is online as far as they know.
        let mut positions = [Position::default(); 7];
        let mut online = [0; 7];
        for change in 0..40 {
            push(&mut state, presence(), 0, if change % 2 == 0 { "+" } else { "-" });
            if change % 3 != 0 {
                state.publish();
            }
            for (every, (position, online)) in positions.iter_mut().zip(&mut online).enumerate() {
                if change % (every + 1) == 0 {
                    match taken(&mut state, position).as_str() {
                        "" => {}
                        "+" => *online += 1,
                        "-" => *online -= 1,
                        more => panic!("{more}"),
                    }
                    assert!((0..=1).contains(online), "told twice of the same");
                }
            }
        }
        state.publish();
        for (position, online) in positions.iter_mut().zip(online) {
            let last = taken(&mut state, position);
            assert_eq!((online, last.as_str()), if online == 1 { (1, "-") } else { (0, "") });
        }
    }

    #[test]
    fn what_nobody_can_miss_is_forgotten_and_the_rest_is_bounded() {
        let mut state = EphemeralState::default();
        push(&mut state, typing(1), 10, "a");
        push(&mut state, typing(2), 20, "b");
        state.publish();
        state.forget_before(20);
        assert_eq!((state.version(&typing(1)), state.version(&typing(2))), (None, Some(1)));
        for number in 0..MAX_UPDATES {
            let channel = ChannelId::from(number.to_string().as_str());
            push(&mut state, Topic::Typing(user(1), channel), 20, "c");
        }
        assert_eq!((state.updates.len(), state.newest.len()), (MAX_UPDATES, MAX_UPDATES));
        assert_eq!(state.version(&typing(2)), None);
    }
}
