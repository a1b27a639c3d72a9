//! HTTP/2 below the exchanges: what the library refuses is recorded, and what a client does not take is bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::runtime::Runtime;

use crate::harness::{Gateway, H2, RecordingOrigin, Tinydesk, until};

const LARGE: usize = 2_000_000;

/// An app that answers everything with [`LARGE`] bytes.
fn app() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        static BODY: [u8; LARGE] = [b'x'; LARGE];
        for mut stream in listener.incoming().flatten() {
            std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {LARGE}\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&BODY));
                })
                .unwrap();
        }
    });
    port
}

/// Clients that give no stream a window.
struct Takers {
    runtime: Runtime,
    asked: Vec<(SendRequest<Bytes>, Vec<ResponseFuture>)>,
}

impl Takers {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, asked: Vec::new() }
    }

    /// Asks for `streams` large answers on a connection of their own.
    fn ask(&mut self, to: SocketAddr, streams: usize) {
        let asked = self.runtime.block_on(async {
            let socket = tokio::net::TcpStream::connect(to).await.unwrap();
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(0);
            let (mut sender, connection) = builder.handshake::<_, Bytes>(socket).await.unwrap();
            tokio::spawn(connection);
            let mut answers = Vec::new();
            for _ in 0..streams {
                // Over as soon as the connection is closed.
                let Ok(ready) = sender.clone().ready().await else { break };
                sender = ready;
                let request = http::Request::get(format!("http://{to}/static/large")).body(()).unwrap();
                let Ok((answer, _)) = sender.send_request(request, true) else { break };
                answers.push(answer);
            }
            (sender, answers)
        });
        self.asked.push(asked);
    }
}

/// The resident memory of a process, in bytes.
fn memory(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn takes_a_large_answer(gateway: &Gateway) {
    let answer = H2::connect(gateway.address()).send(("GET", "/static/large", &[], b"")).unwrap().expect(200);
    assert_eq!(answer.body.len(), LARGE);
}

/// One connection: its streams beyond its eighth are reset. Without the bound 200 streams hold 90 MB.
#[test]
fn streams_that_are_not_taken_are_reset() {
    let gateway = Gateway::start(app(), "tinydesk", "roles:\n  everybody: {}\nlimits:\n  untaken_memory: 64MB\n");
    takes_a_large_answer(&gateway);
    let before = memory(gateway.process());
    let mut takers = Takers::new();
    takers.ask(gateway.address(), 100);
    takers.ask(gateway.address(), 100);
    gateway.record(&[("/reason", "protocol.untaken"), ("/outcome", "aborted")]);
    std::thread::sleep(Duration::from_millis(500));
    let held = memory(gateway.process()) - before;
    assert!(held < 40_000_000, "{held} bytes");
    takes_a_large_answer(&gateway);
}

/// Many connections that stay below their share: the one that holds the most is closed, and nobody else.
#[test]
fn the_connection_that_takes_least_is_closed() {
    let gateway = Gateway::start(app(), "tinydesk", "roles:\n  everybody: {}\nlimits:\n  untaken_memory: 16MB\n");
    let mut takers = Takers::new();
    for streams in [1, 4, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4] {
        takers.ask(gateway.address(), streams);
        std::thread::sleep(Duration::from_millis(30));
    }
    gateway.record(&[("/reason", "protocol.untaken"), ("/outcome", "aborted")]);
    takes_a_large_answer(&gateway);
    let small = takers.asked.into_iter().filter(|(_, answers)| answers.len() == 1);
    takers.runtime.block_on(async {
        for (sender, _) in small {
            assert!(sender.ready().await.is_ok(), "a connection that holds little is closed");
        }
    });
}

/// 30 connections of 100 streams, none of which gets a window, at the bound that holds where nothing is said. Takes
/// memory and time, so it is left to the soak.
#[test]
#[ignore = "minutes: tests/soak/run runs it"]
fn three_thousand_streams_that_are_not_taken() {
    let gateway = Gateway::start(app(), "tinydesk", "roles:\n  everybody: {}\n");
    takes_a_large_answer(&gateway);
    let before = memory(gateway.process());
    let mut takers = Takers::new();
    let mut most = 0;
    for _ in 0..30 {
        takers.ask(gateway.address(), 100);
        std::thread::sleep(Duration::from_millis(200));
        most = most.max(memory(gateway.process()));
    }
    std::thread::sleep(Duration::from_secs(2));
    let held = most.max(memory(gateway.process())) - before;
    println!("30 connections of 100 streams without a window: {} MB", held / 1_000_000);
    takes_a_large_answer(&gateway);
    assert!(held < 800_000_000, "{held} bytes");
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Requests without a body, each field as it is given (RFC 7541, section 6.2.2), on one connection; for each stream the
/// type of the frame that ended it.
fn ended(to: SocketAddr, requests: &[&[(&str, &str)]]) -> Vec<(u32, u8)> {
    const END_STREAM_AND_HEADERS: u8 = 5;
    let mut socket = std::net::TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, b""));
    for (number, fields) in (0..).zip(requests) {
        let mut block = Vec::new();
        for (name, value) in *fields {
            block.push(0);
            for text in [name, value] {
                assert!(text.len() < 127, "one byte says how long it is");
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.as_bytes());
            }
        }
        sent.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * number + 1, &block));
    }
    socket.write_all(&sent).unwrap();
    let mut found = Vec::new();
    let mut head = [0; 9];
    while found.len() < requests.len() && socket.read_exact(&mut head).is_ok() {
        let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let mut payload = vec![0; word(&[0, head[0], head[1], head[2]]) as usize];
        socket.read_exact(&mut payload).unwrap();
        if matches!(head[3], HEADERS | RST_STREAM) {
            found.push((word(&head[5..]), head[3]));
        }
    }
    found
}

