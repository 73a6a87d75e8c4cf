//! Judges a log for a person: with the memory, the warnings and the evidence that `judgement` decides on.

use std::time::Duration;

use super::Request;
use super::evidence::{self, Evidence};
use super::judgement::{self, Caveat, Found, Judgement, Keys, Source, Trusted};
use super::memory::{Memory, Remembered};
use super::report::{HeadReport, KeyTrust, Level, Report};
use crate::cli::CliError;
use crate::keys::PublicKey;
use crate::logchain::{Entry, SignedHead, Verified, VerifyOptions};
use crate::time::Clock;

/// What a source says of itself before its entries are read.
pub(super) struct Presented {
    pub(super) kind: Source,
    /// The source, for people.
    pub(super) source: String,
    /// Under which name it is remembered.
    pub(super) memory_key: String,
    /// Where the server is, if it is a running one; where the file is, if it is a database.
    pub(super) origin: Option<String>,
    /// The server that it names.
    pub(super) server_id: Option<String>,
    /// The key that it names.
    pub(super) key: Option<PublicKey>,
    /// The head that it shows with the server's signature.
    pub(super) head: Option<SignedHead>,
}

/// What a source found.
pub(super) struct Checked {
    /// The chain.
    pub(super) verified: Verified,
    /// What is worth knowing.
    pub(super) notes: Vec<String>,
    /// How long the chain took.
    pub(super) chain_time: Duration,
    /// How much could be seen.
    pub(super) level: Level,
    /// Whether these are all entries from the first one asked for on. Not so for a filtered export.
    pub(super) is_whole: bool,
    /// Why it can be `consistent` at most.
    pub(super) caveat: Option<Caveat>,
}

