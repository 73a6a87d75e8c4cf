//! An export as the source, read in one pass: `channels::export_format` says in which order its lines come.

mod lines;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use lines::Lines;

use super::judgement::{Checked, Presented};
use super::report::{Level, Report};
use super::{Request, memory, progress};
use crate::channels::export_format::{ENTRY_PREFIX, EXPORT_VERSION, ExportHeader, ExportLine, ExportMessage};
use crate::cli::CliError;
use crate::ids::{ChainIndex, MessageId};
use crate::keys::PublicKey;
use crate::logchain::{Break, BreakKind, ContentHash, Entry, EntryLine, Verifier, VerifyOptions};

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
    let checked = ExportCheck::new(options, is_whole).run(&mut lines, &bar, header.chain_length).await?;
    bar.finish_and_clear();
    let (mut report, evidence) = judge.conclude(&presented, trusted, checked)?;
    if let Some(evidence) = evidence {
        // The entries are in the export itself, which may have come through a pipe; the heads are what proves it.
        judge.keep_evidence(&evidence, &[], &mut report);
    }
    Ok(report)
}

fn open(path: &Path) -> io::Result<Lines> {
    if path == Path::new("-") { Lines::of(io::stdin()) } else { Lines::of(File::open(path)?) }
}

async fn read_header(lines: &mut Lines) -> Result<ExportHeader, CliError> {
    let foreign = || CliError::failed("this is no export of coms in JSON Lines").hint("`coms export` writes one");
    if !lines.advance().await? {
        return Err(foreign());
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
    /// What later entries must cover: the message, the hash of its content, and whether that is an earlier one.
    due: HashMap<ChainIndex, (MessageId, ContentHash, bool)>,
    /// Deleted messages whose deletion is still to come, with its index.
    deleted: HashMap<MessageId, ChainIndex>,
    messages: u64,
    channels: u64,
    uncovered: u64,
}

impl ExportCheck {
    fn new(options: VerifyOptions, is_whole: bool) -> Self {
        let from = options.from;
        Self {
            verifier: Verifier::new(options, Verifier::all_cores()),
            is_whole,
            from,
            due: HashMap::new(),
            deleted: HashMap::new(),
            messages: 0,
            channels: 0,
            uncovered: 0,
        }
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
        self.due.insert(latest, (message.id, ContentHash::of(&message.content), false));
        if message.deleted_at.is_some() {
            if latest != first {
                self.deleted.insert(message.id, latest);
            }
            return;
        }
        for (place, earlier) in message.edit_history.iter().enumerate() {
            match message.edit_history_entries.get(place).copied().flatten() {
                Some(index) => {
                    self.due.insert(index, (message.id, ContentHash::of(earlier), true));
                }
                None => self.uncovered += 1,
            }
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let due = self.due.remove(&entry.index);
        if entry.index < self.from {
            self.verifier.pass_over(entry.index, entry.hash);
            return;
        }
        self.verifier.push(entry);
        let (index, id) = (entry.index, entry.message_id);
        match due {
            Some((message_id, hash, is_earlier)) => {
                let kind = if is_earlier { BreakKind::History } else { BreakKind::Content };
                if message_id != id {
                    let detail = format!("message {message_id} names this entry, which is about {id}");
                    self.verifier.note(Break::at(index, BreakKind::MissingEntry, detail));
                } else if hash != entry.content_hash {
                    let detail = format!("message {id} says something else than this entry covers");
                    self.verifier.note(Break::at(index, kind, detail));
                } else if self.deleted.get(&id) == Some(&index) {
                    self.deleted.remove(&id);
                }
            }
            None if self.deleted.contains_key(&id) => {}
            None => {
                let detail = format!("message {id} shows nothing that this entry covers");
                self.verifier.note(Break::at(index, BreakKind::History, detail));
            }
        }
    }

    fn finish(mut self, chain_time: Duration) -> Checked {
        for (index, (message_id, _, _)) in &self.due {
            let detail = format!("no entry covers what message {message_id} says");
            self.verifier.note(Break::at(*index, BreakKind::MissingEntry, detail));
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
