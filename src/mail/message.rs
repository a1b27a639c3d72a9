//! A whole mail as an app's form takes it (RFC 5322): who is in its head, read strictly, and which
//! files it brings.

use mail_parser::{MessageParser, MimeHeaders, PartType};

use crate::body::multipart::FilePart;

/// The headers that name somebody.
const PEOPLE: [&str; 6] = ["from", "sender", "reply-to", "to", "cc", "bcc"];
/// Those and others that mails have once; which of two an app reads differs.
const ONCE: [&str; 5] = ["subject", "date", "message-id", "content-type", "content-transfer-encoding"];
/// Charsets in which ASCII stands for itself.
const PLAIN: [&str; 6] = ["utf-8", "us-ascii", "iso-8859-", "windows-125", "koi8-", "gb18030"];

/// The values of all headers that name somebody, each fit for [`recipients`](super::recipients).
///
/// # Errors
/// What in the head has more than one reading.
pub fn people(message: &str) -> Result<Vec<String>, &'static str> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (name, value) in head(message)? {
        let known = PEOPLE.contains(&&*name);
        if (known || ONCE.contains(&&*name)) && seen.contains(&name) {
            return Err("a mail with a header that stands twice");
        }
        if known {
            found.push(plain(&value)?);
        }
        seen.push(name);
    }
    Ok(found)
}

/// The headers, names in lower case, each on one line.
fn head(message: &str) -> Result<Vec<(String, String)>, &'static str> {
    const ODD: &str = "a mail whose head is malformed";
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in message.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(ODD);
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().filter(|_| !line.trim().is_empty()).ok_or(ODD)?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(ODD)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ODD);
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

/// The value with its encoded words (RFC 2047) replaced. They stand for names; one in which an address
/// or a second member could hide is refused.
fn plain(value: &str) -> Result<String, &'static str> {
    const ODD: &str = "an encoded word in which an address could hide";
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("=?") {
        out.push_str(before);
        let mut pieces = after.splitn(4, '?');
        let (Some(charset), Some(coding), Some(text), Some(end)) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(ODD);
        };
        let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
        let bytes = decoded(coding, text).filter(|_| PLAIN.iter().any(|p| charset.starts_with(p))).ok_or(ODD)?;
        if bytes.iter().any(|b| b.is_ascii_control() || b"@<>,;:\"\\()[]=".contains(b)) {
            return Err(ODD);
        }
        out.push_str("name");
        rest = end.strip_prefix('=').ok_or(ODD)?;
    }
    out.push_str(rest);
    Ok(out)
}

fn decoded(coding: &str, text: &str) -> Option<Vec<u8>> {
    match coding {
        "B" | "b" => data_encoding::BASE64.decode(text.as_bytes()).ok(),
        "Q" | "q" => {
            let escaped = text.replace('%', "=25").replace('=', "%");
            Some(percent_encoding::percent_decode_str(&escaped).collect())
        }
        _ => None,
    }
}

/// The files that the message brings, those in messages inside of it as well. Every part but the text
/// of the message itself is one.
#[must_use]
pub fn files(message: &str) -> Vec<FilePart> {
    let mut found = Vec::new();
    if let Some(parsed) = MessageParser::default().parse(message.as_bytes()) {
        gather(&parsed, &mut found);
    }
    found
}

fn gather(message: &mail_parser::Message<'_>, found: &mut Vec<FilePart>) {
    for part in &message.parts {
        let named = part.attachment_name();
        let content: &[u8] = match &part.body {
            PartType::Message(inner) => {
                gather(inner, found);
                continue;
            }
            PartType::Multipart(_) => continue,
            PartType::Text(text) | PartType::Html(text) if named.is_some() => text.as_bytes(),
            PartType::Text(_) | PartType::Html(_) => continue,
            PartType::Binary(content) | PartType::InlineBinary(content) => content,
        };
        let declared = part.content_type().map(|t| match &t.c_subtype {
            Some(subtype) => format!("{}/{subtype}", t.c_type),
            None => t.c_type.to_string(),
        });
        let unnamed = || format!("part.{}", infer::get(content).map_or("bin", |t| t.extension()));
        let name = named.map_or_else(unnamed, str::to_owned);
        found.push(FilePart { field: String::new(), name, declared, content: content.to_vec().into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::recipients;

    fn read(message: &str) -> Result<Vec<String>, &'static str> {
        let mut found = Vec::new();
        for value in people(message)? {
            found.extend(recipients(&value)?.iter().map(ToString::to_string));
        }
        Ok(found)
    }

    #[test]
    fn people_of_ordinary_mails() {
        for (message, expected) in [
            (
                "From: anon@unknown.example\nTo: support@helpdesk.example\nSubject: by mail\n\nTo: x@y.example",
                vec!["anon@unknown.example", "support@helpdesk.example"],
            ),
            (
                "From: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <joerg@a.example>\r\nCc: a@b.example,\r\n\tc@d.example\r\n\r\n",
                vec!["joerg@a.example", "a@b.example", "c@d.example"],
            ),
            ("From: =?ISO-8859-1?B?SvZyZw==?= <joerg@a.example>", vec!["joerg@a.example"]),
            ("Subject: =?utf-8?q?a=40b?=\n\n", vec![]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(read(message), Ok(expected), "{message}");
        }
    }

    #[test]
    fn heads_with_two_readings_are_refused() {
        for message in [
            "From: a@b.example\nFrom: leak@evil.test\n",
            "To : leak@evil.test\n",
            "no header\n",
            " leak@evil.test\n",
            "To: a@b.example\n \nBcc: leak@evil.test\n",
            "To: a@b.example\rBcc: leak@evil.test\n",
            "To: a@b.example\0\n",
            "From: =?utf-8?q?leak=40evil=2Etest=2C?= <a@b.example>\n",
            "From: =?utf-7?q?leak+AEA-evil.test?= <a@b.example>\n",
            "From: =?utf-8?x?a?= <a@b.example>\n",
            "From: =?utf-8?q?open <a@b.example>\n",
            "Content-Type: text/plain\nContent-Type: multipart/mixed\n",
        ] {
            assert!(read(message).is_err(), "{message}: {:?}", read(message));
        }
    }

    #[test]
    fn files_are_found_however_they_are_coded() {
        let message = "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
            --x\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
            --x\r\nContent-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n\
            --x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"b.txt\"\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\na=62c\r\n\
            --x\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@d.example\r\nContent-Type: application/x-msdownload\r\n\r\nMZ\r\n--x--\r\n";
        let found = files(message);
        let names: Vec<_> = found.iter().map(|f| (f.name.as_str(), &f.content[..3.min(f.content.len())])).collect();
        assert_eq!(names[..2], [("a.png", &b"\x89PN"[..]), ("b.txt", b"abc")]);
        assert!(found.len() == 3 && found[2].content.starts_with(b"MZ"), "{found:?}");
        assert!(files("From: a@b.example\n\nplain text").is_empty());
    }
}
