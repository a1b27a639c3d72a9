//! Which bodies are read before the app hears of the request, and what is made of them.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, Method};
use pingora_proxy::Session;

use super::body::{self, Refused, Unread, no_room};
use super::budget::{Exhausted, Held};
use super::exchange::{Exchange, Inspected};
use super::spool::{Room, Spool};
use crate::body::multipart::FilePart;
use crate::body::{Body, Parsed, Unreadable, embedded};
use crate::decision::{Evidence, protocol};
use crate::identity::Login;
use crate::mail::message;
use crate::policy::Policy;
use crate::route::{Candidates, Matched};
use crate::upload::{self, FileFacts};

/// Up to this size, a body is parsed and judged on the thread that serves the connection; with a
/// larger one that would hold up everybody on it.
const AT_ONCE: usize = 64 << 10;

/// What came in.
#[derive(Default)]
pub struct Incoming {
    /// What the body says.
    pub body: Option<Body>,
    /// The files in it.
    pub files: Vec<FilePart>,
}

/// Reads the body where somebody judges it, or where the app could not read it as it came.
///
/// # Errors
/// Why it is refused, or that nobody is there any more.
pub async fn take_in(
    session: &mut Session,
    room: &Room,
    policy: &Policy,
    exchange: &mut Exchange,
    candidates: &Candidates<'_>,
) -> Result<Incoming, Unread> {
    if !has_body(session) {
        return Ok(Incoming::default());
    }
    let request = session.req_header();
    let method = &request.method;
    let raw = policy.inspects_files && candidates.takes_file(method);
    let files = policy.inspects_files && may_hold_files(&request.headers);
    let known = raw || files || candidates.needs_body(method, |realm, login| login_reads_body(policy, realm, login));
    let buffers = policy.quirks.needs_content_length && !request.headers.contains_key(CONTENT_LENGTH);
    if !known && !buffers {
        return Ok(Incoming::default());
    }
    let content_type = content_type(&request.headers).to_owned();
    let (limits, client) = (&policy.limits, exchange.client());
    let reading = body::read(session, room, client, limits.inspected_body.0, limits.body_timeout.0);
    let (bytes, memory) = Box::pin(reading).await?;
    if bytes.is_empty() {
        return Ok(Incoming::default());
    }
    if raw && is_form(&content_type) {
        // What an app would read as a form is not judged as a file.
        return Err((protocol::BODY_TYPE, Evidence::None).into());
    }
    exchange.untyped_file = raw && content_type.is_empty();
    if raw || !known {
        let body = raw.then(|| Body::File(bytes.clone()));
        exchange.body = Some(Inspected { canonical: bytes, held: vec![memory] });
        return Ok(Incoming { body, files: Vec::new() });
    }
    let (length, own) = (bytes.len(), room.clone());
    let (incoming, inspected) =
        by_size(room, length, move || read(&content_type, bytes, memory, &own, client, files)).await??;
    exchange.body = Some(inspected);
    Ok(incoming)
}

/// Judges what the files are, now that the route is known; those in mails too, if anybody asks.
///
/// # Errors
/// When they cannot be judged.
pub async fn inspect(
    session: &Session,
    room: &Room,
    exchange: &mut Exchange,
    incoming: Incoming,
    (matched, inspects): (&mut Matched, bool),
) -> Result<(Vec<FileFacts>, Vec<FilePart>), Refused> {
    let mut files = incoming.files;
    let method = &session.req_header().method;
    let content = match &incoming.body {
        Some(Body::File(content)) => Some(content.clone()),
        // An empty file is one all the same.
        None if inspects && matches!(*method, Method::PUT | Method::POST | Method::PATCH) => {
            matched.file_name.is_some().then(Bytes::new)
        }
        _ => None,
    };
    if incoming.body.is_some() {
        content_type(&session.req_header().headers).clone_into(&mut exchange.body_type);
        exchange.parsed = incoming.body;
    }
    if let Some(content) = content {
        // A route that would take the body as something else than a file cannot have it judged.
        let name = matched.file_name.take().ok_or((protocol::BODY_TYPE, Evidence::None))?;
        let declared = Some(content_type(&session.req_header().headers).to_owned()).filter(|t| !t.is_empty());
        files.push(FilePart { field: String::new(), name: name.into(), declared, content });
    }
    let mails = if inspects { std::mem::take(&mut matched.mails) } else { Vec::new() };
    if files.is_empty() && mails.is_empty() {
        return Ok((Vec::new(), files));
    }
    let length = mails.iter().map(|m| m.len()).sum::<usize>() + files.iter().map(|f| f.content.len()).sum::<usize>();
    by_size(room, length, move || {
        for mail in &mails {
            files.extend(message::files(mail).map_err(|how| (protocol::BODY, Evidence::Unreadable(how)))?);
        }
        // What is judged, scanned and recorded goes side by side from here on.
        files.retain(|f| !f.is_nothing());
        Ok((upload::inspect(&files), files))
    })
    .await?
}

