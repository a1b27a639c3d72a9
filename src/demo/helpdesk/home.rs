//! The start page, short cuts, static content and everything that does not exist.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::{Problem, found};
use super::session;

/// `GET /`: to where the visitor belongs.
pub(super) async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match session::by_cookie(&app, &headers) {
        Some(who) => found(who.home()),
        None => found("/login"),
    }
}

/// `GET /agent`.
pub(super) async fn to_agent() -> Response {
    found("/agent/")
}

/// `GET /portal`.
pub(super) async fn to_portal() -> Response {
    found("/portal/")
}

/// `GET /static/style.css`.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}

/// `GET /static/app.js`.
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("app.js"))
}

/// A file that browsers may keep for an hour.
fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, text).into_response()
}

/// Anything else.
pub(super) async fn not_found(uri: Uri) -> Problem {
    nothing_at(&uri)
}

/// The answer for an address that does not exist, as JSON in the API.
pub(super) fn nothing_at(uri: &Uri) -> Problem {
    if uri.path().starts_with("/api/") {
        Problem::json(StatusCode::NOT_FOUND, "no such address")
    } else {
        Problem::missing("page")
    }
}
