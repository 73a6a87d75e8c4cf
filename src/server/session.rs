//! A session: whose connection it is, until when, and what becomes of its requests.
//!
//! Answers leave in the order of the requests. Commands follow each other into the writer without waiting, up to a bound;
//! any other request waits until those before it are answered, so that it sees what they did, and so that nobody is told that
//! a user stopped typing before they see the message.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::frame::write_text;
use super::outbox::Outbox;
use super::publisher::ReplyTo;
use super::shared::Shared;
use super::typing::TypingIndicators;
use crate::central::Claims;
use crate::channels::{Command, NotQueued, QueueSlot};
use crate::ids::UserId;
use crate::protocol::{Action, Answer, Envelope, Reason, Refusal, Request, Typing, frame_text};

/// How long to wait at most until the session's expiry is looked at again: the system's clock may be set.
const EXPIRY_CHECK: Duration = Duration::from_secs(30);

/// Whether a session goes on.
pub(super) enum Turn {
    GoesOn,
    Expired,
}

pub(super) struct Session {
    claims: Claims,
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    /// A request that waits for the answers to those before it.
    held: Option<(Result<Request, Refusal>, Box<str>)>,
    /// What is being done for a request.
    job: Option<Job>,
    typing: TypingIndicators,
    next_check: Instant,
}

/// Something that takes time.
enum Job {
    /// An answer is being found.
    Answer(Pin<Box<dyn Future<Output = Answer> + Send>>, Box<str>),
    /// The writer's queue is full; a place in it is waited for.
    Place(Pin<Box<PlaceInQueue>>, Command<ReplyTo>),
    /// A new token is being checked.
    Renewal(Pin<Box<dyn Future<Output = Option<Claims>> + Send>>, Box<str>),
}

type PlaceInQueue = dyn Future<Output = Option<QueueSlot<ReplyTo>>> + Send;

impl Session {
    pub(super) fn new(claims: Claims, shared: Arc<Shared>, outbox: Arc<Outbox>) -> Self {
        let typing = TypingIndicators::new(shared.clone(), claims.user_id);
        Self { claims, shared, outbox, held: None, job: None, typing, next_check: Instant::now() }
    }

    pub(super) fn user_id(&self) -> UserId {
        self.claims.user_id
    }

    /// Whether another request can be taken on.
    pub(super) fn takes_requests(&self) -> bool {
        self.job.is_none() && self.held.is_none() && self.outbox.unanswered() < self.shared.bounds.max_inflight
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.job.is_none() && self.held.is_none() && self.outbox.unanswered() == 0
    }

    /// Takes a request on. The error says why the frame could not be read.
    pub(super) fn take(&mut self, frame: Result<&str, Reason>) {
        let envelope = frame.map_err(Refusal::new).and_then(Envelope::parse);
        let (request_id, request) = match envelope {
            Ok(envelope) => (Box::from(&*envelope.id), Request::parse(envelope)),
            Err(refusal) => (Box::from(""), Err(refusal)),
        };
        match request {
            Ok(Request::Action(action)) => self.command(action, request_id),
            request => self.hold(request, request_id),
        }
    }

    /// Works on what takes time; ends when some of it is done.
    pub(super) async fn work(&mut self) {
        match &mut self.job {
            None => pending().await,
            Some(Job::Answer(future, _)) => {
                let answer = future.await;
                if let Some(Job::Answer(_, request_id)) = self.job.take() {
                    self.answer(&answer, &request_id);
                }
            }
            Some(Job::Place(future, ..)) => {
                let place = future.await;
                if let Some(Job::Place(_, command)) = self.job.take() {
                    match place {
                        Some(place) => {
                            self.outbox.expect_answer(command.reply_bytes);
                            place.send(command);
                        }
                        None => self.refuse_stopping(&command.reply.request_id),
                    }
                }
            }
            Some(Job::Renewal(check, _)) => {
                let claims = check.await;
                if let Some(Job::Renewal(_, request_id)) = self.job.take() {
                    let answer = self.renew(claims);
                    self.answer(&answer, &request_id);
                }
            }
        }
    }

    /// Goes on with a request that was held, if the answers before it are there now.
    pub(super) fn resume(&mut self) {
        if self.outbox.unanswered() == 0
            && let Some((request, request_id)) = self.held.take()
        {
            match request {
                Ok(request) => self.carry_out(request, request_id),
                Err(refusal) => self.answer(&Answer::Refused(refusal), &request_id),
            }
        }
    }

