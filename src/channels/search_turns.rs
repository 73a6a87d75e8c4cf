//! Whose turn it is to search. A search may take a thousand times as long as a page of history, so that those who search
//! wait for each other: everybody else reads on meanwhile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::UserId;

/// Lets a few search at the same time, and each person one search at a time, over however many connections.
#[derive(Clone)]
pub(super) struct SearchTurns(Arc<Turns>);

struct Turns {
    /// How many may search at the same time.
    all: Arc<Semaphore>,
    /// Those who search or wait for it, each with how many of their searches there are and the one place they have.
    people: Mutex<BTreeMap<UserId, (usize, Arc<Semaphore>)>>,
}

/// Somebody's turn, over when this is dropped.
pub(super) struct SearchTurn {
    _of_all: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
    _queued: Queued,
}

impl SearchTurns {
    /// At most `most` turns at the same time.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Turns { all: Arc::new(Semaphore::new(most)), people: Mutex::default() }))
    }

    /// Waits for `user`'s turn, first behind their other searches and then, with the one that is next, behind other people.
    pub(super) async fn take(&self, user: UserId) -> SearchTurn {
        let (queued, own) = self.queue(user);
        // Neither is ever closed.
        let own = own.acquire_owned().await.ok();
        let of_all = self.0.all.clone().acquire_owned().await.ok();
        SearchTurn { _of_all: of_all, _own: own, _queued: queued }
    }

    fn queue(&self, user: UserId) -> (Queued, Arc<Semaphore>) {
        let mut people = self.0.people();
        let (count, own) = people.entry(user).or_insert_with(|| (0, Arc::new(Semaphore::new(1))));
        *count += 1;
        (Queued { user, turns: self.0.clone() }, own.clone())
    }
}

impl Turns {
    fn people(&self) -> MutexGuard<'_, BTreeMap<UserId, (usize, Arc<Semaphore>)>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search that is under way or waits; whoever has none is forgotten.
struct Queued {
    user: UserId,
    turns: Arc<Turns>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Entry::Occupied(mut person) = self.turns.people().entry(self.user) {
            person.get_mut().0 -= 1;
            if person.get().0 == 0 {
                person.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn user(number: u8) -> UserId {
        UserId::from_bytes([number; 16])
    }

    #[test]
    fn a_person_has_one_turn_at_a_time_and_all_together_have_a_few() {
        let turns = SearchTurns::new(2);
        let first = turns.take(user(1)).now_or_never().expect("there is room");
        let mut own_second = Box::pin(turns.take(user(1)));
        assert!(own_second.as_mut().now_or_never().is_none(), "one person searches twice at once");
        let other = turns.take(user(2)).now_or_never().expect("somebody else has a turn meanwhile");
        let mut third = Box::pin(turns.take(user(3)));
        assert!(third.as_mut().now_or_never().is_none(), "three search at once");
        drop(first);
        assert!(third.as_mut().now_or_never().is_some(), "who waited longer is next");
        drop(other);
        assert!(own_second.as_mut().now_or_never().is_some());
    }

    #[test]
    fn who_has_no_search_is_forgotten() {
        let turns = SearchTurns::new(1);
        let first = turns.take(user(1)).now_or_never();
        let mut gave_up = Box::pin(turns.take(user(1)));
        assert!(gave_up.as_mut().now_or_never().is_none());
        drop(gave_up);
        assert_eq!(turns.0.people().len(), 1);
        drop(first);
        assert!(turns.0.people().is_empty());
        assert!(turns.take(user(1)).now_or_never().is_some());
    }
}
