//! `coms export` with the real program.

mod faults;
mod overwriting;

use std::fs;

use coms::channels::export_format::{ExportLine, ExportMessage};
use serde_json::Value;

use crate::support::corpus::{Corpus, SERVER_ID, signing_key};
use crate::support::program::{Home, Run};

/// An earlier export, as far as one looks at it.
const OLD: &str = "{\"type\":\"header\",\"format\":1}\n";

const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=alert(1)> \u{202e}evil\u{0}\u{1b}[2J \"'&";

/// A home with a database `m.db` of a few messages, some of them hostile.
fn home() -> Home {
    let home = Home::new();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.post("general", 0xaa, "Grüße, 世界! https://example.com/?a=1&b=2");
    let edited = corpus.post("general", 0xbb, "first");
    corpus.post("announcements", 0xbb, "=1+1");
    corpus.edit(edited, "second, \"quoted\"\nand a line");
    let deleted = corpus.post("general", 0xaa, "unforgettable");
    corpus.delete(deleted);
    corpus.post("general", 0xcc, HOSTILE);
    home
}

fn export(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["export", "--db", "m.db"][..], arguments].concat())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().expect("its type")).collect()
}

fn messages(text: &str) -> Vec<ExportMessage> {
    let read = |line| match serde_json::from_str(line).ok()? {
        ExportLine::Message(message) => Some(message),
        _ => None,
    };
    text.lines().filter_map(read).collect()
}

