//! A whole mail as an app's form takes it (RFC 5322, RFC 2045), read strictly: who is in its head, and
//! which files it brings. Mail programs read heads, parts and codings in ways of their own; what they
//! could read differently is refused.

use crate::body::multipart::FilePart;

/// The headers that name somebody.
const PEOPLE: [&str; 6] = ["from", "sender", "reply-to", "to", "cc", "bcc"];
/// Those and others that mails have once; which of two an app reads differs.
const ONCE: [&str; 7] = [
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];
/// Charsets in which ASCII stands for itself.
const PLAIN: [&str; 6] = ["utf-8", "us-ascii", "iso-8859-", "windows-125", "koi8-", "gb18030"];
/// More lines than a head has.
const MAX_LINES: usize = 500;
/// More parts than a mail has.
const MAX_PARTS: usize = 100;
/// How deep parts may nest: an alternative with pictures, beside attachments.
const MAX_DEPTH: usize = 4;

const HEAD: &str = "a mail whose head is malformed";
const PART: &str = "a mail with a part outside the plain form";

/// Names and values, each once.
type Headers = Vec<(String, String)>;

/// The values of all headers that name somebody, each fit for [`recipients`](super::recipients).
///
/// # Errors
/// What in the head has more than one reading.
pub fn people(message: &str) -> Result<Vec<String>, &'static str> {
    let (headers, _) = split(message)?;
    headers.iter().filter(|(name, _)| PEOPLE.contains(&&**name)).map(|(_, value)| plain(value)).collect()
}

/// The headers, names in lower case and each on one line, and what follows them.
fn split(message: &str) -> Result<(Headers, &str), &'static str> {
    let mut headers: Headers = Vec::new();
    let mut rest = message;
    for _ in 0..MAX_LINES {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        rest = after;
        if line.is_empty() {
            return Ok((headers, rest));
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(HEAD);
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().filter(|_| !line.trim().is_empty()).ok_or(HEAD)?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(HEAD)?;
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HEAD);
        }
        let once = PEOPLE.contains(&&*name) || ONCE.contains(&&*name);
        if once && headers.iter().any(|(n, _)| *n == name) {
            return Err("a mail with a header that stands twice");
        }
        headers.push((name, value.trim().to_owned()));
    }
    Err("a mail with more than 500 lines of head")
}

/// The value with its encoded words (RFC 2047) replaced. They stand for names; one in which an address
/// or a second member could hide is refused.
fn plain(value: &str) -> Result<String, &'static str> {
    const ODD: &str = "an encoded word in which an address could hide";
    words(value, ODD, |bytes| {
        let odd = bytes.iter().any(|b| b.is_ascii_control() || b"@<>,;:\"\\()[]=".contains(b));
        if odd { Err(ODD) } else { Ok("name".to_owned()) }
    })
}

/// The value with every encoded word replaced by what `read` makes of its bytes.
fn words(
    value: &str,
    odd: &'static str,
    read: impl Fn(Vec<u8>) -> Result<String, &'static str>,
) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("=?") {
        out.push_str(before);
        let mut pieces = after.splitn(4, '?');
        let (Some(charset), Some(coding), Some(text), Some(end)) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(odd);
        };
        let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
        let bytes = word(coding, text).filter(|_| PLAIN.iter().any(|p| charset.starts_with(p))).ok_or(odd)?;
        out.push_str(&read(bytes)?);
        rest = end.strip_prefix('=').ok_or(odd)?;
    }
    out.push_str(rest);
    Ok(out)
}

fn word(coding: &str, text: &str) -> Option<Vec<u8>> {
    match coding {
        "B" | "b" => data_encoding::BASE64.decode(text.as_bytes()).ok(),
        "Q" | "q" => {
            let escaped = text.replace('%', "=25").replace('_', " ").replace('=', "%");
            Some(percent_encoding::percent_decode_str(&escaped).collect())
        }
        _ => None,
    }
}

/// The files that the message brings: every part but its text.
///
/// # Errors
/// What of its make-up has more than one reading.
pub fn files(message: &str) -> Result<Vec<FilePart>, &'static str> {
    let mut found = Vec::new();
    entity(message, 0, &mut 0, &mut found)?;
    Ok(found)
}

