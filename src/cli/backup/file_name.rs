//! The name that a backup gets in a folder: `coms-SERVER_ID-TIME.tar.zst`, with `-2` and so on for more within a second,
//! and `.age` behind it if it is encrypted.

use uuid::Uuid;

use crate::ids::ServerId;
use crate::time::Timestamp;

/// How many backups of one second get names.
pub(super) const MAX_NUMBER: u32 = 99;

const EXTENSION: &str = ".tar.zst";
const ENCRYPTED: &str = ".age";

/// A file name in the form that backups have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) owner: Owner,
    /// `YYYYMMDDTHHMMSSZ`: in the order of these texts the backups were made.
    pub(super) time: String,
    /// 1 for the first of its second.
    pub(super) number: u32,
    pub(super) is_encrypted: bool,
}

/// What a file name says of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// Its whole id.
    Server(Uuid),
    /// The first eight digits of its id, as earlier versions named backups. Other servers can share them.
    Digits(String),
}

impl FileName {
    /// The first name for a backup of `server` made at `created_at`.
    pub(super) fn new(server: &ServerId, created_at: Timestamp, is_encrypted: bool) -> Self {
        let time: String = created_at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let seconds = time.split('.').next().unwrap_or_default().trim_end_matches('Z');
        Self { owner: Owner::Server(server.uuid()), time: format!("{seconds}Z"), number: 1, is_encrypted }
    }

    /// Reads exactly what [`FileName`]'s `Display` and earlier versions write; `None` for any other name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("coms-")?;
        let (owner, rest) = owner(rest)?;
        let is_encrypted = rest.ends_with(ENCRYPTED);
        let rest = rest.strip_suffix(ENCRYPTED).unwrap_or(rest).strip_suffix(EXTENSION)?;
        let (time, number) = match rest.split_once('-') {
            Some((time, number)) => (time, number.parse().ok().filter(|n| (2..=MAX_NUMBER).contains(n))?),
            None => (rest, 1),
        };
        let shape = |(at, c): (usize, char)| match at {
            8 => c == 'T',
            15 => c == 'Z',
            _ => c.is_ascii_digit(),
        };
        let is_time = time.len() == 16 && time.chars().enumerate().all(shape);
        let parsed = Self { owner, time: time.to_owned(), number, is_encrypted };
        // A number with a leading zero or a sign is not ours.
        (is_time && parsed.to_string() == name).then_some(parsed)
    }
}

/// The server in a name, and what follows it.
fn owner(text: &str) -> Option<(Owner, &str)> {
    let is_plain = |c: char| matches!(c, '0'..='9' | 'a'..='f' | '-');
    if let Some((id, rest)) = text.split_at_checked(36)
        && let Ok(id) = Uuid::try_parse(id)
    {
        return Some((Owner::Server(id), rest.strip_prefix('-')?));
    }
    let (digits, rest) = text.split_once('-')?;
    (digits.len() == 8 && digits.chars().all(is_plain)).then(|| (Owner::Digits(digits.to_owned()), rest))
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.owner {
            Owner::Server(id) => write!(f, "coms-{}-{}", id.as_hyphenated(), self.time)?,
            Owner::Digits(digits) => write!(f, "coms-{digits}-{}", self.time)?,
        }
        if self.number > 1 {
            write!(f, "-{}", self.number)?;
        }
        write!(f, "{EXTENSION}{}", if self.is_encrypted { ENCRYPTED } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

    #[test]
    fn a_name_has_the_whole_id_and_the_time() {
        let server = ID.to_uppercase().parse().expect("a UUID");
        let mut name = FileName::new(&server, Timestamp::from_unix_ms(1_777_723_200_999), false);
        assert_eq!(name.to_string(), format!("coms-{ID}-20260502T120000Z.tar.zst"));
        (name.number, name.is_encrypted) = (12, true);
        assert_eq!(name.to_string(), format!("coms-{ID}-20260502T120000Z-12.tar.zst.age"));
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn names_of_the_first_version_are_read_too() {
        let name = FileName::parse("coms-ca0f4d71-20260502T120000Z-2.tar.zst").expect("a name");
        assert_eq!((name.owner, name.number), (Owner::Digits("ca0f4d71".to_owned()), 2));
    }

    #[test]
    fn any_other_name_is_none() {
        for name in [
            "coms-ca0f4d71-20200101T000000Z.tar.zst.bak",
            "coms-ca0f4d71-2020-01-01.tar.zst",
            "coms-ca0f4d71-20200101T000000Z.zip",
            "coms-ca0f4d71-20200101T000000Z-1.tar.zst",
            "coms-ca0f4d71-20200101T000000Z-02.tar.zst",
            "coms-ca0f4d71-20200101T000000Z-+2.tar.zst",
            "coms-CA0F4D71-20200101T000000Z.tar.zst",
            "coms-ca0f4d7-20200101T000000Z.tar.zst",
            "coms-ca0f4d71-20200101T000000Z.tar.zst.partial",
            "coms-CA0F4D71-1d90-4fb3-9a8e-1cde09a6d95e-20200101T000000Z.tar.zst",
            "coms-ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e20200101T000000Z.tar.zst",
            "coms-ca0f4d711d904fb39a8e1cde09a6d95e-20200101T000000Z.tar.zst",
            "notes.tar.zst",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
