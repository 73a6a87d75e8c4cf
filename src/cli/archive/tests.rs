use std::io::{BufRead, BufReader};

use tar::{Builder, EntryType, Header};

use super::*;
use crate::keys::SigningKey;
use crate::logchain::EntryHash;
use crate::storage::Counts;
use crate::time::Timestamp;

const ENV_TEXT: &[u8] = b"SERVER_NAME=x\n";

/// Something that neither compresses to nothing nor is all noise.
fn database() -> Vec<u8> {
    (0..20_000_u32).map(|n| if n % 7 == 0 { (n.wrapping_mul(2_654_435_761) >> 24) as u8 } else { 0 }).collect()
}

fn manifest(database: &[u8]) -> Manifest {
    let record = |name: &str, text: &[u8]| FileRecord {
        name: name.to_owned(),
        bytes: text.len() as u64,
        sha256: Digest::of(text),
    };
    Manifest {
        format: MANIFEST_VERSION,
        coms: "0.1.0".into(),
        created_at: Timestamp::from_unix_ms(1_777_723_200_000),
        server_id: "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID"),
        public_key: SigningKey::from_seed(&[1; 32]).public(),
        schema: 1,
        chain_length: 0,
        chain_hash: EntryHash::ZERO.into(),
        head: None,
        counts: Counts { channels: 0, members: 0, messages: 0, entries: 0 },
        faults: Some(0),
        files: vec![record(ENV, ENV_TEXT), record(DATABASE, database)],
    }
}

fn archive(lock: &Lock) -> Vec<u8> {
    let database = database();
    let mut writer = ArchiveWriter::begin(Vec::new(), lock, &manifest(&database)).expect("memory");
    writer.env(ENV_TEXT).expect("memory");
    writer.database(database.len() as u64, database.as_slice()).expect("memory");
    writer.finish().expect("memory")
}

/// The database and the configuration that come out.
fn read(input: impl BufRead) -> Result<(Vec<u8>, Vec<u8>), Damage> {
    let reader = ArchiveReader::open(input)?;
    let env = reader.env().unwrap_or_default().to_vec();
    let mut database = Vec::new();
    reader.database(&mut database, |_| true)?;
    Ok((database, env))
}

#[test]
fn what_is_written_is_read_and_every_cut_is_noticed() {
    let whole = archive(&Lock::Open);
    assert_eq!(read(whole.as_slice()).expect("a backup"), (database(), ENV_TEXT.to_vec()));
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "cut to {length} of {}", whole.len());
    }
}

#[test]
fn no_flipped_bit_changes_what_comes_out() {
    let whole = archive(&Lock::Open);
    let mut harmless = 0;
    for at in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        if let Ok(read) = read(flipped.as_slice()) {
            assert_eq!(read, (database(), ENV_TEXT.to_vec()), "bit {at}");
            harmless += 1;
        }
    }
    // A few bits in the headers and tables of zstd mean nothing here.
    assert!(harmless < whole.len() * 8 / 100, "{harmless} flips were not noticed");
}

#[test]
fn an_encrypted_backup_gives_nothing_of_itself_away_and_no_changed_byte_passes() {
    let identity = age::x25519::Identity::generate();
    let whole = archive(&Lock::Recipients(vec![identity.to_public()]));
    assert!(is_encrypted(&whole) && !whole.windows(4).any(|bytes| bytes == [0x28, 0xb5, 0x2f, 0xfd]));
    let unlock = Unlock::Identities(vec![Box::new(identity)]);
    let open = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        unlock.open(std::io::Cursor::new(bytes)).ok().and_then(|inside| read(BufReader::new(inside)).ok())
    };
    assert_eq!(open(&whole), Some((database(), ENV_TEXT.to_vec())));
    for at in (0..whole.len()).step_by(13) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        assert_eq!(open(&flipped), None, "byte {at}");
        assert_eq!(open(&whole[..at]), None, "cut to {at}");
    }
}

