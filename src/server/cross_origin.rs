//! What web pages of other origins may read (CORS, as PROTOCOL.md section 1 has it), and who may be asked for it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::shared::Shared;

/// For how many seconds a browser need not ask again.
const PREFLIGHT_MAX_AGE: &str = "600";

/// Lets pages of the allowed origins read the response, whatever it is. Never with credentials: a token is sent by a page
/// that has it, not by the browser on its own.
pub(super) async fn allow_origins(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let allowed = allowed_origin(&shared, request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !shared.profile.allowed_origins.is_any() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after, www-authenticate"));
    }
    response
}

/// The value of `Access-Control-Allow-Origin`; `None` if no page, or not this one, may read the response.
fn allowed_origin(shared: &Shared, headers: &HeaderMap) -> Option<HeaderValue> {
    if shared.profile.allowed_origins.is_any() {
        return Some(HeaderValue::from_static("*"));
    }
    let origin = headers.get(ORIGIN)?;
    is_allowed(shared, headers).then(|| origin.clone())
}

/// Whether the page that sends the request may. A request without `Origin` comes from no web page.
pub(super) fn is_allowed(shared: &Shared, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| shared.profile.allowed_origins.accept(origin, host)),
        (Some(_), Some(_)) => shared.profile.allowed_origins.is_any(),
    }
}

/// The answer to OPTIONS, which browsers send before some requests.
pub(super) fn preflight(methods: &'static str) -> Response {
    let headers = [
        (ALLOW, methods),
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, headers.map(|(name, value)| (name, HeaderValue::from_static(value)))).into_response()
}
