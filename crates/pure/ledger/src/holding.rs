//! One account's holding of one instrument, at average cost.

use remora_domain::{
    AccountId, Amount, AmountError, Asset, Bps, Fill, Instrument, InstrumentKey, Notional,
    Position, PositionSnapshot, Price, Qty, Side,
};
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeMap;

/// The fewest decimals a removed cost is rounded to.
const COST_DECIMALS_MIN: u32 = 12;

/// Is where a position could be closed at once, and what that costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Best bid: a long position sells here.
    pub bid: Price,
    /// Best ask: a short position buys here.
    pub ask: Price,
    /// Fee for taking.
    pub taker_bps: Bps,
}

/// Is what fills have made of one instrument. Money is in its quote currency.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holding {
    base: Asset,
    quote: Asset,
    multiplier: Qty,
    position: Position,
    cash: Notional,
    basis: Notional,
    fees: BTreeMap<Asset, Amount>,
    fees_quote: Notional,
    turnover: Notional,
    fills: u64,
}

impl Holding {
    /// Starts flat under the terms of the instrument.
    pub(crate) fn flat(instrument: &Instrument) -> Self {
        Self {
            base: instrument.base.clone(),
            quote: instrument.quote.clone(),
            multiplier: instrument.multiplier,
            position: Position::ZERO,
            cash: Notional::ZERO,
            basis: Notional::ZERO,
            fees: BTreeMap::new(),
            fees_quote: Notional::ZERO,
            turnover: Notional::ZERO,
            fills: 0,
        }
    }

    /// Tells whether the instrument still has the terms of this holding.
    pub(crate) fn has_terms_of(&self, instrument: &Instrument) -> bool {
        self.base == instrument.base
            && self.quote == instrument.quote
            && self.multiplier == instrument.multiplier
    }

    /// Gives the holding after an execution.
    pub(crate) fn after(&self, side: Side, fill: &Fill) -> Result<Self, AmountError> {
        let mut next = self.clone();
        let value = fill.value(self.multiplier)?;
        next.trade(side, fill.last_qty, fill.last_px, value)?;
        next.turnover = next.turnover.checked_add(value)?;
        next.charge(fill)?;
        next.fills = next.fills.saturating_add(1);
        Ok(next)
    }

    /// Gives the signed holding relative to the start, in base units; fees charged in base are taken off.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Gives quote currency received minus paid for base, fees apart.
    #[must_use]
    pub const fn cash(&self) -> Notional {
        self.cash
    }

    /// Gives what the open position cost: positive for a long one, negative (received) for a short one.
    #[must_use]
    pub const fn cost_basis(&self) -> Notional {
        self.basis
    }

    /// Gives the average cost of a base unit as a float, for display only; `None` when flat.
    #[must_use]
    pub fn average_cost_est(&self) -> Option<f64> {
        let units = self.position.to_est() * self.multiplier.to_est();
        (!self.position.is_zero()).then(|| self.basis.to_est() / units)
    }

    /// Gives the asset all money of this holding is in.
    #[must_use]
    pub const fn quote(&self) -> &Asset {
        &self.quote
    }

    /// Gives the fees charged in quote and base, in quote currency at the price of their fill; positive is a cost.
    #[must_use]
    pub const fn fees_quote(&self) -> Notional {
        self.fees_quote
    }

    /// Gives the fees as charged, by asset.
    #[must_use]
    pub const fn fees(&self) -> &BTreeMap<Asset, Amount> {
        &self.fees
    }

    /// Gives the fees in assets other than base and quote, which are not part of `fees_quote`.
    pub fn fees_other(&self) -> impl Iterator<Item = (&Asset, Amount)> {
        let is_other = |asset: &Asset| *asset != self.quote && *asset != self.base;
        self.fees.iter().filter(move |(a, _)| is_other(a)).map(|(a, amount)| (a, *amount))
    }

    /// Gives the value of all executions, whatever their side.
    #[must_use]
    pub const fn turnover(&self) -> Notional {
        self.turnover
    }

    /// Gives how many executions were booked.
    #[must_use]
    pub const fn fills(&self) -> u64 {
        self.fills
    }

