//! A client that speaks the protocol over a real WebSocket.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::in_time;

pub(crate) const CREATE: &str = "zync.channels.message.create";
pub(crate) const EDIT: &str = "zync.channels.message.edit";
pub(crate) const DELETE: &str = "zync.channels.message.delete";
pub(crate) const HISTORY: &str = "zync.channels.message.history";
pub(crate) const SYNC: &str = "zync.channels.sync";
pub(crate) const SEARCH: &str = "zync.channels.search";
pub(crate) const ERROR: &str = "zync.core.error";

/// What a connection had to say next.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text frame, as it came.
    Text(String),
    /// The end: the close code and reason, or none when it just broke off.
    End(Option<(u16, String)>),
}

/// One connection of a person.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The first frame.
    pub(crate) hello: Value,
    /// Events that came while an answer was waited for.
    events: VecDeque<Value>,
    requests: u64,
}

impl Client {
    /// Connects to `address` and reads the greeting.
    pub(crate) async fn connect(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self::over(stream, address, token).await.expect("an upgrade")
    }

    /// The same over `stream`; the error is what the server refused it with.
    pub(crate) async fn over(stream: TcpStream, address: &str, token: &str) -> Result<Self, Error> {
        let url = format!("ws://{address}/connect?token={token}");
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        stream.set_nodelay(true).expect("a socket");
        let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
        let (socket, _) = in_time("the upgrade", upgraded).await?;
        let mut client = Self { socket, hello: Value::Null, events: VecDeque::new(), requests: 0 };
        client.hello = client.next().await;
        assert_eq!(client.hello["t"], "zync.core.hello");
        Ok(client)
    }

    /// Sends `text` as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends `bytes` in a binary frame.
    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_message(Message::binary(Bytes::copy_from_slice(bytes))).await;
    }

    /// Sends a request to a server that may be gone; says whether it still took it.
    pub(crate) async fn offer(&mut self, t: &str, id: &str, d: &Value) -> bool {
        let text = json!({ "t": t, "id": id, "d": d }).to_string();
        in_time("sending", self.socket.send(Message::text(text))).await.is_ok()
    }

    async fn send_message(&mut self, message: Message) {
        in_time("sending", self.socket.send(message)).await.expect("a connection");
    }

    /// Sends a request; returns the id that it has.
    pub(crate) async fn send(&mut self, t: &str, d: Value) -> String {
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        self.send_with_id(t, &id, d).await;
        id
    }

    pub(crate) async fn send_with_id(&mut self, t: &str, id: &str, d: Value) {
        self.send_text(&json!({ "t": t, "id": id, "d": d }).to_string()).await;
    }

    /// The next thing that comes, whatever it is.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            match in_time("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    return Heard::End(frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("the server sent {other:?}"),
                Some(Err(_)) | None => return Heard::End(None),
            }
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        self.read().await
    }

    async fn read(&mut self) -> Value {
        match self.hear().await {
            Heard::Text(text) => serde_json::from_str(&text).expect("JSON"),
            Heard::End(end) => panic!("the connection ended: {end:?}"),
        }
    }

    /// The payload of the next frame, which must have the type `t`.
    pub(crate) async fn expect(&mut self, t: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["t"], t, "{frame}");
        frame["d"].clone()
    }

    /// Sends a request and waits for its answer; events that come before it are kept for [`Client::next`].
    pub(crate) async fn ask(&mut self, t: &str, d: Value) -> Value {
        let id = self.send(t, d).await;
        self.answer_to(&id).await
    }

    /// The answer to the request `id`.
    pub(crate) async fn answer_to(&mut self, id: &str) -> Value {
        loop {
            let frame = self.read().await;
            if frame["ref"] == id {
                return frame;
            }
            assert!(frame.get("ref").is_none(), "an answer to another request: {frame}");
            self.events.push_back(frame);
        }
    }

    /// Sends a request that must not be refused; returns its answer's payload.
    pub(crate) async fn get(&mut self, t: &str, d: Value) -> Value {
        let answer = self.ask(t, d).await;
        assert_ne!(answer["t"], ERROR, "{answer}");
        answer["d"].clone()
    }

    /// Sends a request that must be refused; returns the error's payload.
    pub(crate) async fn refused(&mut self, t: &str, d: Value) -> Value {
        let answer = self.ask(t, d).await;
        assert_eq!(answer["t"], ERROR, "{answer}");
        answer["d"].clone()
    }

    /// Posts in `general`; returns `{id, chain_index}`.
    pub(crate) async fn post(&mut self, content: &str) -> Value {
        self.get(CREATE, json!({ "channel_id": "general", "content": content })).await
    }

    pub(crate) async fn edit(&mut self, message: &Value, content: &str) {
        self.get(EDIT, json!({ "message_id": message["id"], "content": content })).await;
    }

    pub(crate) async fn delete(&mut self, message: &Value) {
        self.get(DELETE, json!({ "message_id": message["id"] })).await;
    }

    /// The messages of a page of `general`'s history.
    pub(crate) async fn history(&mut self, limit: u32) -> Vec<Value> {
        let page = self.get(HISTORY, json!({ "channel_id": "general", "limit": limit })).await;
        page["messages"].as_array().expect("messages").clone()
    }

    /// Events that came, up to now: everything before the answer to a ping. The server is behind with nothing then.
    pub(crate) async fn events(&mut self) -> Vec<Value> {
        self.get("zync.core.ping", Value::Null).await;
        self.events.drain(..).collect()
    }

    /// Reads on to the end; returns the close code and reason.
    pub(crate) async fn end(&mut self) -> Option<(u16, String)> {
        loop {
            if let Heard::End(end) = self.hear().await {
                return end;
            }
        }
    }

    /// Takes its leave and waits until the server has seen it.
    pub(crate) async fn close(mut self) {
        in_time("closing", self.socket.close(None)).await.expect("a connection");
        self.end().await;
    }
}
