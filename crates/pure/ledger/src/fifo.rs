//! First in, first out: which of what was opened first is closed first, and what each closing earned. Tax wants this one.
//!
//! In: executions of one instrument in their order. Out: what each realised; the lots that are open, oldest first. An execution that closes more
//! than is open closes all and opens the rest at its price.
//! Invariants, all exact: realised = (price of closing − price of opening) × quantity × multiplier, of a short lot the other way round; when flat, the sum
//! of what was realised is cash, as with average cost; the open lots are the position. Fees are apart, as everywhere in the ledger.
//! Must never happen: rounding (prices and quantities are only multiplied and added), a lot of nothing.
//! Worked number: bought 2 at 100 and 1 at 102, sold 2.5 at 105: realised 11.5; left 0.5 at 102.

use remora_domain::{AmountError, Notional, Price, Qty, Side};
use std::collections::VecDeque;

/// Is what one execution opened and nobody has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// What was paid or received for a base unit.
    pub price: Price,
    /// What is left of it; above zero.
    pub qty: Qty,
}

/// Holds the open lots of one instrument. Memory grows with the executions of one direction since the last time it was flat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FifoLots {
    multiplier: Qty,
    /// Of the open lots.
    side: Side,
    lots: VecDeque<Lot>,
    realised: Notional,
}

impl FifoLots {
    /// Starts flat. `multiplier` is base units per contract, 1 for spot.
    #[must_use]
    pub const fn new(multiplier: Qty) -> Self {
        Self { multiplier, side: Side::Buy, lots: VecDeque::new(), realised: Notional::ZERO }
    }

    /// Gives the direction of what is open; none when flat.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        (!self.lots.is_empty()).then_some(self.side)
    }

    /// Gives the open lots, oldest first.
    pub fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.lots.iter()
    }

    /// Gives the sum of what was realised, before fees.
    #[must_use]
    pub const fn realised(&self) -> Notional {
        self.realised
    }

    /// Books an execution; gives what it realised.
    ///
    /// # Errors
    /// Refuses amounts outside the exact range; then nothing is changed.
    pub fn book(&mut self, side: Side, price: Price, qty: Qty) -> Result<Notional, AmountError> {
        let mut next = self.clone();
        let earned = next.trade(side, price, qty)?;
        next.realised = next.realised.checked_add(earned)?;
        *self = next;
        Ok(earned)
    }

    fn trade(&mut self, side: Side, price: Price, qty: Qty) -> Result<Notional, AmountError> {
        let (mut left, mut earned) = (qty, Notional::ZERO);
        while self.side != side
            && !left.is_zero()
            && let Some(oldest) = self.lots.front_mut()
        {
            let closed = left.min(oldest.qty);
            let opened_at = oldest.price.checked_notional(closed, self.multiplier)?;
            let closed_at = price.checked_notional(closed, self.multiplier)?;
            earned = earned.checked_add(match side {
                Side::Sell => closed_at.checked_sub(opened_at)?,
                Side::Buy => opened_at.checked_sub(closed_at)?,
            })?;
            left = left.checked_sub(closed)?;
            oldest.qty = oldest.qty.checked_sub(closed)?;
            if oldest.qty.is_zero() {
                self.lots.pop_front();
            }
        }
        if !left.is_zero() {
            self.side = side;
            self.lots.push_back(Lot { price, qty: left });
        }
        Ok(earned)
    }
}
