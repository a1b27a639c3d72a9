//! The members of ZIP archives, and of documents that are such archives. Only their directory is
//! read, by a stricter reader than any that unpacks: one directory at the very end, which lists
//! every byte before it, with the names that stand before the members as well. So every reader finds
//! the same members. Nothing is unpacked.

use super::Kind;
use super::name;

/// The most members.
const MAX_MEMBERS: usize = 2_000;
/// How many times larger unpacked than packed; what unpacks to less than [`SMALL`] may be more.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 50 << 20;
/// Archives inside of archives.
const ARCHIVES: &[&str] = &["zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz", "zst", "cab", "jar", "ace", "arj"];
/// What no document has a use for.
const PROGRAMS: &[&str] =
    &["exe", "dll", "com", "scr", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "hta", "msi", "lnk", "jar"];

const ODD: &str = "an archive that programs read in different ways";

/// Inspects the directory of `content`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn inspect(content: &[u8], kind: &Kind) -> Result<(), &'static str> {
    let members = members(content)?;
    if kind.marker().is_some_and(|m| !members.iter().any(|member| member.name == m.as_bytes())) {
        return Err("an archive that is no document");
    }
    let unpacked = members.iter().fold(0_u64, |sum, m| sum.saturating_add(m.unpacked));
    if unpacked > SMALL.max(MAX_RATIO.saturating_mul(content.len() as u64)) {
        return Err("an archive that is far larger when it is unpacked");
    }
    members.iter().try_for_each(|member| check_member(&String::from_utf8_lossy(member.name), kind))
}

/// A file in an archive, as its directory describes it.
pub struct Member<'a> {
    /// Its path, in the bytes that stand there.
    pub name: &'a [u8],
    unpacked: u64,
    /// From where to where it is, its own head included.
    start: usize,
    end: usize,
}

