//! The writer by itself: what becomes of commands when its storage fails, and of creates when time passes.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use coms::channels::{Command, Directory, Outcome, Outlet, Writer, WriterOptions, WriterState};
use coms::config::{ChainAccess, Features};
use coms::logchain::Head;
use coms::protocol::{Action, Answer, Create};
use coms::storage::{DatabaseLock, WriteStore};
use coms::time::Clock;

use crate::support::corpus::{Corpus, signing_key};
use crate::support::server::{clock_at, forward};
use crate::support::{DEADLINE, in_time, person};

/// Passes outcomes on as they come.
struct Told(mpsc::Sender<Outcome<u32>>);

impl Outlet<u32> for Told {
    fn publish(&mut self, outcomes: Vec<Outcome<u32>>, _: Head) {
        for outcome in outcomes {
            self.0.send(outcome).expect("the test listens");
        }
    }
}

/// More than share a transaction, so that some are still waiting when it fails.
const MANY: u32 = 5_000;

/// Breaks the database under the writer's feet.
#[expect(clippy::disallowed_methods, reason = "a program of its own, as far as the writer can tell")]
fn vandalize(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("the database");
    connection.execute_batch("DROP TABLE entry").expect("a table less");
}

fn create(number: u32) -> Command<u32> {
    let create = Create { channel_id: "general".into(), content: format!("number {number}"), client_id: None };
    Command { user_id: person(1), action: Action::Create(create), reply: number, reply_bytes: 0 }
}

/// A writer for the database at `path`, and what it tells.
fn start(path: &Path, clock: Clock) -> (Writer<u32>, mpsc::Receiver<Outcome<u32>>) {
    let store = WriteStore::open(&DatabaseLock::take(path, "coms serve").expect("the lock")).expect("a database");
    let features = Features {
        text_channels: true,
        announcement_channels: true,
        log_chain: true,
        max_history: 100,
        chain_access: ChainAccess::Members,
    };
    let directory = Arc::new(Directory::load(store.database(), features).expect("the channels"));
    let options = WriterOptions { key: Arc::new(signing_key()), directory, clock, max_pending: 10_000 };
    let (told, outcomes) = mpsc::channel();
    (Writer::start(store, options, Told(told)).expect("a writer"), outcomes)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_everything_is_refused_and_nothing_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("messages.db");
    drop(Corpus::create(&path));
    let (writer, outcomes) = start(&path, Clock::system());
    let (commands, mut state) = (writer.commands(), writer.state());
    let next = || outcomes.recv_timeout(DEADLINE).expect("an answer");

    commands.try_send(create(1)).expect("a place in the queue");
    assert!(matches!(next().answer, Answer::Created { .. }));

    vandalize(&path);
    let mut accepted = Vec::new();
    for number in 2..MANY {
        // Those that come too late find the queue closed.
        let command = create(number);
        let Some(slot) = commands.clone().reserve(&command).await else { break };
        slot.send(command);
        accepted.push(number);
    }
    in_time("the failure", state.wait_for(|state| matches!(state, WriterState::Failed(_)))).await.expect("a state");
    drop((commands, writer));
    let refused: Vec<_> = outcomes.iter().collect();
    assert!(refused.iter().all(|outcome| matches!(outcome.answer, Answer::Refused(_)) && outcome.event.is_none()));
    assert_eq!(refused.iter().map(|outcome| outcome.reply).collect::<Vec<_>>(), accepted);
    assert!(matches!(*state.borrow(), WriterState::Failed(_)));
}

/// How many creates of `path` would be recognized if they were sent again.
#[expect(clippy::disallowed_methods, reason = "a look into the file that no part of the program needs")]
fn recognized(path: &Path) -> u32 {
    let connection = rusqlite::Connection::open(path).expect("the database");
    connection.query_row("SELECT count(*) FROM request", [], |row| row.get(0)).expect("a number")
}

/// The clock is a year ahead for one of them, and back again; what counts is the time that passes in between.
#[tokio::test(flavor = "multi_thread")]
async fn creates_are_forgotten_after_a_day_whatever_the_clock_says() {
    /// Enough for a step of the sweep, which looks at all of them.
    const SOME: u32 = 1_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("messages.db");
    drop(Corpus::create(&path));
    let (time, running) = (clock_at(1_795_477_188_631), clock_at(0));
    let (writer, outcomes) = start(&path, Clock::held_with_running(time.clone(), running.clone()));
    let commands = writer.commands();
    let post = async |numbers: std::ops::Range<u32>| {
        for number in numbers.clone() {
            let mut command = create(number);
            let Action::Create(create) = &mut command.action else { panic!("a create") };
            create.client_id = Some(uuid::Uuid::from_u128(u128::from(number) << 96 | 1));
            commands.try_send(command).expect("a place in the queue");
        }
        let stored = |outcome: Outcome<u32>| match outcome.answer {
            Answer::Created { chain_index, .. } => chain_index,
            other => panic!("{other:?}"),
        };
        numbers.map(|_| stored(outcomes.recv_timeout(DEADLINE).expect("an answer"))).collect::<Vec<_>>()
    };

    let first = post(0..1).await;
    forward(&time, Duration::from_hours(365 * 24));
    assert_eq!(post(0..1).await, first, "sent again while the clock is ahead");
    let ahead = post(1..2).await;
    time.store(1_795_477_188_631, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(post(0..2).await, [first, ahead].concat(), "sent again when it is right again");
    post(2..SOME + 2).await;
    // Answered after what the writer did when those before were stored.
    post(SOME + 2..SOME + 3).await;

    forward(&running, Duration::from_hours(26));
    let later = post(SOME + 3..SOME * 2 + 3).await;
    drop(commands);
    writer.finish();
    // Those of a batch that came after the first step are young.
    assert!((SOME..SOME + SOME / 2 + 100).contains(&recognized(&path)), "{}", recognized(&path));
    let (writer, outcomes) = start(&path, Clock::system());
    let again = Command { reply: 0, ..create(0) };
    writer.commands().try_send(again).expect("a place in the queue");
    let Answer::Created { chain_index, .. } = outcomes.recv_timeout(DEADLINE).expect("an answer").answer else {
        panic!("it is stored")
    };
    assert_eq!(Some(chain_index), later.last().map(|last| last.next()), "after a day it is another message");
}
