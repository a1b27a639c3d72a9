//! What must hold for *every* input of the parsers that stand between a client and the app: they
//! never panic, and what they let through has one form that they read back as the same thing.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use deskgate::body::rewrite::{Answer, Format, Rewriters};
use deskgate::body::{Body, Fields, json, multipart, parse, urlencoded};
use deskgate::clock::Timestamp;
use deskgate::decision::record::{Decision, Privacy};
use deskgate::decision::{Outcome, record};
use deskgate::mail::recipients;
use deskgate::masking::{Escapes, Masker, Plan, example};
use deskgate::policy::file::HopHeader;
use deskgate::policy::file::{HideAddress, HideUser};
use deskgate::policy::phrase::{Condition, Pattern, Sign, Source};
use deskgate::policy::yaml::Node;
use deskgate::request::{Cookies, PathRules, Target, client_address, hops};
use proptest::prelude::*;

/// Text made of the characters on which parsers differ.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2F"),
        Just("%25"),
        Just("%00"),
        Just("%"),
        Just(";"),
        Just("\\"),
        Just("?"),
        Just("#"),
        Just("&"),
        Just("="),
        Just("+"),
        Just("a"),
        Just("Ü"),
        Just("%C3%9F"),
        Just("%ff"),
        Just(" "),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A number that exists, in the digits of a script, with what may stand around it.
