//! The check of one export under way: every line against what it says itself, and against the others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use indicatif::ProgressBar;

use super::super::judge::Checked;
use super::super::judgement::Caveat;
use super::super::report::Level;
use super::cut_off;
use super::due::{Covering, Due, Said};
use super::lines::Lines;
use super::message::{Times, faults, passes, time};
use super::spelling::Spelling;
use crate::channels::audit::adopted_times;
use crate::channels::export_format::{
    ENTRY_PREFIX, ExportChannel, ExportFooter, ExportHeader, ExportLine, ExportMessage,
};
use crate::cli::CliError;
use crate::ids::{ChainIndex, ChannelId, MessageId};
use crate::logchain::{Break, BreakKind, Entry, EntryLine, Head, Verifier, VerifyOptions};
use crate::storage::DELETED_CONTENT;
use crate::time::Timestamp;

/// A message whose first entry is due next.
struct Created {
    entry: ChainIndex,
    time: Option<Timestamp>,
    /// The hash of that entry as it is shown; `None` for an adopted message that shows another.
    chain_hash: Option<String>,
}

/// The lines that came.
#[derive(Default)]
struct Counts {
    entries: u64,
    messages: u64,
    /// From before an adoption.
    adopted: u64,
    /// Earlier versions that no entry covers, as adopted messages may have.
    uncovered: u64,
}

pub(super) struct ExportCheck {
    header: ExportHeader,
    verifier: Verifier,
    from: ChainIndex,
    due: Due,
    created: Option<Created>,
    channels: BTreeSet<ChannelId>,
    last_position: i64,
    last_entry: Option<Head>,
    counts: Counts,
    spelling: Spelling,
}

impl ExportCheck {
    /// Begins with the header, which `lines` has just read.
    pub(super) fn new(options: VerifyOptions, header: ExportHeader, lines: &Lines) -> Result<Self, CliError> {
        let from = options.from;
        let mut check = Self {
            verifier: Verifier::new(options, Verifier::all_cores()),
            from,
            due: Due::new()?,
            created: None,
            channels: BTreeSet::new(),
            last_position: i64::MIN,
            last_entry: None,
            counts: Counts::default(),
            spelling: Spelling::default(),
            header,
        };
        check.spelling.line(lines.number, &lines.line, &ExportLine::Header(check.header.clone()));
        check.check_header();
        Ok(check)
    }

    pub(super) async fn run(mut self, lines: &mut Lines, bar: &ProgressBar) -> Result<Checked, CliError> {
        let started = Instant::now();
        let mut footer = None;
        while lines.advance().await? {
            if footer.is_some() {
                return Err(CliError::failed(format!("line {} comes after the end", lines.number)));
            }
            let nonsense = |what: String| {
                if lines.has_end() {
                    CliError::failed(format!("line {} is none of an export: {what}", lines.number))
                } else {
                    cut_off(&format!("it ends in the middle of line {}", lines.number))
                }
            };
            if lines.line.starts_with(ENTRY_PREFIX) {
                let entry = EntryLine::parse(&lines.line).map_err(|error| nonsense(error.to_string()))?;
                self.spelling.entry(lines.number, &lines.line, &entry);
                self.entry(&entry);
                if self.counts.entries.is_multiple_of(1024) {
                    bar.set_position(self.counts.entries);
                }
                continue;
            }
            let line = serde_json::from_slice(&lines.line).map_err(|error| nonsense(error.to_string()))?;
            self.spelling.line(lines.number, &lines.line, &line);
            match line {
                ExportLine::Message(message) => self.message(&message),
                ExportLine::Channel(channel) => self.channel(channel),
                ExportLine::Footer(found) => footer = Some(found),
                ExportLine::Header(_) => return Err(nonsense("a second header".to_owned())),
            }
        }
        self.footer(footer.ok_or_else(|| cut_off("its last line is missing"))?);
        Ok(self.finish(started.elapsed()))
    }

    fn storage(&mut self, is_wrong: bool, what: impl FnOnce() -> String) {
        if is_wrong {
            self.verifier.note(Break::overall(BreakKind::Storage, what()));
        }
    }

