//! The writer when its storage fails: what was not stored is refused, and it does not begin again.

use std::path::Path;
use std::sync::{Arc, mpsc};

use coms::channels::{Command, Directory, Outcome, Outlet, Writer, WriterOptions, WriterState};
use coms::config::{ChainAccess, Features};
use coms::logchain::Head;
use coms::protocol::{Action, Answer, Create};
use coms::storage::WriteStore;
use coms::time::Clock;

use crate::support::corpus::{Corpus, signing_key};
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
    Command { user_id: person(1), action: Action::Create(create), reply: number }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_everything_is_refused_and_nothing_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("messages.db");
    drop(Corpus::create(&path));
    let store = WriteStore::open(&path).expect("a database");
    let features = Features {
        text_channels: true,
        announcement_channels: true,
        log_chain: true,
        max_history: 100,
        chain_access: ChainAccess::Members,
    };
    let directory = Arc::new(Directory::load(store.database(), features).expect("the channels"));
    let options =
        WriterOptions { key: Arc::new(signing_key()), directory, clock: Clock::system(), max_pending: 10_000 };
    let (told, outcomes) = mpsc::channel();
    let writer = Writer::start(store, options, Told(told)).expect("a writer");
    let (commands, mut state) = (writer.commands(), writer.state());
    let next = || outcomes.recv_timeout(DEADLINE).expect("an answer");

    commands.send(create(1)).await.expect("a place in the queue");
    assert!(matches!(next().answer, Answer::Created { .. }));

    vandalize(&path);
    let mut accepted = Vec::new();
    for number in 2..MANY {
        // Those that come too late find the queue closed.
        let Ok(()) = commands.send(create(number)).await else { break };
        accepted.push(number);
    }
    in_time("the failure", state.wait_for(|state| matches!(state, WriterState::Failed(_)))).await.expect("a state");
    drop((commands, writer));
    let refused: Vec<_> = outcomes.iter().collect();
    assert!(refused.iter().all(|outcome| matches!(outcome.answer, Answer::Refused(_)) && outcome.event.is_none()));
    assert_eq!(refused.iter().map(|outcome| outcome.reply).collect::<Vec<_>>(), accepted);
    assert!(matches!(*state.borrow(), WriterState::Failed(_)));
}
