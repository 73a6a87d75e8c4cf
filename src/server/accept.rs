//! The accept loop: TCP connections in, HTTP/1.1 on each, with bounds before anything is known of a client.
//!
//! Not `axum::serve`, which sets no time limit for headers and no bound on connections. Accepting never waits for clients:
//! when there is no room, another connection is evicted, or the newcomer is told so.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures_util::future::poll_immediate;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service as _;

use super::handshakes::{HandshakePermit, Handshakes};
use super::routes::{refusing_router, router};
use super::shared::Shared;
use super::sockets::{Sockets, SpareFile};

/// The most bytes of a request's head; a token of 4 KiB fits in with room to spare. hyper asks for at least 8 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How many are told at the same time that there is no room, and how long that may take.
const MAX_REFUSALS: usize = 16;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait when the system has no sockets left to give, not even for a refusal.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How often it is logged that connections are refused.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Accepts connections until it is dropped.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut acceptor = Acceptor::new(shared);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => acceptor.serve(stream, peer.ip()),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => acceptor.exhausted(&listener, &error).await,
        }
    }
}

struct Acceptor {
    http: http1::Builder,
    router: Router,
    /// Answers everything with a refusal.
    refusing: Router,
    handshake_timeout: Duration,
    handshakes: Handshakes,
    sockets: Sockets,
    spare: SpareFile,
    refusals: Arc<Semaphore>,
    warnings: Warnings,
}

impl Acceptor {
    fn new(shared: Arc<Shared>) -> Self {
        let bounds = shared.bounds;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(bounds.keep_alive.max(bounds.handshake_timeout))
            .max_buf_size(MAX_HEAD_BYTES)
            .half_close(false);
        Self {
            http,
            refusing: refusing_router(shared.clone()),
            router: router(shared),
            handshake_timeout: bounds.handshake_timeout,
            handshakes: Handshakes::new(bounds.max_handshakes),
            sockets: Sockets::of_process(),
            spare: SpareFile::open(),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            warnings: Warnings::default(),
        }
    }

    fn serve(&mut self, stream: TcpStream, peer: IpAddr) {
        let socket = self.sockets.open().or_else(|| self.handshakes.evict().then(|| self.sockets.open_beyond()));
        let Some(socket) = socket else {
            return self.refuse(stream, "near the limit of open files");
        };
        let Some(permit) = self.handshakes.admit(peer, socket) else {
            return self.refuse(stream, "too many requests are being answered");
        };
        // Without it, an answer that follows another waits for the client's delayed acknowledgement: 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection was gone before it was served");
            return;
        }
        let (router, of_request) = (self.router.clone(), permit.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let permit = of_request.clone();
            permit.request_received();
            request.extensions_mut().insert(permit.clone());
            let response = router.clone().call(request);
            async move {
                let response = response.await;
                permit.response_ready();
                response
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let handshake_timeout = self.handshake_timeout;
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = permit.cancelled() => {}
                ended = drive(connection, &permit, handshake_timeout) => if let Err(error) = ended {
                    tracing::debug!(%error, "HTTP connection failed");
                },
            }
        });
    }

    /// Answers a request of a connection for which there is no room, if it comes soon.
    fn refuse(&mut self, stream: TcpStream, reason: &'static str) {
        self.warnings.refused(reason);
        if let Ok(turn) = self.refusals.clone().try_acquire_owned() {
            let refusal = self.refusal(stream);
            tokio::spawn(async move {
                refusal.await;
                drop(turn);
            });
        }
    }

    fn refusal(&self, stream: TcpStream) -> impl Future<Output = ()> + use<> {
        let router = self.refusing.clone();
        let service = service_fn(move |request: Request<Incoming>| router.clone().call(request));
        let mut http = self.http.clone();
        let connection = http.keep_alive(false).serve_connection(TokioIo::new(stream), service);
        async move {
            // Who does not ask in time, or is gone, need not be told.
            timeout(REFUSAL_TIMEOUT, connection).await.ok();
        }
    }

    /// There is no file for another connection. The spare one is given up for as long as it takes to say so.
    async fn exhausted(&mut self, listener: &TcpListener, error: &io::Error) {
        self.warnings.refused("no more open files");
        tracing::debug!(%error, "cannot accept a connection");
        let refused = match self.spare.close().then(|| poll_immediate(listener.accept())) {
            Some(accepting) => match accepting.await {
                Some(Ok((stream, _))) => {
                    self.refusal(stream).await;
                    true
                }
                _ => false,
            },
            None => false,
        };
        self.spare = SpareFile::open();
        if !refused {
            sleep(EXHAUSTED_PAUSE).await;
        }
    }
}

/// Runs `connection` to its end. A client that has not sent a request in `first_request_timeout` is not waited for.
async fn drive(
    connection: impl Future<Output = hyper::Result<()>>,
    permit: &HandshakePermit,
    first_request_timeout: Duration,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let ended = first_read(connection.as_mut()).await;
    permit.first_read_done();
    if let Some(ended) = ended {
        return ended;
    }
    match timeout(first_request_timeout, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) if permit.awaits_first_request() => Ok(()),
        Err(_) => connection.await,
    }
}

/// Lets `connection` read what has come for it by now; its result if it ended.
async fn first_read<F: Future>(mut connection: Pin<&mut F>) -> Option<F::Output> {
    let first = poll_immediate(connection.as_mut()).await;
    if first.is_some() {
        return first;
    }
    // Only now does the runtime ask the system what there is to read on a new socket.
    yield_now().await;
    poll_immediate(connection).await
}

/// Whether the error is the new connection's and not the listener's.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What was refused since it was last logged, and when it is logged again.
#[derive(Default)]
struct Warnings {
    refused: u64,
    next: Option<Instant>,
}

impl Warnings {
    fn refused(&mut self, reason: &'static str) {
        self.refused += 1;
        let now = Instant::now();
        if self.next.is_none_or(|next| next <= now) {
            tracing::warn!(
                reason,
                refused = self.refused,
                hint = "raise the limit of open files, or set MAX_CONNECTIONS below it",
                "no room for new connections"
            );
            *self = Self { refused: 0, next: Some(now + WARNING_INTERVAL) };
        }
    }
}
