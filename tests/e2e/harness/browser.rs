//! Somebody with a browser: a cookie jar, and the headers that browsers send.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::http::{Answer, BOUNDARY, Connection, form, multipart};

#[derive(Clone)]
pub struct Browser {
    to: SocketAddr,
    from: Option<IpAddr>,
    host: String,
    pub cookies: BTreeMap<String, String>,
    /// Every cookie value it was given: none may be in a log.
    pub seen: Vec<String>,
}

const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

impl Browser {
    pub fn new(port: u16) -> Self {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        Self { to, from: None, host: to.to_string(), cookies: BTreeMap::new(), seen: Vec::new() }
    }

    /// A browser whose connections come from this address of loopback.
    pub fn at(port: u16, from: &str) -> Self {
        Self { from: Some(from.parse().unwrap()), ..Self::new(port) }
    }

    /// The same cookies, sent somewhere else.
    pub fn with_cookies_of(mut self, other: &Self) -> Self {
        self.cookies.clone_from(&other.cookies);
        self
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[("Accept", PAGE)], b"")
    }

    /// As a script of a page asks.
    pub fn fetch(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[("Accept", "application/json"), ("X-Requested-With", "XMLHttpRequest")], b"")
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(
            "POST",
            path,
            &[("Accept", PAGE), ("Content-Type", "application/x-www-form-urlencoded")],
            &form(fields),
        )
    }

    pub fn upload(&mut self, path: &str, fields: &[(&str, &str)], files: &[(&str, &str, &str, &[u8])]) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send("POST", path, &[("Accept", PAGE), ("Content-Type", &kind)], &multipart(fields, files))
    }

    pub fn json(&mut self, method: &str, path: &str, body: &serde_json::Value) -> Answer {
        let headers = [("Accept", "application/json"), ("Content-Type", "application/json")];
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    /// Sends a request with these headers besides Host, Cookie and Referer.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut last = None;
        // A real app on a busy machine may not take a connection at once.
        for _ in 0..3 {
            match self.try_send(method, path, headers, body) {
                Ok(answer) => return answer,
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => last = Some(e),
                Err(e) => panic!("{method} {path}: {e}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!("{method} {path}: {last:?}")
    }

    pub fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !has("Host") {
            head += &format!("Host: {}\r\n", self.host);
        }
        if !has("Referer") {
            head += &format!("Referer: http://{}/\r\n", self.host);
        }
        if !self.cookies.is_empty() && !has("Cookie") {
            let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut connection = Connection::open(self.to, self.from)?;
        // A refusal may come before the whole body is sent.
        let sent = connection.write(&[head.as_bytes(), body].concat());
        let answer = connection.read(method == "HEAD").map_err(|e| sent.err().unwrap_or(e))?;
        self.keep(&answer);
        Ok(answer)
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|p| p.split_once('=')) else { continue };
            let gone = parts.any(|p| p.eq_ignore_ascii_case("max-age=0"));
            if gone || value.trim_matches('"').is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
                self.seen.push(value.to_owned());
            }
        }
    }

    /// The one cookie whose name starts like this.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies.iter().find(|(n, _)| n.starts_with(name)).map(|(_, v)| v.clone()).unwrap_or_default()
    }
}
