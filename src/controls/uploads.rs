//! What people may send in as files (B19 to B23).
//!
//! For a role that `per_role` names, directly or through `like`, every file of a form is judged:
//! 1. no file is taken when `allowed: false`, nor more than `files` at once;
//! 2. its name must have one reading: any language, but no paths, no characters that do not show, no
//!    name under which a server or a desktop would run it, also before another extension;
//! 3. its name, the type that the client declares and its content must agree on a type in `types`;
//! 4. images hold no script; archives hold no archives, no programs, no paths that lead out, no
//!    password, and unpack to at most a hundred times their size; documents hold no macros;
//! 5. it is at most `largest`;
//! 6. the virus scanner, if there is one (`scan`), finds nothing in it. It is asked about what rules 1
//!    to 5 let through, whoever sends it.
//!
//! Forms and JSON are read wherever they are sent, not only on routes of class `upload`. A `data:` URI
//! of Base64 in their text is a file; in JSON, so is Base64 of 64 characters or more beside a file's
//! name, under a key such as `file`, `attachment`, `image` or `blob`, or of a type that its first bytes
//! tell (from 200 characters on). A body
//! that is a file as it is has its name where the profile says (`file_name` of a route). On other
//! routes of class `upload`, a body that is no form and no JSON is refused, since what it is cannot
//! be told; on routes of no such class it passes.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl, ScannedControl};
use crate::decision::{Denial, Evidence, Reason, RefusedFile, RuleAt, Verdict, reasons};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::problem::closest;
use crate::policy::types::{ByteSize, Duration, Named};
use crate::request::RequestHead;
use crate::scan::{Address, Scanned, Scanner};
use crate::upload::flaw::{NO_ENDING, PROGRAM, of_content};
use crate::upload::{FileFacts, Flaw, KINDS, Kind, Suspicion, shown};

/// What people may send in as files.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Uploads")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// Where a virus scanner is that sees every file: `clamd://HOST:PORT` (3310 when
    /// none is written), `clamd:/PATH/OF/SOCKET` or `icap://HOST:PORT/SERVICE` (1344). Absent: none is
    /// asked.
    pub scan: Option<String>,
    /// What happens to a file about which the scanner says nothing: `refuse`, or `allow_and_flag`
    /// (the record says that it was not scanned). Default `refuse`.
    pub if_scanner_down: IfScannerDown,
    /// How long the scanner may take for one file. Default 30s.
    pub scan_timeout: Option<Duration>,
    /// Rules by role. A role's own entry takes the place of the one that it would have through `like`.
    /// What a role without any sends is not judged, which `check` warns of.
    pub per_role: Named<RoleFile>,
}

/// The answer to a scanner that says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfScannerDown {
    /// The file is refused with 503.
    #[default]
    Refuse,
    /// It passes, and its record says that it was not scanned.
    AllowAndFlag,
}

/// What a role may send in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleFile {
    /// Whether it may send files at all. Default true.
    pub allowed: Option<bool>,
    /// The types: `pdf`, `png`, `jpeg`, `gif`, `webp`, `bmp`, `tiff`, `heic`, `mp4`, `mov`, `webm`,
    /// `mp3`, `m4a`, `wav`, `ogg`, `docx`, `xlsx`, `pptx`, `odt`, `ods`, `odp`, `doc`, `xls`, `ppt`, `rtf`,
    /// `zip`, `txt`, `csv`, `eml`. Absent: all of these.
    #[schemars(schema_with = "kinds_schema")]
    pub types: Option<Vec<String>>,
    /// The largest file, such as `10MB`. Absent: as large as a body may be.
    pub largest: Option<ByteSize>,
    /// How many files one request may hold. Absent: any number.
    #[schemars(range(min = 1))]
    pub files: Option<u32>,
}

