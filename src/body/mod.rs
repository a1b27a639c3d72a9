//! Request bodies, parsed once and strictly: one reading or a refusal. What is forwarded is the
//! canonical form of what was read, so that no app can read anything else.

pub mod chunked;
pub mod coding;
pub mod embedded;
pub mod json;
pub mod multipart;
pub mod rewrite;
pub mod urlencoded;
pub mod websocket;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// Name and value pairs in the order they came: a query or a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// Every value of `name`, in which one `*` stands for any text. Apps read lists and objects from
    /// names such as `name[]` and `name[key]`: they count as well.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| is_called(n, name)).map(|(_, v)| v.as_str())
    }
}

/// Whether apps read the field `field` as `name`, in which one `*` stands for any text.
#[must_use]
pub fn is_called(field: &str, name: &str) -> bool {
    match name.split_once('*') {
        None => field == name || is_inside(field, name),
        Some((start, end)) => {
            field.len() >= start.len() + end.len() && field.starts_with(start) && field.ends_with(end)
        }
    }
}

impl Fields {
    /// Every value of `name`, to be changed.
    pub fn all_mut<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut String> {
        self.0.iter_mut().filter(move |(n, _)| n == name || is_inside(n, name)).map(|(_, v)| v)
    }
}

/// Whether some apps read the field `field` as `name` or as a piece of it: they take brackets and blanks
/// off the front, and write `_` for a dot or a blank.
fn is_inside(field: &str, name: &str) -> bool {
    let mut found = pieces(field);
    let alike = |a: u8, b: u8| a == b || [a, b].iter().all(|c| b"_. [".contains(c));
    let same = |a: &str, b: &str| a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| alike(a, b));
    field.contains(['[', ']', '.', ' ']) && pieces(name).all(|piece| found.next().is_some_and(|f| same(f, piece)))
}

/// `a`, `b` and `c` of `a[b][c]`.
fn pieces(name: &str) -> impl Iterator<Item = &str> {
    let nests = name.contains(']');
    name.trim_start_matches([' ', '[', ']']).split(move |c| nests && matches!(c, '[' | ']')).filter(|p| !p.is_empty())
}

/// A request body that was read and understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A form, urlencoded or multipart.
    Form(Fields),
    /// A JSON document.
    Json(serde_json::Value),
    /// A file, sent as it is.
    File(Bytes),
}

/// A body and the bytes that stand for it upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub body: Body,
    /// The files that a form holds.
    pub files: Vec<multipart::FilePart>,
    /// What is forwarded, in pieces.
    pub canonical: Vec<Bytes>,
}

/// Why a body has no single reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its type or charset is none that is understood here.
    Type,
    /// It is malformed or ambiguous; the text says how.
    Malformed(&'static str),
    /// There is no memory left for what it says.
    Memory,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "type",
            Self::Memory => "memory",
            Self::Malformed(how) => how,
        })
    }
}

/// Asked before so many bytes of memory are taken for what a body says; a file in it takes none.
pub type Afford<'a> = &'a mut dyn FnMut(usize) -> bool;

/// Parses a body by its declared type.
///
/// # Errors
/// When the type is not a form or JSON, the body has more than one reading, or reading it takes more
/// memory than `afford` grants.
pub fn parse(content_type: &str, raw: Bytes, afford: Afford<'_>) -> Result<Parsed, Unreadable> {
    let (essence, parameters) = content_type.split_once(';').map_or((content_type, ""), |(e, p)| (e, p));
    let essence = essence.trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => {
            utf8_only(parameters)?;
            // Its fields, and the form written anew.
            grant(afford, raw.len().saturating_mul(2))?;
            let text = std::str::from_utf8(&raw).map_err(|_| Unreadable::Malformed("a form that is not UTF-8"))?;
            let fields = urlencoded::parse(text.trim_end_matches(['\r', '\n']), &['&'])?;
            grant_documents(&fields, afford)?;
            let canonical = urlencoded::write(&fields);
            Ok(Parsed { body: Body::Form(fields), files: Vec::new(), canonical: vec![canonical.into()] })
        }
        "multipart/form-data" => {
            let boundary = multipart::boundary(parameters)?;
            let multipart::Form { fields, files, canonical } = multipart::read(&raw, boundary, afford)?;
            grant_documents(&fields, afford)?;
            Ok(Parsed { body: Body::Form(fields), files, canonical })
        }
        _ if essence == "application/json" || essence.ends_with("+json") => {
            utf8_only(parameters)?;
            grant(afford, json::cost(&raw))?;
            let value = json::parse(&raw)?;
            Ok(Parsed { body: Body::Json(value), files: Vec::new(), canonical: vec![raw] })
        }
        _ => Err(Unreadable::Type),
    }
}

