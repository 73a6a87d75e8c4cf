//! Broken on purpose: every entry, message and version of a log, altered in the database and in an export.

use coms::logchain::BreakKind;

use super::log::{Log, SERVER_ID, Step, assert_found, audit, export, key, steps};

/// Every field of an entry but its index, and the break that altering it makes.
const FIELDS: [(&str, BreakKind); 6] = [
    ("timestamp = timestamp + 1", BreakKind::Hash),
    ("content_hash = zeroblob(32)", BreakKind::Hash),
    ("hash = randomblob(32)", BreakKind::Hash),
    ("signature = randomblob(64)", BreakKind::Signature),
    ("prev_hash = randomblob(32)", BreakKind::PrevHash),
    ("message_id = randomblob(16)", BreakKind::Hash),
];

#[test]
fn a_good_log_has_no_breaks() {
    for count in [0, 1, 2, 300] {
        let log = Log::new(count);
        let findings = audit(&log.path());
        assert!(findings.verified.breaks.is_empty(), "{:#?}", findings.verified.breaks);
        assert_eq!(findings.verified.entries, count as u64);
    }
}

#[test]
fn an_altered_entry_is_found() {
    let log = Log::new(300);
    // In `logchain` every field of every entry is altered; here each entry of the database, in turn in another field.
    for entry in &log.entries {
        let index = entry.index.0;
        let (field, kind) = FIELDS[(index % 6) as usize];
        let findings = log.tampered(&format!("UPDATE entry SET {field} WHERE idx = {index}"));
        assert_found(&findings, index, kind, field);
    }
}

#[test]
fn what_a_message_says_now_is_found() {
    let (log, steps) = (Log::new(300), steps(300));
    let last_of = |number: usize| {
        steps.iter().rposition(|step| match step {
            Step::Edit(of, _) | Step::Delete(of) => *of == number,
            Step::Create(_) => false,
        })
    };
    let created = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Create(_)));
    for (number, (creation, _)) in created.enumerate().step_by(3) {
        let latest = last_of(number).unwrap_or(creation) as u64;
        let sql = format!("UPDATE message SET content = content || '.' WHERE key = {}", number + 1);
        assert_found(&log.tampered(&sql), latest, BreakKind::Content, &sql);
        let sql = format!("DELETE FROM message WHERE key = {}", number + 1);
        assert_found(&log.tampered(&sql), creation as u64, BreakKind::Content, &sql);
        let sql = format!("UPDATE message SET entry = entry + 1000 WHERE key = {}", number + 1);
        assert_found(&log.tampered(&sql), creation as u64 + 1000, BreakKind::MissingEntry, &sql);
    }
}

#[test]
fn every_earlier_version_is_found() {
    let (log, steps) = (Log::new(300), steps(300));
    let deleted: Vec<_> =
        steps.iter().filter_map(|step| if let Step::Delete(number) = step { Some(*number) } else { None }).collect();
    let mut checked = 0;
    for (edit, step) in steps.iter().enumerate() {
        let Step::Edit(number, _) = step else { continue };
        if deleted.contains(number) {
            continue;
        }
        // The version that this edit made an earlier one has the message's entry before it.
        let before = steps[..edit].iter().rposition(|step| matches!(step, Step::Edit(of, _) if of == number));
        let creation =
            steps.iter().enumerate().filter(|(_, s)| matches!(s, Step::Create(_))).nth(*number).expect("a create").0;
        let entry = before.unwrap_or(creation) as u64;
        for sql in ["UPDATE version SET content = 'x' WHERE entry = ", "DELETE FROM version WHERE entry = "] {
            let sql = format!("{sql}{entry}");
            assert_found(&log.tampered(&sql), entry, BreakKind::History, &sql);
        }
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn an_edit_or_a_deletion_that_is_taken_back_is_found() {
    let (log, steps) = (Log::new(100), steps(100));
    // An edit after which nothing happens to the message.
    let edit = (0..100).find(|at| {
        let Step::Edit(number, _) = &steps[*at] else { return false };
        let others = |step: &Step| matches!(step, Step::Edit(of, _) | Step::Delete(of) if of == number);
        steps.iter().filter(|step| others(step)).count() == 1
    });
    let edit = edit.expect("an edit");
    let sql = format!(
        "UPDATE message SET content = (SELECT content FROM version WHERE message = message.key), latest_entry = NULL, \
         updated_at = NULL WHERE latest_entry = {edit}; \
         DELETE FROM version WHERE message NOT IN (SELECT key FROM message WHERE latest_entry IS NOT NULL)"
    );
    assert_found(&log.tampered(&sql), edit as u64, BreakKind::History, &sql);
    let deletion = steps.iter().position(|step| matches!(step, Step::Delete(_))).expect("a deletion");
    let sql = format!("UPDATE message SET content = 'back again' WHERE latest_entry = {deletion}");
    assert_found(&log.tampered(&sql), deletion as u64, BreakKind::Content, &sql);
}

#[test]
fn every_time_that_a_message_shows_is_that_of_its_entry() {
    let (log, steps) = (Log::new(60), steps(60));
    let created = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Create(_)));
    for (number, (creation, _)) in created.enumerate().step_by(2) {
        let latest = steps.iter().rposition(|step| match step {
            Step::Edit(of, _) | Step::Delete(of) => *of == number,
            Step::Create(_) => false,
        });
        let is_deleted = latest.is_some_and(|latest| matches!(steps[latest], Step::Delete(_)));
        let mut changes = vec![("created_at = created_at + 1", creation), ("created_at = created_at - 1", creation)];
        match latest {
            None => changes.push(("updated_at = created_at + 5", creation)),
            Some(latest) => changes.extend([("updated_at = updated_at + 1", latest), ("updated_at = NULL", latest)]),
        }
        if is_deleted {
            changes.push(("deleted_at = deleted_at - 1", latest.expect("its deletion")));
        }
        for (change, index) in changes {
            let sql = format!("UPDATE message SET {change} WHERE key = {}", number + 1);
            assert_found(&log.tampered(&sql), index as u64, BreakKind::Timestamp, &sql);
        }
    }
}

