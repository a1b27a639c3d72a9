//! `multipart/form-data` (RFC 7578), read strictly. Only the exact grammar that browsers and the
//! common clients write is accepted: everything on which the parsers of real apps differ (second
//! boundaries, folded or repeated part headers, `*` parameters, transfer encodings, preambles,
//! epilogues, line ends without CR) is refused, so what passes has one reading.

use bytes::Bytes;
use memchr::memmem;

use super::{Afford, Fields, Unreadable, grant};

const MAX_PARTS: usize = 1_000;
const MAX_PART_HEAD: usize = 4_096;
/// The longest content of a file that an app could take for the value of a field.
const MAX_AS_VALUE: usize = 4_096;

/// The boundary that the parameters of a Content-Type declare.
///
/// # Errors
/// When there is none, more than one, or one outside RFC 2046's grammar.
pub fn boundary(parameters: &str) -> Result<&str, Unreadable> {
    let mut found = None;
    for parameter in parameters.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) =
            parameter.split_once('=').ok_or(Unreadable::Malformed("a multipart type with an odd parameter"))?;
        match name.to_ascii_lowercase().as_str() {
            "boundary" if found.is_none() => found = Some(unquote(value)),
            "charset" if value.eq_ignore_ascii_case("utf-8") => {}
            _ => return Err(Unreadable::Malformed("a multipart type with an odd parameter")),
        }
    }
    let boundary = found.ok_or(Unreadable::Malformed("a multipart type without a boundary"))?;
    // RFC 2046 allows a few more; some apps end the boundary at them.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"'+_-.=".contains(&b);
    let tells = boundary.bytes().any(|b| b.is_ascii_alphanumeric());
    if boundary.len() <= 70 && tells && boundary.bytes().all(token) {
        Ok(boundary)
    } else {
        Err(Unreadable::Malformed("a boundary that apps read in different ways"))
    }
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// A form, with what stands for it upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Its text fields, and for every file what apps would find that take it for a text.
    pub fields: Fields,
    /// Its files.
    pub files: Vec<FilePart>,
    /// The same form with every part's head written anew, in pieces.
    pub canonical: Vec<Bytes>,
}

/// A file in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The field that it was chosen for.
    pub field: String,
    /// Its name; empty when none was chosen.
    pub name: String,
    /// The type that the client declares.
    pub declared: Option<String>,
    /// Its content.
    pub content: Bytes,
}

impl FilePart {
    /// Whether it is an input in which no file was chosen.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.name.is_empty() && self.content.is_empty()
    }
}

/// Reads a form.
///
/// # Errors
/// When the body departs from the grammar above, or `afford` does not grant its text.
pub fn read(raw: &Bytes, boundary: &str, afford: Afford<'_>) -> Result<Form, Unreadable> {
    let opening = format!("--{boundary}");
    let (raw, parts) = parts(raw, &opening)?;
    form(&raw, &parts, &opening, afford)
}

const SHIFTED: &str = "a form whose fields changed their places";

/// Writes a form that was read with other values in its fields; fields behind the last one are added.
///
/// # Errors
/// When it is none.
pub fn rewrite(raw: &Bytes, boundary: &str, fields: &Fields) -> Result<Vec<Bytes>, Unreadable> {
    let opening = format!("--{boundary}");
    let (_, mut parts) = parts(raw, &opening)?;
    let mut values = fields.0.iter();
    for part in &mut parts {
        let name = part.head.name.clone();
        if let Some(file) = &part.head.file {
            // A file stands among the fields with its name and with its content: neither can be changed.
            let as_read = as_values(&name, file, &part.content);
            if !as_read.iter().all(|value| values.next() == Some(value)) {
                return Err(Unreadable::Malformed("a file where a field was to be changed"));
            }
            continue;
        }
        let (_, value) = values.next().filter(|(n, _)| *n == name).ok_or(Unreadable::Malformed(SHIFTED))?;
        part.content = value.clone().into();
    }
    parts.extend(values.map(|(name, value)| Part::of_field(name, value)));
    Ok(write(&parts, &opening))
}

