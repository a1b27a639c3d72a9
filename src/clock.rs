//! Where time comes from. Nothing else in the crate asks the operating system what time it is, so
//! a test, a rehearsal or a replay turns one dial.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const RFC3339_SECONDS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time that has passed since `earlier`; zero when `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This point, `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// How long `2026-03-02T09:00:00` is.
const TO_SECONDS: usize = 19;

thread_local! {
    /// The last second that was written, and how: records come by the thousand in each.
    static SECOND: Cell<(u64, [u8; TO_SECONDS])> = const { Cell::new((u64::MAX, [0; TO_SECONDS])) };
}

/// `second` since 1970 as RFC 3339 writes it; `None` from the year 10,000 on.
fn written_second(second: u64) -> Option<[u8; TO_SECONDS]> {
    let (known, text) = SECOND.get();
    if known == second {
        return Some(text);
    }
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(second).ok()?).ok()?;
    let text = time.format(RFC3339_SECONDS).ok()?.into_bytes().try_into().ok()?;
    SECOND.set((second, text));
    Some(text)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, as every record of the decision log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(second) = written_second(self.0 / 1000) else { return write!(f, "@{}", self.0) };
        let digit = |power: u64| b'0' + (self.0 % 1000 / power % 10) as u8;
        let mut text = [b'.'; TO_SECONDS + 5];
        text[..TO_SECONDS].copy_from_slice(&second);
        text[TO_SECONDS + 1..].copy_from_slice(&[digit(100), digit(10), digit(1), b'Z']);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// The one source of time. Cheap to clone; all clones share the dial.
///
/// The wall clock is read once, at the start; from then on time advances with the monotonic clock,
/// so that a wall clock set back can prolong no session.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Timestamp,
    started: Option<Instant>,
    advanced_ms: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that starts at the machine's wall time.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // the one place
    pub fn system() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
    }

    /// A clock that starts at `origin` and advances with real time: for tests and rehearsals.
    #[must_use]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin, started: Some(Instant::now()), advanced_ms: Arc::default() }
    }

    /// A clock that stands at `origin` and moves only when it is turned: for tests of exact limits.
    #[must_use]
    pub fn stopped_at(origin: Timestamp) -> Self {
        Self { origin, started: None, advanced_ms: Arc::default() }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let dialled = Duration::from_millis(self.advanced_ms.load(Ordering::Relaxed));
        self.origin.plus(self.started.map_or(Duration::ZERO, |s| s.elapsed())).plus(dialled)
    }

    /// Turns the dial forward by `by`. There is no way back.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.advanced_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc3339() {
        assert_eq!(Timestamp(1_772_442_000_005).to_string(), "2026-03-02T09:00:00.005Z");
    }

    #[test]
    fn the_dial_is_shared() {
        let clock = Clock::starting_at(Timestamp(1_000));
        let other = clock.clone();
        clock.advance(Duration::from_secs(60));
        assert!(other.now() >= Timestamp(61_000));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
