//! An export as the source, read in one pass: `channels::export_format` says in which order its lines come.

mod due;
mod lines;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use due::{Covering, Due};
use indicatif::ProgressBar;
use lines::Lines;

use super::judgement::{Checked, Presented};
use super::report::{Level, Report};
use super::{Request, memory, progress};
use crate::channels::export_format::{ENTRY_PREFIX, EXPORT_VERSION, ExportHeader, ExportLine, ExportMessage};
use crate::cli::CliError;
use crate::cli::input_file::open_data;
use crate::ids::{ChainIndex, MessageId};
use crate::keys::PublicKey;
use crate::logchain::{Break, BreakKind, Entry, EntryLine, Verifier, VerifyOptions};
use crate::storage::DELETED_CONTENT;

/// Verifies the export in `path`; `-` is standard input.
pub(super) async fn verify(request: &Request<'_>, path: &Path) -> Result<Report, CliError> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
        report = async { verify_file(request, path).await } => report,
    }
}

async fn verify_file(request: &Request<'_>, path: &Path) -> Result<Report, CliError> {
    let source = path.display().to_string();
    let mut lines = open(path).map_err(|error| CliError::failed(format!("cannot read `{source}`: {error}")))?;
    let header = read_header(&mut lines).await?;
    let judge = request.judge()?;
    let key = header.public_key.as_deref().and_then(|hex| PublicKey::from_hex(hex).ok());
    let memory_key = match (&header.server_id, request.args.public_key.or(key)) {
        (Some(id), _) => memory::of_database(id),
        (None, Some(key)) => format!("database signed by {key}"),
        (None, None) => "export".to_owned(),
    };
    let presented = Presented {
        source,
        memory_key,
        origin: None,
        server_id: header.server_id.clone(),
        key,
        head: header.head.clone(),
    };
    let trusted = judge.trust(&presented)?;
    let is_whole = header.filter.is_none();
    let options =
        VerifyOptions { contiguous: is_whole, ..judge.options(&presented, &trusted, Some(header.chain_length))? };
    let bar = progress::bar(request.globals, is_whole.then_some(header.chain_length));
    let checked = ExportCheck::new(options, is_whole)?.run(&mut lines, &bar, header.chain_length).await?;
    bar.finish_and_clear();
    let (mut report, evidence) = judge.conclude(&presented, trusted, checked)?;
    if let Some(evidence) = evidence {
        // The entries are in the export itself, which may have come through a pipe; the heads are what proves it.
        judge.keep_evidence(&evidence, &[], &mut report);
    }
    Ok(report)
}

fn open(path: &Path) -> io::Result<Lines> {
    if path == Path::new("-") { Lines::of(io::stdin()) } else { Lines::of(open_data(path)?) }
}

async fn read_header(lines: &mut Lines) -> Result<ExportHeader, CliError> {
    let foreign = || CliError::failed("this is no export of coms in JSON Lines").hint("`coms export` writes one");
    if !lines.advance().await? {
        return Err(CliError::failed("the export is empty").hint("a pipe is empty if nothing writes to it yet"));
    }
    match serde_json::from_slice(&lines.line) {
        Ok(ExportLine::Header(header)) if header.format == EXPORT_VERSION => Ok(header),
        Ok(ExportLine::Header(header)) => Err(CliError::failed(format!(
            "the export has format {}, and this coms reads format {EXPORT_VERSION}",
            header.format
        ))),
        _ => Err(foreign()),
    }
}

fn cut_off(problem: &str) -> CliError {
    CliError::failed(format!("the export was cut off: {problem}")).hint("export it again")
}

/// The check of one export under way.
struct ExportCheck {
    verifier: Verifier,
    is_whole: bool,
    from: ChainIndex,
    due: Due,
    messages: u64,
    channels: u64,
    uncovered: u64,
}

impl ExportCheck {
    fn new(options: VerifyOptions, is_whole: bool) -> Result<Self, CliError> {
        let from = options.from;
        Ok(Self {
            verifier: Verifier::new(options, Verifier::all_cores()),
            is_whole,
            from,
            due: Due::new()?,
            messages: 0,
            channels: 0,
            uncovered: 0,
        })
    }

