//! One flipped bit of an export, wherever it is, is noticed; but for the values that neither the log nor the rest of the file
//! says anything about, which are named here.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Parser;

use super::super::report::Verdict;
use super::super::{Request, VerifyChain};
use super::verify_file;
use crate::channels::export_format::write_entry;
use crate::cli::Globals;
use crate::config::PublicIdentity;
use crate::ids::{ChainIndex, MessageId};
use crate::logchain::{ContentHash, Entry, EntryHash, Head, SigningKey};
use crate::time::Timestamp;

const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

/// The fields whose values can be changed unnoticed, if the result is still such a value: (type of line, field).
const UNCOVERED: [(&str, &str); 8] = [
    ("channel", "name"),
    ("channel", "channel_type"),
    ("channel", "topic"),
    ("channel", "is_read_only"),
    ("channel", "position"),
    ("channel", "created_at"),
    ("message", "user_id"),
    ("message", "metadata"),
];

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(flatten)]
    verify: VerifyChain,
}

/// A home for an export, and what verifies it.
struct Exported {
    folder: tempfile::TempDir,
    arguments: Arguments,
    runtime: tokio::runtime::Runtime,
}

impl Exported {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.jsonl");
        let path = path.to_str().expect("text");
        let arguments = Arguments::parse_from(["coms", "--export", path, "--no-state", "--quiet"]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { folder, arguments, runtime }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("all.jsonl")
    }

