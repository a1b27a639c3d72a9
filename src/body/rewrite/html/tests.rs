use std::sync::Arc;

use super::*;
use crate::body::rewrite::splits::every_split;
use crate::masking::example::{NAME, PHONE, plan};

fn rewritten(plan: &Arc<Plan>, page: &[u8]) -> Result<String, Broken> {
    every_split(&|| Box::new(Html::new(plan, false)), plan, page)
}

fn check(plan: Plan, cases: &[(&str, &str)]) {
    let plan = Arc::new(plan);
    for (page, expected) in cases {
        assert_eq!(rewritten(&plan, page.as_bytes()).as_deref(), Ok(*expected), "{page}");
    }
}

#[test]
fn texts_wherever_they_are() {
    check(
        plan(true),
        &[
            ("<p>Call +49 30 23125123 now", "<p>Call +XX XX XXXXXXXX now"),
            ("<P>&#43;49&nbsp;30 23125123</P>", "<P>+XX\u{a0}XX XXXXXXXX</P>"),
            ("<title>+49 30 23125123</title>", "<title>+XX XX XXXXXXXX</title>"),
            ("<textarea>+49 30 23125123</textarea>", "<textarea>+XX XX XXXXXXXX</textarea>"),
            ("<script>x='\\u002b49 30 23125123'</script>", "<script>x='+XX XX XXXXXXXX'</script>"),
            (
                "<script type=application/json>{\"a\":\"<b>jo@example.com\"}</script>",
                "<script type=application/json>{\"a\":\"<b>j***@***.com\"}</script>",
            ),
            ("<style>a:after{content:'+49 30 23125123'}</style>", "<style>a:after{content:'+XX XX XXXXXXXX'}</style>"),
            ("<noscript><a x='+49 30 23125123'></noscript>", "<noscript><a x='+XX XX XXXXXXXX'></noscript>"),
            ("<template><b>+49 30 23125123</template>", "<template><b>+XX XX XXXXXXXX</template>"),
            ("<!-- +49 30 23125123 -->", "<!-- +XX XX XXXXXXXX -->"),
            ("<!--+49 30 23125123--!>x", "<!--+XX XX XXXXXXXX--!>x"),
            ("<?php +49 30 23125123 ?>", "<?php +XX XX XXXXXXXX ?>"),
            ("<!doctype html><!----><!-->", "<!doctype html><!----><!-->"),
            ("<svg><![CDATA[+49 30 23125123]]></svg>", "<svg><![CDATA[+XX XX XXXXXXXX]]></svg>"),
            ("<plaintext>+49 30 23125123", "<plaintext>+XX XX XXXXXXXX"),
            ("</p a='+49 30 23125123'>", "</p a='+XX XX XXXXXXXX'>"),
            ("<p>x<a href='tel:+49 30 23125123", "<p>x<a href='tel:+XX XX XXXXXXXX"),
            ("<p>Gr\u{fc}\u{df}e: \u{ff0b}49 30 23125123", "<p>Gr\u{fc}\u{df}e: \u{ff0b}XX XX XXXXXXXX"),
        ],
    );
}

#[test]
fn texts_that_inline_tags_cut() {
    check(
        plan(true),
        &[
            ("<p><b>+49</b> 30 23125123.", "<p><b>+XX XX XXXXXXXX</b>."),
            ("<i>x</i>+49 30 <mark>2312</mark>5123<p>", "<i>x</i>+XX XX XXXXXXXX<mark></mark><p>"),
            ("an<mark>na</mark>@example.com</p>", "a***@***.com<mark></mark></p>"),
            ("jo&#64;<wbr>example.com, jo@example.com", "j***@***.com<wbr>, j***@***.com"),
            ("+49<!-- --> 30 23125123", "+XX XX XXXXXXXX<!-- -->"),
            ("<p><b>+49 30</b> <b>23125123</b></p>", "<p><b>+XX XX XXXXXXXX</b><b></b></p>"),
            ("<i>+49</i>-<i>30</i>-<i>231</i>-<i>25123</i>", "<i>+XX-XX-XXX-XXXXX</i><i></i><i></i><i></i>"),
            ("+49 30 <b>23</b>125123 A<b>+49 30 23</b>125124", "+XX XX XXXXXXXX<b></b> A<b>+XX XX XXXXXXXX</b>"),
            ("<b>42</b><b>+49 30 23</b>125123", "<b>42</b><b>+XX XX XXXXXXXX</b>"),
            ("#<b>+49 30 23</b>125123", "#<b>+XX XX XXXXXXXX</b>"),
            ("<i>anna@example.org</i><i>bob@example.org</i>", "<i>a***@***.org</i><i>b***@***.org</i>"),
            ("<i>Anna</i><i>anna@example.org</i><i>X</i>", "<i>Anna</i><i>a***@***.org</i><i>X</i>"),
            ("Jo &lt;b.m@example.org&gt;", "Jo &lt;b***@***.org&gt;"),
            ("+49 30 2312</>5123 x<!DocType html>y", "+XX XX XXXXXXXX</> x<!DocType html>y"),
            ("+49 30 2312<!doctype html>5123", "+XX XX XXXXXXXX<!doctype html>"),
            ("<svg><text>+49 30 <tspan>2312</tspan>5123", "<svg><text>+XX XX XXXXXXXX<tspan></tspan>"),
            ("<svg><text>+49 30 <![CDATA[2312]]>5123", "<svg><text>+XX XX XXXXXXXX<![CDATA[]]>"),
            ("<b>+49</b><p>30 23125</p><td>123", "<b>+49</b><p>30 23125</p><td>123"),
            (
                "<b>+49</b> 30 <a href='tel:+493023125123'>23125123</a> +49 30 23125123",
                "<b>+XX XX XXXXXXXX</b><a href='tel:+XXXXXXXXXXXX'></a> +XX XX XXXXXXXX",
            ),
        ],
    );
}

