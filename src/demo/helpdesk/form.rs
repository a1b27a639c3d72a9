//! Reading submitted forms, urlencoded or multipart.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Form, FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;

use super::limits;
use super::problem::Problem;

/// A file that came with a form.
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) bytes: Bytes,
}

/// A submitted form.
#[derive(Default)]
pub(super) struct Posted {
    fields: Vec<(String, String)>,
    pub(super) files: Vec<Upload>,
}

impl Posted {
    /// The field's text, when it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(n, _)| n == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The field's text, empty when it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The field's text, which must not be blank.
    pub(super) fn required(&self, name: &str, why: &str) -> Result<String, Problem> {
        let text = limits::cut(self.text(name), limits::TEXT);
        if text.is_empty() { Err(Problem::bad(why)) } else { Ok(text) }
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|k| k.to_str().ok()).unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/form-data") {
            read_multipart(request, state).await
        } else if kind.is_empty() {
            Ok(Self::default())
        } else {
            let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
            let Form(fields) = form.map_err(|e| refused(e.into_response().status()))?;
            Ok(Self { fields, files: Vec::new() })
        }
    }
}

/// Reads all parts of a multipart form.
async fn read_multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Posted, Problem> {
    let parts = Multipart::from_request(request, state).await;
    let mut parts = parts.map_err(|e| refused(e.status()))?;
    let mut posted = Posted::default();
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        read_part(&mut posted, part).await?;
    }
    Ok(posted)
}

/// Adds one part to the form. A file input left empty adds nothing.
async fn read_part(posted: &mut Posted, part: Field<'_>) -> Result<(), Problem> {
    let field = part.name().unwrap_or_default().to_owned();
    let Some(name) = part.file_name().map(clean_name) else {
        let value = part.text().await.map_err(unreadable)?;
        posted.fields.push((field, value));
        return Ok(());
    };
    let bytes = part.bytes().await.map_err(unreadable)?;
    if !bytes.is_empty() {
        posted.files.push(Upload { name, bytes });
    }
    Ok(())
}

/// A file name without folders and control characters.
fn clean_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control()).collect();
    let name = limits::cut(&kept, 120);
    if name.is_empty() || name == "." || name == ".." { "file".into() } else { name }
}

/// The problem for a part that could not be read.
fn unreadable(error: MultipartError) -> Problem {
    refused(error.status())
}

/// The problem for a form that could not be read.
fn refused(status: StatusCode) -> Problem {
    let why = if status == StatusCode::PAYLOAD_TOO_LARGE {
        "That is too large. Please send at most 25 MB."
    } else {
        "The form could not be read."
    };
    Problem::Page(status, why.into())
}
