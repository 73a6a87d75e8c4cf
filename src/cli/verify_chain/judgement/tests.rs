use super::*;
use crate::keys::SigningKey;
use crate::logchain::{Breaks, EntryHash, SealedEntry, Signature};
use crate::time::Timestamp;

const SERVER: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn hash(byte: u8) -> EntryHash {
    EntryHash([byte; 32])
}

/// What is remembered of a log of `length` entries, signed with the key of `seed`.
fn known(length: u64, seed: u8) -> Remembered {
    Remembered {
        server_id: Some(SERVER.to_owned()),
        public_key: key(seed).public().to_string(),
        length,
        hash: hash(7).to_string(),
        timestamp: 5,
        signed_head: None,
        accepted_at: Timestamp::from_unix_ms(6),
        path: None,
    }
}

/// A log of `length` entries in which `breaks` were found.
fn verified(length: u64, breaks: &[BreakKind]) -> Verified {
    let mut found = Breaks::default();
    for kind in breaks {
        found.add(Break::at(ChainIndex(0), *kind, "x"));
    }
    let last = length.checked_sub(1).map(|index| SealedEntry {
        index: ChainIndex(index),
        hash: hash(9),
        signature: Signature([0; 64]),
    });
    let head = if length == 0 { Head::EMPTY } else { Head { length, hash: hash(9) } };
    Verified { entries: length, head, last, last_timestamp: None, breaks: found }
}

fn trusted(known: Option<&Remembered>) -> Trusted {
    let keys = Keys { named: Some(key(1).public()), known, ..Keys::default() };
    trust(&keys, false).expect("a key")
}

fn found(source: Source, verified: Verified) -> Found<'static> {
    let level = Level::FullAndContents;
    Found { source, head: None, verified, level, is_whole: true, caveat: None, from: 0, accepts: false }
}

fn kinds(judgement: &Judgement) -> Vec<BreakKind> {
    judgement.verified.breaks.listed().iter().map(|fault| fault.kind).collect()
}

const SOURCES: [Source; 4] = [Source::Server, Source::OwnDatabase, Source::CopiedDatabase, Source::Export];

#[test]
fn the_key_that_is_believed_is_the_pinned_then_the_configured_then_the_named_one() {
    let [one, two, three] = [1, 2, 3].map(|seed| key(seed).public());
    let seen = known(5, 1);
    for (pinned, configured, named, is_known, expected, changed) in [
        (None, None, None, false, None, 0),
        (None, None, None, true, None, 0),
        (None, None, Some(one), false, Some((one, KeyTrust::FirstUse)), 0),
        (None, None, Some(one), true, Some((one, KeyTrust::Remembered)), 0),
        (None, None, Some(two), true, Some((two, KeyTrust::FirstUse)), 1),
        (None, Some(one), None, false, Some((one, KeyTrust::Configured)), 0),
        (None, Some(one), Some(two), false, Some((one, KeyTrust::Configured)), 1),
        (None, Some(two), Some(two), true, Some((two, KeyTrust::Configured)), 1),
        (Some(one), Some(two), Some(one), true, Some((one, KeyTrust::Pinned)), 0),
        (Some(three), None, None, false, Some((three, KeyTrust::Pinned)), 0),
        (Some(three), None, Some(two), true, Some((three, KeyTrust::Pinned)), 2),
    ] {
        let keys = Keys { pinned, configured, named, known: is_known.then_some(&seen) };
        let trusted = trust(&keys, false);
        let case = format!("{keys:?}");
        assert_eq!(trusted.as_ref().map(|trusted| (trusted.key, trusted.trust)), expected, "{case}");
        let Some(trusted) = trusted else { continue };
        assert_eq!(trusted.breaks.len(), changed, "{case}");
        assert!(trusted.breaks.iter().all(|fault| fault.kind == BreakKind::KeyChanged));
        // Whoever takes the log as it is has nothing to compare it with, and no quarrel with its key.
        if is_known {
            let taken = trust(&keys, true).expect("a key");
            assert!(taken.known.is_none() && taken.breaks.is_empty() && taken.notes.len() == 1, "{case}");
        }
    }
}

