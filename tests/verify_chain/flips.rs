//! Bits flipped at random places of a database file: never `intact` with a changed text.
//!
//! `COMS_BIT_FLIPS` says how many; 10,000 take some minutes.

use std::fs;

use coms::channels::audit::{AuditWatch, DatabaseAudit};
use coms::logchain::VerifyOptions;
use rusqlite::{Connection, OpenFlags};

use super::log::{Log, key};

/// Texts of messages and versions, as any SQLite reads them; `None` if it can't.
#[expect(clippy::disallowed_methods, reason = "as any other program would read it")]
fn texts(path: &std::path::Path) -> Option<Vec<Vec<u8>>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let sql = "SELECT CAST(content AS BLOB) FROM message UNION ALL SELECT CAST(content AS BLOB) FROM version";
    let mut statement = connection.prepare(sql).ok()?;
    let rows = statement.query_map([], |row| row.get(0)).ok()?;
    rows.collect::<Result<_, _>>().ok()
}

/// A small generator (SplitMix64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
fn a_flipped_bit_never_changes_a_text_unnoticed() {
    let flips = std::env::vars()
        .find(|(name, _)| name == "COMS_BIT_FLIPS")
        .map_or(150, |(_, value)| value.parse().expect("a number"));
    let log = Log::new(200);
    // No write-ahead log beside it: the file is all there is.
    super::log::tamper(&log.path(), "");
    let good = fs::read(log.path()).expect("a file");
    let said = texts(&log.path()).expect("texts");
    let path = log.home.join("flipped.db");
    let mut random = Random(20_261_124);
    let (mut noticed, mut changed) = (0, 0);
    for flip in 0..flips {
        let (place, bit) = (random.below(good.len() as u64), random.below(8));
        let mut bytes = good.clone();
        bytes[usize::try_from(place).expect("a place")] ^= 1 << bit;
        fs::write(&path, &bytes).expect("a file");
        let verdict = DatabaseAudit::open(&path)
            .map(|audit| audit.run(VerifyOptions::new(key().public()), &AuditWatch::default()));
        let is_intact = matches!(&verdict, Ok(Ok(findings)) if findings.verified.breaks.is_empty());
        let is_changed = texts(&path).as_ref() != Some(&said);
        noticed += u32::from(!is_intact);
        changed += u32::from(is_changed);
        assert!(!(is_intact && is_changed), "flip {flip}: bit {bit} of byte {place} changed a text unnoticed");
    }
    assert!(noticed > 0 && changed > 0, "{noticed} noticed, {changed} changed: the flips hit nothing");
}
