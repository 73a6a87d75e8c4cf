//! The program, started as a person or a script starts it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that must happen may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The program, without the settings of whoever runs the tests.
pub(crate) fn coms() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coms"));
    command.env_remove("COMS_TOKEN");
    command
}

/// A running program that writes JSON Lines. Killed when it is dropped.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self::start_logging(command, Stdio::null())
    }

    fn start_logging(command: &mut Command, log: impl Into<Stdio>) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.expect("text");
                let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { stdin: child.stdin.take(), child, lines }
    }

    /// The exit code, once it has ended.
    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return status.code(),
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                None => panic!("the program does not end"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Another program of ours, for as long as it is held.
pub(crate) struct Server(#[expect(dead_code, reason = "killed when it is dropped")] Running);

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Running::start(command))
    }
}

const DEV: [&str; 4] = ["dev", "--json", "--central-port", "0"];

/// `coms dev`, and what it printed.
pub(crate) struct Dev {
    running: Running,
    invitation: Value,
    /// Removed after the program has ended.
    _dir: Option<tempfile::TempDir>,
}

impl Dev {
    /// One that keeps its data in `dir`, at `port` (0 is any).
    pub(crate) fn start(dir: &Path, port: u16) -> Self {
        Self::start_with(&["--dir", &dir.join("sandbox").display().to_string(), "--port", &port.to_string()])
    }

    /// One whose data goes with it. (`--ephemeral` removes them at a clean end, but a test just drops it.)
    pub(crate) fn anywhere() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let started = Self::start(dir.path(), 0);
        Self { _dir: Some(dir), ..started }
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::started(Running::start(coms().args(DEV).args(arguments)))
    }

    /// One that keeps its data in `dir` and logs everything into `log`.
    pub(crate) fn logging(dir: &Path, log: File) -> Self {
        let place = dir.join("sandbox").display().to_string();
        let mut command = coms();
        command.args(DEV).args(["--dir", &place, "--port", "0", "-vv"]);
        Self::started(Running::start_logging(&mut command, log))
    }

    fn started(running: Running) -> Self {
        let invitation = running.lines.recv_timeout(DEADLINE).expect("an invitation");
        Self { running, invitation, _dir: None }
    }

    /// A member of the invitation.
    pub(crate) fn text(&self, name: &str) -> String {
        self.invitation[name].as_str().expect("a text").to_owned()
    }

    pub(crate) fn url(&self) -> String {
        self.text("server_url")
    }

    pub(crate) fn port(&self) -> u16 {
        self.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
    }

    pub(crate) fn token(&self, person: usize) -> String {
        self.invitation["people"][person]["token"].as_str().expect("a token").to_owned()
    }

    /// The line that it printed for this person, with `--json` and `more`, as a shell runs it.
    pub(crate) fn chat(&self, person: usize, more: &[&str]) -> Chat {
        let line = self.invitation["people"][person]["command"].as_str().expect("a command");
        let line = format!("exec {line} --json {}", more.join(" "));
        Chat::running(Running::start(Command::new("sh").args(["-c", &line])))
    }

    /// Ctrl-C, and the exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.running.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        self.running.wait()
    }

    /// SIGKILL: whatever it was doing stays half done.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("a running program");
        self.running.wait();
    }
}

/// `coms chat --json`, driven line by line.
pub(crate) struct Chat {
    running: Running,
    seen: Vec<Value>,
}

impl Chat {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::running(Running::start(coms().arg("chat").args(arguments)))
    }

    /// One whose token is in its environment.
    pub(crate) fn start_with_token(token: &str, arguments: &[&str]) -> Self {
        Self::running(Running::start(coms().arg("chat").args(arguments).env("COMS_TOKEN", token)))
    }

    /// One that writes its notes into `notes`.
    pub(crate) fn noting(arguments: &[&str], notes: File) -> Self {
        Self::running(Running::start_logging(coms().arg("chat").args(arguments), notes))
    }

    fn running(running: Running) -> Self {
        Self { running, seen: Vec::new() }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.running.stdin.as_mut().expect("an open input");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("a reader");
    }

    /// Says something, and waits until it is acknowledged; its id.
    pub(crate) fn post(&mut self, text: &str) -> String {
        self.say(text);
        let answer = self.wait_for(|frame| frame["t"] == "zync.channels.message.create.ok");
        answer["d"]["id"].as_str().expect("an id").to_owned()
    }

    /// The next frame for which `wanted` holds; those before it are passed over.
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.running.lines.recv_timeout(left);
            let frame = frame.unwrap_or_else(|error| panic!("{error}; seen: {:#?}", self.seen));
            self.seen.push(frame.clone());
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The exit code of one that ends by itself.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.running.wait()
    }

    /// Ends the input; the exit code and every frame there was. One that follows is told to quit.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Value>) {
        // A program that has failed reads nothing any more.
        if let Some(mut stdin) = self.running.stdin.take() {
            writeln!(stdin, "/quit").ok();
        }
        let code = self.running.wait();
        while let Ok(frame) = self.running.lines.recv_timeout(DEADLINE) {
            self.seen.push(frame);
        }
        (code, std::mem::take(&mut self.seen))
    }
}
