//! A small pool of connections that read, beside the one that writes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::database::{Access, Database};
use super::error::StorageError;

/// Connections for reading. Each has one reader at a time; who finds none free waits.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    free: Semaphore,
    /// Connections that were opened and are not in use; taken and given back by whoever holds a permit of `free`.
    idle: Mutex<Vec<Database>>,
}

impl Readers {
    /// A pool of at most `size` connections, opened when they are first needed.
    pub fn new(path: PathBuf, size: usize) -> Self {
        Self(Arc::new(Pool { path, free: Semaphore::new(size), idle: Mutex::new(Vec::new()) }))
    }

    /// Runs `read` on a connection, on a thread that may block.
    pub async fn read<T, E>(&self, read: impl FnOnce(&Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let pool = self.0.clone();
        // The semaphore is never closed; without a permit the read would go on all the same, only unbounded.
        let permit = self.0.free.acquire().await.ok();
        let result = tokio::task::spawn_blocking(move || {
            let database = pool.take()?;
            let result = read(&database);
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(database);
            result
        })
        .await;
        drop(permit);
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