#[test]
fn json_lines_carry_everything_in_the_order_of_the_chain() {
    let home = home();
    let run = export(&home, &["-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let lines = lines(&run.stdout);
    let expected = "header channel channel message entry message entry message entry entry message entry entry message entry footer";
    assert_eq!(types(&lines).join(" "), expected);
    assert!(run.stdout.lines().all(|line| line.starts_with("{\"type\":")));
    assert_eq!(lines[0]["server_id"], SERVER_ID);
    assert_eq!(lines[0]["public_key"], signing_key().public().to_string());
    assert_eq!(lines[0]["chain_length"], 7);
    assert_eq!(lines.last().expect("a footer")["messages"], 5);
    let messages = messages(&run.stdout);
    assert_eq!(messages[1].edit_history, ["first"]);
    assert_eq!(messages[1].latest_chain_index.map(|index| index.0), Some(3));
    assert_eq!(messages[3].content, "[deleted]");
    assert_eq!(messages[4].content, HOSTILE);
    assert!(!run.stdout.contains("unforgettable"));
    assert_eq!(export(&home, &["-q"]).stdout, run.stdout, "the same database gives the same bytes");
}

#[test]
fn an_export_is_all_that_verification_needs() {
    let home = home();
    let secret = signing_key().to_hex();
    let public = signing_key().public();
    home.write(
        ".env",
        &format!("SERVER_ID={SERVER_ID}\nSERVER_SECRET_KEY={}\nSERVER_PUBLIC_KEY={public}\n", secret.reveal()),
    );
    assert_eq!(export(&home, &["-o", "all.jsonl"]).code, Some(0));
    let header: Value = serde_json::from_str(home.read("all.jsonl").lines().next().expect("a header")).expect("JSON");
    assert_eq!(header["head"]["length"], 7, "{header}");
    let verify = |file: &str| home.run(&["verify-chain", "--no-state", "--export", file]);
    let run = verify("all.jsonl");
    assert_eq!(run.code, Some(0), "{run:?}");
    home.write("changed.jsonl", &home.read("all.jsonl").replace("Grüße", "Grusse"));
    assert_eq!(verify("changed.jsonl").code, Some(1));
    let cut = home.read("all.jsonl");
    home.write("cut.jsonl", &cut[..cut.len() - 60]);
    assert_ne!(verify("cut.jsonl").code, Some(0));
    assert_eq!(export(&home, &["--channel", "general", "-o", "part.jsonl"]).code, Some(0));
    let run = verify("part.jsonl");
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_filtered_export_says_so_and_carries_the_entries_of_its_messages() {
    let home = home();
    let run = export(&home, &["-q", "--channel", "general", "--user", "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"]);
    let lines = lines(&run.stdout);
    assert_eq!(types(&lines), ["header", "channel", "message", "entry", "entry", "footer"]);
    assert_eq!(lines[0]["filter"]["channels"][0], "general");
    assert_eq!((&lines[3]["index"], &lines[4]["index"]), (&1.into(), &3.into()));
    let span = export(&home, &["-q", "--after", "2026-05-02T12:00:02Z", "--before", "2026-05-02T12:00:04Z"]);
    assert_eq!(messages(&span.stdout).len(), 1);
    let wrong = export(&home, &["--channel", "nowhere"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("hint: there are: general, announcements"), "{wrong:?}");
}

#[test]
fn csv_has_a_line_a_message_and_no_formula() {
    let home = home();
    let run = export(&home, &["--format", "csv"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let mut reader = csv::Reader::from_reader(run.stdout.as_bytes());
    let column = reader.headers().expect("the names").iter().position(|name| name == "content").expect("the column");
    let contents: Vec<_> = reader.records().map(|record| record.expect("a record")[column].to_owned()).collect();
    assert_eq!(contents[1], "second, \"quoted\"\nand a line");
    assert_eq!(contents[2], "'=1+1");
    assert_eq!(contents[4], HOSTILE.replace('\0', "␀"));
    assert!(run.stdout.lines().next().is_some_and(|line| line.starts_with("id,channel_id,")));
}

#[test]
fn pages_link_each_other_and_nothing_in_them_is_markup_of_others() {
    let home = Home::new();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.post("general", 0xcc, HOSTILE);
    corpus.batch("general", 2_100);
    drop(corpus);
    let run = export(&home, &["--format", "html", "-o", "pages"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""), "{run:?}");
    let mut names: Vec<_> =
        fs::read_dir(home.join("pages")).expect("the folder").map(|entry| entry.expect("a file").file_name()).collect();
    names.sort();
    assert_eq!(names, ["channel-1-page-1.html", "channel-1-page-2.html", "index.html"]);
    let (index, first, second) = (
        home.read("pages/index.html"),
        home.read("pages/channel-1-page-1.html"),
        home.read("pages/channel-1-page-2.html"),
    );
    assert!(index.contains("href=\"channel-1-page-1.html\"") && index.contains("2,101 messages"));
    assert!(first.contains("rel=\"next\" href=\"channel-1-page-2.html\"") && !first.contains("rel=\"prev\""));
    assert!(second.contains("rel=\"prev\" href=\"channel-1-page-1.html\"") && !second.contains("rel=\"next\""));
    assert!(
        first.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; \\u{202e}evil\\u{0}")
    );
    assert_eq!((first.matches("<script").count(), first.matches("<img").count()), (1, 0));
    assert!(first.contains("default-src 'none'"));
    let again = export(&home, &["--format", "html", "-o", "pages"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("hint: name a folder that is not there yet"), "{again:?}");
    assert_eq!(export(&home, &["--format", "html"]).code, Some(2));
}

#[test]
fn pages_say_what_was_edited_and_what_was_deleted() {
    let home = home();
    assert_eq!(export(&home, &["--format", "html", "-o", "pages"]).code, Some(0));
    let index = home.read("pages/index.html");
    assert!(index.contains(">4 messages, 2026-05-02<") && index.contains(">1 message, 2026-05-02<"), "{index}");
    let page = home.read("pages/channel-1-page-1.html");
    let edited =
        "<summary>Edited, 12:00: 1 earlier version</summary><ol><li><div class=\"text\" dir=\"auto\">first</div></li>";
    assert!(page.contains(edited), "{page}");
    assert!(page.contains("<p class=\"gone\">Message deleted, 12:00</p>") && !page.contains("unforgettable"), "{page}");
    let link = "<a href=\"https://example.com/?a=1&amp;b=2\" rel=\"noopener noreferrer nofollow\">";
    assert!(page.contains(link), "{page}");
}

#[test]
fn a_failed_export_leaves_the_old_file_and_nothing_else() {
    let home = home();
    home.write("old.jsonl", OLD);
    let database = damage(&home);
    let run = home.run(&["export", "--force", "--db", &database, "-o", "old.jsonl"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_eq!(home.read("old.jsonl"), OLD);
    let left = fs::read_dir(home.path()).expect("the folder").filter_map(Result::ok);
    assert!(
        left.map(|entry| entry.file_name())
            .all(|name| !name.to_string_lossy().contains("coms-export") && !name.to_string_lossy().contains("partial"))
    );
    let run = export(&home, &["-q", "-o", "missing/x.jsonl"]);
    assert_eq!(run.code, Some(3));
    assert!(
        run.stderr.starts_with("error: cannot write the export to `missing/x.jsonl`: its folder is not there"),
        "{run:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let home = home();
    let pipe = home.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).expect("what is written"))
    };
    let run = export(&home, &["-q", "-o", "pipe"]);
    assert!(fs::metadata(&pipe).expect("the pipe").file_type().is_fifo(), "{run:?}");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(reader.join().expect("the reader"), export(&home, &["-q"]).stdout);
}

/// Makes a copy of the database that ends in the middle.
fn damage(home: &Home) -> String {
    let bytes = fs::read(home.join("m.db")).expect("the database");
    let pages = bytes.len() / 4096;
    fs::write(home.join("cut.db"), &bytes[..pages / 2 * 4096]).expect("a file");
    "cut.db".to_owned()
}

/// Whoever looks at an export on a terminal sees what the messages say, and the terminal does none of it.
#[cfg(unix)]
#[test]
fn an_export_on_a_terminal_does_nothing_to_it() {
    let home = home();
    for format in ["csv", "jsonl"] {
        let command = home.command(&["-q", "export", "--db", "m.db", "--format", format]);
        let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).expect("a terminal");
        let shown = terminal.exp_eof().expect("the end");
        assert!(shown.contains("evil") && !shown.contains(['\u{1b}', '\u{202e}', '\0']), "{shown:?}");
    }
}
