//! What the integration tests share.

pub(crate) mod chain;
pub(crate) mod client;
pub(crate) mod corpus;
#[cfg(unix)]
pub(crate) mod hold;
#[cfg(unix)]
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod server;

use std::future::Future;
use std::time::Duration;

use coms::ids::UserId;

/// How long anything that must happen may take. Nothing waits this long but a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// What comes of `future`, which must come in time.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("{what}: nothing within {DEADLINE:?}");
    };
    value
}

/// A person: the same number is the same one.
pub(crate) fn person(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}
