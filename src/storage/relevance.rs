//! How well a message fits a query, compared with the other messages that match it.
//!
//! BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) over the messages at hand instead of over
//! all that are stored: FTS5's own would count every match of every word, and read each again to know its length. So a
//! word that is rarer among the matches weighs more, a word said twice more than once, and a short message more than a
//! long one. What is equally good stays in the order in which it came: newest first.

use super::occurrences::frequencies;
use super::search_query::TextQuery;

/// How fast more of the same word stops to matter, and how much length matters: the usual values.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A message that matches, as far as its rank depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    at: usize,
    /// How often each wanted word or phrase of the query stands in it.
    counts: Vec<f64>,
    /// How many words it has.
    length: f64,
}

impl Candidate {
    /// The match number `at` says `content`.
    pub(super) fn of(at: usize, content: &str, query: Option<&TextQuery>) -> Self {
        let (counts, length) = query.map_or((Vec::new(), 0), |query| frequencies(content, query));
        Self { at, counts: counts.into_iter().map(number).collect(), length: number(length) }
    }
}

/// The numbers of the candidates, the best first.
pub(super) fn rank(candidates: &[Candidate]) -> Vec<usize> {
    let total = number(candidates.len());
    let mean_length = candidates.iter().map(|candidate| candidate.length).sum::<f64>() / total.max(1.0);
    let words = candidates.first().map_or(0, |candidate| candidate.counts.len());
    let weights: Vec<f64> = (0..words)
        .map(|word| {
            let has = |candidate: &&Candidate| candidate.counts.get(word).is_some_and(|&count| count > 0.0);
            let matching = number(candidates.iter().filter(has).count());
            (1.0 + (total - matching + 0.5) / (matching + 0.5)).ln()
        })
        .collect();
    let score = |candidate: &Candidate| -> f64 {
        let norm = K1 * (1.0 - B + B * candidate.length / mean_length.max(1.0));
        let part = |(weight, count): (&f64, &f64)| weight * count * (K1 + 1.0) / (count + norm);
        weights.iter().zip(&candidate.counts).map(part).sum()
    };
    let mut scored: Vec<_> = candidates.iter().map(|candidate| (score(candidate), candidate.at)).collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().map(|(_, at)| at).collect()
}

fn number(count: usize) -> f64 {
    // Counts within a message or a page of matches are small.
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_it_more_shorter_and_more_rarely_comes_first() {
        let words = |text: &str| TextQuery::Words { text: text.to_owned(), is_prefix: false };
        let query = TextQuery::Any(vec![words("cat"), words("dog")]);
        let contents = [
            "a cat that sat on the mat with nothing else to do all day long",
            "cat",
            "the dog",
            "cat cat",
            "cat there",
            "cat",
        ];
        let candidates: Vec<_> =
            contents.iter().enumerate().map(|(at, text)| Candidate::of(at, text, Some(&query))).collect();
        assert_eq!(rank(&candidates), [2, 3, 1, 5, 4, 0]);
    }

    #[test]
    fn without_words_the_order_stays() {
        let candidates: Vec<_> = (0..3).map(|at| Candidate::of(at, "x", None)).collect();
        assert_eq!(rank(&candidates), [0, 1, 2]);
        assert!(rank(&[]).is_empty());
    }
}