#[test]
fn what_a_message_shows_beside_its_text_is_found() {
    let (log, steps) = (Log::new(60), steps(60));
    let deletion = steps.iter().position(|step| matches!(step, Step::Delete(_))).expect("a deletion");
    let sql = format!("UPDATE message SET metadata = '{{}}' WHERE latest_entry = {deletion}");
    assert_found(&log.tampered(&sql), deletion as u64, BreakKind::Content, &sql);
    let sql = "INSERT INTO adopted_message SELECT key, entry, zeroblob(32) FROM message WHERE entry = 2";
    assert_found(&log.tampered(sql), 2, BreakKind::Content, sql);
    // Times from before an adoption are what the reference left.
    let adopted = "INSERT INTO meta VALUES ('adopted_length', 30); UPDATE message SET created_at = created_at - 1";
    let findings = log.tampered(&format!("{adopted} WHERE entry < 30"));
    assert!(findings.verified.breaks.is_empty(), "{:#?}", findings.verified.breaks);
    assert!(findings.notes.iter().any(|note| note.starts_with("adopted messages")), "{:?}", findings.notes);
    assert_found(&log.tampered(&format!("{adopted} WHERE entry = 30")), 30, BreakKind::Timestamp, "after it");
}

#[test]
fn removal_insertion_swap_and_doubling_are_found() {
    let log = Log::new(300);
    for index in (0..299_u64).step_by(7) {
        let next = index + 1;
        let removed = format!("DELETE FROM entry WHERE idx = {index}");
        assert_found(&log.tampered(&removed), index, BreakKind::Gap, &removed);
        let swapped = format!(
            "UPDATE entry SET idx = -1 WHERE idx = {index}; UPDATE entry SET idx = {index} WHERE idx = {next}; \
             UPDATE entry SET idx = {next} WHERE idx = -1"
        );
        assert_found(&log.tampered(&swapped), index, BreakKind::Hash, &swapped);
        let inserted = format!(
            "UPDATE entry SET idx = idx + 100000 WHERE idx >= {index}; \
             UPDATE entry SET idx = idx - 99999 WHERE idx >= 100000; \
             INSERT INTO entry SELECT {index}, message, timestamp, content_hash, hash, signature, prev_hash, message_id \
             FROM entry WHERE idx = {}",
            index + 2
        );
        assert_found(&log.tampered(&inserted), index, BreakKind::Hash, &inserted);
    }
}

#[test]
fn a_search_index_that_does_not_match_is_found() {
    let log = Log::new(50);
    let findings = log.tampered("UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 10");
    let kinds: Vec<_> = findings.verified.breaks.listed().iter().map(|fault| fault.kind).collect();
    assert!(kinds.contains(&BreakKind::SearchIndex), "{kinds:?}");
    let findings = log.tampered("CREATE TABLE extra (x)");
    let kinds: Vec<_> = findings.verified.breaks.listed().iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [BreakKind::Storage]);
}

