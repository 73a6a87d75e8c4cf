//! What a verifier remembers: for each source, the key and the last head that it accepted.
//!
//! One JSON file in the platform's state directory, mode 0600, replaced as a whole. It is what catches a log that was
//! written anew, so a file that is damaged, foreign, or in others' hands is an error and never an empty memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::cli::input_file::open_without_waiting;
use crate::ids::ServerId;
use crate::logchain::{EntryHash, SignedHead};
use crate::private_file;
use crate::staged_file::{Existing, StagedFile, beside, create_directories, folder_of};
use crate::time::Timestamp;

/// Tells the file from any other.
const FORMAT: &str = "coms verify-chain memory";
const VERSION: u32 = 1;

/// More than ten thousand servers.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The head of a log that was found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Remembered {
    /// The server's id, if the source named one.
    pub(in crate::cli) server_id: Option<String>,
    /// The key that signed, in hex.
    pub(super) public_key: String,
    /// How many entries there were.
    pub(in crate::cli) length: u64,
    /// The hash of the last, in hex.
    pub(in crate::cli) hash: String,
    /// The time of that entry, or of the head, in milliseconds since the epoch.
    pub(super) timestamp: u64,
    /// The server's word for it, where the source had one.
    pub(super) signed_head: Option<SignedHead>,
    /// When it was accepted.
    pub(super) accepted_at: Timestamp,
    /// Where the database was, if it was one that a server writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
}

impl Remembered {
    /// The hash of the last entry; `None` if the file holds something else.
    pub(in crate::cli) fn entry_hash(&self) -> Option<EntryHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.hash, &mut bytes).ok()?;
        Some(EntryHash(bytes))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    format: String,
    version: u32,
    sources: BTreeMap<String, Remembered>,
}

/// The memory in its file.
#[derive(Debug)]
pub(in crate::cli) struct Memory {
    path: PathBuf,
    sources: BTreeMap<String, Remembered>,
}

impl Memory {
    /// Reads the memory in `path`, by default in the platform's state directory. A missing file is an empty memory.
    pub(in crate::cli) fn open(path: Option<&Path>) -> Result<Self, CliError> {
        let path = path.map(Path::to_owned).or_else(default_path).ok_or_else(|| {
            CliError::usage("no place to remember what was seen: there is no home directory")
                .hint("give one with `--state FILE`, or do without with `--no-state`")
        })?;
        let sources = read(&path)?;
        Ok(Self { path, sources })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered of `source`.
    pub(super) fn of(&self, source: &str) -> Option<&Remembered> {
        self.sources.get(source)
    }

    /// What is remembered of any source that named `server`.
    pub(in crate::cli) fn of_server(&self, server: &str) -> impl Iterator<Item = (&str, &Remembered)> {
        let is_of = move |head: &Remembered| head.server_id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(server));
        self.sources.iter().filter(move |(_, head)| is_of(head)).map(|(source, head)| (source.as_str(), head))
    }

    /// How many sources are remembered.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    /// What is remembered of a server at `origin`, whatever its id: of the longest log, if there were several.
    pub(super) fn at(&self, origin: &str) -> Option<&Remembered> {
        let is_there = |source: &str| source.strip_prefix(origin).is_some_and(|rest| rest.starts_with(' '));
        let there = self.sources.iter().filter(|(source, _)| is_there(source));
        there.map(|(_, known)| known).max_by_key(|known| known.length)
    }

    /// Remembers `head` for `source`, and keeps what others wrote meanwhile: other sources, and a longer log of this one,
    /// unless it is to be `replaced` whatever it is. The file holds the old or the new, never a part.
    pub(super) fn remember(&self, source: &str, head: Remembered, replaced: bool) -> Result<(), CliError> {
        self.folder()?;
        let lock_path = beside(&self.path, ".lock");
        let lock = private_file::open_or_create(&lock_path).map_err(|error| self.cannot_write(&error))?;
        lock.lock().map_err(|error| self.cannot_write(&error))?;
        let mut sources = read(&self.path)?;
        if let Some(known) = sources.get(source).filter(|_| !replaced) {
            if known.public_key != head.public_key || (known.length == head.length && known.hash != head.hash) {
                let problem = format!("another verification of {source} found another log meanwhile");
                return Err(CliError::failed(problem).hint("verify it again: it is compared with that one then"));
            }
            if known.length > head.length {
                return Ok(());
            }
        }
        sources.insert(source.to_owned(), head);
        let contents = Contents { format: FORMAT.to_owned(), version: VERSION, sources };
        let text = serde_json::to_vec_pretty(&contents).map_err(|error| self.cannot_write(&error.into()))?;
        let written = StagedFile::for_target(&self.path).and_then(|mut file| {
            file.write_all(&text)?;
            file.publish(Existing::Replace)
        });
        written.map_err(|error| self.cannot_write(&error))
    }

    /// The directory of the file, made if it is missing.
    pub(super) fn folder(&self) -> Result<PathBuf, CliError> {
        let folder = folder_of(&self.path);
        create_directories(folder).map_err(|error| self.cannot_write(&error))?;
        Ok(folder.to_owned())
    }

    fn cannot_write(&self, error: &io::Error) -> CliError {
        CliError::failed(format!("cannot write the memory `{}`: {error}", self.path.display()))
            .hint("keep it elsewhere with `--state FILE`, or do without with `--no-state`")
    }
}

