//! How long the server waits for its connections.

use std::time::Duration;

/// How long connections and their users are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A user who does not say again that they are typing has stopped.
    pub typing: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { typing: Duration::from_secs(10) }
    }
}
