//! Connections that have not yet said what they want: how many there may be, and who goes when there are too many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

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
                    let places = self.0.clone();
                    return Slot(Arc::new(Taken { number, places, connection: Arc::default() }));
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

/// A place, free again when the last copy of this is dropped, which is when its connection has ended, or when it is
/// released.
#[derive(Clone)]
pub(super) struct Slot(Arc<Taken>);

impl Slot {
    /// The task that is ended when the place is needed.
    pub(super) fn held_by(&self, connection: AbortHandle) {
        self.0.connection.task.set(connection.clone()).ok();
        if let Some((_, holder)) = self.0.places.open().since.get_mut(&self.0.number) {
            *holder = Some(connection);
        }
    }

    /// Gives the place up: the connection is bounded by something else from now on, until it ends.
    pub(super) fn release(&self) -> Released {
        self.0.release();
        Released(self.0.connection.clone())
    }
}

/// The connection that had a place. Whoever holds this does not keep it open.
pub(super) struct Released(Arc<HttpConnection>);

impl Released {
    /// Waits until the connection has ended; cuts it off after `patience`.
    pub(super) async fn end_within(self, patience: Duration) {
        if timeout(patience, self.0.ended.cancelled()).await.is_err()
            && let Some(task) = self.0.task.get()
        {
            task.abort();
        }
    }
}

#[derive(Default)]
struct HttpConnection {
    task: OnceLock<AbortHandle>,
    ended: CancellationToken,
}

struct Taken {
    number: u64,
    places: Arc<Places>,
    connection: Arc<HttpConnection>,
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
        self.connection.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that never ends by itself, and its slot.
    async fn lasting(handshakes: &Handshakes) -> (Slot, tokio::task::JoinHandle<()>) {
        let slot = handshakes.place().await;
        let held = slot.clone();
        let task = tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        slot.held_by(task.abort_handle());
        (slot, task)
    }

    #[tokio::test]
    async fn a_released_connection_is_cut_off_when_its_time_is_up() {
        let handshakes = Handshakes::new(1);
        let (slot, task) = lasting(&handshakes).await;
        let released = slot.release();
        drop(slot);
        released.end_within(Duration::from_millis(1)).await;
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    }

    #[tokio::test]
    async fn the_end_of_a_released_connection_is_heard_of() {
        let handshakes = Handshakes::new(1);
        let (slot, task) = lasting(&handshakes).await;
        let released = slot.release();
        drop(slot);
        task.abort();
        let waiting = released.end_within(Duration::from_hours(1));
        timeout(Duration::from_secs(30), waiting).await.expect("it has ended");
    }
}
