//! A query taken apart into words, phrases, filters and operators. Any text is some sequence of them.

/// The names that a colon makes a filter of.
const FILTERS: [&str; 5] = ["from", "in", "before", "after", "has"];

/// One part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A word, or words in quotes.
    Words {
        text: &'a str,
        /// A `*` follows.
        is_prefix: bool,
        /// A `-` stands before it.
        is_negated: bool,
    },
    /// A filter, its name in lower case.
    Filter {
        name: &'static str,
        value: &'a str,
        is_negated: bool,
    },
    And,
    Or,
    Not,
}

/// Yields the tokens of a query.
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Takes everything up to the first character that `ends` it.
    fn take_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes the next character if it is one that is `wanted`.
    fn take_one(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let mut characters = self.rest.chars();
        let is_wanted = characters.next().is_some_and(wanted);
        if is_wanted {
            self.rest = characters.as_str();
        }
        is_wanted
    }

    /// Takes what stands in quotes, if a quote comes next; without a closing quote, all that is left.
    fn take_quoted(&mut self) -> Option<&'a str> {
        self.take_one(is_quote).then(|| {
            let text = self.take_until(is_quote);
            self.take_one(is_quote);
            text
        })
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.take_until(|c| !is_space(c));
        if self.rest.is_empty() {
            return None;
        }
        let is_negated = !self.take_until(|c| c != '-').is_empty();
        if let Some(text) = self.take_quoted() {
            let is_prefix = self.take_one(|c| c == '*');
            return Some(Token::Words { text, is_prefix, is_negated });
        }
        let word = self.take_until(|c| is_space(c) || is_quote(c));
        if let Some((name, value)) = filter(word) {
            let value = if value.is_empty() { self.take_quoted().unwrap_or(value) } else { value };
            return Some(Token::Filter { name, value, is_negated });
        }
        Some(match word {
            "AND" if !is_negated => Token::And,
            "OR" if !is_negated => Token::Or,
            "NOT" if !is_negated => Token::Not,
            _ => {
                let text = word.trim_end_matches('*');
                Token::Words { text, is_prefix: text.len() < word.len(), is_negated }
            }
        })
    }
}

fn filter(word: &str) -> Option<(&'static str, &str)> {
    let (name, value) = word.split_once(':')?;
    let name = FILTERS.into_iter().find(|filter| filter.eq_ignore_ascii_case(name))?;
    Some((name, value))
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Straight quotes, and the curly ones that phones make of them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}
