//! The writer's thread: batches, transactions, and what must be done now and then.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::availability::Availability;
use super::clock_watch::ClockWatch;
use super::queue::PendingCommands;
use super::transaction::{Told, Transacted, Transaction};
use super::{Command, Outcome, Outlet, WriterOptions, WriterState};
use crate::channels::stored_chain::head_of;
use crate::ids::IdSequence;
use crate::logchain::Head;
use crate::protocol::{Answer, Reason, Refusal};
use crate::storage::{StorageError, WriteStore, room_for};
use crate::time::Timestamp;

/// The most commands that share a transaction; more would make the first ones wait.
const MAX_BATCH: usize = 512;

/// The most bytes of a batch, but for its last command: connections get a batch as a whole.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// When a client may try again after the disk was full.
const RETRY_AFTER_MS: u64 = 5_000;

/// How often it is looked whether a deleted text can be wiped from the write-ahead log, while readers keep it there.
const WIPE_INTERVAL: Duration = Duration::from_secs(1);

/// How many of the creates that might be sent again are looked at in one step, to forget the old ones: a step for every
/// half as many new ones, so that there are at most twice as many as there should be, and one now and then.
const SWEEP_STEP: u32 = 2_000;
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked whether the database's files have their names, while nothing is written.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is said that the write-ahead log is too big.
const WARN_INTERVAL: Duration = Duration::from_mins(1);

/// The end of the chain.
#[derive(Debug, Clone, Copy)]
struct Tip {
    head: Head,
    timestamp: Timestamp,
}

/// The writer's thread: what it has, and what it does.
pub(super) struct Work<O> {
    store: WriteStore,
    options: WriterOptions,
    /// The end of what is committed.
    tip: Tip,
    /// The ids of what is new. One that was made for a batch that failed is not used again.
    ids: IdSequence,
    outlet: O,
    availability: Availability,
    /// When to wipe deleted texts from the write-ahead log; `None` when there are none.
    wipe_due: Option<Instant>,
    /// How many creates there were since the last step of the sweep, and when the next is due at the latest.
    unswept: u32,
    sweep_due: Instant,
    /// Up to when, by the clock that nobody sets, creates have grown older.
    aged_to: Duration,
    clock_watch: ClockWatch,
    warn_due: Instant,
    /// When a copy of a removed database may be tried again.
    rescue_due: Instant,
    /// When to look again whether the database's files have their names; each commit looks, too.
    look_due: Instant,
}

impl<O> Work<O> {
    /// Takes up the chain where it ends in the database.
    pub(super) fn new(
        store: WriteStore,
        options: WriterOptions,
        outlet: O,
        state: watch::Sender<WriterState>,
    ) -> Result<Self, StorageError> {
        let stored = store.database().head()?;
        let timestamp = stored.map_or(Timestamp::from_unix_ms(0), |stored| stored.timestamp);
        let tip = Tip { head: head_of(stored), timestamp };
        let ids = IdSequence::after(store.database().greatest_id()?);
        let now = Instant::now();
        // A kill may have left deleted texts in the write-ahead log, and old requests.
        let aged_to = options.clock.running();
        let mut clock_watch = ClockWatch::default();
        clock_watch.check(tip.timestamp, &options.clock);
        let (wipe_due, sweep_due, warn_due, look_due, rescue_due) = (Some(now), now, now, now, now);
        Ok(Self {
            store,
            options,
            tip,
            ids,
            outlet,
            availability: Availability::new(state),
            wipe_due,
            unswept: 0,
            sweep_due,
            aged_to,
            clock_watch,
            warn_due,
            look_due,
            rescue_due,
        })
    }

