//! `coms init`: the wizard that writes the configuration.
//!
//! The file is read, edited in memory, checked as `coms serve` will check it, and replaced in one step at the end. Until
//! then nothing is touched, so that stopping anywhere leaves everything as it was.

mod answers;
mod changes;
mod key_pair;
mod look;
mod questions;
mod surroundings;

use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::{Interrupts, is_interactive};
use super::{CliError, Exit, Globals, editor};
use crate::config::{self, DEFAULT_ENV_FILE, Document, EnvFile, Fault, Faults, ServerConfig, Settings};
use answers::Answer;
use look::Answered;

pub(super) use key_pair::with_new;
pub(super) use questions::confirm;

/// Write the configuration: ask for what is needed, make the keys, check everything
///
/// An existing file is changed where it has to be and otherwise left as it is, comments included. It is shown what will
/// change, and nothing is written before it is complete and correct.
///
/// For scripts: `coms init --yes --set SERVER_ID=… --set CENTRAL_API_KEY=@key.txt --set CENTRAL_PUBLIC_KEY=…`
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_ENV_FILE)]
    env_file: PathBuf,
    /// Set a variable without asking; for a secret `KEY=-` reads a line of standard input and `KEY=@FILE` a file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Answer>,
    /// Ask nothing: take what is set, what the file has, and defaults
    #[arg(short, long)]
    yes: bool,
    /// Make a new key pair, or take the one of `--set`, although the file has another
    #[arg(long)]
    replace_key: bool,
    /// Ask Central whether it knows the server, and say what it answers: exit code 1 if it does not take it, 3 if it does
    /// not answer
    #[arg(long)]
    check_central: bool,
}

impl Init {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        if !self.yes && !is_interactive() {
            return Err(CliError::usage("there is no terminal to ask on")
                .hint("give what is needed with `--set KEY=VALUE`, and `--yes`"));
        }
        let interrupts = Interrupts::take_over()?;
        let before = EnvFile::read(&self.env_file)?;
        let draft = self.draft(before.as_ref(), globals)?;
        let config = check(&self.env_file, &draft)?;
        surroundings::check(&config, self.replace_key, !self.yes, globals)?;
        let answer = self.offer_look(&config, globals)?;
        if self.write(before.as_ref(), &draft, &interrupts, globals)? {
            self.finish(&config, globals)?;
        }
        match answer {
            Some(Answered::No) if self.check_central => Ok(Exit::No),
            Some(Answered::Nothing) if self.check_central => {
                Err(CliError::failed("Central gave no answer that tells whether it knows this server"))
            }
            _ => Ok(Exit::Done),
        }
    }

    /// The new file, not written yet.
    fn draft(&self, before: Option<&EnvFile>, globals: &Globals) -> Result<Document, CliError> {
        let start = before.map_or_else(template, |file| Ok(file.document.clone()))?;
        let (draft, faults) = answers::apply(&self.set, &start)?;
        if self.yes {
            let draft = answers::from_environment(&draft);
            let draft = key_pair::settle(&start, draft, self.replace_key, None)?;
            return report_together(faults, &self.env_file, &draft).map(|()| draft);
        }
        Faults::check(faults)?;
        let questions = questions::Questions::new(globals);
        let given: Vec<_> = self.set.iter().map(|answer| answer.setting.name).collect();
        questions::welcome(&self.env_file, before.is_some());
        let draft = questions.ask_all(draft, &given)?;
        key_pair::settle(&start, draft, self.replace_key, Some(&questions))
    }

    /// What Central answers, if it is asked.
    fn offer_look(&self, config: &ServerConfig, globals: &Globals) -> Result<Option<Answered>, CliError> {
        let wanted =
            self.check_central || (!self.yes && confirm(globals, "Ask Central whether it knows this server?", true)?);
        if wanted { look::at_central(config, globals).map(Some) } else { Ok(None) }
    }

    /// Replaces the file, after showing what changes; whether it did.
    fn write(
        &self,
        before: Option<&EnvFile>,
        draft: &Document,
        interrupts: &Interrupts,
        globals: &Globals,
    ) -> Result<bool, CliError> {
        let path = &self.env_file;
        if let Some(before) = before {
            let changes = changes::between(&before.document, draft);
            if changes.is_empty() && !before.is_exposed() {
                globals.say(format!("`{}` is as it should be: nothing to write", path.display()));
                return Ok(false);
            }
            let mut lines = vec![format!("changes to `{}`:", path.display())];
            lines.extend(changes);
            if before.is_exposed() {
                lines.push("its mode becomes 0600, so that others can't read it".into());
            }
            // Who is asked has to see what about, however quiet it shall be.
            for line in &lines {
                if self.yes {
                    globals.say(line);
                } else {
                    questions::tell(line);
                }
            }
            if !self.yes && !confirm(globals, "Write them?", true)? {
                globals.say("nothing was written");
                return Ok(false);
            }
        }
        interrupts.hold(|| config::write(path, draft, before)).map_err(anyhow::Error::from)?;
        globals.say(format!("wrote `{}`", path.display()));
        Ok(true)
    }

    fn finish(&self, config: &ServerConfig, globals: &Globals) -> Result<(), CliError> {
        let path = &self.env_file;
        globals.say(format!(
            "the server's public key, which Central has to know: {}",
            config.identity.signing_key.public()
        ));
        if !self.yes && confirm(globals, "Open the file in your editor?", false)? {
            editor::open(path, globals);
            if !editor::review(path, globals) {
                return Ok(());
            }
        }
        let option =
            if path == Path::new(DEFAULT_ENV_FILE) { String::new() } else { format!(" -e {}", path.display()) };
        globals.say(format!("start the server with: coms serve{option}"));
        Ok(())
    }
}

/// The file of someone who has none yet.
pub(super) fn template() -> Result<Document, CliError> {
    Document::parse(&config::env_example())
        .map_err(|_| CliError::failed("the template of the configuration can't be read; please report it"))
}

/// Reads the draft as `coms serve` would.
fn check(path: &Path, draft: &Document) -> Result<ServerConfig, Faults> {
    let file = EnvFile { path: path.to_owned(), document: draft.clone(), mode: None, owner: None };
    Settings::of_file(file).read()
}

/// The faults of what was set, and with them those of the draft that have another cause.
fn report_together(mut faults: Vec<Fault>, path: &Path, draft: &Document) -> Result<(), CliError> {
    let given: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let elsewhere = check(path, draft).err();
    for fault in elsewhere.iter().flat_map(Faults::iter) {
        let known =
            matches!(fault, Fault::Missing { name } if given.iter().any(|text| text.contains(&format!("`{name}`"))));
        if !known {
            faults.push(fault.clone());
        }
    }
    Faults::check(faults).map_err(|faults| CliError::faults(faults).hint("`--set KEY=VALUE` sets each of them"))
}
