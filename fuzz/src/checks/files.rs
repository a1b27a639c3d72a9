//! Files that are sent: their names, what they hold, and the members of archives.

use std::collections::BTreeSet;
use std::io::Cursor;

use deskgate::body::multipart::FilePart;
use deskgate::text::is_invisible;
use deskgate::upload::{Kind, archive as reader, inspect, name};

use super::choices::Choices;

/// A file: its name on the first line, its declared type on the second, then its content.
pub fn upload(input: &[u8]) {
    let mut lines = input.splitn(3, |b| *b == b'\n').map(|line| std::str::from_utf8(line));
    let (Some(Ok(name)), Some(Ok(declared))) = (lines.next(), lines.next()) else { return };
    let content = input.get(name.len() + declared.len() + 2..).unwrap_or_default();
    let extension = name::extension(name);
    if let Ok(extension) = &extension {
        check_name(name, extension);
    }
    let declared = (!declared.is_empty()).then(|| declared.to_owned());
    let part = FilePart { field: "f".into(), name: name.into(), declared, content: content.to_vec().into() };
    let mut found = inspect(&[part]);
    let Some(facts) = found.pop() else {
        return assert!(name.is_empty() && content.is_empty(), "a file was passed over");
    };
    assert_eq!((facts.name.as_str(), facts.bytes), (name, content.len() as u64));
    let kind = extension.as_deref().ok().and_then(Kind::of_extension);
    assert_eq!(facts.kind, kind);
    match (extension, facts.suspicion, kind) {
        (Err(_), suspicion, _) => assert!(suspicion.is_some(), "{name:?}"),
        (Ok(_), None, Some(kind)) => {
            assert!(kind.holds(facts.found), "{name:?} holds {}", facts.found);
            check_content(kind, content);
        }
        _ => {}
    }
}

fn check_name(name: &str, extension: &str) {
    assert!(!name.is_empty() && name.chars().count() <= 150, "{name:?}");
    assert!(
        name.to_lowercase().ends_with(extension) && extension.to_lowercase() == extension,
        "{name:?}: {extension:?}"
    );
    assert!(extension.is_empty() || name.to_lowercase().ends_with(&format!(".{extension}")), "{name:?}: {extension:?}");
    let bad = |c: char| {
        c.is_control() || "/\\*\"<>|".contains(c) || is_invisible(c) && !('\u{200c}'..='\u{200f}').contains(&c)
    };
    assert!(!name.contains(bad) && !name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
    // Whatever an app drops or undoes: the same end, and nothing that is run.
    let shown: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    let undone = name.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    for other in [name.trim().to_owned(), shown, undone] {
        let other = other.to_lowercase();
        let end = other.rsplit('/').next().unwrap_or_default().rsplit_once('.').map_or("", |(_, end)| end);
        assert_eq!(end, extension, "{name:?} as {other:?}");
        for run in [".php", ".exe", ".html", ".svg", ".js", ".htaccess"] {
            assert!(!other.ends_with(run), "{name:?} as {other:?}");
        }
    }
}

fn check_content(kind: &Kind, content: &[u8]) {
    if kind.is_image() {
        let lower = content.to_ascii_lowercase();
        for script in [&b"<?php"[..], b"<script", b"<svg ", b"<svg\n", b"<svg/", b"<svg>", b"<html"] {
            assert!(!lower.windows(script.len()).any(|w| w == script), "{} with a script", kind.name);
        }
    }
    if kind.is_archive() {
        check_archive(content);
        for member in reader::members(content).expect("an archive that passed can be read") {
            for name in member.names {
                let path = String::from_utf8_lossy(name);
                assert!(!path.starts_with('/') && !path.split('/').any(|p| p == ".."), "{path:?}");
            }
        }
    }
}

/// A ZIP archive; what does not begin as one builds one.
pub fn archive(input: &[u8]) {
    if input.starts_with(b"PK") { check_archive(input) } else { check_archive(&built(&mut Choices(input))) }
}

/// Every member that another reader finds, by the directory or one after the other, is judged by the
/// name that it has there.
fn check_archive(content: &[u8]) {
    let Ok(members) = reader::members(content) else { return };
    let names: BTreeSet<&[u8]> = members.iter().flat_map(|m| m.names.iter().copied()).collect();
    if let Ok(other) = zip::ZipArchive::new(Cursor::new(content)) {
        let found: BTreeSet<&[u8]> = other.file_names_raw().collect();
        assert_eq!(other.offset(), 0, "something stands before it");
        assert!(found.is_subset(&names), "{found:?}, by the directory");
        assert!(members.iter().all(|m| m.names.iter().any(|name| found.contains(name))), "{found:?}, not {names:?}");
    }
    // Some readers look for the end of a larger archive in any.
    let larger = content.len().checked_sub(42).is_some_and(|at| content[at..].starts_with(b"PK\x06\x07"));
    assert!(!larger, "a second directory");
    let mut rest = content;
    while let Ok(Some(member)) = zip::read::read_zipfile_from_stream(&mut rest) {
        let name = member.name_raw();
        assert!(names.contains(name), "{:?}, one after the other", String::from_utf8_lossy(name));
    }
}

/// An archive whose lengths and places fit; the rest is chosen.
fn built(choices: &mut Choices<'_>) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    while !choices.is_empty() && count < 4 {
        let (start, member) = (out.len(), Built::choose(choices));
        out.extend(member.local(choices));
        out.extend(&member.content);
        out.extend(choices.pick(&[&[][..], &[0; 12], b"PK\x07\x08abcdabcdabcd", &[0; 24]]));
        directory.extend(member.entry(start, choices));
        count += 1;
    }
    let (start, length) = (out.len(), directory.len());
    out.extend(directory);
    let said = if choices.byte() == 1 { count.wrapping_sub(1) } else { count };
    out.extend([b"PK\x05\x06\0\0\0\0".to_vec(), two(said.into()), two(said.into())].concat());
    out.extend([four(length), four(start), two(0)].concat());
    out
}

