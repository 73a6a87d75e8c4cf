//! What is wrong with a configuration, in one line each.

use std::fmt;
use std::path::PathBuf;

use super::value::Wrong;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A variable without a default is not set, or empty.
    #[error("`{name}` is required, and is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// A value is not what it has to be.
    #[error("{place} {wrong}{}", shown(.value.as_deref()))]
    Invalid {
        /// The variable, and where it is set.
        place: String,
        /// What it has to be.
        wrong: Wrong,
        /// Its value; none for a secret.
        value: Option<String>,
    },
    /// A value is not UTF-8.
    #[error("`{name}` in the environment is not valid UTF-8")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A key pair that is none.
    #[error("`SERVER_PUBLIC_KEY` is not the public key of `SERVER_SECRET_KEY`, which is: {expected}")]
    KeysContradict {
        /// The public key that belongs to the secret one.
        expected: String,
    },
    /// A secret is given twice.
    #[error("`{name}` and `{name}_FILE` are both set")]
    SecretTwice {
        /// The secret.
        name: &'static str,
    },
    /// The file with a secret can't be used.
    #[error("{place} names a file that {problem}: {}", .path.display())]
    SecretFile {
        /// The variable that names the file, and where it is set.
        place: String,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        problem: String,
    },
    /// The `.env` file can't be used.
    #[error("the configuration file {problem}: {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        problem: String,
    },
    /// A line of the `.env` file can't be read.
    #[error("line {line} of `{}` {problem}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is the matter with it.
        problem: String,
    },
    /// Others can read the secrets in the `.env` file, or in a file with one secret.
    #[error("others can read the secrets in `{}` (mode {mode:04o})", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others can change a file with a secret.
    #[error("others can change the secret in `{}` (mode {mode:04o})", .path.display())]
    Changeable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The `.env` file with secrets, or a file with one secret, is someone else's.
    #[error("`{}`, which holds secrets, belongs to another user (user id {owner})", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
    },
}

impl Fault {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { name } if name.starts_with("SERVER_") && name.ends_with("_KEY") => {
                Some("`coms init` writes a complete configuration; `coms keygen` makes a key pair".into())
            }
            Self::Missing { .. } => Some("`coms init` asks for everything and writes the configuration".into()),
            Self::Exposed { path, .. } | Self::Changeable { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::Foreign { path, .. } => Some(format!("chown \"$(id -u)\" {}", path.display())),
            Self::SecretTwice { .. } => Some("keep one of them".into()),
            _ => None,
        }
    }
}

/// The value as a person may see it: nothing that moves a cursor, and no more than fits on a line.
fn shown(value: Option<&str>) -> String {
    const LONGEST: usize = 100;
    let Some(value) = value else { return String::new() };
    let escaped: String = value.chars().take(LONGEST).flat_map(visible).collect();
    let cut = if value.chars().count() > LONGEST { "…" } else { "" };
    format!(": {escaped}{cut}")
}

/// Control and direction characters as escapes, everything else as it is.
fn visible(character: char) -> impl Iterator<Item = char> {
    let hidden = character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let escaped = hidden.then(|| character.escape_default());
    let plain = (!hidden).then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

/// Everything that is wrong, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// These faults; there must be one.
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        debug_assert!(!faults.is_empty(), "a refusal names its reason");
        Self(faults)
    }

    /// Refuses if there are any.
    pub fn check(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let newline = if number == 0 { "" } else { "\n" };
            write!(f, "{newline}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_without_what_moves_a_cursor_and_cut() {
        assert_eq!(shown(Some("a\u{1b}[2Jb\u{202e}c")), ": a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(shown(Some("größe")), ": größe");
        assert!(shown(Some(&"x".repeat(500))).ends_with("x…"));
        assert_eq!(shown(None), "");
    }
}