    /// Looks at the clock: whether the session has come to its end, and whether the user is still typing.
    pub(super) fn check(&mut self, now: Instant) -> Turn {
        self.typing.expire(now);
        if now < self.next_check {
            return Turn::GoesOn;
        }
        self.next_check = now + EXPIRY_CHECK;
        let Some(end) = self.shared.session_end(self.claims.expires_at) else { return Turn::GoesOn };
        let left = end.since(self.shared.clock.now());
        if left.is_zero() {
            return Turn::Expired;
        }
        self.next_check = now + left.min(EXPIRY_CHECK);
        Turn::GoesOn
    }

    /// When the clock must be looked at next.
    pub(super) fn next_check(&self) -> Instant {
        self.typing.next_expiry().map_or(self.next_check, |expiry| expiry.min(self.next_check))
    }

    fn command(&mut self, action: Action, request_id: Box<str>) {
        let Some(commands) = self.shared.commands.upgrade() else { return self.refuse_stopping(&request_id) };
        let command = self.to_command(action, request_id);
        let answer_bytes = command.reply_bytes;
        self.outbox.expect_answer(answer_bytes);
        match commands.try_send(command) {
            Ok(()) => {}
            Err(NotQueued::Full(command)) => {
                self.outbox.cancel_answer(answer_bytes);
                self.job = Some(Job::Place(Box::pin(commands.reserve(&command)), command));
            }
            Err(NotQueued::Closed(command)) => {
                self.outbox.cancel_answer(answer_bytes);
                self.refuse_stopping(&command.reply.request_id);
            }
        }
    }

    fn to_command(&self, action: Action, request_id: Box<str>) -> Command<ReplyTo> {
        let reply_bytes = request_id.len();
        let reply = ReplyTo { outbox: self.outbox.clone(), request_id };
        Command { user_id: self.claims.user_id, action, reply, reply_bytes }
    }

    fn typing(&mut self, typing: &Typing) {
        if let Some((_, channel)) = self.shared.directory.find(&typing.channel_id) {
            let id = channel.id.clone();
            if typing.started { self.typing.start(&id) } else { self.typing.stop(&id) }
        }
    }

    fn hold(&mut self, request: Result<Request, Refusal>, request_id: Box<str>) {
        self.held = Some((request, request_id));
        self.resume();
    }

    fn carry_out(&mut self, request: Request, request_id: Box<str>) {
        let reading = self.shared.reading.clone();
        let answer: Pin<Box<dyn Future<Output = Answer> + Send>> = match request {
            Request::History(history) => Box::pin(async move { reading.history(history).await }),
            Request::Search(search) => {
                let user_id = self.claims.user_id;
                Box::pin(async move { reading.search(user_id, search).await })
            }
            Request::Sync(sync) => Box::pin(async move { reading.sync(sync).await }),
            Request::Ping => return self.answer(&Answer::Pong, &request_id),
            Request::List => return self.answer(&reading.channels(), &request_id),
            // No further events exist yet; an unknown name is no fault, so that clients can ask any server.
            Request::Subscribe { .. } => return self.answer(&Answer::Subscribed { events: Vec::new() }, &request_id),
            Request::Renew { token } => {
                let shared = self.shared.clone();
                let check = Box::pin(async move { shared.verify(&token).await.ok() });
                self.job = Some(Job::Renewal(check, request_id));
                return;
            }
            Request::Action(action) => return self.command(action, request_id),
            Request::Typing(typing) => return self.typing(&typing),
        };
        self.job = Some(Job::Answer(answer, request_id));
    }

    fn renew(&mut self, claims: Option<Claims>) -> Answer {
        match claims {
            Some(claims) if claims.user_id == self.claims.user_id => {
                self.claims = claims;
                self.next_check = Instant::now();
                Answer::Renewed { session_expires_at: claims.expires_at }
            }
            _ => Answer::Refused(Refusal::new(Reason::InvalidToken)),
        }
    }

    fn refuse_stopping(&self, request_id: &str) {
        self.answer(&Answer::Refused(Refusal::new(Reason::ShuttingDown)), request_id);
    }

    fn answer(&self, answer: &Answer, request_id: &str) {
        let (mut text, mut frame) = (Vec::new(), Vec::new());
        frame_text::answer(&mut text, answer, request_id, self.shared.clock.now());
        write_text(&mut frame, &text);
        self.outbox.put_own(frame);
    }
}
