//! The query language of search: words, `"phrases"`, `prefix*`, `-not`, `AND`, `OR`, `NOT`, and the filters `from:`,
//! `in:`, `before:`, `after:` and `has:link`.
//!
//! Whatever people type means something: a quote that doesn't close ends at the end, an operator without anything to
//! operate on is passed over, and punctuation only separates words. Of a text that is too long, as a whole message is that
//! somebody pasted, the beginning is looked for. An error is for what they would want to know: a time that is none, or a
//! filter without a value.

mod lexer;

use self::lexer::{Lexer, Token};
use super::moment::moment;
use crate::storage::{SearchQuery, TextQuery, UserPrefix, has_words};
use crate::time::Timestamp;

/// How many words and phrases of a query count, and how many filters it may have.
pub const MAX_TERMS: usize = 32;

/// How many characters of its words and phrases count, all together.
pub const MAX_TERM_CHARS: usize = 512;

/// Why a query can't be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It has no word and no filter.
    #[error("the query has no word to look for")]
    NoWords,
    /// More than [`MAX_TERMS`] of them.
    #[error("the query has more than {MAX_TERMS} filters")]
    TooManyFilters,
    /// A filter with nothing after its colon.
    #[error("nothing follows a filter: `{0}:`")]
    EmptyFilter(&'static str),
    /// A time that can't be read.
    #[error("not a date, an RFC 3339 time or a duration such as `7d`: `{0}`")]
    NotATime(String),
    /// An author that can't be read.
    #[error("not a user id nor the first digits of one: `{0}`")]
    NotAUser(String),
    /// Something else than a link.
    #[error("`has:` knows only `link`, not: `{0}`")]
    UnknownFeature(String),
}

/// A query, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedQuery {
    /// What is looked for.
    pub query: SearchQuery,
    /// Whether the text was longer than [`MAX_TERMS`] or [`MAX_TERM_CHARS`] allow, and what came after was passed over.
    pub is_cut: bool,
}

/// Reads a query; durations in it count back from `now`.
///
/// `OR` parts a query into alternatives. Filters are about the query as a whole: of two channels or two authors one is
/// enough, of two times both count.
pub fn parse_query(text: &str, now: Timestamp) -> Result<ParsedQuery, QueryError> {
    let mut parser = Parser {
        now,
        query: SearchQuery::default(),
        alternatives: vec![Vec::new()],
        terms: 0,
        chars: 0,
        filters: 0,
        is_cut: false,
    };
    let mut not = false;
    for token in Lexer::new(text) {
        match token {
            Token::And => {}
            Token::Or => parser.alternatives.push(Vec::new()),
            Token::Not => not = !not,
            Token::Words { text, is_prefix, is_negated } => {
                parser.words(text, is_prefix, is_negated != std::mem::take(&mut not));
            }
            Token::Filter { name, value, is_negated } => {
                parser.filter(name, value, is_negated != std::mem::take(&mut not))?;
            }
        }
    }
    parser.finish()
}

struct Parser {
    now: Timestamp,
    query: SearchQuery,
    /// What stands between the `OR`s.
    alternatives: Vec<Vec<TextQuery>>,
    /// How many words and phrases there are, and how many characters in them.
    terms: usize,
    chars: usize,
    filters: usize,
    is_cut: bool,
}

impl Parser {
    fn words(&mut self, text: &str, is_prefix: bool, is_negated: bool) {
        if self.is_cut || !has_words(text) {
            return;
        }
        let room = if self.terms < MAX_TERMS { MAX_TERM_CHARS - self.chars } else { 0 };
        let end = text.char_indices().nth(room).map(|(end, _)| end);
        self.is_cut = end.is_some();
        let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        // Without its end, a phrase that must not be there would forbid more than was meant.
        if self.is_cut && (is_negated || !has_words(text)) {
            return;
        }
        self.terms += 1;
        self.chars += text.chars().count();
        // Where it is cut, a word may be cut.
        let words = TextQuery::Words { text: text.to_owned(), is_prefix: is_prefix || self.is_cut };
        let part = if is_negated { TextQuery::Not(Box::new(words)) } else { words };
        if let Some(alternative) = self.alternatives.last_mut() {
            alternative.push(part);
        }
    }

