//! What must hold for *every* answer that is masked while it passes: however it is cut the result is the same, what
//! is not hidden stays, and what is hidden is nowhere in it.
#![allow(clippy::unwrap_used)] // of a test

use std::sync::{Arc, LazyLock};

use deskgate::body::rewrite::csv::Csv;
use deskgate::body::rewrite::json::{Json, Rules};
use deskgate::body::rewrite::{Broken, Rewrite};
use deskgate::masking::example::{PHONE, plan};
use deskgate::masking::{Escapes, FieldId, Form, Masker, Plan, Step};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn rewrite(mut by: impl Rewrite, plan: &Arc<Plan>, input: &[u8], size: usize) -> Result<Vec<u8>, Broken> {
    let mut masker = Masker::new(plan.clone());
    masker.search_again();
    let mut out = Vec::new();
    input.chunks(size).try_for_each(|piece| by.write(piece, &mut masker, &mut out))?;
    by.finish(&mut masker, &mut out)?;
    Ok(out)
}

/// The example, whose detectors take a while to make.
fn example() -> Plan {
    static ONCE: LazyLock<Plan> = LazyLock::new(|| plan(false));
    Plan {
        hidden: ONCE.hidden.clone(),
        detectors: ONCE.detectors.clone(),
        kinds: ONCE.kinds.clone(),
        places: ONCE.places.clone(),
        ..*ONCE
    }
}

fn formed(form: Form) -> Arc<Plan> {
    let mut plan = example();
    if let Some(hidden) = &mut plan.hidden[usize::from(PHONE.0)] {
        hidden.form = form;
    }
    let key = |name: &str| Step::Key(name.into());
    let places = Arc::make_mut(&mut plan.places);
    places.paths = vec![(vec![key("a"), Step::Any, key("b")], PHONE), (vec![key("list"), key("1")], PHONE)];
    // One field only: nothing is learned that would be hidden elsewhere.
    places.names = [("phone".into(), PHONE), ("tel".into(), PHONE)].into();
    Arc::new(plan)
}

fn forms() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Remove),
        Just(Form::Null),
        Just(Form::Fixed("h\"x".into())),
        Just(Form::DigitsToX { keep_last: 0 })
    ]
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof!["phone", "PHONE", "tel", "a", "b", "list", "1", "[a-z\"\\\\é]{0,4}"]
}

/// Texts without enough digits to be learned.
fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0_u32..999).prop_map(Value::from),
        "[0-9]{0,3}".prop_map(Value::String),
        "[a-z0-9\"\\\\\n é,:{}\\[\\]]{0,5}".prop_map(Value::String),
        "[a-z\"\\\\ ]{60,140}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((keys(), inner), 0..6).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// The rules once more, on a tree.
struct Reference<'p> {
    plan: &'p Arc<Plan>,
}

impl Reference<'_> {
    fn field(&self, path: &[String]) -> Option<FieldId> {
        let same = |step: &Step, key: &String| match step {
            Step::Any => true,
            Step::Key(name) => name.eq_ignore_ascii_case(key),
        };
        let fits = |steps: &[Step]| steps.len() == path.len() && steps.iter().zip(path).all(|(s, k)| same(s, k));
        self.plan.places.paths.iter().find(|(steps, _)| fits(steps)).map(|(_, field)| *field)
    }

    fn walk(&self, value: Value, path: &mut Vec<String>) -> Value {
        let form = self.plan.form(PHONE).unwrap();
        match value {
            Value::Array(all) => {
                let each = all.into_iter().enumerate().map(|(index, item)| {
                    path.push(index.to_string());
                    let is_hidden = self.field(path).is_some();
                    let item = match form {
                        Form::Remove | Form::Null if is_hidden => Value::Null,
                        _ if is_hidden => self.hide(item),
                        _ => self.walk(item, path),
                    };
                    path.pop();
                    item
                });
                Value::Array(each.collect())
            }
            Value::Object(all) => {
                let mut kept = Map::new();
                for (key, item) in all {
                    path.push(key.clone());
                    let is_hidden = self.plan.places.named(&key).or_else(|| self.field(path)).is_some();
                    let item = match form {
                        Form::Remove if is_hidden => None,
                        Form::Null if is_hidden => Some(Value::Null),
                        _ if is_hidden => Some(self.hide(item)),
                        _ => Some(self.walk(item, path)),
                    };
                    path.pop();
                    if let Some(item) = item {
                        kept.insert(key, item);
                    }
                }
                Value::Object(kept)
            }
            other => other,
        }
    }

    fn hide(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                let mut out = Vec::new();
                Masker::new(self.plan.clone()).value(PHONE, text.as_bytes(), Escapes::None, b"", &mut out);
                Value::String(String::from_utf8(out).unwrap())
            }
            Value::Number(_) => Value::Null,
            Value::Array(all) => Value::Array(all.into_iter().map(|item| self.hide(item)).collect()),
            Value::Object(all) => Value::Object(all.into_iter().map(|(key, item)| (key, self.hide(item))).collect()),
            other => other,
        }
    }
}

/// Bytes that mean something to the formats.
fn pieces(all: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![8 => prop::sample::select(all).prop_map(|p| p.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..4)];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u0061",
    "\"a\"",
    "\"phone\"",
    "\"ph\\u006fne\":",
    " ",
    "\n",
    "1",
    "-2.5",
    "null",
    "true",
    "\"list\":[",
    "{\"a\":",
    "\"b\":",
    "}},",
    "          ",
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
    "é",
];

