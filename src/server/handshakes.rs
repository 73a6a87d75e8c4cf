//! Connections that have not yet said what they want: how many there may be, and who goes when there are too many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// Nobody honest takes longer when others wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a new connection waits for a place before others are looked at.
const WAIT: Duration = Duration::from_millis(100);

/// The places for such connections.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Places>);

struct Places {
    max: usize,
    /// In the order in which they came.
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Default)]
struct Open {
    last: u64,
    since: BTreeMap<u64, (Instant, Option<AbortHandle>)>,
}

impl Handshakes {
    /// Room for `max` connections.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Places { max, open: Mutex::default(), freed: Notify::new() }))
    }

    /// Waits for a place. When none becomes free soon, those who have dawdled longest lose theirs.
    pub(super) async fn place(&self) -> Slot {
        loop {
            {
                let mut open = self.0.open();
                if open.since.len() < self.0.max {
                    open.last += 1;
                    let number = open.last;
                    open.since.insert(number, (Instant::now(), None));
                    return Slot(Arc::new(Taken { number, places: self.0.clone() }));
                }
            }
            tokio::select! {
                () = self.0.freed.notified() => {}
                () = sleep(WAIT) => self.0.evict(),
            }
        }
    }
}

impl Places {
    /// Ends the connections that have had their place for too long.
    fn evict(&self) {
        let open = self.open();
        let late = open.since.values().take_while(|(since, _)| since.elapsed() > PATIENCE);
        for (_, connection) in late {
            if let Some(connection) = connection {
                connection.abort();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, free again when the last copy of this is dropped or when it is released.
#[derive(Clone)]
pub(super) struct Slot(Arc<Taken>);

impl Slot {
    /// The task that is ended when the place is needed.
    pub(super) fn held_by(&self, connection: AbortHandle) {
        if let Some((_, holder)) = self.0.places.open().since.get_mut(&self.0.number) {
            *holder = Some(connection);
        }
    }

    /// Gives the place up: the connection is bounded by something else from now on.
    pub(super) fn release(&self) {
        self.0.release();
    }
}

struct Taken {
    number: u64,
    places: Arc<Places>,
}

impl Taken {
    fn release(&self) {
        if self.places.open().since.remove(&self.number).is_some() {
            self.places.freed.notify_one();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.release();
    }
}
