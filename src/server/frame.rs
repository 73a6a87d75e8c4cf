//! WebSocket frames (RFC 6455, section 5) as a server reads and writes them.
//!
//! Own code because the fan-out needs it: a server's frames are unmasked, so that one encoded frame, header and all, can be
//! shared by all connections and written to the stream as it is. The handshake is HTTP's business, see `connect`.

use super::close_code::CloseCode;

/// The most payload that a control frame can have (RFC 6455, section 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// The most frames that may come from the first one of a message to its last, control frames included: the biggest message
/// by default, a byte at a time. Without a limit, empty fragments could go on for ever.
const MAX_FRAMES_PER_MESSAGE: u32 = 64 * 1024;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// The last frame of a message, no extension bits.
const FIN: u8 = 0x80;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// With the client's code, 1000 if it gave none.
    Close(u16),
}

/// Appends `payload` as one text frame.
pub(super) fn write_text(out: &mut Vec<u8>, payload: &[u8]) {
    write_frame(out, TEXT, payload);
}

/// Appends a ping.
pub(super) fn write_ping(out: &mut Vec<u8>) {
    write_frame(out, PING, &[]);
}

/// Appends the pong to a ping with `payload`.
pub(super) fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_frame(out, PONG, payload);
}

/// Appends a close frame. `reason` must be short: with the code, at most 125 bytes.
pub(super) fn write_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut payload = code.number().to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    payload.truncate(MAX_CONTROL_BYTES);
    write_frame(out, CLOSE, &payload);
}

fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FIN | opcode);
    // The length in the shortest of its three forms; the mask bit stays 0.
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Reads frames out of the bytes that a client sends, and puts fragments together.
#[derive(Debug)]
pub(super) struct Decoder {
    max_message_bytes: usize,
    /// Bytes that came; those before `start` are used up.
    buffer: Vec<u8>,
    start: usize,
    /// The opcode of the message that is being put together from fragments.
    fragmented: Option<u8>,
    /// How many frames came since it began.
    frames: u32,
    /// The fragments so far, or the last message that was put together.
    assembled: Vec<u8>,
}

/// Where the payload of a message is.
enum Found {
    InBuffer { opcode: u8, from: usize, to: usize },
    Assembled { opcode: u8 },
}

impl Decoder {
    /// A decoder that refuses messages of more than `max_message_bytes`.
    pub(super) const fn new(max_message_bytes: usize) -> Self {
        Self { max_message_bytes, buffer: Vec::new(), start: 0, fragmented: None, frames: 0, assembled: Vec::new() }
    }

    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets go of memory that an idle connection does not need.
    pub(super) fn rest(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
        }
        if self.fragmented.is_none() {
            self.assembled = Vec::new();
        }
    }

    /// The next message or control frame, if it is there whole. The error says how to close.
    pub(super) fn next(&mut self) -> Result<Option<Incoming<'_>>, CloseCode> {
        Ok(match self.find()? {
            None => None,
            Some(Found::InBuffer { opcode, from, to }) => {
                Some(incoming(opcode, self.buffer.get(from..to).unwrap_or_default()))
            }
            Some(Found::Assembled { opcode }) => Some(incoming(opcode, &self.assembled)),
        })
    }

    fn find(&mut self) -> Result<Option<Found>, CloseCode> {
        loop {
            let Some(header) = Header::read(self.buffer.get(self.start..).unwrap_or_default())? else {
                return Ok(None);
            };
            let gathered = if self.fragmented.is_some() { self.assembled.len() } else { 0 };
            // Before any of it is waited for: what is declared too big is refused at once.
            if header.payload_bytes > self.max_message_bytes.saturating_sub(gathered) && !header.is_control() {
                return Err(CloseCode::TooBig);
            }
            let from = self.start + header.bytes;
            let to = from + header.payload_bytes;
            let Some(payload) = self.buffer.get_mut(from..to) else { return Ok(None) };
            unmask(payload, header.mask);
            self.start = to;
            if header.opcode == CLOSE {
                CloseCode::check(payload)?;
            }
            if self.fragmented.is_some() {
                self.frames += 1;
                if self.frames > MAX_FRAMES_PER_MESSAGE {
                    return Err(CloseCode::Policy);
                }
            }
            let is_whole = header.fin && header.opcode != CONTINUATION && self.fragmented.is_none();
            if header.is_control() || is_whole {
                return Ok(Some(Found::InBuffer { opcode: header.opcode, from, to }));
            }
            match (self.fragmented, header.opcode) {
                (Some(_), CONTINUATION) => self.assembled.extend_from_slice(payload),
                (None, TEXT | BINARY) => {
                    self.assembled = payload.to_vec();
                    self.fragmented = Some(header.opcode);
                    self.frames = 1;
                }
                // A continuation of nothing, or a new message within another.
                _ => return Err(CloseCode::ProtocolError),
            }
            if header.fin
                && let Some(opcode) = self.fragmented.take()
            {
                return Ok(Some(Found::Assembled { opcode }));
            }
        }
    }
}

