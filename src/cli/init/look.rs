//! A look at Central before the configuration is written: is it there, and does it take the key?

use crate::central::{Heartbeat, HeartbeatOutcome};
use crate::cli::{CliError, Globals};
use crate::config::ServerConfig;
use crate::time::Clock;

/// What Central thinks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// It takes it.
    Yes,
    /// It does not.
    No,
    /// It did not answer as it should.
    Nothing,
}

/// Sends one heartbeat and says what came of it.
pub(super) fn at_central(config: &ServerConfig, globals: &Globals) -> Result<Answered, CliError> {
    let central = &config.central;
    let heartbeat = Heartbeat::new(&central.url, &config.identity.server_id, central.api_key.clone(), Clock::system())
        .map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(match runtime.block_on(heartbeat.beat()) {
        HeartbeatOutcome::Accepted => {
            globals.say("Central knows this server and takes its key");
            Answered::Yes
        }
        outcome @ (HeartbeatOutcome::InvalidKey | HeartbeatOutcome::Suspended) => {
            globals.warn(format!("Central is there and does not take this server: {outcome}"));
            Answered::No
        }
        outcome => {
            globals.warn(format!("Central does not answer as it should: {outcome}"));
            Answered::Nothing
        }
    })
}