fn entity(text: &str, depth: usize, parts: &mut usize, found: &mut Vec<FilePart>) -> Result<(), &'static str> {
    *parts += 1;
    if depth > MAX_DEPTH || *parts > MAX_PARTS {
        return Err("a mail with too many parts");
    }
    let (headers, body) = split(text)?;
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let (kind, parameters) = header("content-type").map_or(Ok(("text/plain".into(), Vec::new())), value_of)?;
    let coding = header("content-transfer-encoding").unwrap_or("8bit").to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        let boundary = parameter(&parameters, "boundary").filter(|_| is_identity(&coding)).ok_or(PART)?;
        return split_parts(body, boundary)?.into_iter().try_for_each(|part| entity(part, depth + 1, parts, found));
    }
    if kind.starts_with("message/") {
        return Err("a mail inside of a mail");
    }
    let (disposition, more) = header("content-disposition").map_or(Ok((String::new(), Vec::new())), value_of)?;
    let content = decoded(&coding, body)?;
    let name = match (parameter(&more, "filename"), parameter(&parameters, "name")) {
        (Some(one), Some(other)) if one != other => return Err(PART),
        (one, other) => one.or(other).map(file_name).transpose()?,
    };
    if name.is_none() && matches!(&*kind, "text/plain" | "text/html") && matches!(&*disposition, "" | "inline") {
        return if has_uuencoded(&content) { Err("a mail with a file in its text") } else { Ok(()) };
    }
    let unnamed = || format!("part.{}", infer::get(&content).map_or("bin", |t| t.extension()));
    let name = name.unwrap_or_else(unnamed);
    found.push(FilePart { field: String::new(), name, declared: Some(kind), content: content.into() });
    Ok(())
}

/// `value; name=value; name="value"`: in lower case, each parameter once, none of RFC 2231's.
fn value_of(header: &str) -> Result<(String, Headers), &'static str> {
    let (value, mut rest) = header.split_once(';').unwrap_or((header, ""));
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&b));
    let value = value.trim().to_ascii_lowercase();
    let mut parameters = Headers::new();
    if !token(&value) {
        return Err(PART);
    }
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=').ok_or(PART)?;
        let name = name.trim().to_ascii_lowercase();
        let after = after.trim_start();
        let (text, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').filter(|(text, _)| !text.contains('\\')).ok_or(PART)?,
            None => after.split_at(after.find([';', ' ', '\t']).unwrap_or(after.len())),
        };
        let known = parameters.iter().any(|(n, _)| *n == name);
        let after = after.trim_start();
        if known || !token(&name) || !(after.is_empty() || after.starts_with(';')) {
            return Err(PART);
        }
        parameters.push((name, text.to_owned()));
        rest = after.strip_prefix(';').unwrap_or_default();
    }
    Ok((value, parameters))
}

fn parameter<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

fn is_identity(coding: &str) -> bool {
    matches!(coding, "7bit" | "8bit" | "binary")
}

/// The parts between the delimiters, which stand alone on their lines. Nothing else may begin like one.
fn split_parts<'a>(body: &'a str, boundary: &str) -> Result<Vec<&'a str>, &'static str> {
    let tells = boundary.bytes().any(|b| b.is_ascii_alphanumeric()) && boundary.len() <= 70;
    let delimiter = format!("--{boundary}");
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive('\n') {
        let plain = line.trim_end_matches(['\r', '\n']);
        let begins = line.starts_with(&delimiter);
        let ends = begins && plain.strip_prefix(&delimiter) == Some("--");
        // Some readers find a delimiter in the middle of a line.
        let elsewhere = line[usize::from(begins)..].contains(&delimiter);
        if begins && !ends && plain != delimiter || elsewhere || !tells {
            return Err(PART);
        }
        if begins {
            parts.extend(start.map(|start: usize| without_line_end(&body[start..at])));
            start = (!ends).then_some(at + line.len());
        }
        at += line.len();
        if ends {
            return if body[at..].trim().is_empty() && !parts.is_empty() { Ok(parts) } else { Err(PART) };
        }
    }
    Err("a mail whose parts have no end")
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(part: &str) -> &str {
    let part = part.strip_suffix('\n').unwrap_or(part);
    part.strip_suffix('\r').unwrap_or(part)
}

fn decoded(coding: &str, body: &str) -> Result<Vec<u8>, &'static str> {
    match coding {
        "base64" => {
            let text: String = body.split_ascii_whitespace().collect();
            data_encoding::BASE64.decode(text.as_bytes()).map_err(|_| PART)
        }
        "quoted-printable" => quoted_printable(body).ok_or(PART),
        coding if is_identity(coding) => Ok(body.as_bytes().to_vec()),
        _ => Err(PART),
    }
}

