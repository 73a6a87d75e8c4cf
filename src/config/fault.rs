//! What is wrong with a configuration, in one line each.

use std::fmt;
use std::path::{Path, PathBuf};

use super::value::Wrong;
use crate::secret::looks_like_path;

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
    #[error("{place} {wrong}{}", .value.as_ref().map(|value| format!(": {value}")).unwrap_or_default())]
    Invalid {
        /// The variable, and where it is set.
        place: String,
        /// What it has to be.
        wrong: Wrong,
        /// Its value, if that can't be a secret; see [`super::table::Setting::repeatable`].
        value: Option<String>,
    },
    /// A value goes on into the next variable.
    #[error("{place} has `{other}=` in its value: a line end or a closing quote is missing before it")]
    RunsOn {
        /// The variable, and where it is set.
        place: String,
        /// The variable that it has swallowed.
        other: String,
    },
    /// A value is not UTF-8.
    #[error("`{name}` in the environment is not valid UTF-8")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A relative `DB_PATH` leads to a database from the working directory, and to none from the `.env` file.
    #[error(
        "there is no database at `{}`, where `DB_PATH` leads from the `.env` file, and one at `{}`, where an earlier \
         version found it", .path.display(), .earlier.display()
    )]
    DatabaseElsewhere {
        /// Where it belongs.
        path: PathBuf,
        /// Where it is.
        earlier: PathBuf,
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
    #[error("{place} names a file that {problem}{}", named(.path))]
    SecretFile {
        /// The variable that names the file, and where it is set.
        place: String,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        problem: String,
        /// The file that the same path leads to from the working directory, if there is one and it is another.
        elsewhere: Option<PathBuf>,
    },
    /// The `.env` file can't be used.
    #[error("the configuration file {problem}{}", named(.path))]
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
            Self::DatabaseElsewhere { path, earlier } => Some(format!(
                "set DB_PATH={} to go on with it, or stop what uses it and move it to `{}`, with its `-wal` file if there is \
                 one",
                earlier.display(),
                path.display()
            )),
            Self::SecretFile { elsewhere: Some(elsewhere), .. } => Some(format!(
                "a relative path in a `.env` file starts at that file; there is `{}`",
                elsewhere.display()
            )),
            _ => None,
        }
    }
}

/// The path at the end of a message, unless it may be the secret itself, given in place of a file that holds it.
fn named(path: &Path) -> String {
    let is_path = looks_like_path(&path.to_string_lossy()) || path.exists();
    if is_path { format!(": {}", path.display()) } else { String::new() }
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
