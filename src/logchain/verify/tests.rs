//! Every field of every entry, altered; entries taken out, put in, swapped, doubled; a chain signed anew.

use super::*;
use crate::ids::MessageId;
use crate::keys::SigningKey;
use crate::logchain::entry::ContentHash;

const LENGTH: u64 = 120;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn sign_next(chain: &[Entry], content: &str) -> Entry {
    let index = chain.len() as u64;
    let mut id = [0; 16];
    id[8..].copy_from_slice(&index.to_be_bytes());
    Entry::sign(
        &key(),
        ChainIndex(index),
        MessageId::from_bytes(id),
        Timestamp::from_unix_ms(1_000_000 + index * 10),
        chain.last().map_or(EntryHash::ZERO, |last| last.hash),
        ContentHash::of(content),
    )
}

fn chain(length: u64) -> Vec<Entry> {
    let mut chain = Vec::new();
    for index in 0..length {
        chain.push(sign_next(&chain, &format!("message {index}")));
    }
    chain
}

fn verify_with(options: VerifyOptions, entries: &[Entry]) -> Verified {
    let mut verifier = Verifier::new(options, 2);
    for entry in entries {
        verifier.push(entry);
    }
    verifier.finish()
}

fn verify(entries: &[Entry]) -> Verified {
    verify_with(VerifyOptions::new(key().public()), entries)
}

#[track_caller]
fn assert_found(verified: &Verified, index: u64, kind: BreakKind) {
    let found = verified.breaks.listed().iter().any(|b| b.index == Some(ChainIndex(index)) && b.kind == kind);
    assert!(found, "no {kind:?} at {index}: {:?}", verified.breaks);
}

#[test]
fn a_good_chain_has_no_breaks_whatever_its_length() {
    for length in [0, 1, 2, 1023, 1024, 1025, 3000] {
        let entries = chain(length);
        let verified = verify(&entries);
        assert!(verified.breaks.is_empty(), "{:?}", verified.breaks);
        assert_eq!(verified.entries, length);
        assert_eq!(verified.head.length, length);
        assert_eq!(verified.head.hash, entries.last().map_or(EntryHash::ZERO, |last| last.hash));
    }
}

#[test]
fn strict_and_inline_verification_accept_it_too() {
    let entries = chain(50);
    let strict = VerifyOptions { strict: true, ..VerifyOptions::new(key().public()) };
    assert!(verify_with(strict, &entries).breaks.is_empty());
    let mut inline = Verifier::new(VerifyOptions::new(key().public()), 0);
    for entry in &entries {
        inline.push(entry);
    }
    assert!(inline.finish().breaks.is_empty());
}

#[test]
fn every_altered_field_of_every_entry_is_found_where_it_is() {
    type Alter = fn(&mut Entry);
    let fields: [(BreakKind, Alter); 6] = [
        (BreakKind::Hash, |entry| entry.message_id = MessageId::from_bytes([0xee; 16])),
        (BreakKind::Hash, |entry| entry.timestamp = entry.timestamp.plus(Duration::from_millis(1))),
        (BreakKind::PrevHash, |entry| entry.prev_hash.0[31] ^= 1),
        (BreakKind::Hash, |entry| entry.content_hash.0[0] ^= 0x80),
        (BreakKind::Hash, |entry| entry.hash.0[5] ^= 4),
        (BreakKind::Signature, |entry| entry.signature.0[10] ^= 1),
    ];
    let good = chain(LENGTH);
    for place in 0..good.len() {
        for (kind, alter) in fields {
            let mut entries = good.clone();
            alter(&mut entries[place]);
            assert_found(&verify(&entries), place as u64, kind);
        }
        let mut entries = good.clone();
        entries[place].index.0 += 3;
        assert_found(&verify(&entries), place as u64, BreakKind::Gap);
    }
}

#[test]
fn the_reference_s_restart_is_named() {
    let mut entries = chain(10);
    entries[4].prev_hash = EntryHash::ZERO;
    let verified = verify(&entries);
    let found = verified.breaks.listed().iter().find(|b| b.kind == BreakKind::PrevHash).expect("a break");
    assert!(found.detail.contains("restart"), "{}", found.detail);
}

