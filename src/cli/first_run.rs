//! `coms` without a command, as the reference's binary is started: the first time it prepares a configuration, with a
//! valid one it serves, with a faulty one it says what is wrong.

use std::io::{self, Write as _};
use std::path::Path;

use super::globals::print_line;
use super::init::{confirm, template, with_new};
use super::terminal::{Interrupts, is_interactive};
use super::{CliError, Exit, Globals, SettingsArgs, editor};
use crate::config::table::SERVER_PUBLIC_KEY;
use crate::config::{self, DEFAULT_ENV_FILE, Faults, ProcessEnvironment, ServerConfig, Settings};

/// Runs the program without a command.
pub(super) fn run(source: &SettingsArgs, globals: &Globals) -> Result<Exit, CliError> {
    let settings = match Settings::load(source.env_file.as_deref(), ProcessEnvironment::current()) {
        Ok(settings) => settings,
        Err(faults) => return faulty(faults, source.env_file.as_deref(), globals),
    };
    if settings.file().is_none() && !settings.is_set_by_process() {
        return prepare(Path::new(DEFAULT_ENV_FILE), globals);
    }
    match settings.read::<ServerConfig>() {
        Ok(config) => {
            for warning in settings.warnings() {
                globals.warn(warning);
            }
            super::serve::run(config, &source.path(), false, globals)
        }
        Err(faults) => faulty(faults, settings.file().map(|file| file.path.as_path()), globals),
    }
}

/// Writes a configuration with new keys, for the person to complete.
fn prepare(path: &Path, globals: &Globals) -> Result<Exit, CliError> {
    let interrupts = Interrupts::take_over()?;
    let document = with_new(&template()?)?;
    interrupts.hold(|| config::write(path, &document, None)).map_err(anyhow::Error::from)?;
    let public = document.value(SERVER_PUBLIC_KEY.name).unwrap_or_default();
    writeln!(io::stdout(), "{}={public}", SERVER_PUBLIC_KEY.name)?;
    globals.say(format!("made a key pair and wrote `{}`; the public key above is the one to register", path.display()));
    if is_interactive() {
        editor::open(path, globals);
    }
    globals.say(format!(
        "complete `{}` (or run `coms init`, which asks for everything), then run `coms` again",
        path.display()
    ));
    Ok(Exit::Done)
}

/// Names every fault, and offers the editor where there is a file and someone to use it.
fn faulty(faults: Faults, path: Option<&Path>, globals: &Globals) -> Result<Exit, CliError> {
    let path = path.filter(|path| path.is_file() && is_interactive());
    let Some(path) = path else { return Err(faults.into()) };
    // Listens from the first question on, so that Ctrl-C leaves the terminal in order.
    let _interrupts = Interrupts::take_over()?;
    print_line("", "", &format!("`{}` can't be used:", path.display()));
    for fault in faults.iter() {
        print_line("", "", fault);
    }
    if confirm(globals, &format!("Open `{}` in your editor?", path.display()), true)? {
        editor::open(path, globals);
        if editor::review(path, globals) {
            globals.say("the configuration is complete now; run `coms` again");
            return Ok(Exit::Done);
        }
    }
    Err(CliError::usage(format!("`{}` can't be used yet", path.display())).hint("`coms init` asks for what is needed"))
}