#[test]
fn an_export_is_verified_and_an_altered_one_found() {
    let (log, steps) = (Log::new(100), steps(100));
    let good = export(&steps, &log.entries);
    let verify = |text: &str| {
        let arguments = ["verify-chain", "--export", "-", "--no-state", "--json"];
        let run = log.home.run_with_input(&arguments, text);
        (run.code, run.stdout)
    };
    let (code, report) = verify(&good);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains(r#""verdict":"intact""#) && report.contains(r#""level":"full+contents""#), "{report}");

    let lines: Vec<_> = good.lines().collect();
    let without = |place: usize| {
        let mut lines = lines.clone();
        lines.remove(place);
        lines.join("\n") + "\n"
    };
    let doubled = |place: usize| {
        let mut lines = lines.clone();
        let made_up = lines[place].replace("from message 5,", "from nobody,");
        let count = |count: usize| format!(r#""messages":{count},"#);
        let messages = lines.iter().filter(|line| line.contains(r#""type":"message""#)).count();
        let footer = lines.pop().expect("a footer").replace(&count(messages), &count(messages + 1));
        lines.insert(place, &made_up);
        lines.push(&footer);
        lines.join("\n") + "\n"
    };
    let message = lines.iter().position(|line| line.contains("message 5,")).expect("a message");
    let entry = lines.iter().position(|line| line.contains(r#""index":50,"#)).expect("an entry");
    let first = log.entries[0].timestamp.to_string();
    let later = coms::time::Timestamp::from_unix_ms(log.entries[0].timestamp.unix_ms() + 1).to_string();
    let edited = lines.iter().position(|line| line.contains("hello from message 2,")).expect("an edited message");
    let deleted = lines.iter().position(|line| line.contains(r#""deleted_at""#)).expect("a deleted message");
    let changed = |place: usize, from: &str, to: &str| {
        let mut lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert!(lines[place].contains(from), "{from}: {}", lines[place]);
        lines[place] = lines[place].replace(from, to);
        lines.join("\n") + "\n"
    };
    let time = |index: usize| log.entries[index].timestamp.to_string();
    let cases = [
        (
            changed(2, &format!(r#""created_at":"{first}"#), &format!(r#""created_at":"{later}"#)),
            Some(1),
            r#""kind":"timestamp""#,
        ),
        (
            changed(2, &format!(r#""updated_at":"{first}"#), &format!(r#""updated_at":"{later}"#)),
            Some(1),
            r#""kind":"timestamp""#,
        ),
        (changed(edited, &time(7), &later), Some(1), r#""kind":"timestamp""#),
        (
            changed(deleted, &format!(r#""deleted_at":"{}"#, time(9)), &format!(r#""deleted_at":"{later}"#)),
            Some(1),
            r#""kind":"timestamp""#,
        ),
        (changed(deleted, &time(9), &later), Some(1), r#""kind":"timestamp""#),
        (changed(deleted, r#""metadata":"{}""#, r#""metadata":"{\"a\":1}""#), Some(1), r#""kind":"content""#),
        (changed(2, r#""chain_hash":""#, r#""chain_hash":"AAAA"#), Some(1), r#""kind":"content""#),
        (changed(2, r#""channel_id":"general""#, r#""channel_id":"random""#), Some(1), r#""kind":"storage""#),
        (
            changed(1, r#""type":"channel","id":"general""#, r#""type":"channel","id":"generals""#),
            Some(1),
            r#""kind":"storage""#,
        ),
        (changed(0, SERVER_ID, &SERVER_ID.replace('c', "d")), Some(1), r#""kind":"s"#),
        (changed(2, r#""metadata""#, r#""mood":"good","metadata""#), Some(0), r#""verdict":"consistent""#),
        (good.replace("from message 5,", "from massage 5,"), Some(1), r#""kind":"content""#),
        (good.replace("hello from message 2,", "hullo from message 2,"), Some(1), r#""kind":"history""#),
        (without(message), Some(1), r#""kind":"history""#),
        (without(entry), Some(1), r#""kind":"gap""#),
        // A message that nobody wrote, before the one whose entry it names.
        (doubled(message), Some(1), r#""kind":"missing_entry""#),
        (without(lines.len() - 1), Some(3), r#""verdict":"unknown""#),
        (without(0), Some(3), r#""verdict":"unknown""#),
        (good.replace(&key().public().to_string(), &"22".repeat(32)), Some(1), r#""kind":"signature""#),
    ];
    for (number, (text, code, expected)) in cases.into_iter().enumerate() {
        let (found, report) = verify(&text);
        assert!(found == code && report.contains(expected), "case {number}: {found:?} {report}");
    }
}
