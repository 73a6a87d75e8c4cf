//! JSON for programs that a person may look at on a terminal: valid, the same data, and nothing in it that the terminal
//! acts on.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::printable::acts_on_terminal;

/// `value` on one line, without the line's end.
pub(super) fn json_line(value: &impl Serialize) -> io::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, OneLine)).map_err(io::Error::from)?;
    String::from_utf8(line).map_err(io::Error::other)
}

/// Compact JSON in which the characters that [`acts_on_terminal`] names are escaped as `\uXXXX`, as JSON allows.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(acts_on_terminal) {
            let (safe, acting) = rest.split_at(at);
            writer.write_all(safe.as_bytes())?;
            let mut characters = acting.chars();
            let mut units = [0; 2];
            for unit in characters.next().map(|character| character.encode_utf16(&mut units)).into_iter().flatten() {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let line = json_line(&["\u{1b}[2J\n", "\u{9b}31m\u{7f}", "\u{202e}\u{e0041}", "żółć 👩‍👩‍👧"]).expect("JSON");
        assert_eq!(line, r#"["\u001b[2J\n","\u009b31m\u007f","\u202e\udb40\udc41","żółć 👩‍👩‍👧"]"#);
    }

    proptest! {
        #[test]
        fn the_data_stays_the_same(text in any::<String>()) {
            let line = json_line(&text).expect("JSON");
            prop_assert!(!line.contains(acts_on_terminal), "{}", line.escape_debug());
            prop_assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
        }
    }
}
