//! An app that answers each path with the bytes that a test gave it, in the pieces that it gave.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct ScriptedOrigin {
    pub port: u16,
    answers: Arc<Mutex<HashMap<String, Vec<Vec<u8>>>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl ScriptedOrigin {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Arc<Mutex<HashMap<String, Vec<Vec<u8>>>>> = Arc::default();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (script, log) = (answers.clone(), heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), script, log) = (stream, script.clone(), log.clone()) else { continue };
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let mut head = Vec::new();
                    let mut byte = [0; 1];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut byte) {
                            Ok(1) => head.push(byte[0]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    log.lock().unwrap().push(head);
                    let pieces = script.lock().unwrap().get(&path).cloned().unwrap_or_default();
                    for piece in pieces {
                        if stream.write_all(&piece).is_err() {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(2));
                    }
                });
            }
        });
        Self { port, answers, heard }
    }

    /// From now on the path is answered with this head, whose lines end in LF here, and this body in one piece.
    pub fn answer(&self, path: &str, head: &str, body: &[u8]) {
        let head = format!("{}\r\nConnection: close\r\n\r\n", head.trim_end().replace('\n', "\r\n"));
        self.pieces(path, vec![[head.as_bytes(), body].concat()]);
    }

    /// The same in pieces of any kind.
    pub fn pieces(&self, path: &str, pieces: Vec<Vec<u8>>) {
        self.answers.lock().unwrap().insert(path.to_owned(), pieces);
    }

    /// The heads of the requests that came since the last time.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}
