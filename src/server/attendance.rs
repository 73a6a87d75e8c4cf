//! A connection as others see it: its user is online, and it is one of those to be woken.

use std::sync::Arc;

use super::hub::{Joined, Urgency};
use super::shared::Shared;
use crate::ids::UserId;
use crate::protocol::Event;

/// Counts a connection in, and out when it is dropped, whatever ended it.
pub(super) struct Attendance {
    shared: Arc<Shared>,
    user_id: UserId,
}

impl Attendance {
    /// Counts a connection of this user in. Says what it joined, and how many users are online now.
    pub(super) fn begin(shared: Arc<Shared>, user_id: UserId) -> (Self, Joined, usize) {
        let came = || announce(&shared, user_id, true);
        let (joined, online) = shared.presence.enter(user_id, came, || shared.hub.join());
        (Self { shared, user_id }, joined, online)
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.shared.hub.leave();
        self.shared.presence.leave(self.user_id, || announce(&self.shared, self.user_id, false));
    }
}

fn announce(shared: &Shared, user_id: UserId, joined: bool) {
    shared.announce(&Event::Presence { user_id, joined }, Urgency::Presence);
}