#[test]
fn a_source_that_should_have_grown_is_rolled_back_and_a_copy_is_as_old_as_it_is() {
    for source in SOURCES {
        for (length, new) in [(5, None), (10, Some(0)), (12, Some(2)), (0, None)] {
            let judgement = judge(&trusted(Some(&known(10, 1))), found(source, verified(length, &[])));
            let case = format!("{source:?}, {length}");
            let is_shorter = length < 10;
            let is_rolled_back = is_shorter && matches!(source, Source::Server | Source::OwnDatabase);
            let expected = if is_rolled_back { Verdict::Broken } else { Verdict::Intact };
            assert_eq!(judgement.verdict, expected, "{case}");
            assert_eq!(kinds(&judgement), if is_rolled_back { vec![BreakKind::RolledBack] } else { vec![] }, "{case}");
            assert_eq!(judgement.older_than, (is_shorter && !is_rolled_back).then_some(10), "{case}");
            assert_eq!(judgement.is_another, is_rolled_back, "evidence: {case}");
            assert_eq!(judgement.new_since_last, new, "{case}");
            let is_remembered = !is_shorter && source != Source::CopiedDatabase;
            assert_eq!(judgement.is_to_be_remembered, is_remembered, "{case}");
        }
    }
}

#[test]
fn what_is_broken_is_not_remembered_unless_it_is_accepted() {
    for source in SOURCES {
        for kind in [BreakKind::Hash, BreakKind::Forked, BreakKind::Content, BreakKind::KeyChanged] {
            for is_known in [false, true] {
                let seen = known(3, 1);
                let trusted = trusted(is_known.then_some(&seen));
                let judgement = judge(&trusted, found(source, verified(5, &[kind])));
                let case = format!("{source:?}, {kind:?}, {is_known}");
                assert_eq!((judgement.verdict, judgement.is_to_be_remembered), (Verdict::Broken, false), "{case}");
                let is_other = matches!(kind, BreakKind::Forked | BreakKind::KeyChanged);
                assert_eq!(judgement.is_another, is_known && is_other, "evidence: {case}");
                assert_eq!(judgement.new_since_last, (is_known && !is_other).then_some(2), "{case}");
                let accepted = Found { accepts: true, ..found(source, verified(5, &[kind])) };
                let judgement = judge(&trusted, accepted);
                assert_eq!(judgement.verdict, Verdict::Broken, "it is taken, and broken all the same: {case}");
                assert_eq!(judgement.is_to_be_remembered, source != Source::CopiedDatabase, "{case}");
            }
        }
    }
}

#[test]
fn what_was_not_shown_is_consistent_at_most() {
    for caveat in [Caveat::NotShown, Caveat::OtherTimes, Caveat::Excerpt, Caveat::OtherSpelling] {
        let judged = |breaks: &[BreakKind]| {
            let found = Found { caveat: Some(caveat), ..found(Source::Export, verified(5, breaks)) };
            judge(&trusted(None), found).verdict
        };
        assert_eq!((judged(&[]), judged(&[BreakKind::Hash])), (Verdict::Consistent, Verdict::Broken), "{caveat:?}");
    }
    let sealed = Found { level: Level::Sealed, ..found(Source::Server, verified(5, &[])) };
    let judgement = judge(&trusted(None), sealed);
    assert_eq!((judgement.verdict, judgement.caveat), (Verdict::Consistent, Some(Caveat::Sealed)));
    assert!(judgement.is_to_be_remembered, "that the log goes on is to be seen the next time");
    // Of an excerpt nobody knows how long the log is.
    let excerpt = Found { is_whole: false, caveat: Some(Caveat::Excerpt), ..found(Source::Export, verified(5, &[])) };
    let judgement = judge(&trusted(Some(&known(10, 1))), excerpt);
    assert_eq!((judgement.older_than, judgement.new_since_last, judgement.is_to_be_remembered), (None, None, false));
}

