//! What apps answer: however it arrives it is rewritten in the same way, where nothing is hidden it stays as it
//! is, and a number that is hidden is nowhere in it.

use std::sync::{Arc, LazyLock};

use deskgate::body::rewrite::json::{Json, Rules};
use deskgate::body::rewrite::{Answer, Broken, Format, Rewrite, Rewriters};
use deskgate::body::rewrite::{card::Card, csv::Csv, events::Events, html::Html, text::Text, xml::Xml};
use deskgate::masking::{Form, Masker, NumberBecomes, Places, Plan, Step, example};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::choices::pieces;

/// What is hidden, and digits of it that no mask has.
const NUMBER: &str = "+49 30 23125123";
const DIGITS: &[u8] = b"23125123";
/// A text in which it is found.
const CALL: &str = "Call +49 30 23125123 now";
/// The mark before a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

type New = fn(&Known) -> Box<dyn Rewrite>;

/// A plan, and what is made of it.
struct Known {
    plan: Arc<Plan>,
    rules: Arc<Rules>,
    rewriters: Arc<Rewriters>,
}

impl Known {
    fn of(plan: Plan) -> Self {
        let plan = Arc::new(plan);
        Self { rules: Arc::new(Rules::of(&plan)), rewriters: Arc::new(Rewriters::of(plan.clone())), plan }
    }
}

static NUMBERS: LazyLock<Known> = LazyLock::new(|| Known::of(example::plan(true)));

static NOTHING: LazyLock<Known> = LazyLock::new(|| {
    let plan = example::plan(false);
    Known::of(Plan { hidden: vec![None; plan.hidden.len()], ..plan })
});

/// All that takes away more than a text: whole members, whatever a path or a selector leads to.
static STRICT: LazyLock<Known> = LazyLock::new(|| {
    let mut plan = example::plan(true);
    for (hidden, form) in plan.hidden.iter_mut().zip([Form::Remove, Form::Null, Form::Pseudonym]) {
        hidden.as_mut().unwrap().form = form;
    }
    let key = |name: &str| Step::Key(name.into());
    plan.places = Arc::new(Places {
        paths: vec![
            (vec![key("a"), Step::Any, key("b")], example::PHONE),
            (vec![key("a"), key("1")], example::NAME),
            (vec![Step::Any, key("c")], example::EMAIL),
        ],
        css: vec![(".tel".into(), example::PHONE), ("td > b".into(), example::NAME)],
        base64: vec!["data".into()],
        ..Places::clone(&plan.places)
    });
    Known::of(Plan { numbers: NumberBecomes::Zero, ..plan })
});

/// The lengths of pieces on the first line, and what is behind it. Two bytes stand for a long text each, the first
/// two times: windows are longer than an input.
fn document(input: &[u8]) -> (&[u8], Vec<u8>) {
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    let (cuts, rest) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let (mut document, mut long) = (Vec::with_capacity(rest.len()), 0);
    for &byte in rest {
        match byte {
            2 if long < 2 => document.extend_from_slice(&b"ab ".repeat(3_000)),
            3 if long < 2 => document.extend_from_slice(&[b'x'; 9_000]),
            _ => document.push(byte),
        }
        long += usize::from(matches!(byte, 2 | 3));
    }
    (cuts, document)
}

/// What comes out, how often each field was hidden, and what was shown instead.
type Rewritten = (Vec<u8>, Vec<u32>, Vec<u8>);

fn rewritten<'p>(new: New, known: &Known, pieces: impl Iterator<Item = &'p [u8]>) -> Result<Rewritten, Broken> {
    let (mut rewriter, mut masker, mut out) = (new(known), Masker::new(known.plan.clone()), Vec::new());
    for piece in pieces {
        rewriter.write(piece, &mut masker, &mut out)?;
    }
    rewriter.finish(&mut masker, &mut out)?;
    Ok((out, masker.counts().to_vec(), masker.shown().packed().to_vec()))
}

