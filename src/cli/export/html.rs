//! An export as pages that any browser shows, without a network and on a phone too.
//!
//! Each channel is a row of pages, linked with each other and with an index. Everything that people wrote is escaped, and
//! the pages' content security policy lets nothing run but their own script, which searches within the page.

mod article;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use indicatif::HumanCount;
use sha2::{Digest as _, Sha256};

use self::article::Article;
use self::text::Plain;
use super::output::OutputFolder;
use super::{Contents, Format};
use crate::ids::ChannelId;
use crate::storage::{ChainRow, ChannelRow, ExportedMessage, MessageRow};

/// How many messages a page has: a phone scrolls through them without trouble.
const MESSAGES_PER_PAGE: u64 = 2_000;

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
            let name = Plain(&book.channel.name);
            let entry = match book.pages {
                0 => format!("<b>#{name}</b>"),
                pages => format!(
                    "<a href=\"{}\"><b>#{name}</b></a> <a class=\"last\" href=\"{}\">latest</a>",
                    book.file(1),
                    book.file(pages)
                ),
            };
            let (topic, what) = (Plain(&book.channel.topic), book.summary());
            writeln!(list, "<li>{entry}<p>{topic}</p><p class=\"dim\">{what}</p></li>").ok();
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

    /// How much there is, and of when.
    fn summary(&self) -> String {
        let messages = match self.messages {
            0 => return "no messages".to_owned(),
            1 => "1 message".to_owned(),
            count => format!("{} messages", HumanCount(count)),
        };
        match &self.span {
            Some((since, until)) if since != until => format!("{messages}, {since} to {until}"),
            Some((day, _)) => format!("{messages}, {day}"),
            None => messages,
        }
    }

    fn add(&mut self, row: &MessageRow) {
        let written = row.created_at.to_string();
        let (day, _) = written.split_once('T').unwrap_or((&written, ""));
        if day != self.day {
            writeln!(self.open, "<h2>{day}</h2>").ok();
            day.clone_into(&mut self.day);
        }
        match &mut self.span {
            Some((_, last)) => day.clone_into(last),
            None => self.span = Some((day.to_owned(), day.to_owned())),
        }
        writeln!(self.open, "{}", Article(row)).ok();
        self.on_open += 1;
        self.messages += 1;
    }

    fn close_page(&mut self, out: &OutputFolder, title: &str, goes_on: bool) -> io::Result<()> {
        self.pages += 1;
        let page = self.pages;
        let mut links = "<a href=\"index.html\">All channels</a>".to_owned();
        if page > 1 {
            write!(links, " <a rel=\"prev\" href=\"{}\">← Earlier</a>", self.file(page - 1)).ok();
        }
        if goes_on {
            write!(links, " <a rel=\"next\" href=\"{}\">Later →</a>", self.file(page + 1)).ok();
        }
        let name = Plain(&self.channel.name);
        let topic = Plain(&self.channel.topic);
        let place = if page > 1 || goes_on { format!("Page {page}. ") } else { String::new() };
        let body = format!(
            "<header><h1>#{name}</h1><p>{topic}</p><p class=\"dim\">{place}Times are UTC.</p><nav>{links}</nav></header>\n\
             <p class=\"find\"><input type=\"search\" id=\"find\" placeholder=\"Search this page\" aria-label=\"Search this page\">\
             <output id=\"found\"></output></p>\n\
             <main>\n{}</main>\n<footer><nav>{links}</nav></footer>\n<script>{SCRIPT}</script>\n",
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
