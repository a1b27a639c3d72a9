//! Failed sign-ins of one kind of key (accounts, or addresses), bounded in every direction: an
//! attacker chooses both how many keys there are and how often each fails.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::FAILURES_KEPT;

/// How many failures of one key are remembered. A [`Window`](crate::store::Window) that allows
/// more than this could never be exceeded.
pub const FAILURES_COUNTED: usize = 256;

/// How many keys are remembered; beyond it, the key that has been quiet longest is forgotten.
pub(super) const KEYS_KEPT: usize = 100_000;

pub(super) struct Failures<K> {
    times: HashMap<K, Vec<Timestamp>>,
    /// The same keys by their latest failure: who is to be forgotten first.
    quietest: BTreeSet<(Timestamp, K)>,
    most: usize,
}

impl<K: Copy + Ord + Hash> Failures<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { times: HashMap::new(), quietest: BTreeSet::new(), most }
    }

    /// How often `key` failed less than `within` before `now`.
    pub(super) fn count(&self, key: &K, within: Duration, now: Timestamp) -> u32 {
        let Some(times) = self.times.get(key) else { return 0 };
        let before = times.partition_point(|time| now.since(*time) >= within);
        u32::try_from(times.len() - before).unwrap_or(u32::MAX)
    }

    /// The failures of `key`, oldest first.
    pub(super) fn of(&self, key: &K) -> Vec<Timestamp> {
        self.times.get(key).cloned().unwrap_or_default()
    }

    /// What [`of`](Self::of) will be when `key` has failed at `at` too.
    pub(super) fn and(&self, key: &K, at: Timestamp) -> Vec<Timestamp> {
        let mut times = self.of(key);
        times.insert(times.partition_point(|time| *time <= at), at);
        let forgotten = times.partition_point(|time| at.since(*time) >= FAILURES_KEPT);
        let surplus = times.len().saturating_sub(FAILURES_COUNTED);
        times.drain(..forgotten.max(surplus));
        times
    }

    /// Replaces the failures of `key`; returns those before.
    pub(super) fn set(&mut self, key: K, times: Vec<Timestamp>) -> Vec<Timestamp> {
        let latest = times.last().copied();
        let before = if times.is_empty() { self.times.remove(&key) } else { self.times.insert(key, times) };
        let before = before.unwrap_or_default();
        if let Some(last) = before.last() {
            self.quietest.remove(&(*last, key));
        }
        if let Some(last) = latest {
            self.quietest.insert((last, key));
        }
        before
    }

    /// The key to forget because there are too many.
    pub(super) fn surplus(&self) -> Option<K> {
        if self.times.len() <= self.most {
            return None;
        }
        self.quietest.first().map(|(_, key)| *key)
    }

    /// Up to `most` keys whose every failure is older than [`FAILURES_KEPT`].
    pub(super) fn expired(&self, now: Timestamp, most: usize) -> Vec<K> {
        let old = self.quietest.iter().take_while(|(last, _)| now.since(*last) >= FAILURES_KEPT);
        old.take(most).map(|(_, key)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(failures: &mut Failures<u8>, key: u8, at: u64) {
        let times = failures.and(&key, Timestamp(at));
        failures.set(key, times);
    }

    #[test]
    fn a_key_keeps_its_latest_failures_only() {
        let mut failures = Failures::new(9);
        for at in 0..1_000 {
            add(&mut failures, 1, at);
        }
        assert_eq!(failures.of(&1).len(), FAILURES_COUNTED);
        assert_eq!(failures.count(&1, Duration::from_millis(10), Timestamp(999)), 10);
        add(&mut failures, 1, 500);
        assert!(failures.of(&1).is_sorted());
    }

    #[test]
    fn the_quietest_key_goes_first() {
        let mut failures = Failures::new(2);
        for (key, at) in [(1, 10), (2, 20), (1, 30), (3, 40)] {
            add(&mut failures, key, at);
        }
        assert_eq!(failures.surplus(), Some(2));
        failures.set(2, Vec::new());
        assert_eq!(failures.surplus(), None);
        assert_eq!(failures.quietest.len(), failures.times.len());
    }

    #[test]
    fn old_failures_expire() {
        let mut failures = Failures::new(9);
        add(&mut failures, 1, 0);
        add(&mut failures, 2, 1_000);
        let day = Timestamp(0).plus(FAILURES_KEPT);
        assert_eq!(failures.expired(day, 9), [1]);
        assert_eq!(failures.expired(Timestamp(day.0 - 1), 9), [0_u8; 0]);
    }
}
