//! What the detectors find in `tests/detect`, and how often they are right: `docs/detectors.md` has the figures.
//! `DESKGATE_SHOW=1 cargo test --test detect -- --nocapture` prints them, and every mistake.

#![allow(clippy::unwrap_used, clippy::panic)] // what tests share is test code too

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use deskgate::detect::{Detectors, FieldKind, Found, IdKind, Settings, digits};
use proptest::prelude::*;

fn settings(regions: &str) -> Settings {
    Settings {
        email: true,
        phone: true,
        regions: regions.split(' ').map(Into::into).collect(),
        iban: true,
        card: true,
        ids: IdKind::ALL.to_vec(),
        own: Vec::new(),
    }
}

fn find(detectors: &Detectors, text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    detectors.find(text, &mut |found| all.push(found));
    all
}

fn name(field: FieldKind) -> &'static str {
    match field {
        FieldKind::Email => "email",
        FieldKind::Phone => "phone",
        FieldKind::Iban => "iban",
        FieldKind::Card => "card",
        FieldKind::Id(id) => id.name(),
        FieldKind::Own(_) => "own",
    }
}

/// One line of the corpus: the text, and what is in it.
struct Case {
    text: String,
    wanted: Vec<(String, Range<usize>)>,
}

fn case(line: &str) -> Case {
    let line = line.replace("\\n", "\n");
    let mut parts = line.split("[[");
    let (mut text, mut wanted) = (parts.next().unwrap().to_owned(), Vec::new());
    for part in parts {
        let (marked, rest) = part.split_once("]]").unwrap_or_else(|| panic!("no end of a mark in {line}"));
        let (kind, value) = marked.split_once(':').unwrap();
        wanted.push((kind.to_owned(), text.len()..text.len() + value.len()));
        text.push_str(value);
        text.push_str(rest);
    }
    Case { text, wanted }
}

/// What was right, wrong and missed of one kind.
#[derive(Default)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Score {
    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    fn recall(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

/// National ids count together: there are few of each.
fn group(kind: &str) -> String {
    if IdKind::from_name(kind).is_some() { "national id".into() } else { kind.into() }
}

fn judge(case: &Case, found: &[Found], scores: &mut BTreeMap<String, Score>, show: bool) {
    let found: Vec<_> = found.iter().map(|f| (name(f.field).to_owned(), f.range.clone())).collect();
    for wanted in &case.wanted {
        let score = scores.entry(group(&wanted.0)).or_default();
        if found.contains(wanted) { score.right += 1 } else { score.missed += 1 }
    }
    for one in found.iter().filter(|one| !case.wanted.contains(one)) {
        scores.entry(group(&one.0)).or_default().wrong += 1;
    }
    if show && found != case.wanted {
        let said: Vec<_> = found.iter().map(|(kind, range)| format!("{kind}:{}", &case.text[range.clone()])).collect();
        println!("{:?} wanted {:?} found {said:?}", case.text, case.wanted.iter().map(|w| &w.0).collect::<Vec<_>>());
    }
}

#[test]
fn the_corpus_is_read_well() {
    let show = std::env::var_os("DESKGATE_SHOW").is_some();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let (mut cases, mut without) = (0, 0);
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/detect")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut detectors = Detectors::new(&settings("DE US")).unwrap();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            if let Some(regions) = line.strip_prefix("regions: ") {
                detectors = Detectors::new(&settings(regions)).unwrap();
                continue;
            }
            let case = case(line);
            cases += 1;
            without += u32::from(case.wanted.is_empty());
            judge(&case, &find(&detectors, &case.text), &mut scores, show);
        }
    }
    println!("{cases} lines, {without} of them with nothing to find");
    for (kind, score) in &scores {
        let (precision, recall) = (score.precision(), score.recall());
        println!(
            "{kind}: {} right, {} wrong, {} missed; precision {precision:.3}, recall {recall:.3}",
            score.right, score.wrong, score.missed
        );
    }
    assert!(cases - without >= 400 && without >= 400, "a corpus of {cases}, {without} with nothing");
    for (kind, precision, recall) in [
        ("email", 0.99, 0.99),
        ("phone", 0.99, 0.99),
        ("iban", 0.99, 0.99),
        ("card", 0.99, 0.99),
        ("national id", 0.99, 0.99),
    ] {
        let score = &scores[kind];
        assert!(score.precision() >= precision && score.recall() >= recall, "{kind} is worse than it was");
    }
}

/// Text between which numbers are found: nothing that ties itself to them.
fn surroundings() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Hello"),
        Just("bitte"),
        Just("<td>"),
        Just("\n"),
        Just("\u{fc}ber"),
        Just("4. 5. 2024"),
        Just("see below"),
        Just("電話"),
        Just("12:30 Uhr"),
        Just("(urgent)"),
        Just("\u{1f600}"),
        Just("\"x\":"),
        Just("99 %"),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join(" "))
}

