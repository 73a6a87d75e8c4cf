//! Which key is believed, what the log is compared with, and what the verdict is: the same for every source.

use std::time::Duration;

use super::Request;
use super::evidence::{self, Evidence};
use super::memory::{Memory, Remembered};
use super::report::{HeadReport, KeyTrust, Level, Report, Verdict};
use crate::cli::CliError;
use crate::ids::ChainIndex;
use crate::keys::PublicKey;
use crate::logchain::{Break, BreakKind, Entry, Head, SignedHead, Verified, VerifyOptions};
use crate::time::Clock;

/// What a source says of itself before its entries are read.
pub(super) struct Presented {
    /// The source, for people.
    pub(super) source: String,
    /// Under which name it is remembered.
    pub(super) memory_key: String,
    /// Where the server is, if it is a running one.
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
    /// Whether the source showed all that it was asked for. Not so if it left out what messages say.
    pub(super) is_all_shown: bool,
}

/// Judges one log.
pub(super) struct Judge<'a> {
    request: &'a Request<'a>,
    memory: Option<Memory>,
}

/// The key that is believed, and why.
pub(super) struct Trusted {
    pub(super) key: PublicKey,
    trust: KeyTrust,
    /// What is remembered and to be compared with.
    remembered: Option<Remembered>,
    /// The key is not the one that it should be.
    breaks: Vec<Break>,
    notes: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(request: &'a Request<'a>, memory: Option<Memory>) -> Self {
        Self { request, memory }
    }

    /// Decides which key is believed.
    pub(super) fn trust(&self, presented: &Presented) -> Result<Trusted, CliError> {
        let args = self.request.args;
        let known = self.memory.as_ref().and_then(|memory| memory.of(&presented.memory_key)).cloned();
        let (key, trust) = match (args.public_key, self.request.configured.public_key, presented.key) {
            (Some(pinned), _, _) => (pinned, KeyTrust::Pinned),
            (None, Some(configured), _) => (configured, KeyTrust::Configured),
            (None, None, Some(named)) if known.is_some() => (named, KeyTrust::Remembered),
            (None, None, Some(named)) => (named, KeyTrust::FirstUse),
            (None, None, None) => {
                return Err(CliError::usage(format!("{} does not name the server's public key", presented.source))
                    .hint("give it with `--public-key HEX`, or set SERVER_PUBLIC_KEY"));
            }
        };
        let mut trusted = Trusted { key, trust, remembered: known, breaks: Vec::new(), notes: Vec::new() };
        if let Some(named) = presented.key.filter(|named| *named != key) {
            let detail = format!("the source names the key {named}, and {key} is the one to expect");
            trusted.breaks.push(Break::overall(BreakKind::KeyChanged, detail));
        }
        self.compare_key(presented, &mut trusted);
        if args.accept_head
            && let Some(old) = trusted.remembered.take()
        {
            trusted.notes.push(format!("what was remembered ({} entries) is replaced, as you asked", old.length));
            trusted.breaks.clear();
        }
        Ok(trusted)
    }

    fn compare_key(&self, presented: &Presented, trusted: &mut Trusted) {
        let key = trusted.key;
        match &trusted.remembered {
            Some(known) if known.public_key != key.to_string() => {
                let detail = format!("the key is {key}, and {} was seen here before", known.public_key);
                trusted.breaks.push(Break::overall(BreakKind::KeyChanged, detail));
                if trusted.trust == KeyTrust::Remembered {
                    trusted.trust = KeyTrust::FirstUse;
                }
            }
            Some(_) => {}
            None => {
                self.warn_of_another_id(presented, trusted);
                self.warn_of_first_use(trusted);
            }
        }
    }

