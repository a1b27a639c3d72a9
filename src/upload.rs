//! What a file that is sent really is: its name, what it declares, what it holds. Judged here once;
//! the control compares it with what the role may send.

pub mod archive;
pub mod flaw;
mod kind;
pub mod name;

use sha2::{Digest, Sha256};

pub use flaw::Flaw;
pub use kind::{KINDS, Kind};

use crate::body::multipart::FilePart;
use crate::scan::Scanned;
use crate::text::is_invisible;

/// A file as controls and records see it. Its content is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its name as it is forwarded.
    pub name: String,
    /// What its name and its content agree on.
    pub kind: Option<&'static Kind>,
    /// The media type that the content has.
    pub found: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Why nobody may send it.
    pub suspicion: Option<Suspicion>,
    /// What the virus scanner said, once it was asked.
    pub scanned: Option<Scanned>,
}

/// Why a file is refused whatever its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Apps read its name in different ways, or it would be run under it.
    Name(&'static Flaw),
    /// Name, declared type and content do not agree.
    Mismatch,
    /// It holds what a browser or a server would run.
    Active(&'static Flaw),
    /// Its members are refused.
    Archive(&'static Flaw),
}

/// Inspects the files of a form. Inputs in which nothing was chosen are none. Takes time in the order
/// of the content's length: for a thread that may block.
#[must_use]
pub fn inspect(parts: &[FilePart]) -> Vec<FileFacts> {
    parts.iter().filter(|p| !p.is_nothing()).map(facts).collect()
}

fn facts(part: &FilePart) -> FileFacts {
    let content = &part.content[..];
    let found = media_type(content);
    let extension = name::extension(&part.name);
    let kind = extension.as_deref().ok().and_then(Kind::of_extension);
    let suspicion = match (extension, kind) {
        (Err(how), _) => Some(Suspicion::Name(how)),
        (Ok(_), None) => None,
        (Ok(_), Some(kind)) => suspicion(kind, part.declared.as_deref(), found, content),
    };
    FileFacts {
        name: part.name.clone(),
        kind,
        found,
        bytes: content.len() as u64,
        sha256: Sha256::digest(content).into(),
        suspicion,
        scanned: None,
    }
}

fn suspicion(kind: &Kind, declared: Option<&str>, found: &str, content: &[u8]) -> Option<Suspicion> {
    let declared = declared.map(|d| d.split(';').next().unwrap_or(d).trim().to_ascii_lowercase());
    // Browsers declare what the machine's settings say; a type of quite another kind is a disguise.
    if declared.is_some_and(|d| !kind.declares(&d)) || !kind.holds(found) {
        return Some(Suspicion::Mismatch);
    }
    if kind.is_image() && has_script(content) {
        return Some(Suspicion::Active(flaw::SCRIPT_IN_IMAGE));
    }
    if kind.is_archive() {
        return archive::inspect(content, kind).err().map(Suspicion::Archive);
    }
    None
}

/// Whether a server or a browser would find something to run in an image.
fn has_script(content: &[u8]) -> bool {
    let text = |b: &u8| matches!(b, b' '..=b'~' | b'\t'..=b'\r');
    memchr::memchr_iter(b'<', content).any(|at| {
        let after = &content[at + 1..];
        let behind = |word: &str| {
            after
                .split_at_checked(word.len())
                .filter(|(w, _)| w.eq_ignore_ascii_case(word.as_bytes()))
                .map(|(_, rest)| rest)
        };
        // The short ones occur by chance in a large image: text or the end of a name follows where they do not.
        ["?php", "script", "html"].iter().any(|word| behind(word).is_some())
            || behind("?=").is_some_and(|rest| rest.iter().take(8).all(text))
            || behind("svg").and_then(<[u8]>::first).is_some_and(|b| matches!(b, b'\t'..=b'\r' | b' ' | b'/' | b'>'))
    })
}

/// What the content is, by what stands at its very beginning.
fn media_type(content: &[u8]) -> &'static str {
    match infer::get(content).map(|t| t.mime_type()) {
        // Readers take a PDF that begins a little later, and so hides something before it.
        Some("application/pdf") if !content.starts_with(b"%PDF-") => "application/octet-stream",
        Some(found) => found,
        None => text_type(content),
    }
}

/// The longest name that is shown, in characters.
const MOST_SHOWN: usize = 80;
/// How many of them are of its end, where the name is longer.
const END_SHOWN: usize = 20;

/// A file's name as its sender sees it again: what does not show is a mark, and the middle of a long one is left out.
#[must_use]
pub fn shown(name: &str) -> String {
    let plain = |c: char| if c.is_control() || is_invisible(c) { char::REPLACEMENT_CHARACTER } else { c };
    let all: Vec<char> = name.chars().map(plain).collect();
    if all.len() <= MOST_SHOWN {
        return all.into_iter().collect();
    }
    let (start, end) = (&all[..MOST_SHOWN - END_SHOWN - 1], &all[all.len() - END_SHOWN..]);
    start.iter().chain(&['\u{2026}']).chain(end).collect()
}

/// Whether it is a text that a server or a browser would run.
#[must_use]
pub fn is_markup(content: &[u8]) -> bool {
    text_type(content) == "text/markup"
}

/// Content that no signature tells: text if it is nothing else, in whatever encoding the sender's
/// programs write.
fn text_type(content: &[u8]) -> &'static str {
    let utf16 = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
    let control = |b: &u8| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    if !utf16 && content.iter().any(control) {
        return "application/octet-stream";
    }
    // What encodings put between the letters is passed over.
    let start: Vec<u8> = content.iter().copied().filter(|b| (b'!'..=b'~').contains(b)).take(16).collect();
    let markup = ["<!doctype", "<html", "<script", "<svg", "<?xml", "<?php", "#!"];
    let is_markup = markup.iter().any(|m| start.get(..m.len()).is_some_and(|s| s.eq_ignore_ascii_case(m.as_bytes())));
    if is_markup { "text/markup" } else { "text/plain" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    fn file(name: &str, declared: &str, content: &[u8]) -> FileFacts {
        let part = FilePart {
            field: "f".into(),
            name: name.into(),
            declared: (!declared.is_empty()).then(|| declared.into()),
            content: content.to_vec().into(),
        };
        inspect(&[part]).remove(0)
    }

    #[test]
    fn name_type_and_content_agree() {
        for (name, declared, content, kind) in [
            ("Straße (final).v2.pdf", "application/pdf", &b"%PDF-1.7"[..], "pdf"),
            ("photo.PNG", "image/png", PNG, "png"),
            ("photo.png", "application/octet-stream", PNG, "png"),
            ("photo.png", "", PNG, "png"),
            ("list.csv", "application/vnd.ms-excel", b"a;b\r\n1;2\r\n", "csv"),
            ("notes.txt", "text/plain; charset=utf-8", "schön".as_bytes(), "txt"),
            ("empty.txt", "text/plain", b"", "txt"),
            ("kunden.csv", "text/csv", b"M\xfcller;K\xf6ln\r\n", "csv"),
            ("notepad.txt", "text/plain", b"\xff\xfeh\0i\0", "txt"),
        ] {
            let found = file(name, declared, content);
            assert_eq!((found.kind.map(|k| k.name), found.suspicion), (Some(kind), None), "{name}");
        }
    }

    #[test]
    fn disguises_are_seen() {
        for (name, declared, content) in [
            ("a.png", "text/html", PNG),
            ("a.png", "image/png", &b"%PDF-1.7"[..]),
            ("a.pdf", "application/pdf", b"junk\n%PDF-1.7"),
            ("a.txt", "text/plain", b"<!DOCTYPE html><script>x</script>"),
            ("a.txt", "text/plain", b"#!/bin/sh"),
            ("a.csv", "text/csv", b"MZ\x90\0\x03\0\0\0"),
            ("a.txt", "text/plain", b"a\0b"),
            ("a.txt", "text/plain", b"\xff\xfe<\0h\0t\0m\0l\0>\0"),
            ("a.pdf", "application/pdf", b""),
        ] {
            assert_eq!(file(name, declared, content).suspicion, Some(Suspicion::Mismatch), "{name} {declared}");
        }
        for script in
            ["<?php system(1);", "<ScRiPt>", "<?=`ls`;", "<?=\n`ls`;", "<svg\nonload\u{e9}>", "<svg/onload=x>"]
        {
            let polyglot = [b"GIF89a", script.as_bytes()].concat();
            assert!(matches!(file("a.gif", "image/gif", &polyglot).suspicion, Some(Suspicion::Active(_))));
        }
        assert_eq!(file("a.xyz", "", b"?").kind, None);
    }

    #[test]
    fn names_are_shown_whole_and_harmless() {
        assert_eq!(shown("Straße (final).pdf"), "Straße (final).pdf");
        assert_eq!(shown("a\u{202e}fdp.exe\n"), "a\u{fffd}fdp.exe\u{fffd}");
        let long = shown(&format!("{}.tar.gz", "ä".repeat(5_000)));
        assert!(long.chars().count() == 80 && long.contains("ä…ä") && long.ends_with("ä.tar.gz"), "{long}");
    }

    #[test]
    fn nothing_chosen_is_no_file() {
        let empty = FilePart { field: "f".into(), name: String::new(), declared: None, content: bytes::Bytes::new() };
        assert!(inspect(std::slice::from_ref(&empty)).is_empty());
        let nameless = FilePart { content: bytes::Bytes::from_static(b"x"), ..empty };
        assert!(matches!(inspect(&[nameless])[0].suspicion, Some(Suspicion::Name(_))));
    }
}
