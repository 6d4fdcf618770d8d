//! Worst cases: what the position of a pair can become when any part of what is open fills.
//!
//! With position P, open buys B and open sells S it ends anywhere in [P − S, P + B]. The worst case is the end
//! further from zero, valued at the mark: `max(|P + B|, |P − S|) × mark × multiplier × rate`.

use crate::denial::Denial;
use crate::facts::{Facts, Pair};
use crate::orders::SideSum;
use crate::portfolio::Worth;
use remora_domain::{
    AmountError, Asset, Bps, Instrument, InstrumentKey, Notional, OrderRequest, Position, Qty,
    RefusalReason, Side,
};

/// Is the range in which a position can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) lowest: Position,
    pub(crate) highest: Position,
}

impl Ends {
    pub(crate) fn of(
        position: Position,
        buys: SideSum,
        sells: SideSum,
    ) -> Result<Self, AmountError> {
        Ok(Self {
            lowest: position.checked_add(Position::of(Side::Sell, sells.qty))?,
            highest: position.checked_add(Position::of(Side::Buy, buys.qty))?,
        })
    }

    /// Gives the range once one more order may fill.
    pub(crate) fn with(self, side: Side, qty: Qty) -> Result<Self, AmountError> {
        let by = Position::of(side, qty);
        match side {
            Side::Buy => Ok(Self { highest: self.highest.checked_add(by)?, ..self }),
            Side::Sell => Ok(Self { lowest: self.lowest.checked_add(by)?, ..self }),
        }
    }

    /// Gives the size of the end that orders on `side` push outwards; zero while they can only reduce.
    pub(crate) fn outward(self, side: Side) -> Qty {
        let end = match side {
            Side::Buy => self.highest,
            Side::Sell => self.lowest,
        };
        if end.side() == Some(side) { end.abs() } else { Qty::ZERO }
    }

    pub(crate) fn worst(self) -> Qty {
        self.lowest.abs().max(self.highest.abs())
    }
}

impl Facts {
    /// Converts an amount of the quote currency to the reporting currency. A rate of zero is no rate: it would
    /// switch every limit off.
    pub(crate) fn convert(&self, quote: &Asset, amount: Notional) -> Result<Notional, Denial> {
        let unknown = || {
            let what = format!("no rate from {quote} to {}", self.config.reporting.currency);
            Denial::unknown(RefusalReason::ConversionUnknown, what)
        };
        let rate = self.config.reporting.rates.get(quote).filter(|rate| !rate.is_zero());
        Ok(amount.checked_convert(*rate.ok_or_else(unknown)?)?)
    }

    /// Gives the range of a pair; refuses while an execution of it could not be booked.
    pub(crate) fn ends(&self, key: &InstrumentKey, pair: &Pair) -> Result<Ends, Denial> {
        if !pair.unbooked.is_empty() {
            let what = format!("executions of {key} that could not be booked");
            return Err(Denial::unknown(RefusalReason::InstrumentUnknown, what));
        }
        let position = self.ledger.position(&self.config.account, key);
        let (buys, sells) = (pair.orders.sum(Side::Buy)?, pair.orders.sum(Side::Sell)?);
        Ok(Ends::of(position, buys, sells)?)
    }

    /// Values a quantity of a pair at its mark, in the reporting currency.
    pub(crate) fn value(
        &self,
        pair: &Pair,
        instrument: &Instrument,
        qty: Qty,
    ) -> Result<Notional, Denial> {
        if qty.is_zero() {
            return Ok(Notional::ZERO);
        }
        let unknown = || {
            let what = format!("no mid of {} was seen", instrument.key);
            Denial::unknown(RefusalReason::BookUnknown, what)
        };
        let mark = pair.mark.ok_or_else(unknown)?;
        self.convert(&instrument.quote, mark.price.checked_notional(qty, instrument.multiplier)?)
    }

    /// Sums what is reserved at a venue in one asset, the new order included: the cost with its fee of every open buy
    /// that is paid in it, and the quantity of every open sell that gives it away. One asset may be both: BTC is spent by
    /// a buy of ETH-BTC and by a sell of BTC-USD.
    pub(crate) fn reserved_with(
        &self,
        request: &OrderRequest,
        base: &Asset,
        quote: &Asset,
        fee: Bps,
    ) -> Result<Notional, Denial> {
        let asset = match request.side {
            Side::Buy => quote,
            Side::Sell => base,
        };
        let new = SideSum::default().with(request.price, request.qty)?;
        let mut sum = bound(request.side, new, fee)?;
        let venue = &request.instrument.venue;
        let is_open = |worth: &&Worth| worth.orders > 0;
        let at_venue = self.traded.iter().filter(|(key, _)| key.venue == *venue);
        let (mut bought, mut sold) = (SideSum::default(), SideSum::default());
        for (key, worth) in at_venue.filter(|(_, worth)| is_open(worth)) {
            let buys = worth.buys.as_ref().map_err(Clone::clone)?;
            let sells = worth.sells.as_ref().map_err(Clone::clone)?;
            let Some((of_base, of_quote)) = &worth.terms else {
                let what = format!("no definition of {key}, which holds orders");
                return Err(Denial::unknown(RefusalReason::BalanceUnknown, what));
            };
            if of_quote == asset {
                bought.cost = bought.cost.checked_add(buys.cost)?;
            }
            if of_base == asset {
                sold.qty = sold.qty.checked_add(sells.qty)?;
            }
        }
        sum = sum.checked_add(bound(Side::Buy, bought, fee)?)?;
        sum = sum.checked_add(bound(Side::Sell, sold, fee)?)?;
        Ok(sum)
    }
}

/// Gives what open orders of one side bind: quote with the fee for buys, base for sells.
fn bound(side: Side, sum: SideSum, fee: Bps) -> Result<Notional, AmountError> {
    match side {
        Side::Buy => sum.cost.checked_add(sum.cost.checked_bps(fee)?),
        Side::Sell => Ok(sum.qty.as_amount().as_notional()),
    }
}
