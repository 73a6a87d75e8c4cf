//! Answers that need no question: `--set`, and secrets from the environment.

use std::str::FromStr;

use crate::cli::CliError;
use crate::cli::secret_argument::SecretArgument;
use crate::config::table::{self, DefaultValue, SETTINGS, Setting};
use crate::config::{Document, Fault, ProcessEnvironment, cut, nearest};
use crate::secret::Secret;

/// One `--set KEY=VALUE`.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) setting: &'static Setting,
    /// As given; a secret one says where the value is.
    value: Secret,
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=') else { return Err("not `KEY=VALUE`".into()) };
        match table::find(name) {
            Some(setting) => Ok(Self { setting, value: Secret::new(value.to_owned()) }),
            None => Err(match nearest(name) {
                Some(nearest) => format!("`{}` is unknown; did you mean `{nearest}`?", cut(name)),
                None => format!("`{}` is unknown", cut(name)),
            }),
        }
    }
}

impl Answer {
    fn value(&self) -> Result<Secret, CliError> {
        if !self.setting.secret || self.value.reveal().is_empty() {
            return Ok(self.value.clone());
        }
        let name = self.setting.name;
        let argument = self.value.reveal().parse::<SecretArgument>().map_err(|why| {
            CliError::usage(why)
                .hint(format!("`--set {name}=@FILE` takes it from a file, `--set {name}=-` from standard input"))
        })?;
        argument.read(name)
    }
}

/// `document` with the answers that are right, and the faults of the others.
pub(super) fn apply(answers: &[Answer], document: &Document) -> Result<(Document, Vec<Fault>), CliError> {
    let (mut document, mut faults) = (document.clone(), Vec::new());
    for answer in answers {
        let (setting, value) = (answer.setting, answer.value()?);
        let text = value.reveal();
        match setting.kind.check(text) {
            Err(wrong) if !text.is_empty() => faults.push(Fault::Invalid {
                place: format!("`{}` in `--set`", setting.name),
                wrong,
                value: setting.repeatable(text),
            }),
            _ => document = document.with(setting.name, text),
        }
    }
    Ok((document, faults))
}

/// `document` with the secrets that it lacks, where the environment has them.
pub(super) fn from_environment(document: &Document) -> Document {
    let environment = ProcessEnvironment::current();
    let mut document = document.clone();
    let required = SETTINGS.iter().filter(|setting| setting.secret && setting.default == DefaultValue::Required);
    for setting in required.filter(|setting| setting.name != table::SERVER_SECRET_KEY.name) {
        let value = environment.value(setting.name).and_then(|value| value.to_str()).unwrap_or_default();
        if !is_set(&document, setting) && !value.is_empty() {
            document = document.with(setting.name, value);
        }
    }
    document
}

/// Whether the file sets it, itself or by naming a file with it.
pub(super) fn is_set(document: &Document, setting: &Setting) -> bool {
    let set = |name: &str| document.value(name).is_some_and(|value| !value.is_empty());
    set(setting.name) || setting.file_name().is_some_and(|name| set(&name))
}
