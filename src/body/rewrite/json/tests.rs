use super::*;
use crate::masking::example::{EMAIL, NAME, PHONE, plan};
use crate::masking::{FieldId, Form, NumberBecomes, Plan, Step};

/// What becomes of `input`, cut into pieces of `size` bytes after a first one of `first`.
fn cut(plan: &Arc<Plan>, input: &[u8], first: usize, size: usize, many: bool) -> (Result<String, Broken>, Vec<u32>) {
    let mut masker = Masker::new(plan.clone());
    masker.search_again();
    masked(plan, masker, input, first, size, many)
}

fn masked(
    plan: &Arc<Plan>,
    mut masker: Masker,
    input: &[u8],
    first: usize,
    size: usize,
    many: bool,
) -> (Result<String, Broken>, Vec<u32>) {
    let mut json = Json::with(Arc::new(Rules::of(plan)), many);
    let mut out = Vec::new();
    let (start, rest) = input.split_at(first.min(input.len()));
    let written = std::iter::once(start)
        .chain(rest.chunks(size))
        .try_for_each(|piece| json.write(piece, &mut masker, &mut out))
        .and_then(|()| json.finish(&mut masker, &mut out));
    (written.map(|()| String::from_utf8(out).unwrap()), masker.counts().to_vec())
}

/// The same however it is cut.
fn rewritten(plan: &Arc<Plan>, input: &str, many: bool) -> Result<String, Broken> {
    let whole = cut(plan, input.as_bytes(), 0, input.len().max(1), many);
    for size in [1, 2, 7, 63, 64, 65, 1000] {
        assert_eq!(cut(plan, input.as_bytes(), 0, size, many), whole, "pieces of {size}: {input}");
    }
    for first in 0..input.len().min(300) {
        assert_eq!(cut(plan, input.as_bytes(), first, input.len(), many), whole, "cut at {first}: {input}");
    }
    whole.0
}

fn with(everywhere: bool, forms: &[(FieldId, Form)], paths: &[(&str, FieldId)]) -> Arc<Plan> {
    let mut plan = plan(everywhere);
    for (field, form) in forms {
        if let Some(hidden) = &mut plan.hidden[usize::from(field.0)] {
            hidden.form = form.clone();
        }
    }
    let step = |s: &str| if s == "*" { Step::Any } else { Step::Key(s.into()) };
    let places = Arc::make_mut(&mut plan.places);
    places.paths = paths.iter().map(|(path, field)| (path.split('.').map(step).collect(), *field)).collect();
    places.base64 = vec!["payload".into()];
    Arc::new(plan)
}

/// The same table at every place of a block, and far from the start.
fn all(plan: &Arc<Plan>, table: &[(&str, &str)]) {
    for (input, expected) in table {
        assert_eq!(rewritten(plan, input, false).as_deref(), Ok(*expected), "{input}");
        for shift in (1..70).step_by(3).chain([4095, 8190, 20_000]) {
            let space = " ".repeat(shift);
            let whole = cut(plan, format!("{space}{input}").as_bytes(), 0, 9_000, false).0;
            assert_eq!(whole, Ok(format!("{space}{expected}")), "{input} behind {shift}");
        }
    }
}