reasons! {
    /// Rule 1.
    NOT_ALLOWED = "uploads.not_allowed", 403, "Your role does not allow sending files.", "Send the text without the file.";
    /// Rule 1, by number.
    TOO_MANY = "uploads.too_many", 413, "These are too many files at once.", "Send fewer files at once.";
    /// Rule 2.
    NAME = "uploads.name", 400, "A file of this name is not accepted.", "Give it a plain name with one ending, such as offer.pdf, and send it again.";
    /// Rule 3, when the type is none of those allowed.
    TYPE = "uploads.type", 415, "Files of this type are not accepted.", "Send the file as one of the types that are allowed.";
    /// Rule 3, when name and content do not agree.
    MISMATCH = "uploads.mismatch", 415, "The file is not what its name says.", "Save it again in its proper type, then send it.";
    /// Rule 4, for images.
    ACTIVE = "uploads.active", 415, "The file holds something that could be run.", "Save the image again without it, then send it.";
    /// Rule 4, for archives and documents.
    ARCHIVE = "uploads.archive", 415, "The archive or document holds something that is not accepted.",
        "Take it out, or send the files one by one.";
    /// Rule 5.
    TOO_LARGE = "uploads.too_large", 413, "The file is larger than is accepted.", "Send a smaller file.";
    /// Rule 6.
    INFECTED = "uploads.infected", 422, "The virus scanner found something in the file.",
        "Do not open it, and have the computer checked that it came from.";
    /// Rule 6, when the scanner says nothing.
    NOT_SCANNED = "uploads.not_scanned", 503, "The file could not be checked for viruses.", "Try again in a few minutes.";
}

/// How long a scanner may take unless the policy says otherwise.
const SCAN_WITHIN: StdDuration = StdDuration::from_secs(30);

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "uploads",
    summary: "Takes only the files that a role may send, judged by name, declared type and content.",
    reasons: REASONS,
    arm,
};

struct Rules {
    allowed: bool,
    types: Vec<&'static Kind>,
    /// The types for the person who is refused.
    listed: Arc<str>,
    largest: Option<u64>,
    files: Option<u32>,
    at: RulesAt,
}

/// Where the keys of a role's entry stand.
struct RulesAt {
    entry: RuleAt,
    allowed: RuleAt,
    types: RuleAt,
    largest: RuleAt,
    files: RuleAt,
}

impl RulesAt {
    fn new(path: &str, arming: &Arming<'_>) -> Self {
        let rule = |key: &str| arming.rule(format!("{path}.{key}"));
        let (allowed, types) = (rule("allowed"), rule("types"));
        Self { entry: arming.rule(path), allowed, types, largest: rule("largest"), files: rule("files") }
    }

    /// The key that refuses for this reason.
    fn of(&self, reason: &Reason) -> &RuleAt {
        match reason.code {
            "uploads.not_allowed" => &self.allowed,
            "uploads.too_many" => &self.files,
            "uploads.too_large" => &self.largest,
            "uploads.type" => &self.types,
            _ => &self.entry,
        }
    }
}

struct Uploads {
    per_role: Vec<Option<Arc<Rules>>>,
}

struct Scans {
    if_down: IfScannerDown,
    rule: RuleAt,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.uploads.as_ref()?;
    let mut entries = Vec::new();
    for (name, role) in file.per_role.iter() {
        let path = format!("uploads.per_role.{name}");
        arming.names.role_set(&path, std::slice::from_ref(&name.to_owned()), arming.problems);
        entries.push(Arc::new(rules(&path, role, arming)));
    }
    let rules_of = |entry: Option<usize>| entry.map(|entry| entries[entry].clone());
    let per_role: Vec<_> = arming.names.entry_of_each(&file.per_role).into_iter().map(rules_of).collect();
    warn_of_others(&per_role, arming);
    let rule = arming.rule("uploads.scan");
    let scans = file.scan.as_ref().map(|_| Scans { if_down: file.if_scanner_down, rule });
    if per_role.iter().all(Option::is_none) && scans.is_none() {
        return None;
    }
    let scanned = scans.map(|s| Box::new(s) as Box<dyn ScannedControl>);
    let request = Some(Box::new(Uploads { per_role }) as Box<dyn RequestControl>);
    Some(Armed { request, scanned, ..Armed::new("uploads", arming.mode(file.mode)) })
}

