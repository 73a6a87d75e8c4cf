//! What one connection has told of its user's typing: it stops with the connection, and when it is not said again.

use std::sync::Arc;

use tokio::time::Instant;

use super::ephemeral::Topic;
use super::shared::Shared;
use crate::ids::{ChannelId, UserId};

/// The channels in which the user is typing on this connection.
pub(super) struct TypingIndicators {
    shared: Arc<Shared>,
    user_id: UserId,
    /// At most one for each channel of the server.
    started: Vec<Started>,
}

struct Started {
    channel_id: ChannelId,
    /// The version of the update. A newer one came from another connection of the user, which then answers for it.
    version: u64,
    until: Instant,
}

impl TypingIndicators {
    pub(super) fn new(shared: Arc<Shared>, user_id: UserId) -> Self {
        Self { shared, user_id, started: Vec::new() }
    }

    /// Tells the others that the user started, or goes on.
    pub(super) fn start(&mut self, channel_id: &ChannelId) {
        let version = self.shared.update(self.topic(channel_id), true);
        let until = Instant::now() + self.shared.patience.typing;
        self.started.retain(|started| started.channel_id != *channel_id);
        self.started.push(Started { channel_id: channel_id.clone(), version, until });
    }

    /// Tells the others that the user stopped, wherever they had started.
    pub(super) fn stop(&mut self, channel_id: &ChannelId) {
        self.started.retain(|started| started.channel_id != *channel_id);
        self.shared.update(self.topic(channel_id), false);
    }

    /// Stops what was not said again in time. The longest ago is first.
    pub(super) fn expire(&mut self, now: Instant) {
        let expired = self.started.iter().take_while(|started| started.until <= now).count();
        self.stop_first(expired);
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.started.first().map(|started| started.until)
    }

    fn stop_first(&mut self, count: usize) {
        for Started { channel_id, version, .. } in self.started.drain(..count) {
            self.shared.update_after(version, Topic::Typing(self.user_id, channel_id), false);
        }
    }

    fn topic(&self, channel_id: &ChannelId) -> Topic {
        Topic::Typing(self.user_id, channel_id.clone())
    }
}

impl Drop for TypingIndicators {
    fn drop(&mut self) {
        self.stop_first(self.started.len());
    }
}
