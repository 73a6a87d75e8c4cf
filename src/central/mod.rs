//! Central, the registry that knows people and servers: checking its tokens (offline), telling it that this server
//! lives, and a small Central of our own for trying things out and for tests.

mod heartbeat;
mod http;
mod join;
mod sandbox;
mod state;
mod token;

pub use heartbeat::{Heartbeat, HeartbeatError};
pub use http::{AnswerError, MAX_RETRY_AFTER, client, install_tls, retry_after};
pub use join::{JoinError, JoinedUser, join};
pub use sandbox::{Sandbox, SandboxError, SandboxOptions};
pub use state::{CentralState, EXPIRY_GRACE, HeartbeatOutcome, Outage};
pub use token::{Claims, MAX_TOKEN_BYTES, TokenError, TokenVerifier};

use url::Url;

use crate::ids::ServerId;

/// The URL of Central's route `name` for `server_id`; `None` if `central_url` takes no path, as `mailto:` does not.
fn route(central_url: &Url, server_id: &ServerId, name: &str) -> Option<Url> {
    let mut url = central_url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut().ok()?.pop_if_empty().extend(["api", "v1", "servers", server_id.as_str(), name]);
    Some(url)
}
