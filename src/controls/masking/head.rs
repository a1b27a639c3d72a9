//! The head of an answer in which something is hidden: whether its body can be read at all, and what is said of the
//! body that is not true of the changed one.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES,
    LAST_MODIFIED, PRAGMA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{CODING, CannotParse, Masked, TYPE};
use crate::body::coding::Coding;
use crate::body::rewrite::{Broken, Format, Readable};
use crate::controls::{HeaderEdit, ResponseHead};
use crate::decision::{Denial, Evidence, Verdict};
use crate::policy::profile::Class;
use crate::request::RequestHead;

/// What says of a body what it was before it was changed, or lets it be kept.
const OF_THE_ORIGINAL: [HeaderName; 9] = [
    ETAG,
    LAST_MODIFIED,
    ACCEPT_RANGES,
    EXPIRES,
    PRAGMA,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// How the body of an answer can be read; `None` when it has none.
///
/// # Errors
/// When it is coded or cut so that it cannot be.
pub fn readable(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<(Readable, Option<Coding>)>, Broken> {
    if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED) || headers.contains_key(CONTENT_RANGE) {
        return Err(Broken("a part of an answer"));
    }
    if status.is_informational() {
        return Err(Broken("an answer before the answer"));
    }
    let empty = *method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || headers.get(CONTENT_LENGTH).is_some_and(|l| l == "0");
    if empty {
        return Ok(None);
    }
    let coding = Coding::of(one(headers, CONTENT_ENCODING).ok_or(Broken("several codings"))?)?;
    let content_type = one(headers, CONTENT_TYPE).ok_or(Broken("several types"))?;
    if content_type.is_empty() && status.is_redirection() {
        return Ok(Some((Readable::As(Format::Text), coding)));
    }
    Ok(Some((Readable::of(content_type), coding)))
}

/// The one value of a header, or nothing; `None` when there are several, or one that is no text.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    match (all.next().map(HeaderValue::to_str), all.next()) {
        (None, _) => Some(""),
        (Some(Ok(value)), None) => Some(value),
        _ => None,
    }
}

pub(super) fn decide(masked: &Masked, request: &RequestHead, response: &mut ResponseHead<'_>) -> Verdict {
    let is_file = request.route.is(Class::Media) && !masked.files_too;
    let blocks = masked.cannot_parse == CannotParse::Block && !is_file;
    match readable(&request.method, response.status, response.headers) {
        Err(Broken(how)) => {
            return Denial { evidence: Evidence::Unreadable(how), ..masked.refuses(CODING) }.into();
        }
        Ok(Some((Readable::No, _) | (Readable::Picture, Some(_)))) if blocks => {
            return masked.refuses(TYPE).into();
        }
        Ok(_) => {}
    }
    response.edits.extend(OF_THE_ORIGINAL.map(HeaderEdit::Remove));
    if request.method == Method::HEAD {
        // The length of what is not sent would tell about what is hidden.
        response.edits.push(HeaderEdit::Remove(CONTENT_LENGTH));
    }
    response.edits.push(HeaderEdit::Set(CACHE_CONTROL, HeaderValue::from_static("private, no-store")));
    Verdict::Allow
}