/// Tells whose files are not judged although others' are: that is easily forgotten of visitors.
fn warn_of_others(per_role: &[Option<Arc<Rules>>], arming: &mut Arming<'_>) {
    let names = per_role.iter().zip(arming.names.role_names());
    let others: Vec<&str> = names.filter(|(rules, _)| rules.is_none()).map(|(_, name)| name.as_str()).collect();
    // A role that is misspelt looks like one that was forgotten.
    if !others.is_empty() && others.len() < per_role.len() && !arming.problems.any_error() {
        let message = format!("files from these roles are not judged: {}; add an entry for each", others.join(", "));
        arming.problems.warning("uploads.per_role", message);
    }
}

/// The scanner that the policy names.
pub fn scanner(arming: &mut Arming<'_>) -> Option<Scanner> {
    let file = arming.file.uploads.as_ref()?;
    if file.scan_timeout.is_some_and(|t| t.0.is_zero()) {
        arming.problems.error("uploads.scan_timeout", "nothing is scanned in no time; write a longer time");
    }
    let within = file.scan_timeout.map_or(SCAN_WITHIN, |t| t.0);
    let scanner = Address::parse(file.scan.as_ref()?).map(|address| Scanner { address, within });
    scanner.map_err(|wrong| arming.problems.error("uploads.scan", wrong)).ok()
}

fn rules(path: &str, file: &RoleFile, arming: &mut Arming<'_>) -> Rules {
    let types = match &file.types {
        None => KINDS.iter().collect(),
        Some(names) => kinds(&format!("{path}.types"), names, arming),
    };
    let limit = arming.file.limits.inspected_body;
    if let Some(largest) = file.largest.filter(|l| *l > limit) {
        let message = format!("{largest} is more than a body may have ({limit}); raise limits.inspected_body as well");
        arming.problems.error(format!("{path}.largest"), message);
    }
    if file.largest.is_some_and(|l| l.0 == 0) {
        arming.problems.error(format!("{path}.largest"), "0 takes no file at all; write allowed: false instead");
    }
    if file.files == Some(0) {
        arming.problems.error(format!("{path}.files"), "0 takes no file at all; write allowed: false instead");
    }
    let listed = types.iter().map(|k| k.name).collect::<Vec<_>>().join(", ").into();
    let largest = file.largest.map(|l| l.0);
    let at = RulesAt::new(path, arming);
    Rules { allowed: file.allowed.unwrap_or(true), types, listed, largest, files: file.files, at }
}

fn kinds_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
    json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": names } })
}

fn kinds(path: &str, names: &[String], arming: &mut Arming<'_>) -> Vec<&'static Kind> {
    if names.is_empty() {
        arming
            .problems
            .error(path, "an empty list refuses every file; write allowed: false, or name at least one type");
    }
    let mut kinds = Vec::new();
    for (index, name) in names.iter().enumerate() {
        kinds.extend(Kind::named(name));
        if Kind::named(name).is_none() {
            let all: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
            let meant = match closest(name, all.iter().copied()) {
                Some(kind) => format!("; did you mean \"{kind}\"?"),
                None => format!("; known here: {}", all.join(", ")),
            };
            arming.problems.error(format!("{path}[{index}]"), format!("no type of file is called \"{name}\"{meant}"));
        }
    }
    kinds
}

impl RequestControl for Uploads {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let rules = self.per_role.get(request.role.index()).and_then(Option::as_ref);
        let (Some(rules), Some(first)) = (rules, request.files.first()) else { return Verdict::NotApplicable };
        if !rules.allowed {
            return rules.refuse(NOT_ALLOWED, first);
        }
        if rules.files.is_some_and(|most| request.files.len() > most as usize) {
            return rules.refuse(TOO_MANY, first);
        }
        let refused = request.files.iter().find_map(|file| rules.judge(file).map(|reason| (reason, file)));
        refused.map_or(Verdict::Allow, |(reason, file)| rules.refuse(reason, file))
    }
}

