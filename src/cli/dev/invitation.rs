//! What `coms dev` tells: where everything is, and how two people get in.

use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

use super::folder::Folder;
use crate::central::Sandbox;
use crate::config::{ProcessEnvironment, ServerConfig};
use crate::ids::{ServerId, UserId};
use crate::time::Timestamp;

const NAMES: [&str; 2] = ["Ada", "Ben"];

/// Everything that someone needs to begin. Its JSON is what `coms dev --json` prints.
#[derive(Serialize)]
pub(super) struct Invitation {
    server_url: String,
    server_id: String,
    central_url: String,
    dir: PathBuf,
    env_file: PathBuf,
    people: Vec<Person>,
    #[serde(skip)]
    kept: bool,
}

/// A made-up person.
#[derive(Serialize)]
struct Person {
    name: &'static str,
    user_id: UserId,
    token: String,
    expires_at: Timestamp,
    /// The line to paste into a shell.
    command: String,
}

impl Invitation {
    /// The invitation to the server at `address`.
    pub(super) fn new(config: &ServerConfig, central: &Sandbox, folder: &Folder, address: SocketAddr) -> Self {
        let server_url = format!("http://{address}");
        let program = program();
        let people = NAMES.map(|name| {
            let joined = central.join(&config.identity.server_id, person(name, &config.identity.server_id));
            let token = joined.token.reveal().to_owned();
            // Central gives the token: on a command line others could read it.
            let (server, user) = (config.identity.server_id.as_str(), joined.user_id);
            let command =
                format!("{program} chat {server_url} --join {} --server {server} --user {user}", central.url());
            Person { name, user_id: joined.user_id, token, expires_at: joined.expires_at, command }
        });
        Self {
            server_url,
            server_id: config.identity.server_id.to_string(),
            central_url: central.url(),
            dir: folder.path().to_owned(),
            env_file: folder.path().join(".env"),
            people: people.into(),
            kept: !folder.is_ephemeral(),
        }
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server   {}", self.server_url)?;
        writeln!(f, "Central  {} (a sandbox: it believes everyone)", self.central_url)?;
        writeln!(f, "data     {}{}", self.dir.display(), if self.kept { "" } else { " (removed at the end)" })?;
        for person in &self.people {
            writeln!(f, "\n{}, {}", person.name, person.user_id)?;
            writeln!(f, "token: {}", person.token)?;
            writeln!(f, "to chat as {}, paste this into another terminal:\n\n{}", person.name, person.command)?;
        }
        writeln!(f, "\nCtrl-C ends it.")
    }
}

/// The id of a made-up person: the same at every start, another on every server. A UUIDv8 (RFC 9562), the kind for ids
/// that are derived in a way of one's own.
fn person(name: &str, server_id: &ServerId) -> UserId {
    let digest = Sha256::new().chain_update(server_id.uuid().as_bytes()).chain_update(name).finalize();
    let mut bytes = [0; 16];
    for (byte, digest_byte) in bytes.iter_mut().zip(digest) {
        *byte = digest_byte;
    }
    Builder::from_custom_bytes(bytes).into_uuid().into()
}

/// How this program is called from a shell: by its name, if that finds it, else by its path.
fn program() -> String {
    let Ok(path) = env::current_exe() else { return "coms".to_owned() };
    let search_path = ProcessEnvironment::current().value("PATH").cloned().unwrap_or_default();
    if env::split_paths(&search_path).any(|dir| is_same(&dir.join("coms"), &path)) {
        return "coms".to_owned();
    }
    let here = env::current_dir().unwrap_or_default();
    shell_word(&path.strip_prefix(here).unwrap_or(&path).display().to_string())
}

fn is_same(candidate: &Path, path: &Path) -> bool {
    candidate.canonicalize().is_ok_and(|candidate| path.canonicalize().is_ok_and(|path| candidate == path))
}

/// `text` as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_the_same_at_every_start_and_differ_from_each_other() {
        let server: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let [ada, ben] = NAMES.map(|name| person(name, &server));
        assert_eq!((ada, ada.uuid().get_version_num()), (person("Ada", &server), 8));
        assert_ne!(ada, ben);
    }

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(shell_word("target/release/coms"), "target/release/coms");
        assert_eq!(shell_word("/home/o'neil/my coms"), r"'/home/o'\''neil/my coms'");
    }
}
