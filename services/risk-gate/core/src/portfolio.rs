//! What each traded pair can come to be worth, kept ready, and the sums over all of them that limits are about.
//!
//! A pair's worth changes with its orders, its position, its mark and its definition; whoever changes one of them calls
//! `Facts::revalue`. So a decision adds up one number a pair, whatever happened before.

use crate::config::AssetGroup;
use crate::denial::Denial;
use crate::exposure::Ends;
use crate::facts::{Facts, Pair};
use crate::orders::SideSum;
use remora_domain::{
    AmountError, Asset, DurationNs, Instrument, InstrumentKey, Notional, Position, RefusalReason,
    Side, Timestamp,
};

/// Is what one pair can come to be worth, in the reporting currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    /// Values of the ends of its range, or why they are not known.
    pub(crate) value: Result<Value, Denial>,
    pub(crate) terms: Option<(Asset, Asset)>,
    pub(crate) mark_at: Option<Timestamp>,
    pub(crate) buys: Result<SideSum, AmountError>,
    pub(crate) sells: Result<SideSum, AmountError>,
    pub(crate) orders: usize,
}

/// Is the value of a range of positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) lowest: Notional,
    pub(crate) highest: Notional,
}

impl Value {
    pub(crate) fn worst(self) -> Notional {
        self.lowest.abs().max(self.highest.abs())
    }
}

impl Default for Worth {
    fn default() -> Self {
        Self {
            value: Ok(Value::default()),
            terms: None,
            mark_at: None,
            buys: Ok(SideSum::default()),
            sells: Ok(SideSum::default()),
            orders: 0,
        }
    }
}

/// Is what all pairs can come to be worth together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) gross: Notional,
    pub(crate) net: Value,
    pub(crate) venue: Notional,
    pub(crate) asset: Notional,
    /// By the place of the group in the configuration.
    pub(crate) groups: Vec<Notional>,
}

impl Sums {
    fn add(
        &mut self,
        facts: &Facts,
        of: &Own<'_>,
        key: &InstrumentKey,
        base: Option<&Asset>,
        value: Value,
    ) -> Result<(), Denial> {
        let worst = value.worst();
        self.gross = self.gross.checked_add(worst)?;
        self.net.lowest = self.net.lowest.checked_add(value.lowest)?;
        self.net.highest = self.net.highest.checked_add(value.highest)?;
        if of.key.is_some_and(|own| own.venue == key.venue) {
            self.venue = self.venue.checked_add(worst)?;
        }
        if of.base.is_some() && of.base == base {
            self.asset = self.asset.checked_add(worst)?;
        }
        for (sum, group) in self.groups.iter_mut().zip(&facts.config.groups) {
            if is_in(group, base) {
                *sum = sum.checked_add(worst)?;
            }
        }
        Ok(())
    }
}

/// Tells whether an asset belongs to a group. One that is not known might.
pub(crate) fn is_in(group: &AssetGroup, base: Option<&Asset>) -> bool {
    base.is_none_or(|base| group.assets.contains(base))
}

/// Is the pair that sums are made for.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) key: Option<&'a InstrumentKey>,
    pub(crate) base: Option<&'a Asset>,
    /// What it would be worth; what it is worth where nothing is given.
    pub(crate) value: Option<Value>,
}

impl Facts {
    /// Values a traded pair anew; to be called when anything of it changed.
    pub(crate) fn revalue(&mut self, key: &InstrumentKey) {
        if !self.traded.contains_key(key) {
            return;
        }
        let Some(pair) = self.pairs.get(key) else { return };
        let worth = self.worth(key, pair);
        self.traded.insert(key.clone(), worth);
    }

    pub(crate) fn worth(&self, key: &InstrumentKey, pair: &Pair) -> Worth {
        let instrument = pair.instrument.as_ref().map(|(_, instrument)| instrument);
        Worth {
            value: self.value_of(key, pair),
            terms: instrument.map(|i| (i.base.clone(), i.quote.clone())),
            mark_at: pair.mark.map(|mark| mark.known_at),
            buys: pair.orders.sum(Side::Buy),
            sells: pair.orders.sum(Side::Sell),
            orders: pair.orders.len(),
        }
    }

    fn value_of(&self, key: &InstrumentKey, pair: &Pair) -> Result<Value, Denial> {
        let ends = self.ends(key, pair)?;
        if ends.worst().is_zero() {
            return Ok(Value::default());
        }
        let unknown = || {
            let what = format!("no definition of {key}, which holds a position or orders");
            Denial::unknown(RefusalReason::InstrumentUnknown, what)
        };
        let (_, instrument) = pair.instrument.as_ref().ok_or_else(unknown)?;
        self.value_ends(pair, instrument, ends)
    }

    /// Values both ends of a range at the pair's mark.
    pub(crate) fn value_ends(
        &self,
        pair: &Pair,
        instrument: &Instrument,
        ends: Ends,
    ) -> Result<Value, Denial> {
        let signed = |position: Position| -> Result<Notional, Denial> {
            let value = self.value(pair, instrument, position.abs())?;
            Ok(if position.side() == Some(Side::Sell) { value.negated() } else { value })
        };
        Ok(Value { lowest: signed(ends.lowest)?, highest: signed(ends.highest)? })
    }

    /// Adds up what all pairs can come to be worth; refuses while one that counts cannot be valued, or only at a mark that
    /// is too old. The pair the sums are made for is not held to the age of its mark: its book is checked by itself.
    pub(crate) fn sums(&self, now: Timestamp, own: &Own<'_>) -> Result<Sums, Denial> {
        let groups = vec![Notional::ZERO; self.config.groups.len()];
        let mut sums = Sums { groups, ..Sums::default() };
        for (key, worth) in &self.traded {
            if own.key == Some(key) && own.value.is_some() {
                continue;
            }
            let value = *worth.value.as_ref().map_err(Clone::clone)?;
            if value.worst().is_zero() {
                continue;
            }
            if own.key != Some(key) {
                self.check_mark_age(now, key, worth)?;
            }
            let base = worth.terms.as_ref().map(|(base, _)| base);
            sums.add(self, own, key, base, value)?;
        }
        if let (Some(key), Some(value)) = (own.key, own.value) {
            sums.add(self, own, key, own.base, value)?;
        }
        Ok(sums)
    }

    fn check_mark_age(
        &self,
        now: Timestamp,
        key: &InstrumentKey,
        worth: &Worth,
    ) -> Result<(), Denial> {
        let (age, age_max) = (worth.mark_at.map(|at| now.since(at)), self.config.mark_age_max);
        if age.is_none_or(|age| age <= age_max) {
            return Ok(()); // without any mark nothing could be valued in the first place
        }
        let limit = format!("marks up to {} ms old", age_max.as_ms());
        let value = format!("{key}: {} ms", age.map_or(0, DurationNs::as_ms));
        Err(Denial::new(RefusalReason::BookStale, limit, value))
    }
}
