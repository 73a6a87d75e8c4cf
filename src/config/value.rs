//! From the text of one variable to a value of its type, or to what would have been right.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::words::Word;
use crate::ids::ServerId;
use crate::keys::{KeyError, PublicKey, SigningKey};
use crate::secret::Secret;

/// How many of Central's keys may be valid at once, so that they can rotate.
const MAX_CENTRAL_KEYS: usize = 4;

/// A server's name is shown in lists.
const MAX_NAME_CHARACTERS: usize = 100;

/// The predicate of a fault: what the value has to be, `must be a UUID`, or what it is and should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(Cow<'static, str>);

impl Wrong {
    fn must(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name for people: any text of one line.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    if text.chars().any(char::is_control) || text.chars().count() > MAX_NAME_CHARACTERS || text.trim().is_empty() {
        return Err(Wrong(format!("must be 1 to {MAX_NAME_CHARACTERS} characters on one line").into()));
    }
    Ok(text.to_owned())
}

pub(super) fn server_id(text: &str) -> Result<ServerId, Wrong> {
    text.parse().map_err(|_| Wrong::must("must be a UUID"))
}

/// A whole number in decimal digits, `min` to `max`.
pub(super) fn whole(text: &str, min: u64, max: u64) -> Result<u64, Wrong> {
    // `u64::from_str` takes a leading `+` too.
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(Wrong(format!("must be a whole number from {min} to {max}").into())),
    }
}

/// A switch, in the words of the reference (Go's `strconv.ParseBool`).
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Wrong::must("must be `true` or `false`")),
    }
}

pub(super) fn word<W: Word>(text: &str) -> Result<W, Wrong> {
    W::from_word(text).ok_or_else(|| not_one_of(W::CHOICES.iter().map(|(word, _)| *word)))
}

/// That none of `words` was given.
pub(super) fn not_one_of<'a>(words: impl Iterator<Item = &'a str>) -> Wrong {
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    let text = match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    };
    Wrong(format!("must be {text}").into())
}

/// The base of Central's routes. Whether its path ends in `/` makes no difference.
pub(super) fn http_url(text: &str) -> Result<Url, Wrong> {
    let url = Url::parse(text).map_err(|_| Wrong::must("must be a URL such as `https://central.example.org`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Wrong::must("must be a URL that starts with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::must("must be a URL without user, password, `?` and `#`"));
    }
    Ok(url)
}

pub(super) fn address(text: &str) -> Result<IpAddr, Wrong> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| Wrong::must("must be an IP address such as `127.0.0.1` or `::1`"))
}

pub(super) fn path(text: &str) -> Result<PathBuf, Wrong> {
    if text.chars().any(char::is_control) {
        return Err(Wrong::must("must be a path on one line"));
    }
    Ok(PathBuf::from(text))
}

/// A bearer token: it goes into a header as it is.
pub(super) fn api_key(text: &str) -> Result<Secret, Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err(Wrong::must("must be printable ASCII characters without spaces"))
    }
}

pub(super) fn secret_key(text: &str) -> Result<SigningKey, Wrong> {
    SigningKey::from_hex(text).map_err(|error| wrong_key(error, text))
}

pub(super) fn public_key(text: &str) -> Result<PublicKey, Wrong> {
    PublicKey::from_hex(text).map_err(|error| wrong_key(error, text))
}

fn wrong_key(error: KeyError, text: &str) -> Wrong {
    let text = match error {
        KeyError::Malformed { expected } if text.chars().count() == expected => {
            format!("must be {expected} hexadecimal digits, and has other characters")
        }
        KeyError::Malformed { expected } => {
            format!("must be {expected} hexadecimal digits, and has {} characters", text.chars().count())
        }
        KeyError::Contradictory => "contradicts itself: its second half is not the public key of its first half".into(),
        KeyError::Weak => "must be a usable Ed25519 public key, and is none".into(),
    };
    Wrong(text.into())
}

/// One to four public keys, separated by commas.
pub(super) fn public_keys(text: &str) -> Result<Vec<PublicKey>, Wrong> {
    let keys: Vec<_> = text.split(',').map(|key| public_key(key.trim())).collect::<Result<_, _>>()?;
    if keys.len() > MAX_CENTRAL_KEYS {
        return Err(Wrong(format!("must be at most {MAX_CENTRAL_KEYS} keys, and is {}", keys.len()).into()));
    }
    Ok(keys)
}

/// Which web pages may connect and read: those of some origins, or all; those of the server's own origin always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins {
    /// `None` for all.
    listed: Option<Vec<String>>,
    /// That of `PUBLIC_URL`; `None` if it is not known.
    own: Option<String>,
}

impl Origins {
    /// Every origin.
    pub const ANY: Self = Self { listed: None, own: None };

    /// Knows the server's own origin by its URL.
    #[must_use]
    pub fn with_own(self, public_url: Option<&Url>) -> Self {
        Self { own: public_url.map(|url| url.origin().ascii_serialization()), ..self }
    }

    /// Whether every page may connect.
    pub fn is_any(&self) -> bool {
        self.listed.is_none()
    }

