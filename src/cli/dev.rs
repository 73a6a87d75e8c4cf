//! `coms dev`: a whole sandbox in one process, for someone who wants to see it work: a Central, a server registered with
//! it, and two people's tokens.

mod folder;
mod invitation;

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use self::folder::Folder;
use self::invitation::Invitation;
use super::stop_signal::StopSignal;
use super::{CliError, Exit, Globals, serve};
use crate::central::{Sandbox, SandboxError, SandboxOptions};
use crate::server::{Server, listen};
use crate::telemetry;
use crate::time::Clock;

/// How long the two people's tokens are good for: longer than anyone tries things out without a restart.
const TOKEN_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// How many ports after the wanted one are tried before the system chooses.
const PORTS_TRIED: u16 = 100;

/// Try it out: a server, a Central of its own, and two people's tokens, all on this machine
///
/// Nothing needs to be configured or registered. The database and the keys are kept in the directory, so that the next
/// start goes on where this one ended; its `.env` serves the other commands too, as in `coms search -e coms-dev/.env`.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Keep everything in this directory
    #[arg(long, value_name = "DIR", default_value = "coms-dev", conflicts_with = "ephemeral")]
    dir: PathBuf,
    /// Keep nothing: use a directory that is removed at the end
    #[arg(long)]
    ephemeral: bool,
    /// Port of the server; the next free one if it is taken
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    port: u16,
    /// Port of the sandbox Central; the next free one if it is taken
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    central_port: u16,
    /// Print one JSON object instead of words
    #[arg(long)]
    json: bool,
}

impl Dev {
    /// Serves until SIGTERM or Ctrl-C, then drains.
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let folder = if self.ephemeral { Folder::ephemeral()? } else { Folder::open(&self.dir)? };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let exit = runtime.block_on(self.serve(&folder, globals));
        // As `serve` does: a read that hangs on the disk must not hold up the end of the process.
        runtime.shutdown_background();
        exit
    }

    async fn serve(&self, folder: &Folder, globals: &Globals) -> Result<Exit, CliError> {
        let mut stop = StopSignal::listen()?;
        let options = SandboxOptions {
            dir: Some(folder.path().to_owned()),
            token_lifetime: TOKEN_LIFETIME,
            clock: Clock::system(),
        };
        let central = Sandbox::start(listen_near(self.central_port)?, options).map_err(|error| no_central(&error))?;
        let listener = listen_near(self.port)?;
        let config = folder.configure(listener.local_addr()?.port(), &central)?;
        let _telemetry = telemetry::init(&globals.logging(config.log.clone()), globals.colors_stderr())
            .map_err(anyhow::Error::from)?;
        central.register(&config.identity.server_id, &config.central.api_key);

        let invitation = Invitation::new(&config, &central, folder, listener.local_addr()?);
        let server =
            Server::start(listener, serve::options(config)?).await.map_err(|error| serve::start_error(&error))?;
        self.print(&invitation)?;
        let end = server.run_until(stop.received()).await;
        central.stop().await;
        serve::exit(end)
    }

    fn print(&self, invitation: &Invitation) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut stdout, invitation)?;
            writeln!(stdout)?;
        } else {
            write!(stdout, "{invitation}")?;
        }
        stdout.flush()
    }
}

fn no_central(error: &SandboxError) -> CliError {
    match error {
        SandboxError::Key { source, .. } => CliError::usage(format!("{error}: {source}"))
            .hint("put the file back, or remove the whole directory to begin anew"),
        SandboxError::File { source, .. } | SandboxError::Listener(source) => {
            CliError::usage(format!("{error}: {source}"))
        }
        SandboxError::Randomness(_) => CliError::failed(error.to_string()),
    }
}

/// Listens on loopback on `port` or the next free one.
fn listen_near(port: u16) -> io::Result<TcpListener> {
    let host = Some(Ipv4Addr::LOCALHOST.into());
    for candidate in port..=port.saturating_add(PORTS_TRIED) {
        match listen(host, candidate) {
            Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {}
            bound => return bound,
        }
    }
    listen(host, 0)
}
