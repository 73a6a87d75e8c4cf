//! Text that must not be seen: keys, tokens, passphrases.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text. Prints as `[secret]` wherever it is formatted, and its memory is wiped when it goes.
///
/// It has no `Display`, no `Serialize` and no `PartialEq`: whoever needs the text says so with [`Secret::reveal`].
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `text` from now on.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one use that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Whether `text`, given where a path belongs, looks like one. What does not, and names nothing that exists, may be a secret
/// that was given in place of the file that holds it, and is not repeated in a message.
pub fn looks_like_path(text: &str) -> bool {
    /// No word in a file's name mixes so many letters and digits; a key does.
    const RANDOM: usize = 20;
    let is_random = |run: &str| {
        run.len() >= RANDOM
            && run.bytes().any(|byte| byte.is_ascii_digit())
            && run.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
    let has_extension = (1..=6).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_lowercase());
    let runs = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_=+".contains(c)));
    (has_extension || text.contains(std::path::is_separator)) && !runs.into_iter().any(is_random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "[secret]");
    }
}
