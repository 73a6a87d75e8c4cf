//! The text of an act: what every reader must understand of it, whatever its kind.
//!
//! An act is an entry whose content is one JSON object, hashed and stored as the bytes that it is
//! ([`super::ContentHash::of_act`]). A reader that does not know its kind or a member still verifies, shows and counts it.

use super::salted::{Disclosure, Salt};
use crate::strict_json::Value;

/// The longest text of an act, in bytes.
pub const MAX_ACT_BYTES: usize = 4096;

/// How members are named that hold the hash of a text beside the act.
const HASH_SUFFIX: &str = "_hash";

/// Who may read an act, fixed when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VisibleTo {
    /// Everyone, strangers too.
    Anyone,
    /// Members.
    Member,
    /// Moderators and above.
    Moderator,
    /// Admins and above.
    Admin,
}

impl VisibleTo {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "anyone" => Self::Anyone,
            "member" => Self::Member,
            "moderator" => Self::Moderator,
            "admin" => Self::Admin,
            _ => return None,
        })
    }
}

/// Why a text is not an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// Longer than [`MAX_ACT_BYTES`].
    #[error("the text of an act is longer than {MAX_ACT_BYTES} bytes")]
    TooLong,
    /// Not strict JSON, or not an object.
    #[error("the text of an act is not a JSON object with each member once")]
    Malformed,
    /// A member that every act has is absent or malformed.
    #[error("the act has no valid `{0}`")]
    Member(&'static str),
}

/// A text beside an act that does not have the hash that the act says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// The act has no hash for a text of this name.
    #[error("the act has no `{0}_hash`")]
    Unknown(String),
    /// The hash is another.
    #[error("the text `{0}` does not match the act's `{0}_hash`")]
    Mismatch(String),
}

/// An act as every reader understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Its kind, `channel.add` for example; one that is not known changes nothing.
    pub kind: String,
    /// Who may read it.
    pub visible_to: VisibleTo,
    /// The names of the texts beside it, with their hashes, in the act's order.
    text_hashes: Vec<(String, [u8; 32])>,
}

impl Act {
    /// Reads the text of an act.
    pub fn parse(text: &str) -> Result<Self, ActError> {
        if text.len() > MAX_ACT_BYTES {
            return Err(ActError::TooLong);
        }
        let Some(Value::Object(mut members)) = Value::parse(text) else { return Err(ActError::Malformed) };
        let mut string = |name| match members.take(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(ActError::Member(name)),
        };
        let kind = string("act")?.into_owned();
        Salt::from_hex(&string("salt")?).ok_or(ActError::Member("salt"))?;
        let visible_to = VisibleTo::parse(&string("visible_to")?).ok_or(ActError::Member("visible_to"))?;
        let Some(Value::Object(mut by)) = members.take("by") else { return Err(ActError::Member("by")) };
        if !matches!(by.take("type"), Some(Value::Text(_))) {
            return Err(ActError::Member("by"));
        }
        let text_hashes = members.into_members().filter_map(|(name, value)| {
            let name = name.strip_suffix(HASH_SUFFIX)?;
            let Value::Text(hash) = value else { return None };
            let mut bytes = [0; 32];
            hex::decode_to_slice(hash.as_bytes(), &mut bytes).ok()?;
            Some((name.to_owned(), bytes))
        });
        Ok(Self { kind, visible_to, text_hashes: text_hashes.collect() })
    }

    /// The names of the texts that may stand beside it.
    pub fn text_names(&self) -> impl Iterator<Item = &str> {
        self.text_hashes.iter().map(|(name, _)| name.as_str())
    }

    /// Checks the text that is shown as `name` beside the act.
    pub fn check(&self, name: &str, disclosure: &Disclosure) -> Result<(), DisclosureError> {
        match self.text_hashes.iter().find(|(known, _)| known == name) {
            None => Err(DisclosureError::Unknown(name.to_owned())),
            Some((_, hash)) if *hash == disclosure.hash() => Ok(()),
            Some(_) => Err(DisclosureError::Mismatch(name.to_owned())),
        }
    }
}
