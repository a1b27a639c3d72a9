//! Escapes and codings: what is hidden is found however it is written, and what is decoded has bounds.

use std::sync::{Arc, LazyLock};

use deskgate::body::coding::{Coding, Decoder, Encoder};
use deskgate::body::rewrite::Broken;
use deskgate::masking::{Escapes, Masker, Plan, Wrote, example, write_escaped};

use super::choices::{Choices, pieces};

const NUMBER: &str = "+49 30 23125123";
const DIGITS: &str = "23125123";

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| Arc::new(example::plan(true)));

fn masked(masker: &mut Masker, raw: &[u8], escapes: Escapes) -> (Wrote, String) {
    let mut out = Vec::new();
    let wrote = masker.text(raw, escapes, b"", &mut out);
    assert!(wrote == Wrote::Mask || out == raw, "nothing was hidden, and it was changed");
    (wrote, String::from_utf8_lossy(&out).into_owned())
}

/// A number that is written with escapes, chosen by the first bytes, and any text before it.
pub fn escapes(input: &[u8]) {
    let mut choices = Choices(input);
    let escapes = choices.pick(&[Escapes::None, Escapes::Json, Escapes::Html, Escapes::Csv, Escapes::Card]);
    let written: String = NUMBER.chars().map(|c| escaped(c, escapes, &mut choices)).collect();
    let (wrote, out) = masked(&mut Masker::new(PLAN.clone()), format!("Call {written} now").as_bytes(), escapes);
    assert!(wrote == Wrote::Mask && out.starts_with("Call ") && out.ends_with(" now"), "{written} became {out}");
    assert!(!out.contains(|c: char| c.is_ascii_digit()) || out.contains('%'), "{out}");

    let before = choices.0;
    let mut masker = Masker::new(PLAN.clone());
    masked(&mut masker, before, escapes);
    let whole = [before, b" Call ", NUMBER.as_bytes(), b" now"].concat();
    let (wrote, out) = masked(&mut masker, &whole, escapes);
    assert_eq!(wrote, Wrote::Mask);
    assert!(out.ends_with(" now") && (lossy(before).contains(DIGITS) || !out.contains(DIGITS)), "{out}");
    check_written(&lossy(before));
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One character in any way in which it may stand in such a text.
fn escaped(c: char, escapes: Escapes, choices: &mut Choices<'_>) -> String {
    let code = u32::from(c);
    let own = match escapes {
        Escapes::Json => format!("\\u{code:04X}"),
        Escapes::Html => format!("&amp;#{code};"),
        Escapes::None | Escapes::Csv | Escapes::Card => c.into(),
    };
    let blank = if c == ' ' { "+".to_owned() } else { own.clone() };
    let ways = [
        c.into(),
        own,
        format!("&#{code};"),
        format!("&#x{code:x};"),
        format!("%{code:02x}"),
        format!("%25{code:02X}"),
        blank,
    ];
    ways[usize::from(choices.byte()) % ways.len()].clone()
}

/// What is written with escapes says what it should.
fn check_written(text: &str) {
    let written = |escapes| {
        let mut out = Vec::new();
        write_escaped(text, escapes, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(Escapes::None), text);
    assert_eq!(serde_json::from_str::<String>(&format!("\"{}\"", written(Escapes::Json))).as_deref().ok(), Some(text));
    assert_eq!(written(Escapes::Csv).replace("\"\"", "\""), text);
    let html = written(Escapes::Html);
    assert!(!html.contains(['<', '>', '"', '\'']), "{html}");
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    assert_eq!(plain.iter().fold(html, |html, (from, to)| html.replace(from, to)), text);
}

/// By the first byte: a body in one of the codings, or a text that is coded first.
pub fn coding(input: &[u8]) {
    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];
    let mut choices = Choices(input);
    let which = choices.byte();
    let coding = ALL[usize::from(which) % 4];
    let cuts = choices.bytes();
    let rest = choices.0;
    if which % 8 < 4 {
        return check_decoded(coding, cuts, rest);
    }
    let Some((_, mut encoder)) = Encoder::accepted(coding.as_str()) else { return };
    let mut coded = Vec::new();
    for (index, piece) in pieces(cuts, rest).enumerate() {
        encoder.write(piece, index % 16 == 1, &mut coded).unwrap();
    }
    encoder.finish(&mut coded).unwrap();
    assert!(decoded(coding, pieces(cuts, &coded)) == (rest.to_vec(), Ok(())), "it was not decoded again");
}

/// What came out, and how it ended.
fn decoded<'p>(coding: Coding, pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<u8>, Result<(), Broken>) {
    let (mut decoder, mut out) = (Decoder::new(coding).unwrap(), Vec::new());
    let write = || {
        pieces.into_iter().try_for_each(|piece| decoder.write(piece, &mut out))?;
        decoder.finish(&mut out)
    };
    let ended = write();
    (out, ended)
}

fn check_decoded(coding: Coding, cuts: &[u8], body: &[u8]) {
    let (whole, ended) = decoded(coding, std::iter::once(body));
    let (cut, cut_ended) = decoded(coding, pieces(cuts, body));
    assert!(whole.len().max(cut.len()) <= (1 << 20).max(body.len() * 200), "{} of {}", whole.len(), body.len());
    assert!(whole.starts_with(&cut) || cut.starts_with(&whole), "in pieces it says something else");
    // Where it becomes too large depends on how much has come.
    let too_large = |ended: &Result<(), Broken>| ended.is_err_and(|Broken(how)| how.contains("larger"));
    if !too_large(&ended) && !too_large(&cut_ended) {
        assert!(ended == cut_ended && (ended.is_err() || whole == cut), "{ended:?}, in pieces {cut_ended:?}");
    }
}