impl ScannedControl for Scans {
    fn decide(&self, request: &RequestHead) -> Verdict {
        let refuse = |reason, file: &FileFacts| {
            let file = RefusedFile { name: shown(&file.name), found: file.found, ..RefusedFile::default() };
            Denial::because(reason, Evidence::File(Box::new(file))).by(&self.rule).into()
        };
        let is_infected = |f: &&FileFacts| matches!(f.scanned, Some(Scanned::Infected(_)));
        if let Some(file) = request.files.iter().find(is_infected) {
            return refuse(INFECTED, file);
        }
        let unknown = request.files.iter().find(|f| f.scanned != Some(Scanned::Clean));
        match unknown.filter(|_| self.if_down == IfScannerDown::Refuse) {
            Some(file) => refuse(NOT_SCANNED, file),
            None => Verdict::Allow,
        }
    }
}

impl Rules {
    fn judge(&self, file: &FileFacts) -> Option<&'static Reason> {
        match file.suspicion {
            Some(Suspicion::Name(_)) => return Some(NAME),
            Some(Suspicion::Mismatch) => return Some(MISMATCH),
            Some(Suspicion::Active(_)) => return Some(ACTIVE),
            Some(Suspicion::Archive(_)) => return Some(ARCHIVE),
            None => {}
        }
        if !file.kind.is_some_and(|kind| self.types.contains(&kind)) {
            return Some(TYPE);
        }
        self.largest.is_some_and(|most| file.bytes > most).then_some(TOO_LARGE)
    }

    fn refuse(&self, reason: &'static Reason, file: &FileFacts) -> Verdict {
        let flaw = flaw_of(reason, file);
        let allowed = match (reason.code, self.files, self.largest) {
            ("uploads.not_allowed", ..) => "".into(),
            ("uploads.too_many", Some(files), _) => format!("at most {files} at once").into(),
            ("uploads.too_large", _, Some(largest)) => format!("at most {}", ByteSize(largest)).into(),
            _ => self.listed.clone(),
        };
        let refused = RefusedFile {
            // Too many files are all of them.
            name: if reason == TOO_MANY { String::new() } else { shown(&file.name) },
            found: file.found,
            how: flaw.map_or("", |flaw| flaw.what),
            advice: flaw.map_or("", |flaw| flaw.advice),
            allowed,
        };
        Denial::because(reason, Evidence::File(Box::new(refused))).by(self.at.of(reason)).into()
    }
}

