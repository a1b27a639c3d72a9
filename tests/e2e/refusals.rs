//! What people, scripts and programs are told when they are refused.

use std::net::TcpListener;

use crate::harness::{Answer, BOUNDARY, Gateway, Port, RecordingOrigin, ScriptedOrigin, multipart};

const POLICY: &str = "
roles:
  everybody: {}
access:
  management:
    allow_from: [10.0.0.0/8]
uploads:
  per_role:
    everybody: { types: [png, pdf], largest: 1MB, files: 2 }
embedding:
  management: deny
  portal: [\"https://shop.example\"]
pages:
  contact: it-desk@acme.example
";
const PROGRAM: &[u8] = b"MZ\x90\0\x03\0\0\0";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const SCRIPT: [(&str, &str); 2] = [("Sec-Fetch-Mode", "cors"), ("Accept", "*/*")];

fn start(policy: &str) -> (RecordingOrigin, Gateway) {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", policy);
    (origin, gateway)
}

/// As a script of a page sends files.
fn by_script(gateway: &Gateway, path: &str, files: &[(&str, &str, &str, &[u8])]) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [&SCRIPT[..], &[("Content-Type", kind.as_str())]].concat();
    gateway.browser().send("POST", path, &headers, &multipart(&[("text", "x")], files))
}

#[test]
fn a_refused_file_is_named_with_what_is_allowed_and_the_advice_that_helps() {
    let (_origin, gateway) = start(POLICY);
    let send =
        |files: &[(&str, &str, &str, &[u8])]| gateway.browser().upload("/portal/tickets", &[("text", "x")], files);
    let program = ("file", "<b>setup.exe", "application/octet-stream", PROGRAM);
    let page = send(&[("file", "fine.png", "image/png", PNG), program]).expect(400).text();
    for shown in ["&lt;b&gt;setup.exe", "png, pdf", "Programs and scripts are not accepted under any name"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("<b>") && !page.contains("fine.png") && !page.contains("plain name"), "{page}");
    let page = send(&[("file", "list.csv", "text/csv", b"a;b\n")]).expect(415).text();
    assert!(page.contains("list.csv") && page.contains("Send the file as one of the types"), "{page}");
    let long = format!("{}.php.png", "ä".repeat(100));
    let page = send(&[("file", &long, "image/png", PNG)]).expect(400).text();
    assert!(page.contains("ä…ä") && page.contains(".php.png") && page.contains("every dot but the last"), "{page}");
    let page = send(&[("file", "a.png", "image/png", PNG); 3]).expect(413).text();
    assert!(page.contains("at most 2 at once") && !page.contains("a.png"), "{page}");

    let told = by_script(&gateway, "/portal/tickets", &[("file", "setup.exe", "application/x-msdownload", PROGRAM)])
        .expect(400);
    assert_eq!(told.header("content-type"), Some("application/problem+json"));
    let told = told.json();
    assert_eq!((&told["file"], &told["allowed"]), (&"setup.exe".into(), &"png, pdf".into()));
    assert_eq!((&told["type"], &told["status"]), (&"urn:deskgate:uploads.name".into(), &400.into()));
    assert_eq!(told["error"], "A file of this name is not accepted.");
    let message = told["message"].as_str().unwrap();
    for part in ["Programs and scripts are not accepted", "File: setup.exe.", "Allowed: png, pdf."] {
        assert!(message.contains(part), "{message}");
    }
    // Records have names of files where they always had them, and nowhere else.
    let record = gateway.record(&[("/reason", "uploads.name"), ("/files/0/name", "setup.exe")]);
    assert_eq!(record.to_string().matches("setup.exe").count(), 1, "{record}");
}

#[test]
fn how_long_to_wait_is_told_in_words_and_as_a_number() {
    let (_origin, gateway) = start("roles:\n  everybody: {}\nlimits:\n  per_address: 1 per 10m\n");
    gateway.browser().get("/portal/").expect(200);
    let page = gateway.browser().get("/portal/").expect(429);
    assert!(page.text().contains("Try again in 10 minutes."), "{}", page.text());
    let told = gateway.browser().send("GET", "/portal/", &SCRIPT, b"").expect(429);
    let seconds = told.header("retry-after").unwrap().parse::<u64>().unwrap();
    assert_eq!(told.json()["retry_after"], seconds);
    assert!(told.json()["message"].as_str().unwrap().ends_with("Try again in 10 minutes."), "{}", told.text());
}