/// Text made of what detectors look at.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("+"),
        Just("49"),
        Just("(0)"),
        Just("030"),
        Just(" "),
        Just("\u{a0}"),
        Just("-"),
        Just("."),
        Just("/"),
        Just("("),
        Just(")"),
        Just("@"),
        Just("example.com"),
        Just("jo"),
        Just("DE89"),
        Just("3704 0044"),
        Just("4111"),
        Just("1111-"),
        Just("x12"),
        Just("ext. "),
        Just("\u{ff11}"),
        Just("\u{661}"),
        Just("\u{fc}"),
        Just("\u{202c}"),
        Just("00"),
        Just("7"),
        Just("202-555-0143"),
        Just("order "),
        Just("Tel. "),
        Just("12345678Z"),
        Just("\u{1f600}"),
        Just("%"),
        Just("\n"),
        Just("LLLLLL85T10A562S"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Compiled once: that takes longer than a search.
static GERMAN: LazyLock<Detectors> = LazyLock::new(|| Detectors::new(&settings("DE US")).unwrap());
static EVERYTHING: LazyLock<Detectors> = LazyLock::new(all_of_it);

fn all_of_it() -> Detectors {
    let own = vec![("contract".into(), "C-[0-9]{4,}".into()), ("any".into(), "(?s).{3}".into())];
    Detectors::new(&Settings { own, ..settings("DE US FR IT CN IN") }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_number_is_found_in_every_spelling(before in surroundings(), after in surroundings(), last in 0..1000_u32, spelling in 0..14_usize) {
        let text = match spelling {
            0 => format!("+49 30 23125{last:03}"),
            1 => format!("+49 (0)30 / 231 25-{last:03}"),
            2 => format!("(030) 23125-{last:03}"),
            3 => format!("030/23125{last:03}"),
            4 => format!("+4930231 25{last:03}"),
            5 => format!("0049 30 23125{last:03}"),
            6 => format!("+49\u{a0}30\u{202f}23125\u{2011}{last:03}"),
            7 => format!("+49.30.23125{last:03} ext. 12"),
            8 => format!("03023125{last:03}"),
            9 => format!("(202) 555-0{last:03}"),
            10 => format!("202.555.0{last:03}"),
            11 => format!("+1 202 555 0{last:03} x7"),
            12 => format!("1-202-555-0{last:03}"),
            _ => format!("030 23125{last:03}, Durchwahl 3"),
        };
        let whole = format!("{before} |{text}| {after}");
        let at = before.len() + 2;
        let found = find(&GERMAN, &whole);
        prop_assert!(found.contains(&Found { field: FieldKind::Phone, range: at..at + text.len() }), "{:?} in {:?}", found, whole);
    }

    #[test]
    fn ranges_are_at_characters_in_order_and_apart(text in prop_oneof![tricky(), any::<String>()]) {
        let mut end = 0;
        for found in find(&EVERYTHING, &text) {
            prop_assert!(found.range.start >= end && found.range.end > found.range.start, "{:?} behind {}", found, end);
            prop_assert!(text.get(found.range.clone()).is_some(), "{:?}", found);
            end = found.range.end;
        }
    }

    #[test]
    fn forms_are_read_from_every_text(text in prop_oneof![tricky(), any::<String>()]) {
        let digits = digits(&text);
        prop_assert!(digits.bytes().all(|b| b.is_ascii_digit()));
        for form in EVERYTHING.phone_forms(&text).iter().flat_map(|forms| forms.all().collect::<Vec<_>>()) {
            prop_assert!(form.len() >= 4, "{}", form);
        }
    }
}

#[test]
fn a_number_is_known_in_its_other_forms() {
    let detectors = Detectors::new(&settings("DE US")).unwrap();
    for text in ["+49 (0)30 231 25-123", "030/23125123", "0049 30 23125123", "\u{ff10}\u{ff13}\u{ff10} 23125123"] {
        let forms = detectors.phone_forms(text).unwrap();
        let all: Vec<_> = forms.all().collect();
        let abroad = ["+493023125123", "00493023125123", "493023125123", "004903023125123", "4903023125123"];
        assert_eq!(all, [&abroad[..], &["03023125123", "3023125123"]].concat(), "{text}");
    }
    let forms = detectors.phone_forms("(202) 555-0143 ext. 5").unwrap();
    assert_eq!((forms.e164.as_deref(), forms.national.as_str()), (Some("+12025550143"), "2025550143"));
    assert_eq!(digits("\u{ff10}\u{0663}\u{06f0} a1"), "0301");
}

#[test]
fn what_overlaps_is_covered_once() {
    let own = vec![("contract".into(), "C-[0-9]+".into()), ("words".into(), "mail .*".into())];
    let detectors = Detectors::new(&Settings { own, ..settings("DE US") }).unwrap();
    let text = "C-4711 and mail jo@example.com now";
    let found: Vec<_> = find(&detectors, text).into_iter().map(|f| (f.field, &text[f.range])).collect();
    assert_eq!(found, [(FieldKind::Own(0), "C-4711"), (FieldKind::Own(1), "mail jo@example.com now")]);
    assert!(Detectors::new(&settings("DE XX")).is_err());
}
