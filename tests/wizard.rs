//! `coms init` and `coms` as a person meets them: on a terminal.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use rexpect::process::WaitStatus;
use rexpect::session::{Options, PtySession, spawn_with_options};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::program::Home;

const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
const CENTRAL_KEY: &str = "b9ea7e43812cf1ae6c9fd26296373ff70590b22b7c08394f80dbe305a582757d";
const PATIENCE: Duration = Duration::from_secs(20);

/// The program at a terminal.
struct Terminal(PtySession);

impl Terminal {
    fn start(program: &Command) -> Self {
        // The library's terminals do not echo; those of people do.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"stty sane && exec "$0" "$@""#]).arg(program.get_program()).args(program.get_args());
        command.current_dir(program.get_current_dir().expect("a directory")).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm").env("NO_COLOR", "1").env("PATH", "/usr/bin:/bin");
        let patience = PATIENCE.as_millis().try_into().ok();
        let options = Options::new().timeout_ms(patience).strip_ansi_escape_codes(true);
        Self(spawn_with_options(command, options).expect("the program starts"))
    }

    /// Waits for `prompt`.
    fn expect(&mut self, prompt: &str) -> String {
        self.0.exp_string(prompt).expect(prompt)
    }

    /// Waits for `prompt` and answers with a line.
    fn answer(&mut self, prompt: &str, answer: &str) {
        self.expect(prompt);
        self.0.send_line(answer).expect("the terminal takes it");
    }

    /// Waits for `prompt`, and until nothing that is typed is shown any more.
    fn expect_hidden(&mut self, prompt: &str) {
        self.expect(prompt);
        let terminal = self.0.process().get_file_handle().expect("the terminal");
        let deadline = Instant::now() + PATIENCE;
        while tcgetattr(terminal.as_fd()).expect("its modes").local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "the terminal goes on echoing");
            std::thread::yield_now();
        }
    }

    fn interrupt(&mut self) {
        self.0.send_control('c').expect("the terminal takes it");
    }

    /// Everything up to the end, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let rest = self.0.exp_eof().expect("the program ends");
        match self.0.process().wait().expect("the program ends") {
            WaitStatus::Exited(_, code) => (rest, Some(code)),
            _ => (rest, None),
        }
    }
}

/// Answers the questions before the API key.
fn answer_until_api_key(terminal: &mut Terminal) {
    terminal.answer("SERVER_ID:", SERVER_ID);
    terminal.answer("SERVER_NAME [My Zync Server]:", "Büro & Co");
    terminal.answer("CENTRAL_URL [http://localhost:8080]:", "http://127.0.0.1:9");
}

/// Answers the questions after it, up to the look at Central.
fn answer_the_rest(terminal: &mut Terminal) {
    terminal.answer("CENTRAL_PUBLIC_KEY:", CENTRAL_KEY);
    terminal.answer("PORT [3000]:", "4000");
    terminal.answer("DB_PATH [./data/messages.db]:", "");
    terminal.answer("FEATURE_TEXT_CHANNELS [Y/n]", "y");
    terminal.answer("FEATURE_ANNOUNCEMENT_CHANNELS [Y/n]", "n");
    terminal.answer("FEATURE_LOG_CHAIN [Y/n]", "y");
}

#[test]
fn the_wizard_asks_checks_and_writes() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home.command(&["init"]));
    terminal.answer("SERVER_ID:", "not-a-uuid");
    terminal.expect("SERVER_ID must be a UUID");
    answer_until_api_key(&mut terminal);
    terminal.expect_hidden("CENTRAL_API_KEY (not shown)");
    terminal.0.send_line("zk_hidden").expect("the terminal takes it");
    let shown = terminal.expect("The keys with which Central signs");
    assert!(!shown.contains("zk_hidden"), "{shown}");
    answer_the_rest(&mut terminal);
    terminal.answer("Ask Central whether it knows this server?", "y");
    terminal.expect("Central does not answer");
    terminal.answer("Open the file in your editor?", "n");
    let (rest, code) = terminal.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("coms serve"), "{rest}");

    let written = home.read(".env");
    for line in [
        &format!("SERVER_ID={SERVER_ID}"),
        "SERVER_NAME='Büro & Co'",
        "CENTRAL_URL=http://127.0.0.1:9",
        "CENTRAL_API_KEY=zk_hidden",
        "PORT=4000",
        "# DB_PATH=./data/messages.db",
        "FEATURE_ANNOUNCEMENT_CHANNELS=false",
    ] {
        assert!(written.lines().any(|written| written == line), "{line}:\n{written}");
    }
}

