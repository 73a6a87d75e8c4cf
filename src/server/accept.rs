//! The accept loop: TCP connections in, HTTP/1.1 on each, with bounds before anything is known of a client.
//!
//! Not `axum::serve`, which sets no time limit for headers and no bound on connections.

use std::io;
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
use tokio::task::yield_now;
use tokio::time::sleep;
use tower_service::Service as _;

use super::handshakes::{Handshakes, Slot};
use super::routes::router;
use super::shared::Shared;

/// The most bytes of a request's head; a token of 4 KiB fits in with room to spare. hyper asks for at least 8 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long to wait when the system has no sockets left to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until it is dropped.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let handshakes = Handshakes::new(shared.bounds.max_handshakes);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(shared.bounds.handshake_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false);
    let router = router(shared);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let slot = handshakes.place(peer.ip().into()).await;
                serve(&http, stream, &router, slot);
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn serve(http: &http1::Builder, stream: TcpStream, router: &Router, slot: Slot) {
    // Without it, an answer that follows another waits for the client's delayed acknowledgement: 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection was gone before it was served");
        return;
    }
    let (router, held, looked) = (router.clone(), slot.clone(), slot.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        slot.asked();
        request.extensions_mut().insert(slot.clone());
        let (answer, slot) = (router.clone().call(request), slot.clone());
        async move {
            let answer = answer.await;
            slot.was_answered();
            answer
        }
    });
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let task = tokio::spawn(async move {
        let mut connection = pin!(connection);
        let ended = look_at(connection.as_mut()).await;
        looked.was_looked_at();
        drop(looked);
        let ended = match ended {
            Some(ended) => ended,
            None => connection.await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "HTTP connection failed");
        }
    });
    held.held_by(task.abort_handle());
}

/// Lets `connection` read what has come for it by now; what it came to, if that was its end.
async fn look_at<F: Future>(mut connection: Pin<&mut F>) -> Option<F::Output> {
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
