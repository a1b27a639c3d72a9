//! The members of ZIP archives, and of documents that are such archives. Only their directory is
//! read, by a stricter reader than any that unpacks: one directory at the very end, which lists
//! every byte before it, with the names that stand before the members as well. So every reader finds
//! the same members. Nothing is unpacked.

use super::flaw::{self, Flaw};
use super::{Kind, name};

/// The most members.
const MAX_MEMBERS: usize = 2_000;
/// How many times larger unpacked than packed; what unpacks to less than [`SMALL`] may be more.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 50 << 20;
/// Archives inside of archives.
const ARCHIVES: &[&str] = &[
    "zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "tbz", "tbz2", "xz", "txz", "zst", "lz", "lzh", "lzma", "cab",
    "jar", "ace", "arj", "wim", "vhd", "vhdx", "dmg", "deb", "rpm", "pkg", "msix", "appx", "crx", "xpi", "apk", "ipa",
    "udf",
];
/// What no document has a use for.
const PROGRAMS: &[&str] =
    &["exe", "dll", "com", "scr", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "hta", "msi", "lnk", "jar"];
/// What Windows runs, or opens in a program that runs it, beyond what nobody may send by name.
const OPENED: &[&str] = &[
    "xll",
    "xlam",
    "ppam",
    "xltm",
    "dotm",
    "chm",
    "hlp",
    "application",
    "jnlp",
    "vb",
    "ws",
    "sct",
    "scf",
    "rdp",
    "desktop",
    "command",
    "library-ms",
    "settingcontent-ms",
    "gadget",
    "inf",
    "ps1xml",
    "iso",
    "img",
];

const ODD: &Flaw = flaw::ODD_ARCHIVE;

/// Inspects the directory of `content`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn inspect(content: &[u8], kind: &Kind) -> Result<(), &'static Flaw> {
    let members = members(content)?;
    if kind.marker().is_some_and(|m| !members.iter().any(|member| member.names[0] == m.as_bytes())) {
        return Err(flaw::NO_DOCUMENT);
    }
    let unpacked = members.iter().fold(0_u64, |sum, m| sum.saturating_add(m.unpacked));
    if unpacked > SMALL.max(MAX_RATIO.saturating_mul(content.len() as u64)) {
        return Err(flaw::BOMB);
    }
    let mut names = members.iter().flat_map(|member| &member.names);
    names.try_for_each(|name| check_member(&String::from_utf8_lossy(name), kind))
}

