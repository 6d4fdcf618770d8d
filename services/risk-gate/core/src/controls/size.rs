//! G05 to G07: how much.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit};
use remora_domain::{AmountError, Bps, Qty, RefusalReason as Why};
use rust_decimal::Decimal;

/// G05. Counted in smallest orders of the instrument, so that it holds whatever price anybody believes in.
pub(super) fn quantity<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument) = (ask.order()?, ask.instrument()?);
    let mins = ask.facts.config.order_qty_mins_max;
    let range = || AmountError::Range { what: "largest quantity" };
    let limit = instrument.qty_min.to_decimal().checked_mul(mins).ok_or_else(range)?;
    let unit = Unit::Asset(&instrument.base);
    Reading::AtMost { value: order.qty.to_decimal(), limit, unit }.judge(Why::QtyAboveMax)
}

/// G06.
pub(super) fn notional<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument) = (ask.order()?, ask.instrument()?);
    let config = &ask.facts.config;
    let cost = order.price.checked_notional(order.qty, instrument.multiplier)?;
    let value = ask.facts.convert(&instrument.quote, cost)?.to_decimal();
    let limit = config.order_notional_max.to_decimal();
    let unit = Unit::Asset(&config.reporting.currency);
    Reading::AtMost { value, limit, unit }.judge(Why::NotionalAboveMax)
}

/// G07, by what the book shows on its thinner side: that much could be got rid of at once.
pub(super) fn depth_share<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let depth = ask.book()?.depth.clone()?;
    share(ask, depth, ask.facts.config.order_depth_share_max, Why::DepthShareAboveMax)
}

/// G07, by the volume of 24 hours; a share of 0 demands none, and the depth holds alone.
pub(super) fn volume_share<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if ask.facts.config.order_volume_share_max.is_zero() {
        return Ok(Reading::is("not demanded", "a share of the volume where demanded"));
    }
    let unknown = || {
        let value = "no volume of 24 hours was told";
        Denial::new(Why::VolumeUnknown, "a share of a known volume", value)
    };
    let volume = ask.pair()?.volume_24h.ok_or_else(unknown)?;
    share(ask, volume, ask.facts.config.order_volume_share_max, Why::VolumeShareAboveMax)
}

fn share<'a>(
    ask: &'a Ask<'a>,
    of: Qty,
    share_max: Bps,
    reason: Why,
) -> Result<Reading<'a>, Denial> {
    let order = ask.order()?;
    let limit = of.as_amount().as_notional().checked_bps(share_max)?.to_decimal();
    let unit = Unit::Asset(&ask.instrument()?.base);
    let value: Decimal = order.qty.to_decimal();
    Reading::AtMost { value, limit, unit }.judge(reason)
}
