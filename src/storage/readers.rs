//! A small pool of connections that read, beside the one that writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::database::{Access, Database};
use super::error::StorageError;

/// Connections for reading. Each has one reader at a time; who finds none free waits. A read that was begun goes on
/// though nobody waits for it any more, and keeps its connection until it is done.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    size: usize,
    free: Arc<Semaphore>,
    /// Connections that are not in use, taken and given back by whoever holds a permit of `free`. One in which a read
    /// panicked is not given back; it is opened anew when it is missed.
    idle: Mutex<Vec<Database>>,
}

impl Readers {
    /// A pool of `size` connections. All are opened now: when they are needed, there may be no more files to open.
    pub fn open(path: &Path, size: usize) -> Result<Self, StorageError> {
        let idle: Vec<_> = (0..size).map(|_| Database::open(path, Access::ReadOnly)).collect::<Result<_, _>>()?;
        let (path, free) = (path.to_owned(), Arc::new(Semaphore::new(size)));
        Ok(Self(Arc::new(Pool { path, size, free, idle: Mutex::new(idle) })))
    }

    /// How many read at the same time.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Runs `read` on a connection, on a thread that may block.
    pub async fn read<T, E>(&self, read: impl FnOnce(&Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let pool = self.0.clone();
        // The semaphore is never closed; without a permit the read would go on all the same, only unbounded.
        let permit = self.0.free.clone().acquire_owned().await.ok();
        let result = tokio::task::spawn_blocking(move || {
            let database = pool.take()?;
            let result = read(&database);
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(database);
            drop(permit);
            result
        })
        .await;
        match result {
            Ok(result) => result,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StorageError::Stopping.into()),
            },
        }
    }
}

impl Pool {
    fn take(&self) -> Result<Database, StorageError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Database::open(&self.path, Access::ReadOnly), Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::storage::WriteStore;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("messages.db");
        drop(WriteStore::at(&path));
        let readers = Readers::open(&path, 1).expect("a pool");
        let running = Arc::new(AtomicUsize::new(0));
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let counted = running.clone();
        let abandoned = readers.read(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            begun.send(()).ok();
            may_go_on.recv_timeout(DEADLINE).ok();
            counted.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, StorageError>(())
        });
        tokio::select! {
            _ = abandoned => panic!("it waits"),
            begun = has_begun => begun.expect("it reads"),
        }
        let next = readers.read(move |_| Ok::<_, StorageError>(running.load(Ordering::SeqCst)));
        let mut next = std::pin::pin!(next);
        let early = timeout(Duration::from_millis(100), &mut next).await;
        assert!(early.is_err(), "a pool of one has two readers");
        go_on.send(()).expect("it waits");
        let others = timeout(DEADLINE, next).await.expect("its turn").expect("a read");
        assert_eq!((others, readers.0.idle.lock().expect("not poisoned").len()), (0, 1));
    }
}
