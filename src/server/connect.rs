//! `GET /connect`: everything is checked before the upgrade.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::bearer::bearer;
use super::connection::Connection;
use super::cross_origin::is_allowed;
use super::handshakes::{HandshakePermit, ReleasedConnection};
use super::http_error::{error, error_with};
use super::shared::{Place, Shared};
use crate::central::Claims;

/// What the key is hashed with for the accept header (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks a request, in the protocol's order, and upgrades it.
pub(super) async fn connect(
    State(shared): State<Arc<Shared>>,
    Extension(permit): Extension<HandshakePermit>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    // RFC 6455, section 4.1: a GET of HTTP/1.1 or higher; and `Upgrade` means nothing in one of HTTP/1.0.
    let may_upgrade = request.method() == Method::GET && request.version() >= Version::HTTP_11;
    match admit(&shared, query.as_deref(), may_upgrade, request.headers()).await {
        Ok((claims, place, accept)) => {
            let released = permit.release();
            upgrade(request, shared, claims, (place, released), &accept)
        }
        Err(refusal) => *refusal,
    }
}

async fn admit(
    shared: &Arc<Shared>,
    query: Option<&str>,
    may_upgrade: bool,
    headers: &HeaderMap,
) -> Result<(Claims, Place, String), Box<Response>> {
    if shared.is_draining() {
        return Err(Box::new(error(StatusCode::SERVICE_UNAVAILABLE, "shutting_down")));
    }
    let token = token(query, headers).ok_or_else(|| error(StatusCode::UNAUTHORIZED, "missing_token"))?;
    let claims = shared.verify(&token).await.map_err(|why| {
        tracing::debug!(%why, "connection refused");
        error(StatusCode::UNAUTHORIZED, "invalid_token")
    })?;
    let place = shared.take_place().ok_or_else(|| error(StatusCode::SERVICE_UNAVAILABLE, "server_full"))?;
    // A page elsewhere can't send a token that it does not have; the list is for operators who want to be sure.
    if !is_allowed(shared, headers) {
        return Err(Box::new(error(StatusCode::FORBIDDEN, "origin_not_allowed")));
    }
    Ok((claims, place, accept_key(may_upgrade, headers)?))
}

/// The token of the query or, if there is none, of the `Authorization` header; `None` if that is missing or empty, too.
fn token(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let in_query = pairs.into_iter().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
    let in_header = || bearer(headers).map(str::to_owned);
    in_query.filter(|token| !token.is_empty()).or_else(in_header).filter(|token| !token.is_empty())
}

/// The accept header's value for a proper WebSocket handshake (RFC 6455, section 4.2).
fn accept_key(may_upgrade: bool, headers: &HeaderMap) -> Result<String, Box<Response>> {
    if !may_upgrade || !lists(headers, &UPGRADE, "websocket") {
        let upgrade = (UPGRADE, HeaderValue::from_static("websocket"));
        let mut refusal = error_with(StatusCode::UPGRADE_REQUIRED, "upgrade_required", upgrade);
        // `Upgrade` is about this connection, and goes with `Connection` (RFC 9110, section 7.8).
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(Box::new(refusal));
    }
    let version = (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let bad_request = || Box::new(error_with(StatusCode::BAD_REQUEST, "bad_handshake", version.clone()));
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or_else(bad_request)?;
    let is_version_13 = only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let is_nonce = BASE64.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16);
    let has_host = headers.get(HOST).is_some_and(|host| !host.is_empty());
    // What follows the head would be taken for frames.
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    if !is_version_13 || !is_nonce || !has_host || has_body || !lists(headers, &CONNECTION, "upgrade") {
        return Err(bad_request());
    }
    let mut hash = <sha1::Sha1 as sha1::Digest>::new_with_prefix(key.as_bytes());
    sha1::Digest::update(&mut hash, WEBSOCKET_GUID);
    Ok(BASE64.encode(sha1::Digest::finalize(hash)))
}

/// The value of a header that may be there once only.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether the header's comma-separated list has `token` in it, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

fn upgrade(
    mut request: Request,
    shared: Arc<Shared>,
    claims: Claims,
    (place, released): (Place, ReleasedConnection),
    accept: &str,
) -> Response {
    let (Some(on_upgrade), Ok(accept)) =
        (request.extensions_mut().remove::<OnUpgrade>(), HeaderValue::from_str(accept))
    else {
        return error(StatusCode::BAD_REQUEST, "bad_handshake");
    };
    let (connections, overdue) = (shared.connections.clone(), shared.overdue.clone());
    connections.spawn(overdue.run_until_cancelled_owned(async move {
        // The client went away before it had its answer: nothing to do.
        let Ok(upgraded) = on_upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("connection is not what it was accepted as");
            return;
        };
        tracing::debug!(user_id = %claims.user_id, "connection opened");
        Connection::run(parts.io.into_inner(), parts.read_buf, claims, shared, place).await;
        drop(released);
        tracing::debug!(user_id = %claims.user_id, "connection closed");
    }));
    let headers = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