/// Judges one log.
pub(super) struct Judge<'a> {
    request: &'a Request<'a>,
    memory: Option<Memory>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(request: &'a Request<'a>, memory: Option<Memory>) -> Self {
        Self { request, memory }
    }

    /// What is remembered under a name.
    pub(super) fn known(&self, memory_key: &str) -> Option<&Remembered> {
        self.memory.as_ref()?.of(memory_key)
    }

    /// Decides which key is believed.
    pub(super) fn trust(&self, presented: &Presented) -> Result<Trusted, CliError> {
        let args = self.request.args;
        let known = self.known(&presented.memory_key);
        let keys = Keys {
            pinned: args.public_key,
            configured: self.request.configured.public_key,
            named: presented.key,
            known,
        };
        let Some(mut trusted) = judgement::trust(&keys, args.accept_head) else {
            return Err(CliError::usage(format!("{} does not name the server's public key", presented.source))
                .hint("give it with `--public-key HEX`, or set SERVER_PUBLIC_KEY"));
        };
        if known.is_none() {
            self.warn_of_another_id(presented, &mut trusted);
            self.warn_of_first_use(presented, &trusted);
        }
        Ok(trusted)
    }

    /// A server that takes another id would be met as if for the first time.
    fn warn_of_another_id(&self, presented: &Presented, trusted: &mut Trusted) {
        let origin = presented.origin.as_ref().filter(|_| presented.kind == Source::Server);
        let known = self.memory.as_ref().zip(origin).and_then(|(memory, origin)| memory.at(origin));
        let Some(known) = known else { return };
        let warning = format!(
            "{} was seen before, with {} entries, and its server had another id: {}. What is remembered of that one is \
             not compared with this log; ask the operator why the id changed",
            presented.source,
            known.length,
            known.server_id.as_deref().unwrap_or("none")
        );
        self.request.globals.warn(&warning);
        trusted.notes.push(warning);
    }

    fn warn_of_first_use(&self, presented: &Presented, trusted: &Trusted) {
        let globals = self.request.globals;
        if trusted.trust == KeyTrust::FirstUse {
            globals.warn(format_args!(
                "this log was never verified here before: its key is taken on trust. Compare it with what the operator \
                 tells you in another way: {}",
                trusted.key
            ));
        }
        match &self.memory {
            None => globals.warn("nothing is remembered: a log that was written anew can't be told from the old one"),
            Some(_) if !presented.kind.is_remembered() => globals.warn(
                "there is no memory of this log, so that a rewritten one would look the same; a copy of a database that is \
                 not the configured one is compared and not remembered",
            ),
            Some(memory) => {
                globals.warn(format_args!(
                    "there is no memory of this log yet, so that a rewritten one would look the same; from now on its \
                     head is remembered in `{}`",
                    memory.path().display()
                ));
                if memory.len() > 0 && self.request.args.state.is_some() {
                    globals.warn("the memory that you named knows other logs, and not this one");
                }
            }
        }
    }

    /// How the entries of a log with `length` of them are to be verified; `None` if that is not known.
    ///
    /// To begin beyond the end is a mistake of the person, and not to hide a log that was cut short or is not the one it
    /// should be: then there is nothing to verify but that.
    pub(super) fn options(
        &self,
        presented: &Presented,
        trusted: &Trusted,
        length: Option<u64>,
    ) -> Result<VerifyOptions, CliError> {
        let from = self.request.from();
        let options = |from| judgement::options(trusted, from, self.request.args.strict_signatures);
        let Some(length) = length.filter(|length| from.0 > *length) else { return Ok(options(from)) };
        if let Some(start) = judgement::start_beyond(presented.kind, presented.head.as_ref(), trusted, length) {
            return Ok(options(start));
        }
        let entries = if length == 1 { "1 entry".to_owned() } else { format!("{length} entries") };
        Err(CliError::usage(format!("`--from {from}` is beyond the end of the log, which has {entries}")))
    }

    /// Compares with what is remembered, and remembers what was found good. Returns the report and, if the log is not
    /// the one that was seen, what evidence is to be kept.
    pub(super) fn conclude(
        &self,
        presented: &Presented,
        trusted: &Trusted,
        checked: Checked,
    ) -> Result<(Report, Option<Evidence>), CliError> {
        let Checked { verified, notes, chain_time, level, is_whole, caveat } = checked;
        let found = Found {
            source: presented.kind,
            head: presented.head.as_ref(),
            verified,
            level,
            is_whole,
            caveat,
            from: self.request.args.from,
            accepts: self.request.args.accept_head,
        };
        let judgement = judgement::judge(trusted, found);
        if judgement.is_to_be_remembered {
            self.remember(presented, trusted, &judgement.verified)?;
        }
        let evidence = evidence_of(presented, trusted, &judgement);
        let Judgement { verdict, verified, notes: mut all_notes, caveat, new_since_last, older_than, .. } = judgement;
        all_notes.splice(trusted.notes.len()..trusted.notes.len(), notes);
        match level {
            Level::Sealed => all_notes.push(SEALED_SHOWS.to_owned()),
            Level::FullAndContents => all_notes.push(NOT_COVERED.to_owned()),
            Level::Full => {}
        }
        let mut report = Report {
            verdict,
            caveat,
            source: presented.source.clone(),
            server_id: presented.server_id.clone(),
            public_key: Some(trusted.key.to_string()),
            key_trust: Some(trusted.trust),
            level: Some(level),
            entries: verified.entries,
            from: self.request.args.from,
            new_since_last,
            older_than,
            head: Some(head_report(&verified, presented.head.as_ref())),
            remembered: trusted.known.as_ref().map(remembered_report),
            breaks: Vec::new(),
            breaks_total: 0,
            notes: all_notes,
            seconds: chain_time.as_secs_f64(),
            total_seconds: self.request.started.elapsed().as_secs_f64(),
        };
        report.take_breaks(&verified.breaks);
        Ok((report, evidence))
    }

    /// Writes the evidence file and says where it is. If it can't be written, the log is broken all the same.
    pub(super) fn keep_evidence(&self, evidence: &Evidence, entries: &[Entry], report: &mut Report) {
        let Some(memory) = &self.memory else { return };
        let path = match memory.folder().and_then(|folder| evidence::write(&folder, evidence, entries)) {
            Ok(path) => path,
            Err(error) => return report.notes.push(error.describe()),
        };
        self.request.globals.warn(format_args!(
            "this is not the log that was seen here before. What proves it is kept in `{}`; what is remembered stays as \
             it was. If the operator restored a backup and said so, `--accept-head` takes the log as it is now",
            path.display()
        ));
        report.keep_evidence(&path);
    }

    fn remember(&self, presented: &Presented, trusted: &Trusted, verified: &Verified) -> Result<(), CliError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let head = head_report(verified, presented.head.as_ref());
        let remembered = Remembered {
            server_id: presented.server_id.clone(),
            public_key: trusted.key.to_string(),
            length: verified.head.length,
            hash: verified.head.hash.to_string(),
            timestamp: head.timestamp.unwrap_or_default(),
            signed_head: presented.head.clone(),
            accepted_at: Clock::system().now(),
            path: presented.origin.clone().filter(|_| presented.kind == Source::OwnDatabase),
        };
        memory.remember(&presented.memory_key, remembered, self.request.args.accept_head)
    }
}

const SEALED_SHOWS: &str = "sealed entries show how long the log is, that the server signed each hash, and that it still \
     shows what it showed before; whether the entries link to each other and what the messages say takes a member's or an \
     auditor's token";

const NOT_COVERED: &str = "not covered by the log, and so not checked: who wrote a message (its author), in which channel it \
     stands, its metadata, and the channels themselves";

/// What is kept of a log that is not the one that was seen.
fn evidence_of(presented: &Presented, trusted: &Trusted, judgement: &Judgement) -> Option<Evidence> {
    let remembered = trusted.known.clone().filter(|_| judgement.is_another)?;
    let presented_head = judgement.verified.head;
    Some(Evidence {
        found_at: Clock::system().now(),
        source: presented.source.clone(),
        server_id: presented.server_id.clone(),
        public_key: trusted.key.to_string(),
        presented_length: presented_head.length,
        presented_hash: presented_head.hash.to_string(),
        presented_head: presented.head.clone(),
        remembered,
    })
}

fn head_report(verified: &Verified, signed: Option<&SignedHead>) -> HeadReport {
    let signed_at = signed.map(|signed| signed.timestamp);
    HeadReport {
        index: verified.head.last_index().map(|index| index.0),
        hash: verified.head.hash.to_string(),
        timestamp: verified.last_timestamp.or(signed_at).map(crate::time::Timestamp::unix_ms),
    }
}

fn remembered_report(known: &Remembered) -> HeadReport {
    HeadReport { index: known.length.checked_sub(1), hash: known.hash.clone(), timestamp: Some(known.timestamp) }
}
