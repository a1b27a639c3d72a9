//! The listeners of the process, as health checks tell of them.

use parking_lot::Mutex;
use serde::Serialize;

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Listens {
    /// Its address is bound, and nobody accepts yet.
    Bound,
    /// Connections are accepted.
    Serving,
    /// The process was told to end: no further connection is accepted.
    Stopping,
}

/// The listeners that clients come in by; the admin listener is none of them.
#[derive(Default)]
pub struct Listeners(Mutex<Vec<(String, Listens)>>);

impl Listeners {
    /// Says what the listener on `address` does from now on.
    pub fn set(&self, address: &str, listens: Listens) {
        let mut all = self.0.lock();
        match all.iter_mut().find(|(known, _)| known == address) {
            Some((_, current)) => *current = listens,
            None => all.push((address.to_owned(), listens)),
        }
    }

    /// The process was told to end.
    pub fn stop(&self) {
        self.0.lock().iter_mut().for_each(|(_, listens)| *listens = Listens::Stopping);
    }

    /// All of them, in the order of the policy.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Listens)> {
        self.0.lock().clone()
    }

    /// Whether each accepts connections.
    #[must_use]
    pub fn all_serve(&self) -> bool {
        self.0.lock().iter().all(|(_, listens)| *listens == Listens::Serving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_every_listener_accepts() {
        let listeners = Listeners::default();
        listeners.set("127.0.0.1:8080", Listens::Bound);
        listeners.set("127.0.0.1:8443", Listens::Bound);
        listeners.set("127.0.0.1:8443", Listens::Serving);
        assert!(!listeners.all_serve());
        listeners.set("127.0.0.1:8080", Listens::Serving);
        assert!(listeners.all_serve());
        listeners.stop();
        assert!(!listeners.all_serve());
        assert_eq!(listeners.all()[1], ("127.0.0.1:8443".to_owned(), Listens::Stopping));
    }
}
