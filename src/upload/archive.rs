//! The members of ZIP archives, and of documents that are such archives. Only their directory is
//! read; nothing is unpacked.

use std::io::Cursor;

use zip::ZipArchive;

use super::Kind;
use super::name;

/// The most members.
const MAX_MEMBERS: usize = 2_000;
/// How many times larger unpacked than packed.
const MAX_RATIO: u64 = 100;
/// Archives inside of archives.
const ARCHIVES: &[&str] = &["zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz", "zst", "cab", "jar", "ace", "arj"];

/// Inspects the directory of `content`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn inspect(content: &[u8], kind: &Kind) -> Result<(), &'static str> {
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|_| "an archive that cannot be read")?;
    if archive.len() > MAX_MEMBERS {
        return Err("an archive of more than 2000 files");
    }
    if kind.marker().is_some_and(|m| archive.index_for_name(m).is_none()) {
        return Err("an archive that is no document");
    }
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|_| "an archive that cannot be read")?;
        if member.encrypted() {
            return Err("an archive with a password");
        }
        unpacked = unpacked.saturating_add(member.size());
        if unpacked > MAX_RATIO.saturating_mul(content.len() as u64) {
            return Err("an archive that is far larger when it is unpacked");
        }
        let path = std::str::from_utf8(member.name_raw()).map_err(|_| "a member whose name is not UTF-8")?;
        check_member(path, kind)?;
    }
    Ok(())
}

fn check_member(path: &str, kind: &Kind) -> Result<(), &'static str> {
    let outside = path.starts_with('/') || path.contains(['\\', ':', '\0']) || path.split('/').any(|p| p == "..");
    if outside {
        return Err("a member whose path leads out of the archive");
    }
    let lower = path.to_ascii_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    let extension = last.rsplit_once('.').map_or("", |(_, e)| e);
    if ARCHIVES.contains(&extension) {
        return Err("an archive inside of an archive");
    }
    if kind.is_document() {
        let macros = last == "vbaproject.bin" || lower.starts_with("basic/") || lower.starts_with("scripts/");
        return if macros { Err("a document with macros") } else { Ok(()) };
    }
    if last.is_empty() { Ok(()) } else { name::extension(path.rsplit('/').next().unwrap_or(path)).map(drop) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

    #[test]
    fn members_are_judged() {
        let zip = Kind::named("zip").unwrap();
        assert_eq!(inspect(&archive(&[("photos/Straße 1.jpg", b"x"), ("list.csv", b"y")]), zip), Ok(()));
        for bad in ["../evil.txt", "/etc/passwd", "a\\..\\b.txt", "run.exe", "page.html", "more.zip", "x/.htaccess"] {
            assert!(inspect(&archive(&[("fine.txt", b"x"), (bad, b"x")]), zip).is_err(), "{bad}");
        }
        assert!(inspect(b"PK\x03\x04 no archive", zip).is_err());
        let docx = Kind::named("docx").unwrap();
        assert_eq!(inspect(&archive(&[("word/document.xml", b"x"), ("_rels/.rels", b"x")]), docx), Ok(()));
        assert!(inspect(&archive(&[("fine.txt", b"x")]), docx).is_err());
        assert!(inspect(&archive(&[("word/document.xml", b"x"), ("word/vbaProject.bin", b"x")]), docx).is_err());
    }

    #[test]
    fn bombs_are_seen_by_their_directory() {
        // The directory says 4 GB for a member that takes a few bytes.
        let mut bomb = archive(&[("a.txt", b"x")]);
        let directory = memchr::memmem::find(&bomb, b"PK\x01\x02").unwrap();
        bomb[directory + 24..directory + 28].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        assert!(inspect(&bomb, Kind::named("zip").unwrap()).is_err());
    }
}
