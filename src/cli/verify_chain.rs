//! `coms verify-chain`: checks a server's log, whatever it comes from, and compares it with what was seen before.
//!
//! A source says whose log it is and hands its entries to the verifier of `logchain`; which key is believed, what is
//! remembered and what the verdict is, is the same for all of them.

mod cause;
mod contents;
mod database;
mod deadline;
mod evidence;
mod export;
mod fetch;
mod judge;
mod judgement;
mod manifest;
pub(super) mod memory;
mod patience;
mod progress;
mod report;
mod stream;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::{CliError, Exit, Globals, SecretArgument, SettingsArgs};
use crate::config::{DatabaseConfig, ProcessEnvironment, PublicIdentity, Settings};
use crate::ids::ChainIndex;
use crate::keys::PublicKey;
use judge::Judge;
use memory::Memory;
use report::Report;

/// A day.
const MAX_DEADLINE_SECS: u64 = 24 * 60 * 60;

/// Check that a server's log is whole, signed, and still the one that was seen before
///
/// Without a source it checks the configured database. The answer is on standard output and ends in one line of verdict;
/// the exit code is 0 for `intact` and `consistent`, 1 for `broken`, 3 if it could not be told.
///
/// The key and the head of a log that was found good are remembered, so that the next run notices a log that was cut
/// short or written anew, which the server's own key can always do.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[command(group = clap::ArgGroup::new("source").args(["manifest", "db", "export"]))]
pub(super) struct VerifyChain {
    /// A running server: the URL of its manifest, or of the server
    #[arg(long, value_name = "URL")]
    manifest: Option<String>,
    /// A database of coms or of the Go reference server; it is only read, and a server may be running on it
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// An export in JSON Lines; `-` is standard input
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Also fetch what the messages say, and compare it with the log; needs a member's token
    #[arg(long, requires = "manifest")]
    contents: bool,
    /// A member's or an auditor's token: `-` for standard input, `@FILE` for a file [env: COMS_TOKEN]
    #[arg(long, value_name = "-|@FILE", requires = "manifest")]
    token: Option<SecretArgument>,
    /// The server's public key, if you know it from elsewhere: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = PublicKey::from_hex)]
    public_key: Option<PublicKey>,
    /// Keep the memory of what was seen in this file
    #[arg(long, value_name = "FILE", conflicts_with = "no_state")]
    state: Option<PathBuf>,
    /// Neither use nor keep a memory of what was seen
    #[arg(long)]
    no_state: bool,
    /// Check entries from this index on
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    from: u64,
    /// Take the log as it is now for the one to remember, whatever was remembered before
    #[arg(long, conflicts_with = "no_state")]
    accept_head: bool,
    /// Check each signature by itself, by the strictest rules
    #[arg(long)]
    strict_signatures: bool,
    /// Give up when the server sends nothing for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Give up when a server's log is not verified after this many seconds [default: 600, and one more for each 1000 entries]
    #[arg(long, value_name = "SECONDS", requires = "manifest", value_parser = clap::value_parser!(u64).range(1..=MAX_DEADLINE_SECS))]
    deadline: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What a source needs to know of the command.
struct Request<'a> {
    args: &'a VerifyChain,
    globals: &'a Globals,
    started: Instant,
    configured: PublicIdentity,
    /// Where the configured database is; `None` if nothing is configured.
    configured_path: Option<PathBuf>,
}

impl Request<'_> {
    fn from(&self) -> ChainIndex {
        ChainIndex(self.args.from)
    }

    /// The memory that is asked for, if any.
    fn memory(&self) -> Result<Option<Memory>, CliError> {
        if self.args.no_state { Ok(None) } else { Memory::open(self.args.state.as_deref()).map(Some) }
    }

    fn judge(&self) -> Result<Judge<'_>, CliError> {
        Ok(Judge::new(self, self.memory()?))
    }
}

impl VerifyChain {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let started = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let verified = runtime.block_on(self.verify(globals, started));
        // What was interrupted has been told to stop; nobody waits for it.
        runtime.shutdown_background();
        match verified {
            Ok(report) => {
                let exit = if report.is_good() { Exit::Done } else { Exit::No };
                Ok(exit.printed(report.print(self.json, globals)))
            }
            Err(error) => {
                if error.is_failure() {
                    let report = Report::unknown(self.source_name(), &error, started);
                    // Exit code 3, whatever becomes of the text.
                    report.print(self.json, globals).ok();
                }
                Err(error)
            }
        }
    }

    async fn verify(&self, globals: &Globals, started: Instant) -> Result<Report, CliError> {
        let token = self.token_secret()?;
        let (configured, configured_path) = self.configuration(globals)?;
        let request = Request { args: self, globals, started, configured, configured_path };
        if let Some(url) = &self.manifest {
            return Box::pin(manifest::verify(&request, url, token)).await;
        }
        match (&self.export, self.db.clone().or_else(|| request.configured_path.clone())) {
            (Some(path), _) => export::verify(&request, path).await,
            (None, Some(path)) => database::verify(&request, path).await,
            (None, None) => Err(CliError::usage("nothing to verify")),
        }
    }

    /// Who the configuration says that the server is, and where its database is, for a source that may be the operator's
    /// own. A log that somebody else serves is not the configuration's to vouch for.
    fn configuration(&self, globals: &Globals) -> Result<(PublicIdentity, Option<PathBuf>), CliError> {
        if self.manifest.is_some() || self.export.is_some() {
            return Ok((PublicIdentity::default(), None));
        }
        if self.db.is_none() {
            let (identity, database) = self.settings.read::<(PublicIdentity, DatabaseConfig)>(globals)?;
            return Ok((identity, Some(database.path)));
        }
        if self.public_key.is_some() && self.settings.env_file.is_none() {
            // The file and the key are named: what the configuration could add is not worth failing for.
            let Ok(settings) = Settings::load(None, ProcessEnvironment::current()) else {
                return Ok(Default::default());
            };
            return Ok((settings.read().unwrap_or_default(), configured_path(&settings)));
        }
        let settings = self.settings.load(globals)?;
        Ok((settings.read::<PublicIdentity>()?, configured_path(&settings)))
    }

    fn token_secret(&self) -> Result<Option<crate::secret::Secret>, CliError> {
        let argument = match &self.token {
            Some(given) => Some(given.clone()),
            None if self.manifest.is_some() => SecretArgument::from_environment("COMS_TOKEN"),
            None => None,
        };
        if self.contents && argument.is_none() {
            return Err(CliError::usage("`--contents` needs a member's token")
                .hint("give `--token -` (standard input), `--token @FILE`, or set COMS_TOKEN"));
        }
        argument.map(|argument| argument.read("token")).transpose()
    }

    fn source_name(&self) -> String {
        match (&self.manifest, &self.export, &self.db) {
            (Some(url), _, _) => url.clone(),
            (_, Some(path), _) | (_, _, Some(path)) => path.display().to_string(),
            _ => "the configured database".to_owned(),
        }
    }
}

/// Where the database of a server is that is configured at all.
fn configured_path(settings: &Settings) -> Option<PathBuf> {
    let is_configured = settings.file().is_some() || settings.is_set_by_process() || settings.process_sets("DB_PATH");
    settings.read::<DatabaseConfig>().ok().filter(|_| is_configured).map(|database| database.path)
}
