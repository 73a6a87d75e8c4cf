//! Bytes on a TCP connection: HTTP as text, and WebSocket frames that no library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::in_time;

/// What a server answered to one HTTP request.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl HttpAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Reads an answer out of its text, head and body.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP: {text}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        }
    }
}

/// Sends a request, of which `head` is the first line and `headers` whole lines, and reads the answer to its end.
pub(crate) async fn http(address: &str, head: &str, headers: &[&str]) -> HttpAnswer {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let host = format!("Host: {address}");
    let request =
        [&[&format!("{head} HTTP/1.1"), host.as_str(), "Connection: close"], headers, &["", ""]].concat().join("\r\n");
    stream.write_all(request.as_bytes()).await.expect("a reader");
    let mut answer = Vec::new();
    in_time("an answer", stream.read_to_end(&mut answer)).await.expect("an answer");
    HttpAnswer::parse(&String::from_utf8(answer).expect("text"))
}

/// The headers of a proper WebSocket handshake.
pub(crate) const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// Opcodes, and the bit of a message's last frame (RFC 6455, section 5.2).
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame as a client must send it, masked; `first` is its first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x5a, 0xc3, 0x0f, 0x96];
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 0x7e);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 0x7f);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// How long a server that takes nothing more is given to change its mind.
const FULL: Duration = Duration::from_millis(500);

/// A WebSocket connection of which every byte is the test's own.
pub(crate) struct RawClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawClient {
    /// Upgrades with `token` and reads the greeting.
    pub(crate) async fn connect(address: &str, token: &str) -> Self {
        let mut client = Self::upgraded(address, token).await;
        let (first, payload) = client.frame().await.expect("a greeting");
        assert_eq!(first, FIN | TEXT);
        assert!(payload.starts_with(br#"{"t":"zync.core.hello""#));
        client
    }

    /// The same with more headers.
    pub(crate) async fn connect_with(address: &str, token: &str, headers: &[&str]) -> Self {
        let mut client =
            Self::over_with(TcpStream::connect(address).await.expect("a connection"), address, token, headers).await;
        client.frame().await.expect("a greeting");
        client
    }

    /// Upgrades with `token`.
    pub(crate) async fn upgraded(address: &str, token: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"), address, token).await
    }

    /// The same over `stream`.
    pub(crate) async fn over(stream: TcpStream, address: &str, token: &str) -> Self {
        Self::over_with(stream, address, token, &[]).await
    }

    async fn over_with(mut stream: TcpStream, address: &str, token: &str, headers: &[&str]) -> Self {
        let headers = [&UPGRADE[..], headers].concat().join("\r\n");
        let request = format!("GET /connect?token={token} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a reader");
        let mut client = Self { stream, buffer: Vec::new() };
        let end = loop {
            if let Some(end) = client.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(client.fill().await, "no answer to the upgrade");
        };
        assert!(client.buffer.starts_with(b"HTTP/1.1 101 "), "refused");
        client.buffer.drain(..end);
        client
    }

    /// Sends `bytes`, whatever they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        in_time("sending", self.stream.write_all(bytes)).await.expect("a reader");
    }

    /// Sends no more, and reads on.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a connection");
    }

    /// Sends `bytes` again and again until the server takes no more, at most `most` times; how often they were sent whole.
    pub(crate) async fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        for sent in 0..most {
            let mut left = bytes;
            while !left.is_empty() {
                match timeout(FULL, self.stream.write(left)).await {
                    Ok(written) => left = &left[written.expect("a reader")..],
                    Err(_) => return sent,
                }
            }
        }
        most
    }

    /// Reads on to the close frame; its code, or none if the connection just broke off.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.frame().await?;
            if first == FIN | CLOSE {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    }

    /// The next frame: its first byte and its payload. `None` when the connection is at its end.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame, if it was read whole.
    pub(crate) fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[first, second, ref rest @ ..] = self.buffer.as_slice() else { return None };
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (length, header) = match second {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = header + usize::try_from(length).expect("not that long");
        let payload = self.buffer.get(header..end)?.to_vec();
        self.buffer.drain(..end);
        Some((first, payload))
    }

    /// Reads at most so many bytes, and waits; how many it were, none at the end.
    pub(crate) async fn fill_slowly(&mut self, most: usize, pause: Duration) -> usize {
        let mut bytes = vec![0; most];
        let count = in_time("bytes", self.stream.read(&mut bytes)).await.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..count]);
        sleep(pause).await;
        count
    }

    /// Reads more; false at the end, however it comes.
    async fn fill(&mut self) -> bool {
        matches!(in_time("bytes", self.stream.read_buf(&mut self.buffer)).await, Ok(count) if count > 0)
    }
}
