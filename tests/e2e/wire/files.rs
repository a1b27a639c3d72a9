//! Files: their names, the heads of their parts, their contents (rows C101 to C37).

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{MARK, PNG, Refusal, Row, Sent, Wire, file, form_of, multipart_type, text};

const NAME: Refusal = (400, "uploads.name");
const UNREADABLE: Refusal = (400, "body.unreadable");
const TYPE: Refusal = (415, "uploads.type");
const MISMATCH: Refusal = (415, "uploads.mismatch");
const ACTIVE: Refusal = (415, "uploads.active");
const ARCHIVE: Refusal = (415, "uploads.archive");

/// A form with a text and one more part.
fn row(id: &str, head: &str, content: &[u8], (status, reason): Refusal) -> Row {
    let body = form_of(&[(&text("text"), MARK.as_bytes()), (head, content)]);
    Row::new(id, Sent::post("/upload", &multipart_type(), body), status, reason)
}

/// The content is always a picture: only the name is wrong.
#[test]
fn names_that_apps_read_differently() {
    let long = format!("{}.png", "a".repeat(5_000));
    let longer_than_shown = format!("{}.png", "a".repeat(147));
    let names = [
        ("C101", "evil.php.png", NAME),
        ("C101-case", "evil.PhP.png", NAME),
        ("C101-last", "evil.png.exe", NAME),
        ("C102", "evil.png.", NAME),
        ("C103", "evil.png ", NAME),
        ("C103-inside", "evil.php .png", NAME),
        ("C103-before", " evil.png", NAME),
        ("C104", "evil.asp::$DATA", NAME),
        ("C104-stream", "evil.asp:x.png", NAME),
        ("C104-blank", "evil.asp: x.png", NAME),
        ("C105", "evil.php\0.png", UNREADABLE),
        ("C105-percent", "evil.php%00.png", NAME),
        ("C106", "../../evil.png", NAME),
        ("C106-absolute", "/etc/evil.png", NAME),
        ("C106-percent", "..%2f..%2fevil.png", NAME),
        ("C107", "..\\evil.png", UNREADABLE),
        ("C107-drive", "C:evil.png", NAME),
        ("C108", "evil.ex&#101;", NAME),
        ("C108-dot", "evil&#46php.png", NAME),
        ("C108-named", "evil&period;php.png", NAME),
        ("C109", "evil\u{202e}gnp.exe", NAME),
        ("C109-end", "evil\u{202e}.png", NAME),
        ("C110", "evil.\u{440}ng", TYPE),
        ("C111", "evil.\u{ff50}hp.png", NAME),
        ("C111-dot", "evil\u{ff0e}php.png", NAME),
        ("C111-end", "evil.pn\u{ff47}", NAME),
        ("C112", "evil.\u{200b}png", NAME),
        ("C112-joiner", "evil.p\u{200c}hp.png", NAME),
        ("C112-private", "evil.ph\u{e000}p.png", NAME),
        ("C113", ".htaccess", NAME),
        ("C113-png", ".htaccess.png", NAME),
        ("C114", "", UNREADABLE),
        ("C115", &long, UNREADABLE),
        ("C115-short", &longer_than_shown, NAME),
        ("C116", "evil%2ephp.png", NAME),
        ("C116-twice", "evil%252ephp.png", NAME),
        ("C116-blank", "evil.php%20.png", NAME),
        ("C116-letter", "evil.p%68p.png", NAME),
        ("C117", "evil.asp;.png", NAME),
        ("C117-more", "evil.php;x=1.png", NAME),
        ("C117-percent", "evil.asp%3b.png", NAME),
        ("C117-name", "evil.png; name=other", UNREADABLE),
        ("C118", "evil\r\n.png", UNREADABLE),
        ("C118-lf", "evil\n.png", UNREADABLE),
        ("C118-cr", "evil\r.png", UNREADABLE),
        ("C118-percent", "evil%0d%0a.png", NAME),
        ("C119", "evil\\\".png", UNREADABLE),
        ("C119-more", "ok.png\\\"; filename=\\\"evil.php", UNREADABLE),
        // What browsers write for a quote; Rack undoes it.
        ("C120", "evil%22.png", NAME),
        ("C120-markup", "<img src=x>.png", NAME),
        ("C121", "evil.svg", NAME),
        ("C122", "evil.html", NAME),
        ("C123", "evil.docm", NAME),
        ("C124", "evil", TYPE),
        ("C125", "evil.xyz", TYPE),
        ("C126", "evil.php\u{a0}.png", NAME),
        ("C127", "evil.php\u{2003}.png", NAME),
    ];
    let rows = names.map(|(id, name, refusal)| row(id, &file(name, "image/png"), PNG, refusal));
    Wire::start().refuses(rows.into());
}

