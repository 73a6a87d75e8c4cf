//! The key pair of the new file: the one that it has, or a new one. A secret key is never replaced unless that was said.

use super::answers::is_set;
use super::questions::{Questions, tell};
use crate::cli::{CliError, keygen};
use crate::config::Document;
use crate::config::table::{SERVER_PUBLIC_KEY, SERVER_SECRET_KEY};
use crate::keys::SigningKey;

/// `draft` with a key pair. `start` is the file as it was; without `questions` nobody can be asked.
pub(super) fn settle(
    start: &Document,
    draft: Document,
    replace: bool,
    questions: Option<&Questions>,
) -> Result<Document, CliError> {
    let (old, new) = (start.value(SERVER_SECRET_KEY.name), draft.value(SERVER_SECRET_KEY.name));
    let old = old.filter(|old| !old.is_empty());
    let given = new != old && new.is_some_and(|new| !new.is_empty());
    if given && old.is_some() && !replace && !asked(questions, old)? {
        return Err(CliError::usage("the file has another `SERVER_SECRET_KEY`")
            .hint("`--replace-key` takes the new one; the server can't go on with its log chain then"));
    }
    if given {
        return Ok(with_public(draft));
    }
    if replace || (old.is_some() && asked(questions, old)?) {
        return with_new(&draft);
    }
    if is_set(&draft, &SERVER_SECRET_KEY) {
        return Ok(keep(draft, questions));
    }
    // A public key alone belongs to a secret one that is somewhere else.
    let registered = draft.value(SERVER_PUBLIC_KEY.name).filter(|public| !public.is_empty());
    match (registered, questions) {
        (None, _) => with_new(&draft),
        (Some(public), Some(questions)) => {
            if questions.agree(&format!("There is no secret key for the public key {public}. Make a new pair?"))? {
                with_new(&draft)
            } else {
                Err(CliError::usage("the secret key is missing")
                    .hint("`--set SERVER_SECRET_KEY=@FILE` takes it from a file"))
            }
        }
        (Some(_), None) => Err(CliError::usage("the file has a `SERVER_PUBLIC_KEY` and no `SERVER_SECRET_KEY`")
            .hint("`--set SERVER_SECRET_KEY=@FILE` takes it from a file, and `--replace-key` makes a new pair")),
    }
}

/// Asks whether the key pair shall be replaced; no, if nobody can be asked.
fn asked(questions: Option<&Questions>, old: Option<&str>) -> Result<bool, CliError> {
    let (Some(questions), Some(old)) = (questions, old) else { return Ok(false) };
    let which = match SigningKey::from_hex(old) {
        Ok(key) => format!("The file has a key pair, with the public key {}.", key.public()),
        Err(error) => format!("The file has a secret key that can't be used: {error}."),
    };
    tell(&which);
    tell("With another one the server can't go on with its log chain, and auditors will raise an alarm.");
    questions.agree("Replace it by a new key pair?")
}

/// The pair as it is, the public key filled in where it is missing or, if that is agreed to, belongs to another.
fn keep(draft: Document, questions: Option<&Questions>) -> Document {
    let public = draft.value(SERVER_PUBLIC_KEY.name).unwrap_or_default();
    let right = draft.value(SERVER_SECRET_KEY.name).and_then(|secret| SigningKey::from_hex(secret).ok());
    let Some(right) = right.map(|key| key.public().to_string()) else { return draft };
    let question = "SERVER_PUBLIC_KEY belongs to another secret key. Set it to the one that belongs to this?";
    let fix = public.is_empty()
        || (!public.eq_ignore_ascii_case(&right)
            && questions.is_some_and(|questions| questions.agree(question).unwrap_or(false)));
    if fix { draft.with(SERVER_PUBLIC_KEY.name, &right) } else { draft }
}

/// For a secret key that was given: its public key, unless one was given too, which is checked with everything else.
fn with_public(draft: Document) -> Document {
    let secret = draft.value(SERVER_SECRET_KEY.name).and_then(|secret| SigningKey::from_hex(secret).ok());
    match secret {
        Some(key) => draft.with(SERVER_PUBLIC_KEY.name, &key.public().to_string()),
        None => draft,
    }
}

/// `draft` with a new pair.
pub(in crate::cli) fn with_new(draft: &Document) -> Result<Document, CliError> {
    let key = keygen::generate()?;
    Ok(draft
        .with(SERVER_SECRET_KEY.name, key.to_hex().reveal())
        .with(SERVER_PUBLIC_KEY.name, &key.public().to_string()))
}
