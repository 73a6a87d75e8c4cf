//! The entries of a running server, streamed: line by line, resumed where the connection broke, and never trusted for
//! length, pace or end.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::cause::words;
use super::patience::{Pace, Patience, is_passing, retry_after};
use crate::cli::CliError;
use crate::ids::ChainIndex;
use crate::logchain::{Entry, EntryHash, EntryLine, SealedEntry, SealedLine};
use crate::secret::Secret;

/// An entry's line has about 500 bytes.
const MAX_LINE_BYTES: usize = 4096;

/// An entry as the server shows it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown {
    /// All of it.
    Full(Entry),
    /// What everyone may see.
    Sealed(SealedEntry),
}

impl Shown {
    pub(super) fn index(&self) -> ChainIndex {
        match self {
            Self::Full(entry) => entry.index,
            Self::Sealed(entry) => entry.index,
        }
    }

    pub(super) fn hash(&self) -> EntryHash {
        match self {
            Self::Full(entry) => entry.hash,
            Self::Sealed(entry) => entry.hash,
        }
    }
}

/// A client for a server that may be slow, far away or hostile: no redirects (they would carry the token elsewhere), and
/// an end to patience when nothing comes for `patience`.
pub(super) fn client(url: &Url, patience: Duration) -> Result<Client, CliError> {
    crate::central::install_tls();
    let builder = || {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(patience)
            .read_timeout(patience)
            .user_agent(concat!("coms/", env!("CARGO_PKG_VERSION")));
        // On one machine compressing costs more than sending.
        if is_local(url) { builder.no_gzip().no_zstd() } else { builder }
    };
    let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    client.map_err(|error| CliError::failed(format!("cannot make an HTTP client: {error}")))
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The entries from one index up to, not including, another.
pub(super) struct EntryStream {
    client: Client,
    url: Url,
    token: Option<Secret>,
    next: ChainIndex,
    /// How many lines are still wanted.
    wanted: u64,
    open: Option<Open>,
    patience: Patience,
    pace: Pace,
    /// How long one answer's beginning or one piece of it may take.
    limit: Duration,
}

struct Open {
    response: Response,
    /// What came after the last whole line.
    rest: Vec<u8>,
}

/// Why a connection gave no more.
enum Broken {
    /// It may work the next time, which may be after the time that the server asked for.
    Passing(String, Option<Duration>),
    /// It won't.
    Final(CliError),
}

impl EntryStream {
    /// The entries from `from` on until there are `length`, from a server that is waited for as long as `patience`.
    pub(super) fn new(
        client: Client,
        url: Url,
        token: Option<Secret>,
        from: ChainIndex,
        length: u64,
        patience: Duration,
    ) -> Self {
        let wanted = length.saturating_sub(from.0);
        let (pace, limit) = (Pace::new(patience), answer_limit(patience));
        Self { client, url, token, next: from, wanted, open: None, patience: Patience::new(patience), pace, limit }
    }

    /// Appends the next entries to `batch`. False at the end: all came that were wanted, or the server gives no more.
    pub(super) async fn next(&mut self, batch: &mut Vec<Shown>) -> Result<bool, CliError> {
        while self.wanted > 0 {
            let before = batch.len();
            let broken = match self.read(batch).await {
                Ok(()) => None,
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Passing(problem, asked)) => Some((problem, asked)),
            };
            if batch.len() > before {
                self.patience.renew();
                self.open = self.open.take().filter(|_| broken.is_none());
                return Ok(true);
            }
            let Some((problem, asked)) = broken else { continue };
            self.open = None;
            if !self.patience.wait(asked).await {
                return if problem == ENDED { Ok(false) } else { Err(CliError::failed(problem)) };
            }
        }
        Ok(false)
    }

    /// Whether the server gave fewer entries than were wanted: an end without an error, again and again.
    pub(super) fn is_short(&self) -> bool {
        self.wanted > 0
    }

    /// Goes on asking for what did not come.
    pub(super) fn ask_again(&mut self) {
        self.patience.renew();
    }

    /// Asks for what is wanted, and reads none of it: whether the server takes the token.
    pub(super) async fn probe(&self) -> Result<(), CliError> {
        match self.request().await {
            Ok(_) => Ok(()),
            Err(Broken::Passing(problem, _)) => Err(CliError::failed(problem)),
            Err(Broken::Final(error)) => Err(error),
        }
    }

    async fn read(&mut self, batch: &mut Vec<Shown>) -> Result<(), Broken> {
        if self.open.is_none() {
            self.open = Some(Open { response: self.request().await?, rest: Vec::new() });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let asked = Instant::now();
        let chunk = match timeout(self.limit, open.response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Err(Broken::Passing(ENDED.to_owned(), None)),
            Ok(Err(error)) => return Err(Broken::Passing(format!("the entries broke off: {}", words(&error)), None)),
            Err(_) => return Err(Broken::Final(too_slow("the entries"))),
        };
        if !self.pace.came(chunk.len(), asked.elapsed()) {
            return Err(Broken::Final(too_slow("the entries")));
        }
        open.rest.extend_from_slice(&chunk);
        let mut start = 0;
        while let Some(line) = open.rest.get(start..).and_then(|rest| rest.split_inclusive(|b| *b == b'\n').next()) {
            if !line.ends_with(b"\n") || self.wanted == 0 {
                break;
            }
            start += line.len();
            let shown = shown(line, self.next).map_err(Broken::Final)?;
            self.next = ChainIndex(shown.index().0.saturating_add(1));
            self.wanted -= 1;
            batch.push(shown);
        }
        open.rest.drain(..start);
        if open.rest.len() > MAX_LINE_BYTES && self.wanted > 0 {
            let problem =
                format!("the server sends a line without an end, after entry {}", self.next.0.saturating_sub(1));
            return Err(Broken::Final(CliError::failed(problem)));
        }
        Ok(())
    }

    async fn request(&self) -> Result<Response, Broken> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("from", &self.next.to_string())
            .append_pair("limit", &self.wanted.to_string());
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        let response = timeout(self.limit, request.send())
            .await
            .map_err(|_| Broken::Final(too_slow("the entries")))?
            .map_err(|error| Broken::Passing(format!("cannot read the entries: {}", words(&error)), None))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status if is_passing(status) => {
                let problem = format!("cannot read the entries: the server answered {status}");
                Err(Broken::Passing(problem, retry_after(&response)))
            }
            status => Err(Broken::Final(refused("the entries", status))),
        }
    }
}

