//! What is hidden from whoever asks, taken out of the answer on its way: its head here, its body in
//! [`crate::body::rewrite`].

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES,
    LAST_MODIFIED, PRAGMA, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use super::exchange::Exchange;
use crate::body::coding::{Coding, Encoder};
use crate::body::rewrite::{Answer, Broken, Format, Readable};
use crate::controls::masking::{CODING, CannotParse, Masked, TYPE};
use crate::decision::{Evidence, Reason};
use crate::identity::Identity;
use crate::masking::{Escapes, Masker, Pseudonyms};
use crate::policy::file::{Compress, Mode};
use crate::request::RequestHead;
use crate::store::SessionKey;

/// What says of a body that changes what it was before.
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

/// Headers of an app that hold no text of people.
const TECHNICAL: [&str; 12] = [
    "date",
    "server",
    "connection",
    "content-security-policy",
    "content-type",
    "content-length",
    "transfer-encoding",
    "strict-transport-security",
    "vary",
    "cache-control",
    "keep-alive",
    "content-encoding",
];

/// What is hidden from whoever asks, and whether it really is.
#[derive(Clone)]
pub struct Hiding {
    /// What is hidden.
    pub masked: Arc<Masked>,
    /// Shadow counts, and changes nothing.
    pub mode: Mode,
}

