//! Refusals over HTTP: a status and one stable word in JSON.

use std::future::{Ready, ready};

use axum::Json;
use axum::extract::Request;
use axum::http::header::{ALLOW, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use serde_json::json;

use super::cross_origin::preflight;

/// What a route that only answers lets in. HEAD is answered as GET is, without the body.
const GET: &str = "GET, HEAD, OPTIONS";

/// A refusal: a status, and `{"error": word}`.
pub(super) fn error(status: StatusCode, word: &'static str) -> Response {
    (status, Json(json!({ "error": word }))).into_response()
}

/// A refusal with a header.
pub(super) fn error_with(status: StatusCode, word: &'static str, header: (HeaderName, HeaderValue)) -> Response {
    (status, [header], Json(json!({ "error": word }))).into_response()
}

/// Lets in GET, HEAD and OPTIONS, and refuses every other method.
pub(super) fn only_get<S: Clone + Send + Sync + 'static>(route: MethodRouter<S>) -> MethodRouter<S> {
    route.options(|| ready(preflight(GET))).fallback(|| not_allowed(GET))
}

/// 405, with what is allowed.
pub(super) fn not_allowed(allowed: &'static str) -> Ready<Response> {
    ready(error_with(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", (ALLOW, HeaderValue::from_static(allowed))))
}

/// Refuses a request whose `Host` is not as RFC 9112, section 3.2, has it: one, and from HTTP/1.1 on never none.
pub(super) async fn require_host(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if is_valid { next.run(request).await } else { error(StatusCode::BAD_REQUEST, "bad_request") }
}

/// Whether this is a host, perhaps with a port. It is empty where the client has none.
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_user_and_no_path() {
        for host in ["", "example.org", "example.org:3000", "127.0.0.1:80", "[::1]:80", "a_b.example"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a@b", "a/b", "a b", "http://a", "[::1", "a:b:c"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
