//! What must hold for every input of the parsers that stand between a client and the app, both ways. The fuzz
//! targets call these with what they make up, `tests/fuzz_seeds.rs` with what is in `fuzz/seeds`.
//!
//! Where another reader of the same format is at hand it is asked as well: one that is more lenient,
//! as apps are, must find nothing in what passed that was not judged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // they are tests

mod answer;
mod body;
mod choices;
mod files;
mod head;
mod mail;
mod masking;
mod policy;

/// Panics when something does not hold for the input.
pub type Check = fn(&[u8]);

/// Every check by the name of its target, of its folder of seeds, and of its dictionary.
pub const CHECKS: &[(&str, Check)] = &[
    ("addresses", mail::addresses),
    ("answer", answer::answer),
    ("answer_card", answer::card),
    ("answer_csv", answer::csv),
    ("answer_events", answer::events),
    ("answer_html", answer::html),
    ("answer_json", answer::json),
    ("answer_text", answer::text),
    ("answer_xml", answer::xml),
    ("archive", files::archive),
    ("coding", masking::coding),
    ("cookies", head::cookies),
    ("embedded", body::embedded),
    ("escapes", masking::escapes),
    ("head", head::raw_head),
    ("json", body::json),
    ("lines", head::lines),
    ("message", mail::message),
    ("multipart", body::multipart),
    ("policy", policy::policy),
    ("rewritten", body::rewritten),
    ("saved", body::saved),
    ("target", head::target),
    ("upload", files::upload),
    ("urlencoded", body::urlencoded),
];
