//! A `.env` file as a document: what it sets, and its text, which an edit changes only where it must.
//!
//! The syntax is that of the reference's reader, as far as people use it: `NAME=value`, an optional `export`, comments,
//! single quotes (nothing inside is special) and double quotes (`\n`, `\"`, `\\`, `\$`). An unquoted value reaches to the
//! end of its line (LF, CRLF or a lone CR) or to a `#` after a space. `$NAME` is not replaced: where it would be, [`Assignment::substitutes`]
//! says so, and the value of a variable of ours is refused rather than read differently from what was meant.

use std::ops::Range;

use zeroize::Zeroizing;

/// A file's text and what stands in it.
#[derive(Clone)]
pub struct Document {
    text: Zeroizing<String>,
    assignments: Vec<Assignment>,
}

/// One `NAME=value`.
#[derive(Clone)]
pub struct Assignment {
    /// The name before the `=`.
    pub name: String,
    /// The value without its quotes.
    pub value: Zeroizing<String>,
    /// Its line, counted from 1.
    pub line: usize,
    /// Whether other readers would replace a `$NAME` in it.
    pub substitutes: bool,
    /// Where the value stands in the text, quotes included.
    span: Range<usize>,
}

/// A line that is none of a `.env` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxFault {
    /// Counted from 1.
    pub line: usize,
    /// What is the matter with it; never part of its text, which may be a secret.
    pub problem: &'static str,
}

impl Document {
    /// Reads `text`, or says which lines can't be read.
    pub fn parse(text: &str) -> Result<Self, Vec<SyntaxFault>> {
        let mut parser = Parser { text, position: 0, line: 1 };
        let (mut assignments, mut faults) = (Vec::new(), Vec::new());
        while parser.position < text.len() {
            let line = parser.line;
            match parser.assignment() {
                Ok(assignment) => assignments.extend(assignment),
                Err(problem) => faults.push(SyntaxFault { line, problem }),
            }
            parser.skip_line();
        }
        if faults.is_empty() { Ok(Self { text: Zeroizing::new(text.to_owned()), assignments }) } else { Err(faults) }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it sets, in order.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The value of `name`, if it is set; the last one wins.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.assignment(name).map(|found| found.value.as_str())
    }

    /// Where `name` is set, if it is; the last one wins.
    pub fn assignment(&self, name: &str) -> Option<&Assignment> {
        self.assignments.iter().rev().find(|assignment| assignment.name == name)
    }

    /// Sets `name`, and leaves everything else as it is.
    ///
    /// Where `name` is set already, its value changes; where the line is there as a comment (`# NAME=…`), as in the
    /// template, it takes that place; otherwise it is added at the end.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let written = quoted(value);
        let text = if let Some(old) = self.assignment(name) {
            self.replaced(old.span.clone(), &written)
        } else if let Some(line) = self.commented_line(name) {
            self.replaced(line, &format!("{name}={}", *written))
        } else {
            let newline = if self.text.is_empty() || self.text.ends_with(LINE_ENDS) { "" } else { "\n" };
            Zeroizing::new(format!("{}{newline}{name}={}\n", *self.text, *written))
        };
        // What was read stays readable, and what `quoted` writes is too; a test holds it to that.
        Self::parse(&text).unwrap_or_else(|_| self.clone())
    }

    fn replaced(&self, span: Range<usize>, new: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.text.len() + new.len()));
        text.push_str(self.text.get(..span.start).unwrap_or_default());
        text.push_str(new);
        text.push_str(self.text.get(span.end..).unwrap_or_default());
        text
    }

    fn commented_line(&self, name: &str) -> Option<Range<usize>> {
        let mut start = 0;
        // The LF of a CRLF comes as a line of its own, which is no comment.
        for line in self.text.split_inclusive(LINE_ENDS) {
            let bare = line.trim_end_matches(LINE_ENDS);
            let comment = bare.strip_prefix('#').map(str::trim_start);
            if comment.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('=')) {
                return Some(start..start + bare.len());
            }
            start += line.len();
        }
        None
    }
}

/// `value` as it is written after the `=`: bare where that is safe for every reader, else in quotes.
fn quoted(value: &str) -> Zeroizing<String> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_./:@,+%=-".contains(c);
    Zeroizing::new(if value.chars().all(bare) {
        value.to_owned()
    } else if !value.contains('\'') && !value.contains('\\') && !value.contains('\n') {
        format!("'{value}'")
    } else {
        let mut text = String::from("\"");
        for character in value.chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '"' | '\\' | '$' => text.extend(['\\', character]),
                _ => text.push(character),
            }
        }
        text.push('"');
        text
    })
}

