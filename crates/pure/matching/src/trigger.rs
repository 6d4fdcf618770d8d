//! Which sleeping orders wake at which price. An index of prices only; what waking means is the engine's.

use crate::api::{OrderNo, Reference};
use crate::store::Ix;
use remora_domain::{Side, Ticks};
use std::collections::BTreeSet;

/// Names a sleeping order at a price; orders at the same price are sorted by age.
pub(crate) type Key = (Ticks, OrderNo, Ix);

/// Is where a sleeping order is indexed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asleep {
    pub(crate) reference: Reference,
    pub(crate) side: Side,
    /// Whether it waits for the reference to rise to its trigger price; otherwise for it to fall.
    pub(crate) is_rising: bool,
    /// By trigger price.
    pub(crate) waiting: Key,
    /// By the best reference so far, when it follows the reference.
    pub(crate) trailing: Option<Key>,
}

/// Is everything that watches one reference price.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    price: Option<Ticks>,
    /// By trigger price: wake when the reference is at or above it.
    rising: BTreeSet<Key>,
    /// By trigger price: wake when the reference is at or below it.
    falling: BTreeSet<Key>,
    /// Trailing buys, by the lowest reference since they were placed.
    trailing_buys: BTreeSet<Key>,
    /// Trailing sells, by the highest reference since they were placed.
    trailing_sells: BTreeSet<Key>,
}

impl Watch {
    fn waiting(&mut self, is_rising: bool) -> &mut BTreeSet<Key> {
        if is_rising { &mut self.rising } else { &mut self.falling }
    }

    fn trailing(&mut self, side: Side) -> &mut BTreeSet<Key> {
        match side {
            Side::Buy => &mut self.trailing_buys,
            Side::Sell => &mut self.trailing_sells,
        }
    }

    pub(crate) const fn set_price(&mut self, price: Ticks) {
        self.price = Some(price);
    }

    /// Takes out a trailing order whose best reference the present one beats.
    pub(crate) fn next_beaten(&mut self) -> Option<Key> {
        let price = self.price?;
        if let Some(&key) = self.trailing_buys.last().filter(|key| key.0 > price) {
            self.trailing_buys.remove(&key);
            return Some(key);
        }
        let key = *self.trailing_sells.first().filter(|key| key.0 < price)?;
        self.trailing_sells.remove(&key);
        Some(key)
    }

    /// Takes out the order to wake next at the present price: rising ones from the lowest trigger up, then falling
    /// ones from the highest down (the order in which the price passed them), older ones first at the same price.
    pub(crate) fn next_due(&mut self) -> Option<Key> {
        let price = self.price?;
        if let Some(&key) = self.rising.first().filter(|key| key.0 <= price) {
            self.rising.remove(&key);
            return Some(key);
        }
        let highest = self.falling.last().filter(|key| key.0 >= price)?.0;
        let key = *self.falling.range((highest, OrderNo::new(0), Ix::FIRST)..).next()?;
        self.falling.remove(&key);
        Some(key)
    }
}

/// Is everything that sleeps in one market.
#[derive(Clone, Debug, Default)]
pub(crate) struct Triggers {
    last: Watch,
    index: Watch,
}

impl Triggers {
    pub(crate) const fn price(&self, reference: Reference) -> Option<Ticks> {
        match reference {
            Reference::Last => self.last.price,
            Reference::Index => self.index.price,
        }
    }

    pub(crate) const fn watch(&mut self, reference: Reference) -> &mut Watch {
        match reference {
            Reference::Last => &mut self.last,
            Reference::Index => &mut self.index,
        }
    }

    pub(crate) fn insert(&mut self, asleep: &Asleep) {
        let watch = self.watch(asleep.reference);
        watch.waiting(asleep.is_rising).insert(asleep.waiting);
        if let Some(key) = asleep.trailing {
            watch.trailing(asleep.side).insert(key);
        }
    }

    /// Takes an order out wherever it still is.
    pub(crate) fn remove(&mut self, asleep: &Asleep) {
        let watch = self.watch(asleep.reference);
        watch.waiting(asleep.is_rising).remove(&asleep.waiting);
        if let Some(key) = asleep.trailing {
            watch.trailing(asleep.side).remove(&key);
        }
    }
}
