//! What must hold for every answer that a rewriter of markup or text reads: it never panics, it changes nothing
//! where nothing is hidden, what is hidden appears nowhere, and how the answer arrived does not matter.

use std::sync::Arc;

use deskgate::body::rewrite::card::Card;
use deskgate::body::rewrite::events::Events;
use deskgate::body::rewrite::html::Html;
use deskgate::body::rewrite::json::Rules;
use deskgate::body::rewrite::text::Text;
use deskgate::body::rewrite::xml::Xml;
use deskgate::body::rewrite::{Broken, Rewrite};
use deskgate::masking::{Masker, Plan, example};
use proptest::prelude::*;

type Format = fn(&Plan) -> Box<dyn Rewrite>;

const FORMATS: [Format; 5] = [
    |plan| Box::new(Html::new(plan, false)),
    |_| Box::new(Xml::new()),
    |_| Box::new(Text::new()),
    |_| Box::new(Card::new()),
    |plan| Box::new(Events::new(Arc::new(Rules::of(plan)))),
];
/// Its place among them.
const EVENTS: usize = 4;

/// What every piece with a number has of it.
const DIGITS: &str = "23125123";

fn rewritten<'p>(
    format: usize,
    plan: &Arc<Plan>,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<Vec<u8>, Broken> {
    let (mut rewriter, mut masker, mut out) = (FORMATS[format](plan), Masker::new(plan.clone()), Vec::new());
    for piece in pieces {
        rewriter.write(piece, &mut masker, &mut out)?;
    }
    rewriter.finish(&mut masker, &mut out)?;
    Ok(out)
}

/// A plan that hides nothing.
fn open() -> Plan {
    let mut plan = example::plan(true);
    plan.hidden.fill(None);
    plan
}

/// Pieces on which all of it turns, and a number now and then.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<a href='",
        "'>",
        "\">",
        "<i title=\"",
        "<x y=",
        ">",
        "<br/>",
        "<",
        "</",
        "<!",
        "<?",
        "?>",
        "<!--",
        "-->",
        "--!>",
        "<![CDATA[",
        "]]>",
        "<!DOCTYPE html>",
        "<script>",
        "</script>",
        "<script type=",
        "<style>",
        "</style>",
        "<title>",
        "</title>",
        "<textarea name=phone>",
        "</textarea>",
        "<select name=phone>",
        "</select>",
        "<option value=",
        "<svg>",
        "</svg>",
        "<math>",
        "<template>",
        "<noscript>",
        "<plaintext>",
        "<phone>",
        "</phone>",
        "<input name=phone value=",
        "&amp;",
        "&#",
        "&nbsp;",
        "\\",
        "\\u002b",
        "\"",
        "'",
        "=",
        "=\r\n",
        "x",
        "ü",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "\n ",
        "\t",
        "TEL:",
        "tel;x=",
        "NOTE;ENCODING=QUOTED-PRINTABLE:",
        "Phone: ",
        "Phone:",
        "data: ",
        "data:{",
        "data",
        "id: ",
        ":",
        ";",
        "12",
        "a@b.de",
    ]);
    let piece = prop_oneof![
        12 => piece.prop_map(|piece| piece.as_bytes().to_vec()),
        2 => Just(format!(",+49 30 {DIGITS},").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn nothing_changes_where_nothing_is_hidden(answer in prop_oneof![answer(), prop::collection::vec(any::<u8>(), 0..60)]) {
        for format in 0..FORMATS.len() {
            if let Ok(out) = rewritten(format, &Arc::new(open()), [&answer[..]]) {
                if format == EVENTS {
                    prop_assert!(answer.starts_with(&out), "an event without its end is left out");
                } else {
                    prop_assert_eq!(&out, &answer);
                }
            }
        }
    }

    #[test]
    fn how_it_arrives_does_not_matter(answer in answer(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let plan = Arc::new(example::plan(true));
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(answer.len() + 1)).collect();
        cuts.sort_unstable();
        let mut rest = (0, &answer[..]);
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, behind) = rest.1.split_at(cut - rest.0);
            pieces.push(piece);
            rest = (cut, behind);
        }
        pieces.push(rest.1);
        for format in 0..FORMATS.len() {
            let whole = rewritten(format, &plan, [&answer[..]]);
            prop_assert_eq!(&rewritten(format, &plan, pieces.iter().copied()), &whole);
            prop_assert_eq!(&rewritten(format, &plan, answer.chunks(1)), &whole);
        }
    }

    #[test]
    fn what_is_hidden_appears_nowhere(answer in answer()) {
        for format in 0..FORMATS.len() {
            if let Ok(out) = rewritten(format, &Arc::new(example::plan(true)), [&answer[..]]) {
                let text = String::from_utf8_lossy(&out);
                prop_assert!(!text.contains(DIGITS), "{}: {}", format, text);
            }
        }
    }
}
