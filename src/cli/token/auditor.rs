//! `coms token auditor`: who may read the full log chain without being a member.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::channels::{auditor_token_hash, new_auditor_token};
use crate::cli::database_argument::explain;
use crate::cli::json::json_line;
use crate::cli::{CliError, Exit, Globals, SettingsArgs, printable};
use crate::config::DatabaseConfig;
use crate::storage::{Access, AuditorTokenRow, Database, WriteStore};
use crate::time::{Clock, Timestamp};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// A hundred years.
const MAX_DAYS: u64 = 36_525;

/// Tokens for auditors, who read the full log chain and nothing else
#[derive(Debug, Args)]
pub(super) struct Auditor {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, once: only its hash is kept
    Add {
        /// Who it is for
        #[arg(long, value_parser = name)]
        name: String,
        /// For how many days it holds [default: until it is revoked]
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MAX_DAYS))]
        days: Option<u64>,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// List the tokens
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Make a token useless, from the next request on
    Revoke {
        /// Who it is for
        name: String,
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

impl Auditor {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let now = Clock::system().now();
        match self.action {
            Action::Add { name, days, settings } => {
                let store = beside(&database(&settings, globals)?)?;
                add(&store, name, days, now, globals)
            }
            Action::List { json, settings } => {
                let path = database(&settings, globals)?;
                list(&Database::open(&path, Access::ReadOnly)?, json, now)
            }
            Action::Revoke { name, settings } => {
                let store = beside(&database(&settings, globals)?)?;
                revoke(&store, &name, now, globals)
            }
        }
    }
}

/// The configured database, which must exist.
fn database(settings: &SettingsArgs, globals: &Globals) -> Result<PathBuf, CliError> {
    let path = settings.read::<DatabaseConfig>(globals)?.path;
    if !path.exists() {
        return Err(CliError::failed(format!("there is no database `{}`", path.display()))
            .hint("`coms serve` makes it; DB_PATH says where it is"));
    }
    Ok(path)
}

/// A server may be running on it: one small change beside it is all that is made.
fn beside(database: &Path) -> Result<WriteStore, CliError> {
    WriteStore::beside(database).map_err(explain)
}

fn add(
    store: &WriteStore,
    name: String,
    days: Option<u64>,
    now: Timestamp,
    globals: &Globals,
) -> Result<Exit, CliError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    let token = new_auditor_token(&random);
    let expires_at = days.map(|days| now.plus(Duration::from_secs(days * SECONDS_PER_DAY)));
    let row = AuditorTokenRow { name: name.into(), created_at: now, expires_at, revoked_at: None };
    if !store.add_auditor_token(&row, auditor_token_hash(token.reveal()))? {
        return Err(CliError::usage(format!("there is a token for `{}` already", row.name))
            .hint("revoked ones keep their names, so that the list says who had one; take another name"));
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", token.reveal()).and_then(|()| stdout.flush()).map_err(|error| {
        CliError::failed(format!("the token was made, and could not be printed: {error}"))
            .hint("revoke it, and make one under another name")
    })?;
    globals.say("this is the only time that it is shown; the auditor gives it to `coms verify-chain --token -`");
    Ok(Exit::Done)
}

fn list(database: &Database, as_json: bool, now: Timestamp) -> Result<Exit, CliError> {
    let mut stdout = io::stdout().lock();
    for token in database.auditor_tokens()? {
        let state = match (token.revoked_at, token.holds(now)) {
            (Some(_), _) => "revoked",
            (None, true) => "valid",
            (None, false) => "expired",
        };
        let AuditorTokenRow { name, created_at, expires_at, revoked_at } = token;
        if as_json {
            let line = json!({
                "name": name, "state": state, "created_at": created_at, "expires_at": expires_at, "revoked_at": revoked_at,
            });
            writeln!(stdout, "{}", json_line(&line)?)?;
        } else {
            let until = expires_at.map_or_else(|| "until revoked".to_owned(), |end| format!("until {end}"));
            writeln!(stdout, "{state:8} {name} since {created_at} {until}")?;
        }
    }
    stdout.flush()?;
    Ok(Exit::Done)
}

fn revoke(store: &WriteStore, name: &str, now: Timestamp, globals: &Globals) -> Result<Exit, CliError> {
    if !store.revoke_auditor_token(name, now)? {
        return Err(CliError::usage(format!("there is no token for `{}` that could be revoked", printable(name)))
            .hint("`coms token auditor list` shows them"));
    }
    globals.say(format_args!("the token for `{}` is useless now", printable(name)));
    Ok(Exit::Done)
}

fn name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if (1..=100).contains(&length) { Ok(text.to_owned()) } else { Err("a name has 1 to 100 characters".to_owned()) }
}