/// The parts, and the form from its first delimiter on.
fn parts(raw: &Bytes, opening: &str) -> Result<(Bytes, Vec<Part>), Unreadable> {
    // Some programs write every delimiter alike, the first one too; it is not forwarded so.
    let raw = if raw.starts_with(b"\r\n") { raw.slice(2..) } else { raw.clone() };
    let finder = memmem::Finder::new(opening.as_bytes());
    if !raw.starts_with(opening.as_bytes()) {
        return Err(Unreadable::Malformed("a multipart body that does not start with its boundary"));
    }
    let mut at = opening.len();
    let mut parts = Vec::new();
    loop {
        let rest = &raw[at..];
        if let Some(end) = rest.strip_prefix(b"--") {
            return match end {
                b"" | b"\r\n" => Ok((raw, parts)),
                _ => Err(Unreadable::Malformed("something after the last part of a multipart body")),
            };
        }
        if parts.len() == MAX_PARTS {
            return Err(Unreadable::Malformed("more than 1000 parts"));
        }
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or(Unreadable::Malformed("a multipart boundary that does not end its line"))?;
        let found = finder.find(part).ok_or(Unreadable::Malformed("a multipart body without an end"))?;
        // Some apps find a boundary in the middle of a line: it must stand nowhere else.
        if !part[..found].ends_with(b"\r\n") {
            return Err(Unreadable::Malformed("a boundary inside of a part"));
        }
        parts.push(Part::read(raw.slice(at + 2..at + found))?);
        at += 2 + found + opening.len();
    }
}

/// What apps find that ask for the value of a field and are sent a file: its name, or its content.
fn as_values(field: &str, name: &str, content: &[u8]) -> Vec<(String, String)> {
    if name.is_empty() {
        return Vec::new();
    }
    let text = content.get(..MAX_AS_VALUE).unwrap_or(content);
    // One that is longer is no value of any field; where an address belongs, this is none.
    let end = if text.len() < content.len() { "\0" } else { "" };
    let text = String::from_utf8_lossy(text) + end;
    vec![(field.to_owned(), name.to_owned()), (field.to_owned(), text.into_owned())]
}

/// Sorts the parts, and writes them anew unless they are in canonical form already.
fn form(raw: &Bytes, parts: &[Part], opening: &str, afford: Afford<'_>) -> Result<Form, Unreadable> {
    // The text, and the files that are pasted into it.
    let as_text = |p: &Part| if p.head.file.is_none() { p.content.len() } else { p.content.len().min(MAX_AS_VALUE) };
    let text: usize = parts.iter().map(as_text).sum();
    grant(afford, text.saturating_mul(2))?;
    let mut fields = Vec::new();
    let mut files = Vec::new();
    for part in parts {
        let (field, content) = (part.head.name.clone(), part.content.clone());
        if let Some(name) = part.head.file.clone() {
            if name.is_empty() && !content.is_empty() {
                return Err(Unreadable::Malformed("a file without a name, which some apps take for a field"));
            }
            fields.extend(as_values(&field, &name, &content));
            files.push(FilePart { field, name, declared: part.head.essence.clone(), content });
            continue;
        }
        let value = std::str::from_utf8(&content).map_err(|_| Unreadable::Malformed("a field that is not UTF-8"))?;
        // Some charsets that apps know take these out, and others change with them.
        if value.bytes().any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | b'\n')) {
            return Err(Unreadable::Malformed("a control character in a field"));
        }
        if part.head.essence.as_deref().is_some_and(|t| !matches!(t, "text/plain" | "application/json")) {
            return Err(Unreadable::Malformed("a field that some apps take for a file"));
        }
        fields.push((field, value.to_owned()));
    }
    let canonical = if parts.iter().all(|p| p.is_canonical) { vec![raw.clone()] } else { write(parts, opening) };
    Ok(Form { fields: Fields(fields), files, canonical })
}

fn write(parts: &[Part], opening: &str) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for (index, part) in parts.iter().enumerate() {
        let line = if index == 0 { "" } else { "\r\n" };
        pieces.push(format!("{line}{opening}\r\n{}\r\n\r\n", part.head.to_wire()).into());
        pieces.push(part.content.clone());
    }
    pieces.push(format!("\r\n{opening}--\r\n").into());
    pieces
}

