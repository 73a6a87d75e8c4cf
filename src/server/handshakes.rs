//! Connections that have not yet said what they want: how many there may be, and who goes when there are too many.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::crowd::{Crowd, Entry, Origin};

/// The places for such connections.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Places>);

struct Places {
    /// Held for moments.
    crowd: Mutex<Crowd>,
    /// Rung when there may be room that was not there.
    freed: Notify,
}

impl Handshakes {
    /// Room for `max` connections.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Places { crowd: Mutex::new(Crowd::new(max)), freed: Notify::new() }))
    }

    /// Waits for a place for a connection from `origin`. If all are taken, somebody else may lose theirs.
    pub(super) async fn place(&self, origin: Origin) -> Slot {
        loop {
            let entry = self.0.crowd().enter(origin, Instant::now());
            match entry {
                Entry::Open(number) => {
                    let places = self.0.clone();
                    return Slot(Arc::new(Taken { number, places, connection: Arc::default() }));
                }
                Entry::Full(None) => self.0.freed.notified().await,
                Entry::Full(Some(at)) => tokio::select! {
                    () = self.0.freed.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }
}

impl Places {
    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.0.places.crowd().is_held_by(self.0.number, connection);
    }

    /// What had come over the connection was looked at; from now on it is waited for.
    pub(super) fn was_looked_at(&self) {
        self.0.places.crowd().was_looked_at(self.0.number, Instant::now());
        self.0.places.freed.notify_one();
    }

    /// A request came.
    pub(super) fn asked(&self) {
        self.0.places.crowd().asked(self.0.number);
    }

    /// The request was answered.
    pub(super) fn was_answered(&self) {
        self.0.places.crowd().was_answered(self.0.number, Instant::now());
        self.0.places.freed.notify_one();
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
        if self.places.crowd().leave(self.number) {
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
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// A connection that never ends by itself, and its slot.
    async fn lasting(handshakes: &Handshakes) -> (Slot, tokio::task::JoinHandle<()>) {
        let slot = handshakes.place(IpAddr::from(Ipv4Addr::LOCALHOST).into()).await;
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
