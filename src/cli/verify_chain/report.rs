//! What is said in the end: one JSON object, or lines for a person of which the last is the verdict.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::judgement::Caveat;
use crate::cli::json::json_line;
use crate::cli::{CliError, Globals, printable};
use crate::logchain::{Break, Breaks};
use crate::time::Timestamp;

/// How the note begins that says where evidence is kept.
const EVIDENCE: &str = "evidence: ";

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Everything was checked, and holds.
    Intact,
    /// What could be seen holds, and it was not everything.
    Consistent,
    /// Something does not hold.
    Broken,
    /// It could not be told.
    Unknown,
}

/// Why the key is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeyTrust {
    /// It was given on the command line.
    Pinned,
    /// It is the one of last time.
    Remembered,
    /// Nothing speaks for it but the source itself.
    FirstUse,
    /// The configuration names it.
    Configured,
}

/// How much could be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Level {
    /// Hashes, links, signatures.
    #[serde(rename = "full")]
    Full,
    /// And what the messages say.
    #[serde(rename = "full+contents")]
    FullAndContents,
    /// Signatures alone.
    #[serde(rename = "sealed")]
    Sealed,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct HeadReport {
    /// The index of the last entry; null for an empty log.
    pub(super) index: Option<u64>,
    /// Its hash, in hex.
    pub(super) hash: String,
    /// Its time, or that of the signed head if the entry was sealed; milliseconds since the epoch.
    pub(super) timestamp: Option<u64>,
}

/// The whole answer, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// Why it is `consistent` at most.
    #[serde(skip)]
    pub(super) caveat: Option<Caveat>,
    pub(super) source: String,
    pub(super) server_id: Option<String>,
    pub(super) public_key: Option<String>,
    pub(super) key_trust: Option<KeyTrust>,
    pub(super) level: Option<Level>,
    pub(super) entries: u64,
    pub(super) from: u64,
    pub(super) new_since_last: Option<u64>,
    /// How many entries were seen before, if this is a copy of an earlier moment.
    pub(super) older_than: Option<u64>,
    pub(super) head: Option<HeadReport>,
    pub(super) remembered: Option<HeadReport>,
    pub(super) breaks: Vec<Break>,
    /// How many breaks there are at least, listed or not.
    #[serde(skip)]
    pub(super) breaks_total: u64,
    pub(super) notes: Vec<String>,
    /// The chain: hashes and signatures.
    pub(super) seconds: f64,
    pub(super) total_seconds: f64,
}

impl Report {
    /// It could not be told, since `error` happened.
    pub(super) fn unknown(source: String, error: &CliError, started: Instant) -> Self {
        Self {
            verdict: Verdict::Unknown,
            caveat: None,
            source,
            server_id: None,
            public_key: None,
            key_trust: None,
            level: None,
            entries: 0,
            from: 0,
            new_since_last: None,
            older_than: None,
            head: None,
            remembered: None,
            breaks: Vec::new(),
            breaks_total: 0,
            notes: vec![error.describe()],
            seconds: 0.0,
            total_seconds: started.elapsed().as_secs_f64(),
        }
    }

    /// Takes over the listed breaks, and says how many more there are.
    pub(super) fn take_breaks(&mut self, breaks: &Breaks) {
        self.breaks = breaks.listed().to_vec();
        self.breaks_total = breaks.total();
        let unlisted = self.breaks_total - self.breaks.len() as u64;
        if unlisted > 0 {
            self.notes.push(format!("there are at least {unlisted} more breaks than are listed"));
        }
    }

