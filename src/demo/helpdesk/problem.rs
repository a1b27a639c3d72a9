//! What goes wrong, and how it is told: pages get a page or a redirect, programs get JSON.

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use maud::html;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::layout;

/// Characters kept as they are in a query value or a path segment.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Like [`PLAIN`], with slashes left readable.
const PLAIN_PATH: &AsciiSet = &PLAIN.remove(b'/');

/// A request that cannot be answered as asked.
pub(super) enum Problem {
    /// Nobody is signed in; come back to this path afterwards.
    SignIn(String),
    /// A page that says why.
    Page(StatusCode, String),
    /// JSON that says why.
    Json(StatusCode, String),
}

impl Problem {
    /// A page saying the visitor may not do this.
    pub(super) fn forbidden() -> Self {
        let why = "You may not open this page with your account.";
        Self::Page(StatusCode::FORBIDDEN, why.into())
    }

    /// A page saying there is no such thing.
    pub(super) fn missing(what: &str) -> Self {
        Self::Page(StatusCode::NOT_FOUND, format!("There is no such {what} here."))
    }

    /// A page saying what to correct.
    pub(super) fn bad(why: &str) -> Self {
        Self::Page(StatusCode::BAD_REQUEST, why.into())
    }

    /// A page saying that something broke.
    pub(super) fn broken() -> Self {
        let why = "Something went wrong. Please try again.";
        Self::Page(StatusCode::INTERNAL_SERVER_ERROR, why.into())
    }

    /// JSON with this status and message.
    pub(super) fn json(status: StatusCode, why: &str) -> Self {
        Self::Json(status, why.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(next) => found(&format!("/login?next={}", utf8_percent_encode(&next, PLAIN_PATH))),
            Self::Page(status, why) => {
                let body = html! {
                    p.notice { (why) }
                    p { a href="/" { "Back to the start" } }
                };
                layout::page(status, layout::title_of(status), None, &body)
            }
            Self::Json(status, why) => (status, axum::Json(serde_json::json!({ "error": why }))).into_response(),
        }
    }
}

/// A 302 to `location`, or to the start page when that is no valid header value.
pub(super) fn found(location: &str) -> Response {
    let value = HeaderValue::from_str(location).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::FOUND, [(LOCATION, value)]).into_response()
}
