//! `coms serve` as a process of its own, with its Central: for tests that kill it, starve it or read what it logs.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coms::central::{Sandbox, SandboxOptions};
use coms::ids::UserId;
use coms::secret::Secret;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::program::Home;
use super::server::{API_KEY, PUBLIC_KEY, SECRET_KEY, SERVER_ID, loopback};
use super::{DEADLINE, in_time};

/// What the program logs when it serves.
const LISTENING: &str = "server is listening";

/// A configured server and its Central. The program is started on it as often as a test likes.
pub(crate) struct Site {
    pub(crate) home: Home,
    pub(crate) central: Sandbox,
    pub(crate) variables: Vec<(String, String)>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let central = Sandbox::start(loopback().await, SandboxOptions::default()).expect("a Central");
        central.register(&SERVER_ID.parse().expect("a UUID"), &Secret::new(API_KEY.to_owned()));
        let mut site = Self { home: Home::new(), central, variables: Vec::new() };
        let (url, public_key) = (site.central.url(), site.central.public_key().to_string());
        for (name, value) in [
            ("SERVER_ID", SERVER_ID),
            ("SERVER_SECRET_KEY", SECRET_KEY),
            ("SERVER_PUBLIC_KEY", PUBLIC_KEY),
            ("CENTRAL_URL", &url),
            ("CENTRAL_API_KEY", API_KEY),
            ("CENTRAL_PUBLIC_KEY", &public_key),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("DB_PATH", "messages.db"),
        ] {
            site.set(name, value);
        }
        site
    }

    /// Sets a variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The program with `arguments` and the whole configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.configured(self.home.command(arguments))
    }

    /// `command` with the whole configuration in its environment.
    pub(crate) fn configured(&self, mut command: Command) -> Command {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts `coms serve` and waits until it listens.
    pub(crate) async fn serve(&self) -> ServeProcess {
        ServeProcess::start(self.command(&["serve"])).await
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home.join("messages.db")
    }

    pub(crate) fn token(&self, user: UserId) -> String {
        self.central.join(&SERVER_ID.parse().expect("a UUID"), user).token.reveal().to_owned()
    }

    /// `user`, connected to `server` and greeted.
    pub(crate) async fn connect(&self, server: &ServeProcess, user: UserId) -> Client {
        Client::connect(&server.address, &self.token(user)).await
    }
}

/// A running `coms serve`. Killed when it is dropped.
pub(crate) struct ServeProcess {
    child: Child,
    /// All that it has written to standard error so far.
    log: watch::Receiver<String>,
    /// Where it listens, `127.0.0.1:port`.
    pub(crate) address: String,
}

impl ServeProcess {
    /// Runs `command` and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (sender, log) = watch::channel(String::new());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sender.send_modify(|log| log.extend([line.as_str(), "\n"]));
            }
        });
        let mut server = Self { child, log, address: String::new() };
        let log = server.logged(LISTENING).await;
        let line = log.lines().find(|line| line.contains(LISTENING)).expect("it was waited for");
        let port = line.split_once("127.0.0.1:").expect("an address").1;
        let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        server.address = format!("127.0.0.1:{}", &port[..digits]);
        server
    }

    /// Waits until it has logged `text`; returns the whole log.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        let said = in_time(text, self.log.wait_for(|log| log.contains(text))).await.is_ok();
        let log = self.log.borrow().clone();
        assert!(said, "the program ended without saying `{text}`: {log}");
        log
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: whatever it was doing stays half done.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().expect("a running program");
        self.wait().await;
    }

    /// SIGTERM: it drains.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a running program");
    }

    /// SIGHUP: its terminal is gone.
    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("a running program");
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the program does not end");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Everything that it has logged, once it has ended.
    pub(crate) async fn whole_log(&mut self) -> String {
        self.wait().await;
        while in_time("the log's end", self.log.changed()).await.is_ok() {}
        self.log.borrow().clone()
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
