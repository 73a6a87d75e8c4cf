//! Permits for connections that have not authenticated: what a connection tells of its progress, and what ends it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::pending::{PendingConnections, SourceNetwork};
use super::sockets::OpenSocket;

/// All such connections.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Mutex<PendingConnections>>);

impl Handshakes {
    /// Up to `max` connections that wait for their client.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(PendingConnections::new(max))))
    }

    /// A permit for a connection from `peer` over `socket`; `None` if there is no room. Others may be evicted for it.
    pub(super) fn admit(&self, peer: IpAddr, socket: OpenSocket) -> Option<HandshakePermit> {
        let source = SourceNetwork::of(peer);
        let cancel = CancellationToken::new();
        let number = self.pending().admit(source, cancel.clone())?;
        let connection = Arc::new(HttpConnection { cancel, ended: CancellationToken::new(), _socket: socket });
        Some(HandshakePermit(Arc::new(Permit { number, source, handshakes: self.clone(), connection })))
    }

    /// Ends the connection that can be spared most; false if there is none.
    pub(super) fn evict(&self) -> bool {
        self.pending().evict()
    }

    /// The lock is held for moments.
    fn pending(&self) -> MutexGuard<'_, PendingConnections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's permit. It is returned when it is released, or when the last clone of it is dropped, which is when
/// the connection has ended.
#[derive(Clone)]
pub(super) struct HandshakePermit(Arc<Permit>);

impl HandshakePermit {
    /// What the client had sent when it was accepted was read.
    pub(super) fn first_read_done(&self) {
        self.0.handshakes.pending().first_read_done(self.0.number);
    }

    /// A request came.
    pub(super) fn request_received(&self) {
        self.0.handshakes.pending().request_received(self.0.number);
    }

    /// The response to it is there.
    pub(super) fn response_ready(&self) {
        self.0.handshakes.pending().response_ready(self.0.number);
    }

    /// Whether the client has not sent a request yet.
    pub(super) fn awaits_first_request(&self) -> bool {
        self.0.handshakes.pending().awaits_first_request(self.0.number)
    }

    /// Where the connection comes from; `None` for loopback.
    pub(super) fn source(&self) -> Option<SourceNetwork> {
        self.0.source
    }

    /// Ready when the connection is to end.
    pub(super) fn cancelled(&self) -> impl Future<Output = ()> + use<> {
        self.0.connection.cancel.clone().cancelled_owned()
    }

    /// Returns the permit: the connection is bounded by something else from now on, until it ends.
    pub(super) fn release(&self) -> ReleasedConnection {
        self.0.handshakes.pending().remove(self.0.number);
        ReleasedConnection(self.0.connection.clone())
    }
}

/// A connection that has no permit any more. This does not keep it open, but keeps its socket counted.
pub(super) struct ReleasedConnection(Arc<HttpConnection>);

impl ReleasedConnection {
    /// Waits until the connection has ended; ends it after `grace`.
    pub(super) async fn end_within(&self, grace: Duration) {
        if timeout(grace, self.0.ended.cancelled()).await.is_err() {
            self.0.cancel.cancel();
        }
    }
}

struct HttpConnection {
    /// Cancelled to end it.
    cancel: CancellationToken,
    /// Cancelled when it has ended.
    ended: CancellationToken,
    _socket: OpenSocket,
}

struct Permit {
    number: u64,
    source: Option<SourceNetwork>,
    handshakes: Handshakes,
    connection: Arc<HttpConnection>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.handshakes.pending().remove(self.number);
        self.connection.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::sockets::Sockets;
    use super::*;

    /// The permit of a connection that never ends by itself, and that connection.
    fn lasting() -> (HandshakePermit, tokio::task::JoinHandle<()>) {
        let socket = Sockets::new(1).open().expect("room");
        let permit = Handshakes::new(1).admit(Ipv4Addr::LOCALHOST.into(), socket).expect("room");
        let held = permit.clone();
        let connection = tokio::spawn(async move {
            held.cancelled().await;
            drop(held);
        });
        (permit, connection)
    }

    #[tokio::test]
    async fn a_released_connection_is_ended_when_its_time_is_up() {
        let (permit, connection) = lasting();
        let released = permit.release();
        drop(permit);
        released.end_within(Duration::from_millis(1)).await;
        timeout(Duration::from_secs(30), connection).await.expect("it has ended").expect("no panic");
    }

    #[tokio::test]
    async fn the_end_of_a_released_connection_is_heard_of() {
        let (permit, connection) = lasting();
        let released = permit.release();
        drop(permit);
        connection.abort();
        let waiting = released.end_within(Duration::from_hours(1));
        timeout(Duration::from_secs(30), waiting).await.expect("it has ended");
    }
}