    /// Whether a request with this `Origin` and this `Host` header may connect. A request without `Origin` comes from no
    /// web page. The server's own origin is that of its URL or, where that is not known, what the request was sent to.
    pub fn accept(&self, origin: &str, host: Option<&str>) -> bool {
        let Some(listed) = &self.listed else { return true };
        let Some(origin) = parse_origin(origin) else { return false };
        let is_own = if let Some(own) = &self.own {
            origin == *own
        } else {
            let of_host = |scheme| host.and_then(|host| parse_origin(&format!("{scheme}://{host}")));
            ["https", "http"].into_iter().any(|scheme| of_host(scheme).is_some_and(|own| own == origin))
        };
        is_own || listed.contains(&origin)
    }
}

pub(super) fn origins(text: &str) -> Result<Origins, Wrong> {
    text.split(',')
        .map(|origin| parse_origin(origin.trim()))
        .collect::<Option<Vec<_>>>()
        .map(|listed| Origins { listed: Some(listed), own: None })
        .ok_or_else(|| Wrong::must("must be origins such as `https://chat.example.org`, separated by commas"))
}

/// The origin in its normal form: scheme and host in lower case, no default port.
fn parse_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let named = url.username().is_empty() && url.password().is_none() && url.host() != Some(Host::Domain(""));
    let origin = url.origin();
    (bare && named && origin.is_tuple()).then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::super::words::LogLevel;
    use super::*;

    #[test]
    fn switches_are_those_of_the_reference() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        for text in ["", "maybe", "yes", "on", "tRUE", " true", "2"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_whole_and_within_their_range() {
        assert_eq!(whole("0", 0, 65_535), Ok(0));
        assert_eq!(whole("65535", 0, 65_535), Ok(65_535));
        for text in ["65536", "99999", "-1", "+1", "1e3", "3000.0", "0x10", " 1", "", "99999999999999999999999"] {
            assert!(whole(text, 0, 65_535).is_err(), "{text}");
        }
        assert!(whole("4", 5, 6).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let say = |text: &str| public_key(text).map_err(|wrong| wrong.to_string());
        assert_eq!(say("abc"), Err("must be 64 hexadecimal digits, and has 3 characters".into()));
        assert_eq!(say(&"z".repeat(64)), Err("must be 64 hexadecimal digits, and has other characters".into()));
        assert_eq!(say(&"0".repeat(64)), Err("must be a usable Ed25519 public key, and is none".into()));
    }

    #[test]
    fn central_may_have_four_keys() {
        let key = SigningKey::from_seed(&[1; 32]).public();
        let list = |count| vec![key.to_string(); count].join(" , ");
        assert_eq!(public_keys(&list(4)), Ok(vec![key; 4]));
        assert!(public_keys(&list(5)).is_err());
        assert!(public_keys(&format!("{key},")).is_err());
    }

    #[test]
    fn a_url_is_http_and_carries_nothing_else() {
        for text in ["http://localhost:8080", "https://central.example.org/zync/"] {
            assert!(http_url(text).is_ok(), "{text}");
        }
        for text in ["localhost:8080", "ftp://x", "https://u:p@x", "https://x?y", "https://x#y", "https://", "x y"] {
            assert!(http_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_compared_in_its_normal_form() {
        let allowed = origins("https://Chat.example.org, http://localhost:5173/").expect("two origins");
        for origin in ["https://chat.example.org", "https://chat.example.org:443", "http://localhost:5173"] {
            assert!(allowed.accept(origin, None), "{origin}");
        }
        for origin in ["http://chat.example.org", "https://chat.example.org.evil.example", "null", "", "file://"] {
            assert!(!allowed.accept(origin, Some("evil.example")), "{origin}");
        }
        assert!(Origins::ANY.accept("null", None));
        for text in ["chat.example.org", "https://x/path", "https://u@x", "data:text/html,x", "https://a,,https://b"] {
            assert!(origins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_server_s_own_origin_is_that_of_its_url_or_else_what_was_asked() {
        let listed = origins("https://chat.example.org").expect("an origin");
        for (origin, host, is_own) in [
            ("https://home.example", "home.example", true),
            ("https://home.example", "home.example:443", true),
            ("http://home.example", "home.example", true),
            ("http://home.example:3000", "HOME.example:3000", true),
            ("http://[::1]:3000", "[::1]:3000", true),
            ("https://home.example:3000", "home.example", false),
            ("https://home.example", "", false),
            ("null", "null", false),
        ] {
            assert_eq!(listed.accept(origin, Some(host)), is_own, "{origin} {host}");
        }
        let url = http_url("https://home.example/chat/").expect("a URL");
        let known = listed.with_own(Some(&url));
        assert!(known.accept("https://home.example", Some("127.0.0.1:3000")));
        assert!(known.accept("https://chat.example.org", None));
        assert!(!known.accept("http://127.0.0.1:3000", Some("127.0.0.1:3000")), "a name that was made to point here");
    }

    #[test]
    fn an_address_may_stand_in_brackets() {
        assert_eq!(address("[::1]"), address("::1"));
        for text in ["localhost", "1.2.3", "127.0.0.1:80", "[127.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_choices_are_listed() {
        let wrong = word::<LogLevel>("loud").expect_err("no level");
        assert_eq!(wrong.to_string(), "must be `trace`, `debug`, `info`, `warn` or `error`");
    }

    #[test]
    fn an_api_key_fits_into_a_header() {
        assert!(api_key("zk_live_abc.DEF-123").is_ok());
        assert!(api_key("two words").is_err());
        assert!(api_key("line\nbreak").is_err());
        assert!(api_key("schlüssel").is_err());
    }
}
