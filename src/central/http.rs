//! The HTTP client that talks to Central: impatient, suspicious of long answers, and never redirected with a key in hand.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, redirect};
use url::Url;

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
