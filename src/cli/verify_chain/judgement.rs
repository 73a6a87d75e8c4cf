//! Which key is believed, what a log is compared with, and what the verdict is: the same for every source, and decided by what
//! is known alone, without looking or asking anywhere.

use super::memory::Remembered;
use super::report::{KeyTrust, Level, Verdict};
use crate::ids::ChainIndex;
use crate::keys::PublicKey;
use crate::logchain::{Break, BreakKind, Head, SignedHead, Verified, VerifyOptions};

/// What kind of source it is: what its age says, and whether it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A running server.
    Server,
    /// The database that a server writes to.
    OwnDatabase,
    /// A database elsewhere: a copy of some moment.
    CopiedDatabase,
    /// An export: of some moment as well.
    Export,
}

impl Source {
    /// Whether the log should have grown since it was seen. A copy is as old as it is.
    const fn should_grow(self) -> bool {
        matches!(self, Self::Server | Self::OwnDatabase)
    }

    /// Whether its head is remembered.
    pub(super) const fn is_remembered(self) -> bool {
        !matches!(self, Self::CopiedDatabase)
    }
}

/// The keys that may be believed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keys<'a> {
    /// Given on the command line.
    pub(super) pinned: Option<PublicKey>,
    /// In the configuration.
    pub(super) configured: Option<PublicKey>,
    /// The one that the source names.
    pub(super) named: Option<PublicKey>,
    /// What is remembered of the source.
    pub(super) known: Option<&'a Remembered>,
}

/// The key that is believed, and why.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) key: PublicKey,
    pub(super) trust: KeyTrust,
    /// What is remembered and to be compared with.
    pub(super) known: Option<Remembered>,
    /// The key is not the one that it should be.
    pub(super) breaks: Vec<Break>,
    pub(super) notes: Vec<String>,
}

/// Decides which key is believed; `None` if there is none. With `accepts` what is remembered does not count any more.
pub(super) fn trust(keys: &Keys<'_>, accepts: bool) -> Option<Trusted> {
    let Keys { pinned, configured, named, known } = *keys;
    let (key, mut trust) = match (pinned, configured, named) {
        (Some(pinned), _, _) => (pinned, KeyTrust::Pinned),
        (None, Some(configured), _) => (configured, KeyTrust::Configured),
        (None, None, Some(named)) if known.is_some() => (named, KeyTrust::Remembered),
        (None, None, Some(named)) => (named, KeyTrust::FirstUse),
        (None, None, None) => return None,
    };
    let mut breaks = Vec::new();
    if let Some(named) = named.filter(|named| *named != key) {
        let detail = format!("the source names the key {named}, and {key} is the one to expect");
        breaks.push(Break::overall(BreakKind::KeyChanged, detail));
    }
    if let Some(known) = known.filter(|known| known.public_key != key.to_string()) {
        let detail = format!("the key is {key}, and {} was seen here before", known.public_key);
        breaks.push(Break::overall(BreakKind::KeyChanged, detail));
        if trust == KeyTrust::Remembered {
            trust = KeyTrust::FirstUse;
        }
    }
    match known.filter(|_| accepts) {
        Some(old) => {
            let note = format!("what was remembered ({} entries) is replaced, as you asked", old.length);
            Some(Trusted { key, trust, known: None, breaks: Vec::new(), notes: vec![note] })
        }
        None => Some(Trusted { key, trust, known: known.cloned(), breaks, notes: Vec::new() }),
    }
}

/// How entries from `from` on are to be verified.
pub(super) fn options(trusted: &Trusted, from: ChainIndex, strict: bool) -> VerifyOptions {
    let remembered =
        trusted.known.as_ref().and_then(|known| Some((ChainIndex(known.length.checked_sub(1)?), known.entry_hash()?)));
    VerifyOptions { from, remembered, strict, ..VerifyOptions::new(trusted.key) }
}

/// Where to begin in a log with `length` entries when `from` is beyond its end: there, if something is wrong that is not to
/// be hidden by a mistake of the person; `None` if it is just that mistake.
pub(super) fn start_beyond(
    source: Source,
    head: Option<&SignedHead>,
    trusted: &Trusted,
    length: u64,
) -> Option<ChainIndex> {
    let is_shorter = source.should_grow() && trusted.known.as_ref().is_some_and(|known| known.length > length);
    let is_signed = head.is_none_or(|head| head.is_signed_by(&trusted.key));
    (is_shorter || !is_signed || !trusted.breaks.is_empty()).then_some(ChainIndex(length))
}

