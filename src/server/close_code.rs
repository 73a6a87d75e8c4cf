//! Close codes, the server's and the client's.

/// Why a connection is closed, as the close frame's code says it (RFC 6455, section 7.4, and the protocol's own).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseCode {
    GoingAway,
    ProtocolError,
    NotUtf8,
    Policy,
    TooBig,
    TooSlow,
    SessionExpired,
    /// The code that the client closed with, sent back to it.
    Echo(u16),
}

impl CloseCode {
    /// For a client that closes without a code (RFC 6455, section 7.1.5).
    pub(super) const NORMAL: u16 = 1000;

    pub(super) fn number(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::NotUtf8 => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::TooSlow => 1013,
            Self::SessionExpired => 4001,
            Self::Echo(code) => code,
        }
    }

    /// Refuses the payload of a close frame with a code that nobody may send, or a reason that is no text (RFC 6455, sections
    /// 5.5.1 and 7.4; 1012 to 1014 were registered later).
    pub(super) fn check(payload: &[u8]) -> Result<(), Self> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(()) } else { Err(Self::ProtocolError) };
        };
        if !matches!(u16::from_be_bytes(*code), 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(Self::ProtocolError);
        }
        std::str::from_utf8(reason).map(|_| ()).map_err(|_| Self::NotUtf8)
    }
}