    /// Computes realised P&L before fees: cash plus what is still in the position.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn realised(&self) -> Result<Notional, AmountError> {
        self.cash.checked_add(self.basis)
    }

    /// Computes the P&L of the open position at a mark (usually the mid), before fees.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn unrealised(&self, mark: Price) -> Result<Notional, AmountError> {
        self.value(mark)?.checked_sub(self.basis)
    }

    /// Computes the P&L of the open position if it were closed at the touch as taker, fee included.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn unrealised_at_touch(&self, touch: Touch) -> Result<Notional, AmountError> {
        let exit = match self.position.side() {
            None => return Ok(Notional::ZERO),
            Some(Side::Buy) => touch.bid,
            Some(Side::Sell) => touch.ask,
        };
        let fee = self.value(exit)?.abs().checked_bps(touch.taker_bps)?;
        self.unrealised(exit)?.checked_sub(fee)
    }

    /// Computes realised and unrealised P&L minus fees in quote and base; fees in other assets are apart.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn net(&self, mark: Price) -> Result<Notional, AmountError> {
        self.realised()?.checked_add(self.unrealised(mark)?)?.checked_sub(self.fees_quote)
    }

    /// Makes the message that tells this holding.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn snapshot(
        &self,
        account: AccountId,
        instrument: InstrumentKey,
    ) -> Result<PositionSnapshot, AmountError> {
        Ok(PositionSnapshot {
            account,
            instrument,
            position: self.position,
            realised_pnl: self.realised()?,
            fees: self.fees_quote,
        })
    }

    fn value(&self, mark: Price) -> Result<Notional, AmountError> {
        let size = mark.checked_notional(self.position.abs(), self.multiplier)?;
        Ok(signed(self.position.side(), size))
    }

    /// Moves quantity and money; closes first, then opens the rest at the price of the fill. What the venue rounded off
    /// the value is shared between both parts by their quantities.
    fn trade(
        &mut self,
        side: Side,
        qty: Qty,
        price: Price,
        value: Notional,
    ) -> Result<(), AmountError> {
        let paid = signed(Some(side), value);
        let open = self.position.abs();
        let is_closing = self.position.side() == Some(side.opposite());
        self.basis = if !is_closing {
            self.basis.checked_add(paid)?
        } else if qty < open {
            self.basis.checked_sub(share(self.basis, qty, open)?)?
        } else {
            let rest = qty.checked_sub(open)?;
            let exact = price.checked_notional(qty, self.multiplier)?;
            let rounded = share(value.checked_sub(exact)?, rest, qty)?;
            let opened = price.checked_notional(rest, self.multiplier)?.checked_add(rounded)?;
            // Rounding of the share must not turn its sign.
            signed(Some(side), opened.max(Notional::ZERO))
        };
        self.cash = self.cash.checked_sub(paid)?;
        self.position = self.position.checked_add(Position::of(side, qty))?;
        Ok(())
    }

    fn charge(&mut self, fill: &Fill) -> Result<(), AmountError> {
        let fee = &fill.fee;
        if fee.asset == self.quote {
            self.fees_quote = self.fees_quote.checked_add(fee.amount.as_notional())?;
        } else if fee.asset == self.base {
            let paid = Position::from_decimal(fee.amount.to_decimal())?;
            // A cost leaves the holding as if sold; a rebate enters it as if bought.
            if let Some(sign) = paid.side() {
                let value = fill.last_px.checked_notional(paid.abs(), self.multiplier)?;
                self.trade(sign.opposite(), paid.abs(), fill.last_px, value)?;
                self.fees_quote = self.fees_quote.checked_add(signed(Some(sign), value))?;
            }
        }
        let so_far = self.fees.get(&fee.asset).copied().unwrap_or(Amount::ZERO);
        self.fees.insert(fee.asset.clone(), so_far.checked_add(fee.amount)?);
        Ok(())
    }
}

/// Gives an amount the sign of a side: bought or long is positive.
fn signed(side: Option<Side>, size: Notional) -> Notional {
    match side {
        Some(Side::Sell) => size.negated(),
        Some(Side::Buy) | None => size,
    }
}

/// Computes `basis × part / whole` for `part < whole` by the rounding rule of the crate.
fn share(basis: Notional, part: Qty, whole: Qty) -> Result<Notional, AmountError> {
    let range = || AmountError::Range { what: "removed cost" };
    let basis = basis.to_decimal();
    let ratio = part.to_decimal().checked_div(whole.to_decimal()).ok_or_else(range)?;
    let removed = basis.checked_mul(ratio).ok_or_else(range)?;
    let decimals = basis.scale().max(COST_DECIMALS_MIN);
    // Never more than the basis, which has no more decimals than it is rounded to.
    let removed = removed.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
    Notional::from_decimal(if removed.is_zero() { Decimal::ZERO } else { removed })
}
