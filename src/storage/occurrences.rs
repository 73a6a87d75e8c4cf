//! Where in a text the words of a query stand: for showing them, and for telling how well a message fits.
//!
//! The text is taken apart as the search index takes it apart, but with the place of each word in the original.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::search_query::TextQuery;
use super::search_text::{Kind, folded, is_invisible};

/// The places in `content`, as byte ranges from first to last, where a word or phrase stands that `query` wants.
pub fn occurrences(content: &str, query: &TextQuery) -> Vec<Range<usize>> {
    let units = units(content);
    let mut found: Vec<_> = query.wanted().into_iter().flat_map(|words| Pattern::of(words).places(&units)).collect();
    found.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// How often each word or phrase that `query` wants stands in `content`, and how many words that has.
pub(super) fn frequencies(content: &str, query: &TextQuery) -> (Vec<usize>, usize) {
    let units = units(content);
    let counts = query.wanted().into_iter().map(|words| Pattern::of(words).places(&units).len()).collect();
    (counts, units.len())
}

/// A word, an emoji, or a character of a script without spaces.
struct Unit {
    folded: String,
    place: Range<usize>,
    /// Whether it is a character that goes on the run of the one before.
    goes_on: bool,
}

fn units(content: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut before = Kind::Separator;
    let mut rest = content;
    let mut at = 0;
    while let Some(cluster) = first_cluster(rest) {
        // What nobody sees at its end is not marked.
        let place = at..at + cluster.trim_end_matches(is_invisible).len();
        for c in folded(cluster) {
            let kind = Kind::of(c);
            match (kind, units.last_mut()) {
                (Kind::Letter, Some(word)) if before == Kind::Letter => {
                    word.folded.push(c);
                    word.place.end = place.end;
                }
                (Kind::Separator, _) => {}
                _ => {
                    let goes_on = kind == Kind::Unspaced && before == Kind::Unspaced;
                    units.push(Unit { folded: c.to_string(), place: place.clone(), goes_on });
                }
            }
            before = kind;
        }
        rest = rest.get(cluster.len()..).unwrap_or_default();
        at += cluster.len();
    }
    units
}

/// The first character of `text` with the marks and the parts of a Korean syllable that belong to it.
fn first_cluster(text: &str) -> Option<&str> {
    let mut characters = text.char_indices();
    characters.next()?;
    let belongs = |c| is_combining_mark(c) || is_invisible(c) || matches!(c, '\u{1160}'..='\u{11ff}');
    let end = characters.find(|&(_, c)| c.is_ascii() || !belongs(c)).map_or(text.len(), |(at, _)| at);
    text.get(..end)
}

struct Pattern {
    units: Vec<Unit>,
    is_prefix: bool,
}

impl Pattern {
    fn of(words: &TextQuery) -> Self {
        match words {
            TextQuery::Words { text, is_prefix } => Self { units: units(text), is_prefix: *is_prefix },
            _ => Self { units: Vec::new(), is_prefix: false },
        }
    }

    fn places(&self, units: &[Unit]) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        let mut rest = units;
        while let Some((first, after)) = rest.split_first() {
            match rest.get(..self.units.len()) {
                Some(window) if !window.is_empty() && self.fits(window) => {
                    let end = window.last().map_or(first.place.end, |unit| unit.place.end);
                    places.push(first.place.start..end);
                    rest = rest.get(window.len()..).unwrap_or_default();
                }
                _ => rest = after,
            }
        }
        places
    }

    fn fits(&self, window: &[Unit]) -> bool {
        let last = self.units.len().saturating_sub(1);
        self.units.iter().zip(window).enumerate().all(|(at, (wanted, unit))| {
            let same = wanted.folded == unit.folded
                || (self.is_prefix && at == last && unit.folded.starts_with(wanted.folded.as_str()));
            same && (at == 0 || wanted.goes_on == unit.goes_on)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(content: &str, text: &str, is_prefix: bool) -> String {
        let query = TextQuery::Words { text: text.to_owned(), is_prefix };
        let mut marked = content.to_owned();
        for range in occurrences(content, &query).into_iter().rev() {
            marked.insert(range.end, ']');
            marked.insert(range.start, '[');
        }
        marked
    }

    #[test]
    fn words_are_found_as_the_index_finds_them() {
        assert_eq!(marked("Café, CAFE\u{301}! cafes", "cafe", false), "[Café], [CAFE\u{301}]! cafes");
        assert_eq!(marked("cafe cafes", "caf", true), "[cafe] [cafes]");
        assert_eq!(marked("say hello -- world; hello", "hello world", false), "say [hello -- world]; hello");
        assert_eq!(marked("die Straße", "STRASSE", false), "die [Straße]");
        assert_eq!(marked("co\u{ad}op", "coop", false), "[co\u{ad}op]");
        assert_eq!(marked("great👍🏽", "👍", false), "great[👍]🏽");
    }

    #[test]
    fn words_are_found_inside_running_text() {
        assert_eq!(marked("私は東京都に", "東京", false), "私は[東京]都に");
        assert_eq!(marked("東 京", "東京", false), "東 京");
        assert_eq!(marked("한국어", "국", false), "한[국]어");
        assert_eq!(marked("\u{1112}\u{1161}\u{11ab}글", "한", false), "[\u{1112}\u{1161}\u{11ab}]글");
    }

    #[test]
    fn places_that_overlap_are_one() {
        let words = |text: &str| TextQuery::Words { text: text.to_owned(), is_prefix: false };
        let query = TextQuery::Any(vec![words("a b"), words("b c"), TextQuery::Not(Box::new(words("d")))]);
        assert_eq!(occurrences("a b c d", &query).as_slice(), std::slice::from_ref(&(0..5)));
        assert_eq!(frequencies("a b c a b", &query), (vec![2, 1], 5));
    }
}
