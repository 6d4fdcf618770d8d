//! Prices and quantities as clients write them, to the exchange's integers.

use super::api::PriceSpec;
use crate::server::catalogue::{PairDef, units};
use crate::server::desk::DeskResult;
use crate::server::error::KrakenError;
use remora_domain::{Lots, Side, Ticks};
use remora_matching::Money;
use rust_decimal::{Decimal, RoundingStrategy};

/// Is which way a relative price is rounded to the price step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    /// For limits: never worse for the side. Bids never round up, asks never down.
    Passive(Side),
    /// For triggers.
    Nearest,
}

/// Reads a price that is written out.
pub(crate) fn price(pair: &PairDef, value: Decimal) -> DeskResult<Ticks> {
    if value <= Decimal::ZERO {
        return Err(KrakenError::InvalidPrice);
    }
    if value.normalize().scale() > pair.price_decimals {
        let pair_id = pair.id.to_string();
        return Err(KrakenError::PriceDecimals { pair: pair_id, decimals: pair.price_decimals });
    }
    let ticks = units(value, pair.price_decimals).and_then(|units| i64::try_from(units).ok());
    let ticks = ticks.ok_or(KrakenError::InvalidPrice)?;
    let is_on_step = ticks.checked_rem(pair.tick.get()) == Some(0);
    if is_on_step { Ok(Ticks::new(ticks)) } else { Err(KrakenError::TickSize) }
}

/// Reads a price, a relative one from `reference`; `up` is the direction that `#` means.
pub(crate) fn relative(
    pair: &PairDef,
    spec: PriceSpec,
    reference: Option<Ticks>,
    is_auto_up: bool,
    towards: Towards,
) -> DeskResult<Ticks> {
    let away = match spec {
        PriceSpec::Static(value) => return price(pair, value),
        PriceSpec::Quote { .. } | PriceSpec::Percent { .. } => {
            distance(pair, spec, reference, is_auto_up)?
        }
    };
    let from = pair.price(reference.ok_or(KrakenError::InvalidPrice)?);
    let value = from.checked_add(away).ok_or(KrakenError::InvalidPrice)?;
    on_step(pair, value, towards)
}

/// Reads how far a relative price is from its reference, with sign; an error for one that is not relative.
pub(crate) fn distance(
    pair: &PairDef,
    spec: PriceSpec,
    reference: Option<Ticks>,
    is_auto_up: bool,
) -> DeskResult<Decimal> {
    let (offset, is_auto) = match spec {
        PriceSpec::Static(_) => return Err(KrakenError::InvalidPrice),
        PriceSpec::Quote { offset, is_auto } => (Some(offset), is_auto),
        PriceSpec::Percent { offset, is_auto } => {
            let from = pair.price(reference.ok_or(KrakenError::InvalidPrice)?);
            let part = from.checked_mul(offset);
            (part.and_then(|part| part.checked_div(Decimal::ONE_HUNDRED)), is_auto)
        }
    };
    let offset = offset.ok_or(KrakenError::InvalidPrice)?;
    Ok(match (is_auto, is_auto_up) {
        (false, _) => offset,
        (true, true) => offset.abs(),
        (true, false) => -offset.abs(),
    })
}

/// Rounds a price above zero to the price step.
pub(crate) fn on_step(pair: &PairDef, value: Decimal, towards: Towards) -> DeskResult<Ticks> {
    let strategy = match towards {
        Towards::Passive(Side::Buy) => RoundingStrategy::ToNegativeInfinity,
        Towards::Passive(Side::Sell) => RoundingStrategy::ToPositiveInfinity,
        Towards::Nearest => RoundingStrategy::MidpointAwayFromZero,
    };
    let steps = value.checked_div(pair.tick_size).ok_or(KrakenError::InvalidPrice)?;
    let steps = steps.round_dp_with_strategy(0, strategy);
    let value = steps.checked_mul(pair.tick_size).ok_or(KrakenError::InvalidPrice)?;
    price(pair, value)
}

/// Reads a quantity: zero or more, in whole steps.
pub(crate) fn qty(pair: &PairDef, value: Decimal, field: &'static str) -> DeskResult<Lots> {
    let lots = units(value, pair.qty_decimals).and_then(|units| i64::try_from(units).ok());
    let good = lots.filter(|&lots| lots >= 0 && lots.checked_rem(pair.lot.get()) == Some(0));
    good.map(Lots::new).ok_or(KrakenError::InvalidArgument(field))
}

/// Reads an amount of quote.
pub(crate) fn money(pair: &PairDef, value: Decimal, field: &'static str) -> DeskResult<Money> {
    let money = units(value, pair.cost_unit_decimals).filter(|&units| units > 0);
    money.ok_or(KrakenError::InvalidArgument(field))
}

/// Checks an order's size against the pair's minimums, at a price where one is known.
pub(crate) fn minimums(pair: &PairDef, qty: Lots, price: Option<Ticks>) -> DeskResult<()> {
    if qty <= Lots::ZERO || qty < pair.lots_min {
        return Err(KrakenError::OrderMinimum);
    }
    let Some(price) = price else { return Ok(()) };
    let product = i128::from(price.get()).checked_mul(i128::from(qty.get()));
    // Compared as price x volume before rounding. What does not fit is not below a minimum.
    match (product, pair.product_min) {
        (Some(product), Some(min)) if product < min => Err(KrakenError::CostMinimum),
        (_, _) => Ok(()),
    }
}