#[test]
fn part_heads_that_apps_read_differently() {
    let cd = "Content-Disposition: form-data";
    let heads = [
        ("C201", format!("{cd}; name=\"file\"; filename=\"ok.png\"; filename*=UTF-8''evil.php"), UNREADABLE),
        ("C201-same", format!("{cd}; name=\"file\"; filename=\"ok.png\"; filename*=UTF-8''ok.png"), UNREADABLE),
        ("C202", format!("{cd}; name=\"file\"; filename*=UTF-8''evil.php; filename=\"ok.png\""), UNREADABLE),
        ("C203", format!("{cd}; name=\"file\"; filename*=UTF-8''evil.php"), UNREADABLE),
        ("C204", format!("{cd}; name=\"file\"; filename*0=\"evil\"; filename*1=\".php\""), UNREADABLE),
        ("C204-coded", format!("{cd}; name=\"file\"; filename*0*=UTF-8''evil; filename*1*=%2ephp"), UNREADABLE),
        ("C205", format!("{cd}; name=\"file\"; filename=\"ok.png\"; filename=\"evil.php\""), UNREADABLE),
        ("C205-name", format!("{cd}; name=\"file\"; name=\"other\"; filename=\"ok.png\""), UNREADABLE),
        ("C206", format!("{cd}; name=\"file\"; filename=ok.png"), UNREADABLE),
        ("C206-name", format!("{cd}; name=file; filename=\"ok.png\""), UNREADABLE),
        ("C207", format!("{cd}; name=\"file\"; filename='ok.png'"), UNREADABLE),
        ("C208", format!("{cd}; name=\"file\"; FileName=\"ok.png\""), UNREADABLE),
        ("C208-name", format!("{cd}; NAME=\"file\"; filename=\"ok.png\""), UNREADABLE),
        ("C208-type", "Content-Disposition: FORM-DATA; name=\"file\"; filename=\"ok.png\"".into(), UNREADABLE),
        ("C209", format!("{cd}; name=\"file\"; filename=\"ok.png\"\r\n{cd}; name=\"x\""), UNREADABLE),
        ("C210", format!("{cd};\r\n name=\"file\"; filename=\"ok.png\""), UNREADABLE),
        ("C210-tab", format!("{cd};\r\n\tname=\"file\"; filename=\"ok.png\""), UNREADABLE),
        ("C211", format!("{cd}; name=\"file\"; filename=\"=?utf-8?q?evil=2Ephp?=.png\""), NAME),
        ("C211-base64", format!("{cd}; name=\"file\"; filename=\"=?utf-8?B?ZXZpbC5waHAA?=.png\""), NAME),
        ("C212", "Content-Disposition: attachment; name=\"file\"; filename=\"ok.png\"".into(), UNREADABLE),
        ("C213", format!("{cd}; filename=\"ok.png\"; name=\"file\""), UNREADABLE),
        ("C214", format!("{cd}; name=\"file\"; filename=\"ok.png\"; size=12"), UNREADABLE),
        ("C214-before", format!("{cd}; x=\"y\"; name=\"file\"; filename=\"ok.png\""), UNREADABLE),
        ("C215", format!("{cd}; name=\"file; filename=ok.png\""), UNREADABLE),
        ("C216", format!("{cd}; name=\"file\"; filename = \"ok.png\""), UNREADABLE),
        ("C217", format!("{cd};\tname=\"file\"; filename=\"ok.png\""), UNREADABLE),
        ("C218", "Content-Disposition : form-data; name=\"file\"; filename=\"ok.png\"".into(), UNREADABLE),
        ("C219", format!("{cd}; name=\"file\"; filename=\"ok.png"), UNREADABLE),
        ("C220", format!("{cd}; name=\"file\"; filename=\"ok.png\"\r\nX-Name: evil.php"), UNREADABLE),
        ("C221", format!("{cd}; name=\"file\"; filename=\"ok.png\"\nX-Name: evil.php"), UNREADABLE),
        ("C222", "Content-Type: image/png".into(), UNREADABLE),
        ("C223", format!("{cd}; filename=\"ok.png\""), UNREADABLE),
        ("C224", format!("{}\r\nContent-Type: text/html", file("ok.png", "image/png")), UNREADABLE),
        ("C225", format!("{cd}; name=\"fi%6ce\"; filename=\"ok.png\""), UNREADABLE),
        ("C226", format!("{cd}; name=\"fi&#108;e\"; filename=\"ok.png\""), UNREADABLE),
        ("C34", format!("{}\r\nContent-Transfer-Encoding: base64", file("ok.png", "image/png")), UNREADABLE),
        ("C34-case", format!("content-transfer-encoding: BASE64\r\n{}", file("ok.png", "image/png")), UNREADABLE),
        ("C35", format!("{}\r\nContent-Transfer-Encoding: quoted-printable", file("ok.png", "image/png")), UNREADABLE),
        ("C35-uu", format!("{}\r\nContent-Transfer-Encoding: x-uuencode", file("ok.png", "image/png")), UNREADABLE),
        (
            "C35-two",
            format!("{}\r\nContent-Transfer-Encoding: binary, base64", file("ok.png", "image/png")),
            UNREADABLE,
        ),
    ];
    let mut rows: Vec<Row> = heads.into_iter().map(|(id, head, refusal)| row(id, &head, PNG, refusal)).collect();
    let not_utf8 = form_of(&[(&text("text"), MARK.as_bytes()), (&file("ok?.png", "image/png"), PNG)]);
    let not_utf8 = super::replaced(&not_utf8, "ok?", "ok\u{fffd}");
    let at = memchr::memmem::find(&not_utf8, "\u{fffd}".as_bytes()).unwrap();
    let not_utf8 = [&not_utf8[..at], b"\xe4", &not_utf8[at + 3..]].concat();
    rows.push(Row::new("C227", Sent::post("/upload", &multipart_type(), not_utf8), 400, "body.unreadable"));
    Wire::start().refuses(rows);
}

