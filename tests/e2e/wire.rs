//! Bodies as bytes on the wire: what apps read in different ways reaches none of them (CWE-436, CWE-444), and what real clients write arrives as it was sent.

mod addresses;
mod bodies;
mod clients;
mod files;
mod json;

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{Answer, Connection, Gateway, H2, Heard, RecordingOrigin, until};

const PROFILE: &str = r"
profile: wire
format: 1
tested_with: [test]
about: An app that takes in files and addresses in every way there is
realms:
  accounts:
    session: cookie wire
    login: { match: POST /login, user: form user, password: form password, succeeded: cookie new }
routes:
  upload: { is: upload, match: POST|PUT /upload }
  raw: { is: upload, match: 'PUT /raw/{name}', file_name: path name }
  raw_query: { is: upload, match: POST /raw, file_name: query filename }
  forward:
    is: forward
    match: POST /forward
    to: [param to, param cc, param bcc, param reply_to, json /to, json /cc, json /bcc, json /message/recipients]
  ticket: { is: ticket, does: edit, match: POST /ticket }
  ticket_delete: { is: ticket, does: delete, match: DELETE /ticket }
  ticket_delete_action: { is: ticket, does: delete, match: POST /ticket, when: param action = delete }
  ticket_delete_json: { is: ticket, does: delete, match: POST /ticket, when: json /action = delete }
quirks:
  method_override: [form _method, query _method]
";

const POLICY: &str = r"
roles:
  keeper: { users: [nobody-is-this] }
  everybody: {}
uploads:
  per_role:
    everybody: { types: [pdf, png, jpeg, gif, txt, csv, zip, docx], largest: 22MB }
forwarding:
  only_to: ['*@partner.example', legal@counsel.example]
  never_to: ['*noreply*@*']
changes:
  - name: nobody who comes here deletes
    allow: [delete]
    of: [ticket]
    for: [keeper]
limits:
  inspected_body: 24MB
  body_timeout: 3s
";

/// Stands in every refused body; the row takes its place, and it must turn up nowhere.
const MARK: &str = "MARKER";

/// The boundary of the forms here.
const BOUNDARY: &str = "----wire-7d1f03";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// How a request is sent. The length of its body stands in the head, or shows only at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Length,
    Chunked,
    Http2Length,
    Http2,
}

const EVERY_WAY: &[Way] = &[Way::Length, Way::Chunked, Way::Http2Length, Way::Http2];
/// For bodies that are too long to come without their length.
const WITH_LENGTH: &[Way] = &[Way::Length, Way::Http2Length];

struct Sent {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn post(path: &'static str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST", path, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    fn over(&self, to: SocketAddr, way: Way) -> Option<Answer> {
        match way {
            Way::Length | Way::Chunked => self.over_http1(to, way == Way::Chunked),
            Way::Http2Length | Way::Http2 => self.over_http2(to, way == Way::Http2Length),
        }
    }

    fn over_http1(&self, to: SocketAddr, chunked: bool) -> Option<Answer> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: {to}\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(self.body.len() / 3 + 1) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).bytes());
            bytes.extend_from_slice(&self.body);
        }
        let mut connection = Connection::open(to, None).unwrap();
        // A refusal may come before the whole body is sent.
        let _ = connection.write(&bytes);
        connection.read(self.method == "HEAD").ok()
    }

    fn over_http2(&self, to: SocketAddr, with_length: bool) -> Option<Answer> {
        let length = self.body.len().to_string();
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        if with_length {
            headers.push(("content-length", &length));
        }
        H2::connect(to).send((self.method, self.path, &headers, &self.body)).ok()
    }
}

