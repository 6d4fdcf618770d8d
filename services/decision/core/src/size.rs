//! Order sizes: the wanted value, the venue's minimum, the room under the inventory limit, the funds. Estimates
//! propose, exact amounts decide.

use crate::core::DecisionCore;
use crate::facts::Stamp;
use crate::orders::{Order, Stage, is_after};
use remora_domain::{
    Amount, AmountError, Asset, Balances, Bps, DecisionReason, Instrument, InstrumentKey, Notional,
    Price, Qty, Rounding, Side, VenueId,
};
use std::collections::BTreeMap;

/// Keeps an estimate from being rounded beyond a limit it only touches.
const INSIDE: f64 = 1.0 - 1e-12;

/// Is what bounds an order of one side.
pub(crate) struct SizeLimits<'a> {
    pub(crate) instrument: &'a Instrument,
    pub(crate) side: Side,
    pub(crate) price: Price,
    /// Wanted quantity, base.
    pub(crate) wanted_est: f64,
    /// Largest quantity where the venue's minimum is above the wanted one, base.
    pub(crate) most_est: f64,
    /// Room under the inventory limit, base.
    pub(crate) room_est: f64,
    /// Free quote for a bid, free base for an ask.
    pub(crate) free: Amount,
    pub(crate) maker_bps: Bps,
}

/// Gives the smallest quantity the venue takes at a price, on the lot.
///
/// # Errors
/// Refuses an instrument whose minimum value is not known, and numbers out of range.
pub(crate) fn qty_min(instrument: &Instrument, price: Price) -> Result<Qty, DecisionReason> {
    let out_of_range = |_| DecisionReason::OutOfRange;
    let cost_min = instrument.cost_min.ok_or(DecisionReason::CostMinUnknown)?;
    let up = |est: f64| instrument.quantise_qty(est, Rounding::Up).map_err(out_of_range);
    let mut least = instrument.lot.max(instrument.qty_min);
    if !instrument.is_on_lot(least) {
        least = up(least.to_est())?;
    }
    if cost_min > Notional::ZERO {
        let value_per_base = price.to_est() * instrument.multiplier.to_est();
        least = least.max(up(cost_min.to_est() / value_per_base)?);
    }
    // The division was of floats; one lot more covers what it may have lost.
    let value = price
        .checked_notional(least, instrument.multiplier)
        .map_err(|_| DecisionReason::OutOfRange)?;
    let is_enough = value >= cost_min;
    let more = least.checked_add(instrument.lot).map_err(|_| DecisionReason::OutOfRange)?;
    Ok(if is_enough { least } else { more })
}

impl SizeLimits<'_> {
    /// Gives the quantity; `None` where room or funds do not reach the venue's minimum.
    ///
    /// # Errors
    /// Refuses a minimum above what may be risked, and numbers out of range.
    pub(crate) fn qty(&self) -> Result<Option<Qty>, DecisionReason> {
        let least = qty_min(self.instrument, self.price)?;
        if least.to_est() > self.most_est {
            return Err(DecisionReason::SizeBelowMin);
        }
        let cap_est = self.wanted_est.max(least.to_est()).min(self.room_est).min(self.funds_est());
        if cap_est.is_nan() || cap_est < least.to_est() * INSIDE {
            return Ok(None);
        }
        let qty = self
            .instrument
            .quantise_qty(cap_est * INSIDE, Rounding::Down)
            .map_err(|_| DecisionReason::OutOfRange)?
            .max(least);
        let fewer = qty.checked_sub(self.instrument.lot).ok().filter(|fewer| *fewer >= least);
        let affordable = |qty: &Qty| self.is_covered(*qty).unwrap_or(false);
        Ok(Some(qty).filter(affordable).or(fewer.filter(affordable)))
    }

    fn funds_est(&self) -> f64 {
        let free = self.free.to_est();
        match self.side {
            Side::Sell => free,
            Side::Buy => {
                let fee = self.maker_bps.to_est().max(0.0) * 1e-4;
                free / (self.price.to_est() * (1.0 + fee))
            }
        }
    }

    fn is_covered(&self, qty: Qty) -> Result<bool, AmountError> {
        Ok(cost(self.instrument, self.side, self.price, qty, self.maker_bps)? <= self.free)
    }
}

/// Gives what an order binds: quote with the fee for a bid, base for an ask.
fn cost(
    instrument: &Instrument,
    side: Side,
    price: Price,
    qty: Qty,
    maker_bps: Bps,
) -> Result<Amount, AmountError> {
    match side {
        Side::Sell => Ok(qty.as_amount()),
        Side::Buy => {
            let value = price.checked_notional(qty, instrument.multiplier)?;
            let fee = value.checked_bps(maker_bps.max(Bps::ZERO))?;
            Ok(value.checked_add(fee)?.as_amount())
        }
    }
}

impl DecisionCore {
    /// Gives what of `asset` a new order of one side of `pair` may use: the balance, less what fills took since it
    /// was told, less what open orders bind, but for those of the same side of the pair (it would replace them).
    /// The venue's own count of bound funds is used for what it holds beyond our orders of that moment: orders of others.
    ///
    /// # Errors
    /// Says that balances are missing, or out of range.
    pub(crate) fn free(
        &self,
        pair: &InstrumentKey,
        side: Side,
        asset: &Asset,
        maker_bps: Bps,
    ) -> Result<Amount, DecisionReason> {
        let entries = self.facts.balances(&pair.venue).ok_or(DecisionReason::NoBalance)?;
        // A complete list that does not name an asset says there is none of it.
        let entry = entries.iter().find(|entry| entry.asset == *asset);
        let (total, held) = entry.map_or((Amount::ZERO, Amount::ZERO), |e| (e.total, e.held));
        let is_replaced = |key: &InstrumentKey, order: &Order| key == pair && order.side == side;
        let left = || -> Result<Amount, AmountError> {
            let own = |counts: &dyn Fn(&InstrumentKey, &Order) -> bool| {
                self.bound(&pair.venue, asset, maker_bps, counts)
            };
            let foreign = held.checked_sub(self.facts.own_bound(&pair.venue, asset))?;
            total
                .checked_sub(foreign.max(Amount::ZERO))?
                .checked_sub(own(&|key, order| !is_replaced(key, order))?)?
                .checked_sub(self.spent(pair, asset)?)
        };
        Ok(left().map_err(|_| DecisionReason::OutOfRange)?.max(Amount::ZERO))
    }

