//! The small answers of a server, its manifest and its signed head: bounded in size and in time.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

use super::cause::words;
use super::manifest::MANIFEST;
use super::patience::{Patience, is_passing, retry_after};
use super::stream::{answer_limit, refused, too_slow};
use crate::cli::CliError;

/// A manifest with many extensions has a few KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

const WRONG_SERVER: &str = "is this the URL of a Zync server?";

/// Fetches and reads a small JSON answer. A server that has none just now is asked again for as long as `patience`.
pub(super) async fn fetch<T: DeserializeOwned>(
    client: &Client,
    url: &Url,
    patience: Duration,
    what: &str,
) -> Result<T, CliError> {
    let failed = |error: reqwest::Error| {
        let hint = if error.is_connect() { "is the server running there, and its certificate good?" } else { "" };
        let failure = CliError::failed(format!("cannot read {what} from {url}: {}", words(&error)));
        if hint.is_empty() { failure } else { failure.hint(hint) }
    };
    let limit = answer_limit(patience);
    let mut patience = Patience::new(patience);
    let mut response = loop {
        let response =
            timeout(limit, client.get(url.clone()).send()).await.map_err(|_| too_slow(what))?.map_err(failed)?;
        if !is_passing(response.status()) || !patience.wait(retry_after(&response)).await {
            break response;
        }
    };
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND if url.path().ends_with(MANIFEST) => {
            let failure = CliError::failed(format!("there is no manifest at {url}: the server answered 404 Not Found"));
            return Err(failure.hint(WRONG_SERVER));
        }
        status => return Err(refused(what, status)),
    }
    let mut body = Vec::new();
    let all = async {
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CliError::failed(format!("{what} at {url} is too long to be one")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    timeout(limit, all).await.map_err(|_| too_slow(what))??;
    serde_json::from_slice(&body)
        .map_err(|error| CliError::failed(format!("what is at {url} is not {what}: {error}")).hint(WRONG_SERVER))
}
