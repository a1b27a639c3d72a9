//! What is hidden from whoever asks, taken out of the answer on its way: its head here, its body in
//! [`crate::body::rewrite`].

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, VARY};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use super::exchange::Exchange;
use crate::body::coding::{Coding, Encoder};
use crate::body::rewrite::{Answer, Broken, Format, Readable};
use crate::controls::masking::{Masked, readable};
use crate::identity::Identity;
use crate::masking::{Escapes, Masker, Pseudonyms};
use crate::policy::file::{Compress, Mode};
use crate::request::RequestHead;
use crate::store::SessionKey;

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
    /// It is read, counted and passed on as it came; but for where it sends browsers.
    Watched(Watched),
    /// It says that it is a picture: its first bytes, held back until they say so too.
    Picture(Option<Vec<u8>>),
    /// Nothing of it may be sent any more.
    Ended,
}

/// An answer in which nothing is hidden from whoever asks.
pub struct Watched {
    /// Counts what would be hidden, while it can be read.
    counts: Option<Box<Answer>>,
    /// Names the public address instead of the app's own in a page.
    page: Option<Box<Answer>>,
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

/// Prepares the body's way out, and rewrites the head. That it can be read, the control has seen.
///
/// # Errors
/// Why nothing of it may be sent.
pub fn prepare(
    exchange: &mut Exchange,
    head: &RequestHead,
    response: &mut ResponseHeader,
    key: [u8; 32],
) -> std::result::Result<(), Broken> {
    let Some(hiding) = exchange.hiding.clone() else {
        let page = shown_page(exchange, head, response)?;
        *exchange.outgoing.get_mut() = page.map(|page| Outgoing::Watched(Watched { counts: None, page: Some(page) }));
        return Ok(());
    };
    let rewriters = || hiding.masked.rewriters.clone();
    let masker = || {
        let masker = Masker::keyed(hiding.masked.plan.clone(), Pseudonyms(key));
        // What is saved was read as one thing: lists are long, and nobody edits them.
        if head.route.thing().is_some() { masker } else { masker.forgetting() }
    };
    let read = readable(&head.method, response.status, &response.headers);
    if !hiding.enforced() {
        let counts = match read {
            Ok(Some((Readable::As(format), coding))) => {
                Answer::new(format, coding, rewriters(), masker(), None).ok().map(Box::new)
            }
            _ => None,
        };
        let page = shown_page(exchange, head, response)?;
        *exchange.outgoing.get_mut() =
            (counts.is_some() || page.is_some()).then_some(Outgoing::Watched(Watched { counts, page }));
        return Ok(());
    }
    let outgoing = match read? {
        None => None,
        Some((Readable::Picture, None)) => Some(Outgoing::Picture(Some(Vec::new()))),
        Some((Readable::As(format), coding)) => {
            let encoder = compresses(exchange, head, response.status, format);
            let (coded, encoder) = encoder.map_or((None, None), |(coding, e)| (Some(coding), Some(e)));
            let answer = Answer::new(format, coding, rewriters(), masker(), encoder)?;
            let answer = answer.naming(exchange.policy.addresses.clone());
            rewrite_head(response, coded).map_err(unwritable)?;
            Some(Outgoing::Rewritten(Box::new(answer)))
        }
        Some(_) => {
            exchange.masked_values.unread = Some("type");
            None
        }
    };
    *exchange.outgoing.get_mut() = outgoing;
    // The phrase beside the status is the app's own text, and means nothing (RFC 9112, section 4).
    response.set_reason_phrase(None).map_err(unwritable)?;
    let mut masker = Masker::keyed(hiding.masked.plan.clone(), Pseudonyms(key));
    if masker.wants_text() {
        mask_headers(response, &mut masker).map_err(unwritable)?;
        exchange.masked_values.counts = masker.counts().to_vec();
    }
    Ok(())
}

/// A page in which nothing is hidden, where the app's pages send browsers to its own address. One that came coded, or in
/// part, passes as it is.
fn shown_page(
    exchange: &Exchange,
    head: &RequestHead,
    response: &mut ResponseHeader,
) -> std::result::Result<Option<Box<Answer>>, Broken> {
    let Some(rewriters) = exchange.policy.shown_pages.as_ref().filter(|_| exchange.reads_pages()) else {
        return Ok(None);
    };
    let Ok(Some((Readable::As(format @ Format::Html { .. }), None))) =
        readable(&head.method, response.status, &response.headers)
    else {
        return Ok(None);
    };
    let encoder = compresses(exchange, head, response.status, format);
    let (coded, encoder) = encoder.map_or((None, None), |(coding, e)| (Some(coding), Some(e)));
    rewrite_head(response, coded).map_err(unwritable)?;
    if coded.is_some() {
        response.append_header(VARY, "accept-encoding").map_err(unwritable)?;
    }
    let answer = Answer::unmasked(rewriters.clone(), exchange.policy.addresses.clone(), encoder);
    Ok(Some(Box::new(answer)))
}

fn unwritable(_: Box<Error>) -> Broken {
    Broken("a header that cannot be written")
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
        let plain = || response.headers.get_all(name).iter().all(|value| masker.skips(value.as_bytes()));
        if TECHNICAL.contains(&name.as_str()) || plain() {
            continue;
        }
        let mut any = false;
        let mut values = Vec::new();
        for value in response.headers.get_all(name) {
            let mut out = Vec::new();
            masker.text(value.as_bytes(), Escapes::None, b"", &mut out);
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
            Self::Watched(watched) => {
                // What cannot be read ends the watching, not the answer.
                if watched.counts.as_mut().is_some_and(|counts| counts.write(input, end).is_err()) {
                    watched.counts = None;
                }
                match &mut watched.page {
                    Some(page) => page.write(input, end).map(|out| *body = Some(Bytes::from(out))),
                    None => Ok(()),
                }
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
            Self::Rewritten(answer) => Some(answer),
            Self::Watched(watched) => watched.counts.as_deref(),
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
