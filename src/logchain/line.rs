//! An entry as a line of text: one JSON object, as `/log-chain/entries` and exports carry it.
//!
//! Hashes and signatures are lower-case hexadecimal. Written by hand, since a server writes millions of them; read with
//! serde, which takes the members in any order and ignores those that it does not know.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::entry::{ContentHash, Entry, EntryHash};
use super::head::{Head, SignedHead};
use super::verify::SealedEntry;
use crate::ids::{ChainIndex, MessageId};
use crate::keys::Signature;
use crate::time::Timestamp;

/// Text that is no line of a chain.
#[derive(Debug, thiserror::Error)]
#[error("not an entry of a chain: {0}")]
pub struct LineError(#[from] serde_json::Error);

/// A full entry, as it is read: `{"index","message_id","timestamp","prev_hash","content_hash","hash","signature"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct EntryLine {
    index: ChainIndex,
    message_id: MessageId,
    timestamp: u64,
    #[serde(deserialize_with = "hex_bytes")]
    prev_hash: [u8; 32],
    #[serde(deserialize_with = "hex_bytes")]
    content_hash: [u8; 32],
    #[serde(deserialize_with = "hex_bytes")]
    hash: [u8; 32],
    #[serde(deserialize_with = "hex_bytes")]
    signature: [u8; 64],
}

impl EntryLine {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Entry, LineError> {
        Ok(serde_json::from_slice::<Self>(line)?.into())
    }

    /// Appends `entry` as a line to `out`, with the line's end.
    pub fn write(entry: &Entry, out: &mut Vec<u8>) {
        out.push(b'{');
        Self::write_members(entry, out);
        out.extend_from_slice(b"}\n");
    }

