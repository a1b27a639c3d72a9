use proptest::prelude::*;

use super::*;
use crate::body::rewrite::html::selected::Selected;
use crate::masking::example::plan;

/// What is told of a page that comes in pieces; markup is what lies between.
fn told<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<(Vec<Token>, usize), Broken> {
    let (mut reader, mut seen, mut all) = (Reader::default(), Seen::default(), Vec::new());
    for piece in pieces {
        all.extend_from_slice(piece);
        // What was told is dropped.
        let base = seen.told;
        reader.read(&all[base..], base, false, &mut seen)?;
    }
    let base = seen.told;
    reader.read(&all[base..], base, true, &mut seen)?;
    Ok((seen.tokens, seen.told))
}

fn pieces_of(page: &str) -> Vec<(Option<TextType>, &str)> {
    let (tokens, end) = told([page.as_bytes()]).unwrap();
    assert_eq!(end, page.len(), "{page}");
    tokens.iter().map(|t| (t.text, &page[t.start..t.end])).collect()
}

#[test]
fn texts_and_comments_as_browsers_read_them() {
    use TextType::{CDataSection, Data, PlainText, RCData, RawText, ScriptData};
    let data = |text| (Some(Data), text);
    for (page, expected) in [
        ("a<b c='>'>d</b e=\">\">f", vec![data("a"), data("d"), data("f")]),
        ("a < b<3 <> </", vec![data("a < b<3 <> </")]),
        (
            "a</>b<?c>d</ e>f<!g>h",
            vec![
                data("a"),
                data("b"),
                (None, "<?c>"),
                data("d"),
                (None, "</ e>"),
                data("f"),
                (None, "<!g>"),
                data("h"),
            ],
        ),
        ("<!DocType a '>'>b", vec![data("'>b")]),
        (
            "<!--a>b--!>c<!-->d<!--->e<!--f-->g<!--h",
            vec![
                (None, "<!--a>b--!>"),
                data("c"),
                (None, "<!-->"),
                data("d"),
                (None, "<!--->"),
                data("e"),
                (None, "<!--f-->"),
                data("g"),
                (None, "<!--h"),
            ],
        ),
        ("<title>a<b></titles></Title x>c", vec![(Some(RCData), "a<b></titles>"), data("c")]),
        ("<style>a</style", vec![(Some(RawText), "a</style")]),
        ("<a b=/><textarea/>c</textarea\n>", vec![(Some(RCData), "c")]),
        // The `=` changes nothing.
        ("<script a=>b<c></script>", vec![(Some(ScriptData), "b<c>")]),
        (
            "<script>a<!--<script>b</script>c-->d</script>e",
            vec![(Some(ScriptData), "a<!--<script>b</script>c-->d"), data("e")],
        ),
        ("<script><!-->a<script></script>b", vec![(Some(ScriptData), "<!-->a<script>"), data("b")]),
        ("<script><!--<script >--></script>a", vec![(Some(ScriptData), "<!--<script >-->"), data("a")]),
        ("<script><!--<scripts></script>a", vec![(Some(ScriptData), "<!--<scripts>"), data("a")]),
        ("<plaintext>a</plaintext>", vec![(Some(PlainText), "a</plaintext>")]),
        (
            "<svg><![CDATA[a]]b>]]>c</svg><![CDATA[d]]>",
            vec![(Some(CDataSection), "a]]b>"), data("c"), (None, "<![CDATA[d]]>")],
        ),
        (
            "<svg><![cdata[a]]><style>b<c></style></svg><style>d<e></style>",
            vec![(None, "<![cdata[a]]>"), data("b"), (Some(RawText), "d<e>")],
        ),
        ("<svg><title>a<style><b></style></title><style>c</svg>", vec![data("a"), (Some(RawText), "<b>"), data("c")]),
        // One that ends itself has nothing inside.
        ("<svg/><style>a<b></style><math x/><style><c></style>", vec![(Some(RawText), "a<b>"), (Some(RawText), "<c>")]),
        ("<svg a=b/><style>c<d></style>", vec![data("c")]),
        ("<math><annotation-xml encoding=text/html><title><a></title>", vec![(Some(RCData), "<a>")]),
        ("<math><mi><title><a></title></mi><title>b<c>", vec![(Some(RCData), "<a>"), data("b")]),
        ("<svg><font><title/><font size=1><title><a>", vec![(Some(RCData), "<a>")]),
    ] {
        assert_eq!(pieces_of(page), expected, "{page}");
    }
}

