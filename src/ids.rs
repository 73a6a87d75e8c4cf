//! Identifiers that cross layers, each a type of its own so that one can't stand in for another.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::{Builder, Uuid, Variant, Version};

use crate::printable::printable;
use crate::time::Timestamp;

/// Text that should have been a UUID and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAUuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier with these 16 bytes, as they are stored and hashed.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes that are stored and hashed.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = NotAUuid;

            /// Takes any usual spelling: hyphens or none, either case, braces, `urn:uuid:`.
            fn from_str(text: &str) -> Result<Self, NotAUuid> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut text))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id! {
    /// A person, as Central knows them: the subject of a token.
    UserId
}

uuid_id! {
    /// A message; the server makes it, a UUIDv7 ([`IdSequence`]).
    MessageId
}

/// Makes the ids of what goes into the chain: UUIDv7, each greater than all before it.
///
/// An id is of the time that it is made for; where that is not later than the id before, of that one's time. Within a
/// millisecond they count up in random steps (RFC 9562, section 6.2, method 2).
#[derive(Debug)]
pub struct IdSequence {
    /// The bits of the last id without its version and variant: 48 of the time, then the rest.
    last: u128,
}

/// How many bits of a UUIDv7 are neither its time nor its version and variant: 12 and 62.
const REST_BITS: u32 = 74;

impl IdSequence {
    /// Goes on after `last`, the greatest UUIDv7 that is taken.
    pub fn after(last: Option<MessageId>) -> Self {
        let Some(MessageId(last)) = last else { return Self { last: 0 } };
        let (time_and_version, variant_and_rest) = last.as_u64_pair();
        let time = u128::from(time_and_version >> 16);
        let upper = u128::from(time_and_version & 0xfff);
        let lower = u128::from(variant_and_rest & (u64::MAX >> 2));
        Self { last: (time << REST_BITS) | (upper << 62) | lower }
    }

    /// The next id, for something that happens at `at`.
    pub fn next(&mut self, at: Timestamp) -> Uuid {
        let time = u128::from(at.unix_ms());
        let mut random = [0; 16];
        let (_, lowest) = random.split_at_mut(6);
        lowest.copy_from_slice(&random_bytes());
        let random = u128::from_be_bytes(random);
        self.last = if time > self.last >> REST_BITS {
            // The rest's highest bit is left for counting up.
            (time << REST_BITS) | (random & (u128::MAX >> (128 - REST_BITS + 1)))
        } else {
            // Beyond the last of a millisecond it goes on in the next one.
            self.last + 1 + (random & u128::from(u32::MAX))
        };
        let (time, upper, lower) = (self.last >> REST_BITS, (self.last >> 62) & 0xfff, self.last & (u128::MAX >> 66));
        Builder::from_u128((time << 80) | (upper << 64) | lower)
            .with_version(Version::SortRand)
            .with_variant(Variant::RFC4122)
            .into_uuid()
    }
}

uuid_id! {
    /// A frame that the server sends.
    FrameId
}

impl FrameId {
    /// A new UUIDv7 for a frame sent at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(Builder::from_unix_timestamp_millis(at.unix_ms(), &random_bytes()).into_uuid())
    }
}

/// Ten random bytes from the system, fetched many at a time: every frame that goes out has an id.
fn random_bytes() -> [u8; 10] {
    const FETCHED_AT_ONCE: usize = 400;
    thread_local! {
        static STORE: RefCell<Vec<[u8; 10]>> = const { RefCell::new(Vec::new()) };
    }
    STORE.with_borrow_mut(|store| {
        store.pop().unwrap_or_else(|| {
            let mut bytes = [[0; 10]; FETCHED_AT_ONCE];
            #[expect(clippy::expect_used, reason = "a system without randomness has no safe way to go on")]
            getrandom::fill(bytes.as_flattened_mut()).expect("the system gives random bytes");
            store.extend_from_slice(&bytes);
            store.pop().unwrap_or_default()
        })
    })
}

/// A channel's name on the wire, such as `general`. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ChannelId(Arc<str>);

