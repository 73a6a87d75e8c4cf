//! Finding messages by what they say.
//!
//! FTS5 yields its matches from the newest back, one at a time, and each is looked up and filtered as it comes: the
//! newest few of a hundred thousand matches cost no more than the newest few. A search that takes too long is
//! interrupted, and answers with what it found until then.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{ErrorCode, params_from_iter};

use super::channel::{ChannelKey, ChannelRow};
use super::database::Database;
use super::error::StorageError;
use super::history::{MESSAGE_COLUMNS, MESSAGE_JOINS, MessageRow};
use super::match_expression::MatchExpression;
use super::relevance::{Candidate, rank};
use super::search_query::{SearchFilters, SearchQuery, UserPrefix};

/// How many of the newest matches are compared with each other by relevance.
pub const MAX_RANKED: usize = 1_000;

/// What to look for, and how.
#[derive(Debug, Clone, Copy)]
pub struct SearchRequest<'a> {
    /// What to look for.
    pub query: &'a SearchQuery,
    /// The channels to look in; `None` for all of them.
    pub channels: Option<&'a [ChannelKey]>,
    /// How many messages to find.
    pub limit: usize,
    /// Which ones first.
    pub order: SearchOrder,
    /// How long it may take.
    pub time_limit: Duration,
}

/// Which messages come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchOrder {
    /// The last one stored.
    Newest,
    /// The one that fits best among the newest [`MAX_RANKED`] matches.
    Relevance,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The messages, in the order asked for.
    pub messages: Vec<MessageRow>,
    /// Whether the time limit ended the search, so that there may be more.
    pub timed_out: bool,
}

impl Database {
    /// The messages that match, deleted ones never.
    pub fn search(&self, request: &SearchRequest<'_>) -> Result<Found, StorageError> {
        let mut found = Found { messages: Vec::new(), timed_out: false };
        let Some(sql) = Statement::of(request, &self.channels()?) else { return Ok(found) };
        let result = self.within(request.time_limit, || match request.order {
            SearchOrder::Newest => self.visit_matches(&sql, request, request.limit, |_, message| {
                found.messages.push(message);
            }),
            SearchOrder::Relevance => self.most_relevant(&sql, request, &mut found.messages),
        });
        match result {
            Err(error) if is_interrupted(&error) => found.timed_out = true,
            other => other?,
        }
        Ok(found)
    }

    fn most_relevant(
        &self,
        sql: &Statement,
        request: &SearchRequest<'_>,
        messages: &mut Vec<MessageRow>,
    ) -> Result<(), StorageError> {
        let mut matches = Vec::new();
        let mut candidates = Vec::new();
        let result = self.visit_matches(sql, request, MAX_RANKED.max(request.limit), |at, message| {
            candidates.push(Candidate::of(at, &message.content, request.query.text.as_ref()));
            matches.push(Some(message));
        });
        for at in rank(&candidates).into_iter().take(request.limit) {
            messages.extend(matches.get_mut(at).and_then(Option::take));
        }
        result
    }

    /// Visits up to `limit` matches from the newest back, each with its number from 0.
    fn visit_matches(
        &self,
        sql: &Statement,
        request: &SearchRequest<'_>,
        limit: usize,
        mut visit: impl FnMut(usize, MessageRow),
    ) -> Result<(), StorageError> {
        let deadline = Instant::now() + request.time_limit;
        let mut matches = self.connection.prepare(&sql.text)?;
        let mut message = self
            .connection
            .prepare_cached(&format!("SELECT {MESSAGE_COLUMNS} FROM message m {MESSAGE_JOINS} WHERE m.key = ?1"))?;
        let mut keys = matches.query(params_from_iter(&sql.parameters))?;
        let mut at = 0;
        // As long as `keys` is being read, all that is read on this connection is of the same moment.
        while at < limit
            && let Some(row) = keys.next()?
        {
            let mut rows = message.query([row.get::<_, i64>(0)?])?;
            if let Some(row) = rows.next()? {
                visit(at, self.message_row(row)?);
                at += 1;
            }
            // An interrupt only reaches a statement that is running.
            if Instant::now() >= deadline {
                return Err(interrupted());
            }
        }
        Ok(())
    }

