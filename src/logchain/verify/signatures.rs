//! Hashes and signatures in bulk: batches go to worker threads through a bounded channel, and faults come back.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use ed25519_zebra::{VerificationKeyBytes, batch};
use rand_core::OsRng;

use super::SealedEntry;
use crate::keys::{PublicKey, Signature};
use crate::logchain::breaks::{Break, BreakKind, Breaks};
use crate::logchain::entry::{Entry, EntryHash};

/// Entries in a batch. More make a signature cheaper (Pippenger's buckets are shared), up to about here; and a failing
/// batch is searched one by one.
const BATCH: usize = 1024;

/// Batches that may wait for each worker. With the one that is being filled they bound the memory: about 250 bytes an
/// entry, so a few MiB.
const WAITING_PER_WORKER: usize = 2;

/// One entry to check.
pub(super) enum Job {
    /// Its hash and its signature.
    Full(Entry),
    /// Its signature alone.
    Sealed(SealedEntry),
}

impl Job {
    fn sealed(&self) -> SealedEntry {
        match self {
            Self::Full(entry) => entry.into(),
            Self::Sealed(entry) => *entry,
        }
    }
}

/// The worker threads, and the batch that is being filled for them.
pub(super) struct Pool {
    checker: Arc<Checker>,
    filling: Vec<Job>,
    /// `None` when there are no workers, or they were told to end.
    queue: Option<SyncSender<Vec<Job>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn new(key: PublicKey, strict: bool, workers: usize) -> Self {
        let checker = Arc::new(Checker { key, strict, breaks: Mutex::default() });
        let (queue, batches) = sync_channel(workers.max(1) * WAITING_PER_WORKER);
        let batches = Arc::new(Mutex::new(batches));
        let workers = (0..workers)
            .filter_map(|number| {
                let (checker, batches) = (Arc::clone(&checker), Arc::clone(&batches));
                // A system that gives no thread gets by with fewer, or none.
                Builder::new().name(format!("verify-{number}")).spawn(move || checker.work(&batches)).ok()
            })
            .collect::<Vec<_>>();
        let queue = (!workers.is_empty()).then_some(queue);
        Self { checker, filling: Vec::with_capacity(BATCH), queue, workers }
    }

    pub(super) fn submit(&mut self, job: Job) {
        self.filling.push(job);
        if self.filling.len() == BATCH {
            self.send();
        }
    }

    /// Waits for all that was submitted; the faults.
    pub(super) fn finish(&mut self) -> Breaks {
        self.send();
        self.queue = None;
        for worker in self.workers.drain(..) {
            // A worker ends by panicking only through a defect; what it held was not checked.
            if worker.join().is_err() {
                let fault = Break::overall(BreakKind::Signature, "a worker failed: not every signature was checked");
                self.checker.lock().add(fault);
            }
        }
        mem::take(&mut *self.checker.lock())
    }

    fn send(&mut self) {
        let batch = mem::replace(&mut self.filling, Vec::with_capacity(BATCH));
        match &self.queue {
            Some(queue) => {
                // Fails only when every worker is gone; then this thread does their work.
                if let Err(unsent) = queue.send(batch) {
                    self.checker.check(&unsent.0);
                }
            }
            None => self.checker.check(&batch),
        }
    }
}

/// What the workers share: the key that must have signed, and the faults found so far.
struct Checker {
    key: PublicKey,
    strict: bool,
    breaks: Mutex<Breaks>,
}

impl Checker {
    fn work(&self, batches: &Mutex<Receiver<Vec<Job>>>) {
        loop {
            let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match batch {
                Ok(batch) => self.check(&batch),
                Err(_) => return,
            }
        }
    }

    fn check(&self, jobs: &[Job]) {
        for job in jobs {
            if let Job::Full(entry) = job {
                self.check_hash(entry);
            }
        }
        let signed = jobs.iter().map(Job::sealed);
        if self.strict {
            self.search(signed, |hash, signature| self.key.verify(&hash.0, &signature));
        } else if !self.batch_holds(signed.clone()) {
            let key = VerificationKeyBytes::from(*self.key.as_bytes());
            self.search(signed, |hash, signature| item(key, hash, signature).verify_single().is_ok());
        }
    }

    fn check_hash(&self, entry: &Entry) {
        let recomputed = entry.recomputed_hash();
        if recomputed != entry.hash {
            let detail = format!("it says that its hash is {}, and its fields give {recomputed}", entry.hash);
            self.lock().add(Break::at(entry.index, BreakKind::Hash, detail));
        }
    }

    fn batch_holds(&self, signed: impl Iterator<Item = SealedEntry>) -> bool {
        let key = VerificationKeyBytes::from(*self.key.as_bytes());
        let mut verifier = batch::Verifier::new();
        signed.for_each(|entry| verifier.queue(item(key, entry.hash, entry.signature)));
        verifier.verify(OsRng).is_ok()
    }

    /// Finds which signatures do not hold, each by itself.
    ///
    /// Once no more faults would be listed the search ends, but in strict mode, where it is the check itself; the number
    /// of faults is then a lower bound.
    fn search(&self, signed: impl Iterator<Item = SealedEntry>, holds: impl Fn(EntryHash, Signature) -> bool) {
        let mut found = false;
        for entry in signed {
            if !self.strict && !self.lock().would_list(entry.index) {
                if !found {
                    self.lock().count_unlisted();
                }
                return;
            }
            if !holds(entry.hash, entry.signature) {
                found = true;
                let detail = "the server's key did not sign this hash";
                self.lock().add(Break::at(entry.index, BreakKind::Signature, detail));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaks> {
        // A list of faults is whole after every statement.
        self.breaks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn item(key: VerificationKeyBytes, hash: EntryHash, signature: Signature) -> batch::Item {
    batch::Item::from((key, ed25519_zebra::Signature::from_bytes(&signature.0), &hash.0))
}
