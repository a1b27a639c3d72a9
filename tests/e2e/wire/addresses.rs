//! Addresses and actions in forms (rows D101 to D153, D40 to D49).

use super::{MARK, Refusal, Row, Sent, Wire, file, form_of, multipart_type, text};

const FORM: &str = "application/x-www-form-urlencoded";
const ONLY_TO: Refusal = (422, "forwarding.only_to");
const NEVER_TO: Refusal = (422, "forwarding.never_to");
const LIST: Refusal = (422, "forwarding.unreadable");
const BODY: Refusal = (400, "body.unreadable");
const TYPE: Refusal = (415, "body.type");
const DENIED: Refusal = (403, "changes.denied");

fn row(id: &str, path: &'static str, content_type: &str, body: &str, (status, reason): Refusal) -> Row {
    Row::new(id, Sent::post(path, content_type, body), status, reason)
}

#[test]
fn addresses_in_forms() {
    let bodies = [
        ("D101", "to=leak%40evil.test", ONLY_TO),
        ("D101-bare", "to=leak@evil.test", ONLY_TO),
        ("D101-spelled", "to=%6c%65ak%40evil%2Etest", ONLY_TO),
        ("D102", "t%6f=leak%40evil.test", ONLY_TO),
        ("D102-plus", "to=+leak%40evil.test+", ONLY_TO),
        ("D103", "to=ok%40partner.example&to=leak%40evil.test", ONLY_TO),
        ("D103-last", "to=leak%40evil.test&to=ok%40partner.example", ONLY_TO),
        ("D104", "to=ok%40partner.example;to=leak%40evil.test", ONLY_TO),
        ("D104-list", "to=ok%40partner.example;leak%40evil.test", ONLY_TO),
        ("D105", "to[]=leak%40evil.test", ONLY_TO),
        ("D105-coded", "to%5B%5D=ok%40partner.example&to%5B%5D=leak%40evil.test", ONLY_TO),
        ("D105-index", "to[0]=leak%40evil.test", ONLY_TO),
        ("D105-key", "to[email]=leak%40evil.test", ONLY_TO),
        // Rack and PHP take these off a name.
        ("D105-brackets", "[to]=leak%40evil.test", ONLY_TO),
        ("D105-half", "to]=leak%40evil.test", ONLY_TO),
        ("D105-blank", "+to=leak%40evil.test", ONLY_TO),
        // PHP writes an underscore for these.
        ("D105-dot", "reply.to=leak%40evil.test", ONLY_TO),
        ("D105-space", "reply+to=leak%40evil.test", ONLY_TO),
        ("D105-open", "reply[to=leak%40evil.test", ONLY_TO),
        ("D106", "to=ok%40partner.example%2Cleak%40evil.test", ONLY_TO),
        ("D106-no-blank", "to=ok%40partner.example,leak@evil.test", ONLY_TO),
        ("D107", "to=ok%40partner.example%0D%0ABcc%3A+leak%40evil.test", LIST),
        ("D107-lf", "to=ok%40partner.example%0ABcc%3Aleak%40evil.test", LIST),
        ("D107-folded", "to=ok%40partner.example%0D%0A+leak%40evil.test", ONLY_TO),
        ("D107-cr", "to=ok%40partner.example%0Dleak%40evil.test", ONLY_TO),
        ("D108", "to=ok%40partner.example+%3Cleak%40evil.test%3E", LIST),
        ("D108-quoted", "to=%22ok%40partner.example%22+%3Cleak%40evil.test%3E", LIST),
        ("D108-name", "to=Partner+%3Cleak%40evil.test%3E", ONLY_TO),
        ("D109", "to=ok%40partner.example%00leak%40evil.test", BODY),
        ("D110", "to=leak%40evil.test%23%40partner.example", LIST),
        ("D110-behind", "to=ok%40partner.example%23%40evil.test", LIST),
        ("D111", "to=leak%40partner.example.evil.test", ONLY_TO),
        ("D111-prefix", "to=leak%40evilpartner.example", ONLY_TO),
        ("D111-dot", "to=leak%40partner.example.", LIST),
        ("D112", "to=leak%40evil.test%40partner.example", LIST),
        ("D113", "to=leak%C1%80evil.test", BODY),
        ("D113-nul", "to=leak%40evil.test%C0%80", BODY),
        ("D114", "to=leak%2BAEA-evil.test", LIST),
        ("D115", "to=x%40p%D0%B0rtner.example", ONLY_TO),
        ("D115-dot", "to=x%40partner%E2%80%A4example", LIST),
        ("D115-mailbox", "to=%C3%A4%40partner.example", LIST),
        ("D116", "to=leak%40evil.test%28%40partner.example%29", LIST),
        ("D116-mailbox", "to=ok%28%40evil.test%29%40partner.example", LIST),
        ("D117", "to=%40evil.test%3Aok%40partner.example", LIST),
        ("D117-angle", "to=%3C%40evil.test%3Aok%40partner.example%3E", LIST),
        ("D118", "to=leak%2540evil.test", LIST),
        ("D119", "to=ok%40partner.example&cc=leak%40evil.test", ONLY_TO),
        ("D120", "to=ok%40partner.example&bcc=leak%40evil.test", ONLY_TO),
        ("D121", "to=%zz&cc=ok%40partner.example", BODY),
        ("D121-cut", "to=ok%40partner.example%4", BODY),
        ("D121-unicode", "to=leak%u0040evil.test", BODY),
        ("D122", "to=leak%FF%40evil.test", BODY),
        ("D123", "to=friends%3A+leak%40evil.test%3B", LIST),
        ("D124", "to=%3D%3Futf-8%3Fq%3Fleak%3D40evil.test%3F%3D+%3Cok%40partner.example%3E", LIST),
        ("D125", "to=leak%25evil.test%40partner.example", LIST),
        ("D125-bang", "to=evil.test%21leak%40partner.example", LIST),
        ("D126", "to=%22leak%40evil.test%22%40partner.example", LIST),
        ("D127", "to=leak%40%5B192.0.2.1%5D", LIST),
        ("D128", "to=my-noreply-2%40partner.example", NEVER_TO),
        ("D129", "to=root", ONLY_TO),
        ("D129-blank", "to=ok%40partner.example+leak%40evil.test", LIST),
        ("D129-tab", "to=ok%40partner.example%09leak%40evil.test", LIST),
    ];
    let rows = bodies.map(|(id, body, refusal)| row(id, "/forward", FORM, &format!("note={MARK}&{body}"), refusal));
    Wire::start().refuses(rows.into());
}