#[test]
fn a_page_leads_back_into_the_app_and_to_the_contact() {
    let (_origin, gateway) = start(POLICY);
    let here = format!("http://{}", gateway.address());
    let refused = |path: &str, referer: &str| {
        let headers = [("Accept", "text/html"), ("Referer", referer)];
        let answer = gateway.browser().send("GET", path, &headers, b"").expect(403);
        let text = answer.text();
        let link = text.split("<a href=\"").nth(1).and_then(|l| l.split('"').next()).map(str::to_owned);
        let says = if link.as_deref() == Some("/") { ">Go to the start page<" } else { ">Go back<" };
        assert!(text.contains(says), "{text}");
        link
    };
    for (path, referer, link) in [
        ("/agent/", format!("{here}/portal/?a=1&b=2"), Some(format!("{here}/portal/?a=1&amp;b=2"))),
        // The way back does not lead to where this is, nor out of the app.
        ("/agent/", format!("{here}/agent/"), Some("/".to_owned())),
        ("/agent/", "http://evil.test/portal/".to_owned(), Some("/".to_owned())),
        ("/agent/", format!("{here}.evil.test/"), Some("/".to_owned())),
        ("/agent/", format!("{here}@evil.test/"), Some("/".to_owned())),
        ("/agent/", format!("https://{}/portal/", gateway.address()), Some("/".to_owned())),
        ("/agent/", format!("{here}//evil.test/"), Some(format!("{here}//evil.test/"))),
        ("/agent/", format!("{here}/\"><script>"), Some(format!("{here}/&quot;&gt;&lt;script&gt;"))),
    ] {
        assert_eq!(refused(path, &referer), link, "{path} from {referer}");
    }
    // A form may be sent to where it stands.
    let page = gateway.browser().send(
        "POST",
        "/portal/tickets",
        &[
            ("Accept", "text/html"),
            ("Referer", &format!("{here}/portal/tickets")),
            ("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}")),
        ],
        &multipart(&[], &[("file", "list.csv", "text/csv", b"a;b\n")]),
    );
    assert!(page.expect(415).text().contains(&format!("<a href=\"{here}/portal/tickets\">")));
    let page = gateway.browser().get("/agent/").expect(403);
    let reference = page.header("x-deskgate-ref").unwrap();
    assert!(
        page.text().contains(&format!("href=\"mailto:it-desk@acme.example?subject=Reference%20{reference}\"")),
        "{}",
        page.text()
    );
}

#[test]
fn a_refusal_stands_in_a_frame_wherever_the_app_may() {
    let (_origin, gateway) = start(POLICY);
    let framed = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"), ("Accept", "text/html")];
    let frames = |answer: &Answer| {
        let policy = answer.header("content-security-policy").unwrap();
        let ancestors = policy.split("frame-ancestors ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && policy.matches("frame-ancestors").count() == 1, "{policy}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer:?}");
        (answer.header("x-frame-options").map(str::to_owned), ancestors)
    };
    let management = gateway.browser().send("GET", "/agent/", &framed, b"").expect(403);
    assert_eq!(frames(&management), (Some("DENY".into()), "'none'".into()));
    let headers = [&framed[..], &[("Content-Type", "multipart/form-data; boundary=x")]].concat();
    let portal = gateway.browser().send("POST", "/portal/tickets", &headers, b"--y").expect(400);
    assert_eq!(frames(&portal), (None, "'self' https://shop.example".into()));
    // Where the policy says nothing, the app's own frames show it.
    let api = gateway.browser().send("POST", "/api/tickets", &headers, b"--y").expect(400);
    assert_eq!(frames(&api), (Some("SAMEORIGIN".into()), "'self'".into()));
    // Shadow changes nothing, and so lets nobody in.
    gateway.write_policy(&POLICY.replace("embedding:\n", "embedding:\n  mode: shadow\n"));
    gateway.admin("POST", "/reload").expect(200);
    let portal = gateway.browser().send("POST", "/portal/tickets", &headers, b"--y").expect(400);
    assert_eq!(frames(&portal), (Some("SAMEORIGIN".into()), "'self'".into()));
}

