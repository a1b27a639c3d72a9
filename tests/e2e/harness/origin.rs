//! An app that keeps every byte it is sent, and answers requests that are whole. `POST /NAME/login` opens a session
//! whose cookie is NAME.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub struct RecordingOrigin {
    pub port: u16,
    all: Arc<Everything>,
}

#[derive(Default)]
struct Everything {
    heard: Mutex<Heard>,
    connections: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// What came: every byte, connection by connection, and the requests that were whole.
#[derive(Default)]
pub struct Heard {
    pub bytes: Vec<Vec<u8>>,
    pub requests: Vec<Received>,
}

pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Heard {
    /// Every byte, one connection after the other.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.concat()).into_owned()
    }
}

impl Received {
    fn answer(&self) -> String {
        let realm = self.head.strip_prefix("POST /").and_then(|rest| rest.split_once("/login "));
        let cookie = realm.map(|(name, _)| format!("Set-Cookie: {name}=session-of-{name}\r\n")).unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 2\r\n\r\nok")
    }
}

impl RecordingOrigin {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all = Arc::new(Everything::default());
        let shared = all.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { port, all }
    }

    /// What came since this was last asked.
    pub fn heard(&self) -> Heard {
        let mut heard = self.all.heard.lock().unwrap();
        // The places of open connections stay theirs.
        let bytes = heard.bytes.iter_mut().map(std::mem::take).collect();
        Heard { bytes, requests: std::mem::take(&mut heard.requests) }
    }
}

impl Drop for RecordingOrigin {
    fn drop(&mut self) {
        self.all.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for connection in self.all.connections.lock().unwrap().iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Everything {
    fn serve(&self, mut stream: TcpStream) {
        let place = {
            let mut heard = self.heard.lock().unwrap();
            heard.bytes.push(Vec::new());
            heard.bytes.len() - 1
        };
        let (mut pending, mut buffer) = (Vec::new(), vec![0; 65_536]);
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            pending.extend_from_slice(&buffer[..read]);
            let mut answers = Vec::new();
            {
                let mut heard = self.heard.lock().unwrap();
                heard.bytes[place].extend_from_slice(&buffer[..read]);
                while let Some((received, length)) = whole(&pending) {
                    pending.drain(..length);
                    answers.push(received.answer());
                    heard.requests.push(received);
                }
            }
            let _ = stream.write_all(answers.concat().as_bytes());
        }
    }
}

/// The first request, if all of it is there, and how long it is.
fn whole(bytes: &[u8]) -> Option<(Received, usize)> {
    let start = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..start]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).next()
    };
    if header("transfer-encoding").is_some() {
        let (body, length) = unchunked(&bytes[start..])?;
        return Some((Received { head, body }, start + length));
    }
    let end = start + header("content-length").map_or(0, |l| l.parse::<usize>().unwrap());
    let body = bytes.get(start..end)?.to_vec();
    Some((Received { head, body }, end))
}

/// A chunked body, and how long it was on the wire.
fn unchunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2;
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        if at > bytes.len() {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}