    /// A server that takes another id would be met as if for the first time.
    fn warn_of_another_id(&self, presented: &Presented, trusted: &mut Trusted) {
        let known = self.memory.as_ref().zip(presented.origin.as_ref()).and_then(|(memory, origin)| memory.at(origin));
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

    fn warn_of_first_use(&self, trusted: &Trusted) {
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
        let Some(length) = length.filter(|length| from.0 > *length) else {
            return Ok(self.options_from(from, trusted));
        };
        let is_shorter = trusted.remembered.as_ref().is_some_and(|known| known.length > length);
        let is_signed = presented.head.as_ref().is_none_or(|head| head.is_signed_by(&trusted.key));
        if is_shorter || !is_signed || !trusted.breaks.is_empty() {
            return Ok(self.options_from(ChainIndex(length), trusted));
        }
        let entries = if length == 1 { "1 entry".to_owned() } else { format!("{length} entries") };
        Err(CliError::usage(format!("`--from {from}` is beyond the end of the log, which has {entries}")))
    }

    fn options_from(&self, from: ChainIndex, trusted: &Trusted) -> VerifyOptions {
        let remembered = trusted
            .remembered
            .as_ref()
            .and_then(|known| Some((ChainIndex(known.length.checked_sub(1)?), known.entry_hash()?)));
        VerifyOptions {
            from,
            remembered,
            strict: self.request.args.strict_signatures,
            ..VerifyOptions::new(trusted.key)
        }
    }

    /// Compares with what is remembered, and remembers what was found good. Returns the report and, if the log is not
    /// the one that was seen, what evidence is to be kept.
    pub(super) fn conclude(
        &self,
        presented: &Presented,
        mut trusted: Trusted,
        checked: Checked,
    ) -> Result<(Report, Option<Evidence>), CliError> {
        let Checked { mut verified, notes, chain_time, level, is_whole, is_all_shown } = checked;
        for fault in std::mem::take(&mut trusted.breaks) {
            verified.breaks.add(fault);
        }
        if let Some(head) = &presented.head {
            check_head(head, &trusted.key, is_whole, &mut verified);
        }
        let mut new = if is_whole { compare_length(&trusted, &mut verified) } else { None };
        trusted.notes.extend(notes);
        if level == Level::Sealed {
            trusted.notes.push(SEALED_SHOWS.to_owned());
        }
        let verdict = match (verified.breaks.is_empty(), is_whole && is_all_shown && level != Level::Sealed) {
            (false, _) => Verdict::Broken,
            (true, false) => Verdict::Consistent,
            (true, true) => Verdict::Intact,
        };
        let accepts = verdict != Verdict::Broken || self.request.args.accept_head;
        let unchecked = self.unchecked_since(&trusted);
        if let Some(note) = unchecked {
            new = None;
            trusted.notes.push(note);
        } else if is_whole && accepts && was_seen(&verified) {
            self.remember(presented, &trusted, &verified)?;
        }
        let evidence = evidence_of(presented, &trusted, &verified);
        let mut report = Report {
            verdict,
            source: presented.source.clone(),
            server_id: presented.server_id.clone(),
            public_key: Some(trusted.key.to_string()),
            key_trust: Some(trusted.trust),
            level: Some(level),
            entries: verified.entries,
            from: self.request.args.from,
            new_since_last: new,
            head: Some(head_report(&verified, presented.head.as_ref())),
            remembered: trusted.remembered.as_ref().map(remembered_report),
            breaks: Vec::new(),
            breaks_total: 0,
            notes: trusted.notes,
            seconds: chain_time.as_secs_f64(),
            total_seconds: self.request.started.elapsed().as_secs_f64(),
        };
        report.take_breaks(&verified.breaks);
        Ok((report, evidence))
    }

    /// What to say if entries between what is remembered and the first that was verified were left out. Nothing then
    /// shows that this log continues that one, and it does not take its place in the memory.
    fn unchecked_since(&self, trusted: &Trusted) -> Option<String> {
        let known = trusted.remembered.as_ref()?;
        let from = self.request.from().0;
        (from > known.length).then(|| {
            format!(
                "{} entries were seen before, and those from there to {from} were not checked now: what is remembered \
                 stays as it was",
                known.length
            )
        })
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
        };
        memory.remember(&presented.memory_key, remembered, self.request.args.accept_head)
    }
}

const SEALED_SHOWS: &str = "sealed entries show how long the log is, that the server signed each hash, and that it still \
     shows what it showed before; whether the entries link to each other and what the messages say takes a member's or an \
     auditor's token";

/// Whether the head can be remembered: an entry was seen that has its hash, or there is none.
fn was_seen(verified: &Verified) -> bool {
    verified.last.is_some() || verified.head == Head::EMPTY
}

/// What is kept of a log that is not the one that was seen.
fn evidence_of(presented: &Presented, trusted: &Trusted, verified: &Verified) -> Option<Evidence> {
    let remembered = trusted.remembered.clone()?;
    let kinds = [BreakKind::RolledBack, BreakKind::Forked, BreakKind::KeyChanged];
    kinds.iter().any(|kind| verified.breaks.has(*kind)).then(|| Evidence {
        found_at: Clock::system().now(),
        source: presented.source.clone(),
        server_id: presented.server_id.clone(),
        public_key: trusted.key.to_string(),
        presented_length: verified.head.length,
        presented_hash: verified.head.hash.to_string(),
        presented_head: presented.head.clone(),
        remembered,
    })
}

/// The head that the source shows with a signature, against where its entries end.
fn check_head(signed: &SignedHead, key: &PublicKey, is_whole: bool, verified: &mut Verified) {
    if !signed.is_signed_by(key) {
        let detail = "the server's key did not sign the head that is shown";
        verified.breaks.add(Break::overall(BreakKind::Signature, detail));
    }
    if !is_whole {
        return;
    }
    let (shown, found) = (signed.head, verified.head);
    if found.length < shown.length {
        let detail = format!("the signed head says {} entries, and they end here", shown.length);
        verified.breaks.add(Break::at(ChainIndex(found.length), BreakKind::Gap, detail));
    } else if shown != found {
        let index = shown.last_index().unwrap_or(ChainIndex(0));
        let detail = format!("the signed head says {}, and the entry there has hash {}", shown.hash, found.hash);
        verified.breaks.add(Break::at(index, BreakKind::Forked, detail));
    }
}

/// A log that is shorter than it was. Otherwise: how much longer it is.
fn compare_length(trusted: &Trusted, verified: &mut Verified) -> Option<u64> {
    let known = trusted.remembered.as_ref()?;
    let Head { length, .. } = verified.head;
    if length < known.length {
        let detail = format!("the log ends here, and {} entries were seen before", known.length);
        verified.breaks.add(Break::at(ChainIndex(length), BreakKind::RolledBack, detail));
        return None;
    }
    let is_other = verified.breaks.has(BreakKind::Forked) || verified.breaks.has(BreakKind::KeyChanged);
    (!is_other).then_some(length - known.length)
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
