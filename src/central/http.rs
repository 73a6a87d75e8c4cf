//! The HTTP client that talks to Central: impatient, suspicious of long answers, and never redirected with a key in hand.

use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, StatusCode, redirect};
use url::Url;

use crate::printable::Untrusted;
use crate::time::Timestamp;

/// How long one request may take, its answer included (PROTOCOL.md section 6).
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes (PROTOCOL.md section 6).
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client for `url`, without redirects (they would carry the API key elsewhere), with a limit of ten seconds per request.
///
/// A proxy that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) is used for `https` alone, where it passes on
/// what it can't read. In plain HTTP it would get the API key or a token itself.
///
/// On a system without certificate authorities it still speaks plain HTTP, as to a Central on the same machine.
pub fn client(url: &Url) -> Result<Client, reqwest::Error> {
    install_tls();
    builder(url).build().or_else(|_| builder(url).tls_certs_only([]).build())
}

fn builder(url: &Url) -> ClientBuilder {
    let builder = if url.scheme() == "https" { Client::builder() } else { Client::builder().no_proxy() };
    builder
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT)
        .user_agent(concat!("coms/", env!("CARGO_PKG_VERSION")))
        .no_gzip()
        .no_zstd()
}

/// Chooses AWS-LC for all of the program's TLS. The first call decides; later ones do nothing.
pub fn install_tls() {
    // An error says that a provider is installed, which is what is wanted.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}

/// The longest pause that a `Retry-After` of Central gets (PROTOCOL.md section 6).
pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(10);

/// The longest part of a redirect's target that is shown, in characters.
const MAX_TARGET_CHARS: usize = 200;

/// Whether an answer means that the server itself is away or overloaded, and may be asked again later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// How long `Retry-After` asks to wait from `now` on, as seconds or as a date (RFC 9110 section 10.2.3). `None` if there is
/// none that can be read.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer than anybody waits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_millis(now.unix_ms())))
}

/// Where a redirect points to, without a user's name, password or query in it.
pub(super) fn redirect_target(response: &Response) -> Option<Untrusted> {
    let text = String::from_utf8_lossy(response.headers().get(LOCATION)?.as_bytes()).into_owned();
    let mut target = match response.url().join(&text) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // Only a URL that can't have them refuses.
            url.set_username("").and_then(|()| url.set_password(None)).ok();
            url.to_string()
        }
        Err(_) => text,
    };
    if let Some((end, _)) = target.char_indices().nth(MAX_TARGET_CHARS) {
        target.truncate(end);
        target.push('…');
    }
    Some(target.into())
}

/// Why an answer was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The connection failed on the way.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// It went on after 64 KiB.
    #[error("answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// The body of `response`.
pub(super) async fn bounded_body(mut response: Response) -> Result<Vec<u8>, AnswerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(AnswerError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
        let now = Timestamp::from_unix_ms(784_111_777_000);
        let wait = |text: &str| {
            let headers = [(RETRY_AFTER, text.parse().expect("a value"))].into_iter().collect();
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(wait(text), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