/// How long an answer's beginning may take, or a small answer: longer than the silence that ends it, so that it is not this
/// which ends it.
pub(super) fn answer_limit(patience: Duration) -> Duration {
    patience.saturating_mul(2)
}

/// It comes, and so slowly that it would never end.
pub(super) fn too_slow(what: &str) -> CliError {
    CliError::failed(format!("cannot read {what}: the server sends too slowly"))
        .hint("`--timeout SECONDS` is how long it is waited for")
}

pub(super) const ENDED: &str = "the server gives fewer entries than its head says";

/// What a status other than 200 means.
pub(super) fn refused(what: &str, status: StatusCode) -> CliError {
    let error = CliError::failed(format!("cannot read {what}: the server answered {status}"));
    match status {
        StatusCode::UNAUTHORIZED => error.hint("the token is wrong, for another server, expired or revoked"),
        StatusCode::NOT_FOUND => error.hint("the server does not offer its log"),
        _ if status.is_redirection() => error.hint("redirects are not followed: give the URL where the server is"),
        _ => error,
    }
}

fn shown(line: &[u8], due: ChainIndex) -> Result<Shown, CliError> {
    // Which of the two it is, the line itself says; a full one has a message.
    let full = line.windows(12).any(|bytes| bytes == b"\"message_id\"");
    let read = if full { EntryLine::parse(line).map(Shown::Full) } else { SealedLine::parse(line).map(Shown::Sealed) };
    read.map_err(|error| CliError::failed(format!("the server sends nonsense where entry {due} is due: {error}")))
}