/// The row, the name, the declared type, the content, the refusal.
type Content<'a> = (&'a str, &'a str, &'a str, &'a [u8], Refusal);

#[test]
fn contents_that_are_not_what_they_say() {
    let late = [&[b' '; 900][..], b"%PDF-1.7\n"].concat();
    let tail = [PNG, &[0; 64], b"<html><script>x</script>"].concat();
    let member = |name| archive(&[("fine.txt", b"x"), (name, b"x")]);
    let mut bomb = archive(&[("a.txt", &vec![b'x'; 20_000])]);
    let directory = memchr::memmem::find(&bomb, b"PK\x01\x02").unwrap();
    bomb[directory + 24..directory + 28].copy_from_slice(&2_000_000_000_u32.to_le_bytes());
    let contents: [Content; 24] = [
        ("C30", "evil.png", "image/png", b"MZ\x90\0\x03\0\0\0", MISMATCH),
        ("C30-pdf", "evil.pdf", "application/pdf", PNG, MISMATCH),
        ("C30-elf", "evil.txt", "text/plain", b"\x7fELF\x02\x01\x01\0", MISMATCH),
        ("C30-html", "evil.txt", "text/plain", b"<!DOCTYPE html><script>x</script>", MISMATCH),
        ("C30-php", "evil.txt", "text/plain", b"<?php system($_GET['c']);", MISMATCH),
        ("C30-shell", "evil.csv", "text/csv", b"#!/bin/sh\nrm -r /", MISMATCH),
        ("C30-nul", "evil.txt", "text/plain", b"a\0b", MISMATCH),
        ("C30-declared", "fine.png", "text/html", PNG, MISMATCH),
        ("C30-svg", "fine.png", "image/svg+xml", PNG, MISMATCH),
        ("C30-not-listed", "fine.mp4", "video/mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", TYPE),
        ("C31", "evil.gif", "image/gif", b"GIF89a<?php system($_GET['c']); ?>", ACTIVE),
        ("C31-short", "evil.gif", "image/gif", b"GIF89a/*<?=system($_GET[0])?>*/", ACTIVE),
        ("C32", "evil.pdf", "application/pdf", &late, MISMATCH),
        ("C33", "evil.png", "image/png", &tail, ACTIVE),
        ("C36", "evil.zip", "application/zip", &member("../../evil.txt"), ARCHIVE),
        ("C36-absolute", "evil.zip", "application/zip", &member("/etc/evil.txt"), ARCHIVE),
        ("C36-windows", "evil.zip", "application/zip", &member("..\\evil.txt"), ARCHIVE),
        ("C36-program", "evil.zip", "application/zip", &member("run.exe"), ARCHIVE),
        ("C36-nested", "evil.zip", "application/zip", &member("more.zip"), ARCHIVE),
        ("C36-hidden", "evil.zip", "application/zip", &member(".htaccess"), ARCHIVE),
        ("C36-no-document", "evil.docx", "application/octet-stream", &member("b.txt"), ARCHIVE),
        ("C36-two", "evil.zip", "application/zip", &[member("b.txt"), member("c.txt")].concat(), ARCHIVE),
        ("C37", "evil.zip", "application/zip", &bomb, ARCHIVE),
        ("C37-cut", "evil.zip", "application/zip", &bomb[..bomb.len() - 30], ARCHIVE),
    ];
    let rows = contents.map(|(id, name, declared, content, refusal)| row(id, &file(name, declared), content, refusal));
    Wire::start().refuses(rows.into());
}

/// A ZIP archive of these members, not compressed.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in members {
        writer.start_file(*name, stored).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