/// Why a log in which nothing is wrong is `consistent` at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caveat {
    /// Sealed entries.
    Sealed,
    /// What some messages say was not shown.
    NotShown,
    /// Some messages show other times than their entries have, as those may that were adopted.
    OtherTimes,
    /// Some entries only.
    Excerpt,
    /// Lines of an export that are not as coms writes them.
    OtherSpelling,
}

/// What was found in a source.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) source: Source,
    /// The head that it shows with a signature.
    pub(super) head: Option<&'a SignedHead>,
    /// The chain. Its breaks are completed.
    pub(super) verified: Verified,
    /// How much could be seen.
    pub(super) level: Level,
    /// Whether these are all entries from the first one asked for on.
    pub(super) is_whole: bool,
    pub(super) caveat: Option<Caveat>,
    /// The index of the first entry that was to be verified.
    pub(super) from: u64,
    /// Whether the log is to be remembered as it is.
    pub(super) accepts: bool,
}

/// What follows from it.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) verified: Verified,
    pub(super) notes: Vec<String>,
    pub(super) caveat: Option<Caveat>,
    /// How many entries there are beyond those that were seen before, if the log continues that one.
    pub(super) new_since_last: Option<u64>,
    /// How many entries were seen before, if this copy has fewer.
    pub(super) older_than: Option<u64>,
    /// Whether its head is to be remembered.
    pub(super) is_to_be_remembered: bool,
    /// Whether this is another log than the one that was seen.
    pub(super) is_another: bool,
}

/// Compares with what is remembered, and decides.
pub(super) fn judge(trusted: &Trusted, found: Found<'_>) -> Judgement {
    let Found { source, head, mut verified, level, is_whole, caveat, from, accepts } = found;
    for fault in &trusted.breaks {
        verified.breaks.add(fault.clone());
    }
    if let Some(head) = head {
        check_head(head, &trusted.key, is_whole, &mut verified);
    }
    let mut notes = trusted.notes.clone();
    let known = trusted.known.as_ref();
    let (length, seen) = (verified.head.length, known.map_or(0, |known| known.length));
    let is_shorter = is_whole && length < seen;
    if is_shorter && source.should_grow() {
        let detail = format!("the log ends here, and {seen} entries were seen before");
        verified.breaks.add(Break::at(ChainIndex(length), BreakKind::RolledBack, detail));
    }
    let older_than = (is_shorter && !source.should_grow()).then_some(seen);
    if let Some(seen) = older_than {
        notes.push(format!(
            "a log with {seen} entries was seen before, and this copy of an earlier moment has {length}: whether that one \
             continues this one, only the later source can show; what is remembered stays as it was"
        ));
    }
    let unchecked = (known.is_some() && from > seen).then_some(seen);
    if let Some(seen) = unchecked {
        notes.push(format!(
            "{seen} entries were seen before, and those from there to {from} were not checked now: what is remembered stays \
             as it was"
        ));
    }
    let kinds = [BreakKind::RolledBack, BreakKind::Forked, BreakKind::KeyChanged];
    let is_other = kinds.iter().any(|kind| verified.breaks.has(*kind));
    let continues = known.is_some() && is_whole && length >= seen && !is_other && unchecked.is_none();
    let caveat = if level == Level::Sealed { Some(Caveat::Sealed) } else { caveat };
    let verdict = match (verified.breaks.is_empty(), caveat) {
        (false, _) => Verdict::Broken,
        (true, Some(_)) => Verdict::Consistent,
        (true, None) => Verdict::Intact,
    };
    // An entry was seen that has the head's hash, or there is none.
    let was_seen = verified.last.is_some() || verified.head == Head::EMPTY;
    let is_accepted = verdict != Verdict::Broken || accepts;
    Judgement {
        verdict,
        notes,
        caveat,
        new_since_last: continues.then(|| length - seen),
        older_than,
        is_to_be_remembered: source.is_remembered()
            && is_whole
            && is_accepted
            && was_seen
            && unchecked.is_none()
            && older_than.is_none(),
        is_another: known.is_some() && is_other,
        verified,
    }
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

#[cfg(test)]
mod tests;