    /// Works until all senders of commands are gone, or until storage fails.
    pub(super) fn run<R>(mut self, runtime: &tokio::runtime::Handle, mut pending: PendingCommands<R>)
    where
        O: Outlet<R>,
    {
        let mut batch = Vec::new();
        loop {
            if batch.is_empty() {
                match self.wait(runtime, &mut pending) {
                    Waited::Command(command) => batch.push(*command),
                    Waited::Due => {}
                    Waited::Closed => break,
                }
            }
            let mut bytes = batch.iter().map(Command::bytes).sum::<usize>();
            while batch.len() < MAX_BATCH
                && bytes < MAX_BATCH_BYTES
                && let Some(command) = pending.try_recv()
            {
                bytes += command.bytes();
                batch.push(command);
            }
            let goes_on = batch.is_empty() || self.write(std::mem::take(&mut batch));
            if !goes_on || !self.keep_house() {
                self.refuse_pending(pending);
                return;
            }
        }
        let passed = self.time_passed();
        if let Err(error) = self.store.forget_requests(passed, SWEEP_STEP).and_then(|_| self.store.save_sweep()) {
            tracing::warn!(%error, "the age of creates was not stored");
        }
        if let Err(error) = self.store.empty_log() {
            tracing::warn!(%error, "the write-ahead log was not emptied");
        }
    }

    /// How much time passed since it was asked last, by a clock that nobody sets.
    fn time_passed(&mut self) -> Duration {
        let now = self.options.clock.running();
        now.saturating_sub(std::mem::replace(&mut self.aged_to, now))
    }

    /// Refuses whatever waits, and whatever is still being sent.
    fn refuse_pending<R>(&mut self, mut pending: PendingCommands<R>)
    where
        O: Outlet<R>,
    {
        pending.close();
        let mut replies = Vec::new();
        while let Some(command) = pending.blocking_recv() {
            replies.push(command.reply);
        }
        self.refuse(replies);
    }

    fn refuse<R>(&mut self, replies: Vec<R>)
    where
        O: Outlet<R>,
    {
        let refusal = Refusal::new(Reason::StorageUnavailable).retry_after_ms(RETRY_AFTER_MS);
        let refuse = |reply| Outcome { event: None, answer: Answer::Refused(refusal.clone()), reply };
        self.outlet.publish(replies.into_iter().map(refuse).collect(), self.tip.head);
    }

    /// Waits for a command, at most until something is due.
    fn wait<R>(&self, runtime: &tokio::runtime::Handle, pending: &mut PendingCommands<R>) -> Waited<R> {
        let due = self.availability.probe_due().into_iter().chain(self.wipe_due).fold(self.look_due, Instant::min);
        let wait = due.saturating_duration_since(Instant::now());
        match runtime.block_on(async { tokio::time::timeout(wait, pending.recv()).await }) {
            Ok(Some(command)) => Waited::Command(Box::new(command)),
            Ok(None) => Waited::Closed,
            Err(_) => Waited::Due,
        }
    }

    /// Carries out a batch. Returns whether the writer can go on.
    fn write<R>(&mut self, batch: Vec<Command<R>>) -> bool
    where
        O: Outlet<R>,
    {
        let text_bytes = batch.iter().map(|command| command.action.text_bytes()).sum();
        let room = room_for(batch.len(), text_bytes);
        let (mut replies, mut commands) = (Vec::with_capacity(batch.len()), batch.into_iter());
        match self.transact(&mut commands, &mut replies) {
            Ok((tip, results)) => {
                // Committed and synced: from here on it may be shown. A crash before this line leaves stored what nobody
                // was told, and who sends it again gets the first answer.
                let stored = tip.head.length - self.tip.head.length;
                // A batch that was refused in part wrote less than it would have.
                let is_whole = usize::try_from(stored).is_ok_and(|stored| stored == results.len());
                self.availability.written(if is_whole { room } else { 0 });
                self.tip = tip;
                self.clock_watch.check(tip.timestamp, &self.options.clock);
                let outcomes = results.into_iter().zip(replies);
                let outcomes = outcomes.map(|((event, answer), reply)| Outcome { event, answer, reply }).collect();
                self.outlet.publish(outcomes, tip.head);
                true
            }
            Err(error) => {
                replies.extend(commands.map(|command| command.reply));
                self.refuse(replies);
                self.give_up(&error, room)
            }
        }
    }