#[test]
fn removal_insertion_swap_and_doubling_are_gaps() {
    let good = chain(LENGTH);
    for place in 0..good.len() - 1 {
        let mut removed = good.clone();
        removed.remove(place);
        assert_found(&verify(&removed), place as u64, BreakKind::Gap);

        let mut swapped = good.clone();
        swapped.swap(place, place + 1);
        assert_found(&verify(&swapped), place as u64, BreakKind::Gap);

        let mut doubled = good.clone();
        doubled.insert(place, good[place]);
        assert_found(&verify(&doubled), place as u64, BreakKind::Gap);

        let mut inserted = good.clone();
        inserted.insert(place, sign_next(&good[..place], "never said"));
        assert_found(&verify(&inserted), place as u64, BreakKind::Gap);
    }
}

#[test]
fn time_may_step_back_by_a_second_and_no_more() {
    let signed = |second: u64| {
        let mut entries = chain(1);
        let first = entries[0];
        let at = Timestamp::from_unix_ms(second);
        let next = Entry::sign(&key(), ChainIndex(1), first.message_id, at, first.hash, first.content_hash);
        entries.push(next);
        verify(&entries)
    };
    assert!(signed(999_000).breaks.is_empty());
    assert_found(&signed(998_999), 1, BreakKind::Timestamp);
}

#[test]
fn a_chain_signed_anew_with_the_real_key_is_found_by_the_memory_alone() {
    let good = chain(LENGTH);
    let seen = good[80];
    for from in [0, 40, 80] {
        let mut anew = good[..from].to_vec();
        while anew.len() < good.len() {
            let content = if anew.len() == from { "rewritten".to_owned() } else { format!("message {}", anew.len()) };
            anew.push(sign_next(&anew, &content));
        }
        assert!(verify(&anew).breaks.is_empty(), "without a memory it looks whole");
        let options = VerifyOptions { remembered: Some((seen.index, seen.hash)), ..VerifyOptions::new(key().public()) };
        assert_found(&verify_with(options, &anew), 80, BreakKind::Forked);
    }
}

#[test]
fn a_verification_can_begin_later() {
    let good = chain(20);
    let options = VerifyOptions { from: ChainIndex(5), ..VerifyOptions::new(key().public()) };
    assert!(verify_with(options.clone(), &good[5..]).breaks.is_empty());
    let knowing = VerifyOptions { before: Some(EntryHash([1; 32])), ..options };
    assert_found(&verify_with(knowing, &good[5..]), 5, BreakKind::PrevHash);
}

#[test]
fn sealed_entries_show_gaps_and_foreign_signatures() {
    let good = chain(30);
    let verify_sealed = |entries: &[Entry]| {
        let mut verifier = Verifier::new(VerifyOptions::new(key().public()), 1);
        for entry in entries {
            verifier.push_sealed(entry.into());
        }
        verifier.finish()
    };
    assert!(verify_sealed(&good).breaks.is_empty());
    let mut altered = good.clone();
    altered[12].hash.0[0] ^= 1;
    assert_found(&verify_sealed(&altered), 12, BreakKind::Signature);
    altered.remove(20);
    assert_found(&verify_sealed(&altered), 20, BreakKind::Gap);
}

#[test]
fn another_key_is_a_break_at_every_entry() {
    let options = VerifyOptions::new(SigningKey::from_seed(&[8; 32]).public());
    let verified = verify_with(options, &chain(3000));
    assert_eq!(verified.breaks.listed().len(), crate::logchain::LISTED_BREAKS);
    assert_found(&verified, 0, BreakKind::Signature);
    assert_found(&verified, 99, BreakKind::Signature);
}

/// A signature with a neutral R and `s = k·a`, which only the holder of the key can make: it holds by ZIP 215, in batches
/// and alone, and not by the strict rules.
#[test]
fn a_signature_with_a_point_of_small_order_is_for_the_strict_to_refuse() {
    use curve25519_dalek::scalar::{Scalar, clamp_integer};
    use sha2::{Digest as _, Sha512};

    let mut entries = chain(3);
    let expanded = Sha512::digest([7; 32]);
    let secret = Scalar::from_bytes_mod_order(clamp_integer(expanded[..32].try_into().expect("32 bytes")));
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let digest = Sha512::new().chain_update(neutral).chain_update(key().public().as_bytes());
    let k = Scalar::from_bytes_mod_order_wide(&digest.chain_update(entries[1].hash.0).finalize().into());
    entries[1].signature.0[..32].copy_from_slice(&neutral);
    entries[1].signature.0[32..].copy_from_slice((k * secret).as_bytes());

    assert!(verify(&entries).breaks.is_empty());
    let strict = VerifyOptions { strict: true, ..VerifyOptions::new(key().public()) };
    let verified = verify_with(strict, &entries);
    assert_found(&verified, 1, BreakKind::Signature);
    assert_eq!(verified.breaks.total(), 1);
}
