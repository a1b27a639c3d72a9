//! Documentation that repeats what the program says is made from it, or held against it.
//! `DESKGATE_WRITE=1 cargo test --test documents` writes what is made.

#![allow(clippy::unwrap_used, clippy::panic)] // what tests share is test code too

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use deskgate::body::multipart::FilePart;
use deskgate::clock::Timestamp;
use deskgate::controls::CONTROLS;
use deskgate::decision::record::{Decision, MaskedBy, Privacy};
use deskgate::decision::{Evidence, Finding, Outcome, PolicyLine, Reason, RefusedFile, protocol};
use deskgate::mail::recipients;
use deskgate::metrics::Metrics;
use deskgate::policy::file::{HideAddress, HideUser, Mode, PolicyFile};
use deskgate::upload::inspect;
use regex::Regex;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

const MADE: &str = "<!-- made: DESKGATE_WRITE=1 cargo test --test documents -->\n";

/// Holds the made part of a page against what is made now.
fn compare(name: &str, made: &str) {
    let page = read(name);
    let (written, before) = page.split_once(MADE).unwrap_or_else(|| panic!("{name} has no mark {MADE}"));
    let whole = format!("{written}{MADE}\n{made}");
    if std::env::var_os("DESKGATE_WRITE").is_some() {
        std::fs::write(path(name), whole).unwrap();
    } else {
        assert_eq!(before, format!("\n{made}"), "{name} is old; write it anew: {MADE}");
    }
}

/// Text of a doc comment as a page has it: on one line, without the names of rows in our own lists.
fn plain(text: &str) -> String {
    let rows = Regex::new(r"\s*\((?:[A-Z][0-9]+)[^)]*\)").unwrap();
    rows.replace_all(text, "").replace('\n', " ").replace('|', "\\|")
}

// --- docs/policy.md ----------------------------------------------------------------------------------

struct Reference {
    schema: Value,
    out: String,
}

impl Reference {
    fn resolved<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        loop {
            let choices = schema.get("anyOf").and_then(Value::as_array);
            let only = choices.map(|c| c.iter().filter(|c| c["type"] != "null").collect::<Vec<_>>());
            schema = match (schema.get("$ref").and_then(Value::as_str), only.as_deref()) {
                (Some(target), _) => self.schema.pointer(target.trim_start_matches('#')).unwrap(),
                (None, Some([one])) => one,
                _ => return schema,
            };
        }
    }

    /// The mapping behind a schema and what stands between its path and its keys.
    fn keys_of<'a>(&'a self, schema: &'a Value) -> Option<(&'static str, &'a Value)> {
        let schema = self.resolved(schema);
        if schema.get("properties").is_some() {
            return Some((".", schema));
        }
        if let Some(named) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            let inner = self.resolved(named);
            return inner.get("properties").is_some().then_some((".NAME.", inner));
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let mut mappings = choices.iter().map(|c| self.resolved(c)).filter(|c| c.get("properties").is_some());
            return mappings.next().map(|mapping| (".", mapping));
        }
        let inner = self.resolved(schema.get("items")?);
        inner.get("properties").is_some().then_some(("[].", inner))
    }

    fn rows(&mut self, prefix: &str, schema: &Value) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let shown = format!("{prefix}{key}");
            let shown = if required.contains(&key.as_str()) { format!("**`{shown}`**") } else { format!("`{shown}`") };
            let _ = writeln!(self.out, "| {shown} | {} | {} |", self.kind(property), self.about(property));
            let inner = self.keys_of(property).map(|(between, inner)| (between, inner.clone()));
            if let Some((between, inner)) = inner {
                self.rows(&format!("{prefix}{key}{between}"), &inner);
            }
        }
    }

    fn about(&self, property: &Value) -> String {
        let text = property["description"].as_str().or_else(|| self.resolved(property)["description"].as_str());
        let mut text = plain(text.unwrap_or_default());
        match &property["default"] {
            Value::Null | Value::Array(_) | Value::Object(_) => {}
            default if text.contains("efault") => drop(default.is_null()),
            default => {
                let _ = write!(text, " Default `{}`.", default.as_str().map_or(default.to_string(), str::to_owned));
            }
        }
        text
    }

    fn kind(&self, property: &Value) -> String {
        let schema = self.resolved(property);
        if let Some(format) = schema["format"].as_str() {
            return match format {
                "duration" => "time",
                "size" | "rate" | "count" => format,
                _ => "number",
            }
            .to_owned();
        }
        let words = |list: &Value| -> Vec<String> {
            let texts = list.as_array().into_iter().flatten();
            texts.filter_map(|w| w.as_str().or_else(|| w["const"].as_str())).map(|w| format!("`{w}`")).collect()
        };
        let mut known = words(&schema["enum"]);
        known.extend(words(&schema["oneOf"]));
        if known.len() > 8 {
            return "a class ([profiles.md](profiles.md))".into();
        }
        if !known.is_empty() {
            return known.join(", ");
        }
        if property["$ref"] == "#/$defs/NetworkList" || property.to_string().contains("NetworkList") {
            return "networks".into();
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let kinds: Vec<String> = choices.iter().filter(|c| c["type"] != "null").map(|c| self.kind(c)).collect();
            return kinds.join(" or ");
        }
        if schema.get("properties").is_some() {
            return "keys".into();
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            return format!("names of your own, each with {}", self.kind(inner));
        }
        if let Some(items) = schema.get("items") {
            return format!("a list of {}", self.kind(items));
        }
        let word = match &schema["type"] {
            Value::String(word) => word.as_str(),
            Value::Array(words) => words[0].as_str().unwrap_or_default(),
            _ => "",
        };
        match word {
            "boolean" => "`true`, `false`",
            "integer" => "number",
            _ => "text",
        }
        .to_owned()
    }
}