#[test]
fn attributes() {
    check(
        plan(true),
        &[
            ("<a href='tel:+493023125123'>x</a>", "<a href='tel:+XXXXXXXXXXXX'>x</a>"),
            ("<A  HREF=mailto:jo@example.com CLASS=a >", "<A  HREF=\"mailto:j***@***.com\" CLASS=a >"),
            ("<a title=a\"jo@example.com>", "<a title=\"a&quot;j***@***.com\">"),
            ("<a x=\"&lt;a b=&quot;+49 30 23125123&quot;\">", "<a x=\"&lt;a b=&quot;+XX XX XXXXXXXX&quot;\">"),
            ("<input value='&#x2b;49 30 23125123'/>", "<input value='+XX XX XXXXXXXX'/>"),
            ("<i data-Phone='12-34' Data-x=12-34>", "<i data-Phone='XX-XX' Data-x=12-34>"),
            ("<i data-phone=12-34>", "<i data-phone=\"XX-XX\">"),
            ("<input name=phone value=12>", "<input name=phone value=\"XX\">"),
            ("<input value='12' name='Phone' title='12'>", "<input value='XX' name='Phone' title='12'>"),
            (
                "<a +49 30 23125123 title='jo@example.com' +49 30 23125123>",
                "<a +XX XX XXXXXXXX title='j***@***.com' +XX XX XXXXXXXX>",
            ),
            ("<textarea name=phone>12</textarea>12", "<textarea name=phone>XX</textarea>12"),
            ("<select name=phone>12<b>a@b.de", "<select name=phone>XX<b>a***@***.de"),
            ("<select name=phone><option>1<input value=2>3", "<select name=phone><option>X<input value=2>3"),
            (
                "<select name=customer_name><option value=a>Anna</option><option>\n</select>Anna",
                "<select name=customer_name><option value=\"[hidden]\">[hidden]</option><option>\n</select>Anna",
            ),
        ],
    );
}

#[test]
fn fields_by_selectors() {
    let with = |css: &str| {
        let mut plan = plan(false);
        Arc::make_mut(&mut plan.places).css = vec![(css.into(), NAME)];
        plan
    };
    check(
        with(".who"),
        &[
            ("<p class=who>Anna <b>S</b></p>Bob", "<p class=who>[hidden]<b>[hidden]</b></p>Bob"),
            ("<input class=who value=Anna title=x>", "<input class=who value=\"[hidden]\" title=x>"),
            ("<time class=who datetime='1'>2</time>", "<time class=who datetime='[hidden]'>[hidden]</time>"),
        ],
    );
    let cells = ("<td><b>1</b></td><td><b>2</b></td>", "<td><b>1</b></td><td><b>[hidden]</b></td>");
    check(with("td:nth-child(2) > b"), &[cells]);
    assert!(check_selector("td:nth-child(2) > b[title^=x]").is_ok());
    for unknown in ["td::before", "td + td", ""] {
        assert!(check_selector(unknown).is_err(), "{unknown}");
    }
    let broken = Arc::new(with("td + td"));
    assert!(rewritten(&broken, b"<p>x").is_err(), "what cannot be hidden is not sent");
}