    fn check_header(&mut self) {
        let header = self.header.clone();
        let names_half = header.server_id.is_some() != header.public_key.is_some();
        self.storage(names_half, || {
            "the header names a server without its key, or a key without its server".to_owned()
        });
        if let Some(head) = &header.head {
            let is_other = header.server_id.as_ref() != Some(&head.server_id);
            self.storage(is_other, || "the header's head is that of another server than the header's".to_owned());
            let is_longer = head.head.length != header.chain_length;
            let lengths =
                || format!("the header says {} entries, and its head {}", header.chain_length, head.head.length);
            self.storage(is_longer, lengths);
        }
        let is_beyond = header.adopted_length.is_some_and(|adopted| adopted == 0 || adopted > header.chain_length);
        self.storage(is_beyond, || "the header says that more entries were adopted than there are".to_owned());
        let filter = header.filter.unwrap_or_default();
        let bad_time = [filter.after, filter.before].iter().flatten().any(|text| time(text).is_none());
        self.storage(bad_time, || "the filter in the header has a time that is not one".to_owned());
    }

    fn channel(&mut self, channel: ExportChannel) {
        let ExportChannel { id, channel_type, position, created_at, .. } = channel;
        let is_late = self.counts.entries + self.counts.messages > 0;
        self.storage(is_late, || format!("channel `{id}` comes after the messages"));
        let is_known = matches!(channel_type.as_str(), "text" | "announcement" | "forum");
        self.storage(!is_known, || format!("channel `{id}` has an unknown type"));
        self.storage(time(&created_at).is_none(), || format!("channel `{id}` has a time of creation that is not one"));
        self.storage(position < self.last_position, || format!("channel `{id}` is out of order"));
        self.last_position = position;
        let filter = self.header.filter.as_ref().map(|filter| &filter.channels).filter(|ids| !ids.is_empty());
        let is_left_out = filter.is_some_and(|ids| !ids.contains(&id));
        self.storage(is_left_out, || format!("channel `{id}` does not pass the filter"));
        let is_doubled = self.channels.contains(&id);
        self.storage(is_doubled, || format!("channel `{id}` is there twice"));
        self.channels.insert(id);
    }

    fn message(&mut self, message: &ExportMessage) {
        self.counts.messages += 1;
        let (id, first, latest) = (message.id, message.first_entry(), message.latest_entry());
        let adopted_length = self.adopted_length();
        let times = Times::of(message);
        for fault in faults(message, times, adopted_length) {
            self.note(fault);
        }
        self.check_place(message, times);
        let is_adopted = first.0 < adopted_length;
        self.counts.adopted += u64::from(is_adopted && first >= self.from);
        self.end_created();
        self.created = Some(Created {
            entry: first,
            time: times.map(|times| times.created).filter(|_| !is_adopted),
            chain_hash: Some(message.chain_hash.clone()).filter(|_| message.entry.is_none()),
        });
        // What was adopted has times of its own.
        let changed = times.map(|times| times.updated).filter(|_| latest != first && latest.0 >= adopted_length);
        let said = |content, is_earlier, time| Said { id, content, is_earlier, time };
        let is_deletion = message.deleted_at.is_some() && latest != first && message.content == DELETED_CONTENT;
        let is_free = if is_deletion {
            self.due.delete(latest, id, changed)
        } else {
            self.due.claim(latest, said(&message.content, false, changed))
        };
        self.check_claim(is_free, latest, id);
        if message.deleted_at.is_some() {
            return;
        }
        for (place, earlier) in message.edit_history.iter().enumerate() {
            match message.edit_history_entries.get(place).copied().flatten() {
                Some(index) => {
                    let is_free = self.due.claim(index, said(earlier, true, None));
                    self.check_claim(is_free, index, id);
                }
                None => self.counts.uncovered += 1,
            }
        }
    }

    /// The channel of a message is there, and the filter lets it through.
    fn check_place(&mut self, message: &ExportMessage, times: Option<Times>) {
        let (id, channel) = (message.id, &message.channel_id);
        let is_nowhere = !self.channels.contains(channel);
        self.storage(is_nowhere, || format!("message {id} stands in channel `{channel}`, which is not in the export"));
        let is_left_out = self.header.filter.as_ref().is_some_and(|filter| !passes(filter, message, times));
        self.storage(is_left_out, || format!("message {id} does not pass the filter"));
    }

    /// An entry covers one content of one message: of two that name it, one is made up.
    fn check_claim(&mut self, is_free: bool, index: ChainIndex, id: MessageId) {
        if !is_free {
            let detail = format!("message {id} names this entry for what it says, and so does another content");
            self.note(Break::at(index, BreakKind::MissingEntry, detail));
        }
    }

