//! The wizard's questions. Each answer is checked where it is given.

use std::io;
use std::path::Path;

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Password};

use super::answers::is_set;
use crate::cli::globals::print_line;
use crate::cli::{CliError, Globals};
use crate::config::Document;
use crate::config::table::{self, DefaultValue, Kind, SETTINGS, Setting};

/// What everyone is asked for, in this order. Anything else has a default that most keep.
const ASKED: [&Setting; 10] = [
    &table::SERVER_ID,
    &table::SERVER_NAME,
    &table::CENTRAL_URL,
    &table::CENTRAL_API_KEY,
    &table::CENTRAL_PUBLIC_KEY,
    &table::PORT,
    &table::DB_PATH,
    &table::FEATURE_TEXT_CHANNELS,
    &table::FEATURE_ANNOUNCEMENT_CHANNELS,
    &table::FEATURE_LOG_CHAIN,
];

/// Asks, on standard error.
pub(super) struct Questions<'a> {
    globals: &'a Globals,
    theme: Box<dyn Theme>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(globals: &'a Globals) -> Self {
        Self { globals, theme: theme(globals) }
    }

    /// Asks for everything that is not `given`, and for what else is wrong in the file.
    pub(super) fn ask_all(&self, mut draft: Document, given: &[&str]) -> Result<Document, CliError> {
        let asked = |setting: &Setting| ASKED.iter().any(|asked| asked.name == setting.name);
        for setting in ASKED.into_iter().filter(|setting| !given.contains(&setting.name)) {
            draft = self.ask(setting, draft)?;
        }
        // The key pair is settled by itself.
        let keys = [table::SERVER_SECRET_KEY.name, table::SERVER_PUBLIC_KEY.name];
        for setting in SETTINGS.iter().filter(|setting| !asked(setting) && !keys.contains(&setting.name)) {
            let present = draft.value(setting.name).filter(|value| !value.is_empty());
            if present.is_some_and(|value| setting.kind.check(value).is_err()) {
                draft = self.ask(setting, draft)?;
            }
        }
        Ok(draft)
    }

    fn ask(&self, setting: &'static Setting, draft: Document) -> Result<Document, CliError> {
        tell(&format!("{} ({})", setting.about, setting.kind.describe()));
        let present = draft.value(setting.name).filter(|value| !value.is_empty());
        let substitutes = draft.assignment(setting.name).is_some_and(|assignment| assignment.substitutes);
        let usable = present.filter(|value| !substitutes && setting.kind.check(value).is_ok());
        if let (Some(_), None, false) = (present, usable, setting.secret) {
            tell("What the file has now is not allowed.");
        }
        let answer = if setting.secret {
            self.secret(setting, usable.is_some() || (present.is_none() && is_set(&draft, setting)))?
        } else if matches!(setting.kind, Kind::Switch) {
            Some(self.switch(setting, usable)?)
        } else {
            Some(self.text(setting, usable)?)
        };
        tell("");
        // An answer that is what holds anyway need not stand in the file.
        Ok(match answer {
            Some(answer) if present.is_none() && is_default(setting, &answer) => draft,
            Some(answer) => draft.with(setting.name, &answer),
            None => draft,
        })
    }

    fn text(&self, setting: &'static Setting, present: Option<&str>) -> Result<String, CliError> {
        let default = match (present, setting.default) {
            (Some(present), _) => Some(present),
            (None, DefaultValue::Is(default)) => Some(default),
            (None, _) => None,
        };
        let check =
            |text: &String| setting.kind.check(text.trim()).map_err(|wrong| format!("{} {wrong}", setting.name));
        let mut input = Input::<String>::with_theme(&*self.theme).with_prompt(setting.name).validate_with(check);
        if let Some(default) = default {
            input = input.default(default.to_owned());
        }
        Ok(answered(input.interact_text())?.trim().to_owned())
    }

    fn switch(&self, setting: &Setting, present: Option<&str>) -> Result<String, CliError> {
        let on = present.is_none_or(|text| matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True"));
        let answer = yes_or_no(&*self.theme, setting.name, on)?;
        // As the file spells it, if it says so already.
        Ok(present.filter(|_| answer == on).map_or_else(|| answer.to_string(), str::to_owned))
    }

    /// Asks without showing what is typed. If the secret is set, nothing keeps it.
    fn secret(&self, setting: &'static Setting, is_set: bool) -> Result<Option<String>, CliError> {
        let note = if is_set { "not shown; Enter keeps the present one" } else { "not shown" };
        let check = move |text: &String| match setting.kind.check(text.trim()) {
            Err(wrong) if !text.is_empty() => Err(format!("{} {wrong}", setting.name)),
            _ => Ok(()),
        };
        let prompt = Password::with_theme(&*self.theme)
            .with_prompt(format!("{} ({note})", setting.name))
            .allow_empty_password(is_set)
            .validate_with(check);
        let answer = answered(prompt.interact())?.trim().to_owned();
        Ok(Some(answer).filter(|answer| !answer.is_empty()))
    }

    /// A question whose answer has to be an explicit yes.
    pub(super) fn agree(&self, question: &str) -> Result<bool, CliError> {
        confirm(self.globals, question, false)
    }
}

/// What the wizard is about to do.
pub(super) fn welcome(path: &Path, exists: bool) {
    let what = if exists { "changes" } else { "writes" };
    tell(&format!(
        "This {what} `{}`. Enter takes what stands in brackets; Ctrl-C leaves all as it is.",
        path.display()
    ));
    tell("");
}

/// Something that has to be known to answer, however quiet it shall be.
pub(super) fn tell(text: &str) {
    print_line("", "", &text);
}

/// Asks a question of yes or no.
pub(in crate::cli) fn confirm(globals: &Globals, question: &str, default: bool) -> Result<bool, CliError> {
    yes_or_no(&*theme(globals), question, default)
}

/// Waits for Enter: a letter and Enter would otherwise answer two questions.
fn yes_or_no(theme: &dyn Theme, question: &str, default: bool) -> Result<bool, CliError> {
    let prompt = Confirm::with_theme(theme).with_prompt(question).default(default).wait_for_newline(true);
    answered(prompt.interact())
}

fn is_default(setting: &Setting, answer: &str) -> bool {
    matches!(setting.default, DefaultValue::Is(default) if default == answer)
}

fn theme(globals: &Globals) -> Box<dyn Theme> {
    if globals.colors_stderr() { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
}

fn answered<T>(answer: dialoguer::Result<T>) -> Result<T, CliError> {
    answer.map_err(|dialoguer::Error::IO(error)| match error.kind() {
        io::ErrorKind::Interrupted => CliError::interrupted(),
        _ => CliError::from(error),
    })
}
