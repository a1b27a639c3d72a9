//! A running helpdesk and the requests sent to it.

use std::io::{Error, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A running helpdesk; it stops when dropped.
pub(super) struct Desk {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `tinydesk=...` as a browser would send it back.
    pub(super) fn cookie(&self) -> String {
        let value = self.header("set-cookie").split(';').next();
        value.unwrap_or_default().to_owned()
    }

    /// The text between the first `from` and the next `to`.
    pub(super) fn between(&self, from: &str, to: &str) -> String {
        let text = self.text();
        let after = text.split_once(from).map_or("", |(_, rest)| rest);
        after.split(to).next().unwrap_or_default().to_owned()
    }
}

impl Desk {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(super::super::serve(listener, async move {
            let _ = stopped.await;
        }));
        Ok(Self { address, _stop: stop })
    }

    /// Sends a request; `headers` are whole lines without line ends.
    pub(super) async fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        let mut head = format!("{line} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n");
        for header in headers.iter().filter(|h| !h.is_empty()) {
            head += &format!("{header}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await?;
        parse(&raw).ok_or_else(|| Error::other("no HTTP answer"))
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Result<Answer> {
        let cookie = format!("Cookie: {cookie}");
        self.send(&format!("GET {path}"), &[&cookie], b"").await
    }

    pub(super) async fn post(&self, path: &str, cookie: &str, form: &str) -> Result<Answer> {
        let headers = [&format!("Cookie: {cookie}"), "Content-Type: application/x-www-form-urlencoded"];
        self.send(&format!("POST {path}"), &headers, form.as_bytes()).await
    }

    pub(super) async fn multipart(&self, path: &str, cookie: &str, parts: &[(&str, &str)]) -> Result<Answer> {
        let mut body = String::new();
        for (about, value) in parts {
            body += &format!("--B\r\nContent-Disposition: form-data; {about}\r\n\r\n{value}\r\n");
        }
        body += "--B--\r\n";
        let headers = [&format!("Cookie: {cookie}"), "Content-Type: multipart/form-data; boundary=B"];
        self.send(&format!("POST {path}"), &headers, body.as_bytes()).await
    }

    pub(super) async fn sign_in(&self, user: &str) -> Result<String> {
        let account = super::super::ACCOUNTS.iter().find(|a| a.name == user);
        let password = account.map_or("", |a| a.password);
        let form = format!("user={user}&password={password}&next=");
        Ok(self.post("/login", "", &form).await?.cookie())
    }
}

fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(raw.get(..end)?).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = raw.get(end + 4..)?.to_vec();
    Some(Answer { status, head, body })
}
