//! Databases of the Go reference server, taken over by the real program.

use std::fs;
#[cfg(unix)]
use std::io::{BufRead as _, BufReader};
use std::path::Path;
#[cfg(unix)]
use std::process::Stdio;
#[cfg(unix)]
use std::time::Duration;

use coms::ids::{ChainIndex, MessageId};
use coms::logchain::{ContentHash, Entry, EntryHash, PublicKey, Signature, Verified, Verifier, VerifyOptions};
use coms::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

#[cfg(unix)]
use crate::support::person;
#[cfg(unix)]
use crate::support::process::Site;
use crate::support::program::Home;

/// What signed the databases under `tests/fixtures/`; it protects nothing.
const IDENTITY: &str = "SERVER_ID=ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e
SERVER_SECRET_KEY=c1ee026bb15c178eecc9a0319317d89bf3d8c2cd1408e693c789b5e4d31158328cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8
SERVER_PUBLIC_KEY=8cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8
";
const PUBLIC_KEY: &str = "8cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8";

/// The fixtures, where each old chain is broken, and how long the chain is when it is taken over.
const DATABASES: [(&str, Option<u64>, u64); 4] =
    [("clean-500", None, 500), ("edited", Some(5), 26), ("restarted", Some(3), 4), ("collision", Some(1), 3)];

/// A home with the keys in its `.env` and a copy of the fixture as `old.db`.
fn home(name: &str) -> Home {
    let home = Home::new();
    home.write(".env", IDENTITY);
    let fixture = format!("{}/tests/fixtures/reference-{name}.db", env!("CARGO_MANIFEST_DIR"));
    fs::copy(fixture, home.join("old.db")).expect("a fixture");
    home
}

#[expect(clippy::disallowed_methods, reason = "the test looks at the file as anyone could")]
fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database")
}

/// All rows of a query, every value as text.
fn rows(connection: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(sql).expect("a query");
    let columns = statement.column_count();
    let text = |value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        other => panic!("a value of a kind that was not asked for: {other:?}"),
    };
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column).map(text)).collect();
    statement.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("values")
}

fn chain(connection: &Connection) -> Vec<Entry> {
    let sql = "SELECT e.idx, coalesce(e.message_id, m.id), e.timestamp, e.prev_hash, e.content_hash, e.hash, e.signature \
               FROM entry e LEFT JOIN message m ON m.key = e.message ORDER BY e.idx";
    let mut before = EntryHash::ZERO;
    let mut statement = connection.prepare(sql).expect("a query");
    let entries = statement.query_map([], |row| {
        let hash = EntryHash(row.get(5)?);
        let link = std::mem::replace(&mut before, hash);
        Ok(Entry {
            index: ChainIndex(row.get(0)?),
            message_id: MessageId::from_bytes(row.get(1)?),
            timestamp: Timestamp::from_unix_ms(row.get(2)?),
            prev_hash: row.get::<_, Option<[u8; 32]>>(3)?.map_or(link, EntryHash),
            content_hash: ContentHash(row.get(4)?),
            hash,
            signature: Signature(row.get(6)?),
        })
    });
    entries.expect("entries").collect::<Result<_, _>>().expect("entries")
}

fn verify(entries: &[Entry], from: u64) -> Verified {
    let mut options = VerifyOptions::new(PublicKey::from_hex(PUBLIC_KEY).expect("a key"));
    options.from = ChainIndex(from);
    let (before, rest) = entries.split_at(usize::try_from(from).expect("small"));
    options.before = before.last().map(|entry| entry.hash);
    let mut verifier = Verifier::new(options, 0);
    for entry in rest {
        verifier.push(entry);
    }
    verifier.finish()
}

