//! What sessions were shown instead of what the app said, so that it can be put back when it is saved.
//!
//! In memory only, sealed with a key that exists nowhere else; bounded for each session and for all; forgotten
//! after a while. What is forgotten cannot be saved over: it is refused.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use parking_lot::Mutex;

use super::Shown;
use crate::clock::Timestamp;
use crate::store::SessionKey;

/// How long an original is kept: a form that is open for longer must be opened again.
const KEPT: Duration = Duration::from_hours(2);
/// The most that is kept of one session, in bytes.
const MOST_OF_ONE: usize = 512 << 10;
/// The most that is kept of all.
const MOST: usize = 256 << 20;

/// What the app said, and what was shown for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// What was shown.
    pub mask: Box<str>,
    /// What the app said.
    pub original: Box<str>,
}

/// The memory of one process.
pub struct Memory {
    cipher: ChaCha20Poly1305,
    /// Names of things in the memory are hashed: ids may be personal.
    hasher: RandomState,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    by_session: HashMap<SessionKey, VecDeque<Sealed>>,
    /// In the order in which something was put there.
    order: VecDeque<SessionKey>,
    bytes: usize,
    /// Each is used once only.
    nonces: u64,
}

/// What was shown of one answer.
struct Sealed {
    subject: Option<u64>,
    at: Timestamp,
    nonce: u64,
    bytes: Box<[u8]>,
}

impl Memory {
    /// An empty memory with a key of its own.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let cipher = ChaCha20Poly1305::new(&Key::from(key));
        Self { cipher, hasher: RandomState::new(), shelves: Mutex::default() }
    }

    /// Keeps what `session` was shown of the thing `subject`.
    pub fn keep(&self, session: SessionKey, subject: Option<&str>, shown: &Shown, now: Timestamp) {
        if shown.is_empty() || shown.packed().len() > MOST_OF_ONE {
            return;
        }
        let nonce = {
            let mut shelves = self.shelves.lock();
            shelves.nonces += 1;
            shelves.nonces
        };
        let Ok(sealed) = self.cipher.encrypt(&nonce_of(nonce), shown.packed()) else { return };
        let sealed = Sealed { subject: subject.map(|s| self.hasher.hash_one(s)), at: now, nonce, bytes: sealed.into() };
        self.shelves.lock().put(session, sealed, now);
    }

    /// What `session` was shown under the name `place`: of the thing `subject` where one is named, and of
    /// anything otherwise.
    #[must_use]
    pub fn originals(&self, session: &SessionKey, subject: Option<&str>, place: &str, now: Timestamp) -> Vec<Original> {
        let subject = subject.map(|s| self.hasher.hash_one(s));
        let shelves = self.shelves.lock();
        let fits =
            |s: &&Sealed| now.since(s.at) < KEPT && (subject.is_none() || s.subject.is_none() || s.subject == subject);
        let all = || shelves.by_session.get(session).into_iter().flatten().filter(fits);
        // What was shown of this very thing counts before what was shown in lists.
        let own = subject.is_some() && all().any(|s| s.subject == subject);
        let mut found = Vec::new();
        for sealed in all().filter(|s| !own || s.subject == subject) {
            let Ok(packed) = self.cipher.decrypt(&nonce_of(sealed.nonce), &*sealed.bytes) else { continue };
            let here = Shown::read(&packed).filter(|(shown_at, ..)| *shown_at == place);
            found.extend(here.map(|(_, mask, original)| Original { mask: mask.into(), original: original.into() }));
        }
        found
    }

    /// A session goes on under another key.
    pub fn rename(&self, from: &SessionKey, to: SessionKey) {
        let mut shelves = self.shelves.lock();
        if let Some(shelf) = shelves.by_session.remove(from) {
            shelves.order.push_back(to);
            shelves.by_session.entry(to).or_default().extend(shelf);
        }
    }

    /// Forgets a session.
    pub fn forget(&self, session: &SessionKey) {
        self.shelves.lock().drop_shelf(session);
    }

    /// Forgets what is too old.
    pub fn sweep(&self, now: Timestamp) {
        let mut shelves = self.shelves.lock();
        let all: Vec<SessionKey> = shelves.by_session.keys().copied().collect();
        for session in all {
            shelves.drop_old(&session, now);
        }
        let Shelves { by_session, order, .. } = &mut *shelves;
        order.retain(|session| by_session.contains_key(session));
    }
}

