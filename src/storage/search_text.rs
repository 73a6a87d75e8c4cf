//! What the search index sees of a message: its words, without regard to case, accents and width.
//!
//! FTS5's tokenizer splits at whatever is no letter, digit, mark or emoji. That does for languages that put spaces
//! between words. Chinese, Japanese and Korean text (and Thai, Lao, Khmer, Burmese) is indexed as overlapping pairs of
//! characters, and the last character of each run alone: `東京都` becomes `東京 京都 都`. So a word of two characters is
//! found inside running text as one token, a longer one as a phrase, and a single character as a prefix.
//!
//! A message leaves the index through the text that brought it in: [`search_text`] must give for a stored content what
//! it gave when the content was stored. A test holds it to that for every character.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The words of `content` as they are indexed.
///
/// ASCII, which is most of what people write, comes back as it is: the tokenizer lower-cases it and splits it itself.
pub(super) fn search_text(content: &str) -> Cow<'_, str> {
    if is_plain(content) { Cow::Borrowed(content) } else { Cow::Owned(Words::of(content, LastRun::Whole).text) }
}

/// Text to look for, in the index's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// The words, separated by spaces; they contain no NUL and no quote.
    pub(super) text: String,
    /// The last word only has to begin like this: it is a single character of a script without spaces.
    pub(super) is_prefix: bool,
}

/// What to look for to find `text` in the index; `None` if it holds no word at all.
pub(super) fn phrase(text: &str) -> Option<Phrase> {
    let words = Words::of(text, LastRun::MayGoOn);
    if words.text.is_empty() { None } else { Some(Phrase { text: words.text, is_prefix: words.ends_open }) }
}

/// Whether there is any word in `text`, so that it can be looked for.
pub fn has_words(text: &str) -> bool {
    folded(text).any(|c| Kind::of(c) != Kind::Separator)
}

fn is_plain(content: &str) -> bool {
    content.bytes().all(|byte| byte != 0 && byte.is_ascii())
}

/// How the last run of unspaced characters is written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastRun {
    /// It ends here: its last character stands alone too.
    Whole,
    /// It may go on in the text that is looked for, as `東京` does in `東京都`.
    MayGoOn,
}

/// Writes words down one after the other, separated by single spaces.
struct Words {
    text: String,
    /// The run of unspaced characters that is being read: its last character, and whether a pair was written of it.
    run: Option<(char, bool)>,
    in_word: bool,
    ends_open: bool,
}

impl Words {
    fn of(content: &str, last: LastRun) -> Self {
        let mut words =
            Self { text: String::with_capacity(content.len()), run: None, in_word: false, ends_open: false };
        for folded in folded(content) {
            words.push(folded);
        }
        match words.run.take() {
            Some((_, true)) if last == LastRun::MayGoOn => {}
            Some((only, false)) if last == LastRun::MayGoOn => {
                words.word(&[only]);
                words.ends_open = true;
            }
            Some((final_one, _)) => words.word(&[final_one]),
            None => {}
        }
        words
    }

    fn push(&mut self, c: char) {
        let kind = Kind::of(c);
        if kind == Kind::Unspaced {
            self.in_word = false;
            if let Some((before, _)) = self.run {
                self.word(&[before, c]);
                self.run = Some((c, true));
            } else {
                self.run = Some((c, false));
            }
            return;
        }
        if let Some((final_one, _)) = self.run.take() {
            self.word(&[final_one]);
        }
        match kind {
            Kind::Letter if self.in_word => self.text.push(c),
            Kind::Letter | Kind::Emoji => self.word(&[c]),
            Kind::Separator | Kind::Unspaced => {}
        }
        self.in_word = kind == Kind::Letter;
    }

    fn word(&mut self, characters: &[char]) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.extend(characters);
    }
}

/// The characters of `content` without accents, width, ligatures and case.
///
/// Compatibility decomposition takes them apart; without the accents they are put together again, since a Korean
/// syllable and a Japanese が are taken apart too.
pub(super) fn folded(content: &str) -> impl Iterator<Item = char> {
    content
        .nfkd()
        .filter(|&c| !is_accent(c) && !is_invisible(c))
        .nfc()
        .flat_map(char::to_lowercase)
        .flat_map(base_letters)
}

/// Marks that tell variants of a letter apart: accents, Hebrew points, Arabic vowels, the Indic nukta.
///
/// By canonical combining class (Unicode Standard Annex 44): not the kana voicing marks (8), viramas (9) and the tone
/// marks of South East Asia (84 to 132), which make another letter or another word.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 1 | 7 | 10..=36 | 200..)
}

/// Characters that nobody sees or types, and that would split a word: soft hyphens, joiners, direction marks, variation
/// selectors, the keycap; and the Arabic tatweel, which only stretches a word.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{640}' | '\u{180b}'..='\u{180e}' | '\u{200c}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{20dd}'..='\u{20e4}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Latin letters that Unicode does not take apart, as people type them who have no such key; and the final sigma.
fn base_letters(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ł' => ('l', None),
        'ŧ' => ('t', None),
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// What a folded character is to the index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a word that spaces delimit.
    Letter,
    /// Part of a run in which words are not delimited.
    Unspaced,
    /// A word of its own.
    Emoji,
    Separator,
}