    fn filter(&mut self, name: &'static str, value: &str, is_negated: bool) -> Result<(), QueryError> {
        self.filters += 1;
        if self.filters > MAX_TERMS {
            return Err(QueryError::TooManyFilters);
        }
        if value.is_empty() {
            return Err(QueryError::EmptyFilter(name));
        }
        let now = self.now;
        let filters = &mut self.query.filters;
        match name {
            "in" => {
                let channels = if is_negated { &mut filters.not_channels } else { &mut filters.channels };
                channels.push(value.strip_prefix('#').unwrap_or(value).to_owned());
            }
            "from" => {
                let authors = if is_negated { &mut filters.not_authors } else { &mut filters.authors };
                let author = value.strip_prefix('@').unwrap_or(value);
                let prefix = author.parse::<UserPrefix>().map_err(|_| QueryError::NotAUser(value.to_owned()))?;
                authors.push(prefix);
            }
            "has" if value.eq_ignore_ascii_case("link") => filters.has_link = Some(!is_negated),
            "has" => return Err(QueryError::UnknownFeature(value.to_owned())),
            _ => {
                let time = moment(value, now).ok_or_else(|| QueryError::NotATime(value.to_owned()))?;
                // What is not before a time is after it.
                if (name == "before") == is_negated {
                    filters.after = filters.after.max(Some(time));
                } else {
                    filters.before = Some(filters.before.map_or(time, |before| before.min(time)));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ParsedQuery, QueryError> {
        let mut alternatives: Vec<_> = self
            .alternatives
            .into_iter()
            .filter(|parts| !parts.is_empty())
            .map(|parts| one_or(parts, TextQuery::All))
            .collect();
        self.query.text = match alternatives.len() {
            0 => None,
            1 => alternatives.pop(),
            _ => Some(TextQuery::Any(alternatives)),
        };
        if self.query == SearchQuery::default() {
            return Err(QueryError::NoWords);
        }
        Ok(ParsedQuery { query: self.query, is_cut: self.is_cut })
    }
}

fn one_or(mut parts: Vec<TextQuery>, many: fn(Vec<TextQuery>) -> TextQuery) -> TextQuery {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_477_188_631);

    /// A query as it was understood, with brackets.
    fn understood(text: &str) -> String {
        match parse_query(text, NOW) {
            Ok(parsed) => parsed.query.text.as_ref().map_or_else(|| "-".to_owned(), shown),
            Err(error) => error.to_string(),
        }
    }

    fn shown(query: &TextQuery) -> String {
        let list = |parts: &[TextQuery]| parts.iter().map(shown).collect::<Vec<_>>();
        match query {
            TextQuery::Words { text, is_prefix } => format!("{text}{}", if *is_prefix { "*" } else { "" }),
            TextQuery::All(parts) => format!("({})", list(parts).join(" & ")),
            TextQuery::Any(parts) => format!("({})", list(parts).join(" | ")),
            TextQuery::Not(part) => format!("!{}", shown(part)),
        }
    }

    #[test]
    fn words_phrases_prefixes_and_operators_are_understood() {
        for (text, meaning) in [
            ("cats", "cats"),
            ("cats dogs", "(cats & dogs)"),
            ("cats AND dogs", "(cats & dogs)"),
            ("cats and dogs", "(cats & and & dogs)"),
            ("cats OR dogs mice", "(cats | (dogs & mice))"),
            ("cats -dogs", "(cats & !dogs)"),
            ("cats NOT \"big dogs\"", "(cats & !big dogs)"),
            ("NOT -cats", "cats"),
            ("edit* \"big do\"*", "(edit* & big do*)"),
            ("hel-lo", "hel-lo"),
            ("“big dogs” x\"y z\"", "(big dogs & x & y z)"),
            ("https://example.com/x?y=1", "https://example.com/x?y=1"),
            ("\"from:me\" \"AND\"", "(from:me & AND)"),
        ] {
            assert_eq!(understood(text), meaning, "{text}");
        }
    }

    #[test]
    fn odd_queries_mean_what_is_left_of_them() {
        for (text, meaning) in [
            ("\"unbalanced quote", "unbalanced quote"),
            ("AND cats OR", "cats"),
            ("OR OR cats AND OR dogs NOT", "(cats | dogs)"),
            ("cats - -- !!! \"\" \"", "cats"),
            ("cats\0dogs\u{7}mice", "(cats & dogs & mice)"),
            ("--cats", "!cats"),
            ("***", "the query has no word to look for"),
            ("NOT", "the query has no word to look for"),
            ("\"", "the query has no word to look for"),
            ("", "the query has no word to look for"),
            ("in:", "nothing follows a filter: `in:`"),
            ("before:someday", "not a date, an RFC 3339 time or a duration such as `7d`: `someday`"),
            ("from:alice", "not a user id nor the first digits of one: `alice`"),
            ("has:image", "`has:` knows only `link`, not: `image`"),
        ] {
            assert_eq!(understood(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn what_goes_on_too_long_is_looked_for_by_its_beginning() {
        let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>();
        let parsed = |text: &str| parse_query(text, NOW).map(|parsed| (parsed.query.text, parsed.is_cut));
        let of = |words: &[String]| {
            let words = words.iter().map(|text| TextQuery::Words { text: text.clone(), is_prefix: false });
            Some(TextQuery::All(words.collect()))
        };
        assert_eq!(parsed(&words(32).join(" ")), Ok((of(&words(32)), false)));
        assert_eq!(parsed(&words(33).join(" ")), Ok((of(&words(32)), true)));
        assert_eq!(parsed(&words(10_000).join(" ")), Ok((of(&words(32)), true)));
        assert_eq!(parsed(&format!("{} OR -x", words(32).join(" "))), Ok((of(&words(32)), true)));
        // Filters count wherever they stand.
        let late = parse_query(&format!("{} in:general", words(40).join(" ")), NOW).expect("a query");
        assert_eq!(late.query.filters.channels, ["general"]);

        let long = "x".repeat(MAX_TERM_CHARS);
        let word = |is_prefix| Some(TextQuery::Words { text: long.clone(), is_prefix });
        assert_eq!(parsed(&long), Ok((word(false), false)));
        assert_eq!(parsed(&format!("{long}é")), Ok((word(true), true)));
        assert_eq!(parsed(&format!("{long} y")), Ok((word(false), true)));
        assert_eq!(parsed(&format!("x -\"{long}\"")).map(|(text, _)| text.as_ref().map(shown)), Ok(Some("x".into())));
    }

    #[test]
    fn a_query_is_bounded() {
        let parsed = parse_query(&"a ".repeat(10_000), NOW).expect("a query");
        assert!(parsed.is_cut && parsed.query.text.as_ref().is_some_and(|text| shown(text).len() < 200));
        assert_eq!(parse_query(&"! ".repeat(10_000), NOW), Err(QueryError::NoWords));
        assert_eq!(parse_query(&"in:a ".repeat(10_000), NOW), Err(QueryError::TooManyFilters));
        assert_eq!(understood(&"a OR ".repeat(10_000)), understood(&"a OR ".repeat(32)));
    }

    #[test]
    fn filters_are_about_the_whole_query() {
        let query =
            parse_query("cats in:general -in:#spam IN:\"two words\" from:49c0 -has:LINK", NOW).expect("a query").query;
        assert_eq!(query.filters.channels, ["general", "two words"]);
        assert_eq!(query.filters.not_channels, ["spam"]);
        assert_eq!(query.filters.authors, ["49c0".parse::<UserPrefix>().expect("a prefix")]);
        assert_eq!(query.filters.has_link, Some(false));
        assert_eq!(parse_query("has:link", NOW).map(|parsed| parsed.query.text), Ok(None));
    }

    #[test]
    fn of_several_times_the_narrowest_span_counts() {
        let query = parse_query("after:2026-01-01 after:7d -before:1d before:2026-12-01 before:1h", NOW)
            .expect("a query")
            .query;
        assert_eq!(query.filters.after, moment("1d", NOW));
        assert_eq!(query.filters.before, moment("1h", NOW));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_panics(text in "[ab:\"*\\-\0 “東]{0,40}|(from:|in:|before:|has:|AND |OR |NOT |-|\"|\\PC| ){0,50}") {
            drop(parse_query(&text, NOW));
        }
    }
}
