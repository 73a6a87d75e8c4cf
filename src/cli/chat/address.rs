//! Where a server's WebSocket is, whichever of its addresses a person has at hand.

use url::Url;

use crate::cli::CliError;

/// The URL of the connection for `text`: the server's base URL (`http`, `https`, `ws` or `wss`, a path before it kept), or
/// that of `/connect` itself. A query is dropped: the token goes elsewhere.
pub(super) fn connect_url(text: &str) -> Result<Url, CliError> {
    let wrong = |why: String| CliError::usage(format!("not the address of a server: {why}")).hint(HINT);
    // Without a scheme, `localhost:3000` would be read as one.
    let spelt_out = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&spelt_out).map_err(|error| wrong(format!("{error}: `{text}`")))?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => return Err(wrong(format!("unknown scheme: `{other}`"))),
    };
    if url.set_scheme(scheme).is_err() || !url.has_host() {
        return Err(wrong(format!("no host in `{text}`")));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with("/connect") {
        let path = format!("{}/connect", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

const HINT: &str = "give its URL, as in `coms chat http://127.0.0.1:3000`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_of_a_server_leads_to_its_connect_route() {
        for (text, url) in [
            ("http://localhost:3000", "ws://localhost:3000/connect"),
            ("localhost:3000", "ws://localhost:3000/connect"),
            ("https://chat.example/", "wss://chat.example/connect"),
            ("wss://chat.example/zync/", "wss://chat.example/zync/connect"),
            ("ws://[::1]:3000/connect?token=v4.public.x#y", "ws://[::1]:3000/connect"),
        ] {
            assert_eq!(connect_url(text).expect("an address").as_str(), url);
        }
        for text in ["", "ftp://chat.example", "http://", "mailto://", "http://[::1"] {
            assert!(connect_url(text).is_err(), "{text}");
        }
    }
}