/// Requests that the library or Pingora refuse by themselves reach no hook; they are recorded all the same.
#[test]
fn what_is_refused_below_the_exchanges_is_recorded() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", crate::tinydesk::POLICY);
    let host = gateway.address().to_string();
    let request = |more: &[(&'static str, &'static str)]| -> Vec<(String, String)> {
        let own = [(":method", "POST"), (":scheme", "http"), (":authority", host.as_str())];
        own.iter().chain(more).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    };
    let requests = [
        // By the library: no path; a header of HTTP/1.1; a coding of HTTP/1.1.
        request(&[]),
        request(&[(":path", "/login"), ("connection", "close")]),
        request(&[(":path", "/login"), ("te", "gzip")]),
        // By Pingora: two hosts.
        request(&[(":path", "/login"), ("host", "elsewhere.example")]),
    ];
    let fields: Vec<Vec<(&str, &str)>> =
        requests.iter().map(|fields| fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()).collect();
    let fields: Vec<&[(&str, &str)]> = fields.iter().map(Vec::as_slice).collect();
    let mut found = ended(gateway.address(), &fields);
    found.sort_unstable();
    assert_eq!(found, [(1, RST_STREAM), (3, RST_STREAM), (5, RST_STREAM), (7, HEADERS)]);
    let recorded = || gateway.records().iter().filter(|r| r["reason"] == "protocol.stream").count();
    until("each is recorded", || recorded() == 4);
    // A connection that brings nothing else is closed.
    let many = vec![fields[3]; 60];
    assert!(ended(gateway.address(), &many).len() < 40);
    until("each that was looked at is recorded", || recorded() >= 4 + 33);
    // What breaks the compression of headers breaks the connection.
    let before = recorded();
    let capitals = request(&[(":path", "/login"), ("X-Capital", "1")]);
    let capitals: Vec<(&str, &str)> = capitals.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(ended(gateway.address(), &[&capitals]), []);
    until("it is recorded", || recorded() > before);
}

/// Targets are read by the rules of HTTP/1.1. A fragment is the exception: the library drops it before anybody sees it, so
/// what is judged and what the app gets have none.
#[test]
fn targets_are_read_as_over_http_1_1() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", "roles:\n  everybody: {}\n");
    let host = gateway.address().to_string();
    let fields = |method: &'static str, path: &'static str| {
        vec![(":method", method), (":scheme", "http"), (":authority", host.as_str()), (":path", path)]
    };
    let all = [
        fields("GET", "*"),
        fields("GET", "/portal//x"),
        fields("GET", "/portal/%2e%2e/x"),
        fields("GET", "/portal/é"),
    ];
    let all: Vec<&[(&str, &str)]> = all.iter().map(Vec::as_slice).collect();
    ended(gateway.address(), &all);
    assert_eq!(origin.heard().text(), "", "none reaches the app");
    until("each is recorded", || {
        let of = |reason: &str| gateway.records().iter().filter(|r| r["reason"] == reason).count();
        of("protocol.target") + of("protocol.stream") == all.len()
    });
    ended(gateway.address(), &[&fields("GET", "/portal/x#y"), &fields("OPTIONS", "*")]);
    let heard = origin.heard().text();
    let mut lines: Vec<&str> = heard.lines().filter(|line| line.ends_with(" HTTP/1.1")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["GET /portal/x HTTP/1.1", "OPTIONS / HTTP/1.1"]);
}

/// What reaches the exchanges is refused with a page and a record, as over HTTP/1.1.
#[test]
fn what_both_versions_refuse_is_told() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", crate::tinydesk::POLICY);
    let mut h2 = H2::connect(gateway.address());
    let long = "x".repeat(40_000);
    h2.send(("GET", "/login", &[("x-long", &long)], b"")).unwrap().expect(431);
    gateway.record(&[("/reason", "protocol.headers")]);
    h2.send(("CONNECT", "/login", &[], b"")).unwrap().expect(405);
    gateway.record(&[("/reason", "protocol.method")]);
    h2.send(("GET", "/login", &[], b"")).unwrap().expect(200);
}