fn whole_number() -> impl Strategy<Value = String> {
    let select = |all: &[&'static str]| prop::sample::select(all.to_vec());
    let number = select(&["81 3 1234 5678", "49 30 23125401", "1 202 555 0101", "030 23125401", "(202) 555-0101"]);
    let zero = prop::sample::select(vec!['0', '\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}']);
    let open = select(&["", "(", "[", "\u{ff08}", "+(", "(+(", "\u{ff08}("]);
    let (plus, close) = (select(&["", "+", "\u{ff0b}", "++"]), select(&["", ")", "\u{ff09}", "]"]));
    (open, plus, number, zero, close).prop_map(|(open, plus, number, zero, close)| {
        let in_script = |c: char| c.to_digit(10).and_then(|d| char::from_u32(u32::from(zero) + d)).unwrap_or(c);
        let number: String = number.chars().map(in_script).collect();
        format!("{open}{plus}{number}{close}")
    })
}

/// Text of every script, with what stands around numbers and addresses in it.
fn every_script() -> impl Strategy<Value = String> {
    let digits = prop_oneof![
        "[0-9]{1,13}",
        "[\u{ff10}-\u{ff19}]{1,13}",
        "[\u{660}-\u{669}]{1,13}",
        "[\u{6f0}-\u{6f9}]{1,13}",
        "[\u{966}-\u{96f}]{1,13}",
        "[\u{e50}-\u{e59}]{1,13}",
        "[\u{1d7ce}-\u{1d7ff}]{1,13}",
    ];
    let signs = prop::sample::select(vec![
        "+", "\u{ff0b}", "(", ")", "[", "]", "\u{ff08}", "\u{ff09}", "\u{3010}", "\u{3011}", "-", "\u{2010}",
        "\u{2013}", "\u{2212}", "\u{30fc}", "/", "\u{ff0f}", ".", "\u{ff0e}", "\u{3002}", ",", "\u{ff0c}", ";", ":",
        "\u{ff1a}", "#", "@", "\u{ff20}", " ", "\u{a0}", "\u{3000}", "\u{202f}", "\u{200b}", "\u{200e}", "\u{202e}",
        "\u{ad}", "\u{301}", "\t", "\n", "\u{2028}", "&", "&#43;", "&nbsp;", "\\u002b", "%2B", "\"", "'", "<b>",
        "</b>", "<br>",
    ]);
    let words = prop::sample::select(vec![
        "tel",
        "ext",
        "Durchwahl",
        "доб",
        "内線",
        "내선",
        "تحويلة",
        "電話",
        "टेलीफोन",
        "โทร",
        "טלפון",
        "τηλ",
        "a@b.de",
        "ü@ß.example",
        "用户@例子.公司",
        "EUR",
        "\u{20ac}",
        "\u{1f4de}",
        "\u{1f468}\u{200d}\u{1f469}",
        "x",
        "ß",
        "İ",
    ]);
    let piece = prop_oneof![4 => digits, 3 => whole_number(), 5 => signs.prop_map(str::to_owned), 2 => words.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| Arc::new(example::plan(true)));

/// What becomes of an answer that comes in two pieces; `None` when it is refused.
fn masked(format: Format, (first, second): (&[u8], &[u8])) -> Option<Vec<u8>> {
    static REWRITERS: LazyLock<Arc<Rewriters>> = LazyLock::new(|| Arc::new(Rewriters::of(PLAN.clone())));
    let mut answer = Answer::new(format, None, REWRITERS.clone(), Masker::new(PLAN.clone()), None).ok()?;
    let mut out = answer.write(first, false).ok()?;
    out.extend(answer.write(second, true).ok()?);
    Some(out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// Whatever people write, in whatever script and wherever it stands: rewriting it ends, and what was text is text.
    #[test]
    fn texts_of_every_script_are_rewritten(text in every_script(), cut in 0_usize..400) {
        let json = serde_json::json!({ "phone": text, "note": [text, { text.as_str(): 1 }] }).to_string();
        let quoted = text.replace('"', "\"\"");
        let documents = [
            (Format::Html { charset_declared: true }, format!("<p title=\"{text}\">{text}</p><input name=phone value=\"{text}\"><script>x=\"{text}\"</script>")),
            (Format::Json, json),
            (Format::Csv, format!("name,phone\r\n\"{quoted}\",\"{quoted}\"\r\n{text},1\r\n")),
            (Format::Xml, format!("<a phone=\"{text}\">{text}</a>")),
            (Format::Text, format!("phone: {text}\n{text}")),
        ];
        for (format, document) in &documents {
            let at = cut.min(document.len());
            if let Some(out) = masked(*format, document.as_bytes().split_at(at)) {
                prop_assert!(std::str::from_utf8(&out).is_ok(), "{format:?} {document}");
            }
        }
        let mut header = Vec::new();
        Masker::new(PLAN.clone()).text(text.as_bytes(), Escapes::None, b"", &mut header);
        prop_assert!(std::str::from_utf8(&header).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Forwarding what was read, and reading that again, gives the same target: there is no second
    /// reading for an app to find.
    #[test]
    fn a_target_that_passes_is_a_fixed_point(tail in prop_oneof![tricky(), any::<String>()], lenient: bool) {
        let rules = if lenient {
            PathRules { query_separators: vec!['&', ';'], encoded_slash: true, semicolon: true, empty_segments: true, encoded_percent: true }
        } else {
            PathRules::default()
        };
        if let Ok(target) = Target::parse(&format!("/{tail}"), &rules) {
            let wire = target.to_wire();
            let again = Target::parse(&wire, &rules);
            prop_assert_eq!(again.as_ref().map(Target::to_wire), Ok(wire.clone()), "{}", tail);
            prop_assert_eq!(&again.unwrap().path, &target.path);
            prop_assert!(wire.bytes().all(|b| b.is_ascii_graphic()), "{}", wire);
            prop_assert!(!target.path.split('/').any(|s| s == "." || s == ".."), "{}", target.path);
            if !lenient {
                prop_assert!(!target.path.contains("//") && !target.path.contains(['\\', ';', '%', '\0']), "{}", target.path);
            }
        }
    }

    #[test]
    fn a_form_that_passes_reads_back_as_itself(text in prop_oneof![tricky(), any::<String>()]) {
        if let Ok(fields) = urlencoded::parse(&text, &['&']) {
            let wire = urlencoded::write(&fields);
            prop_assert_eq!(urlencoded::parse(&wire, &['&']).unwrap(), fields);
            prop_assert!(!wire.contains(';'), "no separator that only some apps know");
        }
    }

    #[test]
    fn any_fields_survive_being_written(pairs in prop::collection::vec(("[^\0]{1,8}", "[^\0]{0,8}"), 0..6)) {
        let fields = Fields(pairs);
        prop_assert_eq!(urlencoded::parse(&urlencoded::write(&fields), &['&']).unwrap(), fields);
    }

    #[test]
    fn no_body_makes_a_parser_panic(kind in 0..4_usize, raw in prop::collection::vec(any::<u8>(), 0..200)) {
        let types = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=X", "text/plain"];
        let _ = parse(types[kind], Bytes::from(raw), &mut |_| true);
    }

    #[test]
    fn multipart_gives_back_the_fields_it_was_made_of(fields in prop::collection::vec(("[a-zA-Z_:.-]{1,10}", "[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]{0,20}"), 0..5)) {
        prop_assume!(fields.iter().all(|(_, v)| !v.contains("--BoUnDaRy")));
        let mut raw = String::new();
        for (name, value) in &fields {
            raw += &format!("--BoUnDaRy\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        raw += "--BoUnDaRy--\r\n";
        let form = multipart::read(&raw.into(), "BoUnDaRy", &mut |_| true).unwrap();
        prop_assert_eq!(form.fields.0, fields);
    }

    /// Whatever passes is written so that it reads back as itself.
    #[test]
    fn multipart_that_passes_is_a_fixed_point(
        heads in prop::collection::vec("(?i)content-(disposition|type|length): ?(form-data ?; ?(file)?name=\"[a-z;= ]{0,3}\"|text/plain|3)", 1..4),
        content in "[a-z\r\n-]{0,20}",
    ) {
        let raw = format!("--BoUnDaRy\r\n{}\r\n\r\n{content}\r\n--BoUnDaRy--\r\n", heads.join("\r\n"));
        if let Ok(form) = multipart::read(&raw.into(), "BoUnDaRy", &mut |_| true) {
            let canonical = form.canonical.concat();
            let again = multipart::read(&canonical.clone().into(), "BoUnDaRy", &mut |_| true).unwrap();
            prop_assert_eq!((&again.fields, &again.files), (&form.fields, &form.files));
            prop_assert_eq!(again.canonical.concat(), canonical);
        }
    }

    #[test]
    fn addresses_that_pass_read_back_as_themselves(text in prop_oneof![any::<String>(), "[a-b@.<>\" ,;+%()é]{0,24}"]) {
        for recipient in recipients(&text).into_iter().flatten() {
            prop_assert_eq!(recipients(&recipient.to_string()).unwrap(), vec![recipient]);
        }
    }

    #[test]
    fn json_is_read_as_serde_reads_it_or_not_at_all(text in "[\\[\\]{}\":,a0-9 \\\\u.eE+-]{0,40}") {
        if let Ok(value) = json::parse(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn cookies_that_pass_read_back_as_themselves(text in prop_oneof![any::<String>(), "[a-c]=[a-z\",; =%]{0,12}(; [a-c]=[a-z]{0,3}){0,3}"]) {
        let cookies = Cookies::parse(std::iter::once(text.as_bytes()));
        if let Some(wire) = cookies.to_wire(|_, _| false) {
            prop_assert_eq!(Cookies::parse(std::iter::once(wire.as_bytes())), cookies);
        }
    }

    /// Whatever a client writes into the header, it cannot be taken for an address that the nearest
    /// untrusted hop did not have.
    #[test]
    fn nobody_but_a_trusted_proxy_is_believed(forged in any::<String>(), hop in any::<[u8; 4]>()) {
        let trusted = |a: std::net::IpAddr| a == std::net::IpAddr::from([10, 0, 0, 1]);
        let real = std::net::IpAddr::from(hop);
        prop_assume!(!trusted(real));
        let header = format!("{forged}, {real}");
        let hops = hops(HopHeader::XForwardedFor, std::iter::once(header.as_bytes()));
        prop_assert_eq!(client_address(std::net::IpAddr::from([10, 0, 0, 1]), &hops, trusted), real);
        prop_assert_eq!(client_address(real, &hops, trusted), real);
    }

    #[test]
    fn policies_and_phrases_never_panic(text in prop_oneof![tricky(), any::<String>(), "[a-z:\\[\\]{}&*\"'\n -]{0,60}"]) {
        let _ = Node::parse(&text);
        let _ = (Pattern::parse(&text), Condition::parse(&text), Sign::parse(&text), Source::parse(&text));
    }

    /// A record is one line of JSON whatever people are called, and holds nothing but what it names.
    #[test]
    fn every_record_is_one_line_of_json(user in any::<String>(), id in any::<String>()) {
        let decision = Decision {
            masked: &[],
            unread: None, answer_type: None, answer_name: None,
            time: Timestamp(0), id: "1", revision: "r", outcome: Outcome::Forwarded, findings: &[], user: Some(&user), unknown: false, role: "agent",
            realm: None, session: None, api_key: None, kind: "session", client: [127, 0, 0, 1].into(), method: "GET", class: "ticket",
            files: &[],
            does: &[], route: None, channel: None, area: "portal", subject: Some(&id), removed: 0, session_event: None, tunnel: None, status: 200, bytes: 0, gateway_us: 0, upstream_us: 0,
        };
        for hide in [HideUser::Keep, HideUser::Hash] {
            let privacy = Privacy { client_ip: HideAddress::Remove, user: hide, key: [1; 32] };
            let mut out = Vec::new();
            decision.write(&privacy, "n", 0, &mut out);
            let line = std::str::from_utf8(&out).unwrap();
            prop_assert_eq!(line.lines().count(), 1);
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            if hide == HideUser::Hash {
                prop_assert_eq!(value["actor"]["user"].as_str().unwrap(), record::pseudonym(&[1; 32], &user));
            }
        }
    }
}

/// The type of a parsed body is checked where it is used; this keeps the two kinds apart.
#[test]
fn a_form_is_no_json() {
    let form = parse("application/x-www-form-urlencoded", Bytes::from_static(b"{\"a\":1}"), &mut |_| true).unwrap();
    assert!(matches!(form.body, Body::Form(_)));
}
