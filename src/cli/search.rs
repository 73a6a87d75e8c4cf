//! `coms search`: finds messages in the database.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::database_argument::DatabaseArgs;
use super::json::json_line;
use super::{CliError, Exit, Globals, printable};
use crate::channels::{MAX_TERM_CHARS, MAX_TERMS, ParsedQuery, QueryError, moment, parse_query, shown_message};
use crate::storage::{
    ChannelRow, Found, MessageRow, SearchFilters, SearchOrder, SearchQuery, SearchRequest, TextQuery, UserPrefix,
    occurrences,
};
use crate::time::{Clock, Timestamp};

/// How long a search may take. The server allows its members less; here nobody else waits.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Find messages by what they say, newest first
///
/// Words are found without regard to case and accents; words of Chinese, Japanese and Korean also inside running text.
/// All must be there. A server may run on the database.
///
///   word  "a phrase"  prefix*  -not  AND  OR  NOT
///   in:CHANNEL  from:USER-ID (or its first digits)  has:link
///   after:TIME  before:TIME  (2026-05-02, 2026-05-02T18:30:00Z, or 7d for seven days ago)
///
/// Exit code 1 if nothing matches.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Search {
    /// What to look for; put it in quotes for the shell, and after `--` if it begins with `-`
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Only in this channel; repeated, in any of them
    #[arg(long, value_name = "CHANNEL")]
    channel: Vec<String>,
    /// Only by this user, given by id or its first digits; repeated, by any of them
    #[arg(long, value_name = "USER")]
    user: Vec<UserPrefix>,
    /// Only messages written before this date, time or duration ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<Timestamp>,
    /// Only messages written at this date, time or duration ago, or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<Timestamp>,
    /// Show at most this many messages
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    sort: Sort,
    /// Print each message as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    /// The newest message
    Newest,
    /// The message that fits best, of the newest thousand that match
    Relevance,
}

/// Reads a date, a time or a duration ago, as an option's value.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a date, an RFC 3339 time or a duration such as `7d`";
    moment(text, Clock::system().now()).ok_or_else(|| expected.to_owned())
}

impl Search {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let ParsedQuery { query, is_cut } = self.query()?;
        if is_cut {
            globals.warn(format_args!(
                "the query is long: only its first {MAX_TERMS} words and phrases, {MAX_TERM_CHARS} characters of them, are \
                 looked for"
            ));
        }
        let database = self.database.open(globals)?;
        let channels = database.channels()?;
        let filters = &query.filters;
        known_channels(filters.channels.iter().chain(&filters.not_channels), &channels)?;
        let request = SearchRequest {
            query: &query,
            channels: None,
            limit: self.limit as usize,
            order: match self.sort {
                Sort::Newest => SearchOrder::Newest,
                Sort::Relevance => SearchOrder::Relevance,
            },
            time_limit: TIME_LIMIT,
        };
        let found = database.search(&request)?;
        database.check_unchanged()?;
        self.print(&found, query.text.as_ref(), globals)?;
        if found.timed_out {
            let seconds = TIME_LIMIT.as_secs();
            globals.warn(format_args!("the search was ended after {seconds} s: there may be more"));
        }
        if found.messages.is_empty() {
            globals.say("nothing matches");
            return Ok(Exit::No);
        }
        Ok(Exit::Done)
    }

    fn query(&self) -> Result<ParsedQuery, CliError> {
        let options = SearchFilters {
            channels: self.channel.iter().map(|name| name.trim_start_matches('#').to_owned()).collect(),
            authors: self.user.clone(),
            before: self.before,
            after: self.after,
            ..SearchFilters::default()
        };
        let text = self.query.join(" ");
        let mut parsed = if text.trim().is_empty() && options != SearchFilters::default() {
            ParsedQuery { query: SearchQuery::default(), is_cut: false }
        } else {
            parse_query(&text, Clock::system().now()).map_err(|error| usage(&error))?
        };
        let filters = &mut parsed.query.filters;
        filters.channels.extend(options.channels);
        filters.authors.extend(options.authors);
        filters.after = filters.after.max(options.after);
        filters.before = filters.before.into_iter().chain(options.before).min();
        Ok(parsed)
    }

    fn print(&self, found: &Found, text: Option<&TextQuery>, globals: &Globals) -> Result<(), CliError> {
        let marks = if globals.colors_stdout() { text } else { None };
        let mut out = io::BufWriter::new(io::stdout().lock());
        for message in &found.messages {
            if self.json {
                writeln!(out, "{}", json_line(&shown_message(message.clone()))?)?;
            } else {
                writeln!(out, "{}", Line { message, marks, is_coloured: globals.colors_stdout() })?;
            }
        }
        out.flush()?;
        Ok(())
    }
}

/// Refuses a name that no channel has, and says which there are.
pub(super) fn known_channels<'a>(
    names: impl IntoIterator<Item = &'a String>,
    channels: &[ChannelRow],
) -> Result<(), CliError> {
    for name in names {
        if !channels.iter().any(|channel| channel.is_called(name)) {
            let all: Vec<_> = channels.iter().map(|channel| channel.id.to_string()).collect();
            let hint =
                if all.is_empty() { "there are none yet".to_owned() } else { format!("there are: {}", all.join(", ")) };
            return Err(CliError::usage(format!("there is no such channel: `{}`", printable(name))).hint(hint));
        }
    }
    Ok(())
}

fn usage(error: &QueryError) -> CliError {
    let example = "say what to look for, such as: coms search 'big dogs in:general'";
    let hint = match error {
        QueryError::NoWords => example,
        _ => "`coms search --help` shows how to ask",
    };
    CliError::usage(printable(&error.to_string()).to_string()).hint(hint)
}

/// A message on a line, with what was looked for marked.
struct Line<'a> {
    message: &'a MessageRow,
    marks: Option<&'a TextQuery>,
    is_coloured: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageRow { created_at, channel_id, user_id, content, .. } = self.message;
        let (dim, bold, plain) = if self.is_coloured { ("\x1b[2m", "\x1b[1;31m", "\x1b[0m") } else { ("", "", "") };
        write!(f, "{dim}{created_at} #{channel_id} {user_id}{plain} ")?;
        let mut at = 0;
        for place in self.marks.map(|query| occurrences(content, query)).unwrap_or_default() {
            let before = content.get(at..place.start).unwrap_or_default();
            let marked = content.get(place.clone()).unwrap_or_default();
            write!(f, "{}{bold}{}{plain}", printable(before), printable(marked))?;
            at = place.end;
        }
        write!(f, "{}", printable(content.get(at..).unwrap_or_default()))
    }
}
