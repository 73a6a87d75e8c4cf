//! `coms export`: takes the messages away, as JSON Lines, CSV or pages to read.
//!
//! An export is of one moment, whatever the server writes meanwhile, and of one database always the same but for the
//! time of the signed head.

mod csv;
mod html;
mod jsonl;
mod output;
mod terminal_text;

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::output::{Output, OutputError, OutputFolder, Target};
use super::database_argument::DatabaseArgs;
use super::search::{known_channels, time};
use super::stop_flag::Stop;
use super::{CliError, Exit, Globals, printable};
use crate::channels::export_format::{EXPORT_BEGINNING, EXPORT_VERSION, ExportFilter, ExportHeader};
use crate::channels::head_of;
use crate::config::{Identity, Settings};
use crate::ids::UserId;
use crate::logchain::{Head, SignedHead};
use crate::storage::{ChainRow, ChannelRow, Database, ExportItem, ExportScope, ExportedMessage};
use crate::time::{Clock, Timestamp};

/// Take messages away: as JSON Lines, as CSV, or as pages that any browser shows
///
/// JSON Lines carry everything, the log chain too: `coms verify-chain --export` checks them. A server may run on the
/// database. With a filter only messages that pass all filters are exported, with the entries of those.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// What is written
    #[arg(long, default_value = "jsonl")]
    format: Kind,
    /// Write this file, or for html this folder; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Replace the file if it is an earlier export in the same format; nothing else is ever replaced
    #[arg(long)]
    force: bool,
    /// Only messages in this channel; repeated, in any of them
    #[arg(long, value_name = "CHANNEL")]
    channel: Vec<String>,
    /// Only messages by this user; repeated, by any of them
    #[arg(long, value_name = "USER-ID")]
    user: Vec<UserId>,
    /// Only messages written before this date, time or duration ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<Timestamp>,
    /// Only messages written at this date, time or duration ago, or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<Timestamp>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// JSON Lines: complete, for programs and for `coms verify-chain --export`
    Jsonl,
    /// One line a message, for spreadsheets
    Csv,
    /// A folder of pages to read in a browser, without a network
    Html,
}

/// What every format may need to know before the first message.
struct Contents {
    header: ExportHeader,
    channels: Vec<ChannelRow>,
}

