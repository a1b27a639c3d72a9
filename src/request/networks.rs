//! Sets of addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of networks whose look-up costs the same at 10 and at 10,000 entries: merged into ranges
/// at load, searched by halves.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Compiles a set.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for network in IpNet::aggregate(&networks.to_vec()) {
            match network {
                IpNet::V4(n) => v4.push((n.network().to_bits(), n.broadcast().to_bits())),
                IpNet::V6(n) => v6.push((n.network().to_bits(), n.broadcast().to_bits())),
            }
        }
        v4.sort_unstable();
        v6.sort_unstable();
        Self { v4, v6 }
    }

    /// Whether the set holds `address`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        fn within<T: Ord + Copy>(ranges: &[(T, T)], bits: T) -> bool {
            let after = ranges.partition_point(|(start, _)| *start <= bits);
            after > 0 && bits <= ranges[after - 1].1
        }
        match address.to_canonical() {
            IpAddr::V4(a) => within(&self.v4, a.to_bits()),
            IpAddr::V6(a) => within(&self.v6, a.to_bits()),
        }
    }

    /// How many ranges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_ranges() {
        let set = Networks::new(&[
            "198.51.100.0/24".parse().unwrap(),
            "198.51.101.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ]);
        assert_eq!(set.len(), 2, "neighbours are merged");
        for (address, inside) in [
            ("198.51.100.0", true),
            ("198.51.101.255", true),
            ("198.51.102.0", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:198.51.100.7", true),
        ] {
            assert_eq!(set.contains(address.parse().unwrap()), inside, "{address}");
        }
    }
}
