//! What an account has at a venue: the last balances told, moved on by the fills that they do not yet hold.

use crate::seen::Stamp;
use remora_domain::{Amount, AmountError, Asset, Balances, Fill, Instrument, Qty, Side};
use std::collections::BTreeMap;

/// Is what one fill did to one asset, and where it stands in the log.
pub(crate) type Moved = (Stamp, Asset, Amount);

/// Holds the balances of one venue. The venue's own `held` is not used: own orders are reserved here from their
/// approval on, which is earlier; orders of others bind funds only when the venue refuses.
#[derive(Debug, Default, Clone)]
pub(crate) struct Funds {
    told: Option<(Stamp, BTreeMap<Asset, Amount>)>,
    since: Vec<Moved>,
    moved: BTreeMap<Asset, Amount>,
}

impl Funds {
    /// Takes balances that replace those delivered before. Fills up to them are part of them.
    ///
    /// # Errors
    /// Refuses amounts outside the exact range.
    pub(crate) fn set(&mut self, stamp: Stamp, balances: &Balances) -> Result<(), AmountError> {
        if self.told.as_ref().is_some_and(|(before, _)| !stamp.replaces(before)) {
            return Ok(());
        }
        self.since.retain(|(at, _, _)| at.is_after(&stamp));
        let totals = balances.entries.iter().map(|b| (b.asset.clone(), b.total)).collect();
        self.told = Some((stamp, totals));
        self.moved.clear();
        self.since.iter().try_for_each(|(_, asset, by)| shift(&mut self.moved, asset, *by))
    }

    /// Moves the balances by a fill, unless the balances told are later than it.
    ///
    /// # Errors
    /// Refuses amounts outside the exact range.
    pub(crate) fn fill(
        &mut self,
        stamp: &Stamp,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
    ) -> Result<(), AmountError> {
        if self.told.as_ref().is_some_and(|(told, _)| !stamp.is_after(told)) {
            return Ok(());
        }
        let one = Qty::from_decimal(1.into())?;
        let base = fill.last_qty.as_amount();
        let quote = fill.value(one)?.as_amount();
        let (base, quote) = match side {
            Side::Buy => (base, quote.negated()),
            Side::Sell => (base.negated(), quote),
        };
        let fee = (fill.fee.asset.clone(), fill.fee.amount.negated());
        for (asset, amount) in
            [(instrument.base.clone(), base), (instrument.quote.clone(), quote), fee]
        {
            shift(&mut self.moved, &asset, amount)?;
            self.since.push((stamp.clone(), asset, amount));
        }
        Ok(())
    }

    /// Gives what fills have moved that the balances told do not hold.
    pub(crate) fn moved_since(&self) -> &[Moved] {
        &self.since
    }

    /// Goes on where a snapshot ended; balances that were told after it are known already.
    ///
    /// # Errors
    /// Refuses amounts outside the exact range.
    pub(crate) fn restore(&mut self, since: Vec<Moved>) -> Result<(), AmountError> {
        self.since = since;
        if let Some((told, _)) = &self.told {
            self.since.retain(|(at, _, _)| at.is_after(told));
        }
        self.moved.clear();
        self.since.iter().try_for_each(|(_, asset, by)| shift(&mut self.moved, asset, *by))
    }

    /// Gives what the account has of an asset; `None` when no balances were told. A complete list that does not
    /// name an asset says there is none of it.
    ///
    /// # Errors
    /// Refuses amounts outside the exact range.
    pub(crate) fn total(&self, asset: &Asset) -> Result<Option<Amount>, AmountError> {
        let Some((_, totals)) = &self.told else { return Ok(None) };
        let told = totals.get(asset).copied().unwrap_or(Amount::ZERO);
        told.checked_add(self.moved.get(asset).copied().unwrap_or(Amount::ZERO)).map(Some)
    }
}

fn shift(
    moved: &mut BTreeMap<Asset, Amount>,
    asset: &Asset,
    by: Amount,
) -> Result<(), AmountError> {
    let sum = moved.entry(asset.clone()).or_default();
    *sum = sum.checked_add(by)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::Body;
    use remora_testkit::{Producer, amount, asset, at_ms, balances, fill, instrument, notional};

    #[test]
    fn a_fill_moves_the_balances_until_balances_that_follow_it_are_told() {
        let mut router = Producer::new("router-0", 1);
        let mut stamp = || Stamp::of(&router.wrap(at_ms(0), Body::Balances(balances(&[]))).header);
        let (first, traded, later) = (stamp(), stamp(), stamp());
        let btc = instrument("BTC", "USD");
        let bought = fill("x-1", "100", "2", "0.5");

        let mut funds = Funds::default();
        funds.fill(&traded, &btc, Side::Buy, &bought).unwrap();
        assert_eq!(funds.total(&asset("USD")).unwrap(), None);
        funds.set(first, &balances(&[("USD", "1000")])).unwrap();
        assert_eq!(funds.total(&asset("USD")).unwrap(), Some(amount("799.5")));
        assert_eq!(funds.total(&asset("BTC")).unwrap(), Some(amount("2")));
        funds.set(later, &balances(&[("BTC", "2"), ("USD", "799.5")])).unwrap();
        assert_eq!(funds.total(&asset("USD")).unwrap(), Some(amount("799.5")));
        funds.fill(&traded, &btc, Side::Buy, &bought).unwrap();
        assert_eq!(funds.total(&asset("BTC")).unwrap(), Some(amount("2")));
        assert!(funds.since.is_empty());
    }

    #[test]
    fn the_venues_own_cost_moves_the_quote() {
        let mut router = Producer::new("router-0", 1);
        let mut stamp = || Stamp::of(&router.wrap(at_ms(0), Body::Balances(balances(&[]))).header);
        let (told, traded) = (stamp(), stamp());
        let sold = Fill { cost: Some(notional("200.3")), ..fill("x-1", "100.123", "2", "0.5") };
        let mut funds = Funds::default();
        funds.set(told, &balances(&[("BTC", "3"), ("USD", "1000")])).unwrap();
        funds.fill(&traded, &instrument("BTC", "USD"), Side::Sell, &sold).unwrap();
        assert_eq!(funds.total(&asset("USD")).unwrap(), Some(amount("1199.8")));
    }
}
