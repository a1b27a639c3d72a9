//! A client for ICAP (RFC 3507), as far as one question needs it: what a server's service would do
//! with a response that has the file as its body.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{CHUNK, Scanned, plain};

/// The longest head of an answer.
const MAX_HEAD: u64 = 16 << 10;
/// Headers in which scanners name what they found; the first that is there counts.
const FINDINGS: [&str; 4] = ["x-infection-found", "x-virus-id", "x-virus-name", "x-violations-found"];

/// Has `content` scanned by `service` at `authority`.
///
/// # Errors
/// Why there is no verdict.
pub async fn scan(authority: &str, service: &str, content: &[u8]) -> Result<Scanned, String> {
    let told = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect(authority).await.map_err(told)?;
    let method = method(&ask(&mut stream, authority, service, "OPTIONS", None).await?)?;
    let answer = ask(&mut stream, authority, service, method, Some(content)).await?;
    verdict(&answer)
}

/// The method that the service takes, from its answer to OPTIONS.
fn method(options: &Answer) -> Result<&'static str, String> {
    let methods = options.header("methods").unwrap_or_default().to_ascii_uppercase();
    match options.status {
        200 if methods.contains("RESPMOD") => Ok("RESPMOD"),
        200 if methods.contains("REQMOD") => Ok("REQMOD"),
        status => Err(format!("the service does not take files (status {status}, methods \"{}\")", plain(&methods))),
    }
}

async fn ask(
    stream: &mut TcpStream,
    authority: &str,
    service: &str,
    method: &str,
    content: Option<&[u8]>,
) -> Result<Answer, String> {
    let told = |e: std::io::Error| e.to_string();
    let (encapsulated, heads) = content.map_or(("null-body=0".to_owned(), String::new()), |c| message(method, c.len()));
    let head = format!(
        "{method} icap://{authority}/{service} ICAP/1.0\r\nHost: {authority}\r\nUser-Agent: Deskgate\r\n\
         Allow: 204\r\nEncapsulated: {encapsulated}\r\n\r\n{heads}"
    );
    let (read, mut write) = stream.split();
    let send = async {
        write.write_all(head.as_bytes()).await?;
        for chunk in content.unwrap_or_default().chunks(CHUNK) {
            write.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            write.write_all(chunk).await?;
            write.write_all(b"\r\n").await?;
        }
        write.write_all(if content.is_some() { b"0\r\n\r\n" } else { b"" }).await
    };
    let answer = Answer::read(read);
    tokio::pin!(send, answer);
    tokio::select! {
        sent = &mut send => answer.await.map_err(|wrong| sent.err().map_or(wrong, told)),
        // A server that has found something may read no more; one that is content must have read all.
        early = &mut answer => {
            let early = early?;
            if early.status == 204 {
                send.await.map_err(told)?;
            }
            Ok(early)
        }
    }
}

/// What the heads of the message are that has the file as its body, and where they begin.
fn message(method: &str, length: usize) -> (String, String) {
    let body = format!("Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n");
    if method == "REQMOD" {
        let request = format!("POST http://upload.invalid/file HTTP/1.1\r\nHost: upload.invalid\r\n{body}");
        return (format!("req-hdr=0, req-body={}", request.len()), request);
    }
    let request = "GET http://upload.invalid/file HTTP/1.1\r\nHost: upload.invalid\r\n\r\n";
    let response = format!("HTTP/1.1 200 OK\r\n{body}");
    let start = request.len();
    (format!("req-hdr=0, res-hdr={start}, res-body={}", start + response.len()), format!("{request}{response}"))
}