/// What ends a line: LF, CR, or CR and LF as one.
const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// How many lines end in `text`.
fn line_ends(text: &str) -> usize {
    text.matches(LINE_ENDS).count() - text.matches("\r\n").count()
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    line: usize,
}

/// A value as it was read: its text, and whether others would replace something in it.
type Value = (Zeroizing<String>, bool);

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The next character, if it is one of this line.
    fn peek(&self) -> Option<char> {
        self.rest().chars().next().filter(|c| !LINE_ENDS.contains(c))
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// To the start of the next line.
    fn skip_line(&mut self) {
        let rest = self.rest();
        let end = rest.find(LINE_ENDS).unwrap_or(rest.len());
        let ending = rest.get(end..).unwrap_or_default();
        self.position += end + if ending.starts_with("\r\n") { 2 } else { ending.len().min(1) };
        self.line += 1;
    }

    /// The assignment that begins here, if the line has one. A quoted value may go on over several lines.
    fn assignment(&mut self) -> Result<Option<Assignment>, &'static str> {
        let line = self.line;
        self.skip_spaces();
        if matches!(self.peek(), None | Some('#')) {
            return Ok(None);
        }
        let mut name = self.name();
        if name == "export" && self.peek() != Some('=') {
            name = self.name();
        }
        if name.is_empty() || self.peek() != Some('=') {
            return Err("is not `NAME=value`");
        }
        self.position += 1;
        self.skip_spaces();
        let start = self.position;
        let (value, substitutes) = match self.peek() {
            Some('\'') => self.single_quoted()?,
            Some('"') => self.double_quoted()?,
            _ => self.unquoted(),
        };
        Ok(Some(Assignment { name, value, line, substitutes, span: start..self.position }))
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().to_owned();
        self.position += end;
        self.skip_spaces();
        name
    }

    fn unquoted(&mut self) -> Value {
        let rest = self.rest();
        let line = rest.get(..rest.find(LINE_ENDS).unwrap_or(rest.len())).unwrap_or_default();
        let comment = [" #", "\t#"].iter().filter_map(|mark| line.find(mark)).min();
        let end = if line.starts_with('#') { 0 } else { comment.unwrap_or(line.len()) };
        let value = line.get(..end).unwrap_or_default().trim_end();
        let read = (Zeroizing::new(value.to_owned()), has_substitution(value));
        self.position += value.len();
        read
    }

    fn single_quoted(&mut self) -> Result<Value, &'static str> {
        let inside = self.rest().get(1..).unwrap_or_default();
        let end = inside.find('\'').ok_or("has a quote that is never closed")?;
        let value = inside.get(..end).unwrap_or_default().to_owned();
        self.line += line_ends(&value);
        self.position += value.len() + 2;
        self.end_of_value()?;
        Ok((Zeroizing::new(value), false))
    }

    fn double_quoted(&mut self) -> Result<Value, &'static str> {
        let mut value = Zeroizing::new(String::new());
        let mut substitutes = false;
        let inside = self.rest().get(1..).unwrap_or_default();
        let mut characters = inside.char_indices();
        let end = loop {
            let (at, character) = characters.next().ok_or("has a quote that is never closed")?;
            match character {
                '"' => break at,
                '\\' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped @ ('"' | '\\' | '$' | '\''))) => value.push(escaped),
                    _ => {
                        return Err(
                            "has a `\\` before a character that needs none: write `\\\\`, or use single quotes",
                        );
                    }
                },
                _ => {
                    substitutes |= character == '$' && has_substitution(inside.get(at..).unwrap_or_default());
                    value.push(character);
                }
            }
        };
        let lines = line_ends(inside.get(..end).unwrap_or_default());
        self.line += lines;
        self.position += end + 2;
        self.end_of_value()?;
        Ok((value, substitutes))
    }

    /// After a closing quote only a comment may follow.
    fn end_of_value(&mut self) -> Result<(), &'static str> {
        match self.rest().trim_start_matches([' ', '\t']).chars().next() {
            None | Some('\n' | '\r' | '#') => Ok(()),
            Some(_) => Err("has text after a closing quote"),
        }
    }
}

