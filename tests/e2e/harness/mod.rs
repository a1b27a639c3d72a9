//! What every test here needs: apps, the gateway in front of them, browsers.

mod apps;
mod browser;
mod gateway;
mod h2;
mod http;
mod origin;
mod page;
mod port;
mod script;
mod tls;

pub use apps::{RealApp, Tinydesk, asset, password};
pub use browser::Browser;
pub use gateway::Gateway;
pub use h2::H2;
pub use http::{Answer, BOUNDARY, Connection, form, multipart, raw};
pub use origin::{Heard, RecordingOrigin};
pub use page::{first_link, form_on, link_to, unescape};
pub use port::Port;
pub use script::ScriptedOrigin;
pub use tls::{Tls, write_certificate};

/// So many bytes without any pattern: what is cut, doubled or changed on the way shows.
pub fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

/// Waits until `done`.
#[track_caller]
pub fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