impl Kind {
    pub(super) fn of(c: char) -> Self {
        match c {
            '\0'..='\x7f' => {
                if c.is_ascii_alphanumeric() {
                    Self::Letter
                } else {
                    Self::Separator
                }
            }
            '\u{2600}'..='\u{27bf}'
            | '\u{2b50}'
            | '\u{2b55}'
            | '\u{1f000}'..='\u{1f3fa}'
            | '\u{1f400}'..='\u{1faff}' => Self::Emoji,
            _ if !(c.is_alphanumeric() || is_combining_mark(c)) => Self::Separator,
            _ if is_unspaced(c) => Self::Unspaced,
            _ => Self::Letter,
        }
    }
}

/// Whether `c`, a letter or mark, belongs to a script that is written without spaces, or to Korean, whose words take
/// particles. By Unicode block.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        // Thai, Lao; Burmese; Hangul jamo; Khmer.
        '\u{e00}'..='\u{e4e}' | '\u{e80}'..='\u{ecf}' | '\u{edc}'..='\u{eff}'
        | '\u{1000}'..='\u{103f}' | '\u{104a}'..='\u{108f}' | '\u{109a}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17df}'
        // Radicals, 々 and 〇, kana, bopomofo, jamo again, ideographs.
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{16fe0}'..='\u{18cff}' | '\u{1aff0}'..='\u{1b2ff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// The text of a phrase, with a `*` where it is open.
    fn looked_for(text: &str) -> Option<String> {
        phrase(text).map(|phrase| phrase.text + if phrase.is_prefix { "*" } else { "" })
    }

    #[test]
    fn ascii_is_left_to_the_tokenizer() {
        assert!(matches!(search_text("Don't PANIC!\r\n"), Cow::Borrowed("Don't PANIC!\r\n")));
        assert_eq!(search_text("a\0b"), "a b");
    }

    #[test]
    fn case_accents_width_and_ligatures_do_not_matter() {
        for (content, words) in [
            ("Crème BRÛLÉE", "creme brulee"),
            ("cafe\u{301} co\u{ad}op", "cafe coop"),
            ("Straße STRASSE", "strasse strasse"),
            ("ﬁne ＦＵＬＬ－ｗｉｄｔｈ １２", "fine full width 12"),
            ("Łódź Ærø Þór İstanbul ılık", "lodz aero thor istanbul ilik"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("ЁЛКА елка", "елка елка"),
            ("שָׁלוֹם أَهْلًا", "שלום اهلا"),
            ("e\u{200d}x\u{202e}it", "exit"),
            ("…—!é", "e"),
        ] {
            assert_eq!(search_text(content), words, "{content:?}");
        }
    }

    #[test]
    fn unspaced_scripts_are_indexed_in_pairs() {
        for (content, words) in [
            ("東京都", "東京 京都 都"),
            ("字", "字"),
            ("Tokyo東京 2020年", "tokyo 東京 京 2020 年"),
            ("한국어", "한국 국어 어"),
            ("ｶﾞｷﾞ がか", "ガギ ギ がか か"),
            ("テレビ・ラジオ", "テレ レビ ビ ラジ ジオ オ"),
            ("สวัสดี", "สว วั ัส สด ดี ี"),
        ] {
            assert_eq!(search_text(content), words, "{content:?}");
        }
    }

    #[test]
    fn a_korean_syllable_is_the_same_in_either_form() {
        assert_eq!(search_text("\u{1112}\u{1161}\u{11ab}글"), search_text("한글"));
    }

    #[test]
    fn an_emoji_is_a_word() {
        assert_eq!(search_text("great👍🏽👍 ❤\u{fe0f}"), "great 👍 👍 ❤");
        assert_eq!(looked_for("👍").as_deref(), Some("👍"));
    }

    #[test]
    fn what_is_looked_for_may_go_on_in_the_text() {
        assert_eq!(looked_for("東京").as_deref(), Some("東京"));
        assert_eq!(looked_for("東京都").as_deref(), Some("東京 京都"));
        assert_eq!(looked_for("東").as_deref(), Some("東*"));
        assert_eq!(looked_for("東京 都").as_deref(), Some("東京 京 都*"));
        assert_eq!(looked_for("Hel-Lo").as_deref(), Some("hel lo"));
        for wordless in ["", " ", "\0", "!?", "\u{200d}", "*\"'"] {
            assert_eq!(phrase(wordless), None, "{wordless:?}");
        }
    }

    /// A changed digest means that a dependency or the compiler knows other Unicode data. Messages that hold the changed
    /// characters would then stay in the index when they are deleted: let the next migration rebuild it, and only then
    /// change the digest.
    #[test]
    fn no_character_is_indexed_otherwise_than_before() {
        let mut digest = Sha256::new();
        for c in '\0'..=char::MAX {
            digest.update(search_text(c.encode_utf8(&mut [0; 4])).as_bytes());
            digest.update([0]);
        }
        assert_eq!(hex::encode(digest.finalize()), "7bcb5bc9d351d9a4adc4310668b7c2a0418c2c4833d861c6c3b30c1117783b97");
    }
}
