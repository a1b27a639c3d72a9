//! `multipart/form-data` (RFC 7578), read strictly. Only the exact grammar that browsers and the
//! common clients write is accepted: everything on which the parsers of real apps differ (second
//! boundaries, folded or repeated part headers, `*` parameters, transfer encodings, preambles,
//! epilogues, line ends without CR) is refused, so what passes has one reading.

use memchr::memmem;

use super::{Fields, Unreadable};

const MAX_PARTS: usize = 1_000;
const MAX_PART_HEAD: usize = 4_096;

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
    let token = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
    if (1..=70).contains(&boundary.len()) && boundary.bytes().all(token) {
        Ok(boundary)
    } else {
        Err(Unreadable::Malformed("a boundary outside RFC 2046"))
    }
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// The text fields of a form. Files are checked for their framing and passed over.
///
/// # Errors
/// When the body departs from the grammar above.
pub fn fields(raw: &[u8], boundary: &str) -> Result<Fields, Unreadable> {
    let delimiter = format!("\r\n--{boundary}");
    let opening = &delimiter[2..];
    let mut rest = raw
        .strip_prefix(opening.as_bytes())
        .ok_or(Unreadable::Malformed("a multipart body that does not start with its boundary"))?;
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut fields = Vec::new();
    for _ in 0..MAX_PARTS {
        if let Some(end) = rest.strip_prefix(b"--") {
            return match end {
                b"" | b"\r\n" => Ok(Fields(fields)),
                _ => Err(Unreadable::Malformed("something after the last part of a multipart body")),
            };
        }
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or(Unreadable::Malformed("a multipart boundary that does not end its line"))?;
        let length = finder.find(part).ok_or(Unreadable::Malformed("a multipart body without an end"))?;
        if let Some(field) = part_field(&part[..length])? {
            fields.push(field);
        }
        rest = &part[length + delimiter.len()..];
    }
    Err(Unreadable::Malformed("more than 1000 parts"))
}

/// A part's name and value; `None` for a file.
fn part_field(part: &[u8]) -> Result<Option<(String, String)>, Unreadable> {
    let head_end = memmem::find(part, b"\r\n\r\n").ok_or(Unreadable::Malformed("a part without a head"))?;
    let (head, value) = (&part[..head_end], &part[head_end + 4..]);
    if head.len() > MAX_PART_HEAD {
        return Err(Unreadable::Malformed("a part head over 4 KiB"));
    }
    let head = std::str::from_utf8(head).map_err(|_| Unreadable::Malformed("a part head that is not UTF-8"))?;
    let (name, is_file) = part_head(head)?;
    if is_file {
        return Ok(None);
    }
    let value = std::str::from_utf8(value).map_err(|_| Unreadable::Malformed("a field that is not UTF-8"))?;
    if value.contains('\0') {
        return Err(Unreadable::Malformed("a NUL in a field"));
    }
    Ok(Some((name, value.to_owned())))
}

/// The name a part's head declares, and whether it is a file.
fn part_head(head: &str) -> Result<(String, bool), Unreadable> {
    const ODD: Unreadable = Unreadable::Malformed("a part head outside the plain form-data grammar");
    let mut disposition = None;
    let mut typed = false;
    for line in head.split("\r\n") {
        if line.bytes().any(|b| b.is_ascii_control() && b != b'\t') || line.starts_with([' ', '\t']) {
            return Err(ODD);
        }
        let (name, value) = line.split_once(':').ok_or(ODD)?;
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(form_data(value.trim())?),
            "content-type" if !typed => {
                typed = true;
                let value = value.trim().to_ascii_lowercase();
                if value.contains("charset") && !value.replace('"', "").ends_with("charset=utf-8") {
                    return Err(Unreadable::Malformed("a part in another charset than UTF-8"));
                }
                if value.starts_with("multipart/") {
                    return Err(Unreadable::Malformed("a part that is itself multipart"));
                }
            }
            "content-length" => {}
            "content-transfer-encoding" if matches!(value.trim().to_ascii_lowercase().as_str(), "8bit" | "binary") => {}
            _ => return Err(ODD),
        }
    }
    disposition.ok_or(ODD)
}

/// `form-data; name="x"; filename="y"`, each parameter once, quoted, without escapes.
fn form_data(value: &str) -> Result<(String, bool), Unreadable> {
    const ODD: Unreadable = Unreadable::Malformed("a Content-Disposition outside the plain form-data grammar");
    let mut rest = value.strip_prefix("form-data").ok_or(ODD)?;
    let (mut name, mut file) = (None, false);
    while !rest.is_empty() {
        let after = rest.trim_start_matches(' ').strip_prefix(';').ok_or(ODD)?.trim_start_matches(' ');
        let (key, quoted) = after.split_once("=\"").ok_or(ODD)?;
        let (text, tail) = quoted.split_once('"').ok_or(ODD)?;
        match key.to_ascii_lowercase().as_str() {
            // A `%` or `&` in a *name* is decoded by one stack and kept by another.
            "name" if name.is_none() && !text.contains(['\\', '%', '&']) => name = Some(text.to_owned()),
            "filename" if !file => file = true,
            _ => return Err(ODD),
        }
        rest = tail;
    }
    name.map(|n| (n, file)).ok_or(ODD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = " boundary=XX";

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
        let fields = fields(&raw, boundary(CT).unwrap()).unwrap();
        assert_eq!(fields.0, [("Status".to_owned(), "deleted".to_owned())]);
    }

    #[test]
    fn refuses_every_measured_differential() {
        let plain = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1";
        for part in [
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename=\"x\"; filename*=UTF-8''y\r\n\r\n1",
            "Content-Disposition: form-data; name=\"a\"; filename*0=\"x\"\r\n\r\n1",
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
        for bad in
            ["", "boundary=", "boundary=a; boundary=b", "boundary*0=a", "boundary=a; charset=utf-7", "boundary=a,b\"c"]
        {
            assert!(boundary(bad).is_err(), "{bad}");
        }
    }
}