    /// Appends the members without the braces, for a line that has others as well.
    pub fn write_members(entry: &Entry, out: &mut Vec<u8>) {
        // Writing to a `Vec` can't fail.
        write!(
            out,
            r#""index":{},"message_id":"{}","timestamp":{},"prev_hash":""#,
            entry.index,
            entry.message_id,
            entry.timestamp.unix_ms()
        )
        .ok();
        push_hex(&entry.prev_hash.0, out);
        out.extend_from_slice(br#"","content_hash":""#);
        push_hex(&entry.content_hash.0, out);
        out.extend_from_slice(br#"","hash":""#);
        push_hex(&entry.hash.0, out);
        out.extend_from_slice(br#"","signature":""#);
        push_hex(&entry.signature.0, out);
        out.push(b'"');
    }
}

impl From<EntryLine> for Entry {
    fn from(line: EntryLine) -> Self {
        Self {
            index: line.index,
            message_id: line.message_id,
            timestamp: Timestamp::from_unix_ms(line.timestamp),
            prev_hash: EntryHash(line.prev_hash),
            content_hash: ContentHash(line.content_hash),
            hash: EntryHash(line.hash),
            signature: Signature(line.signature),
        }
    }
}

/// A sealed entry, as it is read: `{"index","hash","signature"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SealedLine {
    index: ChainIndex,
    #[serde(deserialize_with = "hex_bytes")]
    hash: [u8; 32],
    #[serde(deserialize_with = "hex_bytes")]
    signature: [u8; 64],
}

impl SealedLine {
    /// Reads one line. A full entry is read as its sealed part.
    pub fn parse(line: &[u8]) -> Result<SealedEntry, LineError> {
        let line: Self = serde_json::from_slice(line)?;
        Ok(SealedEntry { index: line.index, hash: EntryHash(line.hash), signature: Signature(line.signature) })
    }

    /// Appends `entry` as a line to `out`, with the line's end.
    pub fn write(entry: &SealedEntry, out: &mut Vec<u8>) {
        write!(out, r#"{{"index":{},"hash":""#, entry.index).ok();
        push_hex(&entry.hash.0, out);
        out.extend_from_slice(br#"","signature":""#);
        push_hex(&entry.signature.0, out);
        out.extend_from_slice(b"\"}\n");
    }
}

/// A signed head in JSON: `{"server_id","length","hash","timestamp","head_signature"}`, as `/log-chain/head` answers it.
#[derive(Deserialize)]
struct HeadObject {
    server_id: String,
    length: u64,
    #[serde(deserialize_with = "hex_bytes")]
    hash: [u8; 32],
    timestamp: u64,
    #[serde(deserialize_with = "hex_bytes")]
    head_signature: [u8; 64],
}

impl serde::Serialize for SignedHead {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut object = serializer.serialize_struct("SignedHead", 5)?;
        object.serialize_field("server_id", &self.server_id)?;
        object.serialize_field("length", &self.head.length)?;
        object.serialize_field("hash", &hex::encode(self.head.hash.0))?;
        object.serialize_field("timestamp", &self.timestamp.unix_ms())?;
        object.serialize_field("head_signature", &hex::encode(self.signature.0))?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for SignedHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = HeadObject::deserialize(deserializer)?;
        Ok(Self {
            server_id: read.server_id,
            head: Head { length: read.length, hash: EntryHash(read.hash) },
            timestamp: Timestamp::from_unix_ms(read.timestamp),
            signature: Signature(read.head_signature),
        })
    }
}

fn hex_bytes<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    let mut bytes = [0; N];
    hex::decode_to_slice(text.as_bytes(), &mut bytes)
        .map_err(|_| D::Error::custom(format_args!("expected {} hexadecimal digits", 2 * N)))?;
    Ok(bytes)
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    if let Some(place) = out.get_mut(start..) {
        // Fails only for a place of another size than twice the bytes.
        hex::encode_to_slice(bytes, place).ok();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::SigningKey;

    fn entry(index: u64, time: u64, seed: u8) -> Entry {
        let key = SigningKey::from_seed(&[seed; 32]);
        let content = ContentHash([seed ^ 0x55; 32]);
        Entry::sign(
            &key,
            ChainIndex(index),
            MessageId::from_bytes([seed; 16]),
            Timestamp::from_unix_ms(time),
            EntryHash([seed; 32]),
            content,
        )
    }

    #[test]
    fn a_line_has_the_members_of_the_protocol_in_their_order() {
        let mut line = Vec::new();
        EntryLine::write(&entry(7, 1_795_477_188_631, 1), &mut line);
        let text = String::from_utf8(line).expect("text");
        assert!(text.starts_with(
            r#"{"index":7,"message_id":"01010101-0101-0101-0101-010101010101","timestamp":1795477188631,"prev_hash":"0101"#
        ));
        let names = text.match_indices("\":").count();
        assert_eq!((names, text.ends_with("\"}\n")), (7, true));
    }

    #[test]
    fn a_signed_head_is_read_back() {
        let key = SigningKey::from_seed(&[3; 32]);
        let server = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let head = Head { length: 3, hash: EntryHash([9; 32]) }.sign(&key, &server, Timestamp::from_unix_ms(5));
        let text = serde_json::to_string(&head).expect("json");
        assert_eq!(serde_json::from_str::<SignedHead>(&text).expect("a head"), head);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in ["", "{}", "[]", "nonsense", r#"{"index":-1}"#, r#"{"index":0,"hash":"00","signature":"00"}"#] {
            assert!(EntryLine::parse(text.as_bytes()).is_err(), "{text}");
            assert!(SealedLine::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(index: u64, time in 0..=Timestamp::MAX.unix_ms(), seed: u8) {
            let entry = entry(index, time, seed);
            let mut line = Vec::new();
            EntryLine::write(&entry, &mut line);
            prop_assert_eq!(EntryLine::parse(&line).expect("an entry"), entry);
            line.clear();
            SealedLine::write(&SealedEntry::from(&entry), &mut line);
            prop_assert_eq!(SealedLine::parse(&line).expect("a sealed entry"), SealedEntry::from(&entry));
        }
    }
}
