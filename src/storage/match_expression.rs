//! The text part of a query as an expression of FTS5.
//!
//! FTS5 can only say "these, without those". So a condition that holds for all messages but some is kept as its
//! opposite, by De Morgan's laws; at the top it becomes a condition in SQL.

use super::search_query::TextQuery;
use super::search_text::phrase;

/// A condition on the text, for FTS5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MatchExpression {
    /// What this expression matches.
    Matching(String),
    /// What this expression does not match.
    Without(String),
}

use MatchExpression::{Matching, Without};

impl MatchExpression {
    /// Translates `query`; `None` if there is no word in it.
    pub(super) fn of(query: &TextQuery) -> Option<Self> {
        match query {
            TextQuery::Words { text, is_prefix } => phrase(text).map(|phrase| {
                // Inside quotes only a quote means something to FTS5, and a phrase has none.
                Matching(format!("\"{}\"{}", phrase.text, if *is_prefix || phrase.is_prefix { "*" } else { "" }))
            }),
            TextQuery::All(parts) => parts.iter().filter_map(Self::of).reduce(Self::and),
            TextQuery::Any(parts) => parts.iter().filter_map(Self::of).reduce(Self::or),
            TextQuery::Not(part) => Self::of(part).map(Self::not),
        }
    }

    /// Both this and `other`.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Matching(a), Matching(b)) => Matching(format!("({a} AND {b})")),
            (Matching(a), Without(b)) | (Without(b), Matching(a)) => Matching(format!("({a} NOT {b})")),
            (Without(a), Without(b)) => Without(format!("({a} OR {b})")),
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Self {
        match self {
            Matching(a) => Without(a),
            Without(a) => Matching(a),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> TextQuery {
        TextQuery::Words { text: text.to_owned(), is_prefix: false }
    }

    fn not(part: TextQuery) -> TextQuery {
        TextQuery::Not(Box::new(part))
    }

    #[test]
    fn words_are_quoted_and_nothing_in_them_is_language() {
        for (text, expression) in [
            ("NEAR(a, b)", "\"near a b\""),
            ("col:\"x\" AND *", "\"col x and\""),
            ("a\0b", "\"a b\""),
            ("東京都", "\"東京 京都\""),
            ("東", "\"東\"*"),
        ] {
            assert_eq!(MatchExpression::of(&words(text)), Some(Matching(expression.to_owned())));
        }
        assert_eq!(MatchExpression::of(&words("\"*(")), None);
    }

    #[test]
    fn every_mixture_of_not_becomes_something_that_fts5_can_say() {
        let query = TextQuery::Any(vec![words("a"), not(words("b"))]);
        assert_eq!(MatchExpression::of(&query), Some(Without("(\"b\" NOT \"a\")".to_owned())));
        let query = TextQuery::All(vec![not(words("a")), words("!"), not(words("b"))]);
        assert_eq!(MatchExpression::of(&query), Some(Without("(\"a\" OR \"b\")".to_owned())));
        let query = TextQuery::All(vec![not(words("a")), words("b"), not(not(words("c")))]);
        assert_eq!(MatchExpression::of(&query), Some(Matching("((\"b\" NOT \"a\") AND \"c\")".to_owned())));
    }
}