/// A file in an archive, as its directory describes it.
pub struct Member<'a> {
    /// Its path, and those that some programs read instead of it.
    pub names: Vec<&'a [u8]>,
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
pub fn members(content: &[u8]) -> Result<Vec<Member<'_>>, &'static Flaw> {
    let end = content.len().checked_sub(22).ok_or(ODD)?;
    let tail = content.get(end..).filter(|t| t.starts_with(b"PK\x05\x06")).ok_or(ODD)?;
    let field = |at| two(tail, at).ok_or(ODD);
    let (disk, first_disk, here, count, comment) = (field(4)?, field(6)?, field(8)?, field(10)?, field(20)?);
    if disk != 0 || first_disk != 0 || here != count || comment != 0 {
        return Err(ODD);
    }
    if count > MAX_MEMBERS {
        return Err(flaw::MANY_MEMBERS);
    }
    let (length, start) = (four(tail, 12).ok_or(ODD)?, four(tail, 16).ok_or(ODD)?);
    // The end of a larger archive (ZIP64) names a directory of its own; some look for it in any.
    let larger = end.checked_sub(20).is_some_and(|at| content[at..].starts_with(b"PK\x06\x07"));
    if start.checked_add(length) != Some(end) || larger {
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
fn entry<'a>(content: &'a [u8], directory: &'a [u8]) -> Result<(Member<'a>, &'a [u8]), &'static Flaw> {
    if !directory.starts_with(b"PK\x01\x02") {
        return Err(ODD);
    }
    let short = |at| two(directory, at).ok_or(ODD);
    let long = |at| four(directory, at).ok_or(ODD);
    if short(8)? & 1 != 0 {
        return Err(flaw::PASSWORD);
    }
    let (packed, unpacked, at) = (long(20)?, long(24)?, long(42)?);
    let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
    let name = directory.get(46..46 + name).ok_or(ODD)?;
    let (extra, rest) = directory[46 + name.len()..].split_at_checked(extra).ok_or(ODD)?;
    let rest = rest.get(comment..).ok_or(ODD)?;
    let local = content.get(at..).ok_or(ODD)?;
    let (local_extra, begin) = head(local, name, packed).ok_or(ODD)?;
    let names = std::iter::once(name).chain(unicode_names(extra)).chain(unicode_names(local_extra)).collect();
    Ok((Member { names, unpacked: unpacked as u64, start: at, end: at + begin + packed }, rest))
}

/// The extra fields of the head before a member, and where its content begins. Who reads an archive
/// without its directory goes by this head: it names the same file, of the same length.
fn head<'a>(local: &'a [u8], name: &[u8], packed: usize) -> Option<(&'a [u8], usize)> {
    let (named, extra) = (two(local, 26)?, two(local, 28)?);
    let same_name = local.starts_with(b"PK\x03\x04") && local.get(30..30 + named)? == name;
    // A length that follows the content is 0 here, or said to be larger than it can be.
    let follows = two(local, 6)? & 8 != 0 && matches!(four(local, 18), None | Some(0));
    let same_length = follows || four(local, 18) == Some(packed);
    let begin = 30 + named + extra;
    (same_name && same_length).then_some((local.get(30 + named..begin)?, begin))
}

/// The names that some programs read instead of the one that stands before these extra fields
/// (APPNOTE 4.6.9).
fn unicode_names(extra: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = extra;
    let fields = std::iter::from_fn(move || {
        let (kind, length) = (two(rest, 0)?, two(rest, 2)?);
        let field = rest.get(4..4 + length)?;
        rest = &rest[4 + length..];
        Some((kind, field))
    });
    // A version and a checksum of the name stand before it.
    fields.filter(|(kind, _)| *kind == 0x7075).filter_map(|(_, field)| field.get(5..))
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

fn check_member(path: &str, kind: &Kind) -> Result<(), &'static Flaw> {
    let outside = path.starts_with('/') || path.contains(['\\', ':', '\0']) || path.split('/').any(|p| p == "..");
    if outside {
        return Err(flaw::PATH_OUTSIDE);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let lower = last.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map_or("", |(_, e)| e);
    if OPENED.contains(&extension) {
        return Err(flaw::MEMBER_RUNS);
    }
    if ARCHIVES.contains(&extension) {
        return Err(flaw::NESTED);
    }
    if kind.is_document() {
        let folder = path.to_ascii_lowercase();
        let macros = lower == "vbaproject.bin" || folder.starts_with("basic/") || folder.starts_with("scripts/");
        let program =
            PROGRAMS.contains(&extension) || lower.starts_with("oleobject") || folder.contains("/macrosheets/");
        return if macros || program { Err(flaw::MACROS) } else { Ok(()) };
    }
    // What macOS puts beside the files.
    let last = if path.starts_with("__MACOSX/") { last.trim_start_matches("._") } else { last };
    if last.is_empty() || last == ".DS_Store" { Ok(()) } else { check_name(last) }
}

/// A member's name is judged as a file's is; the advice is about the archive.
fn check_name(name: &str) -> Result<(), &'static Flaw> {
    match name::extension(name) {
        Ok(_) => Ok(()),
        Err(flaw) if flaw.runs() => Err(flaw::MEMBER_RUNS),
        Err(_) => Err(flaw::MEMBER_NAME),
    }
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

    /// `content` of one member with more at the end of its directory, whose length stands at `length`.
    fn with(content: &[u8], length: usize, more: &[u8]) -> Vec<u8> {
        let directory = memchr::memmem::find(content, b"PK\x01\x02").unwrap();
        let (mut out, end) = (content.to_vec(), content.len() - 22);
        for at in [directory + length, end + 12] {
            out[at] += u8::try_from(more.len()).unwrap();
        }
        out.splice(end..end, more.iter().copied());
        out
    }

    fn zip(content: &[u8]) -> Result<(), &'static Flaw> {
        inspect(content, Kind::named("zip").unwrap())
    }

    #[test]
    fn members_are_judged() {
        let fine: [(&str, &[u8]); 4] =
            [("photos/Straße 1.jpg", b"x"), ("list.csv", b"y"), ("__MACOSX/._list.csv", b"z"), (".DS_Store", b"")];
        assert_eq!(zip(&archive(&fine)), Ok(()));
        assert_eq!(zip(&archive(&[])), Ok(()));
        for (bad, flaw) in [
            ("../evil.txt", flaw::PATH_OUTSIDE),
            ("/etc/passwd", flaw::PATH_OUTSIDE),
            ("a\\..\\b.txt", flaw::PATH_OUTSIDE),
            ("run.exe", flaw::MEMBER_RUNS),
            ("page.html", flaw::MEMBER_RUNS),
            ("set.rdp", flaw::MEMBER_RUNS),
            ("more.zip", flaw::NESTED),
            ("x/.htaccess", flaw::MEMBER_NAME),
        ] {
            assert_eq!(zip(&archive(&[("fine.txt", b"x"), (bad, b"x")])), Err(flaw), "{bad}");
        }
        let docx = |members: &[(&str, &[u8])]| inspect(&archive(members), Kind::named("docx").unwrap());
        assert_eq!(docx(&[("_rels/.rels", b"x"), ("docProps/app.xml", b"x"), ("word/document.xml", b"x")]), Ok(()));
        assert!(docx(&[("fine.txt", b"x")]).is_err());
        assert!(docx(&[("word/document.xml", b"x"), ("word/vbaProject.bin", b"x")]).is_err());
        assert!(docx(&[("word/document.xml", b"x"), ("word/run.exe", b"x")]).is_err());
    }

    #[test]
    fn members_are_judged_by_every_name_that_they_have() {
        let one = archive(&[("M_ller.txt", b"x")]);
        let named = |name: &str| {
            let length = u8::try_from(name.len()).unwrap() + 5;
            let field = [&b"\x75\x70"[..], &[length, 0, 1, 0, 0, 0, 0], name.as_bytes()].concat();
            zip(&with(&one, 30, &field))
        };
        assert_eq!(named("Müller.txt"), Ok(()));
        assert!(named("../Müller.txt").is_err() && named("Müller.exe").is_err());
        assert_eq!(zip(&with(&one, 30, b"\x75")), Ok(()), "something short that is no field");
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
        // A member that another one holds, found by who believes the shorter length before it.
        let mut inside = archive(&[("a.txt", &archive(&[("evil.exe", b"MZ")])[..30 + 8 + 2])]);
        inside[18..22].fill(0);
        // The end of a larger archive, in the comment on the last member: it may name another directory.
        let larger = with(&one, 32, &[&b"PK\x06\x06"[..], &[0; 52], b"PK\x06\x07", &[0; 16]].concat());
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
            ("a shorter length before the member", inside),
            ("the end of a larger archive", larger),
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
        assert_eq!(zip(&bomb), Err(flaw::BOMB));
    }
}