/// Writes a form again after its fields were changed: `raw` is what it was, in canonical form.
///
/// # Errors
/// When it is no form.
pub fn rewrite(content_type: &str, raw: &Bytes, fields: &Fields) -> Result<Vec<Bytes>, Unreadable> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return multipart::rewrite(raw, multipart::boundary(parameters)?, fields);
    }
    Ok(vec![urlencoded::write(fields).into()])
}

/// JSON in the fields of a form is parsed as well.
fn grant_documents(fields: &Fields, afford: Afford<'_>) -> Result<(), Unreadable> {
    let documents = fields.0.iter().filter(|(_, text)| embedded::is_document(text));
    grant(afford, documents.map(|(_, text)| json::cost(text.as_bytes())).sum())
}

fn grant(afford: Afford<'_>, bytes: usize) -> Result<(), Unreadable> {
    if afford(bytes) { Ok(()) } else { Err(Unreadable::Memory) }
}

fn utf8_only(parameters: &str) -> Result<(), Unreadable> {
    let parameters = parameters.trim();
    let plain = parameters.trim_end_matches(';').trim().to_ascii_lowercase().replace('"', "");
    if matches!(plain.as_str(), "" | "charset=utf-8") { Ok(()) } else { Err(Unreadable::Type) }
}

/// Undoes percent-encoding; `+` is a space in queries and forms.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, Unreadable> {
    if !text.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' if plus_is_space => out.push(b' '),
            b'%' => {
                let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2)) else {
                    return Err(Unreadable::Malformed("a percent sign without two hex digits"));
                };
                #[allow(clippy::cast_possible_truncation)] // two hex digits fit
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            other => out.push(other),
        }
        at += 1;
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| Unreadable::Malformed("percent-encoded bytes that are not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_every_name_that_apps_read_them_under() {
        let names = ["to", "to[]", "to[0]", "to[a][b]", "[to]", "to]", " to", "too", "x[to]", "_to", "to_x", "to.x"];
        let fields = Fields(names.map(|n| (n.to_owned(), n.to_owned())).into());
        assert_eq!(fields.all("to").collect::<Vec<_>>(), names[..7]);
        let names = ["reply_to", "reply.to", "reply to", "reply[to", "reply[to]", "replyto"];
        let fields = Fields(names.map(|n| (n.to_owned(), n.to_owned())).into());
        assert_eq!(fields.all("reply_to").collect::<Vec<_>>(), names[..4]);
        assert_eq!(fields.all("reply[to]").collect::<Vec<_>>(), names[4..5]);
    }

    #[test]
    fn types_and_charsets() {
        let form = Bytes::from_static(b"a=1&b=%C3%9F+x");
        for (content_type, fine) in [
            ("application/x-www-form-urlencoded", true),
            ("application/x-www-form-urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded; charset=utf-7", false),
            ("application/x-www-form-urlencoded; charset=ibm037", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(parse(content_type, form.clone(), &mut |_| true).is_ok(), fine, "{content_type}");
        }
        let parsed = parse("application/x-www-form-urlencoded", form, &mut |_| true).unwrap();
        assert_eq!(parsed.canonical.concat(), b"a=1&b=%C3%9F+x");
        assert!(parse("application/merge-patch+json", Bytes::from_static(b"{}"), &mut |_| true).is_ok());
    }

    #[test]
    fn memory_is_asked_for_before_it_is_taken() {
        let multipart = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n0123456789\r\n\
            --XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n0123456789\r\n--XX--\r\n";
        for (content_type, body, asked) in [
            ("application/x-www-form-urlencoded", "a=1", 6),
            ("multipart/form-data; boundary=XX", multipart, 2 * (10 + 10)),
            ("application/json", "[0,0]", 2 * 5 + 3 * json::PER_VALUE),
        ] {
            let mut sum = 0;
            let mut ask = |bytes| {
                sum += bytes;
                true
            };
            assert!(parse(content_type, body.into(), &mut ask).is_ok(), "{content_type}");
            assert_eq!(sum, asked, "{content_type}");
            assert_eq!(parse(content_type, body.into(), &mut |_| false), Err(Unreadable::Memory));
        }
    }
}
