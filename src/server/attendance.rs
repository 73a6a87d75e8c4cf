//! A connection as others see it: its user is online, and it is one of those to be woken.

use std::sync::Arc;

use super::ephemeral::Topic;
use super::hub::Joined;
use super::shared::Shared;
use crate::ids::UserId;

/// Counts a connection in, and out when it is dropped, whatever ended it.
pub(super) struct Attendance {
    shared: Arc<Shared>,
    user_id: UserId,
}

impl Attendance {
    /// Counts a connection of this user in. Says what it joined, and how many users are online now.
    pub(super) fn begin(shared: Arc<Shared>, user_id: UserId) -> (Self, Joined, usize) {
        let came = || {
            shared.update(Topic::Presence(user_id), true);
        };
        let (joined, online) = shared.presence.enter(user_id, came, || shared.hub.join());
        (Self { shared, user_id }, joined, online)
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.shared.hub.leave();
        self.shared.presence.leave(self.user_id, || {
            self.shared.update(Topic::Presence(self.user_id), false);
        });
    }
}