#[test]
fn what_is_left_empty_or_remembered() {
    let mut removes = plan(true);
    removes.hidden[usize::from(PHONE.0)] = Some(crate::masking::Hidden { form: crate::masking::Form::Remove, rule: 0 });
    check(
        removes,
        &[
            ("<input name=phone value=12>", "<input name=phone value=\"\">"),
            ("<p>Call +49 30 23125123 now</p>", "<p>Call [removed] now</p>"),
        ],
    );
    let plan = Arc::new(plan(true));
    let mut masker = Masker::new(plan.clone());
    let mut out = Vec::new();
    let mut html = Html::new(&plan, true);
    html.write(b"<input name=mail value=jo@example.com>", &mut masker, &mut out).unwrap();
    assert_eq!(masker.shown().iter().next(), Some(("mail", "j***@***.com", "jo@example.com")));
}

#[test]
fn bytes_of_any_charset_stay() {
    let plan = Arc::new(plan(true));
    for page in [
        &b"<meta charset=iso-8859-1><p title=\xfc>Gr\xfc\xdfe \x81\x8d 12345678901234567890 \xc3"[..],
        b"<p>\xf0\x9f<b>\x92\0</b>\xff<!-- \xfe -->",
    ] {
        let mut masker = Masker::new(plan.clone());
        for cut in 0..page.len() {
            let (mut html, mut out) = (Html::new(&plan, false), Vec::new());
            html.write(&page[..cut], &mut masker, &mut out).unwrap();
            html.write(&page[cut..], &mut masker, &mut out).unwrap();
            html.finish(&mut masker, &mut out).unwrap();
            assert_eq!(out, page);
        }
    }
    for page in [
        &b"<meta charset=utf-7>"[..],
        b"<meta http-equiv=Content-Type content='text/html; charset=shift_jis'>",
        b"\xfe\xff\0<\0p",
        b"<select><style>x</style></select>",
    ] {
        assert!(rewritten(&plan, page).is_err(), "{page:?}");
    }
}

proptest::proptest! {
    /// Tags are read as the parser that tells where they end reads them.
    #[test]
    fn tags_are_read_alike(pieces in "<a[ /]([a-c=\"' />\n&]|b=|c='|\" ){0,20}>") {
        let mut read = None;
        let collect = lol_html::element!("*", |element: &mut lol_html::html_content::Element<'_, '_>| {
            let all: Vec<_> = element.attributes().iter().map(|a| (a.name_preserve_case(), a.value())).collect();
            read.get_or_insert((element.source_location().bytes(), all));
            Ok(())
        });
        let _ = lol_html::rewrite_str(&pieces, lol_html::RewriteStrSettings::new().append_element_content_handler(collect));
        if let Some((place, all)) = read {
            let text = |range: Range<usize>| pieces[range].to_owned();
            let own: Vec<_> = Attributes::new(pieces.as_bytes()).map(|a| (text(a.name), text(a.value))).collect();
            proptest::prop_assert_eq!(own, all);
            proptest::prop_assert_eq!(Attributes::new(pieces.as_bytes()).end(), Some(place.end));
        }
    }
}

/// Browsers do not send a form in which an address has stars.
#[test]
fn fields_that_show_a_mask_take_any_text() {
    check(
        plan(true),
        &[
            (
                "<input type=\"email\" name=mail pattern=\".+@.+\" value=\"jo@example.com\">",
                "<input type=\"text\" name=mail pattern=\".*\" value=\"j***@***.com\">",
            ),
            ("<input name=x value='+49 30 23125123' type=tel>", "<input name=x value='+XX XX XXXXXXXX' type=text>"),
            ("<input type=email name=mail value=none>", "<input type=email name=mail value=none>"),
        ],
    );
}

#[test]
fn long_texts_and_tags() {
    let plan = Arc::new(plan(true));
    let run = |page: &str, step: usize| {
        let (mut html, mut masker, mut out) = (Html::new(&plan, true), Masker::new(plan.clone()), Vec::new());
        for piece in page.as_bytes().chunks(step) {
            html.write(piece, &mut masker, &mut out)?;
        }
        html.finish(&mut masker, &mut out)?;
        Ok::<_, Broken>(String::from_utf8(out).unwrap())
    };
    let text = format!("<p>{}</p>", "a word and +49 30 23125123 ".repeat(4_000));
    let expected = text.replace("+49 30 23125123", "+XX XX XXXXXXXX");
    for step in [100_000_000, 70_000, 1_000, 13] {
        assert_eq!(run(&text, step).as_deref(), Ok(&*expected), "{step}");
    }
    let picture = format!("<img src='data:{}'>", "A".repeat(900_000));
    for step in [100_000_000, 1_000] {
        assert!(run(&picture, step).is_ok_and(|out| out == picture), "{step}");
    }
    assert!(run(&"<!--".repeat(500_000), 1_000).is_err());
}
