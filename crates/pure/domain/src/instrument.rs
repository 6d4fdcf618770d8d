//! Instruments: what may be traded, in which steps, with which bounds.

use crate::{
    AmountError, Asset, InstrumentKey, Lots, Notional, Price, Qty, Side, Ticks, Timestamp,
};
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

/// Says how a value is brought to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the next lower step.
    Down,
    /// To the next higher step.
    Up,
    /// To the nearest step, halves away from zero.
    Nearest,
    /// Away from the opposite side: bids down, asks up.
    AwayFromTouch(Side),
}

/// Says how a contract turns price and quantity into money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractKind {
    /// Immediate exchange of base for quote.
    Spot,
    /// Perpetual future, linear in the quote currency.
    LinearPerpetual,
    /// Perpetual future settled in base currency.
    InversePerpetual,
    /// Dated future, linear in the quote currency.
    LinearFuture,
    /// Dated future settled in base currency.
    InverseFuture,
}

/// Says what the venue allows on an instrument now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentStatus {
    /// Everything.
    Online,
    /// Cancels only.
    CancelOnly,
    /// Orders that add liquidity only.
    PostOnly,
    /// Limit orders only.
    LimitOnly,
    /// Orders that reduce a position only.
    ReduceOnly,
    /// Nothing: maintenance, delisted, in preparation, or a word we do not know.
    Closed,
}

impl InstrumentStatus {
    /// Gives the word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::CancelOnly => "cancel_only",
            Self::PostOnly => "post_only",
            Self::LimitOnly => "limit_only",
            Self::ReduceOnly => "reduce_only",
            Self::Closed => "closed",
        }
    }

    /// Tells whether resting orders on both sides are taken, which is what quoting needs.
    #[must_use]
    pub const fn is_quotable(self) -> bool {
        match self {
            Self::Online | Self::PostOnly | Self::LimitOnly => true,
            Self::CancelOnly | Self::ReduceOnly | Self::Closed => false,
        }
    }
}

/// Says why a value could not be brought to the steps of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantiseError {
    /// An estimate was not a usable number.
    #[error("quantise {est_text} on {key}: not a finite number above zero")]
    NotFinite {
        /// Of which instrument.
        key: InstrumentKey,
        /// The estimate, as text.
        est_text: String,
    },
    /// A price is finer than the book of the instrument.
    #[error("price {price} of {key} has more than {decimals} decimals")]
    PriceDecimals {
        /// Of which instrument.
        key: InstrumentKey,
        /// The price.
        price: Price,
        /// What the instrument allows.
        decimals: u32,
    },
    /// A quantity is finer than the book of the instrument.
    #[error("quantity {qty} of {key} has more than {decimals} decimals")]
    QtyDecimals {
        /// Of which instrument.
        key: InstrumentKey,
        /// The quantity.
        qty: Qty,
        /// What the instrument allows.
        decimals: u32,
    },
    /// The value leaves the range of the type.
    #[error("quantise on {key}: value out of range")]
    Range {
        /// Of which instrument.
        key: InstrumentKey,
    },
    /// The amount itself is unusable.
    #[error("quantise on {key}")]
    Amount {
        /// Of which instrument.
        key: InstrumentKey,
        /// Why.
        #[source]
        cause: AmountError,
    },
}

/// Is a tradable contract on one venue with its specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Venue and canonical name.
    pub key: InstrumentKey,
    /// The venue's own string, such as `BTC/USD`.
    pub symbol: String,
    /// What is bought or sold.
    pub base: Asset,
    /// What it is paid with.
    pub quote: Asset,
    /// How price and quantity become money.
    pub kind: ContractKind,
    /// What the venue allows now.
    pub status: InstrumentStatus,
    /// Smallest price step of new orders.
    pub tick: Price,
    /// Decimals of prices in the book.
    pub price_decimals: u32,
    /// Smallest quantity step of new orders.
    pub lot: Qty,
    /// Decimals of quantities in the book.
    pub qty_decimals: u32,
    /// Smallest order quantity.
    pub qty_min: Qty,
    /// Smallest order value in quote currency; `None` where the venue has not said.
    pub cost_min: Option<Notional>,
    /// What one unit of quantity stands for: base units of spot and linear contracts (1 for spot), quote units of inverse
    /// ones.
    pub multiplier: Qty,
    /// Counts changes of this definition, from 1.
    pub version: u32,
    /// When this definition was received.
    pub receive_time: Timestamp,
    /// Whether prices were made by a generator, not by a market.
    pub is_synthetic: bool,
}

