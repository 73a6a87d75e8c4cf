//! The queue in front of the writer, bounded in number and in bytes: whoever finds it full waits, first come, first served.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Command;

/// What a command may take on average when as many wait as may; small ones take a tenth of that.
const BYTES_PER_COMMAND: usize = 4 * 1024;

/// What a command takes beside its texts.
const OVERHEAD_BYTES: usize = 256;

/// A command with its part of the room.
struct Queued<R> {
    command: Command<R>,
    _room: OwnedSemaphorePermit,
}

/// Where commands are sent.
pub struct CommandQueue<R> {
    sender: mpsc::Sender<Queued<R>>,
    room: Arc<Semaphore>,
    capacity_bytes: usize,
}

/// A [`CommandQueue`] that does not keep the writer running.
pub struct WeakCommandQueue<R> {
    sender: mpsc::WeakSender<Queued<R>>,
    room: Arc<Semaphore>,
    capacity_bytes: usize,
}

/// A place in the queue for a command of some size.
pub struct QueueSlot<R> {
    place: mpsc::OwnedPermit<Queued<R>>,
    room: OwnedSemaphorePermit,
}

/// Why a command is not in the queue.
#[derive(Debug)]
pub enum NotQueued<R> {
    /// There is no room now: wait for a [`QueueSlot`].
    Full(Command<R>),
    /// The writer takes no more commands.
    Closed(Command<R>),
}

/// The writer's end of the queue.
pub(super) struct PendingCommands<R>(mpsc::Receiver<Queued<R>>);

/// A queue for up to `max_commands`.
pub(super) fn command_queue<R>(max_commands: usize) -> (CommandQueue<R>, PendingCommands<R>) {
    let (sender, receiver) = mpsc::channel(max_commands);
    let capacity_bytes = max_commands.saturating_mul(BYTES_PER_COMMAND).min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(capacity_bytes));
    (CommandQueue { sender, room, capacity_bytes }, PendingCommands(receiver))
}

impl<R> CommandQueue<R> {
    /// Puts a command in, if there is room.
    pub fn try_send(&self, command: Command<R>) -> Result<(), NotQueued<R>> {
        let Ok(room) = self.room.clone().try_acquire_many_owned(self.share(&command)) else {
            return Err(NotQueued::Full(command));
        };
        self.sender.try_send(Queued { command, _room: room }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(queued) => NotQueued::Full(queued.command),
            mpsc::error::TrySendError::Closed(queued) => NotQueued::Closed(queued.command),
        })
    }

    /// Waits for room for a command such as this one. `None` if the writer takes no more commands.
    pub fn reserve(self, command: &Command<R>) -> impl Future<Output = Option<QueueSlot<R>>> + use<R> {
        let share = self.share(command);
        async move {
            let room = self.room.acquire_many_owned(share).await.ok()?;
            let place = self.sender.reserve_owned().await.ok()?;
            Some(QueueSlot { place, room })
        }
    }

    /// The same queue, for those that must not keep the writer running.
    pub fn downgrade(&self) -> WeakCommandQueue<R> {
        let Self { sender, room, capacity_bytes } = self;
        WeakCommandQueue { sender: sender.downgrade(), room: room.clone(), capacity_bytes: *capacity_bytes }
    }

    /// How much of the room a command takes: one that is too big takes all of it, and goes alone.
    fn share(&self, command: &Command<R>) -> u32 {
        u32::try_from(command.bytes().min(self.capacity_bytes)).unwrap_or(u32::MAX)
    }
}

impl<R> Clone for CommandQueue<R> {
    fn clone(&self) -> Self {
        let Self { sender, room, capacity_bytes } = self;
        Self { sender: sender.clone(), room: room.clone(), capacity_bytes: *capacity_bytes }
    }
}

impl<R> WeakCommandQueue<R> {
    /// The queue, as long as the server keeps it open.
    pub fn upgrade(&self) -> Option<CommandQueue<R>> {
        let Self { sender, room, capacity_bytes } = self;
        Some(CommandQueue { sender: sender.upgrade()?, room: room.clone(), capacity_bytes: *capacity_bytes })
    }
}