#[test]
fn only_the_old_breaks_are_left_in_the_chain() {
    for (name, broken_at, length) in DATABASES {
        let home = home(name);
        let run = home.run(&["adopt", "old.db", "-o", "new.db"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let entries = chain(&open(&home.join("new.db")));
        let verified = verify(&entries, 0);
        let breaks: Vec<_> = verified.breaks.listed().iter().map(|fault| (fault.index, fault.kind.name())).collect();
        let expected: Vec<_> = broken_at.map(|index| (Some(ChainIndex(index)), "prev_hash")).into_iter().collect();
        assert_eq!((breaks, verified.head.length), (expected, length), "{name}");
        let intact = verify(&entries, broken_at.map_or(0, |index| index + 1));
        assert!(intact.breaks.is_empty(), "{name}: {:?}", intact.breaks);
    }
}

#[test]
fn entries_messages_and_channels_are_equal_to_the_originals() {
    for (name, ..) in DATABASES {
        let home = home(name);
        assert_eq!(home.run(&["adopt", "old.db", "-o", "new.db"]).code, Some(0));
        let (old, new) = (open(&home.join("old.db")), open(&home.join("new.db")));
        let old_entries = rows(
            &old,
            "SELECT idx, lower(hex(hash)), hex(signature), hex(content_hash), hex(prev_hash), timestamp, \
             replace(message_id, '-', '') FROM log_chain ORDER BY idx",
        );
        let shown = |entry: &Entry| {
            let upper = |bytes: &[u8]| hex::encode_upper(bytes);
            vec![
                entry.index.to_string(),
                entry.hash.to_string(),
                upper(&entry.signature.0),
                upper(&entry.content_hash.0),
                upper(&entry.prev_hash.0),
                entry.timestamp.unix_ms().to_string(),
                entry.message_id.uuid().simple().to_string(),
            ]
        };
        let new_entries: Vec<_> = chain(&new).iter().take(old_entries.len()).map(shown).collect();
        assert_eq!(new_entries, old_entries, "{name}");
        let channels = "id, name, type, topic, is_read_only, position, created_at";
        assert_eq!(
            rows(&new, &format!("SELECT {channels} FROM channel ORDER BY key")),
            rows(&old, &format!("SELECT {channels} FROM channels ORDER BY rowid"))
        );
        let old_messages = "SELECT replace(id, '-', ''), channel_id, replace(user_id, '-', ''), content, created_at, \
                            updated_at, coalesce(deleted_at, 'no'), chain_index, hex(chain_hash), metadata, \
                            CASE WHEN deleted_at IS NULL AND edit_history != 'null' THEN edit_history ELSE '[]' END \
                            FROM messages ORDER BY rowid";
        let new_messages = "SELECT lower(hex(m.id)), c.id, lower(hex(u.user_id)), m.content, m.created_at, \
                            coalesce(m.updated_at, m.created_at), coalesce(m.deleted_at, 'no'), \
                            coalesce(a.chain_index, e.idx), hex(coalesce(a.chain_hash, e.hash)), \
                            coalesce(m.metadata, '{}'), \
                            (SELECT json_group_array(content) FROM version WHERE message = m.key) \
                            FROM message m JOIN channel c ON c.key = m.channel JOIN member u ON u.key = m.author \
                            JOIN entry e ON e.idx = m.entry LEFT JOIN adopted_message a ON a.message = m.key \
                            ORDER BY m.key";
        assert_eq!(rows(&new, new_messages), rows(&old, old_messages), "{name}");
    }
}

#[test]
fn verify_chain_lists_the_old_breaks_and_nothing_else() {
    for (name, broken_at, length) in DATABASES {
        let home = home(name);
        assert_eq!(home.run(&["adopt", "old.db", "-o", "new.db"]).code, Some(0));
        let whole = home.run(&["verify-chain", "--db", "new.db", "--no-state", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&whole.stdout).expect("a report");
        let places: Vec<_> = report["breaks"].as_array().expect("breaks").iter().map(|fault| &fault["index"]).collect();
        assert_eq!(places, broken_at.iter().collect::<Vec<_>>(), "{name}: {whole:?}");
        assert_eq!(report["entries"], length);
        let from = broken_at.map_or(0, |index| index + 1).to_string();
        let rest = home.run(&["verify-chain", "--db", "new.db", "--no-state", "--from", &from]);
        assert_eq!(rest.code, Some(0), "{name}: {rest:?}");
    }
}

#[test]
fn the_report_names_messages_edits_deletions_and_the_cause_of_each_break() {
    let home = home("edited");
    let run = home.run(&["adopt", "old.db"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("messages:  23 in 2 channels (2 edited, 2 deleted)"), "{run:?}");
    assert!(run.stdout.contains("index 5: prev_hash: links to 32 zero bytes"), "{run:?}");
    assert!(run.stderr.contains("old.db.before-adoption"), "{run:?}");
    let fixture = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reference-edited.db"));
    assert_eq!(fs::read(home.join("old.db.before-adoption")).expect("the kept file"), fixture.expect("the fixture"));
    #[cfg(unix)]
    for file in ["old.db", "old.db.before-adoption"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home.join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let again = home.run(&["adopt", "old.db"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("is a database of coms already"), "{again:?}");
}

#[test]
fn a_message_that_was_lost_before_is_a_break_then_and_afterwards() {
    let home = home("clean-500");
    open(&home.join("old.db")).execute("DELETE FROM messages WHERE chain_index = 499", []).expect("a deletion");
    let run = home.run(&["adopt", "old.db", "-o", "new.db"]);
    assert!(run.code == Some(0) && run.stdout.contains("index 499: content: message"), "{run:?}");
    for name in ["old.db", "new.db"] {
        let run = home.run(&["verify-chain", "--db", name, "--no-state", "-q"]);
        assert!(run.code == Some(1) && run.stdout.contains("break at 499: content: message"), "{name}: {run:?}");
    }
}

#[test]
fn what_can_not_be_taken_over_is_one_clear_line_and_stays_as_it_is() {
    let home = home("clean-500");
    let original = fs::read(home.join("old.db")).expect("the fixture");
    home.write("text.db", &"not a database, but long enough to be taken for one at first sight ".repeat(20));
    fs::write(home.join("cut.db"), &original[..150_000]).expect("a file");
    fs::write(home.join("there.db"), "x").expect("a file");
    home.write("other.env", &home.run(&["keygen", "-q"]).stdout);
    fs::write(home.join("other.env"), home.read("other.env") + "SERVER_ID=ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e\n")
        .expect("a file");
    for (arguments, code, words) in [
        (&["adopt", "missing.db"][..], 2, "cannot open the database"),
        (&["adopt", "text.db"], 2, "is not a database of the Go reference server"),
        (&["adopt", "cut.db"], 2, "is not a database of the Go reference server"),
        (&["adopt", "old.db", "-o", "there.db"], 2, "exists already"),
        (&["adopt", "old.db", "-o", "no/such/directory.db"], 2, "cannot lock the database"),
        (&["adopt", "old.db", "-e", "other.env"], 2, "signed with another key"),
    ] {
        let run = home.run(arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{run:?}");
        assert!(run.stderr.contains(words), "{arguments:?}: {run:?}");
    }
    assert_eq!(fs::read(home.join("old.db")).expect("the old file"), original);
    let left: Vec<_> =
        fs::read_dir(home.path()).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_server_takes_it_over_by_itself_and_goes_on_from_there() {
    let home = home("collision");
    let central = format!("CENTRAL_URL=http://127.0.0.1:9\nCENTRAL_API_KEY=zk\nCENTRAL_PUBLIC_KEY={PUBLIC_KEY}\n");
    home.write(".env", &format!("{IDENTITY}{central}HOST=127.0.0.1\nPORT=0\nDB_PATH=old.db\n"));
    let mut child = home.command(&["serve"]).stderr(Stdio::piped()).spawn().expect("the server starts");
    let stderr = child.stderr.take().expect("its log");
    let (lines, log) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.send(line).ok();
        }
    });
    let mut seen = String::new();
    while !seen.contains("server is listening") {
        seen += &log.recv_timeout(Duration::from_mins(1)).expect("the server listens before long");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
    assert!(child.wait().expect("the end").success());
    assert!(seen.contains("database taken over") && seen.contains("break in the old log chain"), "{seen}");
    assert_eq!(chain(&open(&home.join("old.db"))).len(), 3);
    assert!(home.join("old.db.before-adoption").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_goes_on_and_is_verified_over_http() {
    for (name, broken_at, length) in DATABASES {
        let mut site = Site::new().await;
        site.set("CHAIN_ACCESS", "public");
        let fixture = format!("{}/tests/fixtures/reference-{name}.db", env!("CARGO_MANIFEST_DIR"));
        fs::copy(fixture, site.database()).expect("a fixture");
        let server = site.serve().await;
        let mut client = site.connect(&server, person(1)).await;
        assert_eq!(client.post("and so it goes on").await["chain_index"], length, "{name}");
        let verify = |from: u64| {
            let (url, from) = (format!("http://{}", server.address), from.to_string());
            let arguments = ["verify-chain", "--no-state", "--json", "--contents", "--token", "-", "--from", &from];
            let run =
                site.home.run_with_input(&[&arguments[..], &["--manifest", &url]].concat(), &site.token(person(1)));
            let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("a report");
            (run.code, report)
        };
        let (_, report) = verify(0);
        let places: Vec<_> = report["breaks"].as_array().expect("breaks").iter().map(|fault| &fault["index"]).collect();
        assert_eq!(places, broken_at.iter().collect::<Vec<_>>(), "{name}: {report}");
        let from = broken_at.map_or(0, |index| index + 1);
        let (code, report) = verify(from);
        assert_eq!((code, &report["entries"]), (Some(0), &(length + 1 - from).into()), "{name}: {report}");
        assert_eq!(report["level"], "full+contents", "{name}: {report}");
    }
}

/// How often an adoption is killed.
#[cfg(unix)]
const KILLS: u32 = 20;

#[cfg(unix)]
#[test]
fn an_adoption_that_is_killed_at_any_moment_leaves_the_old_database_or_the_new_one() {
    let home = home("clean-500");
    let original = fs::read(home.join("old.db")).expect("the fixture");
    let started = std::time::Instant::now();
    assert_eq!(home.run(&["adopt", "old.db", "-o", "whole.db"]).code, Some(0));
    let whole = started.elapsed();
    let (mut before, mut after) = (0, 0);
    for kill in 0..KILLS {
        // Evenly over the time that it takes, and a little longer.
        fs::write(home.join("old.db"), &original).expect("a file");
        let mut child = home.command(&["adopt", "old.db"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.as_mut().expect("the program starts");
        std::thread::sleep(whole * (kill + 1) * 5 / (KILLS * 4));
        child.kill().expect("a child");
        child.wait().expect("the end");
        if fs::read(home.join("old.db")).expect("a file") == original {
            before += 1;
            // What was left behind is no obstacle.
            let again = home.run(&["adopt", "old.db"]);
            assert_eq!(again.code, Some(0), "kill {kill}: {again:?}");
        } else {
            after += 1;
            let kept = fs::read(home.join("old.db.before-adoption")).expect("the kept file");
            assert!(kept == original, "kill {kill}: the old database is not kept");
        }
        let run = home.run(&["verify-chain", "--db", "old.db", "--no-state", "-q"]);
        assert_eq!(run.stdout, "intact: 500 entries, and what the messages say\n", "kill {kill}: {run:?}");
        for entry in fs::read_dir(home.path()).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(!name.contains("partial"), "kill {kill}: {name} is left");
            if name.starts_with("old.db") {
                fs::remove_file(entry.path()).expect("a file");
            }
        }
    }
    assert!(before > 0 && after > 0, "no kill came in the middle: {before} before, {after} after");
}

#[test]
fn an_export_of_it_verifies_as_the_database_does_and_shows_its_hashes() {
    for (name, broken, length) in DATABASES {
        let home = home(name);
        assert_eq!(home.run(&["adopt", "old.db", "-o", "new.db", "-q"]).code, Some(0));
        assert_eq!(home.run(&["export", "-q", "--db", "new.db", "-o", "all.jsonl"]).code, Some(0));
        let verify = |source: &[&str]| {
            let run = home.run(&[&["verify-chain", "--no-state", "--json"], source].concat());
            let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("a report");
            (run.code, report["verdict"].clone(), report["breaks"].clone(), report["notes"].clone())
        };
        let from_export = verify(&["--export", "all.jsonl"]);
        assert_eq!(from_export, verify(&["--db", "new.db"]), "{name}");
        assert_eq!(from_export.0, Some(i32::from(broken.is_some())), "{name}");
        assert!(from_export.3.to_string().contains("adopted messages"), "{name}: {}", from_export.3);
        let text = home.read("all.jsonl");
        assert!(text.contains(&format!(r#""adopted_length":{length}"#)), "{name}");
        // A hash that is shown, of a message that shows that of its entry.
        let (start, _) = text.match_indices(r#""chain_hash":""#).nth(1).expect("a second message");
        let place = start + r#""chain_hash":""#.len();
        let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
        let mut flipped = text.clone();
        flipped.replace_range(place..=place, other);
        home.write("flipped.jsonl", &flipped);
        if name == "clean-500" {
            assert_eq!(verify(&["--export", "flipped.jsonl"]).0, Some(1), "{name}");
        }
    }
}