/// Under which name a running server is remembered. It is what its id means: else a server that spells it in another way
/// would be forgotten.
pub(super) fn of_server(origin: &str, id: &ServerId) -> String {
    format!("{origin} {}", id.uuid())
}

/// Under which name a database is remembered that names the server `id`, which should be a UUID.
pub(super) fn of_database(id: &str) -> String {
    let meant = id.parse::<ServerId>().map_or_else(|_| id.to_lowercase(), |id| id.uuid().to_string());
    format!("database of {meant}")
}

fn default_path() -> Option<PathBuf> {
    let folders = ProjectDirs::from("", "", "coms")?;
    let folder = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
    Some(folder.join("verify-chain.json"))
}

fn read(path: &Path) -> Result<BTreeMap<String, Remembered>, CliError> {
    let shown = path.display();
    let mut file = match open_without_waiting(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(CliError::failed(format!("cannot read the memory `{shown}`: {error}"))
                .hint("keep one of your own with `--state FILE`, or do without with `--no-state`"));
        }
    };
    check_owner(path, &file)?;
    let mut text = String::new();
    let damaged = |what: String| {
        CliError::failed(format!("the memory `{shown}` is damaged: {what}"))
            .hint("bring it back from a copy; without it a log that was written anew can't be told from the old one")
            .hint("to begin anew, move the file away")
    };
    (&mut file).take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| damaged(error.to_string()))?;
    let contents: Contents = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    if contents.format != FORMAT || contents.version != VERSION {
        return Err(damaged(format!("it says that it is `{}`, version {}", contents.format, contents.version)));
    }
    match contents.sources.iter().find(|(_, head)| head.entry_hash().is_none()) {
        Some((source, _)) => Err(damaged(format!("the hash for `{source}` is none"))),
        None => Ok(contents.sources),
    }
}

/// Whoever can write to the memory can make the verifier forget.
#[cfg(unix)]
fn check_owner(path: &Path, file: &File) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("the memory `{}` is no file", path.display())));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(CliError::failed(format!("the memory `{}` belongs to someone else", path.display()))
            .hint("keep one of your own with `--state FILE`"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(CliError::failed(format!("the memory `{}` can be written by others", path.display()))
            .hint(format!("look whether it is as you left it, then: chmod 600 '{}'", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &File) -> Result<(), CliError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn head(length: u64) -> Remembered {
        Remembered {
            server_id: None,
            public_key: "00".repeat(32),
            length,
            hash: "11".repeat(32),
            timestamp: 5,
            signed_head: None,
            accepted_at: Timestamp::from_unix_ms(7),
            path: None,
        }
    }

    #[test]
    fn what_is_remembered_is_read_again_and_two_writers_keep_each_other_s() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/memory.json");
        let (one, two) = (Memory::open(Some(&path)).expect("empty"), Memory::open(Some(&path)).expect("empty"));
        one.remember("a", head(1), false).expect("written");
        two.remember("b", head(2), false).expect("written");
        let both = Memory::open(Some(&path)).expect("a memory");
        assert_eq!((both.of("a"), both.of("b"), both.len()), (Some(&head(1)), Some(&head(2)), 2));
    }

    #[test]
    fn a_slower_run_does_not_put_an_older_head_over_a_newer_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.json");
        let slow = Memory::open(Some(&path)).expect("empty");
        let remembered = || Memory::open(Some(&path)).expect("a memory").of("a").cloned();
        Memory::open(Some(&path)).expect("empty").remember("a", head(9), false).expect("written");
        slow.remember("a", head(4), false).expect("nothing to do");
        assert_eq!(remembered(), Some(head(9)));
        let other = Remembered { hash: "22".repeat(32), ..head(9) };
        assert!(slow.remember("a", other.clone(), false).expect_err("two logs").describe().contains("another log"));
        assert_eq!(remembered(), Some(head(9)));
        slow.remember("a", other.clone(), true).expect("written");
        assert_eq!(remembered(), Some(other));
    }

    #[test]
    fn a_server_is_known_by_what_its_id_means_and_by_where_it_is() {
        let spellings = ["ca0f4d711d904fb39a8e1cde09a6d95e", "CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E"];
        let names = spellings.map(|id| of_server("https://h", &id.parse().expect("a UUID")));
        assert_eq!(names[0], names[1]);
        assert_eq!(of_database(spellings[0]), of_database(spellings[1]));
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::open(Some(&folder.path().join("memory.json"))).expect("empty");
        memory.remember(&names[0], head(3), false).expect("written");
        let memory = Memory::open(Some(memory.path())).expect("a memory");
        assert_eq!(memory.at("https://h"), Some(&head(3)));
        assert_eq!((memory.at("https://"), memory.at("https://h:8443")), (None, None));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone_and_others_hands_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.json");
        Memory::open(Some(&path)).expect("empty").remember("a", head(1), false).expect("written");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("a mode");
        assert!(Memory::open(Some(&path)).expect_err("refused").describe().contains("by others"));
    }

    #[test]
    fn a_damaged_memory_is_never_an_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.json");
        Memory::open(Some(&path)).expect("empty").remember("a", head(1), false).expect("written");
        let good = fs::read_to_string(&path).expect("text");
        let bad_hash = good.replace(&"11".repeat(32), "11");
        for text in ["", "{}", "nonsense", &good[..good.len() / 2], &good.replace("memory", "diary"), &bad_hash] {
            fs::write(&path, text).expect("a file");
            assert!(Memory::open(Some(&path)).expect_err("refused").describe().contains("damaged"), "{text}");
        }
    }
}
