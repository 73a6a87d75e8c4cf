//! What people wrote, as text of a page and nothing else.

use std::fmt::{self, Write as _};

use crate::printable::acts_on_terminal;

/// Text for any place in a page, inside quotes too. Characters that nobody sees, or that turn the direction of the text
/// around them, are shown by their code points.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // The last three are marks that Hebrew and Arabic are written with; what they change ends with the element.
            '\n' | '\t' | '\u{200e}' | '\u{200f}' | '\u{61c}' => f.write_char(c),
            c if acts_on_terminal(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

/// Text for the inside of an element, in which addresses on the web are links, and what stands between lines that begin
/// with three backticks is code. Nothing is taken away: the backticks are shown, too.
pub(super) struct Rich<'a>(pub(super) &'a str);

impl fmt::Display for Rich<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_code = false;
        let lines: Vec<_> = self.0.split_inclusive('\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let is_fence = line.starts_with(FENCE);
            // Without a second fence the first one is only three backticks.
            if is_fence && !is_code && lines.iter().skip(number + 1).any(|line| line.starts_with(FENCE)) {
                is_code = true;
                write!(f, "<code dir=\"ltr\">{}", Plain(line))?;
            } else if is_fence && is_code {
                is_code = false;
                write!(f, "{}</code>", Plain(line))?;
            } else if is_code {
                Plain(line).fmt(f)?;
            } else {
                Linked(line).fmt(f)?;
            }
        }
        Ok(())
    }
}

/// How a line begins before which code starts, or after which it ends.
const FENCE: &str = "```";

/// Text in which addresses on the web are links.
struct Linked<'a>(&'a str);

impl fmt::Display for Linked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split_inclusive(char::is_whitespace).try_for_each(|part| {
            // An opening bracket or quote is not part of what stands in it.
            let word = part.trim_end().trim_start_matches(['(', '<', '"', '\'']);
            let address = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '>', '"', '\'']);
            let Some((before, after)) = part.split_once(address).filter(|_| is_address(address)) else {
                return Plain(part).fmt(f);
            };
            let (before, address, after) = (Plain(before), Plain(address), Plain(after));
            write!(f, "{before}<a href=\"{address}\" rel=\"noopener noreferrer nofollow\">{address}</a>{after}")
        })
    }
}

/// Only the two schemes of the web: no `javascript:`, no `data:`. What can't be shown as it is does not become a link.
fn is_address(word: &str) -> bool {
    let rest = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty()) && !word.chars().any(acts_on_terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_written_is_markup() {
        for (text, shown) in [
            (
                "<script>alert('1')</script> & \"x\"",
                "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;",
            ),
            ("a\u{202e}b\0\u{1b}[2J", "a\\u{202e}b\\u{0}\\u{1b}[2J"),
            ("javascript:alert(1) data:text/html,x", "javascript:alert(1) data:text/html,x"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(Rich(text).to_string(), shown);
        }
    }

    #[test]
    fn an_address_is_a_link_and_cannot_break_out() {
        let rel = "rel=\"noopener noreferrer nofollow\"";
        assert_eq!(
            Rich("see https://a.b/c?d=1&e, ok").to_string(),
            format!("see <a href=\"https://a.b/c?d=1&amp;e\" {rel}>https://a.b/c?d=1&amp;e</a>, ok")
        );
        let hostile = Rich("https://a\"onclick='x'<b>").to_string();
        assert!(hostile.starts_with("<a href=\"https://a&quot;onclick=&#39;x&#39;&lt;b\""), "{hostile}");
        assert!(!Rich("https://a\u{202e}b").to_string().contains("<a"));
    }

    #[test]
    fn what_stands_around_an_address_is_not_of_it() {
        let shown = Rich("(https://a.b) \"https://c.d\".").to_string();
        assert!(
            shown.starts_with("(<a href=\"https://a.b\"") && shown.contains(">https://a.b</a>) &quot;<a "),
            "{shown}"
        );
        assert!(shown.ends_with(">https://c.d</a>&quot;."), "{shown}");
    }

    #[test]
    fn code_stands_between_two_fences() {
        assert_eq!(
            Rich("a\n```c\n<b> https://c.d\n```\ne").to_string(),
            "a\n<code dir=\"ltr\">```c\n&lt;b&gt; https://c.d\n```\n</code>e"
        );
        assert_eq!(Rich("```\nopen").to_string(), "```\nopen");
        assert_eq!(Rich("```\na\n```\n```").to_string(), "<code dir=\"ltr\">```\na\n```\n</code>```");
    }
}