struct Part {
    head: PartHead,
    /// Whether its head came as it is written.
    is_canonical: bool,
    content: Bytes,
}

impl Part {
    fn of_field(name: &str, value: &str) -> Self {
        let head = PartHead { name: name.to_owned(), file: None, essence: None, charset: Charset::None };
        Self { head, is_canonical: true, content: value.to_owned().into() }
    }

    fn read(part: Bytes) -> Result<Self, Unreadable> {
        let end = memmem::find(&part, b"\r\n\r\n").ok_or(Unreadable::Malformed("a part without a head"))?;
        if end > MAX_PART_HEAD {
            return Err(Unreadable::Malformed("a part head over 4 KiB"));
        }
        let text =
            std::str::from_utf8(&part[..end]).map_err(|_| Unreadable::Malformed("a part head that is not UTF-8"))?;
        let head = PartHead::parse(text)?;
        let is_canonical = head.to_wire() == text;
        let content = part.slice(end + 4..);
        let content = if head.is_latin() { utf8_of(&content)?.into() } else { content };
        Ok(Self { head, is_canonical, content })
    }
}

/// What a part's head says.
struct PartHead {
    name: String,
    file: Option<String>,
    essence: Option<String>,
    charset: Charset,
}

/// The charset that a part's type names.
#[derive(Clone, Copy, PartialEq)]
enum Charset {
    None,
    Utf8,
    /// What Java's clients name unless they are told another.
    Latin1,
}

/// ISO-8859-1 as UTF-8: what apps that look at the charset read is what the others read as well.
fn utf8_of(latin1: &[u8]) -> Result<String, Unreadable> {
    if latin1.iter().any(|b| matches!(b, 0x80..=0x9f)) {
        // Windows-1252 to browsers, control characters to others.
        return Err(Unreadable::Malformed("a field whose charset is read in different ways"));
    }
    Ok(latin1.iter().map(|b| char::from(*b)).collect())
}

impl PartHead {
    fn parse(head: &str) -> Result<Self, Unreadable> {
        const ODD: Unreadable = Unreadable::Malformed("a part head outside the plain form-data grammar");
        let mut disposition = None;
        let (mut essence, mut charset) = (None, Charset::None);
        for line in head.split("\r\n") {
            if line.bytes().any(|b| b.is_ascii_control() && b != b'\t') || line.starts_with([' ', '\t']) {
                return Err(ODD);
            }
            let (name, value) = line.split_once(':').ok_or(ODD)?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-disposition" if disposition.is_none() => disposition = Some(form_data(value)?),
                "content-type" if essence.is_none() => {
                    let (kind, named) = plain_type(value)?;
                    (essence, charset) = (Some(kind), named);
                }
                "content-length" => {}
                "content-transfer-encoding" if matches!(value.to_ascii_lowercase().as_str(), "8bit" | "binary") => {}
                _ => return Err(ODD),
            }
        }
        let (name, file) = disposition.ok_or(ODD)?;
        Ok(Self { name, file, essence, charset })
    }

    /// Whether it heads a text in ISO-8859-1. The content of a file stays as it is.
    fn is_latin(&self) -> bool {
        self.file.is_none() && self.charset == Charset::Latin1
    }

    fn to_wire(&self) -> String {
        let mut out = format!("Content-Disposition: form-data; name=\"{}\"", self.name);
        if let Some(file) = &self.file {
            out.push_str("; filename=\"");
            out.push_str(file);
            out.push('"');
        }
        if let Some(essence) = &self.essence {
            out.push_str("\r\nContent-Type: ");
            out.push_str(essence);
            if self.charset == Charset::Utf8 || self.is_latin() {
                out.push_str("; charset=utf-8");
            }
        }
        out
    }
}