struct Built {
    name: Vec<u8>,
    content: Vec<u8>,
    flags: usize,
    method: usize,
}

impl Built {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let name = choices.pick(&["a.txt", "word/document.xml", "../x", "Straße.txt", ""]);
        let name = if name.is_empty() { choices.bytes().to_vec() } else { name.into() };
        let mut content = choices.bytes().to_vec();
        if choices.byte() == 1 {
            // An archive inside of it that is stored as it is.
            content = built(&mut Choices(&content));
        }
        Self { name, content, flags: choices.pick(&[0, 0x800, 8, 1]), method: choices.pick(&[0, 8, 12]) }
    }

    fn local(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let size = choices.pick(&[self.content.len(), 0, 1]);
        let extra = self.extra(choices);
        let mut out = [b"PK\x03\x04\x14\0".to_vec(), two(self.flags), two(choices.pick(&[self.method, 0]))].concat();
        out.extend([vec![0; 8], four(size), four(size), two(self.name.len()), two(extra.len())].concat());
        [out, self.name.clone(), extra].concat()
    }

    fn entry(&self, start: usize, choices: &mut Choices<'_>) -> Vec<u8> {
        let (extra, comment) = (self.extra(choices), Self::comment(choices));
        let mut out = [b"PK\x01\x02\x14\0\x14\0".to_vec(), two(self.flags), two(self.method), vec![0; 8]].concat();
        out.extend([four(self.content.len()), four(self.content.len()), two(self.name.len())].concat());
        out.extend([two(extra.len()), two(comment.len()), vec![0; 8], four(start)].concat());
        [out, self.name.clone(), extra, comment].concat()
    }

    /// Nothing, another name in Unicode (0x7075), sizes of 64 bits, or anything.
    fn extra(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let other = |name: &[u8]| {
            let sum = four(checksum(&self.name) as usize);
            [two(0x7075), two(5 + name.len()), vec![1], sum, name.to_vec()].concat()
        };
        match choices.byte() % 5 {
            1 => other(b"b.exe"),
            2 => other(&self.name),
            3 => [two(1), two(16), vec![0; 16]].concat(),
            4 => choices.bytes().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Nothing, what could be read as the end of a larger archive, or anything.
    fn comment(choices: &mut Choices<'_>) -> Vec<u8> {
        match choices.byte() % 3 {
            1 => {
                let (count, length, start) = (choices.byte(), choices.byte(), choices.byte());
                let eight = |n: u8| [vec![n], vec![0; 7]].concat();
                let end = [b"PK\x06\x06".to_vec(), eight(44), vec![45, 0, 45, 0], vec![0; 8]].concat();
                let end = [end, eight(count), eight(count), eight(length), eight(start)].concat();
                [end, b"PK\x06\x07\0\0\0\0".to_vec(), eight(choices.byte()), vec![1, 0, 0, 0]].concat()
            }
            2 => choices.bytes().to_vec(),
            _ => Vec::new(),
        }
    }
}

fn two(number: usize) -> Vec<u8> {
    number.to_le_bytes()[..2].to_vec()
}

fn four(number: usize) -> Vec<u8> {
    number.to_le_bytes()[..4].to_vec()
}

/// CRC-32, as ZIP has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}