    /// Says where the evidence is.
    pub(super) fn keep_evidence(&mut self, path: &Path) {
        self.notes.push(format!("{EVIDENCE}{}", path.display()));
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Intact | Verdict::Consistent)
    }

    /// Prints it on standard output.
    pub(super) fn print(&self, json: bool, globals: &Globals) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if json {
            writeln!(stdout, "{}", json_line(self)?)?;
        } else {
            self.print_text(&mut stdout, globals)?;
        }
        stdout.flush()
    }

    fn print_text(&self, out: &mut impl io::Write, globals: &Globals) -> io::Result<()> {
        // Why it could not be told is said as the error, on standard error.
        if self.verdict == Verdict::Unknown {
            return writeln!(out, "{}", self.verdict_line());
        }
        if !globals.quiet {
            self.print_facts(out)?;
        }
        // Where the evidence is, is a result.
        for note in self.notes.iter().filter(|note| !globals.quiet || note.starts_with(EVIDENCE)) {
            writeln!(out, "note     {}", printable(note))?;
        }
        for fault in &self.breaks {
            let place = fault.index.map_or_else(String::new, |index| format!(" at {index}"));
            writeln!(out, "break{place}: {}: {}", fault.kind.name(), printable(&fault.detail))?;
        }
        writeln!(out, "{}", self.verdict_line())
    }

    fn print_facts(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "source   {}", printable(&self.source))?;
        if let Some(server_id) = &self.server_id {
            writeln!(out, "server   {}", printable(server_id))?;
        }
        if let Some(key) = &self.public_key {
            let trust = match self.key_trust {
                Some(KeyTrust::Pinned) => "given on the command line",
                Some(KeyTrust::Remembered) => "the one of last time",
                Some(KeyTrust::Configured) => "the configured one",
                Some(KeyTrust::FirstUse) | None => "taken on trust: nothing but the source itself speaks for it",
            };
            writeln!(out, "key      {key} ({trust})")?;
        }
        if let Some(head) = &self.head {
            let time = head.timestamp.map_or_else(String::new, |ms| format!(", {}", Timestamp::from_unix_ms(ms)));
            writeln!(out, "head     {}{time}", head.hash)?;
        }
        match (&self.remembered, self.new_since_last) {
            (Some(_), Some(new)) => writeln!(out, "memory   continues what was seen before: {new} new entries")?,
            (Some(head), None) => {
                let seen = head.index.map_or(0, |index| index + 1);
                writeln!(out, "memory   {seen} entries were seen before")?;
            }
            (None, _) => {}
        }
        Ok(())
    }

    fn verdict_line(&self) -> String {
        let entries = match (self.entries, self.from) {
            (1, 0) => "1 entry".to_owned(),
            (entries, 0) => format!("{entries} entries"),
            (entries, from) => format!("{entries} entries from {from} on"),
        };
        let older = self.older_than.map_or_else(String::new, |seen| format!(", older than what was seen ({seen})"));
        match (self.verdict, self.level) {
            (Verdict::Intact, Some(Level::FullAndContents)) => {
                format!("intact{older}: {entries}, and what the messages say")
            }
            (Verdict::Intact, _) => format!("intact{older}: {entries}"),
            (Verdict::Consistent, _) => {
                let why = match self.caveat {
                    Some(Caveat::Sealed) => ", sealed: signed and in order; links and contents were not shown",
                    Some(Caveat::NotShown) => "; what some of the messages say was not shown",
                    Some(Caveat::OtherTimes) => "; some messages show other times than their entries have",
                    Some(Caveat::Excerpt) => ", each by itself; the others were left out",
                    Some(Caveat::OtherSpelling) => "; some lines are not as this version of coms writes them",
                    None => "",
                };
                format!("consistent{older}: {entries}{why}")
            }
            (Verdict::Broken, _) => {
                let first = self.breaks.iter().find_map(|fault| fault.index);
                let place = first.map_or_else(String::new, |index| format!(", first at {index}"));
                let breaks = match self.breaks_total {
                    1 => "1 break".to_owned(),
                    count if count > self.breaks.len() as u64 => format!("at least {count} breaks"),
                    count => format!("{count} breaks"),
                };
                format!("broken: {breaks}{place}")
            }
            (Verdict::Unknown, _) => "unknown: it could not be verified".to_owned(),
        }
    }
}