    async fn run(mut self, lines: &mut Lines, bar: &ProgressBar, chain_length: u64) -> Result<Checked, CliError> {
        let started = Instant::now();
        let (mut entries, mut footer) = (0_u64, None);
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
                entries += 1;
                let entry = EntryLine::parse(&lines.line).map_err(|error| nonsense(error.to_string()))?;
                self.entry(&entry);
                if entries.is_multiple_of(1024) {
                    bar.set_position(entries);
                }
                continue;
            }
            match serde_json::from_slice(&lines.line).map_err(|error| nonsense(error.to_string()))? {
                ExportLine::Message(message) => self.message(&message),
                ExportLine::Channel(_) => self.channels += 1,
                ExportLine::Footer(found) => footer = Some(found),
                ExportLine::Header(_) => return Err(nonsense("a second header".to_owned())),
            }
        }
        let footer = footer.ok_or_else(|| cut_off("its last line is missing"))?;
        if (footer.entries, footer.messages, footer.channels) != (entries, self.messages, self.channels) {
            let detail = "the counts in the last line are not those of the lines before";
            self.verifier.note(Break::overall(BreakKind::Storage, detail));
        }
        if self.is_whole && chain_length != entries {
            let detail = format!("the header says {chain_length} entries, and there are {entries}");
            self.verifier.note(Break::at(ChainIndex(chain_length.min(entries)), BreakKind::Gap, detail));
        }
        Ok(self.finish(started.elapsed()))
    }

    fn message(&mut self, message: &ExportMessage) {
        self.messages += 1;
        let (first, latest) = (message.first_entry(), message.latest_entry());
        if message.deleted_at.is_some() {
            let is_free = if latest != first && message.content == DELETED_CONTENT {
                self.due.delete(latest, message.id)
            } else {
                self.due.claim(latest, message.id, &message.content, false)
            };
            return self.check_claim(is_free, latest, message.id);
        }
        let is_free = self.due.claim(latest, message.id, &message.content, false);
        self.check_claim(is_free, latest, message.id);
        for (place, earlier) in message.edit_history.iter().enumerate() {
            match message.edit_history_entries.get(place).copied().flatten() {
                Some(index) => {
                    let is_free = self.due.claim(index, message.id, earlier, true);
                    self.check_claim(is_free, index, message.id);
                }
                None => self.uncovered += 1,
            }
        }
    }

    /// An entry covers one content of one message: of two that name it, one is made up.
    fn check_claim(&mut self, is_free: bool, index: ChainIndex, id: MessageId) {
        if !is_free && index >= self.from {
            let detail = format!("message {id} names this entry for what it says, and so does another content");
            self.verifier.note(Break::at(index, BreakKind::MissingEntry, detail));
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let (index, id) = (entry.index, entry.message_id);
        let covering = self.due.take(index, id, entry.content_hash);
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
            Covering::Unclaimed => (BreakKind::History, format!("message {id} shows nothing that this entry covers")),
        };
        self.verifier.note(Break::at(index, kind, detail));
    }

    fn finish(mut self, chain_time: Duration) -> Checked {
        for index in self.due.left() {
            let detail = "a message names this entry for what it says, and the entry is not there";
            self.verifier.note(Break::at(index, BreakKind::MissingEntry, detail));
        }
        let mut notes = Vec::new();
        if !self.is_whole {
            notes.push(
                "the export was filtered: each entry was checked by itself, and what was left out not".to_owned(),
            );
        }
        if self.uncovered > 0 {
            let count = self.uncovered;
            notes.push(format!("{count} earlier versions are from before an adoption, and no entry covers them"));
        }
        Checked {
            verified: self.verifier.finish(),
            notes,
            chain_time,
            level: Level::FullAndContents,
            is_whole: self.is_whole,
            is_all_shown: true,
        }
    }
}