impl Shelves {
    fn put(&mut self, session: SessionKey, sealed: Sealed, now: Timestamp) {
        self.drop_old(&session, now);
        self.bytes += sealed.bytes.len();
        if !self.by_session.contains_key(&session) {
            self.order.push_back(session);
        }
        let shelf = self.by_session.entry(session).or_default();
        shelf.push_back(sealed);
        let mut size: usize = shelf.iter().map(|s| s.bytes.len()).sum();
        while size > MOST_OF_ONE
            && let Some(first) = shelf.pop_front()
        {
            size -= first.bytes.len();
            self.bytes -= first.bytes.len();
        }
        while self.bytes > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.drop_shelf(&oldest);
        }
    }

    fn drop_old(&mut self, session: &SessionKey, now: Timestamp) {
        let Some(shelf) = self.by_session.get_mut(session) else { return };
        while shelf.front().is_some_and(|s| now.since(s.at) >= KEPT)
            && let Some(first) = shelf.pop_front()
        {
            self.bytes -= first.bytes.len();
        }
        if shelf.is_empty() {
            self.by_session.remove(session);
        }
    }

    fn drop_shelf(&mut self, session: &SessionKey) {
        let shelf = self.by_session.remove(session).unwrap_or_default();
        self.bytes -= shelf.iter().map(|s| s.bytes.len()).sum::<usize>();
    }
}

fn nonce_of(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Nonce::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(place: &str, mask: &str, original: &str) -> Shown {
        let mut shown = Shown::default();
        shown.add(place, mask, original);
        shown
    }

    #[test]
    fn originals_are_known_to_their_session_and_of_their_thing_only() {
        let memory = Memory::new([1; 32]);
        let (anna, bob) = (SessionKey::of("cookie a", b"anna"), SessionKey::of("cookie a", b"bob"));
        let now = Timestamp(1_000);
        memory.keep(anna, Some("7"), &shown("phone", "XXXX", "1234"), now);
        memory.keep(anna, None, &shown("phone", "XXXX", "9999"), now);
        let of = |session, subject, place, at| -> Vec<Box<str>> {
            memory.originals(session, subject, place, at).into_iter().map(|o| o.original).collect()
        };
        assert_eq!(of(&anna, Some("7"), "phone", now), ["1234".into()]);
        assert_eq!(of(&anna, Some("8"), "phone", now), ["9999".into()]);
        assert_eq!(of(&anna, None, "phone", now).len(), 2);
        assert!(of(&anna, Some("7"), "fax", now).is_empty() && of(&bob, Some("7"), "phone", now).is_empty());
        assert!(of(&anna, Some("7"), "phone", now.plus(KEPT)).is_empty());
        memory.sweep(now.plus(KEPT));
        assert!(memory.shelves.lock().by_session.is_empty() && memory.shelves.lock().bytes == 0);
        memory.keep(anna, None, &shown("phone", "XXXX", "9999"), now);
        memory.forget(&anna);
        assert!(of(&anna, None, "phone", now).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_not_readable() {
        let memory = Memory::new([1; 32]);
        let session = SessionKey::of("cookie a", b"anna");
        for i in 0..40 {
            memory.keep(
                session,
                None,
                &shown("phone", "XXXX", &format!("{i}-{}", "secret".repeat(4_000))),
                Timestamp(1),
            );
        }
        let shelves = memory.shelves.lock();
        assert!(shelves.bytes <= MOST_OF_ONE, "{}", shelves.bytes);
        let all = shelves.by_session.values().flatten().flat_map(|s| s.bytes.iter().copied()).collect::<Vec<u8>>();
        assert!(memchr::memmem::find(&all, b"secret").is_none());
    }
}
