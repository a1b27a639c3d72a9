//! Asking a virus scanner about a file: `ClamAV`'s daemon, or any server that speaks ICAP (RFC 3507).

mod address;
mod icap;

use std::time::Duration;

use clamav_client::tokio::{Socket, Tcp, scan_buffer};

pub use address::Address;

use crate::policy;

/// What a scanner said of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// Nothing was found.
    Clean,
    /// Something was found, which the scanner calls so.
    Infected(Box<str>),
    /// It said nothing that can be relied on.
    Failed,
}

impl Scanned {
    /// The word of records and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Infected(_) => "infected",
            Self::Failed => "failed",
        }
    }
}

/// A scanner, as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanner {
    /// Where it is.
    pub address: Address,
    /// How long it may take for one file.
    pub within: Duration,
}

/// What is sent at once.
const CHUNK: usize = 64 << 10;
/// The longest name of a finding that is kept.
const MAX_NAME: usize = 100;

impl Scanner {
    /// Has `content` scanned. The second value tells operators what went wrong, if something did.
    pub async fn scan(&self, content: &[u8]) -> (Scanned, Option<String>) {
        match tokio::time::timeout(self.within, self.ask(content)).await {
            Ok(Ok(scanned)) => (scanned, None),
            Ok(Err(wrong)) => (Scanned::Failed, Some(format!("{}: {wrong}", self.address))),
            Err(_) => (
                Scanned::Failed,
                Some(format!("{}: no answer within {}", self.address, policy::types::Duration(self.within))),
            ),
        }
    }

    async fn ask(&self, content: &[u8]) -> Result<Scanned, String> {
        let told = |answer: std::io::Result<Vec<u8>>| clamd(&answer.map_err(|e| e.to_string())?);
        match &self.address {
            Address::ClamdTcp(host_address) => told(scan_buffer(content, Tcp { host_address }, Some(CHUNK)).await),
            Address::ClamdSocket(socket_path) => told(scan_buffer(content, Socket { socket_path }, Some(CHUNK)).await),
            Address::Icap { authority, service } => icap::scan(authority, service, content).await,
        }
    }
}

/// Reads clamd's answer to INSTREAM: `stream: OK` or `stream: NAME FOUND`.
fn clamd(answer: &[u8]) -> Result<Scanned, String> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_end_matches('\0').trim();
    if text == "stream: OK" {
        return Ok(Scanned::Clean);
    }
    match text.strip_prefix("stream: ").and_then(|t| t.strip_suffix(" FOUND")) {
        Some(name) => Ok(Scanned::Infected(plain(name))),
        None => Err(format!("an answer that is no verdict: {}", plain(text))),
    }
}

/// A scanner's word, fit for records.
fn plain(name: &str) -> Box<str> {
    name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_NAME).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamd_is_understood() {
        assert_eq!(clamd(b"stream: OK\0"), Ok(Scanned::Clean));
        assert_eq!(
            clamd(b"stream: Eicar-Test-Signature FOUND\0"),
            Ok(Scanned::Infected("Eicar-Test-Signature".into()))
        );
        for odd in [&b""[..], b"INSTREAM size limit exceeded. ERROR\0", b"stream: OKAY", b"OK", b"stream: x ERROR"] {
            assert!(clamd(odd).is_err(), "{odd:?}");
        }
    }

    #[tokio::test]
    async fn a_scanner_that_is_not_there_is_told() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for text in
            [format!("clamd://{nobody}"), format!("icap://{nobody}/scan"), "clamd:/nowhere/clamd.ctl".to_owned()]
        {
            let scanner = Scanner { address: Address::parse(&text).unwrap(), within: Duration::from_secs(5) };
            let (scanned, wrong) = scanner.scan(b"x").await;
            assert_eq!(scanned, Scanned::Failed, "{text}");
            assert!(wrong.is_some_and(|w| w.starts_with(&text)), "{text}");
        }
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&format!("clamd://{}", silent.local_addr().unwrap())).unwrap();
        let (scanned, wrong) = Scanner { address, within: Duration::from_millis(50) }.scan(b"x").await;
        assert!(scanned == Scanned::Failed && wrong.is_some_and(|w| w.contains("no answer within")));
    }
}