/// Writes an export in some format.
trait Format {
    /// A message; its first entry comes next.
    fn message(&mut self, message: ExportedMessage) -> io::Result<()>;
    /// A chain entry.
    fn entry(&mut self, entry: &ChainRow) -> io::Result<()>;
    /// The end: from here on it is there, whole.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Export {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let target = self.target()?;
        let settings = self.database.settings.load(globals)?;
        let database = self.database.open_in(&settings)?;
        let stop = Stop::take_over()?;
        // From here on everything is of one moment.
        let _moment = database.hold_moment()?;
        let scope = self.scope(&database)?;
        let contents = self.contents(&database, &settings, &scope, globals)?;
        let mut format = self.begin(target, &contents)?;
        let progress = progress(globals, database.count_export(&scope)?);
        let result = database.export(&scope, |item| match item {
            ExportItem::Message(message) => self.written(format.message(*message)),
            ExportItem::Entry(entry) => {
                progress.inc(1);
                self.written(format.entry(&entry))?;
                stop.check()
            }
        });
        progress.finish_and_clear();
        result?;
        stop.check()?;
        database.check_unchanged()?;
        self.written(format.finish())?;
        Ok(Exit::Done)
    }

    fn scope(&self, database: &Database) -> Result<ExportScope, CliError> {
        let channels = database.channels()?;
        let names: Vec<_> = self.channel.iter().map(|name| name.trim_start_matches('#').to_owned()).collect();
        known_channels(&names, &channels)?;
        let is_named = |row: &&ChannelRow| names.iter().any(|name| row.is_called(name));
        Ok(ExportScope {
            channels: channels.iter().filter(is_named).map(|row| row.key).collect(),
            users: self.user.clone(),
            after: self.after,
            before: self.before,
        })
    }

    fn contents(
        &self,
        database: &Database,
        settings: &Settings,
        scope: &ExportScope,
        globals: &Globals,
    ) -> Result<Contents, CliError> {
        let (server_id, public_key) = database.identity()?;
        let head = head_of(database.head()?);
        let all = database.channels()?;
        let is_in = |row: &&ChannelRow| scope.channels.is_empty() || scope.channels.contains(&row.key);
        let channels: Vec<_> = all.iter().filter(is_in).cloned().collect();
        let signed = sign(head, server_id.as_deref(), public_key, settings);
        if signed.is_none() && self.format == Kind::Jsonl {
            globals.say("the head is not signed: the secret key of the database's server is not configured");
        }
        let filter = (!scope.is_everything()).then(|| ExportFilter {
            channels: if scope.channels.is_empty() {
                Vec::new()
            } else {
                channels.iter().map(|row| row.id.clone()).collect()
            },
            users: scope.users.clone(),
            after: scope.after.map(|time| time.to_string()),
            before: scope.before.map(|time| time.to_string()),
        });
        let public_key = public_key.map(hex::encode);
        let header = ExportHeader {
            format: EXPORT_VERSION,
            server_id,
            public_key,
            head: signed,
            chain_length: head.length,
            adopted_length: Some(database.adopted_length()?).filter(|length| *length > 0),
            filter,
        };
        Ok(Contents { header, channels })
    }

    /// Where it goes; `None` stands for a folder.
    fn target(&self) -> Result<Option<Target>, CliError> {
        let beginning = match self.format {
            Kind::Jsonl => EXPORT_BEGINNING.as_bytes().to_vec(),
            Kind::Csv => csv::beginning(),
            Kind::Html if self.output.as_os_str() == "-" => {
                return Err(CliError::usage("pages can't go to standard output").hint("name a folder with `-o FOLDER`"));
            }
            Kind::Html => return self.written(OutputFolder::check(&self.output)).map(|()| None),
        };
        match Target::find(&self.output, self.force, &beginning) {
            Ok(target) => Ok(Some(target)),
            Err(OutputError::Io(error)) => self.written(Err(error)),
            Err(error @ OutputError::Exists(_)) => Err(CliError::usage(error.to_string())
                .hint("name a file that is not there yet; `--force` replaces an earlier export in the same format")),
            Err(error @ OutputError::Foreign(..)) => {
                Err(CliError::usage(error.to_string()).hint("name a file that is not there yet"))
            }
        }
    }

    fn begin(&self, target: Option<Target>, contents: &Contents) -> Result<Box<dyn Format>, CliError> {
        self.written(match (self.format, target) {
            (Kind::Jsonl, Some(target)) => Output::begin(target)
                .and_then(|out| Ok(Box::new(jsonl::JsonLines::begin(out, contents)?) as Box<dyn Format>)),
            (Kind::Csv, Some(target)) => {
                Output::begin(target).and_then(|out| Ok(Box::new(csv::Csv::begin(out)?) as Box<dyn Format>))
            }
            (_, _) => OutputFolder::create(&self.output)
                .map(|out| Box::new(html::Pages::begin(out, contents)) as Box<dyn Format>),
        })
    }

    /// Says where it went wrong, unless it was the reader of standard output who went away.
    fn written<T>(&self, result: io::Result<T>) -> Result<T, CliError> {
        result.map_err(|error| {
            let kind = error.kind();
            let path = self.output.display().to_string();
            let path = printable(&path);
            if kind == io::ErrorKind::AlreadyExists {
                return CliError::usage(format!("`{path}` exists already"))
                    .hint(format!("name a {} that is not there yet", self.format.noun()));
            }
            let failed = anyhow::Error::from(error).context(format!("cannot write the export to `{path}`"));
            match kind {
                io::ErrorKind::InvalidInput => CliError::usage(format!("{failed:#}")).hint("name another file"),
                io::ErrorKind::StorageFull if self.output.is_file() => {
                    CliError::from(failed).hint("make room and try again: the file that was there is as it was")
                }
                io::ErrorKind::StorageFull if !self.output.exists() && self.output.as_os_str() != "-" => {
                    CliError::from(failed).hint("make room and try again: nothing was left behind")
                }
                _ => CliError::from(failed),
            }
        })
    }
}

impl Kind {
    /// What it is written as.
    fn noun(self) -> &'static str {
        match self {
            Self::Jsonl | Self::Csv => "file",
            Self::Html => "folder",
        }
    }
}

/// Signs the head if the configured server is the database's.
pub(super) fn sign(
    head: Head,
    server_id: Option<&str>,
    key: Option<[u8; 32]>,
    settings: &Settings,
) -> Option<SignedHead> {
    let identity = settings.read::<Identity>().ok()?;
    let is_ours = identity.server_id.is(server_id?) && identity.signing_key.public().as_bytes() == &key?;
    // As the database spells the id: it is what the header says, too.
    let spelled = server_id?.parse().ok()?;
    is_ours.then(|| head.sign(&identity.signing_key, &spelled, Clock::system().now()))
}

fn progress(globals: &Globals, entries: u64) -> ProgressBar {
    let target = if globals.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("exporting {bar:30} {human_pos} of {human_len} entries, {eta} left");
    ProgressBar::with_draw_target(Some(entries), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
