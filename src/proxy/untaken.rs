//! What is held of answers that clients of HTTP/2 do not take. One connection carries many streams, and a client that
//! gives none of them a window makes the gateway hold a part of each answer: that is bounded here, for a connection and
//! in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::doorway::Open;
use crate::decision::{Reason, protocol};
use crate::gate::{End, Wire};
use crate::request::one_address;

/// What one answer may hold in any case: no connection is kept from one at a time.
const ONE: usize = 1 << 20;
/// How many pieces of an answer wait in Pingora behind those that are being written: four in its channel, and one that
/// was read and finds no place there.
const WAITING: usize = 5;
/// What an answer holds besides its pieces: the buffer that it is read into, and the state of its exchange. Measured:
/// `three_thousand_streams_that_are_not_taken` of `tests/e2e/http2.rs`.
const BESIDES: usize = 112 << 10;
/// Which part of all one connection may hold.
const SHARE: usize = 8;
/// The same while all together hold more than they may.
const SHARE_AT_THE_BOUND: usize = 32;

/// What is held of one answer; given back when it is dropped.
#[derive(Default)]
pub struct Untaken {
    of: Option<(Arc<Open>, Arc<Wire>)>,
    bytes: usize,
    is_too_much: bool,
}

/// How much is held of an answer of which a piece of `piece` bytes is about to be written, after `passed` bytes of which
/// the client let `sent` go out.
const fn held(passed: usize, sent: usize, piece: usize, is_last: bool) -> usize {
    let written = passed.saturating_sub(sent) + BESIDES;
    if is_last { written } else { written + WAITING * piece }
}

impl Untaken {
    /// A piece of the answer is about to be written to a stream of `wire`; `most` is what all may hold.
    ///
    /// # Errors
    /// When its connection holds more than its share.
    pub fn hold(
        &mut self,
        (open, wire): (&Arc<Open>, &Arc<Wire>),
        (passed, sent, piece): (usize, usize, usize),
        is_last: bool,
        most: usize,
    ) -> Result<(), &'static Reason> {
        let now = held(passed, sent, piece, is_last);
        self.give_back();
        self.of = Some((open.clone(), wire.clone()));
        self.bytes = now;
        let of_wire = wire.untaken.fetch_add(now, Ordering::Relaxed) + now;
        let of_all = open.untaken.fetch_add(now, Ordering::Relaxed) + now;
        if of_all > most {
            open.end_largest(most);
        }
        // A connection that was ended gives back what it held a moment later.
        let share = if of_all > most { SHARE_AT_THE_BOUND } else { SHARE };
        self.is_too_much = of_wire > (most / share).max(ONE);
        if self.is_too_much { Err(protocol::UNTAKEN) } else { Ok(()) }
    }

    /// Whether its connection held too much: no page says so, which would not be taken either.
    pub const fn is_too_much(&self) -> bool {
        self.is_too_much
    }

    fn give_back(&mut self) {
        if let Some((open, wire)) = self.of.take() {
            wire.untaken.fetch_sub(self.bytes, Ordering::Relaxed);
            open.untaken.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Ends connections until the others hold at most `most` together: the largest of the address that holds the most, so
/// that whoever spreads over many connections goes before whoever has one.
pub fn end_largest(wires: impl Iterator<Item = Arc<Wire>>, most: usize) {
    let held = |wire: &Arc<Wire>| wire.untaken.load(Ordering::Relaxed);
    let mut all = 0;
    let mut by_address: HashMap<Option<IpAddr>, (usize, Vec<Arc<Wire>>)> = HashMap::new();
    for wire in wires.filter(|wire| wire.ended().is_none() && held(wire) > 0) {
        let of_address = by_address.entry(wire.address().map(one_address)).or_default();
        of_address.0 += held(&wire);
        all += held(&wire);
        of_address.1.push(wire);
    }
    for (_, wires) in by_address.values_mut() {
        wires.sort_by_key(held);
    }
    while all > most
        && let Some((sum, wires)) = by_address.values_mut().max_by_key(|(sum, _)| *sum)
        && let Some(largest) = wires.pop()
    {
        let bytes = held(&largest).min(*sum);
        *sum -= bytes;
        all = all.saturating_sub(bytes);
        largest.has_untaken();
        largest.end(End::Aborted);
    }
}

/// The counter of what all connections hold.
pub type Counter = AtomicUsize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_behind_a_piece_counts_unless_it_is_the_last() {
        assert_eq!(held(1_000, 0, 1_000, true), 1_000 + BESIDES);
        assert_eq!(held(64_000, 0, 64_000, false), 384_000 + BESIDES);
        assert_eq!(held(640_000, 512_000, 64_000, false), 448_000 + BESIDES);
        assert_eq!(held(0, 10, 0, true), BESIDES);
    }

    #[test]
    fn the_connection_that_holds_the_most_is_ended() {
        const MOST: usize = 10 * BESIDES;
        let open = Arc::new(Open::default());
        let wires: Vec<Arc<Wire>> = (0..3).map(|_| Arc::default()).collect();
        for wire in &wires {
            open.add(wire);
        }
        let hold = |wire: usize, bytes: usize| {
            let mut untaken = Untaken::default();
            let result = untaken.hold((&open, &wires[wire]), (bytes, 0, bytes), true, 8 * MOST);
            (untaken, result)
        };
        let held: Vec<_> = [(0, MOST / 4), (1, MOST / 2), (1, MOST / 2), (2, 10)].map(|(w, b)| hold(w, b)).into();
        assert_eq!(held.iter().filter(|(_, result)| result.is_err()).count(), 1, "more than an eighth");
        assert!(wires.iter().all(|wire| wire.ended().is_none()));
        let more: Vec<_> = (0..8).map(|_| hold(2, MOST - BESIDES)).collect();
        let ended: Vec<bool> = wires.iter().map(|wire| wire.ended().is_some()).collect();
        assert_eq!(ended, [false, false, true]);
        assert!(wires[2].is_untaken() && !wires[1].is_untaken());
        drop((held, more));
        // Many that hold little, from one address, go before one that holds more.
        let [many, one] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse::<IpAddr>().unwrap());
        let wires: Vec<Arc<Wire>> =
            (0..10).map(|n| Arc::new(Wire::at(Some(if n == 0 { one } else { many })))).collect();
        wires
            .iter()
            .zip([50, 20, 20, 20, 20, 20, 20, 20, 20, 20])
            .for_each(|(w, b)| w.untaken.store(b, Ordering::Relaxed));
        end_largest(wires.iter().cloned(), 100);
        assert!(wires[0].ended().is_none() && wires.iter().filter(|w| w.ended().is_some()).count() >= 5);
        assert_eq!(open.untaken.load(Ordering::Relaxed), 0);
    }
}
