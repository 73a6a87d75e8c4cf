//! An export as pages that any browser shows, without a network and on a phone too.
//!
//! Each channel is a row of pages, linked with each other and with an index. Everything that people wrote is escaped, and
//! the pages' content security policy lets nothing run but their own script, which searches within the page.

mod text;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use self::text::{Plain, Rich};
use super::output::OutputFolder;
use super::{Contents, Format};
use crate::ids::{ChannelId, UserId};
use crate::storage::{ChainRow, ChannelRow, ExportedMessage, MessageRow};

/// How many messages a page has: a phone scrolls through them without trouble.
const MESSAGES_PER_PAGE: u64 = 2_000;

/// How many colours authors have, in the style sheet.
const COLOURS: u8 = 12;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The pages, as they are written.
pub(super) struct Pages {
    out: OutputFolder,
    title: String,
    filter: Option<String>,
    books: Vec<Book>,
    /// Which book a channel's messages go into.
    places: BTreeMap<ChannelId, usize>,
}

/// The pages of a channel.
struct Book {
    number: usize,
    channel: ChannelRow,
    /// Pages that are written.
    pages: u64,
    messages: u64,
    /// The messages of the page that is not written yet.
    open: String,
    on_open: u64,
    /// The days of the first and the last message.
    span: Option<(String, String)>,
    /// The day of the message before, on this page.
    day: String,
}

impl Pages {
    /// Begins the pages of these channels.
    pub(super) fn begin(out: OutputFolder, contents: &Contents) -> Self {
        let title = contents.header.server_id.clone().unwrap_or_else(|| "Messages".to_owned());
        let places = contents.channels.iter().enumerate().map(|(at, row)| (row.id.clone(), at)).collect();
        let books =
            contents.channels.iter().zip(1..).map(|(channel, number)| Book::new(number, channel.clone())).collect();
        let filter = contents.header.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok());
        Self { out, title, filter, books, places }
    }

    fn index(&self) -> String {
        let mut list = String::new();
        for book in &self.books {
            let (since, until) = book.span.clone().unwrap_or_default();
            let name = Plain(&book.channel.name);
            let messages = book.messages;
            let what = if messages == 0 {
                "no messages".to_owned()
            } else {
                format!("{messages} messages, {since} to {until}")
            };
            let entry = match book.pages {
                0 => format!("<b>#{name}</b>"),
                pages => format!(
                    "<a href=\"{}\"><b>#{name}</b></a> <a class=\"last\" href=\"{}\">latest</a>",
                    book.file(1),
                    book.file(pages)
                ),
            };
            writeln!(list, "<li>{entry}<p>{}</p><p class=\"dim\">{what}</p></li>", Plain(&book.channel.topic)).ok();
        }
        let filter =
            self.filter.as_deref().map(|filter| format!("<p class=\"dim\">Only a part: {}</p>", Plain(filter)));
        let body = format!(
            "<header><h1>Messages</h1><p class=\"dim\">of the server {}</p>{}</header>\n<ul class=\"channels\">\n{list}</ul>\n",
            Plain(&self.title),
            filter.unwrap_or_default(),
        );
        document(&self.title, &body)
    }
}

impl Format for Pages {
    fn message(&mut self, message: ExportedMessage) -> io::Result<()> {
        let place = self.places.get(&message.row.channel_id).copied();
        let Some(book) = place.and_then(|at| self.books.get_mut(at)) else { return Ok(()) };
        if book.on_open == MESSAGES_PER_PAGE {
            book.close_page(&self.out, &self.title, true)?;
        }
        book.add(&message.row);
        Ok(())
    }

    fn entry(&mut self, _entry: &ChainRow) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        for book in &mut self.books {
            if book.on_open > 0 {
                book.close_page(&self.out, &self.title, false)?;
            }
        }
        self.out.write("index.html", &self.index())?;
        self.out.finish()
    }
}

impl Book {
    fn new(number: usize, channel: ChannelRow) -> Self {
        Self { number, channel, pages: 0, messages: 0, open: String::new(), on_open: 0, span: None, day: String::new() }
    }

    /// The name of the file of a page: nothing of the channel's own, which anyone may have chosen.
    fn file(&self, page: u64) -> String {
        format!("channel-{}-page-{page}.html", self.number)
    }

    fn add(&mut self, row: &MessageRow) {
        let written = row.created_at.to_string();
        let (day, time) = written.split_once('T').unwrap_or((&written, ""));
        if day != self.day {
            writeln!(self.open, "<h2>{day}</h2>").ok();
            day.clone_into(&mut self.day);
        }
        match &mut self.span {
            Some((_, last)) => day.clone_into(last),
            None => self.span = Some((day.to_owned(), day.to_owned())),
        }
        writeln!(
            self.open,
            "<article id=\"m{}\"><p class=\"by\"><b class=\"a{}\" title=\"{}\">{}</b> \
             <a href=\"#m{}\"><time datetime=\"{written}\">{}</time></a></p>{}</article>",
            row.chain_index,
            colour(row.user_id),
            row.user_id,
            ShortUser(row.user_id),
            row.chain_index,
            time.get(..5).unwrap_or_default(),
            Body(row),
        )
        .ok();
        self.on_open += 1;
        self.messages += 1;
    }

    fn close_page(&mut self, out: &OutputFolder, title: &str, goes_on: bool) -> io::Result<()> {
        self.pages += 1;
        let page = self.pages;
        let mut links = "<a href=\"index.html\">all channels</a>".to_owned();
        if page > 1 {
            write!(links, " <a rel=\"prev\" href=\"{}\">← earlier</a>", self.file(page - 1)).ok();
        }
        if goes_on {
            write!(links, " <a rel=\"next\" href=\"{}\">later →</a>", self.file(page + 1)).ok();
        }
        let name = Plain(&self.channel.name);
        let topic = Plain(&self.channel.topic);
        let body = format!(
            "<header><h1>#{name}</h1><p class=\"dim\">{topic}</p><nav>{links}</nav>\
             <p class=\"find\"><input type=\"search\" id=\"find\" placeholder=\"Search this page\" aria-label=\"Search this page\">\
             <output id=\"found\"></output></p></header>\n<main>\n{}</main>\n<footer><nav>{links}</nav></footer>\n<script>{SCRIPT}</script>\n",
            self.open,
        );
        out.write(&self.file(page), &document(&format!("#{} – {page} – {title}", self.channel.name), &body))?;
        self.open.clear();
        self.day.clear();
        self.on_open = 0;
        Ok(())
    }
}

/// A whole page.
fn document(title: &str, body: &str) -> String {
    let hash = |text: &str| BASE64.encode(Sha256::digest(text.as_bytes()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        hash(STYLE),
        hash(SCRIPT),
        Plain(title),
    )
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

/// What a message says, and said.
struct Body<'a>(&'a MessageRow);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        if row.deleted_at.is_some() {
            return f.write_str("<p class=\"dim\">deleted</p>");
        }
        write!(f, "<div class=\"text\" dir=\"auto\">{}</div>", Rich(&row.content))?;
        if row.versions.is_empty() {
            return Ok(());
        }
        write!(f, "<details><summary>edited, {} earlier</summary><ol>", row.versions.len())?;
        for version in &row.versions {
            write!(f, "<li class=\"text\" dir=\"auto\">{}</li>", Rich(version))?;
        }
        f.write_str("</ol></details>")
    }
}
