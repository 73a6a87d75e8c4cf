//! `coms dev` and `coms chat` as people use them: real processes, a real terminal where one is needed.

pub(crate) mod program;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use coms::central::{Sandbox, SandboxOptions};
use coms::keys::SigningKey;
use coms::secret::Secret;
use coms::time::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::program::{Chat, DEADLINE, Dev, Server, coms};

const CREATED: &str = "zync.channels.message.create";

fn is_message(frame: &Value, content: &str) -> bool {
    frame["t"] == CREATED && frame["d"]["content"] == content
}

/// The texts of all create events among `frames`, in order.
fn texts(frames: &[Value]) -> Vec<String> {
    let created = frames.iter().filter(|frame| frame["t"] == CREATED);
    created.map(|frame| frame["d"]["content"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn two_people_talk_across_a_restart_and_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut dev = Dev::start(dir.path(), 0);
    let (mut ada, mut ben) = (dev.chat(0, &["--follow"]), dev.chat(1, &["--follow"]));
    for chat in [&mut ada, &mut ben] {
        chat.wait_for(|frame| frame["t"] == "zync.channels.message.history");
    }
    ada.say("one");
    ada.wait_for(|frame| frame["t"] == "zync.channels.message.create.ok");
    ben.wait_for(|frame| is_message(frame, "one"));

    let port = dev.port();
    assert_eq!(dev.interrupt(), Some(0));
    ben.say("two, said to nobody");
    dev = Dev::start(dir.path(), port);
    assert_eq!(dev.port(), port);
    ada.wait_for(|frame| is_message(frame, "two, said to nobody"));

    dev.kill();
    ada.say("three, said to nobody");
    dev = Dev::start(dir.path(), port);
    for chat in [&mut ada, &mut ben] {
        chat.wait_for(|frame| is_message(frame, "three, said to nobody"));
    }
    let said = ["one", "two, said to nobody", "three, said to nobody"];
    for chat in [ada, ben] {
        let (code, frames) = chat.end();
        assert_eq!((code, texts(&frames)), (Some(0), said.map(str::to_owned).to_vec()));
    }

    let history = dev.chat(0, &[]).end().1.into_iter().find(|frame| frame["t"] == "zync.channels.message.history");
    let history = history.expect("a page of history");
    let stored: Vec<_> = history["d"]["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .rev()
        .map(|message| &message["content"])
        .collect();
    assert_eq!(stored, said.map(|text| json!(text)).iter().collect::<Vec<_>>());
}

#[test]
fn what_it_prints_is_all_that_it_takes() {
    let mut dev = Command::new(env!("CARGO_BIN_EXE_coms"))
        .args(["dev", "--ephemeral", "--port", "0", "--central-port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = BufReader::new(dev.stdout.take().expect("a pipe"));
    let printed: Vec<String> =
        stdout.lines().map(|line| line.expect("text")).take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let with = |start: &str| printed.iter().filter_map(|line| line.strip_prefix(start)).collect::<Vec<_>>();
    let tokens = with("token: ");
    assert_eq!((with("server ").len(), with("Central ").len(), with("data ").len(), tokens.len()), (1, 1, 1, 2));
    let lines: Vec<_> = printed.iter().filter(|line| line.contains(" chat http")).collect();
    assert!(lines.len() == 2 && !tokens.iter().any(|token| lines.iter().any(|line| line.contains(token))));
    for line in lines {
        let status = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("an end").success(), "{line}");
    }
    let told = Command::new("kill").args(["-TERM", &dev.id().to_string()]).status().expect("kill");
    assert!(told.success() && dev.wait().expect("an end").success());
}

/// Its most talkative log, with people coming, talking and failing to come.
#[test]
fn no_secret_and_no_message_is_ever_logged() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = std::fs::File::create(dir.path().join("log")).expect("a file");
    let dev = Dev::logging(dir.path(), log);
    let mut chat = dev.chat(0, &[]);
    let id = chat.post("canary in a message");
    chat.say(&format!("/edit {id} canary in an edit"));
    chat.say("/search canary in a search");
    assert_eq!(chat.end().0, Some(0));
    let bad = dir.path().join("bad.token");
    std::fs::write(&bad, "v4.public.canary").expect("a file");
    let refused = Chat::start(&[&dev.url(), "--token", &format!("@{}", bad.display()), "--json"]).end();
    assert_eq!(refused.0, Some(3));
    std::fs::remove_file(bad).expect("the file");
    let central = dev.text("central_url");
    let joined = Chat::start(&[&dev.url(), "--join", &central, "--server", &dev.text("server_id"), "--json"]).end();
    assert_eq!(joined.0, Some(0));

    let settings = std::fs::read_to_string(dev.text("env_file")).expect("the settings");
    let secret = |name: &str| {
        let value = settings.lines().find_map(|line| line.strip_prefix(name)).expect("a setting");
        value.trim_matches('\'').to_owned()
    };
    let mut secrets = vec![secret("SERVER_SECRET_KEY="), secret("CENTRAL_API_KEY="), "canary".to_owned()];
    secrets.extend([dev.token(0), dev.token(1)]);
    assert_eq!(dev.interrupt(), Some(0));
    let log = std::fs::read_to_string(dir.path().join("log")).expect("the log");
    assert!(log.contains("connection opened") && log.contains("connection refused"), "it says little: {log}");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
    assert!(!log.contains("v4.public."), "some token");
}

#[test]
fn a_script_may_edit_delete_and_search_what_it_has_just_said() {
    let dev = Dev::anywhere();
    let mut chat = dev.chat(0, &[]);
    let (tea, coffee) = (chat.post("tea"), chat.post("coffee"));
    let (edit, delete) = (format!("/edit {tea} green tea"), format!("/delete {coffee}"));
    for line in [&edit, &delete, "/search green", "/channels", "//shrug"] {
        chat.say(line);
    }
    let (code, frames) = chat.end();
    let answer = |t: &str| frames.iter().find(|frame| frame["t"] == t).unwrap_or_else(|| panic!("no {t}: {frames:?}"));
    assert_eq!(code, Some(0));
    assert_eq!(texts(&frames), ["tea", "coffee", "/shrug"]);
    assert_eq!(answer("zync.channels.message.edit")["d"]["content"], "green tea");
    answer("zync.channels.message.delete.ok");
    assert_eq!(answer("zync.channels.search.results")["d"]["messages"][0]["content"], "green tea");
    assert_eq!(answer("zync.channels.list.ok")["d"]["channels"][1]["id"], "announcements");
}

/// What a number means depends on the history, which a script does not see in numbers.
#[test]
fn a_script_names_messages_by_their_ids_alone() {
    let dev = Dev::anywhere();
    let mut ada = dev.chat(0, &[]);
    let id = ada.post("the oldest");
    assert_eq!(ada.end().0, Some(0));
    let run = |json: &[&str], lines: &str| {
        let mut command = coms();
        command.args(["chat", &dev.url()]).args(json).env("COMS_TOKEN", dev.token(0));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("a reader");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    for json in [&["--json"][..], &[]] {
        for line in ["/edit 1 gone", "/edit #1 gone", "/delete 1", "/delete #1", "/delete 0"] {
            let (code, stdout, stderr) = run(json, &format!("{line}\n"));
            assert_eq!(code, Some(1), "{line}: {stderr}");
            assert!(stderr.contains("numbers are for terminals: name the message by its id"), "{line}: {stderr}");
            assert!(!stdout.contains("gone") && !stdout.contains("deleted"), "{line}: {stdout}");
        }
    }
    let (code, stdout, _) = run(&[], &format!("/edit {id} the newest\n"));
    assert_eq!(code, Some(0));
    assert!(stdout.contains(&format!("{id} now reads: the newest")) && !stdout.contains('#'), "{stdout}");
}

#[test]
fn what_no_server_takes_is_not_sent() {
    let dev = Dev::anywhere();
    let notes = tempfile::NamedTempFile::new().expect("a file");
    let token = format!("@{}", notes.path().with_extension("token").display());
    std::fs::write(&token[1..], dev.token(0)).expect("a file");
    let arguments = ["--token", &token, "--json", "--follow"];
    let url = dev.url();
    let arguments: Vec<_> = [url.as_str()].into_iter().chain(arguments).collect();
    let mut chat = Chat::noting(&arguments, notes.reopen().expect("a file"));
    let id = chat.post("before");
    let kib = 1024;
    for line in [
        "x".repeat(64 * kib - 1),
        "x".repeat(64 * kib),
        "x".repeat(1024 * kib),
        "x".repeat(4_001),
        "\u{1}".repeat(4_001),
        "żó".repeat(2_001),
        format!("/edit {id} {}", "x".repeat(4_001)),
        format!("/search {}", "\"".repeat(40 * kib)),
    ] {
        chat.say(&line);
    }
    // What is at the limit goes, whatever its escapes cost.
    let longest = "\u{1}".repeat(4_000);
    chat.post(&longest);
    chat.post("after");
    let (code, frames) = chat.end();
    let greetings = frames.iter().filter(|frame| frame["t"] == "zync.core.hello").count();
    assert_eq!((code, greetings, texts(&frames)), (Some(1), 1, vec!["before".to_owned(), longest, "after".to_owned()]));
    let notes = std::fs::read_to_string(notes.path()).expect("its notes");
    assert_eq!(notes.matches("not sent: ").count(), 8, "{notes}");
    assert!(notes.contains("at most 4000 characters, and this one has 4001: x") && notes.len() < 8 * kib, "{notes}");
    std::fs::remove_file(&token[1..]).expect("the token's file");
}

/// A server that takes less than others: it closes with 1009, and is not asked the same again.
#[test]
fn what_the_server_closed_the_connection_on_is_never_sent_again() {
    let served = Served::start_with(Duration::from_mins(10), true, &[("MAX_FRAME_BYTES", "4096")]);
    let (mut chat, _) = served.guest();
    chat.post("before");
    chat.say(&"ż".repeat(3_000));
    let again = |frame: &Value| frame["t"] == "zync.core.hello" && frame["d"]["chain_head"] == 0;
    chat.wait_for(again);
    chat.post("after");
    let (code, frames) = chat.end();
    let greetings = frames.iter().filter(|frame| frame["t"] == "zync.core.hello").count();
    assert_eq!((code, greetings, texts(&frames)), (Some(1), 2, vec!["before".to_owned(), "after".to_owned()]));
}

#[test]
fn a_script_hears_of_refusals_by_the_exit_code() {
    let dev = Dev::anywhere();
    let mut refused = dev.chat(0, &["--channel", "announcements"]);
    refused.say("may I?");
    let (code, frames) = refused.end();
    let error = frames.iter().find(|frame| frame["t"] == "zync.core.error").expect("an error");
    assert_eq!((code, &error["d"]["reason"]), (Some(1), &json!("read_only")));

    let url = dev.url();
    let failed = |url: &str, token: &str| {
        let output = coms().args(["chat", url]).env("COMS_TOKEN", token).output().expect("an end");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, stderr) = failed(&url, "v4.public.nonsense");
    assert_eq!(code, Some(3));
    assert!(stderr.starts_with("error: the server refuses the token: invalid_token\nhint: "), "{stderr}");
    assert!(!stderr.contains("nonsense"), "{stderr}");
    let (code, stderr) = failed("http://127.0.0.1:1", "x");
    assert!(code == Some(3) && stderr.starts_with("error: could not connect: "), "{stderr}");
    let (code, stderr) = failed(&url, "");
    assert!(code == Some(2) && stderr.starts_with("error: no token given\nhint: "), "{stderr}");
}

#[test]
fn central_gives_the_token_and_a_token_may_stand_in_a_file() {
    let dev = Dev::anywhere();
    let user = "49c07341-06c0-4eb9-8059-e5a0a3729cb6";
    let central = dev.text("central_url");
    let server = dev.text("server_id");
    let mut joined = Chat::start(&[&dev.url(), "--join", &central, "--server", &server, "--user", user, "--json"]);
    assert_eq!(joined.wait_for(|frame| frame["t"] == "zync.core.hello")["d"]["user_id"], user);
    assert_eq!(joined.end().0, Some(0));

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), dev.token(0) + "\n").expect("a file");
    let place = format!("@{}", file.path().display());
    assert_eq!(Chat::start(&[&dev.url(), "--token", &place, "--json"]).end().0, Some(0));
    let mut piped = Chat::start(&[&dev.url(), "--token", "-", "--json"]);
    piped.say(&dev.token(0));
    piped.say("after the token");
    assert_eq!(texts(&piped.end().1), ["after the token"]);
}

const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

/// `coms serve` with a Central whose tokens are good for so long, and which is there or not.
struct Served {
    central: Sandbox,
    /// What Central needs to run.
    _runtime: tokio::runtime::Runtime,
    url: String,
    _server: Server,
    _dir: tempfile::TempDir,
}

impl Served {
    fn start(token_lifetime: Duration, central_is_there: bool) -> Self {
        Self::start_with(token_lifetime, central_is_there, &[])
    }

    /// With these variables besides.
    fn start_with(token_lifetime: Duration, central_is_there: bool, more: &[(&str, &str)]) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let central = {
            let _inside = runtime.enter();
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
            let options = SandboxOptions { token_lifetime, ..SandboxOptions::default() };
            Sandbox::start(listener, options).expect("a sandbox")
        };
        central.set_available(central_is_there);
        central.register(&SERVER_ID.parse().expect("a UUID"), &Secret::new("key".to_owned()));
        let dir = tempfile::tempdir().expect("a directory");
        let key = SigningKey::from_seed(&[5; 32]);
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("a port").port();
        let variables = [
            ("SERVER_ID", SERVER_ID.to_owned()),
            ("SERVER_SECRET_KEY", key.to_hex().reveal().to_owned()),
            ("SERVER_PUBLIC_KEY", key.public().to_string()),
            ("CENTRAL_URL", central.url()),
            ("CENTRAL_API_KEY", "key".to_owned()),
            ("CENTRAL_PUBLIC_KEY", central.public_key().to_string()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", port.to_string()),
            ("DB_PATH", dir.path().join("messages.db").display().to_string()),
        ];
        let mut attempts = central.requests();
        let server =
            Server::start(coms().arg("serve").current_dir(dir.path()).envs(variables).envs(more.iter().copied()));
        // It listens before its first heartbeat.
        let attempt = async { tokio::time::timeout(DEADLINE, attempts.changed()).await };
        runtime.block_on(attempt).expect("in time").expect("a heartbeat");
        Self { central, _runtime: runtime, url: format!("http://127.0.0.1:{port}"), _server: server, _dir: dir }
    }

    /// Someone with a token and no way to get another.
    fn guest(&self) -> (Chat, Timestamp) {
        let user = "49c07341-06c0-4eb9-8059-e5a0a3729cb6".parse().expect("a UUID");
        let joined = self.central.join(&SERVER_ID.parse().expect("a UUID"), user);
        let chat = Chat::start_with_token(joined.token.reveal(), &[&self.url, "--json", "--follow"]);
        (chat, joined.expires_at)
    }
}

#[test]
fn a_session_is_renewed_before_it_ends() {
    let served = Served::start(Duration::from_secs(3), true);
    let central = served.central.url();
    let mut chat = Chat::start(&[&served.url, "--join", &central, "--server", SERVER_ID, "--json", "--follow"]);
    // Each renewal comes after half of what is left: at the second one the first token has expired.
    for _ in 0..2 {
        chat.wait_for(|frame| frame["t"] == "zync.core.renew.ok");
    }
    chat.say("still here");
    chat.wait_for(|frame| frame["t"] == "zync.channels.message.create.ok");
    let (code, frames) = chat.end();
    let greetings = frames.iter().filter(|frame| frame["t"] == "zync.core.hello").count();
    assert_eq!((code, greetings), (Some(0), 1));
}

#[test]
fn a_session_ends_with_its_token() {
    let served = Served::start(Duration::from_secs(1), true);
    let (mut chat, _) = served.guest();
    chat.wait_for(|frame| frame["t"] == "zync.core.hello");
    assert_eq!(chat.wait(), Some(3));
}

#[test]
fn a_session_outlives_its_token_while_central_is_away() {
    let served = Served::start(Duration::from_secs(1), false);
    let (mut chat, expires_at) = served.guest();
    loop {
        chat.say("is it over?");
        let created = chat.wait_for(|frame| is_message(frame, "is it over?"));
        let said_at = created["d"]["created_at"].as_str().and_then(Timestamp::parse_rfc3339).expect("a time");
        if said_at > expires_at.plus(Duration::from_millis(500)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, frames) = chat.end();
    let greetings = frames.iter().filter(|frame| frame["t"] == "zync.core.hello").count();
    assert_eq!((code, greetings), (Some(0), 1));
}

#[test]
fn a_taken_port_is_passed_over_and_an_ephemeral_directory_goes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let dev = Dev::start_with(&["--ephemeral", "--port", &port.to_string()]);
    assert_ne!(dev.port(), port);
    let dir = std::path::PathBuf::from(dev.text("dir"));
    assert!(dir.join("messages.db").exists());
    assert_eq!(dev.interrupt(), Some(0));
    assert!(!dir.exists());
}

#[cfg(unix)]
#[test]
fn a_terminal_keeps_the_input_line_whole() {
    let dev = Dev::anywhere();
    let mut command = coms();
    command.args(["chat", &dev.url()]).env("COMS_TOKEN", dev.token(0)).env("TERM", "xterm");
    let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).expect("a terminal");
    terminal.exp_string("connected as").expect("a greeting");
    terminal.send("half a ").and_then(|_| terminal.flush()).expect("keys");
    terminal.exp_string("half a ").expect("an echo");

    let mut ben = dev.chat(1, &["--follow"]);
    ben.say("an \u{1b}[31minterruption");
    // The line of the other, escaped, and then the half line again, after its prompt.
    terminal.exp_string("an \\u{1b}[31minterruption").expect("the other's line");
    terminal.exp_string("> half a ").expect("the input line again");
    terminal.send_line("sentence").expect("keys");
    ben.wait_for(|frame| is_message(frame, "half a sentence"));
    terminal.exp_string("you: half a sentence").expect("the own line");

    terminal.send_line("/edit 1 not mine").expect("keys");
    terminal.exp_string("refused: message not found or not owned by user").expect("a refusal");
    terminal.send_line("/quit").expect("keys");
    terminal.exp_eof().expect("the end");
    assert_eq!(ben.end().0, Some(0));
}

/// As ssh delivers what was typed ahead, and a terminal a paste without brackets.
#[cfg(unix)]
#[test]
fn lines_that_arrive_together_at_a_terminal_are_all_sent() {
    let dev = Dev::anywhere();
    let mut ben = dev.chat(1, &["--follow"]);
    ben.wait_for(|frame| frame["t"] == "zync.channels.message.history");
    let mut command = coms();
    command.args(["chat", &dev.url()]).env("COMS_TOKEN", dev.token(0)).env("TERM", "xterm");
    let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).expect("a terminal");
    // Before it is connected, perhaps before it reads at all.
    terminal.send("zero\rand\r").and_then(|_| terminal.flush()).expect("keys");
    terminal.exp_string("connected as").expect("a greeting");
    terminal.send("one\rtwo\rthree\r").and_then(|_| terminal.flush()).expect("keys");
    for text in ["zero", "and", "one", "two", "three"] {
        ben.wait_for(|frame| is_message(frame, text));
    }
    // More than is read at once, ending within a line.
    let lines: Vec<_> = (0..100).map(|number| format!("line {number} of a paste, żółć")).collect();
    terminal.send(&(lines.join("\r") + "\rhalf")).and_then(|_| terminal.flush()).expect("keys");
    for line in &lines {
        ben.wait_for(|frame| is_message(frame, line));
    }
    terminal.send(" and half\r/quit\r").and_then(|_| terminal.flush()).expect("keys");
    ben.wait_for(|frame| is_message(frame, "half and half"));
    terminal.exp_eof().expect("the end");
    let (code, frames) = ben.end();
    assert_eq!((code, texts(&frames).len()), (Some(0), 5 + lines.len() + 1));
}