/// The type of a part, written anew; it must not change how the part's bytes are read.
fn plain_type(value: &str) -> Result<(String, Charset), Unreadable> {
    let mut parameters = value.split(';').map(str::trim);
    let essence = parameters.next().unwrap_or_default().to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    let is_type = essence
        .split_once('/')
        .is_some_and(|(t, s)| !t.is_empty() && !s.is_empty() && t.bytes().all(token) && s.bytes().all(token));
    if !is_type {
        return Err(Unreadable::Malformed("a part whose type is none"));
    }
    if essence.starts_with("multipart/") {
        return Err(Unreadable::Malformed("a part that is itself multipart"));
    }
    let mut charset = Charset::None;
    for parameter in
        parameters.filter(|p| p.len() >= 7 && p.is_char_boundary(7) && p[..7].eq_ignore_ascii_case("charset"))
    {
        let name = parameter[7..].trim().trim_start_matches('=').trim().trim_matches('"').to_ascii_lowercase();
        charset = match name.as_str() {
            "utf-8" if charset == Charset::None => Charset::Utf8,
            "iso-8859-1" if charset == Charset::None => Charset::Latin1,
            _ => return Err(Unreadable::Malformed("a part in another charset than UTF-8")),
        };
    }
    Ok((essence, charset))
}

/// `form-data; name="x"; filename="y"`: these keys, so written, in this order. Some apps look for
/// the keys in capitals as well, some do not, and some look for them inside of values.
fn form_data(value: &str) -> Result<(String, Option<String>), Unreadable> {
    const ODD: Unreadable = Unreadable::Malformed("a Content-Disposition outside the plain form-data grammar");
    let rest = value.strip_prefix("form-data").ok_or(ODD)?;
    let (name, rest) = parameter(rest, "name").ok_or(ODD)?;
    // A `%` or `&` in a *name* is decoded by one stack and kept by another.
    if name.contains(['\\', '%', '&', ';', '=']) {
        return Err(ODD);
    }
    if rest.is_empty() {
        return Ok((name.to_owned(), None));
    }
    let (file, rest) = parameter(rest, "filename").ok_or(ODD)?;
    let lower = file.to_ascii_lowercase();
    if !rest.is_empty() || file.contains('\\') || lower.contains("name=") || lower.contains("name*") {
        return Err(ODD);
    }
    Ok((name.to_owned(), Some(file.to_owned())))
}