impl Instrument {
    /// Converts an exact price to book steps.
    ///
    /// # Errors
    /// Refuses a price with more decimals than the book has.
    pub fn ticks_of(&self, price: Price) -> Result<Ticks, QuantiseError> {
        steps(price.to_decimal(), self.price_decimals).map(Ticks::new).ok_or_else(|| {
            QuantiseError::PriceDecimals {
                key: self.key.clone(),
                price,
                decimals: self.price_decimals,
            }
        })
    }

    /// Converts an exact quantity to book steps.
    ///
    /// # Errors
    /// Refuses a quantity with more decimals than the book has.
    pub fn lots_of(&self, qty: Qty) -> Result<Lots, QuantiseError> {
        steps(qty.to_decimal(), self.qty_decimals).map(Lots::new).ok_or_else(|| {
            QuantiseError::QtyDecimals { key: self.key.clone(), qty, decimals: self.qty_decimals }
        })
    }

    /// Converts book steps to a price, with all the decimals of the book.
    ///
    /// # Errors
    /// Refuses negative steps.
    pub fn price_of(&self, ticks: Ticks) -> Result<Price, QuantiseError> {
        self.amount(Price::from_decimal(Decimal::new(ticks.get(), self.price_decimals)))
    }

    /// Converts book steps to a quantity, with all the decimals of the book.
    ///
    /// # Errors
    /// Refuses negative steps.
    pub fn qty_of(&self, lots: Lots) -> Result<Qty, QuantiseError> {
        self.amount(Qty::from_decimal(Decimal::new(lots.get(), self.qty_decimals)))
    }

    /// Turns a price estimate into an order price on the tick.
    ///
    /// # Errors
    /// Refuses estimates that are not finite and above zero.
    pub fn quantise(&self, price_est: f64, rounding: Rounding) -> Result<Price, QuantiseError> {
        self.amount(Price::from_decimal(self.step(price_est, self.tick.to_decimal(), rounding)?))
    }

    /// Turns a quantity estimate into an order quantity on the lot.
    ///
    /// # Errors
    /// Refuses estimates that are not finite and above zero.
    pub fn quantise_qty(&self, qty_est: f64, rounding: Rounding) -> Result<Qty, QuantiseError> {
        self.amount(Qty::from_decimal(self.step(qty_est, self.lot.to_decimal(), rounding)?))
    }

    /// Cuts an exact quantity to the lot.
    ///
    /// # Errors
    /// Refuses a lot of zero.
    pub fn cut_to_lot(&self, qty: Qty) -> Result<Qty, QuantiseError> {
        let lot = self.lot.to_decimal();
        let steps = qty.to_decimal().checked_div(lot).ok_or_else(|| self.range())?.floor();
        self.amount(Qty::from_decimal(steps.checked_mul(lot).ok_or_else(|| self.range())?))
    }

    /// Tells whether a price lies on the tick.
    #[must_use]
    pub fn is_on_tick(&self, price: Price) -> bool {
        price.to_decimal().checked_rem(self.tick.to_decimal()).is_some_and(|rest| rest.is_zero())
    }

    /// Tells whether a quantity lies on the lot.
    #[must_use]
    pub fn is_on_lot(&self, qty: Qty) -> bool {
        qty.to_decimal().checked_rem(self.lot.to_decimal()).is_some_and(|rest| rest.is_zero())
    }

    fn step(&self, est: f64, step: Decimal, rounding: Rounding) -> Result<Decimal, QuantiseError> {
        let value =
            Decimal::from_f64(est).filter(|value| est.is_finite() && *value > Decimal::ZERO);
        let value = value.ok_or_else(|| QuantiseError::NotFinite {
            key: self.key.clone(),
            est_text: format!("{est}"),
        })?;
        let strategy = match rounding {
            Rounding::Down | Rounding::AwayFromTouch(Side::Buy) => RoundingStrategy::ToZero,
            Rounding::Up | Rounding::AwayFromTouch(Side::Sell) => RoundingStrategy::AwayFromZero,
            Rounding::Nearest => RoundingStrategy::MidpointAwayFromZero,
        };
        let steps = value.checked_div(step).ok_or_else(|| self.range())?;
        let steps = steps.round_dp_with_strategy(0, strategy);
        steps.checked_mul(step).ok_or_else(|| self.range())
    }

    fn amount<T>(&self, made: Result<T, AmountError>) -> Result<T, QuantiseError> {
        made.map_err(|cause| QuantiseError::Amount { key: self.key.clone(), cause })
    }

    fn range(&self) -> QuantiseError {
        QuantiseError::Range { key: self.key.clone() }
    }
}

/// Scales a decimal to whole steps of `10^-decimals`; `None` when digits would be lost.
fn steps(value: Decimal, decimals: u32) -> Option<i64> {
    let scale = Decimal::from(10_u64.checked_pow(decimals)?);
    let scaled = value.checked_mul(scale)?;
    if scaled.fract().is_zero() { scaled.to_i64() } else { None }
}
