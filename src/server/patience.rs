//! How long the server waits for its connections.

use std::time::Duration;

/// How long connections and their users are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The server pings after so long without a byte in one direction. Proxies that cut connections after 50 s, as
    /// HAProxy's packages configure it, look at each direction alone.
    pub ping_after: Duration,
    /// A pinged peer that was silent for so long is gone.
    pub max_silence: Duration,
    /// A peer that takes nothing of what waits for it for so long is too slow. In 64 KiB steps, as TCP announces room on
    /// a connection with large segments, that is 0.7 KiB/s.
    pub max_stall: Duration,
    /// A user who does not say again that they are typing has stopped.
    pub typing: Duration,
    /// How long a connection that is to be closed may take to get the answers to what it had asked.
    pub answers: Duration,
    /// How long a closing handshake may take.
    pub closing: Duration,
    /// The same for a peer that was too slow, which is given time to read why.
    pub slow_closing: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(45),
            max_silence: Duration::from_mins(1),
            max_stall: Duration::from_secs(90),
            typing: Duration::from_secs(10),
            answers: Duration::from_secs(10),
            closing: Duration::from_secs(3),
            slow_closing: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// How long a ping must be out before its peer is gone.
    pub(super) fn ping_time(&self) -> Duration {
        self.max_silence.saturating_sub(self.ping_after)
    }

    /// How long a wait may be without a look: what comes later than that was not waited for.
    pub(super) fn step(&self) -> Duration {
        self.ping_time() / 3
    }
}