/// The head of a server's answer.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    async fn read(stream: impl tokio::io::AsyncRead + Unpin) -> Result<Self, String> {
        let mut lines = BufReader::new(stream.take(MAX_HEAD)).lines();
        let mut next = async || match lines.next_line().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err("an answer without an end".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let first = next().await?;
        let status = first.strip_prefix("ICAP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| format!("an answer that is no ICAP: {}", plain(&first)))?;
        let mut headers: Vec<(String, String)> = Vec::new();
        loop {
            let line = next().await?;
            if line.is_empty() {
                return Ok(Self { status, headers });
            }
            // X-Violations-Found goes on for several lines.
            if line.starts_with([' ', '\t'])
                && let Some((_, value)) = headers.last_mut()
            {
                *value = format!("{value} {}", line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or("an answer with a line that is no header")?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// 204 leaves the file as it is. Whatever else comes with the name of a finding is one.
fn verdict(answer: &Answer) -> Result<Scanned, String> {
    if let Some(found) = FINDINGS.iter().find_map(|name| answer.header(name)) {
        // `Type=0; Resolution=2; Threat=Eicar;`
        let threat = found.split(';').find_map(|part| part.trim().strip_prefix("Threat="));
        return Ok(Scanned::Infected(plain(threat.unwrap_or(found))));
    }
    match answer.status {
        204 => Ok(Scanned::Clean),
        status => Err(format!("an answer that is no verdict: status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A server that answers OPTIONS with the first text and the file with the second. Gives what it
    /// was sent.
    fn server(options: &'static str, answer: &'static str) -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let served = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            read_until(&mut stream, b"\r\n\r\n");
            stream.write_all(options.as_bytes()).unwrap();
            let sent = read_until(&mut stream, b"0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            sent
        });
        (authority, served)
    }

    fn read_until(stream: &mut impl Read, end: &[u8]) -> Vec<u8> {
        let (mut all, mut byte) = (Vec::new(), [0]);
        while !all.ends_with(end) && stream.read(&mut byte).unwrap() == 1 {
            all.push(byte[0]);
        }
        all
    }

    const RESPMOD: &str = "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nAllow: 204\r\n\r\n";

    #[tokio::test]
    async fn verdicts() {
        let infected =
            "ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n\r\nHTTP/1.1 403 No\r\n";
        for (options, answer, expected) in [
            (RESPMOD, "ICAP/1.0 204 Unmodified\r\n\r\n", Some(Scanned::Clean)),
            (RESPMOD, infected, Some(Scanned::Infected("Eicar".into()))),
            (
                RESPMOD,
                "ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\tfile\r\n\tBad\r\n\r\n",
                Some(Scanned::Infected("1 file Bad".into())),
            ),
            (RESPMOD, "ICAP/1.0 200 OK\r\nX-Virus-ID: Bad\r\n\r\n", Some(Scanned::Infected("Bad".into()))),
            (RESPMOD, "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0\r\n\r\nHTTP/1.1 200 OK\r\n", None),
            (RESPMOD, "ICAP/1.0 500 Server error\r\n\r\n", None),
            (RESPMOD, "HTTP/1.1 204 No Content\r\n\r\n", None),
            (RESPMOD, "ICAP/1.0 204 Unmodified\r\n", None),
            ("ICAP/1.0 404 ICAP Service not found\r\n\r\n", "", None),
            ("ICAP/1.0 200 OK\r\nMethods: LOGMOD\r\n\r\n", "", None),
        ] {
            let (authority, served) = server(options, answer);
            assert_eq!(scan(&authority, "avscan", b"content").await.ok(), expected, "{options} {answer}");
            served.join().unwrap();
        }
    }

    #[tokio::test]
    async fn the_file_is_sent_as_the_body_of_a_message() {
        let (authority, served) = server(RESPMOD, "ICAP/1.0 204 Unmodified\r\n\r\n");
        scan(&authority, "avscan", b"content").await.unwrap();
        let sent = String::from_utf8(served.join().unwrap()).unwrap();
        assert!(sent.starts_with(&format!("RESPMOD icap://{authority}/avscan ICAP/1.0\r\n")), "{sent}");
        let (head, rest) = sent.split_once("\r\n\r\n").unwrap();
        let body = head.split_once("res-body=").unwrap().1.parse::<usize>().unwrap();
        assert_eq!(&rest[body..], "7\r\ncontent\r\n0\r\n\r\n");
        assert!(rest[..body].ends_with("\r\n\r\n") && rest[..body].contains("HTTP/1.1 200 OK\r\n"));
        let (authority, served) =
            server("ICAP/1.0 200 OK\r\nMethods: REQMOD\r\n\r\n", "ICAP/1.0 204 Unmodified\r\n\r\n");
        scan(&authority, "avscan", b"content").await.unwrap();
        assert!(served.join().unwrap().starts_with(b"REQMOD "));
    }
}
