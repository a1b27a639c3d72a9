//! The sign-ins that the app has not answered yet.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::controls::limits::Unanswered;
use crate::store::UserName;

/// The sign-ins of this process that the app has not answered yet. A failure is counted only when
/// the app has said so; without this, as many as arrive in that time would pass (rule 2).
#[derive(Clone, Default)]
pub struct OpenSignIns(Arc<Mutex<OpenCounts>>);

#[derive(Default)]
struct OpenCounts {
    accounts: HashMap<UserName, u32>,
    addresses: HashMap<IpAddr, u32>,
}

/// One of them; it is over when this is dropped, which must be after its failure was counted.
pub struct OpenSignIn {
    all: OpenSignIns,
    user: UserName,
    address: IpAddr,
}

impl OpenSignIns {
    /// Adds one, and tells how many others there are.
    #[must_use]
    pub fn open(&self, user: &UserName, address: IpAddr) -> (OpenSignIn, Unanswered) {
        let mut counts = self.0.lock();
        let account = counts.accounts.entry(user.clone()).or_default();
        *account += 1;
        let account = *account - 1;
        let from = counts.addresses.entry(address).or_default();
        *from += 1;
        let others = Unanswered { account, address: *from - 1 };
        (OpenSignIn { all: self.clone(), user: user.clone(), address }, others)
    }
}

impl Drop for OpenSignIn {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock();
        less(&mut counts.accounts, &self.user);
        less(&mut counts.addresses, &self.address);
    }
}

fn less<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sign_ins_count_until_they_are_over() {
        let (open, bob, kim) = (OpenSignIns::default(), UserName::new("bob").unwrap(), UserName::new("kim").unwrap());
        let [here, there] = ["203.0.113.1", "203.0.113.2"].map(|a| a.parse().unwrap());
        let (first, others) = open.open(&bob, here);
        assert_eq!(others, Unanswered::default());
        let (second, others) = open.open(&bob, there);
        assert_eq!(others, Unanswered { account: 1, address: 0 });
        assert_eq!(open.open(&kim, here).1, Unanswered { account: 0, address: 1 });
        drop((first, second));
        assert_eq!(open.open(&bob, here).1, Unanswered::default());
        assert!(open.0.lock().accounts.is_empty() && open.0.lock().addresses.is_empty());
    }
}
