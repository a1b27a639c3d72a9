//! Where a scanner is, as policies write it.

use std::fmt;
use std::path::PathBuf;

/// Where a scanner is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `clamd://127.0.0.1:3310`
    ClamdTcp(String),
    /// `clamd:/run/clamav/clamd.ctl`
    ClamdSocket(PathBuf),
    /// `icap://10.0.4.20:1344/avscan`
    Icap {
        /// Host and port.
        authority: String,
        /// The service's name, without the slash before it.
        service: String,
    },
}

impl Address {
    /// Reads one of the forms above.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("icap://") {
            let (authority, service) = rest.split_once('/').unwrap_or((rest, ""));
            if service.is_empty() || !service.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!("\"{text}\" names no service; write it as icap://10.0.4.20:1344/avscan"));
            }
            return Ok(Self::Icap { authority: authority_of(authority, 1344, text)?, service: service.to_owned() });
        }
        match text.strip_prefix("clamd:") {
            Some(rest) if rest.starts_with("//") => Ok(Self::ClamdTcp(authority_of(&rest[2..], 3310, text)?)),
            Some(path) if path.starts_with('/') => Ok(Self::ClamdSocket(path.into())),
            _ => Err(format!(
                "\"{text}\" is no scanner; write clamd://HOST:PORT, clamd:/PATH/OF/SOCKET or icap://HOST:PORT/SERVICE"
            )),
        }
    }
}

/// A host with its port; `usual` when none is written.
fn authority_of(text: &str, usual: u16, whole: &str) -> Result<String, String> {
    let wrong = |_| format!("\"{whole}\" has no host and port that can be connected to");
    let authority: http::uri::Authority = text.parse().map_err(wrong)?;
    let odd_port = authority.as_str() != authority.host() && authority.port_u16().is_none();
    if authority.host().is_empty() || text.contains('@') || odd_port {
        return Err(format!("\"{whole}\" has no host and port that can be connected to"));
    }
    Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(usual)))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClamdTcp(authority) => write!(f, "clamd://{authority}"),
            Self::ClamdSocket(path) => write!(f, "clamd:{}", path.display()),
            Self::Icap { authority, service } => write!(f, "icap://{authority}/{service}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, printed) in [
            ("clamd://127.0.0.1:3310", "clamd://127.0.0.1:3310"),
            ("clamd://scanner.acme.example", "clamd://scanner.acme.example:3310"),
            ("clamd:/run/clamav/clamd.ctl", "clamd:/run/clamav/clamd.ctl"),
            ("icap://10.0.4.20/avscan", "icap://10.0.4.20:1344/avscan"),
            ("icap://[::1]:1344/srv?mode=strict", "icap://[::1]:1344/srv?mode=strict"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), printed);
        }
        for bad in [
            "",
            "clamd:",
            "clamd://",
            "clamd:run",
            "icap://10.0.4.20",
            "icap:///x",
            "icap://u@h/x",
            "http://h/x",
            "clamd://h:x",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
