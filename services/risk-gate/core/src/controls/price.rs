//! G08 to G12: at which price.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit};
use remora_domain::{Bps, Notional, Price, RefusalReason as Why, Side};
use rust_decimal::Decimal;

/// G08.
pub(super) fn collar<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let mid = ask.touch()?.mid;
    distance(ask, mid, "mid", ask.facts.config.price_collar, Why::PriceOutsideCollar)
}

/// G09. A last trade however old still counts: where nothing trades, a price far from it is a reason to wait.
pub(super) fn last_trade_band<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let unknown =
        || Denial::new(Why::LastTradeUnknown, "a band around a known trade", "no trade was told");
    let (_, last) = ask.pair()?.last_trade.ok_or_else(unknown)?;
    distance(ask, last, "last trade", ask.facts.config.last_trade_band, Why::PriceOutsideTradeBand)
}

fn distance<'a>(
    ask: &'a Ask<'a>,
    from: Price,
    what: &str,
    bps_max: Bps,
    reason: Why,
) -> Result<Reading<'a>, Denial> {
    let (order, quote) = (ask.order()?, &ask.instrument()?.quote);
    let value = order.price.max(from).checked_sub(order.price.min(from))?.to_decimal();
    let limit = Notional::from_decimal(from.to_decimal())?.checked_bps(bps_max)?.to_decimal();
    if value > limit {
        let limit = format!("{bps_max} bps of {what} {}", from.to_decimal().normalize());
        return Err(Denial::new(reason, limit, format!("{} {quote} away", value.normalize())));
    }
    Ok(Reading::AtMost { value, limit, unit: Unit::Asset(quote) })
}

/// G10.
pub(super) fn own_cross<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, quote) = (ask.order()?, &ask.instrument()?.quote);
    let Some((id, price)) = ask.pair()?.orders.crossed_by(order.side, order.price) else {
        return Ok(Reading::is("meets none", "no own order at this price"));
    };
    let limit = format!("own order {id} at {price} {quote}");
    let value = format!("{} at {} {quote}", order.side, order.price);
    Err(Denial::new(Why::CrossesOwnOrder, limit, value))
}

/// G11.
pub(super) fn post_only<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, touch, quote) = (ask.order()?, ask.touch()?, &ask.instrument()?.quote);
    if !order.is_post_only {
        return Ok(Reading::is("may take", "post-only orders take nothing"));
    }
    let (is_taking, name, at) = match order.side {
        Side::Buy => (order.price >= touch.ask, "ask", touch.ask),
        Side::Sell => (order.price <= touch.bid, "bid", touch.bid),
    };
    if is_taking {
        let value = format!("{} at {} {quote}", order.side, order.price);
        return Err(Denial::new(Why::PostOnlyWouldCross, format!("{name} {at} {quote}"), value));
    }
    Ok(Reading::is("takes nothing", "post-only orders take nothing"))
}

/// G12: what a unit earns against the mid, after the fee the order would pay. An order that may take is charged the
/// higher of the two fees. One that only reduces a position is held by the collar alone: it must be possible to leave.
pub(super) fn edge<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument) = (ask.order()?, ask.instrument()?);
    let venue = ask.facts.venues.get(&instrument.key.venue);
    let unknown = || {
        let what = format!("no fee tier at {} was told", instrument.key.venue);
        Denial::unknown(Why::FeesUnknown, what)
    };
    let (_, fees) = venue.and_then(|venue| venue.fees.as_ref()).ok_or_else(unknown)?;
    let fee_bps =
        if order.is_post_only { fees.maker_bps } else { fees.maker_bps.max(fees.taker_bps) };
    let mid = Notional::from_decimal(ask.touch()?.mid.to_decimal())?;
    let price = Notional::from_decimal(order.price.to_decimal())?;
    let gain = match order.side {
        Side::Buy => mid.checked_sub(price)?,
        Side::Sell => price.checked_sub(mid)?,
    };
    let value: Decimal = gain.checked_sub(price.checked_bps(fee_bps)?)?.to_decimal();
    let edge_min = ask.facts.config.edge_min;
    let limit = mid.checked_bps(edge_min)?.to_decimal();
    let quote = &instrument.quote;
    if value < limit && !ask.is_reducing()? {
        let limit = format!("{edge_min} bps of mid {}", mid.to_decimal().normalize());
        let value = format!("{} {quote} after the fee", value.normalize());
        return Err(Denial::new(Why::EdgeBelowMin, limit, value));
    }
    Ok(Reading::AtLeast { value, limit, unit: Unit::Asset(quote) })
}
