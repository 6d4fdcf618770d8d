//! G13 to G19 and G40: what the account may come to hold, with everything open filled, orders of unknown fate included.
//!
//! An order that leaves the worst case where it was, or reduces it, is allowed above a limit: a position must always be
//! reducible.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit, money};
use crate::portfolio::{Value, is_in};
use remora_domain::{Bps, Notional, RefusalReason as Why, Side};
use rust_decimal::Decimal;

fn usd<'a>(ask: &'a Ask<'a>, value: Notional, limit: Notional) -> Reading<'a> {
    let unit = Unit::Asset(&ask.facts.config.reporting.currency);
    Reading::AtMost { value: value.to_decimal(), limit: limit.to_decimal(), unit }
}

const fn not_raised<'a>() -> Reading<'a> {
    use std::borrow::Cow;
    Reading::Is { value: Cow::Borrowed("not raised"), want: Cow::Borrowed("not raised") }
}

/// G13.
pub(super) fn pair<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let key = ask.key()?;
    let value = match ask.has_order() {
        true => ask.change()?.outward,
        false => {
            let worth = ask.facts.traded.get(key);
            worth.map_or(Ok(Value::default()), |worth| worth.value.clone())?.worst()
        }
    };
    let limit = ask.facts.config.pair_position_max(key);
    usd(ask, value, limit).judge(Why::PairPositionAboveMax)
}

/// G14.
pub(super) fn asset<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if !ask.is_growing()? {
        return Ok(not_raised());
    }
    let limit = ask.facts.config.asset_position_max(&ask.instrument()?.base);
    usd(ask, ask.sums()?.asset, limit).judge(Why::AssetPositionAboveMax)
}

/// G15.
pub(super) fn gross<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if !ask.is_growing()? {
        return Ok(not_raised());
    }
    let limit = ask.facts.config.total_position_max;
    usd(ask, ask.sums()?.gross, limit).judge(Why::TotalPositionAboveMax)
}

/// G16. Longs and shorts of different pairs count against each other, each at its worst for the sum.
pub(super) fn net<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    // Leaving one pair may tilt the sum of all; it must be possible nevertheless, whatever is known of the others.
    if ask.has_order() && (ask.change()?.is_reducing || !pushes_net(ask)?) {
        return Ok(not_raised());
    }
    let value = ask.sums()?.net.worst();
    usd(ask, value, ask.facts.config.net_position_max).judge(Why::NetPositionAboveMax)
}

fn pushes_net(ask: &Ask<'_>) -> Result<bool, Denial> {
    let (change, sums) = (ask.change()?, ask.sums()?);
    let before = Value {
        lowest: sums
            .net
            .lowest
            .checked_sub(change.after.lowest)?
            .checked_add(change.before.lowest)?,
        highest: sums
            .net
            .highest
            .checked_sub(change.after.highest)?
            .checked_add(change.before.highest)?,
    };
    Ok(sums.net.worst() > before.worst())
}

/// G17.
pub(super) fn venue<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if !ask.is_growing()? {
        return Ok(not_raised());
    }
    let limit = ask.facts.config.venue_position_max(&ask.key()?.venue);
    usd(ask, ask.sums()?.venue, limit).judge(Why::VenuePositionAboveMax)
}

/// G18: every group that the base asset belongs to; the one with the least left is told.
pub(super) fn group<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let config = &ask.facts.config;
    if config.groups.is_empty() || !ask.is_growing()? {
        return Ok(not_raised());
    }
    let base = &ask.instrument()?.base;
    let mut tightest: Option<Reading<'a>> = None;
    for (group, sum) in config.groups.iter().zip(&ask.sums()?.groups) {
        if !is_in(group, Some(base)) {
            continue;
        }
        let limit = group.position_max;
        if *sum > limit {
            let currency = &config.reporting.currency;
            let limit = format!("{} for {}", money(limit, currency), group.name);
            return Err(Denial::new(Why::GroupPositionAboveMax, limit, money(*sum, currency)));
        }
        let reading = usd(ask, *sum, limit);
        let left = tightest.as_ref().and_then(Reading::headroom);
        if left.is_none_or(|left| reading.headroom().is_some_and(|own| own < left)) {
            tightest = Some(reading);
        }
    }
    Ok(tightest.unwrap_or_else(|| Reading::is("in no group", "groups of the configuration")))
}

/// G40. The limit of all pairs together grows evenly from its share at the start to its full size.
pub(super) fn ramp<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if !ask.is_growing()? {
        return Ok(not_raised());
    }
    let config = &ask.facts.config;
    let limit = config.total_position_max.checked_bps(ramp_share(ask)?)?;
    usd(ask, ask.sums()?.gross, limit).judge(Why::RampAboveMax)
}

fn ramp_share(ask: &Ask<'_>) -> Result<Bps, Denial> {
    let config = &ask.facts.config;
    let unknown = || Denial::new(Why::RampAboveMax, "a gate at work", "the gate has not started");
    let since = ask.now.since(ask.facts.live_at.ok_or_else(unknown)?).as_ns().max(0);
    let (start, full) = (config.ramp_start.to_decimal(), Decimal::from(10_000));
    if since >= config.ramp.as_ns() {
        return Ok(Bps::from_decimal(full)?);
    }
    let ratio = Decimal::from(since).checked_div(Decimal::from(config.ramp.as_ns()));
    let grown = ratio.and_then(|ratio| full.checked_sub(start)?.checked_mul(ratio));
    // Whole basis points, rounded down, so that the limit stays exact.
    let share = start.checked_add(grown.unwrap_or(Decimal::ZERO)).unwrap_or(start).floor();
    Ok(Bps::from_decimal(share)?)
}

/// G19. Spot cannot be sold short or bought on credit: what is open and the order must be covered.
pub(super) fn funds<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument, facts) = (ask.order()?, ask.instrument()?, ask.facts);
    let venue_name = &instrument.key.venue;
    let venue = facts.venues.get(venue_name);
    let no_fees =
        || Denial::unknown(Why::FeesUnknown, format!("no fee tier at {venue_name} was told"));
    let (_, schedule) = venue.and_then(|venue| venue.fees.as_ref()).ok_or_else(no_fees)?;
    let asset = match order.side {
        Side::Buy => &instrument.quote,
        Side::Sell => &instrument.base,
    };
    let no_balance =
        || Denial::unknown(Why::BalanceUnknown, format!("no balances at {venue_name} were told"));
    let has = venue.map_or(Ok(None), |venue| venue.funds.total(asset))?.ok_or_else(no_balance)?;
    let fee = schedule.maker_bps.max(schedule.taker_bps).max(Bps::ZERO);
    let needed = facts.reserved_with(order, &instrument.base, &instrument.quote, fee)?;
    let (value, limit) = (needed.to_decimal(), has.as_notional().to_decimal());
    Reading::AtMost { value, limit, unit: Unit::Asset(asset) }.judge(Why::BalanceInsufficient)
}
