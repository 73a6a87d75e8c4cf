//! An export that someone reads on a terminal: the text of others in it does nothing to the terminal.

use std::io::{self, Write};

use crate::printable::printable;

/// Writes whole lines to `out`, each escaped as [`printable`] does.
pub(super) struct TerminalText<W: Write> {
    out: W,
    /// What came after the last whole line.
    rest: Vec<u8>,
}

impl<W: Write> TerminalText<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, rest: Vec::new() }
    }
}

impl<W: Write> Write for TerminalText<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(bytes.len()) };
        let rest = self.rest.split_off(end + 1);
        for line in String::from_utf8_lossy(&self.rest).lines() {
            writeln!(self.out, "{}", printable(line))?;
        }
        self.rest = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_escaped_however_they_are_cut() {
        let text = "id,content\r\n1,\"\u{1b}[2Jgone\u{202e}\"\r\n2,żółć\n".as_bytes();
        for size in 1..=text.len() {
            let mut writer = TerminalText::new(Vec::new());
            text.chunks(size).for_each(|chunk| writer.write_all(chunk).expect("memory"));
            let shown = String::from_utf8(writer.out).expect("text");
            assert_eq!(shown, "id,content\n1,\"\\u{1b}[2Jgone\\u{202e}\"\n2,żółć\n", "{size}");
        }
    }
}