impl Hiding {
    /// Whether the app is asked for what can be read, and the answer is changed.
    pub fn enforced(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

/// The body of an answer on its way out.
pub enum Outgoing {
    /// It is rewritten.
    Rewritten(Box<Answer>),
    /// It is read, counted and passed on as it came.
    Watched(Box<Answer>),
    /// It says that it is a picture: its first bytes, held back until they say so too.
    Picture(Option<Vec<u8>>),
    /// Nothing of it may be sent any more.
    Ended,
}

/// What was masked, for the record.
#[derive(Default)]
pub struct MaskedValues {
    /// By field.
    pub counts: Vec<u32>,
    /// An answer that passed unread, and why.
    pub unread: Option<&'static str>,
}

impl MaskedValues {
    /// Adds what was masked elsewhere in the same answer.
    pub fn add(&mut self, counts: &[u32]) {
        self.counts.resize(self.counts.len().max(counts.len()), 0);
        self.counts.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
    }
}

/// The key under which is kept what somebody was shown; visitors have none.
pub fn shown_to(head: &RequestHead) -> Option<SessionKey> {
    match &head.identity {
        Identity::Session { key, .. } => Some(*key),
        Identity::Program { key: Some(name), .. } => Some(SessionKey::of("api_key", name.as_bytes())),
        _ => None,
    }
}

/// Prepares the body's way out, and rewrites the head.
///
/// # Errors
/// Why the answer cannot be looked into.
pub fn prepare(
    exchange: &mut Exchange,
    head: &RequestHead,
    response: &mut ResponseHeader,
    key: [u8; 32],
) -> std::result::Result<(), (&'static Reason, Evidence)> {
    let Some(hiding) = exchange.hiding.clone() else { return Ok(()) };
    let masker = Masker::keyed(hiding.masked.plan.clone(), Pseudonyms(key));
    let read = read_as(head, response);
    if !hiding.enforced() {
        *exchange.outgoing.get_mut() = match read {
            Ok(Some((Readable::As(format), coding))) => {
                Answer::new(format, coding, masker, None).ok().map(|a| Outgoing::Watched(Box::new(a)))
            }
            _ => None,
        };
        return Ok(());
    }
    let outgoing = match read {
        Err(how) => return Err((CODING, Evidence::Unreadable(how))),
        Ok(None) => None,
        Ok(Some((Readable::Picture, None))) => Some(Outgoing::Picture(Some(Vec::new()))),
        Ok(Some((Readable::As(format), coding))) => {
            let encoder = compresses(exchange, head, response.status, format);
            let broken = |Broken(how)| (CODING, Evidence::Unreadable(how));
            let (coded, encoder) = encoder.map_or((None, None), |(coding, e)| (Some(coding), Some(e)));
            let answer = Answer::new(format, coding, masker, encoder).map_err(broken)?;
            rewrite_head(response, coded).map_err(|_| (CODING, Evidence::None))?;
            Some(Outgoing::Rewritten(Box::new(answer)))
        }
        Ok(Some(_)) if hiding.masked.cannot_parse == CannotParse::PassAndFlag => {
            exchange.masked_values.unread = Some("type");
            None
        }
        Ok(Some(_)) => return Err((TYPE, Evidence::None)),
    };
    *exchange.outgoing.get_mut() = outgoing;
    for name in &OF_THE_ORIGINAL {
        response.remove_header(name);
    }
    if head.method == Method::HEAD {
        // The length of what is not sent would tell about what is hidden.
        response.remove_header(&CONTENT_LENGTH);
    }
    let mut masker = Masker::keyed(hiding.masked.plan.clone(), Pseudonyms(key));
    mask_headers(response, &mut masker).map_err(|_| (CODING, Evidence::None))?;
    exchange.masked_values.counts = masker.counts().to_vec();
    let private = HeaderValue::from_static("private, no-store");
    response.insert_header(CACHE_CONTROL, private).map_err(|_| (CODING, Evidence::None))?;
    Ok(())
}

type Read = std::result::Result<Option<(Readable, Option<Coding>)>, &'static str>;

/// How the body of an answer can be read; `None` when it has none.
fn read_as(head: &RequestHead, response: &ResponseHeader) -> Read {
    if response.status == StatusCode::PARTIAL_CONTENT
        || response.status == StatusCode::IM_USED
        || response.headers.contains_key(CONTENT_RANGE)
    {
        return Err("a part of an answer");
    }
    let one = |name: HeaderName| {
        let mut all = response.headers.get_all(name).iter();
        match (all.next().map(HeaderValue::to_str), all.next()) {
            (None, _) => Some(""),
            (Some(Ok(value)), None) => Some(value),
            _ => None,
        }
    };
    let empty = head.method == Method::HEAD
        || response.status == StatusCode::NO_CONTENT
        || response.status == StatusCode::NOT_MODIFIED
        || response.headers.get(CONTENT_LENGTH).is_some_and(|l| l == "0");
    if empty {
        return Ok(None);
    }
    let coding = one(CONTENT_ENCODING).and_then(|c| Coding::of(c).ok()).ok_or("a coding that is not known")?;
    let content_type = one(CONTENT_TYPE).ok_or("two types")?;
    if content_type.is_empty() && response.status.is_redirection() {
        return Ok(Some((Readable::As(Format::Text), coding)));
    }
    Ok(Some((Readable::of(content_type), coding)))
}

fn rewrite_head(response: &mut ResponseHeader, coded: Option<Coding>) -> Result<()> {
    response.remove_header(&CONTENT_LENGTH);
    response.remove_header(&CONTENT_ENCODING);
    if let Some(coding) = coded {
        response.insert_header(CONTENT_ENCODING, coding.as_str())?;
    }
    response.insert_header(TRANSFER_ENCODING, "chunked")
}

/// Masks what headers say: where a link leads, what a file is called.
fn mask_headers(response: &mut ResponseHeader, masker: &mut Masker) -> Result<()> {
    let mut changed: Vec<(HeaderName, Vec<HeaderValue>)> = Vec::new();
    for name in response.headers.keys() {
        if TECHNICAL.contains(&name.as_str()) {
            continue;
        }
        let mut any = false;
        let mut values = Vec::new();
        for value in response.headers.get_all(name) {
            let mut out = Vec::new();
            masker.text(value.as_bytes(), Escapes::None, "", &mut out);
            any |= out != value.as_bytes();
            let wrong = |_| Error::explain(ErrorType::HTTPStatus(502), "a header that cannot be masked");
            values.push(HeaderValue::from_bytes(&out).map_err(wrong)?);
        }
        if any {
            changed.push((name.clone(), values));
        }
    }
    for (name, values) in changed {
        response.remove_header(&name);
        for value in values {
            response.append_header(name.clone(), value)?;
        }
    }
    Ok(())
}

/// An encoder for the client, where coding tells nobody anything: an answer into which nothing of the request is
/// written. Who could write into a page and see how long it becomes could guess what else is in it (BREACH).
fn compresses(
    exchange: &Exchange,
    head: &RequestHead,
    status: StatusCode,
    format: Format,
) -> Option<(Coding, Encoder)> {
    let reflects = head.method != Method::GET
        || status != StatusCode::OK
        || !head.route.known
        || exchange.target.as_ref().is_none_or(|t| t.query.is_some());
    if reflects || format == Format::Events || exchange.policy.answers.compress == Compress::Never {
        return None;
    }
    Encoder::accepted(exchange.accepts.as_deref()?)
}

impl Outgoing {
    /// A piece of the body, and whether it was the last. What is left in `body` can be sent.
    ///
    /// # Errors
    /// When nothing more may be sent.
    pub fn pass(&mut self, body: &mut Option<Bytes>, end: bool) -> std::result::Result<(), Broken> {
        let input = body.as_deref().unwrap_or_default();
        let passed = match self {
            Self::Rewritten(answer) => answer.write(input, end).map(|out| *body = Some(Bytes::from(out))),
            Self::Watched(answer) => {
                // What cannot be read ends the watching, not the answer.
                if answer.write(input, end).is_err() {
                    *self = Self::Ended;
                }
                return Ok(());
            }
            Self::Picture(first) => check_picture(first, body, end),
            Self::Ended => Err(Broken("ended")),
        };
        if passed.is_err() {
            *self = Self::Ended;
            *body = None;
        }
        passed
    }

    /// What was rewritten.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Rewritten(answer) | Self::Watched(answer) => Some(answer),
            _ => None,
        }
    }
}

/// How many bytes tell what a picture is.
const TELLING: usize = 32;

/// Holds the first bytes back until they tell that it is one.
fn check_picture(held: &mut Option<Vec<u8>>, body: &mut Option<Bytes>, end: bool) -> std::result::Result<(), Broken> {
    let Some(mut first) = held.take() else { return Ok(()) };
    first.extend_from_slice(&body.take().unwrap_or_default());
    if first.len() < TELLING && !end {
        *held = Some(first);
        return Ok(());
    }
    if !first.is_empty() {
        known_picture(&first)?;
    }
    *body = Some(first.into());
    Ok(())
}

fn known_picture(first: &[u8]) -> std::result::Result<(), Broken> {
    use infer::MatcherType::{Audio, Font, Image, Video};
    let known = infer::get(first).is_some_and(|kind| matches!(kind.matcher_type(), Audio | Font | Image | Video));
    if known { Ok(()) } else { Err(Broken("a picture that is none")) }
}
