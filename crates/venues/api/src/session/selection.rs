//! Which symbols a session serves.

use crate::FeedSettings;
use remora_domain::InstrumentStatus;
use std::collections::BTreeSet;

/// Gives the shard of a symbol: FNV-1a (64 bit) of its bytes, modulo the number of shards (0 counts as 1).
///
/// Source: Fowler, Noll, Vo, "The FNV non-cryptographic hash algorithm"; stable over versions and machines.
#[must_use]
pub fn shard_of(symbol: &str, shards: u32) -> u32 {
    let hash = symbol.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    // The remainder is below `shards`, so the conversion cannot fail.
    u32::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
}

/// Tells whether new orders may become possible without a new definition of the instrument: only such books are worth asking for.
#[must_use]
pub const fn is_tradable(status: InstrumentStatus) -> bool {
    match status {
        InstrumentStatus::Online
        | InstrumentStatus::PostOnly
        | InstrumentStatus::LimitOnly
        | InstrumentStatus::ReduceOnly => true,
        InstrumentStatus::CancelOnly | InstrumentStatus::Closed => false,
    }
}

/// Is the set of symbols a session serves: the configured ones that fall into its shard.
#[derive(Clone, Debug)]
pub struct Selection {
    symbols: Option<BTreeSet<String>>,
    shard: u32,
    shards: u32,
}

impl Selection {
    /// Takes what the settings say of symbols and shards.
    #[must_use]
    pub fn of(settings: &FeedSettings) -> Self {
        let (shard, shards) = settings.shard;
        Self { symbols: settings.symbols.clone(), shard, shards }
    }

    /// Tells whether a symbol is served.
    #[must_use]
    pub fn includes(&self, symbol: &str) -> bool {
        self.symbols.as_ref().is_none_or(|symbols| symbols.contains(symbol))
            && shard_of(symbol, self.shards) == self.shard
    }

    /// Tells whether symbols were named one by one.
    #[must_use]
    pub const fn is_explicit(&self) -> bool {
        self.symbols.is_some()
    }

    /// Gives the symbols named one by one that fall into this shard.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().flatten().map(String::as_str).filter(|symbol| self.includes(symbol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // FNV-1a 64 of "a" is af63dc4c8601ec8c, of "foobar" 85944171f73967e8.
        assert_eq!(shard_of("a", 1 << 16), 0xEC8C);
        assert_eq!(shard_of("foobar", 1 << 16), 0x67E8);
    }

    proptest! {
        #[test]
        fn a_symbol_belongs_to_exactly_one_shard(symbol in "[A-Z0-9]{1,8}/[A-Z]{3,4}", shards in 1u32..20) {
            let owners = (0..shards).filter(|&shard| {
                Selection { symbols: None, shard, shards }.includes(&symbol)
            });
            prop_assert_eq!(owners.count(), 1);
        }
    }
}