/// A complete configuration.
fn set_up(home: &Home) -> String {
    home.write("api.key", "zk_test");
    let (id, key) = (format!("SERVER_ID={SERVER_ID}"), format!("CENTRAL_PUBLIC_KEY={CENTRAL_KEY}"));
    let run = home.run(&["init", "--yes", "--set", &id, "--set", &key, "--set", "CENTRAL_API_KEY=@api.key"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    home.read(".env")
}

/// Answers everything with what stands there.
fn keep_everything(terminal: &mut Terminal) {
    for prompt in ["SERVER_ID [", "SERVER_NAME [", "CENTRAL_URL ["] {
        terminal.answer(prompt, "");
    }
    terminal.expect_hidden("Enter keeps the present one)");
    terminal.0.send_line("").expect("the terminal takes it");
    for prompt in ["CENTRAL_PUBLIC_KEY [", "PORT ["] {
        terminal.answer(prompt, "");
    }
    terminal.answer("DB_PATH [", "./elsewhere.db");
    for prompt in ["FEATURE_TEXT_CHANNELS", "FEATURE_ANNOUNCEMENT_CHANNELS", "FEATURE_LOG_CHAIN"] {
        terminal.answer(prompt, "y");
    }
}

#[test]
fn an_existing_file_changes_only_after_the_changes_were_shown() {
    let home = Home::new();
    let before = set_up(&home);
    for (agrees, after) in
        [("n", before.clone()), ("y", before.replace("# DB_PATH=./data/messages.db", "DB_PATH=./elsewhere.db"))]
    {
        let mut terminal = Terminal::start(&home.command(&["init"]));
        keep_everything(&mut terminal);
        terminal.answer("Replace it by a new key pair? [y/N]", "n");
        terminal.answer("Ask Central", "n");
        terminal.expect("+ DB_PATH=./elsewhere.db");
        terminal.answer("Write them?", agrees);
        if agrees == "y" {
            terminal.answer("Open the file in your editor?", "n");
        }
        assert_eq!(terminal.end().1, Some(0));
        assert_eq!(home.read(".env"), after);
    }
}

#[test]
fn a_key_pair_is_replaced_after_an_explicit_yes() {
    let home = Home::new();
    let before = set_up(&home);
    let mut terminal = Terminal::start(&home.command(&["init"]));
    keep_everything(&mut terminal);
    terminal.answer("Replace it by a new key pair? [y/N]", "y");
    terminal.answer("Ask Central", "n");
    let shown = terminal.expect("Write them?");
    assert!(shown.contains("- SERVER_SECRET_KEY=[secret]"), "{shown}");
    terminal.0.send_line("y").expect("the terminal takes it");
    terminal.answer("Open the file in your editor?", "n");
    assert_eq!(terminal.end().1, Some(0));
    let key = |text: &str| text.lines().find(|line| line.starts_with("SERVER_SECRET_KEY=")).map(str::to_owned);
    assert_ne!(key(&home.read(".env")), key(&before));
}

#[test]
fn control_c_leaves_everything_as_it_was() {
    let home = Home::new();
    let before = set_up(&home);
    let places: [fn(&mut Terminal); 3] = [
        |terminal| drop(terminal.expect("SERVER_ID [")),
        |terminal| {
            for prompt in ["SERVER_ID [", "SERVER_NAME [", "CENTRAL_URL ["] {
                terminal.answer(prompt, "");
            }
            terminal.expect_hidden("Enter keeps the present one)");
        },
        |terminal| {
            keep_everything(terminal);
            terminal.answer("Replace it by a new key pair? [y/N]", "n");
            terminal.answer("Ask Central", "n");
            terminal.expect("Write them?");
        },
    ];
    for (number, reach) in places.iter().enumerate() {
        let mut terminal = Terminal::start(&home.command(&["init"]));
        let screen = terminal.0.process().get_file_handle().expect("the terminal");
        reach(&mut terminal);
        terminal.interrupt();
        let (rest, code) = terminal.end();
        assert_eq!(code, Some(130), "place {number}: {rest}");
        assert_eq!(home.read(".env"), before, "place {number}");
        let modes = tcgetattr(screen.as_fd()).expect("the terminal's modes").local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "place {number}: the terminal does not echo");
    }
    let mut names: Vec<_> = std::fs::read_dir(home.path())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(names, [".env", "api.key"]);
}

#[test]
fn the_first_run_opens_the_editor_and_a_faulty_file_offers_it() {
    let home = Home::new();
    let mut command = home.command(&[]);
    command.env("EDITOR", "touch opened");
    let mut first = Terminal::start(&command);
    first.expect("SERVER_PUBLIC_KEY=");
    let (rest, code) = first.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("run `coms` again"), "{rest}");
    assert!(home.join("opened").exists());

    let mut again = Terminal::start(&home.command(&[]));
    let shown = again.expect("`SERVER_ID` is required");
    assert!(shown.contains("can't be used:") && !shown.contains("\\n"), "each on a line of its own: {shown}");
    again.answer("in your editor?", "n");
    assert_eq!(again.end().1, Some(2));
}