/// What becomes of a document with each plan; nothing where none hides anything.
fn check(new: New, cuts: &[u8], document: &[u8]) -> [Result<Vec<u8>, Broken>; 3] {
    [&NOTHING, &NUMBERS, &STRICT].map(|known| {
        let whole = rewritten(new, known, std::iter::once(document));
        let cut = rewritten(new, known, pieces(cuts, document));
        assert!(whole.as_ref().ok() == cut.as_ref().ok(), "in pieces it is {:?}", cut.map(|(out, ..)| lossy(&out)));
        whole.map(|(out, ..)| out)
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The number is in the document that `around` makes, where it is found, and nowhere else.
fn check_hidden(new: New, inner: &[u8], around: &[(&str, &str)]) {
    if has_digits(inner) {
        return;
    }
    for (before, behind) in around {
        let document = [before.as_bytes(), inner, behind.as_bytes()].concat();
        if let Ok((out, ..)) = rewritten(new, &NUMBERS, std::iter::once(&document[..])) {
            assert!(!contains(&out, DIGITS), "{}", lossy(&out));
        }
    }
}

/// Whether the digits are there already, be something between them or not.
fn has_digits(document: &[u8]) -> bool {
    let digits: Vec<u8> = document.iter().copied().filter(u8::is_ascii_digit).collect();
    contains(&digits, DIGITS)
}

fn unchanged(out: &Result<Vec<u8>, Broken>, document: &[u8]) {
    assert!(out.as_ref().map_or(true, |out| out == document), "nothing was to be hidden");
}

/// JSON: one document, and many. Of what is none nothing passes.
pub fn json(input: &[u8]) {
    let (cuts, document) = document(input);
    let one: New = |known| Box::new(Json::new(known.rules.clone()));
    let many: New = |known| Box::new(Json::lines(known.rules.clone()));
    for (new, most) in [(one, 1), (many, usize::MAX)] {
        let outs = check(new, cuts, &document);
        unchanged(&outs[0], &document);
        for out in outs.iter().flatten() {
            assert!(is_json(&document, most), "what is no JSON passed");
            assert!(is_json(out, most), "what came out is no JSON: {}", lossy(out));
        }
    }
    if serde_json::from_slice::<IgnoredAny>(&document).is_ok() && !has_digits(&document) {
        let inner = lossy(&document);
        let whole = format!("{{\"x\":{inner},\"phone\":\"{NUMBER}\",\"note\":\"{CALL}\",\"y\":{inner}}}");
        let Ok((out, ..)) = rewritten(one, &NUMBERS, std::iter::once(whole.as_bytes())) else { return };
        assert!(!contains(&out, DIGITS), "{}", lossy(&out));
        if let Ok(value) = serde_json::from_slice::<Value>(&out) {
            assert_eq!(
                (&value["phone"], &value["note"]),
                (&"+XX XX XXXXXXXX".into(), &"Call +XX XX XXXXXXXX now".into())
            );
        }
    }
}

/// At most so many documents one after the other, behind a mark and what keeps scripts from running them.
fn is_json(document: &[u8], most: usize) -> bool {
    let mut rest = document.strip_prefix(MARK).unwrap_or(document);
    while rest.starts_with(b")") {
        rest = &rest[rest.iter().position(|b| *b == b'\n').unwrap() + 1..];
    }
    let mut documents = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    documents.by_ref().take(most).all(|document| document.is_ok()) && documents.next().is_none()
}

/// CSV, separated by what its first record says and by tabs.
pub fn csv(input: &[u8]) {
    let (cuts, document) = document(input);
    let commas: New = |_| Box::new(Csv::new());
    let tabs: New = |_| Box::new(Csv::tabs());
    for (new, before) in [(commas, "id,phone,note\n1,+49 30 23125123,x\n"), (tabs, "id\tphone\n1\t+49 30 23125123\n")] {
        let [nothing, ..] = check(new, cuts, &document);
        unchanged(&nothing, &document);
        check_hidden(new, &document, &[(before, ""), ("", &format!("\n{CALL}\n"))]);
    }
}

/// A page.
pub fn html(input: &[u8]) {
    let (cuts, document) = document(input);
    let new: New = |known| Box::new(Html::new(&known.plan, false));
    let [nothing, ..] = check(new, cuts, &document);
    unchanged(&nothing, &document);
    let element = format!("<p title=\"{NUMBER}\">{CALL}</p>");
    check_hidden(new, &document, &[(&element, &element), ("", &format!("<!-- {CALL} -->"))]);
}

/// XML.
pub fn xml(input: &[u8]) {
    let (cuts, document) = document(input);
    let new: New = |_| Box::new(Xml::new());
    let [nothing, ..] = check(new, cuts, &document);
    unchanged(&nothing, &document);
    let element = format!("<p phone='{NUMBER}'>{CALL}<!-- {CALL} --></p>");
    check_hidden(new, &document, &[(&element, &element), ("<phone>", &format!("<![CDATA[{CALL}]]></phone>"))]);
}

/// Plain text.
pub fn text(input: &[u8]) {
    let (cuts, document) = document(input);
    let new: New = |_| Box::new(Text::new());
    let [nothing, ..] = check(new, cuts, &document);
    unchanged(&nothing, &document);
    check_hidden(new, &document, &[(&format!("Phone: {NUMBER}\n\n"), &format!("\n\n{CALL}\n"))]);
}

/// Cards and calendars.
pub fn card(input: &[u8]) {
    let (cuts, document) = document(input);
    let new: New = |_| Box::new(Card::new());
    let [nothing, ..] = check(new, cuts, &document);
    unchanged(&nothing, &document);
    check_hidden(new, &document, &[(&format!("TEL:{NUMBER}\r\n"), &format!("\r\nNOTE:{CALL}\r\n"))]);
}

/// A stream of events; the last may have no end.
pub fn events(input: &[u8]) {
    let (cuts, document) = document(input);
    let new: New = |known| Box::new(Events::new(known.rules.clone()));
    let [nothing, ..] = check(new, cuts, &document);
    assert!(nothing.map_or(true, |out| document.starts_with(&out)), "nothing was to be hidden");
    let json = format!("\n\ndata: {{\"phone\": \"{NUMBER}\"}}\n\n");
    check_hidden(new, &document, &[("", &format!("\n\ndata: {CALL}\n\n")), ("", &json)]);
}

/// An answer as a whole, its format by the first byte. What is hidden at its end is hidden at its start too.
pub fn answer(input: &[u8]) {
    const FORMATS: [Format; 10] = [
        Format::Json,
        Format::JsonLines,
        Format::Html { charset_declared: true },
        Format::Html { charset_declared: false },
        Format::Xml,
        Format::Csv,
        Format::Tsv,
        Format::Text,
        Format::Card,
        Format::Events,
    ];
    let Some((first, rest)) = input.split_first() else { return };
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let (cuts, document) = document(rest);
    for known in [&NOTHING, &NUMBERS, &STRICT] {
        let whole = answered(format, known, std::iter::once(&document[..]));
        let cut = answered(format, known, pieces(cuts, &document));
        // Of a longer one it depends on how it arrives which part of it is known when it is read again.
        if document.len() < 64 << 10 {
            assert!(whole.as_ref().ok() == cut.as_ref().ok(), "in pieces it is {:?}", cut.map(|out| lossy(&out)));
        }
    }
    let element = format!("<p>{CALL}</p>");
    let (before, behind) = match format {
        Format::Json | Format::JsonLines => ("[\"https://wa.me/493023125123\",", format!(",\"{CALL}\"]")),
        Format::Html { .. } => ("<a href=\"https://wa.me/493023125123\">x</a>", element),
        Format::Xml => ("<a><p b=\"https://wa.me/493023125123\"/>", element + "</a>"),
        Format::Csv | Format::Tsv | Format::Sheet => ("a\nhttps://wa.me/493023125123\n", format!("\n{CALL}\n")),
        Format::Text => ("https://wa.me/493023125123\n\n", format!("\n\n{CALL}\n")),
        Format::Card => ("URL:https://wa.me/493023125123\r\n", format!("\r\nNOTE:{CALL}\r\n")),
        Format::Events => ("", format!("\n\ndata: {CALL}\n\n")),
    };
    let document = [before.as_bytes(), &document, behind.as_bytes()].concat();
    if document.len() < 64 << 10
        && !has_digits(&document[before.len()..document.len() - behind.len()])
        && let Ok(out) = answered(format, &NUMBERS, std::iter::once(&document[..]))
    {
        assert!(!contains(&out, DIGITS), "{}", lossy(&out));
    }
}

fn answered<'p>(format: Format, known: &Known, pieces: impl Iterator<Item = &'p [u8]>) -> Result<Vec<u8>, Broken> {
    let mut answer = Answer::new(format, None, known.rewriters.clone(), Masker::new(known.plan.clone()), None)?;
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(answer.write(piece, false)?);
    }
    out.extend(answer.write(&[], true)?);
    Ok(out)
}
