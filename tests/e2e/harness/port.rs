//! Ports for servers that are started by another process, so that they cannot be bound here.

use std::net::{TcpListener, UdpSocket};

/// A TCP port of 127.0.0.1 that no other test takes while this lives: the UDP port of the same number
/// is the claim. It lies below the range from which outgoing connections get theirs.
pub struct Port {
    pub number: u16,
    _claim: UdpSocket,
}

impl Port {
    pub fn claim() -> Self {
        let first = 12_000 + u16::try_from(std::process::id() % 9_000).unwrap();
        for number in (first..30_000).chain(12_000..first) {
            let Ok(claim) = UdpSocket::bind(("127.0.0.1", number)) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _claim: claim };
            }
        }
        panic!("no free port");
    }
}
