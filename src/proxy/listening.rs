//! One listener as a service of Pingora's: its address is bound before the server starts, so that a process that says it
//! serves does, and its end ends the process.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;

use super::serve::ServeError;
use crate::gate::{Listeners, Listens};

/// A listener whose address is bound.
pub struct Listening<S> {
    listeners: Arc<Listeners>,
    address: String,
    socket: Option<TcpListener>,
    service: S,
}

/// Binds an address.
///
/// # Errors
/// When it is none, or another program has it.
pub fn bind(address: &str) -> Result<TcpListener, ServeError> {
    let parsed: SocketAddr =
        address.parse().map_err(|_| ServeError(format!("{address} is not an address with a port")))?;
    let failed =
        |e| ServeError(format!("{address} cannot be listened on: {e}; is another program there, or another gateway?"));
    let socket = TcpListener::bind(parsed).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

impl<S: Service> Listening<S> {
    /// The service of `socket`, which is bound to `address`.
    pub fn new(listeners: Arc<Listeners>, address: &str, socket: TcpListener, service: S) -> Self {
        listeners.set(address, Listens::Bound);
        Self { listeners, address: address.to_owned(), socket: Some(socket), service }
    }
}

#[async_trait]
impl<S: Service> Service for Listening<S> {
    async fn start_service(&mut self, sockets: Option<ListenFds>, shutdown: ShutdownWatch, per_socket: usize) {
        // Pingora looks here for what an earlier process left, before it binds by itself.
        if let (Some(sockets), Some(socket)) = (&sockets, self.socket.take()) {
            sockets.lock().add(self.address.clone(), socket.into_raw_fd());
        }
        self.listeners.set(&self.address, Listens::Serving);
        self.service.start_service(sockets, shutdown.clone(), per_socket).await;
        if !*shutdown.borrow() {
            log::error!("the listener on {} has stopped: the process ends", self.address);
            std::process::exit(1);
        }
    }

    fn name(&self) -> &str {
        self.service.name()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A service whose accept loop ends by itself.
    struct Dead;

    #[async_trait]
    impl Service for Dead {
        fn name(&self) -> &'static str {
            "dead"
        }
    }

    /// Runs itself once more, as the process that is to end.
    #[test]
    fn a_listener_that_dies_ends_the_process() {
        const INNER: &str = "DESKGATE_TEST_DEAD_LISTENER";
        let (_told, shutdown) = tokio::sync::watch::channel(false);
        if std::env::var_os(INNER).is_some() {
            let mut dead = Listening::new(Arc::default(), "127.0.0.1:0", bind("127.0.0.1:0").unwrap(), Dead);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            return runtime.block_on(dead.start_service(None, shutdown, 1));
        }
        let name = "proxy::listening::tests::a_listener_that_dies_ends_the_process";
        let inner = Command::new(std::env::current_exe().unwrap()).args(["--exact", name]).env(INNER, "1").output();
        assert_eq!(inner.unwrap().status.code(), Some(1));
    }

    #[test]
    fn an_address_that_is_taken_is_told() {
        let first = bind("127.0.0.1:0").unwrap();
        let taken = first.local_addr().unwrap().to_string();
        let told = bind(&taken).unwrap_err().to_string();
        assert!(told.starts_with(&format!("{taken} cannot be listened on: Address already in use")), "{told}");
    }
}
