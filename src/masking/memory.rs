//! What sessions were shown instead of what the app said, so that it can be put back when it is saved.
//!
//! In memory only, sealed with a key that exists nowhere else; bounded for each session and for all; forgotten
//! after a while. What is forgotten cannot be saved over: it is refused.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
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

/// Masks, each with everything that it stands for.
pub type Masks = HashMap<Box<str>, Vec<Box<str>>>;

/// What was shown of one thing, by place.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    places: HashMap<Box<str>, Masks>,
    known: bool,
}

impl Originals {
    /// At `place`, `mask` was shown for `original`.
    pub fn add(&mut self, place: &str, mask: &str, original: &str) {
        self.known = true;
        let masks = self.places.entry(place.into()).or_default();
        let originals = masks.entry(mask.into()).or_default();
        if !originals.iter().any(|o| **o == *original) {
            originals.push(original.into());
        }
    }

    /// The masks that were shown at `place`, each with what it stands for. One that is empty was nothing at all.
    #[must_use]
    pub fn at(&self, place: &str) -> Option<&Masks> {
        self.places.get(place)
    }

    /// Whether it is known what was shown of the thing, be it nothing.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }
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
#[derive(Clone)]
struct Sealed {
    thing: u64,
    at: Timestamp,
    nonce: u64,
    bytes: Arc<[u8]>,
}

impl Memory {
    /// An empty memory with a key of its own.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let cipher = ChaCha20Poly1305::new(&Key::from(key));
        Self { cipher, hasher: RandomState::new(), shelves: Mutex::default() }
    }

    /// Keeps what `session` was shown of `thing`, also that it was nothing.
    pub fn keep(&self, session: SessionKey, thing: &str, shown: &Shown, now: Timestamp) {
        if shown.packed().len() > MOST_OF_ONE {
            return;
        }
        let nonce = {
            let mut shelves = self.shelves.lock();
            shelves.nonces += 1;
            shelves.nonces
        };
        let Ok(sealed) = self.cipher.encrypt(&nonce_of(nonce), shown.packed()) else { return };
        let sealed = Sealed { thing: self.hasher.hash_one(thing), at: now, nonce, bytes: sealed.into() };
        self.shelves.lock().put(session, sealed, now);
    }

    /// What `session` was shown of `thing`, by the names under which it would come back.
    #[must_use]
    pub fn originals(&self, session: &SessionKey, thing: &str, now: Timestamp) -> Originals {
        let thing = self.hasher.hash_one(thing);
        let fits = |s: &&Sealed| now.since(s.at) < KEPT && s.thing == thing;
        // Nobody waits while they are opened.
        let sealed: Vec<Sealed> =
            self.shelves.lock().by_session.get(session).into_iter().flatten().filter(fits).cloned().collect();
        let mut found = Originals::default();
        // What was shown last under a name is what the thing has now.
        for Sealed { nonce, bytes, .. } in sealed.into_iter().rev() {
            let Ok(packed) = self.cipher.decrypt(&nonce_of(nonce), &*bytes) else { continue };
            found.known = true;
            let mut shown = Originals::default();
            Shown::read(&packed).for_each(|(place, mask, original)| shown.add(place, mask, original));
            for (place, masks) in shown.places {
                found.places.entry(place).or_insert(masks);
            }
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
        shown.add(place.as_bytes(), mask.as_bytes(), original.as_bytes());
        shown
    }

    #[test]
    fn originals_are_known_to_their_session_and_of_their_thing_only() {
        let memory = Memory::new([1; 32]);
        let (anna, bob) = (SessionKey::of("cookie a", b"anna"), SessionKey::of("cookie a", b"bob"));
        let now = Timestamp(1_000);
        memory.keep(anna, "ticket 7", &shown("phone", "XXXX", "1234"), now);
        memory.keep(anna, "ticket 7", &shown("phone", "XXXX", "1234"), now);
        memory.keep(anna, "ticket 8", &shown("phone", "XXXX", "8888"), now);
        memory.keep(anna, "ticket 8", &shown("phone", "XXXX", "9999"), now);
        let of = |session, thing, place, at| -> Vec<Box<str>> {
            memory.originals(session, thing, at).at(place).map(|masks| masks["XXXX"].clone()).unwrap_or_default()
        };
        assert_eq!(of(&anna, "ticket 7", "phone", now), ["1234".into()]);
        assert_eq!(of(&anna, "ticket 8", "phone", now), ["9999".into()]);
        for (session, thing, place, at) in [
            (&anna, "ticket 9", "phone", now),
            (&anna, "customer 7", "phone", now),
            (&anna, "ticket 7", "fax", now),
            (&bob, "ticket 7", "phone", now),
            (&anna, "ticket 7", "phone", now.plus(KEPT)),
        ] {
            assert!(of(session, thing, place, at).is_empty(), "{thing} {place}");
        }
        memory.sweep(now.plus(KEPT));
        assert!(memory.shelves.lock().by_session.is_empty() && memory.shelves.lock().bytes == 0);
        memory.keep(anna, "ticket 7", &shown("phone", "XXXX", "9999"), now);
        memory.forget(&anna);
        assert!(of(&anna, "ticket 7", "phone", now).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_not_readable() {
        let memory = Memory::new([1; 32]);
        let session = SessionKey::of("cookie a", b"anna");
        for i in 0..40 {
            let secret = format!("{i}-{}", "secret".repeat(4_000));
            memory.keep(session, "ticket 7", &shown("phone", "XXXX", &secret), Timestamp(1));
        }
        let shelves = memory.shelves.lock();
        assert!(shelves.bytes <= MOST_OF_ONE, "{}", shelves.bytes);
        let all = shelves.by_session.values().flatten().flat_map(|s| s.bytes.iter().copied()).collect::<Vec<u8>>();
        assert!(memchr::memmem::find(&all, b"secret").is_none());
    }
}
