//! Text from files, servers and other people, escaped before it is printed: it can neither move the cursor, nor recolour
//! the terminal, nor reorder the text around it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text from a file, a server or another person. `Display` escapes it, so that it can't be printed raw by mistake; only
/// [`Untrusted::raw`] gives the text as it came. In JSON it stays as it is.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// The text as it came: to compare, to store, to send, never to print.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The lines of it, each escaped when it is printed.
    pub fn lines(&self) -> impl Iterator<Item = Printable<'_>> {
        self.0.split('\n').map(printable)
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for Untrusted {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Shows `text` with every character escaped that a terminal would act on rather than show: controls, separators of
/// lines, and the marks that change the direction of text. Everything else, emoji sequences included, stays as it is.
///
/// A new line is `\n`, a tab `\t`, any other such character its code point: `\u{202e}`.
pub fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

/// See [`printable`].
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(acts_on_terminal) {
            let (safe, acting) = rest.split_at(at);
            f.write_str(safe)?;
            let mut characters = acting.chars();
            match characters.next() {
                Some('\n') => f.write_str("\\n")?,
                Some('\r') => f.write_str("\\r")?,
                Some('\t') => f.write_str("\\t")?,
                Some(character) => write!(f, "\\u{{{:x}}}", u32::from(character))?,
                None => {}
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Controls (ESC, and C1 with its one-character CSI), the two Unicode line breaks, the bidirectional marks, embeddings,
/// overrides and isolates of UAX #9, the deprecated format characters, the byte order mark, interlinear annotations, and
/// the invisible tag characters.
pub(crate) fn acts_on_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0001}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_spelt_out() {
        for (text, shown) in [
            ("plain, żółć, 漢字, 👩‍👩‍👧", "plain, żółć, 漢字, 👩‍👩‍👧"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}31m\u{7f}\u{0}", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("txt.\u{202e}exe\u{202c}", "txt.\\u{202e}exe\\u{202c}"),
            ("\u{2067}a\u{2069}\u{200f}\u{61c}", "\\u{2067}a\\u{2069}\\u{200f}\\u{61c}"),
            ("a\u{2028}b\u{feff}\u{e0041}", "a\\u{2028}b\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(printable(text).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            let shown = Untrusted::from(text.clone());
            let printed = format!("{shown} {shown:?}");
            prop_assert!(!printed.contains(acts_on_terminal));
            prop_assert_eq!(shown.to_string(), printable(&text).to_string());
            prop_assert_eq!(printable(&shown.to_string()).to_string(), shown.to_string(), "escaped twice is escaped once");
            prop_assert_eq!(shown.raw(), text);
        }
    }
}