#[test]
fn the_reference_of_the_policy_is_the_schema() {
    let schema = schemars::schema_for!(PolicyFile).to_value();
    let mut reference = Reference { schema: schema.clone(), out: String::new() };
    for (key, property) in schema["properties"].as_object().unwrap() {
        let _ = writeln!(reference.out, "### `{key}`\n\n{}\n", reference.about(property));
        let inner = reference.keys_of(property).map(|(between, inner)| (between, inner.clone()));
        match inner {
            Some((between, inner)) => {
                reference.out += "| key | value | |\n|---|---|---|\n";
                reference.rows(&format!("{key}{between}"), &inner);
            }
            None => {
                let _ = writeln!(reference.out, "Value: {}.", reference.kind(property));
            }
        }
        reference.out.push('\n');
    }
    compare("docs/policy.md", reference.out.trim_end_matches('\n').to_owned().as_str().trim_end());
}

// --- docs/controls.md --------------------------------------------------------------------------------

/// The module doc of a control, behind its first line.
fn rules(name: &str) -> String {
    let source = read(&format!("src/controls/{name}.rs"));
    let doc =
        source.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let doc: String = doc.map(|line| format!("{line}\n")).collect();
    let rows = Regex::new(r"\s*\((?:[A-Z][0-9]+)[^)]*\)").unwrap();
    rows.replace_all(&doc, "").trim().to_owned()
}

fn reasons(out: &mut String, reasons: &[&Reason]) {
    *out += "| code | status | what the person reads | what they can do |\n|---|---|---|---|\n";
    for reason in reasons {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", reason.code, reason.status, reason.summary, reason.remedy);
    }
}

#[test]
fn the_page_of_controls_is_what_their_files_say() {
    let mut out = String::new();
    for control in CONTROLS {
        let _ = writeln!(out, "## `{}`\n\n{}\n\n{}\n", control.name, control.summary, rules(control.name));
        if control.reasons.is_empty() {
            out += "It refuses nothing; it changes headers of the app's answer.\n";
        } else {
            reasons(&mut out, control.reasons);
        }
        out.push('\n');
    }
    out += "## Before the controls\n\n";
    reasons(&mut out, protocol::REASONS);
    compare("docs/controls.md", out.trim_end());
}

#[test]
fn every_control_has_a_section_and_a_line_in_the_readme() {
    let (page, readme) = (read("docs/controls.md"), read("README.md"));
    for control in CONTROLS {
        assert!(page.contains(&format!("## `{}`", control.name)), "docs/controls.md: {}", control.name);
        assert!(readme.contains(&format!("| `{}` |", control.name)), "README.md: {}", control.name);
        assert!(path(&format!("tests/cases/{}", control.name)).is_dir(), "tests/cases/{}", control.name);
    }
}

// --- docs/decision-log.md ----------------------------------------------------------------------------

