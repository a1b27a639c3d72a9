//! The app behind the gateway.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::origin::origin;
use crate::policy::file::{PolicyFile, TimeoutsFile};
use crate::policy::problem::Problems;

/// Where the app is.
#[derive(Debug)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// Whether the gateway is ready only while the app can be reached.
    pub needed_to_be_ready: bool,
    /// How long to wait.
    pub timeouts: TimeoutsFile,
    /// The address behind the name, once it was looked up.
    address: ArcSwapOption<SocketAddr>,
}

impl Upstream {
    /// The address to connect to; `None` when the name has none, or was never looked up.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.load().as_deref().copied()
    }

    /// Looks the name up. Blocks, so it is done at load and now and then, never for a request; when
    /// it fails, the last address stays.
    ///
    /// # Errors
    /// When the name has no address.
    pub fn look_up(&self) -> std::io::Result<()> {
        let first = (self.host.as_str(), self.port).to_socket_addrs()?.next();
        let found = first.ok_or_else(|| std::io::Error::other(format!("{} has no address", self.host)))?;
        self.address.store(Some(Arc::new(found)));
        Ok(())
    }

    /// `host:port`, the port left out when it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// `scheme://authority`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Compiles what the policy says of the app's address.
pub(super) fn compile(file: &PolicyFile, problems: &mut Problems) -> Option<Upstream> {
    let timeouts = &file.app.timeouts;
    for (key, time) in [("connect", timeouts.connect), ("read", timeouts.read), ("write", timeouts.write)] {
        if time.0.is_zero() {
            problems.error(format!("app.timeouts.{key}"), "no app answers in no time; write a longer time");
        }
    }
    let (tls, authority) = origin(&file.app.upstream)
        .map_err(|wrong| {
            let message = format!("{wrong}; write scheme, host and port of the app, such as http://10.0.4.10:8080");
            problems.error("app.upstream", message);
        })
        .ok()?;
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let address = ArcSwapOption::new(host.parse::<IpAddr>().ok().map(|ip| Arc::new(SocketAddr::new(ip, port))));
    let (timeouts, needed_to_be_ready) = (file.app.timeouts.clone(), file.app.needed_to_be_ready);
    Some(Upstream { host, port, tls, needed_to_be_ready, timeouts, address })
}

/// A gateway that asks itself never answers.
pub(super) fn check_loop(file: &PolicyFile, upstream: &Upstream, problems: &mut Problems) {
    let Ok(app) = upstream.host.replace("localhost", "127.0.0.1").parse::<IpAddr>() else { return };
    let own = |text: &String| {
        text.parse::<SocketAddr>().is_ok_and(|own| {
            own.port() == upstream.port && (own.ip() == app || own.ip().is_unspecified() && app.is_loopback())
        })
    };
    if file.listen.iter().any(|l| [&l.http, &l.https, &l.admin].into_iter().flatten().any(own)) {
        problems.error("app.upstream", "this is an address of the gateway itself; write where the app answers");
    }
}
