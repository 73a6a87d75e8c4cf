//! What a search looks for, as a tree of types: nothing of what a person typed reaches SQL or FTS5 as language.

use std::str::FromStr;

use crate::ids::UserId;
use crate::time::Timestamp;

/// What to look for. A message is found if its text matches and it passes all filters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchQuery {
    /// What the text must say; `None` for anything.
    pub text: Option<TextQuery>,
    /// What else must be true.
    pub filters: SearchFilters,
}

/// A condition on the text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextQuery {
    /// It has these words, one after the other.
    Words {
        /// The words, as somebody typed them.
        text: String,
        /// The last word only has to begin like this.
        is_prefix: bool,
    },
    /// All of these are true.
    All(Vec<TextQuery>),
    /// One of these is true.
    Any(Vec<TextQuery>),
    /// This is not true.
    Not(Box<TextQuery>),
}

/// Conditions on everything but the text. A list that is empty says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchFilters {
    /// It stands in one of these channels, given by id, or by name in any case.
    pub channels: Vec<String>,
    /// It stands in none of these.
    pub not_channels: Vec<String>,
    /// Its author's id begins in one of these ways.
    pub authors: Vec<UserPrefix>,
    /// Its author's id begins in none of these ways.
    pub not_authors: Vec<UserPrefix>,
    /// It was written at this time or later.
    pub after: Option<Timestamp>,
    /// It was written before this time.
    pub before: Option<Timestamp>,
    /// Whether there is a link to the web in it.
    pub has_link: Option<bool>,
}

impl TextQuery {
    /// The words and phrases that a message may be found by, not those that it must not have.
    pub fn wanted(&self) -> Vec<&Self> {
        let mut wanted = Vec::new();
        self.collect(true, &mut wanted);
        wanted
    }

    fn collect<'a>(&'a self, is_wanted: bool, wanted: &mut Vec<&'a Self>) {
        match self {
            Self::Words { .. } if is_wanted => wanted.push(self),
            Self::Words { .. } => {}
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(is_wanted, wanted)),
            Self::Not(part) => part.collect(!is_wanted, wanted),
        }
    }
}

/// The beginning of a user's id, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserPrefix {
    /// The first and the last id that begin so.
    pub(super) first: UserId,
    pub(super) last: UserId,
}

/// Text that is not the beginning of a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the beginning of a UUID")]
pub struct NotAUserPrefix;

impl UserPrefix {
    /// Whether `user`'s id begins so.
    pub fn covers(&self, user: UserId) -> bool {
        (self.first..=self.last).contains(&user)
    }
}

impl From<UserId> for UserPrefix {
    fn from(user: UserId) -> Self {
        Self { first: user, last: user }
    }
}

impl FromStr for UserPrefix {
    type Err = NotAUserPrefix;

    /// Takes a UUID in any usual spelling, or its first hexadecimal digits; hyphens do not count.
    fn from_str(text: &str) -> Result<Self, NotAUserPrefix> {
        if let Ok(user) = text.parse::<UserId>() {
            return Ok(user.into());
        }
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        let bound = |fill: &str| {
            let mut bytes = [0; 16];
            let padded = digits.clone() + &fill.repeat(32_usize.saturating_sub(digits.len()));
            hex::decode_to_slice(padded, &mut bytes).map(|()| UserId::from_bytes(bytes)).map_err(|_| NotAUserPrefix)
        };
        if digits.is_empty() {
            return Err(NotAUserPrefix);
        }
        Ok(Self { first: bound("0")?, last: bound("f")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_the_ids_that_begin_so() {
        let user = "49c07341-06c0-4eb9-8059-e5a0a3729cb6".parse::<UserId>().expect("a UUID");
        for text in
            ["4", "49C0", "49c07341-0", "49c0734106c04eb98059e5a0a3729cb6", "{49c07341-06c0-4eb9-8059-e5a0a3729cb6}"]
        {
            assert!(text.parse::<UserPrefix>().is_ok_and(|prefix| prefix.covers(user)), "{text}");
        }
        for text in ["5", "49c1", "49c07341-06c0-4eb9-8059-e5a0a3729cb7"] {
            assert!(text.parse::<UserPrefix>().is_ok_and(|prefix| !prefix.covers(user)), "{text}");
        }
        for text in ["", "-", "xyz", "49g", "49c0734106c04eb98059e5a0a3729cb6a", "ä", "４９"] {
            assert_eq!(text.parse::<UserPrefix>(), Err(NotAUserPrefix), "{text}");
        }
    }

    #[test]
    fn what_is_wanted_is_what_is_not_negated() {
        let words = |text: &str| TextQuery::Words { text: text.to_owned(), is_prefix: false };
        let not = |part| TextQuery::Not(Box::new(part));
        let query = TextQuery::All(vec![words("a"), not(TextQuery::Any(vec![words("b"), not(words("c"))]))]);
        assert_eq!(query.wanted(), [&words("a"), &words("c")]);
    }
}