impl ChannelId {
    /// The text of the identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChannelId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ChannelId {
    /// For people: escaped, since it comes from a file or a server. [`ChannelId::as_str`] is the text itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(&self.0).fmt(f)
    }
}

/// The place of an entry in the log chain, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ChainIndex(pub u64);

impl ChainIndex {
    /// The index after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ChainIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A server's identity: the text as it was configured (that is what goes out), and the UUID that it means (that is what
/// is compared).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerId {
    text: Arc<str>,
    uuid: Uuid,
}

impl ServerId {
    /// The identifier as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the text means.
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Whether `other`, in any spelling of a UUID, names this server.
    pub fn is(&self, other: &str) -> bool {
        Uuid::try_parse(other).is_ok_and(|uuid| uuid == self.uuid)
    }
}

impl FromStr for ServerId {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Self, NotAUuid> {
        let uuid = Uuid::try_parse(text).map_err(|_| NotAUuid)?;
        Ok(Self { text: text.into(), uuid })
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for ServerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ServerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_spelling_of_a_uuid_is_read_and_one_is_written() {
        let id = "49C0734106C04EB98059E5A0A3729CB6".parse::<UserId>().expect("a UUID");
        assert_eq!(id.to_string(), "49c07341-06c0-4eb9-8059-e5a0a3729cb6");
        assert_eq!("zzz".parse::<UserId>(), Err(NotAUuid));
    }

    #[test]
    fn a_channel_id_does_nothing_to_a_terminal() {
        let id = ChannelId::from("general\u{1b}[2J");
        assert_eq!((id.to_string().as_str(), id.as_str()), ("general\\u{1b}[2J", "general\u{1b}[2J"));
    }

    #[test]
    fn a_server_id_is_shown_as_configured_and_compared_as_a_uuid() {
        let id = "CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E".parse::<ServerId>().expect("a UUID");
        assert_eq!(id.to_string(), "CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E");
        assert!(id.is("ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e"));
        assert!(!id.is("ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95f"));
    }

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_477_188_631);

    fn time_of(id: Uuid) -> u64 {
        let (seconds, nanos) = id.get_timestamp().expect("a UUIDv7").to_unix();
        seconds * 1000 + u64::from(nanos) / 1_000_000
    }

    #[test]
    fn an_id_carries_its_time_and_can_t_be_foretold() {
        let mut ids = IdSequence::after(None);
        let id = ids.next(NOW);
        assert!(id.to_string().starts_with("01a20ac7-b017-7"), "{id}");
        assert_ne!(id, IdSequence::after(None).next(NOW));
        let step = ids.next(NOW).as_u128() - id.as_u128();
        let another = IdSequence::after(Some(id.into())).next(NOW).as_u128() - id.as_u128();
        assert_ne!(step, another);
    }

    #[test]
    fn after_the_last_id_of_a_millisecond_comes_the_first_of_the_next() {
        let last: MessageId = "01a20ac7-b017-7fff-bfff-ffffffffffff".parse().expect("a UUID");
        let next = IdSequence::after(Some(last)).next(NOW);
        assert!(next.to_string().starts_with("01a20ac7-b018-7000-8000-"), "{next}");
    }

    proptest! {
        #[test]
        fn ids_increase_whatever_the_clock_does(steps in prop::collection::vec((-3_i64..3, any::<bool>()), 1..200)) {
            let (mut ids, mut last, mut now, mut latest) = (IdSequence::after(None), None, NOW.unix_ms(), 0);
            for (step, restarts) in steps {
                now = now.saturating_add_signed(step * step * step * 1_000);
                latest = now.max(latest);
                if restarts {
                    ids = IdSequence::after(last);
                }
                let id = ids.next(Timestamp::from_unix_ms(now));
                prop_assert!(last < Some(id.into()), "{last:?} {id}");
                prop_assert_eq!((id.get_version_num(), id.get_variant()), (7, Variant::RFC4122));
                prop_assert_eq!(time_of(id), latest);
                last = Some(id.into());
            }
        }
    }
}