#[test]
fn a_log_whose_continuation_was_not_seen_is_not_remembered() {
    for (from, seen, is_remembered) in [(0, None, true), (4, None, true), (3, Some(3), true), (4, Some(3), false)] {
        let remembered = seen.map(|length| known(length, 1));
        let trusted = trusted(remembered.as_ref());
        let judgement = judge(&trusted, Found { from, ..found(Source::Server, verified(9, &[])) });
        let case = format!("from {from}, {seen:?}");
        assert_eq!(judgement.is_to_be_remembered, is_remembered, "{case}");
        assert_eq!(judgement.new_since_last, seen.filter(|_| is_remembered).map(|seen| 9 - seen), "{case}");
        assert_eq!(judgement.notes.is_empty(), is_remembered, "{case}");
    }
    // No entry was looked at, so that nobody saw the head.
    let nothing = Verified { last: None, ..verified(9, &[]) };
    assert!(!judge(&trusted(None), found(Source::Server, nothing)).is_to_be_remembered);
    assert!(
        judge(&trusted(None), found(Source::Server, verified(0, &[]))).is_to_be_remembered,
        "an empty log has no head"
    );
}

#[test]
fn the_signed_head_must_be_signed_and_be_where_the_entries_end() {
    let server = SERVER.parse().expect("a UUID");
    for (length, byte, seed, expected) in [
        (5, 9, 1, vec![]),
        (5, 9, 2, vec![BreakKind::Signature]),
        (7, 9, 1, vec![BreakKind::Gap]),
        (5, 8, 1, vec![BreakKind::Forked]),
        (3, 9, 1, vec![BreakKind::Forked]),
    ] {
        let head = Head { length, hash: hash(byte) }.sign(&key(seed), &server, Timestamp::from_unix_ms(1));
        let judged = |is_whole| {
            let found = Found { head: Some(&head), is_whole, ..found(Source::Server, verified(5, &[])) };
            kinds(&judge(&trusted(None), found))
        };
        assert_eq!(judged(true), expected, "{length} {byte} {seed}");
        // Of some entries only, the end is not known.
        let only_signature: Vec<_> = expected.into_iter().filter(|kind| *kind == BreakKind::Signature).collect();
        assert_eq!(judged(false), only_signature, "{length} {byte} {seed}");
    }
}

#[test]
fn to_begin_beyond_the_end_hides_nothing() {
    let server = SERVER.parse().expect("a UUID");
    let foreign = Head { length: 5, hash: hash(9) }.sign(&key(2), &server, Timestamp::from_unix_ms(1));
    let (new, seen) = (trusted(None), trusted(Some(&known(10, 1))));
    for source in SOURCES {
        let grows = matches!(source, Source::Server | Source::OwnDatabase);
        assert_eq!(start_beyond(source, None, &new, 5), None, "{source:?}");
        assert_eq!(start_beyond(source, None, &seen, 5), grows.then_some(ChainIndex(5)), "{source:?}");
        assert_eq!(start_beyond(source, None, &seen, 10), None, "{source:?}");
        assert_eq!(start_beyond(source, Some(&foreign), &new, 5), Some(ChainIndex(5)), "{source:?}");
        assert_eq!(start_beyond(source, None, &trusted(Some(&known(1, 2))), 5), Some(ChainIndex(5)), "another key");
    }
}

#[test]
fn the_entry_that_was_seen_last_is_compared() {
    let options_of = |known: Option<Remembered>| options(&trusted(known.as_ref()), ChainIndex(3), true);
    let compared = options_of(Some(known(10, 1)));
    assert_eq!(
        (compared.remembered, compared.strict, compared.from),
        (Some((ChainIndex(9), hash(7))), true, ChainIndex(3))
    );
    assert_eq!(options_of(Some(known(0, 1))).remembered, None);
    assert_eq!(options_of(None).remembered, None);
}
