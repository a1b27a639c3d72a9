//! Sockets end with the session that opened them, and have their records.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{Browser, Gateway, until};

const POLICY: &str = "
roles:
  agent: { app_group: agents }
  visitor: {}
sessions:
  per_role:
    agent: { idle: 15m, absolute: 10h }
";

/// An app with one account, whose every path that asks for it becomes an echo.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.to_ascii_lowercase().contains("\r\nupgrade: websocket") {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(switch.as_bytes()).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
        return;
    }
    let answer = match head.split(' ').nth(1) {
        Some("/me") => {
            let me = "{\"user\":\"amir\",\"groups\":[\"agents\"]}";
            format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{me}", me.len())
        }
        Some("/login") => {
            "302 Found\r\nLocation: /\r\nSet-Cookie: tinydesk=first; Path=/\r\nContent-Length: 0\r\n\r\n".into()
        }
        Some("/portal/turn") => "200 OK\r\nSet-Cookie: tinydesk=second; Path=/\r\nContent-Length: 0\r\n\r\n".into(),
        _ => "200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    let _ =
        stream.write_all(format!("HTTP/1.1 {answer}").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

fn setup() -> (Gateway, Browser) {
    let gateway = Gateway::start(echo(), "tinydesk", POLICY);
    let mut browser = gateway.browser();
    browser.post("/login", &[("user", "amir"), ("password", "x")]).expect(302);
    (gateway, browser)
}

/// A socket that the session behind `cookie` opens.
fn open(gateway: &Gateway, cookie: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!(
        "GET /portal/ HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: {cookie}\r\n\r\n",
        gateway.address()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

fn echoes(socket: &mut TcpStream) {
    socket.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut back = [0; 8];
    socket.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"\x81\x82\0\0\0\0hi");
}

/// Everything until its end, and how long that took.
fn rest(socket: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (begun, mut rest) = (Instant::now(), Vec::new());
    let _ = socket.read_to_end(&mut rest);
    (rest, begun.elapsed())
}

fn websockets(gateway: &Gateway) -> String {
    let metrics = gateway.admin("GET", "/metrics").expect(200).text();
    metrics.lines().find_map(|line| line.strip_prefix("deskgate_websockets ")).unwrap_or_default().to_owned()
}

/// Cut by whatever ends the session, with a close frame, and recorded.
#[test]
fn a_socket_ends_with_its_session() {
    type Ends = fn(&Gateway, &mut Browser);
    let ways: [(&str, Ends); 4] = [
        ("idle", |gateway, _| gateway.turn("16m")),
        ("absolute", |gateway, browser| {
            for _ in 0..61 {
                gateway.turn("10m");
                browser.get("/portal/");
            }
        }),
        ("signed out", |_, browser| {
            browser.post("/logout", &[]);
        }),
        ("revoked", |gateway, _| {
            assert!(gateway.operate(&["sessions", "end", "--user", "amir"]).status.success());
        }),
    ];
    for (way, end) in ways {
        let (gateway, mut browser) = setup();
        let mut socket = open(&gateway, "tinydesk=first");
        echoes(&mut socket);
        gateway.record(&[("/tunnel", "opened"), ("/actor/user", "amir")]);
        assert_eq!(websockets(&gateway), "1", "{way}");
        end(&gateway, &mut browser);
        let (last, took) = rest(&mut socket);
        assert!(last.starts_with(b"\x88\x17\x03\xf0the session has ended"), "{way}: {last:?}");
        assert!(took < Duration::from_secs(5), "{way}: {took:?}");
        gateway.record(&[("/tunnel", "cut"), ("/actor/user", "amir")]);
        until("the socket is counted no more", || websockets(&gateway) == "0");
    }
}

/// What the app does to the session's cookie does not touch it, and what goes over it is no activity.
#[test]
fn a_socket_survives_a_cookie_that_rotates() {
    let (gateway, mut browser) = setup();
    let mut socket = open(&gateway, "tinydesk=first");
    browser.post("/portal/turn", &[]).expect(200);
    gateway.record(&[("/session_event", "rotated")]);
    std::thread::sleep(Duration::from_millis(1_200));
    echoes(&mut socket);
    gateway.turn("14m");
    echoes(&mut socket);
    gateway.turn("2m");
    assert!(rest(&mut socket).0.starts_with(b"\x88"), "frames keep no session alive");
    drop(socket);
    let (gateway, _browser) = setup();
    let mut socket = open(&gateway, "tinydesk=first");
    echoes(&mut socket);
    socket.shutdown(Shutdown::Both).unwrap();
    gateway.record(&[("/tunnel", "closed")]);
}

/// One that nobody's session opened is recorded as such, and refused where the profile says so.
#[test]
fn a_socket_without_a_session() {
    let (mut gateway, _) = setup();
    let mut socket = open(&gateway, "x=y");
    echoes(&mut socket);
    gateway.record(&[("/tunnel", "opened"), ("/actor/kind", "visitor")]);
    // The process goes away: so do its sockets, and they say so.
    let (status, _) = gateway.terminate();
    assert!(status.success());
    assert!(rest(&mut socket).0.starts_with(b"\x88\x16\x03\xe9the server goes away"));
    gateway.record(&[("/tunnel", "cut"), ("/actor/kind", "visitor")]);
}

/// Where the profile names the messages that people send, these keep the session, and a script's heartbeats do not.
#[test]
fn what_a_person_sends_is_activity() {
    let (gateway, browser) = setup();
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let chat =
        "  overrides:\n    routes:\n      chat: { is: page, match: GET /portal/, activity: json /type = message }\n";
    std::fs::write(gateway.config(), text.replace("  public_url:", &format!("{chat}  public_url:"))).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    let masked = |text: &str| [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat();
    let mut socket = open(&gateway, "tinydesk=first");
    let mut send = |text: &str| {
        let frame = masked(text);
        socket.write_all(&frame).unwrap();
        let mut back = vec![0; frame.len()];
        socket.read_exact(&mut back).unwrap();
        assert_eq!(back, frame);
        // The session's activity is looked at twice a second.
        std::thread::sleep(Duration::from_millis(1_200));
    };
    for _ in 0..2 {
        gateway.turn("10m");
        send(r#"{"type":"message","text":"hello"}"#);
    }
    gateway.turn("10m");
    send(r#"{"type":"ping"}"#);
    gateway.turn("6m");
    assert!(rest(&mut socket).0.starts_with(b"\x88"), "16 minutes after the last message");
    drop(browser);
}
