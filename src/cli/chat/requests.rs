//! What this client asked and has no answer to yet. Something said stays here, under one id, until the server confirms
//! it: across a lost connection it is sent again, and the server stores it once.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::ids::FrameId;
use crate::time::Clock;

/// The largest frame that a server takes (PROTOCOL.md section 3), in bytes. It closes the connection on a larger one.
const MAX_FRAME_BYTES: usize = 64 * 1024;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// To store this message.
    Say(String),
    /// To edit one.
    Edit,
    /// To delete one.
    Delete,
    /// To search.
    Search,
    /// For the channels, to show them.
    Channels,
    /// For the channels, to see that ours is among them.
    OurChannel,
    /// For recent messages.
    History,
    /// For what was missed.
    Sync,
    /// For the hash of the last event.
    Anchor,
    /// To go on with a new token.
    Renew,
}

impl Asked {
    /// The type of the request.
    fn kind(&self) -> &'static str {
        match self {
            Self::Say(_) => "zync.channels.message.create",
            Self::Edit => "zync.channels.message.edit",
            Self::Delete => "zync.channels.message.delete",
            Self::Search => "zync.channels.search",
            Self::Channels | Self::OurChannel => "zync.channels.list",
            Self::History => "zync.channels.message.history",
            Self::Sync | Self::Anchor => "zync.channels.sync",
            Self::Renew => "zync.core.renew",
        }
    }

    /// The type of its answer, unless that is an error.
    fn answer(&self) -> &'static str {
        match self {
            Self::Say(_) => "zync.channels.message.create.ok",
            Self::Edit => "zync.channels.message.edit.ok",
            Self::Delete => "zync.channels.message.delete.ok",
            Self::Search => "zync.channels.search.results",
            Self::Channels | Self::OurChannel => "zync.channels.list.ok",
            Self::History => "zync.channels.message.history",
            Self::Sync | Self::Anchor => "zync.channels.sync.ok",
            Self::Renew => "zync.core.renew.ok",
        }
    }

    /// Whether a person waits for the answer.
    pub(super) fn is_a_persons(&self) -> bool {
        matches!(self, Self::Say(_) | Self::Edit | Self::Delete | Self::Search | Self::Channels)
    }
}

#[derive(Debug)]
struct Waiting {
    id: String,
    asked: Asked,
    frame: String,
}

/// The open requests, and the frames that are to be sent.
#[derive(Debug)]
pub(super) struct Requests {
    clock: Clock,
    connected: bool,
    /// In the order in which they were made.
    waiting: VecDeque<Waiting>,
    outbox: Vec<String>,
}