/// A little-endian number of two bytes at `at`.
fn two(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

/// A little-endian number of four bytes at `at`; one that stands for a larger number elsewhere
/// (ZIP64) is none.
fn four(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    (number != u32::MAX).then_some(usize::try_from(number).ok()?)
}

/// The members, if the archive has one reading (APPNOTE 4.3).
///
/// # Errors
/// Why it has none, or too many members.
pub fn members(content: &[u8]) -> Result<Vec<Member<'_>>, &'static str> {
    let end = content.len().checked_sub(22).ok_or(ODD)?;
    let tail = content.get(end..).filter(|t| t.starts_with(b"PK\x05\x06")).ok_or(ODD)?;
    let field = |at| two(tail, at).ok_or(ODD);
    let (disk, first_disk, here, count, comment) = (field(4)?, field(6)?, field(8)?, field(10)?, field(20)?);
    if disk != 0 || first_disk != 0 || here != count || comment != 0 {
        return Err(ODD);
    }
    if count > MAX_MEMBERS {
        return Err("an archive of more than 2000 files");
    }
    let (length, start) = (four(tail, 12).ok_or(ODD)?, four(tail, 16).ok_or(ODD)?);
    if start.checked_add(length) != Some(end) {
        return Err(ODD);
    }
    let mut members = Vec::with_capacity(count);
    let mut directory = &content[start..end];
    for _ in 0..count {
        let (member, rest) = entry(content, directory)?;
        members.push(member);
        directory = rest;
    }
    if directory.is_empty() && tiles(&members, start) { Ok(members) } else { Err(ODD) }
}

/// The next entry of the directory, and what follows.
fn entry<'a>(content: &'a [u8], directory: &'a [u8]) -> Result<(Member<'a>, &'a [u8]), &'static str> {
    if !directory.starts_with(b"PK\x01\x02") {
        return Err(ODD);
    }
    let short = |at| two(directory, at).ok_or(ODD);
    let long = |at| four(directory, at).ok_or(ODD);
    if short(8)? & 1 != 0 {
        return Err("an archive with a password");
    }
    let (packed, unpacked, at) = (long(20)?, long(24)?, long(42)?);
    let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
    let name = directory.get(46..46 + name).ok_or(ODD)?;
    let rest = directory.get(46 + name.len() + extra + comment..).ok_or(ODD)?;
    let local = content.get(at..).filter(|l| l.starts_with(b"PK\x03\x04")).ok_or(ODD)?;
    let (local_name, local_extra) = (two(local, 26).ok_or(ODD)?, two(local, 28).ok_or(ODD)?);
    if local.get(30..30 + local_name) != Some(name) {
        return Err(ODD);
    }
    let end = at + 30 + local_name + local_extra + packed;
    Ok((Member { name, unpacked: unpacked as u64, start: at, end }, rest))
}

/// Whether the members fill the archive up to its directory. Between two there may be a descriptor,
/// with or without its signature, of 32 or 64 bits.
fn tiles(members: &[Member<'_>], directory: usize) -> bool {
    let mut places: Vec<(usize, usize)> = members.iter().map(|m| (m.start, m.end)).collect();
    places.sort_unstable();
    let starts = places.iter().skip(1).map(|(start, _)| *start).chain([directory]);
    let first = places.first().map_or(directory, |(start, _)| *start);
    let follows = |((_, end), next): (&(usize, usize), usize)| {
        next.checked_sub(*end).is_some_and(|gap| matches!(gap, 0 | 12 | 16 | 20 | 24))
    };
    first == 0 && places.iter().zip(starts).all(follows)
}

fn check_member(path: &str, kind: &Kind) -> Result<(), &'static str> {
    let outside = path.starts_with('/') || path.contains(['\\', ':', '\0']) || path.split('/').any(|p| p == "..");
    if outside {
        return Err("a member whose path leads out of the archive");
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let lower = last.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map_or("", |(_, e)| e);
    if ARCHIVES.contains(&extension) {
        return Err("an archive inside of an archive");
    }
    if kind.is_document() {
        let folder = path.to_ascii_lowercase();
        let macros = lower == "vbaproject.bin" || folder.starts_with("basic/") || folder.starts_with("scripts/");
        let program = PROGRAMS.contains(&extension);
        return if macros || program { Err("a document with macros or programs") } else { Ok(()) };
    }
    // What macOS puts beside the files.
    let last = if path.starts_with("__MACOSX/") { last.trim_start_matches("._") } else { last };
    if last.is_empty() || last == ".DS_Store" { Ok(()) } else { name::extension(last).map(drop) }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, content) in members {
            writer.start_file(*name, stored).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn zip(content: &[u8]) -> Result<(), &'static str> {
        inspect(content, Kind::named("zip").unwrap())
    }

    #[test]
    fn members_are_judged() {
        let fine: [(&str, &[u8]); 4] =
            [("photos/Straße 1.jpg", b"x"), ("list.csv", b"y"), ("__MACOSX/._list.csv", b"z"), (".DS_Store", b"")];
        assert_eq!(zip(&archive(&fine)), Ok(()));
        assert_eq!(zip(&archive(&[])), Ok(()));
        for bad in ["../evil.txt", "/etc/passwd", "a\\..\\b.txt", "run.exe", "page.html", "more.zip", "x/.htaccess"] {
            assert!(zip(&archive(&[("fine.txt", b"x"), (bad, b"x")])).is_err(), "{bad}");
        }
        let docx = |members: &[(&str, &[u8])]| inspect(&archive(members), Kind::named("docx").unwrap());
        assert_eq!(docx(&[("_rels/.rels", b"x"), ("docProps/app.xml", b"x"), ("word/document.xml", b"x")]), Ok(()));
        assert!(docx(&[("fine.txt", b"x")]).is_err());
        assert!(docx(&[("word/document.xml", b"x"), ("word/vbaProject.bin", b"x")]).is_err());
        assert!(docx(&[("word/document.xml", b"x"), ("word/run.exe", b"x")]).is_err());
    }

    #[test]
    fn archives_with_two_readings_are_refused() {
        let good = archive(&[("a.txt", b"xy"), ("b.txt", b"z")]);
        let one = archive(&[("a.txt", b"xy")]);
        assert_eq!(zip(&good), Ok(()));
        let edited = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let end = good.len() - 22;
        let directory = memchr::memmem::find(&good, b"PK\x01\x02").unwrap();
        let mut fewer = edited(end + 8, 1);
        fewer[end + 10] = 1;
        for (what, bytes) in [
            ("fewer entries than there are", fewer),
            ("another name before the member", edited(30, b'z')),
            ("two archives", [&one[..], &good[..]].concat()),
            ("something before it", [b"#!/bin/sh\n", &good[..]].concat()),
            ("something after it", [&good[..], b"x"].concat()),
            ("another size", edited(directory + 20, 1)),
            ("a signature only", b"PK\x03\x04 no archive".to_vec()),
            ("a password", edited(directory + 8, 1)),
        ] {
            assert!(zip(&bytes).is_err(), "{what}");
        }
        for cut in 0..good.len() {
            assert!(zip(&good[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn bombs_are_seen_by_their_directory() {
        let mut bomb = archive(&[("a.txt", b"x")]);
        let directory = memchr::memmem::find(&bomb, b"PK\x01\x02").unwrap();
        bomb[directory + 24..directory + 28].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        assert_eq!(zip(&bomb), Err("an archive that is far larger when it is unpacked"));
    }
}