/// A tar of these entries, compressed.
fn hostile(entries: &[(&str, EntryType, u64, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, kind, size, data) in entries {
        let mut header = Header::new_gnu();
        // The library refuses such names, so they are put in by hand.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(*size);
        header.set_cksum();
        tar.append(&header, *data).expect("memory");
    }
    zstd::encode_all(tar.into_inner().expect("memory").as_slice(), 1).expect("memory")
}

#[test]
fn hostile_archives_are_refused_in_one_line() {
    use EntryType::{Directory, Link, Regular, Symlink};
    let database = database();
    let mut without_env = manifest(&database);
    without_env.files.remove(0);
    let json = serde_json::to_vec(&without_env).expect("JSON");
    let text = String::from_utf8(json.clone()).expect("text");
    let first = ("manifest.json", Regular, json.len() as u64, json.as_slice());
    let data = ("messages.db", Regular, database.len() as u64, database.as_slice());
    assert!(read(hostile(&[first, data]).as_slice()).is_ok(), "the good one, made the same way");

    let huge = 1 << 60;
    let changed = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let many = changed("20000", "9000000000000000000");
    let up = changed("\"messages.db\"", "\"../messages.db\"");
    let newer = changed("\"format\":1", "\"format\":2");
    let escape = changed("ca0f4d71-", "\\u001b[2Kca0f4d71-");
    let bad_sum = changed(&Digest::of(&database).to_string(), &"0".repeat(64));
    let manifest_of = |json: &[u8]| json.len() as u64;
    for (what, entries, said) in [
        ("nothing", vec![], "it ends where"),
        ("no manifest", vec![data], "`messages.db` where `manifest.json` is due"),
        ("absolute", vec![("/etc/passwd", Regular, 1, b"x".as_slice())], "`/etc/passwd` where"),
        ("up", vec![first, ("../../messages.db", Regular, 3, b"abc")], "`../../messages.db` where"),
        ("link", vec![first, ("messages.db", Symlink, 0, b"")], "no plain file"),
        ("hard link", vec![("manifest.json", Link, 0, b"")], "no plain file"),
        ("folder", vec![("manifest.json", Directory, 0, b"")], "no plain file"),
        ("pax", vec![("manifest.json", EntryType::XHeader, 3, b"abc")], "no plain file"),
        ("huge manifest", vec![("manifest.json", Regular, huge, b"{}")], "bytes"),
        ("huge database", vec![first, ("messages.db", Regular, huge, b"abc")], "its manifest says 20000"),
        ("short database", vec![first, ("messages.db", Regular, 3, b"abc")], "its manifest says 20000"),
        ("huge in both", vec![("manifest.json", Regular, manifest_of(&many), &many), data], "its manifest says 9"),
        ("more", vec![first, data, ("more", Regular, 3, b"abc")], "something follows"),
        ("name in manifest", vec![("manifest.json", Regular, manifest_of(&up), &up), data], "it lists the files"),
        ("newer", vec![("manifest.json", Regular, manifest_of(&newer), &newer), data], "too new"),
        ("sum", vec![("manifest.json", Regular, manifest_of(&bad_sum), &bad_sum), data], "SHA-256"),
        ("no server", vec![("manifest.json", Regular, manifest_of(&escape), &escape), data], "not a UUID"),
        ("no JSON", vec![("manifest.json", Regular, 2, b"[]"), data], "can't be read"),
    ] {
        let refused = read(hostile(&entries).as_slice()).expect_err(what).to_string();
        assert!(refused.contains(said) && !refused.contains('\n'), "{what}: {refused}");
    }
}

#[test]
fn what_unpacks_without_end_ends_with_what_the_manifest_says() {
    // 256 MiB of zeros in a few kilobytes, where a manifest is due, and after the database.
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 1 << 28), 1).expect("memory");
    assert!(matches!(read(bomb.as_slice()), Err(Damage::Foreign(_))));
    let mut tail = archive(&Lock::Open);
    tail.extend(bomb);
    assert!(matches!(read(tail.as_slice()), Err(Damage::Foreign(_))));
}