const CSV: &[&str] =
    &[",", ";", "\t", "\"", "\"\"", "\n", "\r\n", "\r", "a", "phone", "x y", " ", "12", "@", "sep=;\n", "\u{feff}"];

/// A number that is nowhere else, in parts that no mask has.
const SEEDED: &str = "0305550199";

fn holds(out: &[u8]) -> bool {
    out.windows(SEEDED.len()).any(|w| w == SEEDED.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A tree that is masked says what the masked text says, and with nothing to hide every byte stays.
    #[test]
    fn json_as_a_tree_would_be_masked(tree in trees(), form in forms(), pretty: bool, size in 1_usize..200) {
        let plan = formed(form);
        let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        let by = Json::new(Arc::new(Rules::of(&plan)));
        let out = rewrite(by.clone(), &plan, text.as_bytes(), 1 << 20).unwrap();
        prop_assert_eq!(&rewrite(by, &plan, text.as_bytes(), size), &Ok(out.clone()));
        let masked: Value = serde_json::from_slice(&out).unwrap();
        let expected = Reference { plan: &plan }.walk(tree, &mut Vec::new());
        prop_assert_eq!(&masked, &expected, "{}", text);
        let nothing = Arc::new(Plan { places: Arc::default(), ..example() });
        let same = rewrite(Json::new(Arc::new(Rules::of(&nothing))), &nothing, text.as_bytes(), size);
        prop_assert_eq!(same.as_deref(), Ok(text.as_bytes()));
    }

    /// What passes is what others take for JSON too, however it is cut.
    #[test]
    fn only_json_passes(bytes in pieces(JSON), size in 1_usize..100, form in forms()) {
        let plan = formed(form);
        let by = Json::new(Arc::new(Rules::of(&plan)));
        let whole = rewrite(by.clone(), &plan, &bytes, 1 << 20);
        prop_assert_eq!(&rewrite(by, &plan, &bytes, size), &whole);
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let is_blank = bytes.iter().all(|b| b" \n\r\t".contains(b));
        // What is no UTF-8, or a half of a pair, passes where nobody reads it.
        let is_odd = std::str::from_utf8(&bytes).is_err();
        prop_assert!(whole.is_ok() == (is_json || is_blank) || is_odd, "{:?} {}", whole, String::from_utf8_lossy(&bytes));
    }

    /// A number under a name is hidden or nothing passes, whatever is around it.
    #[test]
    fn a_named_number_never_passes(before in pieces(JSON), after in pieces(JSON), size in 1_usize..100, form in forms()) {
        let plan = formed(form);
        for member in [format!("\"phone\":\"{SEEDED}\""), format!("\"T\\u0065l\" :\n [{{\"x\":\"{SEEDED}\"}}]")] {
            let bytes = [&before[..], member.as_bytes(), &after].concat();
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
            if let Ok(out) = rewrite(Json::new(Arc::new(Rules::of(&plan))), &plan, &bytes, size) {
                // Within a string it is no member.
                let within = is_json && serde_json::from_slice::<Value>(&bytes).is_ok_and(|v| in_text(&v));
                prop_assert!(within || !holds(&out), "{}", String::from_utf8_lossy(&out));
            }
        }
    }

    /// CSV: the same however it is cut, and what no rule is for stays.
    #[test]
    fn csv_however_it_is_cut(bytes in pieces(CSV), size in 1_usize..100, form in forms()) {
        let plan = formed(form);
        let whole = rewrite(Csv::new(), &plan, &bytes, 1 << 20);
        prop_assert_eq!(rewrite(Csv::new(), &plan, &bytes, size).ok(), whole.ok());
        let nothing = Arc::new(Plan { places: Arc::default(), ..example() });
        if let Ok(same) = rewrite(Csv::new(), &nothing, &bytes, size) {
            prop_assert_eq!(same, bytes);
        }
    }

    /// CSV: every cell of a named column is hidden.
    #[test]
    fn csv_by_column(cells in prop::collection::vec(("[a-z \"\n,;]{0,9}", any::<bool>()), 1..30), size in 1_usize..100, form in forms()) {
        let plan = formed(form);
        let mut text = "text,Phone,more\n".to_owned();
        for (cell, quoted) in &cells {
            let cell = cell.replace('"', "\"\"");
            let number = if *quoted { format!("\"{SEEDED}\"") } else { SEEDED.into() };
            text.push_str(&format!("\"{cell}\",{number},x\n"));
        }
        let out = String::from_utf8(rewrite(Csv::new(), &plan, text.as_bytes(), size).unwrap()).unwrap();
        prop_assert!(!holds(out.as_bytes()));
        for (cell, _) in &cells {
            let quoted = cell.replace('"', "\"\"");
            prop_assert!(out.contains(&quoted));
        }
    }
}

fn in_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(SEEDED),
        Value::Array(all) => all.iter().any(in_text),
        Value::Object(all) => all.iter().any(|(key, value)| {
            key.contains(SEEDED)
                || (!key.eq_ignore_ascii_case("phone") && !key.eq_ignore_ascii_case("tel") && in_text(value))
        }),
        _ => false,
    }
}