#[test]
fn values_by_key() {
    all(
        &with(false, &[], &[]),
        &[
            ("", ""),
            ("  ", "  "),
            ("{}", "{}"),
            ("null", "null"),
            ("-1.50e+007", "-1.50e+007"),
            (r#"{"phone":"030 1234567"}"#, r#"{"phone":"XXX XXXXXXX"}"#),
            (r#"{ "PHONE" : "030 1" , "x":[ ] }"#, r#"{ "PHONE" : "XXX X" , "x":[ ] }"#),
            (r#"{"ph\u006fne":"030","a":1}"#, r#"{"ph\u006fne":"XXX","a":1}"#),
            (r#"{"phone":12345678901234567890123,"phone":1e999}"#, r#"{"phone":null,"phone":null}"#),
            (r#"{"phone":null,"tel":true,"email":false}"#, r#"{"phone":null,"tel":true,"email":false}"#),
            (
                r#"{"phone":["1",2,{"x":"3","y":[4,null]}],"z":"5"}"#,
                r#"{"phone":["X",null,{"x":"X","y":[null,null]}],"z":"5"}"#,
            ),
            (r#"{"phone":"","phones":"123","x":"phone"}"#, r#"{"phone":"","phones":"123","x":"phone"}"#),
            (r#"{"phone":"\u0030\"1\\"}"#, r#"{"phone":"X\"X\\"}"#),
            (r#"{"a":{"b":[{"email":"anna@example.com"}]}}"#, r#"{"a":{"b":[{"email":"a***@***.com"}]}}"#),
            (r#"["phone","030",{"phone":{}}]"#, r#"["phone","030",{"phone":{}}]"#),
            (
                r#"{"phone":"030 1234567","note":"call 0301234567 or 030/123 45 67!","0301234567":1}"#,
                r#"{"phone":"XXX XXXXXXX","note":"call XXXXXXXXXX or XXX/XXX XX XX!","XXXXXXXXXX":1}"#,
            ),
            ("\u{feff}[\"ä\"]", "\u{feff}[\"ä\"]"),
            (")]}',\n{\"tel\":\"1\"}", ")]}',\n{\"tel\":\"X\"}"),
        ]
        .iter()
        .filter(|(input, _)| !input.starts_with(['\u{feff}', ')']))
        .copied()
        .collect::<Vec<_>>(),
    );
}

/// Where only names matter, keys are told by their letters and lengths: wherever they are, and however they are written.
#[test]
fn keys_by_their_letters_and_lengths() {
    let few = with(false, &[], &[]);
    let mut more = with(false, &[], &[]);
    let names = &mut Arc::make_mut(&mut Arc::get_mut(&mut more).unwrap().places).names;
    names.extend((20..30).map(|length| ("x".repeat(length).into(), PHONE)));
    assert!(Rules::of(&few).names().is_some() && Rules::of(&more).names().is_none());
    for (key, hides) in [
        ("phone", true),
        ("PHONE", true),
        (r"ph\u006fne", true),
        (r"\u0070\u0068\u006f\u006e\u0065", true),
        ("phones", false),
        ("p", false),
        ("", false),
    ] {
        for before in 0..140 {
            let pad = "y".repeat(before);
            for text in [
                format!(r#"{{"{pad}":1,"{key}":"030 23125123","z":["030 1"]}}"#),
                format!(r#"{{"id":"{pad}","{key}":"030 23125123","{pad}":["030 1"],"phone":["{pad}","030 1"]}}"#),
            ] {
                let of =
                    |plan: &Arc<Plan>, size| masked(plan, Masker::new(plan.clone()), text.as_bytes(), 0, size, false);
                let expected = of(&more, text.len());
                assert_eq!(expected.0.as_ref().map(|text| text.contains("23125")), Ok(!hides), "{text}");
                for size in [text.len(), 1, 63, 64, 65] {
                    assert_eq!(of(&few, size), expected, "pieces of {size}: {text}");
                }
            }
        }
    }
}

/// What follows keys that were not looked at knows where it is, be it in a long text or in a list.
#[test]
fn the_last_key_is_known() {
    let plan = with(false, &[], &[]);
    for (start, rest) in [
        (format!("[{}", "1,".repeat(40)), "\"030 23125123\"]}"),
        (format!("\"{}030 23", "x ".repeat(5_000)), "125123\"}"),
        (format!("\"{}030 23", "x ".repeat(500)), "125123\"}"),
    ] {
        let text = format!(r#"{{"phone":"030 23125123","id":1,"other":{start}"#);
        let mut masker = Masker::new(plan.clone());
        let (mut json, mut out) = (Json::new(Arc::new(Rules::of(&plan))), Vec::new());
        json.write(text.as_bytes(), &mut masker, &mut out).unwrap();
        masker.search_again();
        json.write(rest.as_bytes(), &mut masker, &mut out).unwrap();
        json.finish(&mut masker, &mut out).unwrap();
        let shown: Vec<_> = masker.shown().iter().collect();
        assert_eq!(shown, [("phone", "XXX XXXXXXXX", "030 23125123"), ("other", "XXX XXXXXXXX", "030 23125123")]);
    }
}

#[test]
fn what_may_stand_before_a_document() {
    let plan = with(false, &[], &[]);
    for (prefix, passes) in [
        ("\u{feff}", true),
        (")]}'\n", true),
        (")]}',\r\n", true),
        ("\u{feff})]}'\n)]}'\n", true),
        ("while(1);", false),
        (")]}'", false),
        (")]}'x\n", false),
        (")", false),
        ("\u{feff}\u{feff}", false),
        ("/*\n", false),
    ] {
        let written = rewritten(&plan, &format!("{prefix}{{\"tel\":\"1\"}}"), false);
        assert_eq!(written.ok(), passes.then(|| format!("{prefix}{{\"tel\":\"X\"}}")), "{prefix}");
    }
    assert_eq!(rewritten(&plan, "\u{feff}", false).as_deref(), Ok("\u{feff}"));
}

#[test]
fn members_that_go() {
    let remove = with(false, &[(PHONE, Form::Remove)], &[("list.*", PHONE), ("o.x", PHONE)]);
    all(
        &remove,
        &[
            (r#"{"phone":"1"}"#, "{}"),
            (r#"{ "phone" : "1" }"#, "{  }"),
            (r#"{"phone":"1","a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"phone":"1"}"#, r#"{"a":1}"#),
            (r#"{"a":1 , "phone":[1,{"phone":2}] , "b":2}"#, r#"{"a":1  , "b":2}"#),
            (r#"{"phone":1,"tel":2,"phone":null}"#, "{}"),
            (r#"{"phone":1, "tel":2, "a":{"tel":3,"b":4,"tel":5}}"#, r#"{  "a":{"b":4}}"#),
            (r#"{"a":{"phone":{"x":[]}},"tel":""}"#, r#"{"a":{}}"#),
            (r#"[{"tel":true},{"x":0,"tel":false},"phone"]"#, r#"[{},{"x":0},"phone"]"#),
            (r#"{"list":["1",2,[3],{"a":4}],"o":{"y":1,"x":2}}"#, r#"{"list":[null,null,null,null],"o":{"y":1}}"#),
        ],
    );
    let null = with(false, &[(PHONE, Form::Null)], &[]);
    all(
        &null,
        &[
            (r#"{"phone":"1", "tel":[1,2] ,"a":"b"}"#, r#"{"phone":null, "tel":null ,"a":"b"}"#),
            (r#"[{"phone":{"phone":"x"}}]"#, r#"[{"phone":null}]"#),
        ],
    );
    let counted = cut(&null, br#"{"phone":["1",2,{"a":"3"},null]}"#, 0, 100, false);
    assert_eq!(counted.1[0], 3);
}

#[test]
fn values_by_path() {
    let paths = [("users.*.fax", PHONE), ("users.1.nick", NAME), ("*.deep.*.0", NAME), ("tags.*", NAME), ("0.x", NAME)];
    all(
        &with(false, &[], &paths),
        &[
            (
                r#"{"users":[{"fax":"1","nick":"a"},{"fax":"2","nick":"Bob"}],"fax":"3"}"#,
                r#"{"users":[{"fax":"X","nick":"a"},{"fax":"X","nick":"[hidden]"}],"fax":"3"}"#,
            ),
            (
                r#"{"users":{"a":{"fax":1},"1":{"nick":"n"}},"nick":"m"}"#,
                r#"{"users":{"a":{"fax":null},"1":{"nick":"[hidden]"}},"nick":"m"}"#,
            ),
            (
                r#"{"x":{"deep":[["a","b"],["c"],{"0":"d"}]}}"#,
                r#"{"x":{"deep":[["[hidden]","b"],["[hidden]"],{"0":"[hidden]"}]}}"#,
            ),
            (
                r#"{"tags":[ "a" , ["b"], {"k":"c"} ],"e":[]}"#,
                r#"{"tags":[ "[hidden]" , ["[hidden]"], {"k":"[hidden]"} ],"e":[]}"#,
            ),
            (
                r#"{"tags":[],"tags":["long enough", "long enough"],"t":"long enough"}"#,
                r#"{"tags":[],"tags":["[hidden]", "[hidden]"],"t":"[hidden]"}"#,
            ),
            (r#"[{"x":"a"},{"x":"a"}]"#, r#"[{"x":"[hidden]"},{"x":"a"}]"#),
            (r#"{"users":[[{"fax":"1"}]],"tags":"a"}"#, r#"{"users":[[{"fax":"1"}]],"tags":"a"}"#),
            (r#"{"us\u0065rs":[{"\u0066ax":"1"}]}"#, r#"{"us\u0065rs":[{"\u0066ax":"X"}]}"#),
        ],
    );
}

#[test]
fn free_text() {
    let plan = with(true, &[], &[]);
    all(
        &plan,
        &[
            (r#"["call +49 30 23125123 now",123456789]"#, r#"["call +XX XX XXXXXXXX now",123456789]"#),
            (r#"{"anna@example.com":{"n":"\u002b49 30 23125124"}}"#, r#"{"a***@***.com":{"n":"+XX XX XXXXXXXX"}}"#),
            (r#""+49 30 23125123""#, r#""+XX XX XXXXXXXX""#),
            (
                r#"{"payload":"VGVsICs0OSAzMCAyMzEyNTEyMw==","x":1}"#,
                r#"{"payload":"VGVsICtYWCBYWCBYWFhYWFhYWA==","x":1}"#,
            ),
            (r#"{"payload":"aGVsbG8gd29ybGQ","x":"\u00e9"}"#, r#"{"payload":"aGVsbG8gd29ybGQ","x":"\u00e9"}"#),
        ],
    );
    let zero = Plan { numbers: NumberBecomes::Zero, ..self::plan(true) };
    assert_eq!(rewritten(&Arc::new(zero), r#"{"tel":[-1.5]}"#, false).as_deref(), Ok(r#"{"tel":[0]}"#));
    let payload = format!(r#"{{"payload":"{}"}}"#, "A".repeat(70_000));
    assert!(cut(&plan, payload.as_bytes(), 0, 5_000, false).0.is_err());
    assert!(cut(&plan, payload.as_bytes(), 0, 500_000, false).0.is_err());
}

/// Strings that do not fit into what is held.
#[test]
fn long_strings() {
    let words = "word ".repeat(9_000);
    for (everywhere, forms) in
        [(false, vec![]), (true, vec![]), (true, vec![(PHONE, Form::Remove)]), (false, vec![(PHONE, Form::Null)])]
    {
        let plan = with(everywhere, &forms, &[]);
        let input = format!(
            r#"{{"a":"{words}+49 30 23125123 {words}","phone":"12 {words}34","email":"{words}@x.de","tel":["1",{{"t":"{words} 5"}}],"b":"end"}}"#
        );
        let whole = cut(&plan, input.as_bytes(), 0, input.len(), false);
        for size in [100, 999, 4_096, 16_384, 50_000] {
            assert_eq!(cut(&plan, input.as_bytes(), 17, size, false), whole);
        }
        let out = whole.0.unwrap();
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["b"], "end");
        assert!(!out.contains("12 word") && !out.contains(" 5") && !out.contains("word34"));
        let at = out.find("23125123");
        assert_eq!(at.is_some(), !everywhere, "{forms:?} {:?}", at.map(|at| &out[at - 40..at + 20]));
    }
}

#[test]
fn what_is_no_json() {
    let plan = with(false, &[], &[("a.*", PHONE)]);
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(rewritten(&plan, &deep(512), false).is_ok());
    assert!(rewritten(&plan, &deep(513), false).is_err());
    for bad in [
        "{",
        "}",
        "[",
        "]",
        "[}",
        "{]",
        "{\"a\":1]",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":\"b\":\"c\"}",
        "[\"a\":1]",
        "{\"a\"::1}",
        "{a:1}",
        "{'a':1}",
        "\"a",
        "\"a\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"a\nb\"",
        "\"\t\"",
        "nul",
        "tru e",
        "truefalse",
        "01",
        "1.",
        "-",
        "+1",
        "NaN",
        "1 2",
        "{} {}",
        "{}x",
        "{}[]",
        "x",
        "<html>",
        "\0",
        "[1]\0",
        "/* */1",
        "{\"phone\" \"030\"}",
        "{\"phone\",\"030\"}",
        "\"a\"\"b\"",
        "1,2",
        "1:2",
        "\"a\":1",
        ",",
        ":",
        "[1]]",
        "\u{a0}1",
        "\\",
        "[\"a\"1]",
        "[1\"a\"]",
        "[{}{}]",
        "[[]1]",
        "{\"a\":[1}",
        "{\"a\":1}}",
        "\u{b}1",
    ] {
        for text in [bad.to_owned(), format!("{}{bad}", " ".repeat(60)), format!("[{bad}]")] {
            let parsed = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert_eq!(rewritten(&plan, &text, false).is_ok(), parsed, "{text:?}");
        }
    }
    let key = format!("{{\"{}\":1}}", "k".repeat(5_000));
    assert!(rewritten(&plan, &key, false).is_err());
}

#[test]
fn lines() {
    let plan = with(false, &[], &[("0.x", NAME), ("fax", PHONE)]);
    let good = "{\"tel\":\"1\"}\n{\"fax\":2}\r\n[{\"x\":\"y\"}]\n1 2\n\"a\"\n\n";
    let masked = "{\"tel\":\"X\"}\n{\"fax\":null}\r\n[{\"x\":\"[hidden]\"}]\n1 2\n\"a\"\n\n";
    assert_eq!(rewritten(&plan, good, true).as_deref(), Ok(masked));
    for bad in ["{}{}", "{},{}", "1\"a\"", "{}\n{", "\"a\"\"b\"", "[]x"] {
        assert!(rewritten(&plan, bad, true).is_err(), "{bad}");
    }
    assert_eq!(rewritten(&with(false, &[(EMAIL, Form::Remove)], &[]), "{}\n{}", true).as_deref(), Ok("{}\n{}"));
}
