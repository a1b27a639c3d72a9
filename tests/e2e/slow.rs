//! Clients that keep others waiting: their connections close by their deadline, and take nobody else's place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Browser, Gateway, RecordingOrigin, ScriptedOrigin};

const POLICY: &str = "roles:\n  everybody: {}\nlimits:\n  minimum_rate: 10KB\n  connections_per_address: 3\n";

fn connect(gateway: &Gateway) -> TcpStream {
    let socket = TcpStream::connect(gateway.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    socket
}

/// The same, of a client for which its own kernel holds next to nothing.
fn connect_holding_little(gateway: &Gateway) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(gateway.address()).await.unwrap()
    });
    let socket = stream.into_std().unwrap();
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    socket
}

/// A body that nobody inspects, a little at a time; each piece comes long before the longest pause.
#[test]
fn a_body_that_trickles_in_is_cut_off() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    let mut socket = connect(&gateway);
    let head = format!("PUT /portal/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n", gateway.address());
    socket.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) && socket.write_all(&[b'x'; 100]).is_ok() {
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = begun.elapsed();
    assert!((Duration::from_secs(19)..Duration::from_secs(50)).contains(&took), "{took:?}");
    gateway.record(&[("/reason", "protocol.slow"), ("/request/method", "PUT")]);
}

/// The same on a stream of HTTP/2, beside another that is busy.
#[test]
fn a_stream_whose_body_trickles_in_is_cut_off() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    let to = gateway.address();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let took = runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(to).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = |method: &str| http::Request::builder().method(method).uri(format!("http://{to}/portal/x"));
        let (answer, mut body) = sender.send_request(request("PUT").body(()).unwrap(), false).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) && body.send_data("x".repeat(100).into(), false).is_ok() {
            let (other, mut large) = sender.send_request(request("PUT").body(()).unwrap(), false).unwrap();
            large.send_data("x".repeat(10_000).into(), true).unwrap();
            other.await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let answer = answer.await;
        assert!(answer.as_ref().map_or(true, |a| a.status() == 408), "{answer:?}");
        begun.elapsed()
    });
    assert!((Duration::from_secs(19)..Duration::from_secs(50)).contains(&took), "{took:?}");
    gateway.record(&[("/reason", "protocol.slow"), ("/request/method", "PUT")]);
}

/// An answer that is taken a little at a time: the kernel takes a megabyte or nothing, so it looks like one that is not
/// taken at all.
#[test]
fn an_answer_that_is_hardly_read_is_cut_off() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    let large = vec![b'x'; 40_000_000];
    origin.answer("/static/large", "HTTP/1.1 200 OK\nContent-Type: image/png\nContent-Length: 40000000", &large);
    let mut socket = connect_holding_little(&gateway);
    let head = format!("GET /static/large HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address());
    socket.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    let mut piece = [0; 500];
    // Until the connection is reset: what the kernel holds for this client is dropped, not delivered at its pace.
    let ended = loop {
        match socket.read(&mut piece) {
            Ok(1..) if begun.elapsed() < Duration::from_secs(140) => std::thread::sleep(Duration::from_millis(500)),
            ended => break ended,
        }
    };
    assert!(ended.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset), "{ended:?}");
    gateway.record(&[("/reason", "protocol.slow"), ("/outcome", "aborted")]);
}

/// Whoever is slow for a reason is not: 2 MB at 20 KB a second would take too long for a test, so 200 KB here.
#[test]
fn a_slow_line_is_served() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    let mut socket = connect(&gateway);
    let head = format!("PUT /portal/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 500000\r\n\r\n", gateway.address());
    socket.write_all(head.as_bytes()).unwrap();
    for _ in 0..50 {
        socket.write_all(&[b'x'; 10_000]).unwrap();
        std::thread::sleep(Duration::from_millis(500));
    }
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// One address does not take all connections.
#[test]
fn one_address_holds_its_part() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    origin.answer("/portal/", "HTTP/1.1 200 OK\nContent-Length: 0", b"");
    let held: Vec<TcpStream> = (0..3).map(|_| connect(&gateway)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let mut fourth = connect(&gateway);
    let mut answer = Vec::new();
    fourth.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
    Browser::at(gateway.port, "127.0.0.2").get("/portal/").expect(200);
    drop(held);
}