/// Reads what its route had no need to read: whoever sends it may send what was hidden from them.
///
/// # Errors
/// Why it is refused, or that nobody is there any more.
pub async fn take_in_the_rest(session: &mut Session, room: &Room, exchange: &mut Exchange) -> Result<(), Unread> {
    if exchange.parsed.is_some() || !has_body(session) {
        return Ok(());
    }
    let client = exchange.client();
    let inspected = if let Some(inspected) = exchange.body.take() {
        inspected
    } else {
        let limits = &exchange.policy.limits;
        let reading = body::read(session, room, client, limits.inspected_body.0, limits.body_timeout.0);
        let (canonical, memory) = Box::pin(reading).await?;
        Inspected { canonical, held: vec![memory] }
    };
    content_type(&session.req_header().headers).clone_into(&mut exchange.body_type);
    if !is_parsed(&exchange.body_type) {
        exchange.parsed = Some(Body::File(inspected.canonical.clone()));
        exchange.body = Some(inspected);
        return Ok(());
    }
    let Inspected { canonical, mut held } = inspected;
    let (kind, length, own) = (exchange.body_type.clone(), canonical.len(), room.clone());
    let Some(memory) = held.pop() else { return Ok(()) };
    let (incoming, mut inspected) =
        by_size(room, length, move || read(&kind, canonical, memory, &own, client, false)).await??;
    inspected.held.append(&mut held);
    exchange.parsed = incoming.body;
    exchange.files = incoming.files;
    exchange.body = Some(inspected);
    Ok(())
}

/// Parses a body, and puts its canonical form in its place.
fn read(
    content_type: &str,
    bytes: Bytes,
    mut memory: Held,
    room: &Room,
    client: IpAddr,
    files: bool,
) -> Result<(Incoming, Inspected), Refused> {
    let mut exhausted = Exhausted::ByOthers;
    let mut afford = |more| memory.add(more).map_err(|why| exhausted = why).is_ok();
    let parsed = crate::body::parse(content_type, bytes, &mut afford);
    let Parsed { body, files: mut parts, canonical } = parsed.map_err(|unreadable| match unreadable {
        Unreadable::Type => (protocol::BODY_TYPE, Evidence::None),
        Unreadable::Malformed(how) => (protocol::BODY, Evidence::Unreadable(how)),
        Unreadable::Memory => no_room(exhausted.into()),
    })?;
    if files {
        parts.extend(embedded::files(&body));
    }
    let inspected = match &canonical[..] {
        [canonical] => Inspected { canonical: canonical.clone(), held: vec![memory] },
        pieces => {
            let (canonical, written) = Spool::rewrite(room, client, pieces).map_err(no_room)?;
            Inspected { canonical, held: vec![memory, written] }
        }
    };
    Ok((Incoming { body: Some(body), files: parts }, inspected))
}

/// Writes the body again after its fields were changed.
///
/// # Errors
/// When there is no room for it.
pub async fn rewrite(room: &Room, exchange: &mut Exchange, client: IpAddr, body: Body) -> Result<(), Refused> {
    let Some(inspected) = &mut exchange.body else { return Ok(()) };
    let (kind, raw, own) = (exchange.body_type.clone(), inspected.canonical.clone(), room.clone());
    let pieces = move || {
        let odd = |_| (protocol::BODY, Evidence::Unreadable("a form that cannot be written again"));
        let pieces = match body {
            Body::Form(fields) => crate::body::rewrite(&kind, &raw, &fields).map_err(odd)?,
            Body::Json(value) => vec![crate::body::json::rewrite(&raw, &value).map_err(odd)?.into()],
            Body::File(_) => return Err((protocol::BODY, Evidence::Unreadable("a file that would be changed"))),
        };
        Spool::rewrite(&own, client, &pieces).map_err(no_room)
    };
    let (canonical, written) = by_size(room, inspected.canonical.len(), pieces).await??;
    inspected.canonical = canonical;
    inspected.held.push(written);
    Ok(())
}

/// Does work that takes time in the order of `length`.
async fn by_size<T: Send + 'static>(
    room: &Room,
    length: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    if length <= AT_ONCE {
        return Ok(work());
    }
    let stopped = |_| (protocol::BODY, Evidence::Unreadable("a body that stopped its inspection"));
    room.run(work).await.map_err(stopped)
}

fn has_body(session: &Session) -> bool {
    let request = session.req_header();
    let declared = request.headers.get(CONTENT_LENGTH);
    // HTTP/2 needs no header to send a body.
    let unannounced = session.as_downstream().is_http2()
        && declared.is_none()
        && !matches!(request.method, Method::GET | Method::HEAD);
    request.headers.contains_key(TRANSFER_ENCODING) || declared.is_some_and(|l| l != "0") || unannounced
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("multipart/") || essence == "application/x-www-form-urlencoded"
}

/// Whether a body of this type is one of those that [`crate::body::parse`] reads.
fn is_parsed(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    is_form(content_type) || essence == "application/json" || essence.ends_with("+json")
}

/// Whether a body of this type may hold files.
fn may_hold_files(headers: &HeaderMap) -> bool {
    let content_type = content_type(headers).to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    content_type.contains("multipart")
        || matches!(essence, "application/json" | "application/x-www-form-urlencoded")
        || essence.ends_with("+json")
}

fn login_reads_body(policy: &Policy, realm: usize, login: usize) -> bool {
    policy.realms.get(realm).and_then(|r| r.logins.get(login)).is_some_and(Login::reads_body)
}
