//! Central, the registry that knows people and servers: checking its tokens (offline), telling it that this server
//! lives, and a small Central of our own for trying things out and for tests.

mod heartbeat;
mod http;
mod sandbox;
mod state;
mod token;

pub use heartbeat::{Heartbeat, HeartbeatError};
pub use http::{client, install_tls};
pub use sandbox::{JoinedUser, Sandbox, SandboxError, SandboxOptions};
pub use state::{CentralState, EXPIRY_GRACE, HeartbeatOutcome, Outage};
pub use token::{Claims, MAX_TOKEN_BYTES, TokenError, TokenVerifier};