/// Whether a `$` begins a name here that other readers would replace.
fn has_substitution(text: &str) -> bool {
    text.split('$').skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '{'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let document = Document::parse(text).expect("a readable file");
        document.assignments().iter().map(|a| (a.name.clone(), a.value.to_string())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn the_usual_spellings_are_read() {
        let text = "# a comment\n\nA=1\r\n  export B = two words # and a comment\nC='a # $b \\n'\nD=\"x\\n\\\"y\\\" \\$z\"\n\
                    E=\nF=# nothing\nG=a#b\nH=\"two\nlines\" # done\nI=C:\\data";
        assert_eq!(
            values(text),
            [
                pair("A", "1"),
                pair("B", "two words"),
                pair("C", "a # $b \\n"),
                pair("D", "x\n\"y\" $z"),
                pair("E", ""),
                pair("F", ""),
                pair("G", "a#b"),
                pair("H", "two\nlines"),
                pair("I", "C:\\data"),
            ]
        );
    }

    #[test]
    fn lines_are_counted_across_values_that_have_several() {
        let document = Document::parse("A='1\n2\n3'\n\nB=4\n").expect("a readable file");
        let lines: Vec<_> = document.assignments().iter().map(|assignment| assignment.line).collect();
        assert_eq!(lines, [1, 5]);
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        let text = "A=1\rB='x' # y\rC=\"2\r3\"\r\r\nD=4";
        assert_eq!(values(text), [pair("A", "1"), pair("B", "x"), pair("C", "2\r3"), pair("D", "4")]);
        let document = Document::parse(text).expect("a readable file");
        assert_eq!(document.assignment("D").map(|assignment| assignment.line), Some(6));
        let edited = Document::parse("A=1\r# B=\rC=2\r").expect("a readable file").with("B", "3").with("D", "4");
        assert_eq!(edited.text(), "A=1\rB=3\rC=2\rD=4\n");
    }

    #[test]
    fn every_unreadable_line_is_named_without_its_text() {
        let faults = Document::parse("A=1\nhunter2\nB='open\nC=2\n=3\n").map(|_| ()).expect_err("three faults");
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 5]);
        assert!(Document::parse("A='1' 2\n").is_err());
        assert!(Document::parse("A=\"C:\\data\"\n").is_err());
        assert!(Document::parse("two words=1\n").is_err());
    }

    #[test]
    fn a_substitution_is_noticed_and_a_plain_dollar_is_not() {
        let substitutes = |text: &str| {
            let document = Document::parse(text).expect("a readable file");
            document.assignments().iter().any(|assignment| assignment.substitutes)
        };
        for text in ["A=$HOME/x", "A=${HOME}", "A=\"x$y\"", "A=pa$$word"] {
            assert!(substitutes(text), "{text}");
        }
        for text in ["A='$HOME'", "A=\"\\$HOME\"", "A=5$", "A=a$ b"] {
            assert!(!substitutes(text), "{text}");
        }
    }

    #[test]
    fn an_edit_changes_one_value_and_nothing_else() {
        let before = "# mine\r\nexport PORT = 3000 # the port\nOTHER='x'\n\n# LOG_DIR=\n";
        let document = Document::parse(before).expect("a readable file");
        let after = document.with("PORT", "4000").with("LOG_DIR", "/var/log/my coms").with("HOST", "::1");
        assert_eq!(
            after.text(),
            "# mine\r\nexport PORT = 4000 # the port\nOTHER='x'\n\nLOG_DIR='/var/log/my coms'\nHOST=::1\n"
        );
        assert_eq!(document.with("PORT", "").text().lines().nth(1), Some("export PORT =  # the port"));
    }

    #[test]
    fn the_last_of_two_is_the_one_that_is_read_and_edited() {
        let document = Document::parse("A=1\nA=2").expect("a readable file").with("A", "3");
        assert_eq!(document.text(), "A=1\nA=3");
        assert_eq!(document.value("A"), Some("3"));
    }

    proptest! {
        /// Another reader, made by others, reads what we write as we do.
        #[test]
        fn what_is_written_is_read_back_here_and_elsewhere(value in "[^\0\r]{0,40}") {
            let document = Document::parse("# before\nA=x # after\nB=1\n").expect("a readable file").with("A", &value);
            prop_assert_eq!(document.value("A"), Some(value.as_str()));
            prop_assert_eq!(document.value("B"), Some("1"));
            prop_assert!(document.text().ends_with(" # after\nB=1\n"));
            let elsewhere: Vec<_> = dotenvy::from_read_iter(document.text().as_bytes()).collect::<Result<_, _>>()
                .expect("dotenvy reads it");
            prop_assert_eq!(elsewhere, [pair("A", &value), pair("B", "1")]);
        }

        #[test]
        fn no_text_is_too_odd_to_be_read_or_refused(text in "(?s).{0,80}") {
            if let Ok(document) = Document::parse(&text) {
                let edited = document.with("A", "1");
                prop_assert_eq!(edited.value("A"), Some("1"));
            }
        }
    }
}
