//! An export as CSV (RFC 4180): one line a message, for spreadsheets.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it; such a cell gets an
//! apostrophe in front.

use std::borrow::Cow;
use std::io;

use super::Format;
use super::output::Output;
use crate::storage::{ChainRow, ExportedMessage};
use crate::time::Timestamp;

const COLUMNS: [&str; 11] = [
    "id",
    "channel_id",
    "user_id",
    "created_at",
    "updated_at",
    "deleted_at",
    "content",
    "edit_history",
    "metadata",
    "chain_index",
    "latest_chain_index",
];

/// How every export begins: the names of the columns.
pub(super) fn beginning() -> Vec<u8> {
    format!("{}\r\n", COLUMNS.join(",")).into_bytes()
}

pub(super) struct Csv(csv::Writer<Output>);

impl Csv {
    /// Writes the names of the columns.
    pub(super) fn begin(out: Output) -> io::Result<Self> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        writer.write_record(COLUMNS).map_err(plain)?;
        Ok(Self(writer))
    }
}

impl Format for Csv {
    fn message(&mut self, message: ExportedMessage) -> io::Result<()> {
        let row = message.row;
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let history = if row.versions.is_empty() { String::new() } else { serde_json::to_string(&row.versions)? };
        let cells: [&str; COLUMNS.len()] = [
            &row.id.to_string(),
            &harmless(row.channel_id.as_str()),
            &row.user_id.to_string(),
            &row.created_at.to_string(),
            &row.updated_at.to_string(),
            &time(row.deleted_at),
            &harmless(&row.content),
            &harmless(&history),
            &harmless(row.metadata.as_deref().unwrap_or("{}")),
            &row.chain_index.to_string(),
            &row.latest_entry.map(|index| index.to_string()).unwrap_or_default(),
        ];
        self.0.write_record(cells).map_err(plain)
    }

    fn entry(&mut self, _entry: &ChainRow) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)?.finish()
    }
}

/// What the system said: that the disk is full, or that nobody reads any more.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The text of a cell, so that no spreadsheet takes it for more than text. A NUL, at which some end, is shown as `␀`.
fn harmless(text: &str) -> Cow<'_, str> {
    // White space in front does not keep every spreadsheet from looking; full-width signs are formulas in some locales.
    let first = text.trim_start().chars().next();
    let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '|' | '%'));
    let is_spaced = text.starts_with(['\t', '\r', '\n']);
    match (is_formula || is_spaced, text.contains('\0')) {
        (false, false) => Cow::Borrowed(text),
        (guarded, _) => Cow::Owned(format!("{}{}", if guarded { "'" } else { "" }, text.replace('\0', "␀"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_starts_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\u{a0}=cmd|' /C calc'!A0"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", "a=b", "1-1", "'=1", "né", "{\"a\":1}"] {
            assert_eq!(harmless(text), text);
        }
        assert_eq!(harmless("a\0b"), "a␀b");
    }
}