fn fields(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    for (key, inner) in value.as_object().unwrap() {
        let name = format!("{prefix}{key}");
        // Below these stand names of the policy's own.
        if inner.is_object() && !matches!(key.as_str(), "masked" | "would_mask") {
            fields(inner, &format!("{name}."), found);
        } else {
            found.insert(name);
        }
    }
}

fn record(finding: Option<Evidence>, full: bool, shadow: bool) -> Value {
    let some = |text| full.then_some(text);
    let findings: Vec<Finding> = finding
        .map(|evidence| Finding {
            control: "limits",
            mode: Mode::Enforce,
            denial: Some((protocol::BODY, evidence)),
            at: PolicyLine(3),
            rule: Some("numbers".into()),
        })
        .into_iter()
        .collect();
    let file = FilePart { field: "f".into(), name: "a.txt".into(), declared: None, content: "x".into() };
    let files = inspect(&[file]);
    let masked = [MaskedBy { field: "phone", count: 2, rule: "phones", line: 40, shadow }];
    let decision = Decision {
        masked: if full { &masked } else { &[] },
        unread: some("type"),
        answer_type: some("csv"),
        answer_name: some("a.csv"),
        time: Timestamp(1_772_442_000_005),
        id: "01KJPD2B05C2S7X3Y1J3GZ6T0M",
        revision: "9c1f0e7ab34d",
        outcome: if findings.is_empty() { Outcome::Forwarded } else { Outcome::Refused },
        findings: &findings,
        user: some("amir"),
        unknown: full,
        role: "agent",
        realm: some("accounts"),
        session: some("3f1c0a9be2d45871"),
        api_key: some("erp"),
        kind: "session",
        client: "198.51.100.20".parse().unwrap(),
        method: "POST",
        class: "ticket",
        does: if full { &[("ticket", Some("delete"))] } else { &[("page", None)] },
        channel: some("portal"),
        route: some("ticket_delete"),
        area: "management",
        subject: some("7"),
        files: if full { &files } else { &[] },
        removed: u32::from(full) * 2,
        session_event: some("signed_in"),
        tunnel: some("opened"),
        status: 200,
        bytes: 1,
        gateway_us: 2,
        upstream_us: 3,
    };
    let mut line = Vec::new();
    let client_ip = if full { HideAddress::Keep } else { HideAddress::Remove };
    decision.write(&Privacy { client_ip, user: HideUser::Keep, key: [0; 32] }, "desk1", 7, &mut line);
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn records_have_the_documented_fields_and_no_other() {
    let page = read("docs/decision-log.md");
    let row = Regex::new(r"(?m)^\| `([a-z_.]+)` \| (always)? ?\|").unwrap();
    let documented: BTreeSet<String> = row.captures_iter(&page).map(|c| c[1].to_owned()).collect();
    let always: BTreeSet<String> =
        row.captures_iter(&page).filter(|c| c.get(2).is_some()).map(|c| c[1].to_owned()).collect();

    let mut possible = BTreeSet::new();
    let refused = recipients("x@evil.test").unwrap().remove(0);
    let recipient = Evidence::Recipient { refused, allowed: "".into() };
    let file = RefusedFile { name: "a.txt".into(), found: "text/plain", how: "odd", ..RefusedFile::default() };
    let file = Evidence::File(Box::new(file));
    let app = Evidence::App("10.0.4.10:8000 refused the connection".into());
    let plain = [Evidence::Type("csv"), Evidence::Unreadable("twice"), Evidence::RetryAfter(3)];
    for evidence in plain.into_iter().chain([recipient, file, app]) {
        fields(&record(Some(evidence.clone()), true, false), "", &mut possible);
        fields(&record(Some(evidence), true, true), "", &mut possible);
    }
    assert_eq!(documented, possible);
    let mut least = BTreeSet::new();
    fields(&record(None, false, false), "", &mut least);
    assert_eq!(always, least);

    let example = page.lines().find(|line| line.starts_with('{')).unwrap();
    let mut shown = BTreeSet::new();
    fields(&serde_json::from_str(example).unwrap(), "", &mut shown);
    assert!(shown.is_subset(&documented) && always.is_subset(&shown), "the example: {shown:?}");
}

#[test]
fn session_events_are_all_told() {
    let page = read("docs/decision-log.md");
    let event = Regex::new(r#"session_event = Some\("([a-z_]+)"\)"#).unwrap();
    let mut found = 0;
    for file in std::fs::read_dir(path("src/proxy")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for event in event.captures_iter(&source) {
            assert!(page.contains(&format!("`{}`", &event[1])), "docs/decision-log.md: session_event {}", &event[1]);
            found += 1;
        }
    }
    assert!(found > 0);
}

// --- docs/operations.md, docker/ ---------------------------------------------------------------------

fn metric_names(text: &str) -> BTreeSet<String> {
    Regex::new(r"deskgate_[a-z_]+").unwrap().find_iter(text).map(|m| m.as_str().to_owned()).collect()
}

#[test]
fn metrics_are_the_documented_ones() {
    let source = read("src/metrics.rs");
    let defined: BTreeSet<String> = metric_names(source.split("#[cfg(test)]").next().unwrap()).into_iter().collect();
    let row = Regex::new(r"(?m)^\| `(deskgate_[a-z_]+)` \|").unwrap();
    let page = read("docs/operations.md");
    let documented: BTreeSet<String> = row.captures_iter(&page).map(|c| c[1].to_owned()).collect();
    assert_eq!(documented, defined);
    for used in metric_names(&read("docker/prometheus-rules.yaml")) {
        assert!(defined.contains(used.trim_end_matches("_bucket")), "docker/prometheus-rules.yaml: {used}");
    }
    let process = Regex::new(r#""(process_[a-z_]+)""#).unwrap();
    let read = read("src/metrics/process.rs");
    let names: Vec<&str> = process.captures_iter(&read).map(|c| c.get(1).unwrap().as_str()).collect();
    assert_eq!(names.len(), 7);
    assert!(names.iter().all(|name| page.contains(&format!("`{name}`"))), "docs/operations.md: {names:?}");
}

/// A quantile that lies in the last bucket is told as that bucket's bound, so it is never beyond it.
#[test]
fn no_alert_waits_for_a_quantile_that_no_bucket_can_tell() {
    let rules = read("docker/prometheus-rules.yaml");
    let rule = Regex::new(r"histogram_quantile\(.*\((deskgate_[a-z_]+)_bucket\[.*> ([0-9.]+)").unwrap();
    let shown = Metrics::new().unwrap().render();
    let mut found = 0;
    for rule in rule.captures_iter(&rules) {
        let bucket = Regex::new(&format!("(?m)^{}_bucket\\{{le=\"([0-9.]+)\"", &rule[1])).unwrap();
        let bounds: Vec<f64> = bucket.captures_iter(&shown).map(|b| b[1].parse().unwrap()).collect();
        let threshold: f64 = rule[2].parse().unwrap();
        assert!(bounds.contains(&threshold), "{} has no bound of {threshold}", &rule[1]);
        assert!(bounds.iter().any(|bound| *bound > threshold), "{} tells nothing beyond {threshold}", &rule[1]);
        found += 1;
    }
    assert_eq!(found, rules.matches("histogram_quantile").count());
    assert!(found >= 2, "{found}");
}

// --- docs/adr/0006-crates.md -------------------------------------------------------------------------

#[test]
fn every_dependency_has_its_reason_and_is_used() {
    let manifest = read("Cargo.toml");
    let page = read("docs/adr/0006-crates.md");
    let mut section = "";
    let mut sources = String::new();
    gather(&path("src"), &mut sources);
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with('#')) else { continue };
        if section == "[dependencies]" || section == "[dev-dependencies]" {
            assert!(page.contains(&format!("| `{name}` | ")), "docs/adr/0006-crates.md: {name}");
        }
        if section == "[dependencies]" {
            let named = name.replace('-', "_");
            let used = Regex::new(&format!(r"\b{named}(::|!)|use {named}\b")).unwrap();
            assert!(used.is_match(&sources), "Cargo.toml: {name} is not used");
        }
    }
}

fn gather(directory: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            gather(&entry, sources);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            *sources += &std::fs::read_to_string(entry).unwrap();
        }
    }
}

// --- links -------------------------------------------------------------------------------------------

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(path).to_vec();
    for directory in ["docs", "docs/adr"] {
        let entries = std::fs::read_dir(path(directory)).unwrap().map(|e| e.unwrap().path());
        pages.extend(entries.filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in link.captures_iter(&text) {
            let target = page.parent().unwrap().join(&link[1]);
            assert!(target.exists(), "{}: {}", page.display(), &link[1]);
        }
    }
}
