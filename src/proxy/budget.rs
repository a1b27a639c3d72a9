//! What bodies under inspection share: memory, and room on the disk. It is taken as bytes arrive, so
//! that what is only announced takes none, and no address gets more than a share.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::Shares;

/// What is taken at once.
const PIECE: usize = 64 << 10;
/// What one address may hold, as a part of all.
pub const SHARE: u64 = 4;

/// So many bytes for all.
#[derive(Clone)]
pub struct Budget(Arc<Pieces>);

struct Pieces {
    left: Arc<Semaphore>,
    /// What every address holds.
    shares: Shares,
    /// What one address may hold.
    share: usize,
}

/// Why a body gets no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// There is none left, or not for this address: others hold it.
    ByOthers,
    /// It needs more than any body can have: it is too large, however long anybody waits.
    ForGood,
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        let pieces = usize::try_from(bytes).unwrap_or(usize::MAX) / PIECE;
        let pieces = pieces.clamp(1, Semaphore::MAX_PERMITS);
        let share = pieces / usize::try_from(SHARE).unwrap_or(1);
        let left = Arc::new(Semaphore::new(pieces));
        Self(Arc::new(Pieces { left, shares: Shares::default(), share: share.max(1) }))
    }

    /// A part of it for one body of `address`: nothing yet.
    pub fn hold(&self, address: IpAddr) -> Held {
        Held { budget: self.0.clone(), address, pieces: 0, permit: None }
    }
}

/// What one body holds; given back when dropped.
pub struct Held {
    budget: Arc<Pieces>,
    address: IpAddr,
    pieces: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes what is missing to `bytes`.
    ///
    /// # Errors
    /// When there is not so much left; what was held before is still held.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let more = bytes.div_ceil(PIECE).saturating_sub(self.pieces);
        if more == 0 {
            return Ok(());
        }
        if self.pieces + more > self.budget.share {
            return Err(Exhausted::ForGood);
        }
        if !self.budget.shares.take(self.address, more, self.budget.share) {
            return Err(Exhausted::ByOthers);
        }
        let permit = u32::try_from(more).ok().and_then(|n| self.budget.left.clone().try_acquire_many_owned(n).ok());
        let Some(permit) = permit else {
            self.budget.shares.give_back(self.address, more);
            return Err(Exhausted::ByOthers);
        };
        self.pieces += more;
        match &mut self.permit {
            Some(all) => all.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }

    /// Nothing yet, of the same budget and for the same address.
    pub fn nothing(&self) -> Self {
        Self { budget: self.budget.clone(), address: self.address, pieces: 0, permit: None }
    }

    /// Takes so many bytes on top of what is held.
    ///
    /// # Errors
    /// As [`Held::grow`].
    pub fn add(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.grow((self.pieces * PIECE).saturating_add(bytes))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.shares.give_back(self.address, self.pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = Budget::new(16 * PIECE as u64);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        let mut first = budget.hold(one);
        assert_eq!((first.grow(1), first.grow(4 * PIECE), first.grow(4 * PIECE)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(first.add(1), Err(Exhausted::ForGood), "one address holds a quarter");
        assert_eq!(budget.hold(one).grow(1), Err(Exhausted::ByOthers));
        assert_eq!(budget.hold(other).grow(4 * PIECE), Ok(()));
        let all: Vec<_> = (3..6)
            .map(|last| {
                let mut held = budget.hold(format!("192.0.2.{last}").parse().unwrap());
                held.grow(4 * PIECE).map(|()| held)
            })
            .collect();
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(budget.hold(other).grow(1), Err(Exhausted::ByOthers), "all of it is taken");
        drop(first);
        assert_eq!(budget.hold(other).grow(4 * PIECE), Ok(()));
    }
}
