//! Binding the port.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted: thousands come at once when a network comes back. The system may
/// allow fewer (on Linux `net.core.somaxconn`, 4096).
const BACKLOG: u32 = 4096;

/// How much the system keeps for a client that does not read, in bytes: 256 KiB of memory, since Linux takes twice what it
/// is told (socket(7), `SO_SNDBUF`). By itself it would grow to megabytes each.
const SEND_BUFFER_BYTES: u32 = if cfg!(target_os = "linux") { 128 * 1024 } else { 256 * 1024 };

/// Listens on `port` of `host`; without a host on all interfaces, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
pub fn listen(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match host {
        Some(host) => bind(host, port),
        None => match bind(Ipv6Addr::UNSPECIFIED.into(), port) {
            Err(error) if error.kind() != ErrorKind::AddrInUse => bind(Ipv4Addr::UNSPECIFIED.into(), port),
            bound => bound,
        },
    }
}

fn bind(host: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = if host.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if host == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // For IPv4 as well, whatever the system's default is (`net.ipv6.bindv6only`).
        SockRef::from(&socket).set_only_v6(false)?;
    }
    // So that a restart need not wait until the system has forgotten the old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(SocketAddr::new(host, port))?;
    socket.listen(BACKLOG)
}