fn incoming(opcode: u8, payload: &[u8]) -> Incoming<'_> {
    match opcode {
        TEXT => Incoming::Text(payload),
        PING => Incoming::Ping(payload),
        PONG => Incoming::Pong,
        CLOSE => {
            let code = payload.first_chunk().map_or(CloseCode::NORMAL, |code| u16::from_be_bytes(*code));
            Incoming::Close(code)
        }
        // `Header::read` lets no other opcode through.
        _ => Incoming::Binary(payload),
    }
}

struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    payload_bytes: usize,
    /// How long the header itself is.
    bytes: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`, if it is there whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, CloseCode> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (fin, reserved, opcode) = (first & FIN != 0, first & 0x70, first & 0x0f);
        let (is_masked, short) = (second & 0x80 != 0, usize::from(second & 0x7f));
        let is_known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        // A client masks (section 5.1); no extension was negotiated that could use the reserved bits.
        if !is_masked || reserved != 0 || !is_known {
            return Err(CloseCode::ProtocolError);
        }
        if opcode & 0x8 != 0 && (!fin || short > MAX_CONTROL_BYTES) {
            return Err(CloseCode::ProtocolError);
        }
        let split = match short {
            126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
            127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
            short => Some((short as u64, rest)),
        };
        let Some((length, rest)) = split else { return Ok(None) };
        // Of the three forms, the shortest must be used (section 5.2).
        if (short == 126 && length < 126) || (short == 127 && u16::try_from(length).is_ok()) {
            return Err(CloseCode::ProtocolError);
        }
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        // Beyond what memory can hold is beyond every limit.
        let payload_bytes = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Some(Self { fin, opcode, mask: *mask, payload_bytes, bytes: bytes.len() - rest.len() }))
    }

    fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u32::from_ne_bytes(mask);
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        if let Ok(bytes) = <[u8; 4]>::try_from(&*word) {
            word.copy_from_slice(&(u32::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("short")),
            length => {
                frame.push(0x80 | 0x7e);
                frame.extend(u16::try_from(length).expect("not that long").to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn refusal(bytes: &[u8]) -> CloseCode {
        let mut decoder = Decoder::new(100);
        decoder.push(bytes);
        loop {
            match decoder.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("nothing was refused"),
                Err(code) => return code,
            }
        }
    }

    #[test]
    fn fragments_are_put_together_around_control_frames() {
        let mut decoder = Decoder::new(100);
        let frames = [masked(TEXT, b"he"), masked(FIN | PING, b"x"), masked(CONTINUATION, b"l"), masked(FIN, b"lo")];
        decoder.push(&frames.concat());
        assert_eq!(decoder.next(), Ok(Some(Incoming::Ping(b"x"))));
        assert_eq!(decoder.next(), Ok(Some(Incoming::Text(b"hello"))));
        assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn a_close_frame_is_answered_with_its_own_code() {
        for (payload, code) in [(&[][..], 1000), (&[3, 233], 1001), (&[0x0f, 0xa0, b'b', b'y', b'e'], 4000)] {
            let mut decoder = Decoder::new(100);
            decoder.push(&masked(FIN | CLOSE, payload));
            assert_eq!(decoder.next(), Ok(Some(Incoming::Close(code))));
            let mut answer = Vec::new();
            write_close(&mut answer, CloseCode::Echo(code), "");
            assert_eq!(answer, [&[FIN | CLOSE, 2][..], &code.to_be_bytes()].concat());
        }
    }

    #[test]
    fn faults_are_refused_with_their_codes() {
        assert_eq!(refusal(&[FIN | TEXT, 1, b'x']), CloseCode::ProtocolError, "not masked");
        assert_eq!(refusal(&masked(FIN | 0x40 | TEXT, b"x")), CloseCode::ProtocolError, "reserved bit");
        assert_eq!(refusal(&masked(FIN | 0x3, b"x")), CloseCode::ProtocolError, "unknown opcode");
        assert_eq!(refusal(&masked(PING, b"x")), CloseCode::ProtocolError, "fragmented control frame");
        assert_eq!(refusal(&masked(FIN | PING, &[0; 126])), CloseCode::ProtocolError, "long control frame");
        assert_eq!(refusal(&masked(FIN, b"x")), CloseCode::ProtocolError, "continuation of nothing");
        let nested = [masked(TEXT, b"a"), masked(TEXT, b"b")].concat();
        assert_eq!(refusal(&nested), CloseCode::ProtocolError, "message within a message");
        assert_eq!(refusal(&[FIN | TEXT, 0xfe, 0, 125]), CloseCode::ProtocolError, "two bytes for a length of one");
        let wide = [FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(refusal(&wide), CloseCode::ProtocolError, "eight bytes for a length of two");
    }

    #[test]
    fn a_message_has_only_so_many_frames() {
        let after = |frames: Vec<u8>, count: u32| {
            let mut decoder = Decoder::new(100);
            decoder.push(&masked(TEXT, b"x"));
            decoder.push(&frames.repeat(count as usize));
            decoder.push(&masked(FIN, b"y"));
            loop {
                match decoder.next() {
                    Ok(Some(Incoming::Text(text))) => return Ok(text.to_vec()),
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the message did not end"),
                    Err(code) => return Err(code),
                }
            }
        };
        let pieces = [masked(0, b""), masked(FIN | PONG, b"")].concat();
        let most = MAX_FRAMES_PER_MESSAGE / 2 - 1;
        assert_eq!(after(pieces.clone(), most), Ok(b"xy".to_vec()));
        assert_eq!(after(pieces, most + 1), Err(CloseCode::Policy));
    }

    #[test]
    fn what_is_too_big_is_refused_before_it_comes() {
        let declared = [FIN | BINARY, 0x80 | 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(refusal(&declared), CloseCode::TooBig);
        let piecemeal = [masked(TEXT, &[b'a'; 60]), masked(FIN, &[b'a'; 60])].concat();
        assert_eq!(refusal(&piecemeal), CloseCode::TooBig);
    }

    proptest! {
        #[test]
        fn frames_are_read_however_the_bytes_come(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
            step in 1_usize..50,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| masked(FIN | BINARY, payload)).collect();
            let mut decoder = Decoder::new(1000);
            let mut seen = Vec::new();
            for piece in bytes.chunks(step) {
                decoder.push(piece);
                while let Some(Incoming::Binary(payload)) = decoder.next().expect("good frames") {
                    seen.push(payload.to_vec());
                }
                decoder.rest();
            }
            prop_assert_eq!(seen, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(50);
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next() {}
        }
    }
}