#[test]
fn what_browsers_may_read_in_two_ways_is_refused() {
    for page in [
        "<select><style>x</style></select>",
        "<select><template><script>",
        "<frameset></frameset><title>",
        &"<svg><desc>".repeat(300),
        &format!("<a b='{}'>", "x".repeat(LONGEST)),
        &format!("<!--{}", "x".repeat(LONGEST)),
    ] {
        assert!(told([page.as_bytes()]).is_err() && told(page.as_bytes().chunks(999)).is_err(), "{page:.40}");
    }
    for page in ["<select><script></script></select><style>", "<select><input><style>", "<frameset><noframes>"] {
        assert!(told([page.as_bytes()]).is_ok(), "{page}");
    }
}

/// The same by `lol_html`.
fn peer(page: &[u8]) -> Result<(Vec<Token>, usize), Broken> {
    let mut peer = Selected::new(&plan(true));
    peer.write(page)?;
    let seen = peer.end()?.lock();
    Ok((seen.tokens.iter().copied().filter(|t| t.start < t.end).collect(), seen.told))
}

/// Pieces on which all of it turns. Left out is what the peer reads in another way than the standard: `=` before `>`,
/// and foreign elements that end themselves or are in each other.
fn page() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<b x='",
        "'>",
        "\">",
        "<i x=\"",
        "<u y=z",
        ">",
        "<br/>",
        "<",
        "</",
        "<!",
        "<?",
        "</>",
        "<!-",
        "<!--",
        "--",
        "-->",
        "--!>",
        "-",
        "!",
        "<![CDATA[",
        "]]>",
        "]",
        "<!DOCTYPE ",
        "<script>",
        "</script>",
        "</script ",
        "<script ",
        "<SCRIPT x",
        "<style>",
        "</style>",
        "</STYLE x>",
        "<title>",
        "</title>",
        "<textarea>",
        "</textarea>",
        "<iframe>",
        "</iframe>",
        "<xmp>",
        "</xmp>",
        "<noscript>",
        "</noscript>",
        "<noembed>",
        "<noframes>",
        "</noframes>",
        "<select>",
        "</select>",
        "<input>",
        "<template>",
        "</template>",
        "<frameset>",
        "<plaintext>",
        "<svg>",
        "</svg>",
        "<desc>",
        "</desc>",
        "<foreignObject>",
        "</foreignObject>",
        "<font>",
        "<font color>",
        "<math>",
        "</math>",
        "<mi>",
        "</mi>",
        "<annotation-xml encoding='text/html'>",
        "</annotation-xml>",
        " ",
        "\n",
        "x",
        "a b",
        "/",
        "ü",
        "\0",
    ]);
    // Rows of one kind make deep states likely.
    let script =
        prop::sample::select(vec!["<script>", "</script>", "<!--", "-->", "-", ">", "<script ", "</script ", "x"]);
    let foreign = prop::sample::select(vec![
        "<svg>",
        "</svg>",
        "<title>",
        "</title>",
        "<style>",
        "</style>",
        "<![CDATA[",
        "]]>",
        "<p>",
        "</p>",
        "<desc>",
        "</desc>",
        "x",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 0..20),
        1 => prop::collection::vec(script, 0..20),
        1 => prop::collection::vec(foreign, 0..20),
    ]
    .prop_map(|pieces| pieces.concat())
}

/// Whether the peer's known differences may show.
fn is_peers_own(page: &str) -> bool {
    let count = |name: &str| page.matches(name).count();
    page.contains("=>") || count("<svg") + count("<math") > 1 || page.contains("/>")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn pages_are_told_as_by_the_peer(page in page()) {
        let own = told([page.as_bytes()]);
        if !is_peers_own(&page) {
            let own = own.clone().map(|(tokens, _)| tokens).map_err(|_| ());
            prop_assert_eq!(own, peer(page.as_bytes()).map(|(tokens, _)| tokens).map_err(|_| ()), "{}", page);
        }
        if let Ok((tokens, end)) = &own {
            prop_assert_eq!(*end, page.len());
            prop_assert!(tokens.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(tokens.iter().all(|token| token.last));
        }
        prop_assert_eq!(&told(page.as_bytes().chunks(1)), &own);
        for at in 0..page.len() {
            prop_assert_eq!(&told([&page.as_bytes()[..at], &page.as_bytes()[at..]]), &own, "at {}", at);
        }
    }
}
