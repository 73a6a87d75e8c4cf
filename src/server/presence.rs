//! Who is online: a user with any number of connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::UserId;

/// The connections of each user who has any.
#[derive(Debug, Default)]
pub(super) struct Presence(Mutex<HashMap<UserId, usize>>);

impl Presence {
    /// Counts a connection in. Says how many users are online now, and whether this one came just now.
    pub(super) fn enter(&self, user: UserId) -> (usize, bool) {
        let mut users = self.users();
        let connections = users.entry(user).or_default();
        *connections += 1;
        let came = *connections == 1;
        (users.len(), came)
    }

    /// Counts a connection out. Says whether it was the user's last.
    pub(super) fn leave(&self, user: UserId) -> bool {
        let mut users = self.users();
        let Some(connections) = users.get_mut(&user) else { return false };
        *connections -= 1;
        let went = *connections == 0;
        if went {
            users.remove(&user);
        }
        went
    }

    /// How many users are online.
    pub(super) fn online(&self) -> usize {
        self.users().len()
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
