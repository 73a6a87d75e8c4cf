//! A look at Central before the configuration is written: is it there, and does it take the key?

use crate::central::{Heartbeat, HeartbeatOutcome};
use crate::cli::{CliError, Globals};
use crate::config::ServerConfig;
use crate::time::Clock;

/// Sends one heartbeat and says what came of it. Nothing depends on it: Central may come later.
pub(super) fn at_central(config: &ServerConfig, globals: &Globals) -> Result<(), CliError> {
    let central = &config.central;
    let heartbeat = Heartbeat::new(&central.url, &config.identity.server_id, central.api_key.clone(), Clock::system())
        .map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(heartbeat.beat()) {
        HeartbeatOutcome::Accepted => globals.say("Central knows this server and takes its key"),
        outcome @ (HeartbeatOutcome::InvalidKey | HeartbeatOutcome::Suspended) => {
            globals.warn(format!("Central is there and does not take this server: {outcome}"));
        }
        outcome => globals.warn(format!("Central does not answer as it should: {outcome}")),
    }
    Ok(())
}
