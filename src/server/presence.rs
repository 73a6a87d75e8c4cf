//! Who is online: a user with any number of connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::UserId;

/// The connections of each user who has any.
#[derive(Debug, Default)]
pub(super) struct Presence(Mutex<HashMap<UserId, usize>>);

impl Presence {
    /// Counts a connection in, calls `came` if it is the user's first, and then `join`. Returns what `join` did, and how many
    /// users are online now.
    ///
    /// Both are called while nobody else can be counted, so that comings and goings are told in the order of counting: of a
    /// phone that connects anew, the leaving is never told last; and whoever joins is told of those who come after, and of
    /// none who is in the number already.
    pub(super) fn enter<T>(&self, user: UserId, came: impl FnOnce(), join: impl FnOnce() -> T) -> (T, usize) {
        let mut users = self.users();
        let connections = users.entry(user).or_default();
        *connections += 1;
        if *connections == 1 {
            came();
        }
        (join(), users.len())
    }

    /// Counts a connection out, and calls `went` if it was the user's last, in the same way.
    pub(super) fn leave(&self, user: UserId, went: impl FnOnce()) {
        let mut users = self.users();
        let Some(connections) = users.get_mut(&user) else { return };
        *connections -= 1;
        if *connections == 0 {
            users.remove(&user);
            went();
        }
    }

    /// How many users are online.
    pub(super) fn online(&self) -> usize {
        self.users().len()
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comings_and_goings_are_told_in_the_order_of_counting() {
        let (presence, told) = (Presence::default(), Mutex::new(Vec::new()));
        let user = UserId::from_bytes([1; 16]);
        let tell = |came: bool| told.lock().expect("nobody panics").push(came);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..2_000 {
                        presence.enter(user, || tell(true), || ());
                        presence.leave(user, || tell(false));
                    }
                });
            }
        });
        let told = told.into_inner().expect("nobody panics");
        assert!(told.iter().enumerate().all(|(place, came)| *came == (place % 2 == 0)), "somebody came twice in a row");
        assert_eq!((told.len() % 2, presence.online()), (0, 0));
    }
}