    /// Gives what our orders that the router has spoken of bind now, for each asset that the venue says is held.
    pub(crate) fn own_bound_now(&self, told: &Balances) -> BTreeMap<Asset, Amount> {
        let maker_bps = self.facts.fees(&told.venue).map_or(Bps::ZERO, |fees| fees.maker_bps);
        let is_known = |key: &InstrumentKey, order: &Order| match order.stage {
            // The venue holds for one of two while one is to take the other's place.
            Stage::Known | Stage::Working => {
                order.orig.as_ref().is_none_or(|orig| self.orders.get(key, orig).is_none())
            }
            Stage::Requested | Stage::Approved => false,
        };
        let held = told.entries.iter().filter(|entry| entry.held > Amount::ZERO);
        // Where it cannot be told, nothing counts as ours and all of it as bound by others.
        held.filter_map(|entry| {
            let bound = self.bound(&told.venue, &entry.asset, maker_bps, &is_known).ok()?;
            Some((entry.asset.clone(), bound))
        })
        .collect()
    }

    /// Gives what open orders of a venue bind of an asset, of those that count.
    fn bound(
        &self,
        venue: &VenueId,
        asset: &Asset,
        maker_bps: Bps,
        counts: &dyn Fn(&InstrumentKey, &Order) -> bool,
    ) -> Result<Amount, AmountError> {
        let mut all = Amount::ZERO;
        let of_venue = self.orders.all().filter(|(key, _)| key.venue == *venue);
        for (key, order) in of_venue.filter(|(key, order)| counts(key, order)) {
            let Some(instrument) = self.instrument(key) else { continue };
            let bound_asset = match order.side {
                Side::Buy => &instrument.quote,
                Side::Sell => &instrument.base,
            };
            if bound_asset == asset {
                let cost = cost(instrument, order.side, order.price, order.leaves(), maker_bps)?;
                all = all.checked_add(cost)?;
            }
        }
        Ok(all)
    }

    /// Gives what fills took of an asset after the balances were told. What they brought waits for new balances.
    fn spent(&self, pair: &InstrumentKey, asset: &Asset) -> Result<Amount, AmountError> {
        let told: Option<Stamp> = self.facts.balances_stamp(&pair.venue);
        let mut spent = Amount::ZERO;
        for recent in self.orders.recent_fills().iter().filter(|r| r.instrument.venue == pair.venue)
        {
            if told.is_some_and(|told| !is_after(recent.at, told)) {
                continue;
            }
            let Some(instrument) = self.instrument(&recent.instrument) else { continue };
            let (fill, multiplier) = (&recent.fill, instrument.multiplier);
            let taken = match recent.side {
                Side::Buy if instrument.quote == *asset => fill.value(multiplier)?.as_amount(),
                Side::Sell if instrument.base == *asset => fill.last_qty.as_amount(),
                Side::Buy | Side::Sell => Amount::ZERO,
            };
            let fee = fill.fee_in(asset).unwrap_or(Amount::ZERO).max(Amount::ZERO);
            spent = spent.checked_add(taken)?.checked_add(fee)?;
        }
        Ok(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{amount, bps, instrument, notional, px, qty};

    fn check(side: Side, wanted_est: f64, room_est: f64, free: &str, expected: Option<&str>) {
        let instrument = instrument("BTC", "USD");
        let limits = SizeLimits {
            instrument: &instrument,
            side,
            price: px("100"),
            wanted_est,
            most_est: 10.0,
            room_est,
            free: amount(free),
            maker_bps: bps("10"),
        };
        assert_eq!(limits.qty(), Ok(expected.map(qty)));
    }

    #[test]
    fn the_size_is_the_wanted_one_cut_to_the_lot() {
        check(Side::Buy, 0.500_09, 5.0, "1000", Some("0.5000"));
        check(Side::Sell, 0.500_09, 5.0, "10", Some("0.5000"));
    }

    #[test]
    fn room_and_funds_cut_the_size() {
        check(Side::Buy, 1.0, 0.25, "1000", Some("0.2499"));
        check(Side::Buy, 1.0, 5.0, "50.05", Some("0.4999"));
        check(Side::Buy, 1.0, 5.0, "100.1", Some("0.9999"));
        check(Side::Sell, 1.0, 5.0, "0.3", Some("0.2999"));
    }

    #[test]
    fn a_size_below_the_minimum_is_raised_or_not_quoted() {
        check(Side::Buy, 0.0001, 5.0, "1000", Some("0.0050"));
        check(Side::Buy, 1.0, 0.004, "1000", None);
        check(Side::Sell, 1.0, 5.0, "0", None);
    }

    #[test]
    fn an_unknown_minimum_value_is_not_guessed() {
        let unknown = Instrument { cost_min: None, ..instrument("BTC", "USD") };
        assert_eq!(qty_min(&unknown, px("100")), Err(DecisionReason::CostMinUnknown));
        let dear = Instrument { cost_min: Some(notional("7")), ..instrument("BTC", "USD") };
        assert_eq!(qty_min(&dear, px("3")), Ok(qty("2.3334")));
    }
}