    /// Does `work` on this connection, and interrupts it after `limit`.
    fn within<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        let interrupt = self.connection.get_interrupt_handle();
        let (done, is_done) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if is_done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    interrupt.interrupt();
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

fn is_interrupted(error: &StorageError) -> bool {
    matches!(error, StorageError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
}

fn interrupted() -> StorageError {
    StorageError::Sqlite(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
        None,
    ))
}

/// A statement that yields the keys of matching messages, newest first.
struct Statement {
    text: String,
    parameters: Vec<Value>,
}

impl Statement {
    /// `None` if nothing can match.
    fn of(request: &SearchRequest<'_>, channels: &[ChannelRow]) -> Option<Self> {
        let SearchQuery { text, filters } = request.query;
        let expression = match text {
            Some(text) => Some(MatchExpression::of(text)?),
            None => None,
        };
        let mut conditions = Conditions::default();
        conditions.filter(filters);
        conditions.channels(request.channels, filters, channels)?;
        let link = (filters.has_link == Some(true)).then(links);
        let expression = expression.into_iter().chain(link).reduce(MatchExpression::and);
        let source = match expression {
            Some(MatchExpression::Matching(expression)) => {
                conditions.add("s.search MATCH ?", [expression.into()]);
                // The index first, whatever the planner thinks: only it is in order and quickly through.
                "search s CROSS JOIN message m ON m.key = s.rowid"
            }
            Some(MatchExpression::Without(expression)) => {
                // Asked of each message that comes up: the list of all of them may be as long as the table.
                let one = "SELECT 1 FROM search s WHERE s.search MATCH ? AND s.rowid = m.key";
                conditions.add(format!("NOT EXISTS ({one})"), [expression.into()]);
                "message m"
            }
            None => "message m",
        };
        let order = if source == "message m" { "m.key" } else { "s.rowid" };
        let text = format!("SELECT m.key FROM {source} WHERE {} ORDER BY {order} DESC", conditions.sql.join(" AND "));
        Some(Self { text, parameters: conditions.parameters })
    }
}

/// What the index knows of links to the web: a message with one has this word in it.
fn links() -> MatchExpression {
    MatchExpression::Matching("(\"http\" OR \"https\")".to_owned())
}

/// Conditions on `message` as `m`, all of which must hold, and their parameters.
struct Conditions {
    sql: Vec<String>,
    parameters: Vec<Value>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { sql: vec!["m.deleted_at IS NULL".to_owned()], parameters: Vec::new() }
    }
}

impl Conditions {
    fn add(&mut self, sql: impl Into<String>, parameters: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.into());
        self.parameters.extend(parameters);
    }

    fn filter(&mut self, filters: &SearchFilters) {
        if let Some(after) = filters.after {
            self.add("m.created_at >= ?", [time(after.unix_ms())]);
        }
        if let Some(before) = filters.before {
            self.add("m.created_at < ?", [time(before.unix_ms())]);
        }
        self.authors("IN", &filters.authors);
        self.authors("NOT IN", &filters.not_authors);
        if let Some(has_link) = filters.has_link {
            let not = if has_link { "" } else { "NOT " };
            // `LIKE` ignores the case of ASCII letters.
            self.add(format!("{not}(m.content LIKE '%http://%' OR m.content LIKE '%https://%')"), []);
        }
    }

    fn authors(&mut self, is_in: &str, authors: &[UserPrefix]) {
        if authors.is_empty() {
            return;
        }
        let ranges = vec!["user_id BETWEEN ? AND ?"; authors.len()].join(" OR ");
        let bounds = authors.iter().flat_map(|prefix| [prefix.first, prefix.last]);
        self.add(
            format!("m.author {is_in} (SELECT key FROM member WHERE {ranges})"),
            bounds.map(|id| Value::Blob(id.as_bytes().to_vec())),
        );
    }

    /// `None` if no channel is left to look in.
    fn channels(&mut self, within: Option<&[ChannelKey]>, filters: &SearchFilters, all: &[ChannelRow]) -> Option<()> {
        let is_named = |names: &[String], row: &ChannelRow| names.iter().any(|name| row.is_called(name));
        let keys: Vec<_> = all
            .iter()
            .filter(|row| within.is_none_or(|keys| keys.contains(&row.key)))
            .filter(|row| filters.channels.is_empty() || is_named(&filters.channels, row))
            .filter(|row| !is_named(&filters.not_channels, row))
            .map(|row| row.key.0.to_string())
            .collect();
        if keys.is_empty() {
            return None;
        }
        if keys.len() < all.len() {
            // The plus keeps the planner from reading the channel's index, which is not in the order of the answer.
            self.add(format!("+m.channel IN ({})", keys.join(", ")), []);
        }
        Some(())
    }
}

fn time(ms: u64) -> Value {
    // A time is below 2^48.
    Value::Integer(i64::try_from(ms).unwrap_or(i64::MAX))
}

impl ChannelRow {
    /// Whether somebody who says `name` means this channel: its id, or its name in any case.
    pub fn is_called(&self, name: &str) -> bool {
        self.id.as_str() == name || self.name.to_lowercase() == name.to_lowercase()
    }
}

#[cfg(test)]
mod tests;