/// What is wrong with a file that is refused for this reason, where that says more than the reason.
fn flaw_of(reason: &Reason, file: &FileFacts) -> Option<&'static Flaw> {
    if reason == NOT_ALLOWED || reason == TOO_MANY || reason == TOO_LARGE {
        return None;
    }
    let content = of_content(file.found);
    match file.suspicion {
        // What a file holds counts before what it is called: no other name makes a program something else.
        _ if content == Some(PROGRAM) => content,
        Some(Suspicion::Name(flaw)) if flaw.runs() => Some(flaw),
        _ if content.is_some() => content,
        Some(Suspicion::Name(flaw) | Suspicion::Active(flaw) | Suspicion::Archive(flaw)) => Some(flaw),
        None if reason == TYPE && !file.name.contains('.') => Some(NO_ENDING),
        Some(Suspicion::Mismatch) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::multipart::FilePart;
    use crate::decision::PolicyLine;
    use crate::upload::{flaw, inspect};

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const EXE: &[u8] = b"MZ\x90\0\x03\0\0\0";
    const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn rules() -> Rules {
        let named = |name| Kind::named(name).unwrap();
        let types = vec![named("pdf"), named("png"), named("txt")];
        let rule = |key: &str| RuleAt { name: key.into(), at: PolicyLine(1) };
        let at = RulesAt {
            entry: rule("entry"),
            allowed: rule("allowed"),
            types: rule("types"),
            largest: rule("largest"),
            files: rule("files"),
        };
        Rules { allowed: true, types, listed: "pdf, png, txt".into(), largest: Some(5 << 20), files: Some(2), at }
    }

    fn refused(name: &str, content: &[u8]) -> (&'static Reason, RefusedFile, &'static str) {
        let part = FilePart { field: "f".into(), name: name.into(), declared: None, content: content.to_vec().into() };
        let (file, rules) = (inspect(&[part]).remove(0), rules());
        let reason = rules.judge(&file).unwrap_or_else(|| panic!("{name} is let through"));
        let Verdict::Deny(denial) = rules.refuse(reason, &file) else { panic!("{name} is let through") };
        let Evidence::File(file) = denial.evidence.clone() else { panic!("{name}: {:?}", denial.evidence) };
        (reason, *file, denial.remedy())
    }

    #[test]
    fn each_refused_file_gets_the_advice_that_helps() {
        let large = [b"%PDF-1.7".as_slice(), &vec![b' '; 6 << 20]].concat();
        for (name, content, reason, remedy) in [
            // A program is one under any name, and with any content a name of a program is.
            ("setup.exe", EXE, NAME, flaw::PROGRAM.advice),
            ("setup.exe", PNG, NAME, flaw::PROGRAM.advice),
            ("report.txt", EXE, MISMATCH, flaw::PROGRAM.advice),
            ("report.pdf.png", EXE, MISMATCH, flaw::PROGRAM.advice),
            ("tool", ELF, TYPE, flaw::PROGRAM.advice),
            ("tool.bin", ELF, TYPE, flaw::PROGRAM.advice),
            ("a\u{202e}gnp.exe", EXE, NAME, flaw::PROGRAM.advice),
            ("run.txt", b"#!/bin/sh\nrm -rf /\n", MISMATCH, flaw::PROGRAM.advice),
            ("notes.txt", b"<!DOCTYPE html><script>x</script>", MISMATCH, flaw::MARKUP.advice),
            ("page.html", b"<html>", NAME, flaw::MARKUP.advice),
            ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", NAME, flaw::DRAWING.advice),
            ("list.xlsm", b"PK\x03\x04", NAME, flaw::MACRO_DOCUMENT.advice),
            // Here another name does help.
            ("photo.php.png", PNG, NAME, flaw::ENDING_INSIDE.advice),
            ("a<b.png", PNG, NAME, flaw::ODD_CHARACTERS.advice),
            ("photo", PNG, TYPE, flaw::NO_ENDING.advice),
            // And here another type.
            ("list.csv", b"a;b\n", TYPE, TYPE.remedy),
            ("photo.png", b"%PDF-1.7", MISMATCH, MISMATCH.remedy),
            ("photo.png", &[PNG, b"<?php x"].concat(), ACTIVE, flaw::SCRIPT_IN_IMAGE.advice),
            ("all.zip", b"PK\x03\x04 no archive", ARCHIVE, flaw::ODD_ARCHIVE.advice),
            ("large.pdf", &large, TOO_LARGE, TOO_LARGE.remedy),
        ] {
            let (found, file, told) = refused(name, content);
            assert_eq!((found.code, told), (reason.code, remedy), "{name}");
            let allowed = if reason == TOO_LARGE { "at most 5MB" } else { "pdf, png, txt" };
            assert_eq!((&*file.allowed, file.name), (allowed, shown(name)), "{name}");
        }
    }
}
