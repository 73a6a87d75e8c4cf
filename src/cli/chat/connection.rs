//! One WebSocket connection to a server: opened with a token, or refused for a reason that the person can use.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use crate::central::install_tls;
use crate::printable::Untrusted;
use crate::secret::Secret;

/// How long opening a connection may take, and sending on it.
const PATIENCE: Duration = Duration::from_secs(15);

/// The server pings every 50 s (PROTOCOL.md section 3): a connection that is silent for longer than this is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(75);

/// The longest message that is taken, in bytes: a page of history of the reference can be this long.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// An open connection.
pub(in crate::cli) struct Connection(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum OpenError {
    /// The server refuses this token (401).
    #[error("the server refuses the token: {0}")]
    Token(Untrusted),
    /// The server answers, but not with a connection; with its status and its word for the reason.
    #[error("the server refuses the connection: it answered {0} ({1})")]
    Refused(u16, Untrusted),
    /// There is no answer that makes sense.
    #[error("could not connect: {0}")]
    Failed(Untrusted),
}

impl OpenError {
    /// The same, should it name the URL, without the token in it.
    fn without(self, token: &Secret) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(why.raw().replace(token.reveal(), "…").into()),
            other => other,
        }
    }

    /// Whether trying again later can't help.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(403, _))
    }
}

/// How a connection ended or what came of it.
#[derive(Debug)]
pub(in crate::cli) enum Received {
    /// A frame.
    Text(String),
    /// Something that only shows that the server lives.
    Alive,
    /// The end: the close code and reason, if the server gave any, else what went wrong.
    Closed(Option<u16>, Untrusted),
}

impl Connection {
    /// Connects to `url` (a `/connect` route) with `token`.
    ///
    /// The token goes into a header, where no log of a proxy has it. A server that knows the query only (the reference
    /// does) says that there is none, and gets it there.
    pub(in crate::cli) async fn open(url: &Url, token: &Secret) -> Result<Self, OpenError> {
        match Self::attempt(url, Some(token)).await {
            Err(OpenError::Token(word)) if word.raw() == "missing_token" => {
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("token", token.reveal());
                Self::attempt(&url, None).await.map_err(|error| error.without(token))
            }
            other => other,
        }
    }

    async fn attempt(url: &Url, bearer: Option<&Secret>) -> Result<Self, OpenError> {
        install_tls();
        let mut request =
            url.as_str().into_client_request().map_err(|error| OpenError::Failed(error.to_string().into()))?;
        if let Some(token) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                .map_err(|_| OpenError::Token("it holds characters that no token has".into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES))
            .read_buffer_size(16 * 1024);
        match tokio::time::timeout(PATIENCE, connect_async_with_config(request, Some(config), true)).await {
            Ok(Ok((stream, _))) => Ok(Self(stream)),
            Ok(Err(Error::Http(response))) => Err(refusal(&response)),
            Ok(Err(Error::Io(error))) => Err(OpenError::Failed(error.to_string().into())),
            Ok(Err(error)) => Err(OpenError::Failed(error.to_string().into())),
            Err(_) => Err(OpenError::Failed("no answer in time".into())),
        }
    }

    /// Sends all of `frames`.
    pub(in crate::cli) async fn send(&mut self, frames: Vec<String>) -> Result<(), String> {
        if frames.is_empty() {
            return Ok(());
        }
        let sending = async {
            for frame in frames {
                self.0.feed(Message::text(frame)).await?;
            }
            self.0.flush().await
        };
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err("the server takes nothing any more".to_owned()),
        }
    }

    /// What comes next. Nothing is lost when this is dropped half-way.
    pub(in crate::cli) async fn receive(&mut self) -> Received {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
            Some(Ok(Message::Close(Some(frame)))) => {
                Received::Closed(Some(frame.code.into()), frame.reason.as_str().into())
            }
            Some(Ok(Message::Close(None))) => Received::Closed(None, "the server closed it".into()),
            Some(Ok(_)) => Received::Alive,
            None
            | Some(Err(
                Error::Io(_) | Error::ConnectionClosed | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            )) => Received::Closed(None, "the server is gone".into()),
            Some(Err(error)) => Received::Closed(None, error.to_string().into()),
        }
    }

    /// Says goodbye. A server that does not answer is not waited for.
    pub(in crate::cli) async fn close(mut self) {
        tokio::time::timeout(Duration::from_secs(1), self.0.close(None)).await.ok();
    }
}

/// What an answer other than 101 means.
fn refusal(response: &Response<Option<Vec<u8>>>) -> OpenError {
    let body = response.body().as_deref().unwrap_or_default();
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let word = json.as_ref().and_then(|json| json["error"].as_str()).unwrap_or("no reason given");
    let word = word.into();
    match response.status().as_u16() {
        401 => OpenError::Token(word),
        status => OpenError::Refused(status, word),
    }
}
