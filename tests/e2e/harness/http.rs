//! HTTP/1.1 as plainly as tests need it: what is sent is exactly what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for an answer: real apps on a busy machine are slow.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// The answer itself, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

/// One connection, kept open as long as the other side allows.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; `from` is the address of loopback to connect from.
    pub fn open(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<Self> {
        let stream = match from {
            None => TcpStream::connect_timeout(&to, Duration::from_secs(10))?,
            Some(from) => connect_from(from, to)?,
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one answer; `only_head` for answers to HEAD.
    pub fn read(&mut self, only_head: bool) -> std::io::Result<Answer> {
        loop {
            let answer = self.read_one(only_head)?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Reads one answer, which may be one that only says to go on.
    pub fn read_one(&mut self, only_head: bool) -> std::io::Result<Answer> {
        let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| wrong(&first))?;
        let mut answer = Answer { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong(&line))?;
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if only_head || status < 200 || matches!(status, 204 | 304) {
            return Ok(answer);
        }
        if answer.header("transfer-encoding").is_some_and(|c| c.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| wrong(&size))?;
                let mut chunk = vec![0; size];
                self.stream.read_exact(&mut chunk)?;
                answer.body.extend(chunk);
                if size == 0 {
                    while !self.line()?.is_empty() {}
                    return Ok(answer);
                }
                self.line()?;
            }
        }
        match answer.header("content-length").map(|l| l.parse::<usize>().map_err(|_| wrong(l))) {
            Some(length) => {
                answer.body = vec![0; length?];
                self.stream.read_exact(&mut answer.body)?;
            }
            None => drop(self.stream.read_to_end(&mut answer.body)?),
        }
        Ok(answer)
    }

    /// Everything that comes until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = self.stream.read_to_end(&mut all);
        all
    }
}

/// Sends these bytes and returns what comes back: the answer, or `None` when the connection just ends.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(to, None).unwrap();
    let _ = connection.write(bytes);
    connection.read(false).ok()
}

fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await
    })?;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut out, b| {
            if b.is_ascii_alphanumeric() || b"-._".contains(&b) {
                out.push(char::from(b));
            } else {
                out += &format!("%{b:02X}");
            }
            out
        })
    };
    let pairs: Vec<String> = fields.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v))).collect();
    pairs.join("&").into_bytes()
}

pub const BOUNDARY: &str = "----deskgate8f1c02ab";

/// Fields and files (field, name, type, content) as `multipart/form-data`.
pub fn multipart(fields: &[(&str, &str)], files: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    for (field, name, kind, content) in files {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        out.extend(head.bytes());
        out.extend(*content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{BOUNDARY}--\r\n").bytes());
    out
}