impl Requests {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, connected: false, waiting: VecDeque::new(), outbox: Vec::new() }
    }

    /// Asks for a person, as [`Requests::ask`] does, if a server takes a request of that size. Whether it does.
    pub(super) fn ask_if_it_fits(&mut self, asked: Asked, d: &Value) -> bool {
        // What is around the payload has a fixed length; the id of a frame is a UUID.
        let around = json!({ "t": asked.kind(), "id": FrameId::new(self.clock.now()), "d": null }).to_string();
        let fits = d.to_string().len() + around.len() - "null".len() <= MAX_FRAME_BYTES;
        if fits {
            self.ask(asked, d);
        }
        fits
    }

    /// Asks with the payload `d`; without a connection, as soon as there is one.
    pub(super) fn ask(&mut self, asked: Asked, d: &Value) {
        let id = FrameId::new(self.clock.now()).to_string();
        let frame = json!({ "t": asked.kind(), "id": id, "d": d }).to_string();
        if self.connected {
            self.outbox.push(frame.clone());
        }
        self.waiting.push_back(Waiting { id, asked, frame });
    }

    /// There is a connection, and whatever still waits is to be sent on it.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.outbox = self.waiting.iter().map(|waiting| waiting.frame.clone()).collect();
    }

    /// The connection is gone. What was said goes on waiting; of the rest, what a
    /// person asked is returned.
    pub(super) fn disconnected(&mut self) -> Vec<Asked> {
        self.connected = false;
        self.outbox.clear();
        let (kept, lost): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|waiting| matches!(waiting.asked, Asked::Say(_)));
        self.waiting = kept;
        lost.into_iter().map(|waiting| waiting.asked).filter(Asked::is_a_persons).collect()
    }

    /// Gives up all requests that were sent on this connection and are not answered: the server closed it because of one
    /// of them, and none is sent again.
    pub(super) fn give_up_sent(&mut self) -> Vec<Asked> {
        // What is not sent yet waits in the outbox, and was asked last.
        let sent = self.waiting.len().saturating_sub(self.outbox.len());
        self.waiting.drain(..sent).map(|waiting| waiting.asked).collect()
    }

    /// What the answer of type `kind` to the request `id` answers. An answer without an id, as the reference sends them,
    /// is to the oldest request of its kind.
    pub(super) fn answered(&mut self, id: Option<&str>, kind: &str) -> Option<Asked> {
        let place = match id {
            Some(id) => self.waiting.iter().position(|waiting| waiting.id == id),
            None => self.waiting.iter().position(|waiting| waiting.asked.answer() == kind),
        };
        self.waiting.remove(place?).map(|waiting| waiting.asked)
    }

    /// What the error about the request `id` is about. If the request is only `put_off`, it goes on waiting.
    pub(super) fn refused(&mut self, id: &str, put_off: bool) -> Option<Asked> {
        let place = self.waiting.iter().position(|waiting| waiting.id == id)?;
        if put_off && matches!(self.waiting.get(place)?.asked, Asked::Say(_)) {
            return None;
        }
        self.waiting.remove(place).map(|waiting| waiting.asked)
    }

    /// The frames that are to be sent, in order.
    pub(super) fn take_frames(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether such a request waits for an answer.
    pub(super) fn waits_for(&self, asked: &Asked) -> bool {
        self.waiting.iter().any(|waiting| waiting.asked == *asked)
    }

    /// How many messages wait to be confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.waiting.iter().filter(|waiting| matches!(waiting.asked, Asked::Say(_))).count()
    }

    /// How many requests wait for an answer.
    pub(super) fn open(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(frame: &str) -> String {
        let frame: Value = serde_json::from_str(frame).expect("JSON");
        frame["id"].as_str().expect("an id").to_owned()
    }

    #[test]
    fn what_was_said_is_sent_again_under_its_id_until_it_is_confirmed() {
        let mut requests = Requests::new(Clock::system());
        requests.ask(Asked::Say("early".into()), &json!({}));
        assert!(requests.take_frames().is_empty(), "there is no connection yet");
        requests.connected();
        requests.ask(Asked::Say("late".into()), &json!({}));
        requests.ask(Asked::Search, &json!({}));
        let first = requests.take_frames();
        assert_eq!(first.len(), 3);
        let early = id_of(&first[0]);
        assert_eq!(
            requests.answered(Some(&early), "zync.channels.message.create.ok"),
            Some(Asked::Say("early".into()))
        );
        assert_eq!(requests.disconnected(), [Asked::Search]);
        requests.connected();
        assert_eq!(requests.take_frames(), first[1..2], "the same frame, so the same id");
    }

    #[test]
    fn what_was_sent_is_given_up_and_what_was_not_stays() {
        let mut requests = Requests::new(Clock::system());
        requests.connected();
        requests.ask(Asked::Say("sent".into()), &json!({}));
        requests.ask(Asked::Search, &json!({}));
        requests.take_frames();
        requests.ask(Asked::Say("not yet".into()), &json!({}));
        assert_eq!(requests.give_up_sent(), [Asked::Say("sent".into()), Asked::Search]);
        assert_eq!((requests.unconfirmed(), requests.give_up_sent()), (1, vec![]));
        requests.disconnected();
        requests.connected();
        assert_eq!(requests.take_frames().len(), 1);
    }

    #[test]
    fn a_request_fits_up_to_64_kib_with_its_escapes() {
        let mut requests = Requests::new(Clock::system());
        requests.connected();
        let fits = |requests: &mut Requests, text: String| requests.ask_if_it_fits(Asked::Search, &json!(text));
        assert!(fits(&mut requests, String::new()));
        let around = requests.take_frames()[0].len();
        let room = MAX_FRAME_BYTES - around;
        assert!(fits(&mut requests, "x".repeat(room)) && !fits(&mut requests, "x".repeat(room + 1)));
        assert!(fits(&mut requests, "\"".repeat(room / 2)) && !fits(&mut requests, "\"".repeat(room / 2 + 1)));
        assert!(!fits(&mut requests, "\u{1}".repeat(room / 6 + 1)));
        assert_eq!(requests.take_frames().iter().map(String::len).max(), Some(MAX_FRAME_BYTES));
    }

    #[test]
    fn an_answer_without_an_id_is_to_the_oldest_request_of_its_kind() {
        let mut requests = Requests::new(Clock::system());
        for asked in [Asked::Say("one".into()), Asked::Say("two".into()), Asked::Edit] {
            requests.ask(asked, &json!({}));
        }
        assert_eq!(requests.answered(None, "zync.channels.message.edit.ok"), Some(Asked::Edit));
        let ok = "zync.channels.message.create.ok";
        assert_eq!(requests.answered(None, ok), Some(Asked::Say("one".into())));
        assert_eq!(requests.answered(Some("another"), ok), None);
        assert_eq!(requests.open(), 1);
    }

    #[test]
    fn what_is_only_put_off_goes_on_waiting() {
        let mut requests = Requests::new(Clock::system());
        requests.connected();
        requests.ask(Asked::Say("soon".into()), &json!({}));
        let id = id_of(&requests.take_frames()[0]);
        assert_eq!(requests.refused(&id, true), None);
        assert_eq!(requests.refused(&id, false), Some(Asked::Say("soon".into())));
        assert_eq!(requests.open(), 0);
    }
}