/// `; key="value"` at the beginning of `text`, and what comes after it.
fn parameter<'a>(text: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    let text = text.trim_start_matches(' ').strip_prefix(';')?.trim_start_matches(' ');
    let quoted = text.strip_prefix(key)?.strip_prefix("=\"")?;
    quoted.split_once('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = " boundary=XX";

    fn fields(raw: &[u8], boundary: &str) -> Result<Fields, Unreadable> {
        read(&Bytes::copy_from_slice(raw), boundary, &mut |_| true).map(|form| form.fields)
    }

    fn body(parts: &[&str]) -> Vec<u8> {
        let mut out = String::new();
        for part in parts {
            out += &format!("--XX\r\n{part}\r\n");
        }
        (out + "--XX--\r\n").into_bytes()
    }

    #[test]
    fn reads_what_browsers_write() {
        let raw = body(&[
            "Content-Disposition: form-data; name=\"Status\"\r\n\r\ndeleted",
            "Content-Disposition: form-data; name=\"Attach\"; filename=\"Stra\u{df}e (final).v2.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--X",
            "Content-Disposition: form-data; name=\"empty\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n",
        ]);
        let form = read(&raw.clone().into(), boundary(CT).unwrap(), &mut |_| true).unwrap();
        let fields = [("Status", "deleted"), ("Attach", "Stra\u{df}e (final).v2.pdf"), ("Attach", "%PDF\r\n--X")];
        assert_eq!(form.fields.0, fields.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(form.files[0].name, "Straße (final).v2.pdf");
        assert_eq!((&form.files[0].content[..], form.files[1].name.as_str()), (&b"%PDF\r\n--X"[..], ""));
        assert_eq!(form.canonical.concat(), raw, "what browsers write is canonical");
    }

    #[test]
    fn other_heads_are_written_anew() {
        let raw = body(&[
            "content-type:text/plain\r\ncontent-length: 2\r\nCONTENT-DISPOSITION:  form-data ;name=\"a\";  filename=\"b\"\r\n\r\nx\n",
        ]);
        let form = read(&raw.into(), "XX", &mut |_| true).unwrap();
        let expected = body(&[
            "Content-Disposition: form-data; name=\"a\"; filename=\"b\"\r\nContent-Type: text/plain\r\n\r\nx\n",
        ]);
        let canonical = Bytes::from(form.canonical.concat());
        assert_eq!(canonical, expected);
        let again = read(&canonical, "XX", &mut |_| true).unwrap();
        assert_eq!((again.fields, again.files), (form.fields, form.files), "it reads back as itself");
    }

    #[test]
    fn latin_fields_are_written_in_utf8() {
        let head = "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=";
        let raw = |content: &[u8]| {
            let start = format!("\r\n--XX\r\n{head}ISO-8859-1\r\n\r\n");
            Bytes::from([start.as_bytes(), content, b"\r\n--XX--\r\n"].concat())
        };
        let form = read(&raw(b"Gr\xfc\xdfe"), "XX", &mut |_| true).unwrap();
        let canonical = Bytes::from(form.canonical.concat());
        assert_eq!(canonical, body(&[&format!("{head}utf-8\r\n\r\nGr\u{fc}\u{df}e")]));
        let again = read(&canonical, "XX", &mut |_| true).unwrap();
        assert_eq!((again.fields, again.files), (form.fields, form.files), "it reads back as itself");
        assert!(read(&raw(b"10 \x80"), "XX", &mut |_| true).is_err());
    }

    #[test]
    fn refuses_every_measured_differential() {
        let plain = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1";
        for part in [
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename=\"x\"; filename*=UTF-8''y\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename*0=\"x\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; FILENAME=\"x\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=iso-2022-jp; charset=utf-8\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/html\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: ;text/html\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\n\r\nDEL\u{1b}(BETE",
            "Content-Disposition: form-data; name=\"a\"\r\n\r\nhello--XX",
            "Content-Disposition: form-data; name=\"a\"\r\n\r\nhello\n--XX\r\nx",
            "Content-Disposition: form-data; name=\"a\"; filename=\"--XX\"\r\n\r\nx",
            "Content-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\nx",
            "Content-Disposition: form-data; NAME=\"a\"\r\n\r\n1",
            "Content-Disposition: form-data; filename=\"x\"; name=\"a\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a; filename=x\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename=\"x; name=b\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename=\"x; filename*=UTF-8''y\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a&#98;\"\r\n\r\n1",
            "Content-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1",
            "Content-Disposition: attachment; name=\"a\"\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n1",
            "Content-Disposition: form-data; name=a\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=YY\r\n\r\n1",
        ] {
            assert!(fields(&body(&[plain, part]), "XX").is_err(), "{part}");
        }
        let whole = body(&[plain]);
        let text = String::from_utf8(whole.clone()).unwrap();
        for bad in [
            format!("preamble\r\n{text}"),
            format!("{text}--XX\r\n{plain}\r\n--XX--\r\n"),
            text.replace("\r\n", "\n"),
            text.replace("--XX--\r\n", ""),
            text.replace("--XX\r\n", "--XX \r\n"),
        ] {
            assert!(fields(bad.as_bytes(), "XX").is_err(), "{bad:?}");
        }
        for cut in 0..whole.len() - 2 {
            assert!(fields(&whole[..cut], "XX").is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("boundary=\"a b\"").ok(), None);
        assert_eq!(boundary(" boundary=----WebKitFormBoundaryAbC").unwrap(), "----WebKitFormBoundaryAbC");
        for bad in [
            "",
            "boundary=",
            "boundary=a; boundary=b",
            "boundary*0=a",
            "boundary=a; charset=utf-7",
            "boundary=a,b\"c",
            "boundary=AA,BB",
            "boundary=a/b",
            "boundary=a:b",
            "boundary=a?b",
            "boundary=----",
        ] {
            assert!(boundary(bad).is_err(), "{bad}");
        }
    }
}
