//! What every test here needs: apps, the gateway in front of them, browsers.

mod apps;
mod browser;
mod gateway;
mod h2;
mod http;
mod port;

pub use apps::{RealApp, Tinydesk, asset};
pub use browser::Browser;
pub use gateway::Gateway;
pub use h2::H2;
pub use http::{Answer, Connection, form, raw};
pub use port::Port;

/// Waits until `done`.
#[track_caller]
pub fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