/// The status of a refusal, and its reason.
type Refusal = (u16, &'static str);

/// What is sent, and how it is refused.
struct Row {
    id: String,
    sent: Sent,
    status: u16,
    reason: &'static str,
    ways: &'static [Way],
}

impl Row {
    fn new(id: &str, sent: Sent, status: u16, reason: &'static str) -> Self {
        Self { id: id.to_owned(), sent, status, reason, ways: EVERY_WAY }
    }

    fn only(self, ways: &'static [Way]) -> Self {
        Self { ways, ..self }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.sent.headers.push((name, value.to_owned()));
        self
    }
}

/// A form of these parts (head, content), each exactly as it is given.
fn form_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (head, content) in parts {
        out.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
        out.extend_from_slice(content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{BOUNDARY}--\r\n").bytes());
    out
}

fn multipart_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

fn text(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

fn file(name: &str, content_type: &str) -> String {
    format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {content_type}")
}

/// The app, and the gateway in front of it.
struct Wire {
    origin: RecordingOrigin,
    gateway: Gateway,
    _profile: tempfile::TempDir,
}

impl Wire {
    fn start() -> Self {
        let origin = RecordingOrigin::start();
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("wire.yaml");
        std::fs::write(&profile, PROFILE).unwrap();
        let gateway = Gateway::start(origin.port, profile.to_str().unwrap(), POLICY);
        Self { origin, gateway, _profile: folder }
    }

    fn send(&self, sent: &Sent, way: Way) -> (Option<Answer>, Heard) {
        let answer = sent.over(self.gateway.address(), way);
        (answer, self.origin.heard())
    }

    /// Sends every row in each of its ways: all are refused and recorded for their reasons, and the app
    /// hears nothing.
    #[track_caller]
    fn refuses(&self, rows: Vec<Row>) {
        let (mut wrong, mut references) = (Vec::new(), Vec::new());
        for mut row in rows {
            let mark = format!("marker-{}", row.id);
            let body = &row.sent.body;
            assert!(body.is_empty() || find(body, MARK), "{} has nothing to look for", row.id);
            row.sent.body = replaced(&row.sent.body, MARK, &mark);
            for way in row.ways {
                let (answer, heard) = self.send(&row.sent, *way);
                let heard = heard.bytes.concat();
                let status = answer.as_ref().map(|a| a.status);
                if status != Some(row.status) || !heard.is_empty() {
                    let heard = String::from_utf8_lossy(&heard).into_owned();
                    let text = answer.as_ref().map(Answer::text).unwrap_or_default();
                    wrong.push(format!(
                        "{} {way:?}: {status:?} for {} {} ({text}), the app heard {heard:?}",
                        row.id, row.status, row.reason
                    ));
                }
                let reference = answer.and_then(|a| a.header("x-deskgate-ref").map(str::to_owned));
                references.extend(reference.map(|r| (format!("{} {way:?}", row.id), r, row.reason)));
            }
        }
        let last = references.last().map(|(_, reference, _)| reference.clone());
        let records = || -> HashMap<String, Value> {
            let exchanges = self.gateway.records().into_iter().filter(|r| r["event"].is_null());
            exchanges.map(|r| (r["id"].as_str().unwrap().to_owned(), r)).collect()
        };
        until("the last refusal is recorded", || last.as_ref().is_none_or(|r| records().contains_key(r)));
        let records = records();
        for (row, reference, reason) in references {
            let record = records.get(&reference);
            if record.is_none_or(|r| r["reason"] != *reason || r["effect"] != "deny") {
                wrong.push(format!("{row}: recorded as {record:?} for {reason}"));
            }
        }
        assert!(!find(&self.origin.heard().bytes.concat(), "marker-"), "something came late");
        self.gateway.keeps_secrets(&[], &["marker-"]);
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// Sends a request in each of `ways`: the app gets one request with `arrives` as its body.
    #[track_caller]
    fn passes(&self, what: &str, sent: &Sent, arrives: &[u8], ways: &[Way]) {
        for way in ways {
            let (answer, heard) = self.send(sent, *way);
            let status = answer.as_ref().map(|a| a.status);
            let told = answer.map(|a| a.text()).unwrap_or_default();
            assert_eq!(status, Some(200), "{what} {way:?}: {told}");
            let [received] = &heard.requests[..] else {
                panic!("{what} {way:?}: {} requests arrived", heard.requests.len())
            };
            let same = received.body == arrives;
            let shown = |body: &[u8]| String::from_utf8_lossy(&body[..body.len().min(2_000)]).into_owned();
            assert!(same, "{what} {way:?}: {}\n--- arrived for ---\n{}", shown(&received.body), shown(arrives));
            assert!(received.head.starts_with(&format!("{} {} HTTP/1.1\r\n", sent.method, sent.path)));
        }
    }
}

fn find(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    for found in memchr::memmem::find_iter(bytes, from.as_bytes()) {
        out.extend_from_slice(&bytes[at..found]);
        out.extend(to.bytes());
        at = found + from.len();
    }
    out.extend_from_slice(&bytes[at..]);
    out
}
