//! Worst cases: what the position of a pair can become when any part of what is open fills.
//!
//! With position P, open buys B and open sells S it ends anywhere in [P − S, P + B]. The worst case is the end
//! further from zero, valued at the mark: `max(|P + B|, |P − S|) × mark × multiplier × rate`.

use crate::facts::{Facts, Pair};
use crate::orders::SideSum;
use crate::refused::Refused;
use remora_domain::{
    AmountError, Asset, Instrument, InstrumentKey, Notional, OrderRequest, Position, Qty,
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
    pub(crate) fn convert(&self, quote: &Asset, amount: Notional) -> Result<Notional, Refused> {
        let unknown = || {
            let what = format!("no rate from {quote} to {}", self.config.reporting.currency);
            Refused::unknown(RefusalReason::ConversionUnknown, what)
        };
        let rate = self.config.reporting.rates.get(quote).filter(|rate| !rate.is_zero());
        Ok(amount.checked_convert(*rate.ok_or_else(unknown)?)?)
    }

    /// Gives the range of a pair; refuses while an execution of it could not be booked.
    pub(crate) fn ends(&self, key: &InstrumentKey, pair: &Pair) -> Result<Ends, Refused> {
        if !pair.unbooked.is_empty() {
            let what = format!("executions of {key} that could not be booked");
            return Err(Refused::unknown(RefusalReason::InstrumentUnknown, what));
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
    ) -> Result<Notional, Refused> {
        if qty.is_zero() {
            return Ok(Notional::ZERO);
        }
        let unknown = || {
            let what = format!("no mid of {} was seen", instrument.key);
            Refused::unknown(RefusalReason::BookUnknown, what)
        };
        let mark = pair.mark.ok_or_else(unknown)?;
        self.convert(&instrument.quote, mark.checked_notional(qty, instrument.multiplier)?)
    }

    /// Values the worst case of a pair as it stands.
    pub(crate) fn worst(&self, key: &InstrumentKey, pair: &Pair) -> Result<Notional, Refused> {
        let worst = self.ends(key, pair)?.worst();
        if worst.is_zero() {
            return Ok(Notional::ZERO);
        }
        let unknown = || {
            let what = format!("no definition of {key}, which holds a position or orders");
            Refused::unknown(RefusalReason::InstrumentUnknown, what)
        };
        let (_, instrument) = pair.instrument.as_ref().ok_or_else(unknown)?;
        self.value(pair, instrument, worst)
    }

    /// Sums the worst cases of all pairs but one.
    pub(crate) fn worst_of_others(&self, but: &InstrumentKey) -> Result<Notional, Refused> {
        let others = self.traded_pairs().filter(|(key, _)| *key != but);
        others
            .map(|(key, pair)| self.worst(key, pair))
            .try_fold(Notional::ZERO, |sum, worst| Ok::<_, Refused>(sum.checked_add(worst?)?))
    }

    /// Sums what is reserved at a venue in one asset: for a buy the cost of open buys, for a sell the quantity of
    /// open sells, the new order included.
    pub(crate) fn reserved_with(
        &self,
        request: &OrderRequest,
        asset: &Asset,
    ) -> Result<Notional, Refused> {
        let mut sum = amount_of(request.side, SideSum::default().with(request.price, request.qty)?);
        let venue = &request.instrument.venue;
        for (key, pair) in self.traded_pairs().filter(|(key, _)| key.venue == *venue) {
            let open = amount_of(request.side, pair.orders.sum(request.side)?);
            if open.is_zero() {
                continue;
            }
            let Some((_, instrument)) = &pair.instrument else {
                let what = format!("no definition of {key}, which holds orders");
                return Err(Refused::unknown(RefusalReason::BalanceUnknown, what));
            };
            let paid_in = match request.side {
                Side::Buy => &instrument.quote,
                Side::Sell => &instrument.base,
            };
            if paid_in == asset {
                sum = sum.checked_add(open)?;
            }
        }
        Ok(sum)
    }
}

fn amount_of(side: Side, sum: SideSum) -> Notional {
    match side {
        Side::Buy => sum.cost,
        Side::Sell => sum.qty.as_amount().as_notional(),
    }
}
