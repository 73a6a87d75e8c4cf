//! What the writer does with outcomes once they are durable: events into the hub's log, answers into outboxes.

use std::sync::Arc;

use super::frame::write_text;
use super::frame_log::Frames;
use super::hub::Hub;
use super::outbox::Outbox;
use crate::channels::{Outcome, Outlet};
use crate::logchain::Head;
use crate::protocol::{Event, frame_text};
use crate::time::Clock;

/// Where an answer goes, and which request it is to.
#[derive(Debug)]
pub(super) struct ReplyTo {
    pub(super) outbox: Arc<Outbox>,
    /// The request's id as the client gave it.
    pub(super) request_id: Box<str>,
}

/// The writer's outlet.
pub(super) struct Publisher {
    pub(super) hub: Arc<Hub>,
    pub(super) clock: Clock,
}

/// The answers of a batch to one connection.
struct Answers {
    outbox: Arc<Outbox>,
    frames: Vec<u8>,
    count: usize,
    /// The bytes that were expected of them.
    expected: usize,
}

impl Answers {
    /// Puts them into the outbox, whose connection is not told yet.
    fn put(self, after: u64) -> Arc<Outbox> {
        self.outbox.put_answers(after, self.frames, self.count, self.expected);
        self.outbox
    }
}

impl Outlet<ReplyTo> for Publisher {
    fn publish(&mut self, outcomes: Vec<Outcome<ReplyTo>>, head: Head) {
        let now = self.clock.now();
        let mut events = Frames::default();
        let mut text = Vec::new();
        let mut answers: Vec<Answers> = Vec::new();
        for Outcome { event, answer, reply } in outcomes {
            if let Some(body) = event {
                let chain_index = Some(body.chain_index());
                text.clear();
                frame_text::event(&mut text, &Event::Message(body), now);
                events.push(None, chain_index, |out| write_text(out, &text));
            }
            text.clear();
            frame_text::answer(&mut text, &answer, &reply.request_id, now);
            let at = answers.iter().position(|one| Arc::ptr_eq(&one.outbox, &reply.outbox));
            let at = at.unwrap_or_else(|| {
                answers.push(Answers { outbox: reply.outbox, frames: Vec::new(), count: 0, expected: 0 });
                answers.len() - 1
            });
            if let Some(answers) = answers.get_mut(at) {
                write_text(&mut answers.frames, &text);
                answers.count += 1;
                answers.expected += reply.request_id.len();
            }
        }
        let after = self.hub.append(&events, head);
        // Answers first: a connection that is woken for its answer then finds the events there, and the other way round.
        let outboxes: Vec<_> = answers.into_iter().map(|answers| answers.put(after)).collect();
        // One wake-up is enough for both.
        if !self.hub.wake() {
            for outbox in outboxes {
                outbox.filled.notify_one();
            }
        }
    }
}
