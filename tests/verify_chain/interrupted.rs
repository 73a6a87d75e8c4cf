//! Ctrl-C in the middle: it ends at once, and what is remembered stays as it was.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::liar::{Liar, Lies, Manner, honest};
use super::log::{Log, export, steps};
use crate::support::program::Home;

/// A run that is under way, and waits for something that does not come.
fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Sends Ctrl-C once the program has said that it has begun; the exit code.
fn interrupt(mut child: Child) -> Option<i32> {
    let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
    let begun = log.find(|line| line.as_ref().is_ok_and(|line| line.contains("no memory of this log")));
    assert!(begun.is_some(), "it ended before it had begun");
    // Both ends of its pipes stay open: it has no reason to end but the signal.
    let (_input, _output) = (child.stdin.take(), child.stdout.take());
    kill_process(Pid::from_child(&child), Signal::INT).expect("a running program");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().expect("a running program");
            panic!("it goes on after Ctrl-C");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_sends_nothing_is_left() {
    let (home, other) = (Home::new(), Liar::start(honest(20)));
    let liar = Liar::start(Lies { manner: Manner::Stalls, ..honest(50) });
    let arguments = |url| ["verify-chain", "--state", "memory.json", "--json", "--timeout", "600", "--manifest", url];
    // Something is remembered already.
    assert_eq!(home.run(&arguments(&other.url)).code, Some(0));
    let before = fs::read(home.join("memory.json")).expect("a memory");
    assert_eq!(interrupt(start(&mut home.command(&arguments(&liar.url)))), Some(130));
    assert_eq!(fs::read(home.join("memory.json")).expect("a memory"), before);
}

#[test]
fn an_export_that_comes_through_a_pipe_and_stops_is_left() {
    let (log, steps) = (Log::new(100), steps(100));
    let text = export(&steps, &log.entries);
    let arguments = ["verify-chain", "--state", "memory.json", "--export", "-"];
    let mut child = start(&mut log.home.command(&arguments));
    let mut input = child.stdin.take().expect("its input");
    input.write_all(&text.as_bytes()[..text.len() / 2]).expect("a reader");
    child.stdin = Some(input);
    assert_eq!(interrupt(child), Some(130));
    assert!(!log.home.join("memory.json").exists(), "half an export is nothing to remember");
}