    /// A message must be followed by the entry that creates it.
    fn end_created(&mut self) {
        if let Some(created) = self.created.take() {
            let detail = "the entry that creates a message does not follow it";
            self.note(Break::at(created.entry, BreakKind::Storage, detail));
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.counts.entries += 1;
        let (index, id) = (entry.index, entry.message_id);
        self.last_entry = Some(Head { length: index.0.saturating_add(1), hash: entry.hash });
        self.check_created(entry);
        let covering = self.due.take(entry);
        if index < self.from {
            self.verifier.pass_over(index, entry.hash);
            return;
        }
        self.verifier.push(entry);
        let (kind, detail) = match covering {
            Covering::Agrees | Covering::Deleted => return,
            Covering::Differs { is_earlier: false } => {
                (BreakKind::Content, format!("it does not cover what is shown for it, and is about message {id}"))
            }
            Covering::Differs { is_earlier: true } => {
                (BreakKind::History, format!("it does not cover the version shown for it, and is about message {id}"))
            }
            Covering::OtherTime => (
                BreakKind::Timestamp,
                format!("message {id} shows another time of its latest change than this entry has"),
            ),
            Covering::Unclaimed => (BreakKind::History, format!("message {id} shows nothing that this entry covers")),
        };
        self.verifier.note(Break::at(index, kind, detail));
    }

    /// The message before this entry shows its time and its hash.
    fn check_created(&mut self, entry: &Entry) {
        let (index, id) = (entry.index, entry.message_id);
        if self.created.as_ref().is_some_and(|created| created.entry != index) {
            return self.end_created();
        }
        let Some(created) = self.created.take() else { return };
        if created.time.is_some_and(|time| time != entry.timestamp) {
            let detail = format!("message {id} shows another time of its creation than this entry has");
            self.note(Break::at(index, BreakKind::Timestamp, detail));
        }
        if created.chain_hash.is_some_and(|hash| hash != BASE64.encode(entry.hash.0)) {
            let detail = format!("message {id} shows another hash than this entry has");
            self.note(Break::at(index, BreakKind::Content, detail));
        }
    }

    /// Takes note of a fault, unless verification begins after it.
    fn note(&mut self, fault: Break) {
        if fault.index.is_none_or(|index| index >= self.from) {
            self.verifier.note(fault);
        }
    }

    fn adopted_length(&self) -> u64 {
        self.header.adopted_length.unwrap_or(0)
    }

    fn footer(&mut self, footer: ExportFooter) {
        self.end_created();
        let counted = (self.counts.entries, self.counts.messages, self.channels.len() as u64);
        let is_other = (footer.entries, footer.messages, footer.channels) != counted;
        self.storage(is_other, || "the counts in the last line are not those of the lines before".to_owned());
        let (length, entries) = (self.header.chain_length, self.counts.entries);
        let last = self.last_entry.map_or(0, |last| last.length);
        if self.header.filter.is_none() && length != entries {
            let detail = format!("the header says {length} entries, and there are {entries}");
            self.note(Break::at(ChainIndex(length.min(entries)), BreakKind::Gap, detail));
        } else if last > length {
            let detail = format!("the header says {length} entries, and there is one at index {}", last - 1);
            self.note(Break::at(ChainIndex(length), BreakKind::Gap, detail));
        }
        // Of a filtered export the last entry may be the last of all.
        if let (Some(signed), Some(last)) = (&self.header.head, self.last_entry)
            && self.header.filter.is_some()
            && signed.head.length == last.length
            && signed.head.hash != last.hash
        {
            let detail =
                format!("the signed head says {}, and the entry there has hash {}", signed.head.hash, last.hash);
            self.note(Break::at(ChainIndex(last.length - 1), BreakKind::Forked, detail));
        }
    }

    fn finish(mut self, chain_time: Duration) -> Checked {
        for index in self.due.left() {
            let detail = "a message names this entry for what it says, and the entry is not there";
            self.verifier.note(Break::at(index, BreakKind::MissingEntry, detail));
        }
        let is_whole = self.header.filter.is_none();
        let (mut notes, mut caveat) = (Vec::new(), None);
        if let Some(note) = self.spelling.note() {
            notes.push(note);
            caveat = Some(Caveat::OtherSpelling);
        }
        if !is_whole {
            let note = "the export was filtered: each entry was checked by itself, and what was left out not";
            notes.push(note.to_owned());
            caveat = Some(Caveat::Excerpt);
        }
        if self.counts.uncovered > 0 {
            let count = self.counts.uncovered;
            notes.push(format!("{count} earlier versions are from before an adoption, and no entry covers them"));
        }
        if self.counts.adopted > 0 {
            notes.push(adopted_times(self.counts.adopted));
        }
        let level = Level::FullAndContents;
        Checked { verified: self.verifier.finish(), notes, chain_time, level, is_whole, caveat }
    }
}
