//! A message on a page.

use std::fmt;

use super::text::Rich;
use crate::ids::UserId;
use crate::storage::MessageRow;
use crate::time::Timestamp;

/// How many colours authors have, in the style sheet.
const COLOURS: u8 = 12;

/// A message: who wrote it, when, what it says, and what it said before.
pub(super) struct Article<'a>(pub(super) &'a MessageRow);

impl fmt::Display for Article<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        let (index, colour, user) = (row.chain_index, colour(row.user_id), row.user_id);
        write!(
            f,
            "<article id=\"m{index}\"><p class=\"by\"><b class=\"a{colour}\" title=\"{user}\">{}</b> \
             <a href=\"#m{index}\"><time datetime=\"{}\">{}</time></a></p>",
            ShortUser(user),
            row.created_at,
            Minute { time: row.created_at, on_day_of: row.created_at },
        )?;
        match row.deleted_at {
            Some(time) => {
                write!(f, "<p class=\"gone\">Message deleted, {}</p>", Minute { time, on_day_of: row.created_at })?;
            }
            None => self.says(f)?,
        }
        f.write_str("</article>")
    }
}

impl Article<'_> {
    fn says(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        write!(f, "<div class=\"text\" dir=\"auto\">{}</div>", Rich(&row.content))?;
        if row.versions.is_empty() {
            return Ok(());
        }
        let earlier = if let [_] = row.versions.as_slice() { "version" } else { "versions" };
        let edited = Minute { time: row.updated_at, on_day_of: row.created_at };
        write!(f, "<details><summary>Edited, {edited}: {} earlier {earlier}</summary><ol>", row.versions.len())?;
        for version in &row.versions {
            write!(f, "<li><div class=\"text\" dir=\"auto\">{}</div></li>", Rich(version))?;
        }
        f.write_str("</ol></details>")
    }
}

fn colour(user: UserId) -> u8 {
    user.as_bytes().iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) % COLOURS
}

/// Enough of a user's id to tell people apart: its beginning is the time for some, its end is chance.
struct ShortUser(UserId);

impl fmt::Display for ShortUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.to_string();
        write!(f, "{}…{}", id.get(..4).unwrap_or_default(), id.get(30..).unwrap_or_default())
    }
}

/// The minute of a time; with its day, unless that is the day on which the message was written.
struct Minute {
    time: Timestamp,
    on_day_of: Timestamp,
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.time.to_string();
        let (day, time) = written.split_once('T').unwrap_or((&written, ""));
        if !self.on_day_of.to_string().starts_with(day) {
            write!(f, "{day} ")?;
        }
        f.write_str(time.get(..5).unwrap_or_default())
    }
}
