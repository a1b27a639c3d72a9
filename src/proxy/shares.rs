//! What one address may hold of something that all share, so that one cannot take it all.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::request::one_address;

/// How much every address holds.
#[derive(Default)]
pub struct Shares(Mutex<HashMap<IpAddr, usize>>);

impl Shares {
    /// Adds `amount` to what `address` holds, unless it would be more than `most`.
    pub fn take(&self, address: IpAddr, amount: usize, most: usize) -> bool {
        let mut held = self.0.lock();
        let mine = held.entry(one_address(address)).or_default();
        let fits = *mine + amount <= most;
        if fits {
            *mine += amount;
        } else if *mine == 0 {
            held.remove(&one_address(address));
        }
        fits
    }

    /// Takes `amount` from what `address` holds.
    pub fn give_back(&self, address: IpAddr, amount: usize) {
        let mut held = self.0.lock();
        if let Some(mine) = held.get_mut(&one_address(address)) {
            *mine = mine.saturating_sub(amount);
            if *mine == 0 {
                held.remove(&one_address(address));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_more_than_its_share() {
        let shares = Shares::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        assert!(shares.take(one, 3, 4) && !shares.take(one, 2, 4) && shares.take(one, 1, 4));
        assert!(shares.take(other, 4, 4) && !shares.take("192.0.2.3".parse().unwrap(), 5, 4));
        shares.give_back(one, 4);
        assert!(shares.take(one, 4, 4));
        for address in [one, other] {
            shares.give_back(address, 4);
        }
        assert!(shares.0.lock().is_empty());
    }
}
