//! What a new configuration would meet on this machine: the database that is there, and the port.

use std::path::Path;

use super::questions;
use crate::cli::{CliError, Globals, printable};
use crate::config::ServerConfig;
use crate::server;
use crate::storage::{AsIs, DatabaseLock, Opened};

/// Says what stands in the way of serving with `config`. A database of another server or key is refused, unless a person
/// says otherwise or `replace_key` does; `ask` says whether there is a person.
pub(super) fn check(config: &ServerConfig, replace_key: bool, ask: bool, globals: &Globals) -> Result<(), CliError> {
    let path = &config.database.path;
    let shown = printable(&path.display().to_string()).to_string();
    // A server that runs on this database holds its port, too.
    if DatabaseLock::holder(path).is_none() {
        check_port(config, globals)?;
    }
    if !path.exists() {
        return check_folder(path).map_err(|problem| {
            CliError::usage(format!("the database `{shown}` can't be made: {problem}"))
                .hint("set DB_PATH to a place where this user may write")
        });
    }
    let Some(owner) = foreign_owner(config) else { return Ok(()) };
    let problem = format!("the database `{shown}` is {owner}: a server with this configuration can't go on with it");
    if ask {
        globals.warn(&problem);
        if !questions::confirm(globals, "Write the configuration all the same?", false)? {
            return Err(
                CliError::usage("nothing was written").hint("set DB_PATH to another file, or take over that key")
            );
        }
    } else if replace_key {
        globals.warn(&problem);
    } else {
        return Err(CliError::usage(problem)
            .hint("`--set SERVER_SECRET_KEY=@FILE` takes its key over; `--set DB_PATH=…` names another database")
            .hint("`--replace-key` writes the configuration all the same"));
    }
    Ok(())
}

/// Whose the database is, if it is not that of the configuration. One that can't be read is for `coms serve` to tell.
fn foreign_owner(config: &ServerConfig) -> Option<String> {
    let Ok(Opened::Coms(database)) = AsIs::prepare(&config.database.path).and_then(|file| file.open()) else {
        return None;
    };
    match database.identity().ok()? {
        (Some(id), _) if !config.identity.server_id.is(&id) => {
            Some(format!("that of another server, {}", printable(&id)))
        }
        (_, Some(key)) if key != *config.identity.signing_key.public().as_bytes() => {
            Some(format!("signed by another key, whose public half is {}", hex::encode(key)))
        }
        _ => None,
    }
}

fn check_port(config: &ServerConfig, globals: &Globals) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    if let Err(error) = server::listen(config.host, config.port) {
        globals.warn(format!(
            "the server could not listen on port {} now: {error}; hint: check PORT and HOST",
            config.port
        ));
    }
    Ok(())
}

/// Whether directories and a file can be made at `path`.
fn check_folder(path: &Path) -> Result<(), String> {
    let mut folder = crate::staged_file::folder_of(path);
    while let Some(parent) = folder.parent().filter(|_| std::fs::symlink_metadata(folder).is_err()) {
        folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    }
    let shown = printable(&folder.display().to_string()).to_string();
    if !folder.is_dir() {
        return Err(format!("`{shown}` is not a directory"));
    }
    #[cfg(unix)]
    if let Err(error) = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        return Err(format!("`{shown}`: {}", std::io::Error::from(error)));
    }
    Ok(())
}
