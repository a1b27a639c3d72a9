//! Opening attachments: whoever has the link can.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use percent_encoding::utf8_percent_encode;

use super::App;
use super::data::StoredFile;
use super::problem::{PLAIN, Problem};

/// `GET /files/{token}/{name}`.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let file = app.store.lock().file(&token).cloned();
    let file = file.filter(|f| f.name == name);
    let file = file.ok_or_else(|| Problem::missing("file"))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (CONTENT_DISPOSITION, disposition("inline", &file.name)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, Body::from(file.bytes)).into_response())
}

/// The link to a file.
pub(super) fn link(file: &StoredFile) -> String {
    format!("/files/{}/{}", file.token, utf8_percent_encode(&file.name, PLAIN))
}

/// A `Content-Disposition` value naming the file, in plain and in full.
pub(super) fn disposition(how: &str, name: &str) -> HeaderValue {
    let plain: String = name.chars().map(plain_char).collect();
    let full = utf8_percent_encode(name, PLAIN);
    HeaderValue::from_str(&format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{full}"))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

/// The character itself where it can stand between quotes, else an underscore.
fn plain_char(c: char) -> char {
    if (c.is_ascii_graphic() && !matches!(c, '"' | '\\')) || c == ' ' { c } else { '_' }
}
