//! `coms search` with the real program.

use crate::support::corpus::Corpus;
use crate::support::program::{Home, Run};

/// A home with a database `m.db` of a few messages.
fn home() -> Home {
    let home = Home::new();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.post("general", 0xaa, "big dogs, small Crème");
    corpus.post("announcements", 0xbb, "dogs: https://example.com");
    corpus.post("general", 0xbb, "私は東京都に住んでいます");
    corpus.post("general", 0xbb, "\u{1b}[2J clear\u{202e} dogs");
    let gone = corpus.post("general", 0xaa, "dogs that are gone");
    corpus.delete(gone);
    let changed = corpus.post("general", 0xaa, "früher");
    corpus.edit(changed, "später");
    home
}

fn search(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["search", "--db", "m.db"][..], arguments].concat())
}

/// The contents of the messages that were found, newest first.
fn contents(home: &Home, arguments: &[&str]) -> Vec<String> {
    let run = search(home, &[&["--json"][..], arguments].concat());
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"));
    lines.map(|message| message["content"].as_str().expect("its content").to_owned()).collect()
}

#[test]
fn messages_are_found_newest_first_and_as_the_protocol_shows_them() {
    let home = home();
    let run = search(&home, &["--json", "dogs", "small"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let message: serde_json::Value = serde_json::from_str(&run.stdout).expect("one line of JSON");
    assert_eq!(message["channel_id"], "general");
    assert_eq!(message["created_at"], "2026-05-02T12:00:00.000Z");
    assert_eq!(message["chain_index"], 0);
    assert_eq!(contents(&home, &["dogs"]).len(), 3);
    assert_eq!(contents(&home, &["dogs", "--limit", "1"]), ["\u{1b}[2J clear\u{202e} dogs"]);
    assert_eq!(contents(&home, &["creme"]), ["big dogs, small Crème"]);
    assert_eq!(contents(&home, &["東京"]), ["私は東京都に住んでいます"]);
}

#[test]
fn options_and_the_words_of_the_query_filter_alike() {
    let home = home();
    let news = ["dogs: https://example.com"];
    for arguments in [
        &["dogs in:announcements"][..],
        &["dogs", "--channel", "announcements"],
        &["has:link"],
        &["--", "-in:general"],
        &["dogs", "--user", "bb", "--before", "2026-05-02T12:00:03Z"],
        &["dogs from:bb before:2026-05-02T12:00:03Z"],
        &["dogs after:2026-05-02T12:00:01Z -clear"],
        &["--after", "2026-05-02T12:00:01Z", "--before", "2026-05-02T12:00:02Z"],
    ] {
        assert_eq!(contents(&home, arguments), news, "{arguments:?}");
    }
    let best = contents(&home, &["small OR dogs", "--sort", "relevance", "--limit", "1"]);
    assert_eq!(best, ["big dogs, small Crème"]);
}

#[test]
fn what_others_wrote_does_not_reach_the_terminal_as_commands() {
    let home = home();
    let plain = search(&home, &["clear"]);
    assert!(plain.stdout.ends_with(" \\u{1b}[2J clear\\u{202e} dogs\n"), "{plain:?}");
    let coloured = search(&home, &["--color", "always", "clear", "DOGS"]);
    assert!(
        coloured.stdout.ends_with("[2J \u{1b}[1;31mclear\u{1b}[0m\\u{202e} \u{1b}[1;31mdogs\u{1b}[0m\n"),
        "{coloured:?}"
    );
}

#[test]
fn nothing_found_is_exit_code_1() {
    let home = home();
    for arguments in [&["gone"][..], &["früher"], &["nothing"], &["deleted"], &["\"dogs big\""], &["from:cc dogs"]] {
        let run = search(&home, arguments);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(1), "", "nothing matches\n"));
    }
}

#[test]
fn a_mistake_is_named_and_told_how_to_mend() {
    let home = home();
    for (arguments, error) in [
        (&["in:nowhere"][..], "error: there is no such channel: `nowhere`\nhint: there are: general, announcements\n"),
        (
            &["dogs", "--channel", "#no"],
            "error: there is no such channel: `no`\nhint: there are: general, announcements\n",
        ),
        (&["from:alice"], "error: not a user id nor the first digits of one: `alice`\n"),
        (&["before:someday"], "error: not a date, an RFC 3339 time or a duration such as `7d`: `someday`\n"),
        (&["!!!"], "error: the query has no word to look for\n"),
        (&[], "error: the query has no word to look for\n"),
        (&["dogs", "--before", "someday"], "error: invalid value 'someday' for '--before <TIME>'"),
        (&["dogs", "--limit", "0"], "error: invalid value '0' for '--limit <COUNT>'"),
    ] {
        let run = search(&home, arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.starts_with(error), "{run:?}");
    }
    let many = search(&home, &["in:general ".repeat(10_000).as_str()]);
    assert_eq!(many.code, Some(2), "{many:?}");
}

#[test]
fn a_long_message_is_found_by_all_its_words() {
    let home = Home::new();
    let text = (0..200).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    Corpus::create(&home.join("m.db")).post("general", 0xaa, &text);
    let run = search(&home, &["--json", &text]);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 1), "{run:?}");
    let warning =
        "warning: the query is long: only its first 32 words and phrases, 512 characters of them, are looked for";
    assert_eq!(run.stderr.trim_end(), warning);
    let many = search(&home, &["a ".repeat(10_000).as_str()]);
    assert_eq!((many.code, many.stdout.as_str()), (Some(1), ""), "{many:?}");
}

#[test]
fn odd_queries_are_answered() {
    let home = home();
    for query in [
        "\"unbalanced dogs",
        "dogs AND",
        "OR dogs",
        "dogs NOT",
        "dogs*",
        "NEAR(dogs)",
        "content:dogs",
        "dogs^2 {x} + ;",
        "((( dogs",
        "-not",
        "dogs \u{7} :",
        "-x dogs -y",
    ] {
        let run = search(&home, &["--", query]);
        assert!(matches!(run.code, Some(0 | 1)), "{query}: {run:?}");
    }
}

#[test]
fn a_file_that_is_no_database_is_exit_code_3() {
    let home = Home::new();
    home.write("text.db", &"not a database, but long enough to have a header. ".repeat(4));
    for (file, error) in
        [("missing.db", "error: cannot open the database"), ("text.db", "error: `text.db` is not a database of coms")]
    {
        let run = home.run(&["search", "--db", file, "x"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{run:?}");
        assert!(run.stderr.starts_with(error) && run.stderr.contains("\nhint: "), "{run:?}");
    }
    assert!(!home.join("missing.db").exists());
}
