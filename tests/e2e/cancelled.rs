//! Uploads that their sender cancels: nobody is refused, and nothing is the app's fault.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::harness::{BOUNDARY, Gateway, H2, RecordingOrigin};

const POLICY: &str = "roles:\n  everybody: {}\nuploads:\n  per_role:\n    everybody: { types: [png, txt] }\n";

/// A form, which is inspected, and a body of which nothing is read: path, type, beginning, length in all.
fn inspected_and_not() -> [(&'static str, String, Vec<u8>, usize); 2] {
    let form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{}",
        "x".repeat(200_000)
    );
    [
        ("/portal/tickets", format!("multipart/form-data; boundary={BOUNDARY}"), form.into_bytes(), 1_000_000),
        ("/portal/x", "application/octet-stream".into(), vec![b'x'; 200_000], 1_000_000),
    ]
}

fn start() -> (RecordingOrigin, Gateway) {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    (origin, gateway)
}

/// The one record so far is of something that was broken off, and nothing counts as refused.
#[track_caller]
fn is_aborted(gateway: &Gateway, records: usize) {
    let record = gateway.record(&[("/seq", &records.to_string())]);
    let text = |pointer: &str| record.pointer(pointer).map(ToString::to_string).unwrap_or_default();
    assert_eq!((text("/outcome"), text("/effect")), ("\"aborted\"".into(), "\"allow\"".into()), "{record}");
    assert_eq!((text("/reason"), text("/response/status")), (String::new(), "0".into()), "{record}");
    let metrics = gateway.admin("GET", "/metrics").text();
    assert!(!metrics.contains("effect=\"deny\"") && !metrics.contains("protocol_rejects_total{"), "{metrics}");
    let said = gateway.said();
    let told = said.lines().filter(|line| !line.contains("limits.connections"));
    assert!(!told.clone().any(|line| line.contains("warning") || line.contains("error")), "{said}");
}

#[test]
fn http_1_uploads_that_are_cancelled_are_aborted() {
    let (_origin, gateway) = start();
    let mut seq = 1;
    for (path, kind, beginning, length) in inspected_and_not() {
        for (framing, chunked) in
            [(format!("Content-Length: {length}"), false), ("Transfer-Encoding: chunked".into(), true)]
        {
            // A form without a length is refused before it could be cancelled, beyond what can be replayed.
            let beginning = if chunked { &beginning[..20_000] } else { &beginning[..] };
            for reset in [false, true] {
                let mut socket = TcpStream::connect(gateway.address()).unwrap();
                let host = gateway.address();
                let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n");
                socket.write_all(head.as_bytes()).unwrap();
                if chunked {
                    socket.write_all(format!("{:x}\r\n", beginning.len()).as_bytes()).unwrap();
                }
                socket.write_all(beginning).unwrap();
                std::thread::sleep(Duration::from_millis(100));
                if !reset {
                    socket.shutdown(Shutdown::Both).unwrap();
                }
                drop(socket);
                is_aborted(&gateway, seq);
                seq += 1;
            }
        }
    }
}

#[test]
fn http_2_uploads_that_are_cancelled_are_aborted() {
    let (_origin, gateway) = start();
    let mut seq = 1;
    for (path, kind, beginning, length) in inspected_and_not() {
        let length = length.to_string();
        let headers = [("content-type", kind.as_str()), ("content-length", length.as_str())];
        for resets in [true, false] {
            let mut client = H2::connect(gateway.address());
            let mut stream = client.begin(("POST", path, &headers, &beginning));
            std::thread::sleep(Duration::from_millis(100));
            if resets {
                stream.send_reset(h2::Reason::CANCEL);
                std::thread::sleep(Duration::from_millis(100));
            }
            // Else the connection goes.
            drop((stream, client));
            is_aborted(&gateway, seq);
            seq += 1;
        }
    }
}

/// What breaks the protocol is refused as before, and not taken for somebody who went away.
#[test]
fn a_stream_that_is_shorter_than_it_said_is_malformed() {
    let (_origin, gateway) = start();
    for (path, kind, beginning, _) in inspected_and_not() {
        let mut client = H2::connect(gateway.address());
        let headers = [("content-type", kind.as_str()), ("content-length", "1000000")];
        assert!(client.send(("POST", path, &headers, &beginning)).is_err_and(|e| e.is_reset()));
    }
    gateway.record(&[("/reason", "protocol.framing"), ("/outcome", "aborted"), ("/request/method", "POST")]);
}