    /// The verdict on an export; `None` if it can't be read.
    fn verdict(&self, export: &[u8]) -> Option<Verdict> {
        fs::write(self.path(), export).expect("a file");
        let Arguments { globals, verify } = &self.arguments;
        let configured = PublicIdentity::default();
        let request = Request { args: verify, globals, started: Instant::now(), configured, configured_path: None };
        self.runtime.block_on(verify_file(&request, &self.path())).ok().map(|report| report.verdict)
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

/// Three messages, one of them edited and one deleted, in two channels; filtered by time if asked, with no effect but gaps.
fn export() -> Vec<u8> {
    let (one, two, three) = (id(1), id(2), id(3));
    let said = [(one, "one"), (two, "two"), (two, "two, edited"), (three, "three"), (three, "[deleted]")];
    let mut entries: Vec<Entry> = Vec::new();
    for (place, (id, content)) in said.into_iter().enumerate() {
        let link = entries.last().map_or(EntryHash::ZERO, |last| last.hash);
        let (index, time) =
            (ChainIndex(place as u64), Timestamp::from_unix_ms(1_795_477_188_631 + 1_000 * place as u64));
        entries.push(Entry::sign(&key(), index, id, time, link, ContentHash::of(content)));
    }
    let time = |place: usize| entries[place].timestamp;
    let hash = |place: usize| BASE64.encode(entries[place].hash.0);
    let head = Head { length: 5, hash: entries[4].hash };
    let signed = head.sign(&key(), &SERVER_ID.parse().expect("a UUID"), Timestamp::from_unix_ms(1_795_477_199_000));
    let signed = serde_json::to_string(&signed).expect("JSON");
    let public = key().public();
    let mut lines = vec![format!(
        r#"{{"type":"header","format":1,"server_id":"{SERVER_ID}","public_key":"{public}","head":{signed},"chain_length":5}}"#
    )];
    for (position, channel) in ["general", "news"].into_iter().enumerate() {
        lines.push(format!(
            r#"{{"type":"channel","id":"{channel}","name":"{channel}","channel_type":"text","topic":"talk","is_read_only":false,"position":{position},"created_at":"{}"}}"#,
            time(0)
        ));
    }
    let message = |id: MessageId, channel: &str, content: &str, place: usize, more: &str, updated: usize, end: &str| {
        format!(
            r#"{{"type":"message","id":"{id}","channel_id":"{channel}","user_id":"25d9eacc-0000-4000-8000-000000000009","content":"{content}","metadata":"{{}}",{more}"created_at":"{}","updated_at":"{}","chain_index":{place},"chain_hash":"{}"{end}}}"#,
            time(place),
            time(updated),
            hash(place)
        )
    };
    let entry = |place: usize| {
        let mut line = Vec::new();
        write_entry(&entries[place], &mut line);
        String::from_utf8(line).expect("text").trim_end().to_owned()
    };
    lines.extend([message(one, "general", "one", 0, "", 0, ""), entry(0)]);
    let history = r#""edit_history":["two"],"edit_history_entries":[1],"#;
    lines.extend([
        message(two, "news", "two, edited", 1, history, 2, r#","latest_chain_index":2"#),
        entry(1),
        entry(2),
    ]);
    let deleted = format!(r#""deleted_at":"{}","#, time(4));
    lines.push(message(three, "general", "[deleted]", 3, &deleted, 4, r#","latest_chain_index":4"#));
    lines.extend([entry(3), entry(4), r#"{"type":"footer","channels":2,"messages":3,"entries":5}"#.to_owned()]);
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line}").expect("memory");
    }
    text.into_bytes()
}

fn id(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

/// The type of the line in which byte `place` stands, and the field in whose value it stands.
fn field(export: &[u8], place: usize) -> (String, String) {
    let start = export[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let before = String::from_utf8(export[start..place].to_vec()).expect("text");
    let kind = before.split('"').nth(3).unwrap_or_default().to_owned();
    // The last name that was ended by `":` before the place; in a name there is no value.
    let name = before.rfind("\":").map(|end| before[..end].rsplit('"').next().unwrap_or_default().to_owned());
    (kind, name.unwrap_or_default())
}

#[test]
fn a_good_export_is_intact() {
    assert_eq!(Exported::new().verdict(&export()), Some(Verdict::Intact));
}

#[test]
fn a_flipped_bit_is_noticed_but_where_nothing_covers_it() {
    let (good, exported) = (export(), Exported::new());
    let mut unnoticed = Vec::new();
    for place in 0..good.len() {
        // Two bits of each byte, in turn others, and the one that makes capitals of small letters.
        for bit in [place % 5, 5 + place % 3, 5] {
            let mut flipped = good.clone();
            flipped[place] ^= 1 << bit;
            if exported.verdict(&flipped) != Some(Verdict::Intact) {
                continue;
            }
            let (kind, name) = field(&good, place);
            if UNCOVERED.contains(&(kind.as_str(), name.as_str())) {
                unnoticed.push((kind, name));
            } else {
                panic!("bit {bit} of byte {place}, in `{name}` of a {kind} line");
            }
        }
    }
    assert!(unnoticed.len() > 10, "{unnoticed:?}");
}

#[test]
fn a_message_in_another_channel_of_the_export_is_not_noticed() {
    let text = String::from_utf8(export()).expect("text");
    let moved = text.replacen(r#""channel_id":"general""#, r#""channel_id":"news""#, 1);
    assert_eq!(Exported::new().verdict(moved.as_bytes()), Some(Verdict::Intact), "as the page for auditors says");
}

#[test]
fn a_filtered_export_must_be_what_its_filter_says() {
    let exported = Exported::new();
    let whole = String::from_utf8(export()).expect("text");
    let filtered = |filter: &str, kept: &[usize], footer: &str| {
        let lines: Vec<_> = whole.lines().collect();
        let header = lines[0].replace(r#""chain_length":5}"#, &format!(r#""chain_length":5,"filter":{filter}}}"#));
        let kept = kept.iter().map(|place| lines[*place]);
        [header.as_str()].into_iter().chain(kept).chain([footer]).fold(String::new(), |text, line| text + line + "\n")
    };
    let footer = r#"{"type":"footer","channels":1,"messages":1,"entries":2}"#;
    let good = filtered(r#"{"channels":["news"]}"#, &[2, 5, 6, 7], footer);
    assert_eq!(exported.verdict(good.as_bytes()), Some(Verdict::Consistent));
    for (what, bad) in [
        ("another channel", good.replace(r#"{"channels":["news"]}"#, r#"{"channels":["general"]}"#)),
        (
            "another user",
            good.replace(r#"{"channels":["news"]}"#, r#"{"users":["25d9eacc-0000-4000-8000-000000000008"]}"#),
        ),
        ("another time", good.replace(r#"{"channels":["news"]}"#, r#"{"before":"2026-01-01T00:00:00.000Z"}"#)),
        ("no time", good.replace(r#"{"channels":["news"]}"#, r#"{"after":"2026"}"#)),
        ("an order", filtered(r#"{"channels":["news"]}"#, &[2, 5, 7, 6], footer)),
        ("a length", good.replace(r#""chain_length":5"#, r#""chain_length":2"#)),
        (
            "an entry less",
            filtered(r#"{"channels":["news"]}"#, &[2, 5, 6], &footer.replace(r#""entries":2"#, r#""entries":1"#)),
        ),
    ] {
        assert_eq!(exported.verdict(bad.as_bytes()), Some(Verdict::Broken), "{what}");
    }
}
