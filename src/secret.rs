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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "[secret]");
    }
}