impl<R> QueueSlot<R> {
    /// Puts the command in.
    pub fn send(self, command: Command<R>) {
        self.place.send(Queued { command, _room: self.room });
    }
}

impl<R> PendingCommands<R> {
    /// The next command; `None` when there will be no more.
    pub(super) async fn recv(&mut self) -> Option<Command<R>> {
        self.0.recv().await.map(|queued| queued.command)
    }

    /// The same, for a thread of its own.
    pub(super) fn blocking_recv(&mut self) -> Option<Command<R>> {
        self.0.blocking_recv().map(|queued| queued.command)
    }

    /// The next command, if one waits.
    pub(super) fn try_recv(&mut self) -> Option<Command<R>> {
        self.0.try_recv().ok().map(|queued| queued.command)
    }

    /// Lets no more commands in; those that wait, and those whose place is reserved, still come out.
    pub(super) fn close(&mut self) {
        self.0.close();
    }
}

impl<R> Command<R> {
    /// What it takes of the queue's room.
    pub(super) fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.action.text_bytes() + self.reply_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::ids::UserId;
    use crate::protocol::{Action, Create};

    fn command(reply: u32, bytes: usize) -> Command<u32> {
        let create = Create { channel_id: "".into(), content: String::new(), client_id: None };
        let reply_bytes = bytes - OVERHEAD_BYTES;
        Command { user_id: UserId::from_bytes([1; 16]), action: Action::Create(create), reply, reply_bytes }
    }

    fn poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let (queue, mut pending) = command_queue(4);
        for (bytes, count) in [(300, 4), (BYTES_PER_COMMAND, 4), (BYTES_PER_COMMAND * 3, 1), (1_000_000, 1)] {
            for number in 0..count {
                queue.try_send(command(number, bytes)).expect("room");
            }
            assert!(matches!(queue.try_send(command(9, bytes)), Err(NotQueued::Full(_))), "{count} of {bytes} bytes");
            while pending.try_recv().is_some() {}
        }
    }

    #[test]
    fn who_came_first_goes_first_however_big() {
        let (queue, mut pending) = command_queue(4);
        queue.try_send(command(1, BYTES_PER_COMMAND * 3)).expect("room");
        let (big, small) = (command(2, BYTES_PER_COMMAND * 2), command(3, 300));
        let mut for_big = Box::pin(queue.clone().reserve(&big));
        assert!(poll(&mut for_big).is_pending());
        // It would find room, and would keep the big one waiting for ever, if there were enough of its kind.
        assert!(matches!(queue.try_send(command(3, 300)), Err(NotQueued::Full(_))));
        let mut for_small = Box::pin(queue.clone().reserve(&small));
        assert!(poll(&mut for_small).is_pending());
        assert_eq!(pending.try_recv().map(|command| command.reply), Some(1));
        let (Poll::Ready(Some(for_big)), Poll::Ready(Some(for_small))) = (poll(&mut for_big), poll(&mut for_small))
        else {
            panic!("both have room now")
        };
        for_big.send(big);
        for_small.send(small);
        let order = std::iter::from_fn(|| pending.try_recv()).map(|command| command.reply).collect::<Vec<_>>();
        assert_eq!(order, [2, 3]);
    }

    #[test]
    fn who_waits_is_told_when_the_writer_ends() {
        let (queue, mut pending) = command_queue(1);
        queue.try_send(command(1, BYTES_PER_COMMAND)).expect("room");
        let mut waiting = Box::pin(queue.clone().reserve(&command(2, 300)));
        assert!(poll(&mut waiting).is_pending());
        pending.close();
        while pending.blocking_recv().is_some() {}
        assert!(matches!(poll(&mut waiting), Poll::Ready(None)));
        assert!(matches!(queue.try_send(command(2, 300)), Err(NotQueued::Closed(_))));
        let weak = queue.downgrade();
        drop((queue, waiting));
        assert!(weak.upgrade().is_none());
    }
}