/// A rate refuses before anything is known of a request but its address and where it goes.
#[test]
fn a_refusal_by_address_alone_stands_in_frames_too() {
    let policy = "roles:\n  everybody: {}\nlimits:\n  per_address: 1 per 10m\nembedding:\n  portal: \"https://shop.example\"\n  management: deny\n";
    let (_origin, gateway) = start(policy);
    gateway.browser().get("/portal/").expect(200);
    assert_eq!(gateway.browser().get("/portal/").expect(429).header("x-frame-options"), None);
    assert_eq!(gateway.browser().get("/agent/").expect(429).header("x-frame-options"), Some("DENY"));
}

#[test]
fn scripts_that_show_what_they_are_sent_get_text_where_the_profile_says_so() {
    let origin = RecordingOrigin::start();
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("texts.yaml");
    let shipped = include_str!("../../config/profiles/tinydesk.yaml");
    std::fs::write(&profile, shipped.replace("\nrealms:", "\nscript_refusals: text\n\nrealms:")).unwrap();
    let gateway = Gateway::start(origin.port, profile.to_str().unwrap(), POLICY);
    let told = by_script(&gateway, "/portal/tickets", &[("file", "setup.exe", "application/x-msdownload", PROGRAM)])
        .expect(400);
    assert_eq!(told.header("content-type"), Some("text/plain; charset=utf-8"));
    let reference = told.header("x-deskgate-ref").unwrap().to_owned();
    assert_eq!(
        told.text(),
        format!(
            "A file of this name is not accepted. Programs and scripts are not accepted under any name. Ask the \
             contact below how else to hand it over. File: setup.exe. What was found: a program or script. Allowed: \
             png, pdf. Contact: it-desk@acme.example. Reference: {reference}"
        )
    );
    // Programs read members, not sentences; people get their page.
    let told =
        by_script(&gateway, "/api/tickets", &[("file", "setup.exe", "application/x-msdownload", PROGRAM)]).expect(400);
    assert_eq!(told.header("content-type"), Some("application/problem+json"));
    let page = gateway.browser().get("/agent/").expect(403);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
}

/// Operators learn from messages and records which address did what; people and scripts do not.
#[test]
fn an_app_that_does_not_answer_is_told_by_its_address() {
    let nobody = Port::claim();
    let gateway = Gateway::start(nobody.number, "tinydesk", "roles:\n  everybody: {}\n");
    let address = format!("127.0.0.1:{}", nobody.number);
    for _ in 0..5 {
        let page = gateway.browser().get("/portal/").expect(502).text();
        assert!(!page.contains(&address), "{page}");
    }
    let trouble = format!("{address} refused the connection");
    gateway.record(&[("/reason", "upstream.unreachable"), ("/app", &trouble)]);
    let said = gateway.said();
    assert_eq!(said.matches(&format!("warning: the app does not work: {trouble}\n")).count(), 1, "{said}");
    assert!(!said.contains("ConnectRefused"), "{said}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let gateway = Gateway::start(address.port(), "tinydesk", "roles:\n  everybody: {}\n");
    let policy = std::fs::read_to_string(gateway.config()).unwrap();
    std::fs::write(gateway.config(), policy.replace("  upstream:", "  timeouts: { read: 1s }\n  upstream:")).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    gateway.browser().get("/portal/").expect(504);
    let trouble = format!("{address} did not answer within 1s");
    gateway.record(&[("/reason", "upstream.timeout"), ("/app", &trouble)]);
    assert!(gateway.said().contains(&trouble), "{}", gateway.said());

    let broken = ScriptedOrigin::start();
    let gateway = Gateway::start(broken.port, "tinydesk", "roles:\n  everybody: {}\n");
    gateway.browser().get("/portal/").expect(502);
    let trouble = format!("127.0.0.1:{} closed the connection before it had answered", broken.port);
    gateway.record(&[("/reason", "upstream.unreachable"), ("/app", &trouble)]);
    broken.pieces("/portal/", vec![b"SSH-2.0-x\r\n\r\n".to_vec()]);
    gateway.browser().get("/portal/").expect(502);
    let trouble = format!("127.0.0.1:{} answered with what is no HTTP", broken.port);
    gateway.record(&[("/reason", "upstream.unreachable"), ("/app", &trouble)]);
}