fn quoted_printable(body: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.as_bytes();
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        rest = if let Some(line) = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")) {
            line
        } else {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
            &after[2..]
        };
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// A file's name as people see it.
fn file_name(name: &str) -> Result<String, &'static str> {
    words(name, PART, |bytes| String::from_utf8(bytes).map_err(|_| PART))
}

/// Whether mail programs find a file in the text itself: `begin 644 NAME`.
fn has_uuencoded(content: &[u8]) -> bool {
    let begins = |line: &[u8]| {
        let rest = line.strip_prefix(b"begin").map(|r| r.strip_prefix(b"-base64").unwrap_or(r));
        rest.and_then(|r| r.strip_prefix(b" ")).is_some_and(|r| r.first().is_some_and(u8::is_ascii_digit))
    };
    content.split(|b| matches!(b, b'\n' | b'\r')).any(begins)
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
        assert!(people(&"a:\n".repeat(501)).is_err());
    }

    fn mixed(parts: &[&str]) -> String {
        let body: String = parts.iter().map(|part| format!("--x\r\n{part}\r\n")).collect();
        format!(
            "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{body}--x--\r\n"
        )
    }

    #[test]
    fn files_are_found_however_they_are_coded() {
        let message = mixed(&[
            "Content-Type: multipart/alternative; boundary=\"y y\"\r\n\r\n--y y\r\n\r\nhello\r\n--y y\r\nContent-Type: text/html\r\n\r\n<p>hello\r\n--y y--",
            "Content-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\nRw0KGgo=",
            "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"b.txt\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=62=\r\nc",
            "Content-Type: text/x-msdos-program\r\n\r\nMZ",
            "Content-Type: application/pdf; name=\"=?UTF-8?Q?Stra=C3=9Fe_1.pdf?=\"\r\n\r\n%PDF",
        ]);
        let found = files(&message).unwrap();
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), &f.content[..])).collect();
        assert_eq!(
            found,
            [
                ("a.png", &b"\x89PNG\r\n\x1a\n"[..]),
                ("b.txt", b"abc"),
                ("part.exe", b"MZ"),
                ("Stra\u{df}e 1.pdf", b"%PDF")
            ]
        );
        assert_eq!(files("From: a@b.example\n\nplain text").map(|f| f.len()), Ok(0));
    }

    #[test]
    fn parts_that_are_read_differently_are_refused() {
        let exe = "TVqQAAMA";
        for part in [
            "Content-Type: application/octet-stream; name=evil.exe\r\nContent-Type: text/plain\r\n\r\nMZ",
            "Content-Disposition: attachment; filename=evil.vbs\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx",
            "Content-Disposition: attachment; filename=a.txt; filename=evil.vbs\r\n\r\nx",
            "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''evil.vbs\r\n\r\nx",
            "Content-Disposition: attachment; filename*0=evil; filename*1=.vbs\r\n\r\nx",
            "Content-Disposition: ; filename=evil.vbs\r\n\r\nx",
            "Content-Type: text/plain; name=evil.vbs\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx",
            "Content-Type: text/plain (comment)\r\n\r\nx",
            "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 evil.exe",
            "Content-Type: text/plain\r\n\r\nhello\nbegin 644 evil.exe\n#0V%T\n`\nend",
            "Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\nhello",
            &format!("Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n!{exe}"),
            "Content-Type: image/png\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=+1",
            "\r\nx\r\n--x--junk\r\n\r\nevil",
            "\r\nx\r\n--xy\r\n\r\nevil",
            "\r\nx in a line--x\r\nContent-Type: image/png\r\n\r\nevil",
        ] {
            assert!(files(&mixed(&[part])).is_err(), "{part}");
        }
        let message = mixed(&["\r\nx"]);
        for odd in [
            message.replace("boundary=x", "boundary=x; boundary=y"),
            message.replace("boundary=x", "boundary*=x"),
            message.replace("--x--\r\n", ""),
            message.replace("--x--\r\n", "--x--\r\n--x\r\n\r\nmore"),
            message.replace("boundary=x", "charset=x"),
        ] {
            assert!(files(&odd).is_err(), "{odd}");
        }
        assert!(files(&"Content-Type: message/rfc822\n\n".repeat(10_000)).is_err());
        assert!(files(&mixed(&["\r\nx"; 101])).is_err());
    }
}