    /// One transaction: decides on and stores each command, and commits. On an error nothing of it happened; `replies` has
    /// the replies of the commands that were taken.
    fn transact<R>(
        &mut self,
        commands: &mut impl Iterator<Item = Command<R>>,
        replies: &mut Vec<R>,
    ) -> Result<(Tip, Vec<Told>), StorageError> {
        let (now, mut results) = (self.now(), Vec::new());
        self.store.begin()?;
        let mut transaction = Transaction::new(self.store.batch(), &self.options, &mut self.ids, self.tip.head, now);
        for Command { user_id, action, reply, .. } in commands {
            replies.push(reply);
            results.push(transaction.carry_out(user_id, action)?);
        }
        let Transacted { head, creates, deletes } = transaction.end();
        self.store.commit()?;
        self.unswept += creates;
        if deletes > 0 {
            self.wipe_due.get_or_insert_with(|| Instant::now() + WIPE_INTERVAL);
        }
        let timestamp = if head == self.tip.head { self.tip.timestamp } else { now };
        Ok((Tip { head, timestamp }, results))
    }

    /// The time for what happens now; it does not go back where the system's clock does.
    fn now(&self) -> Timestamp {
        self.options.clock.now().max(self.tip.timestamp)
    }

    /// Drops the open transaction after `error`, for which `room` bytes were to be written. Returns whether the writer can
    /// go on.
    fn give_up(&mut self, error: &StorageError, room: usize) -> bool {
        let rolled_back = self.store.rollback().is_ok();
        let goes_on = self.availability.failed(error, room, rolled_back);
        if error.is_displaced() {
            self.rescue();
        }
        goes_on
    }

    /// Makes a copy of a database that was removed, before it is gone with this process. A copy that fails is tried again.
    fn rescue(&mut self) {
        let now = Instant::now();
        if self.rescue_due > now {
            return;
        }
        self.rescue_due = now + WARN_INTERVAL;
        match self.store.rescue() {
            Ok(Some(copy)) => tracing::warn!(copy = %copy.display(), "what the removed database held is copied"),
            Ok(None) => self.rescue_due = now,
            Err(error) => {
                tracing::error!(%error, "what the removed database held can't be copied: do not stop the server");
            }
        }
    }

    /// What must be done now and then. Returns whether the writer can go on.
    fn keep_house(&mut self) -> bool {
        match self.do_chores() {
            // What is in the way now is tried again; no command waits for it.
            Ok(()) => true,
            Err(error) if error.is_passing() && !error.is_displaced() && self.availability.probe_due().is_none() => {
                self.store.rollback().is_ok()
            }
            Err(error) => self.give_up(&error, 0),
        }
    }

    fn do_chores(&mut self) -> Result<(), StorageError> {
        let now = Instant::now();
        if self.look_due <= now {
            self.look_due = now + LOOK_INTERVAL;
            self.store.check_in_place()?;
        }
        if self.availability.probe_due().is_some_and(|due| due <= now) {
            let room = self.availability.room_needed();
            self.store.probe(room)?;
            self.store.tend_log()?;
            self.availability.written(room);
        }
        self.store.tend_log()?;
        if self.wipe_due.is_some_and(|due| due <= now) {
            self.wipe_due = Some(now + WIPE_INTERVAL);
            if self.store.empty_log()? {
                self.wipe_due = None;
            }
        }
        if self.unswept >= SWEEP_STEP / 2 || self.sweep_due <= now {
            (self.unswept, self.sweep_due) = (0, now + SWEEP_INTERVAL);
            let passed = self.time_passed();
            self.store.forget_requests(passed, SWEEP_STEP)?;
            self.watch_log(now)?;
        }
        Ok(())
    }

    /// Says when a reader keeps the write-ahead log from being used anew.
    fn watch_log(&mut self, now: Instant) -> Result<(), StorageError> {
        if self.warn_due <= now
            && let Some(bytes) = self.store.oversized_log()?
        {
            self.warn_due = now + WARN_INTERVAL;
            tracing::warn!(bytes, "the write-ahead log is too big: something reads the database without letting go");
        }
        Ok(())
    }
}

enum Waited<R> {
    Command(Box<Command<R>>),
    Due,
    Closed,
}