/// What a request does may stand in its body.
#[test]
fn actions_in_bodies() {
    let json = "application/json";
    let action = |value: &str| form_of(&[(&text("action"), value.as_bytes()), (&text("note"), MARK.as_bytes())]);
    let mut rows = vec![];
    for (id, path, content_type, body) in [
        ("D130", "/ticket", FORM, "_method=DELETE"),
        ("D130-case", "/ticket", FORM, "_method=delete+"),
        ("D130-second", "/ticket", FORM, "_method=PUT&_method=DELETE"),
        ("D130-array", "/ticket", FORM, "_method[]=DELETE"),
        ("D130-query", "/ticket?_method=DELETE", FORM, "x=y"),
        ("D131", "/ticket", FORM, "action=delete"),
        ("D131-case", "/ticket", FORM, "action=+DELETE"),
        ("D131-second", "/ticket", FORM, "action=edit&action=delete"),
        ("D131-query", "/ticket?action=delete", FORM, "action=edit"),
        ("D131-spelled", "/ticket", FORM, "a%63tion=%64elete"),
        ("D131-array", "/ticket", FORM, "action[]=delete"),
    ] {
        rows.push(row(id, path, content_type, &format!("note={MARK}&{body}"), DENIED));
    }
    for (id, body) in [("D131-json", r#""action":"delete""#), ("D131-key", r#""\u0061CTION":"delete""#)] {
        rows.push(row(id, "/ticket", json, &format!("{{\"note\":\"{MARK}\",{body}}}"), DENIED));
    }
    rows.push(Row::new("D131-multipart", Sent::post("/ticket", &multipart_type(), action("delete")), 403, DENIED.1));
    // Sent as a file, some apps take its name or its content for the field.
    for (id, file, content, (status, reason)) in [
        ("D131-no-name", "", "delete", BODY),
        ("D131-content", "x.txt", "delete", DENIED),
        ("D131-name", "delete", "x", (415, "uploads.type")),
    ] {
        let head = format!("Content-Disposition: form-data; name=\"action\"; filename=\"{file}\"");
        let body = form_of(&[(&head, content.as_bytes()), (&text("note"), MARK.as_bytes())]);
        rows.push(Row::new(id, Sent::post("/ticket", &multipart_type(), body), status, reason));
    }
    Wire::start().refuses(rows);
}

#[test]
fn addresses_elsewhere_and_in_other_charsets() {
    let leak = format!("note={MARK}&to=leak%40evil.test");
    let fine = format!("note={MARK}&to=ok%40partner.example");
    let mut rows = vec![
        row("D150", "/forward?to=leak%40evil.test", FORM, &fine, ONLY_TO),
        row("D150-list", "/forward?to[]=leak%40evil.test", FORM, &fine, ONLY_TO),
        row("D150-json", "/forward?bcc=leak@evil.test", "application/json", &format!("{{\"n\":\"{MARK}\"}}"), ONLY_TO),
        row("D153", "/forward", "", &leak, TYPE),
    ];
    for (id, content_type) in [
        ("D151", "application/x-www-form-urlencoded; charset=utf-7"),
        ("D152", "application/x-www-form-urlencoded; charset=ibm037"),
        ("D152-two", "application/x-www-form-urlencoded; charset=utf-8; charset=utf-7"),
        ("D152-utf-16", "application/x-www-form-urlencoded;charset=\"utf-16\""),
        ("D152-odd", "application/x-www-form-urlencoded; x=y"),
        ("D30", "text/plain"),
        ("D30-form", "text/plain; charset=utf-8"),
        ("D31", "application/x-www-form-urlencoded, text/plain"),
        ("D32", "application/*"),
    ] {
        rows.push(row(id, "/forward", content_type, &leak, TYPE));
    }
    let none = Sent { headers: vec![], ..Sent::post("/forward", "", leak.clone()) };
    rows.push(Row::new("D153-no-header", none, 415, "body.type"));
    let two = row("D153-two", "/forward", FORM, &leak, (400, "protocol.framing"));
    rows.push(two.header("Content-Type", "text/plain"));
    rows.push(row("D154", "/forward", FORM, &format!("{MARK}\u{0}=x&{leak}"), BODY));
    Wire::start().refuses(rows);
}

/// The same tricks as with files, on a field that holds an address.
#[test]
fn addresses_in_multipart_fields() {
    let cd = "Content-Disposition: form-data";
    let (leak, utf7) = ("leak@evil.test", "leak+AEA-evil.test");
    let long = format!("{}{leak}", " ".repeat(5_000));
    let heads = [
        ("D40", format!("{cd}; name=\"to\""), leak, ONLY_TO),
        ("D40-array", format!("{cd}; name=\"to[]\""), leak, ONLY_TO),
        ("D41", format!("{cd}; name=\"to\"\r\nContent-Transfer-Encoding: base64"), "bGVha0BldmlsLnRlc3Q=", BODY),
        (
            "D41-quoted",
            format!("{cd}; name=\"to\"\r\nContent-Transfer-Encoding: quoted-printable"),
            "leak=40evil.test",
            BODY,
        ),
        ("D42", format!("{cd}; name=\"to\"\r\nContent-Type: text/plain; charset=utf-7"), utf7, BODY),
        ("D42-utf-16", format!("{cd}; name=\"to\"\r\nContent-Type: text/plain; charset=utf-16le"), leak, BODY),
        ("D42-two", format!("{cd}; name=\"to\"\r\nContent-Type: text/plain; charset=utf-8; charset=utf-7"), utf7, BODY),
        ("D42-blank", format!("{cd}; name=\"to\"\r\nContent-Type: text/plain; charset = utf-7"), utf7, BODY),
        ("D42-escape", format!("{cd}; name=\"to\"\r\nContent-Type: text/plain"), "\u{1b}(Bleak@evil.test", BODY),
        ("D43-html", format!("{cd}; name=\"to\"\r\nContent-Type: text/html"), leak, BODY),
        ("D43-octets", format!("{cd}; name=\"to\"\r\nContent-Type: application/octet-stream"), leak, BODY),
        ("D44", format!("{cd}; name=\"to\"; filename=\"\""), leak, BODY),
        ("D44-content", format!("{cd}; name=\"to\"; filename=\"x.txt\""), leak, ONLY_TO),
        ("D44-name", format!("{cd}; name=\"to\"; filename=\"leak@evil.test, x.txt\""), "x", ONLY_TO),
        ("D44-long", format!("{cd}; name=\"to\"; filename=\"ok@partner.example\""), &long, LIST),
        ("D44-star", format!("{cd}; name=\"to\"; filename*=utf-8''x"), leak, BODY),
        ("D45", format!("{cd}; name=\"cc\"; name=\"to\""), leak, BODY),
        ("D45-star", format!("{cd}; name*=utf-8''to"), leak, BODY),
        ("D46", format!("{cd}; name=to"), leak, BODY),
        ("D46-quotes", format!("{cd}; name='to'"), leak, BODY),
        ("D47", format!("{cd};\r\n name=\"to\""), leak, BODY),
        ("D48", "Content-Disposition: attachment; name=\"to\"".into(), leak, BODY),
        ("D48-twice", format!("{cd}; name=\"x\"\r\n{cd}; name=\"to\""), leak, BODY),
        ("D48-case", format!("{cd}; Name=\"to\""), leak, BODY),
        ("D49", format!("{cd}; name=\"t&#111;\""), leak, BODY),
        ("D49-percent", format!("{cd}; name=\"t%6f\""), leak, BODY),
        ("D49-escape", format!("{cd}; name=\"t\\o\""), leak, BODY),
        ("D49-mixed", format!("{cd}; name=\"to\"\r\nContent-Type: multipart/mixed; boundary=x"), leak, BODY),
    ];
    let rows = heads.iter().map(|(id, head, value, (status, reason))| {
        let body = form_of(&[(head, value.as_bytes()), (&text("note"), MARK.as_bytes())]);
        Row::new(id, Sent::post("/forward", &multipart_type(), body), *status, reason)
    });
    let not_utf8 = form_of(&[(&text("to"), b"leak\xff@evil.test"), (&text("note"), MARK.as_bytes())]);
    let not_utf8 = Row::new("D49-bytes", Sent::post("/forward", &multipart_type(), not_utf8), 400, "body.unreadable");
    // What is named as a file is judged as one, wherever it is sent.
    let program = form_of(&[(&file("evil.exe", "text/plain"), b"MZ"), (&text("note"), MARK.as_bytes())]);
    let program = Row::new("D49-file", Sent::post("/forward", &multipart_type(), program), 400, "uploads.name");
    Wire::start().refuses(rows.chain([not_utf8, program]).collect());
}
