//! The controls, in the order in which they are asked. Each allows exactly its limit and refuses one unit more.

use crate::facts::{Book, Facts, Pair};
use crate::orders::IdState;
use crate::refused::{Refused, money};
use remora_domain::{
    BookState, Bps, ContractKind, Instrument, InstrumentStatus, Notional, OrderRequest, Price,
    RefusalReason as Why, Side, SystemStatus, Timestamp,
};

/// Says whether the order may exist, on the facts received so far.
pub(crate) fn check(facts: &Facts, now: Timestamp, order: &OrderRequest) -> Result<(), Refused> {
    identity(facts, order)?;
    freshness(facts, now, order)?;
    if facts.is_stopping {
        return Err(Refused::new(Why::Halted, "", "the gate is stopping"));
    }
    facts.halts.check(&order.instrument)?;
    let unknown = || Refused::unknown(Why::InstrumentUnknown, order.instrument.to_string());
    let pair = facts.pairs.get(&order.instrument).ok_or_else(unknown)?;
    let (_, instrument) = pair.instrument.as_ref().ok_or_else(unknown)?;
    tradable(instrument, order)?;
    precision(instrument, order)?;
    venue(facts, now, order)?;
    let (bid, ask, mid) = book(facts, now, pair)?;
    collar(facts, instrument, order, mid)?;
    own_cross(pair, instrument, order)?;
    would_take(instrument, order, bid, ask)?;
    notional(facts, instrument, order)?;
    position(facts, now, pair, instrument, order)?;
    balance(facts, instrument, order)?;
    rate(facts, now)
}

/// G01.
fn identity(facts: &Facts, order: &OrderRequest) -> Result<(), Refused> {
    if order.account != facts.config.account {
        let limit = format!("account {}", facts.config.account);
        return Err(Refused::new(Why::AccountUnknown, limit, format!("account {}", order.account)));
    }
    if !facts.config.strategies.contains(&order.strategy) {
        let value = format!("strategy {}", order.strategy);
        return Err(Refused::new(Why::AccountUnknown, "a strategy of the configuration", value));
    }
    Ok(())
}

/// G04.
fn freshness(facts: &Facts, now: Timestamp, order: &OrderRequest) -> Result<(), Refused> {
    match facts.ids.get(&order.cl_ord_id) {
        None => {}
        Some(IdState::Refused | IdState::Open | IdState::NeverSent | IdState::Closed) => {
            let value = order.cl_ord_id.to_string();
            return Err(Refused::new(Why::DuplicateClOrdId, "each id once", value));
        }
    }
    if now > order.deadline {
        let late = now.since(order.deadline).as_ns();
        let limit = format!("deadline {} ns", order.deadline);
        return Err(Refused::new(Why::RequestExpired, limit, format!("{late} ns late")));
    }
    Ok(())
}

/// G02. Only spot is enabled. Reduce-only counts as closed: a gate cannot promise what the venue will think of
/// the order by the time it arrives.
fn tradable(instrument: &Instrument, order: &OrderRequest) -> Result<(), Refused> {
    let no = |limit: &str, value: String| {
        Err(Refused::new(Why::InstrumentNotTradable, limit.to_owned(), value))
    };
    match instrument.kind {
        ContractKind::Spot => {}
        kind @ (ContractKind::LinearPerpetual
        | ContractKind::InversePerpetual
        | ContractKind::LinearFuture) => return no("Spot", format!("{kind:?}")),
    }
    match instrument.status {
        InstrumentStatus::Online | InstrumentStatus::LimitOnly => Ok(()),
        InstrumentStatus::PostOnly if order.is_post_only => Ok(()),
        status @ (InstrumentStatus::PostOnly
        | InstrumentStatus::CancelOnly
        | InstrumentStatus::ReduceOnly
        | InstrumentStatus::Closed) => no("open for this order", format!("{status:?}")),
    }
}

/// G03.
fn precision(instrument: &Instrument, order: &OrderRequest) -> Result<(), Refused> {
    let (price, qty) = (order.price, order.qty);
    if price.is_zero() || !instrument.is_on_tick(price) {
        let limit = format!("tick {} {}", instrument.tick, instrument.quote);
        return Err(Refused::new(
            Why::PriceOffTick,
            limit,
            format!("{price} {}", instrument.quote),
        ));
    }
    let base = &instrument.base;
    if qty.is_zero() || qty < instrument.qty_min {
        let limit = format!("{} {base}", instrument.qty_min);
        return Err(Refused::new(Why::QtyBelowMin, limit, format!("{qty} {base}")));
    }
    if !instrument.is_on_lot(qty) {
        let limit = format!("lot {} {base}", instrument.lot);
        return Err(Refused::new(Why::QtyOffLot, limit, format!("{qty} {base}")));
    }
    let Some(cost_min) = instrument.cost_min else {
        return Err(Refused::unknown(Why::CostMinUnknown, instrument.key.to_string()));
    };
    let cost = price.checked_notional(qty, instrument.multiplier)?;
    if cost < cost_min {
        let quote = &instrument.quote;
        return Err(Refused::new(Why::CostBelowMin, money(cost_min, quote), money(cost, quote)));
    }
    Ok(())
}

/// G36 (router), G37.
fn venue(facts: &Facts, now: Timestamp, order: &OrderRequest) -> Result<(), Refused> {
    let name = &order.instrument.venue;
    let not_open = |value: String| Err(Refused::new(Why::VenueNotOpen, "open", value));
    let Some(venue) = facts.venues.get(name) else {
        return not_open(format!("nothing is known of {name}"));
    };
    match venue.status.as_ref().map(|(_, status)| *status) {
        Some(SystemStatus::Online) => {}
        Some(SystemStatus::PostOnly) if order.is_post_only => {}
        Some(
            status @ (SystemStatus::PostOnly
            | SystemStatus::CancelOnly
            | SystemStatus::Maintenance
            | SystemStatus::Disconnected),
        ) => return not_open(format!("{name} is {status:?}")),
        None => return not_open(format!("the status of {name} is not known")),
    }
    venue.router.check(now, facts.epoch, &order.instrument, &facts.liveness)
}

/// G31, G32: gives best bid, best ask, mid.
fn book(facts: &Facts, now: Timestamp, pair: &Pair) -> Result<(Price, Price, Price), Refused> {
    let unknown = || Refused::unknown(Why::BookUnknown, "no book was seen");
    let book: &Book = pair.book.as_ref().ok_or_else(unknown)?;
    match book.state {
        BookState::Live => {}
        BookState::Invalid(why) => {
            return Err(Refused::new(Why::BookInvalid, "live", format!("invalid: {why:?}")));
        }
    }
    let (age, age_max) = (now.since(book.known_at), facts.config.book_age_max);
    if age > age_max {
        let limit = format!("{} ms", age_max.as_ms());
        return Err(Refused::new(Why::BookStale, limit, format!("{} ns", age.as_ns())));
    }
    book.touch()?.ok_or_else(|| {
        let side = |price: Option<Price>| price.map_or("none".to_owned(), |p| p.to_string());
        let value = format!("bid {}, ask {}", side(book.bid), side(book.ask));
        Refused::new(Why::BookCrossed, "bid below ask", value)
    })
}

/// G08.
fn collar(
    facts: &Facts,
    instrument: &Instrument,
    order: &OrderRequest,
    mid: Price,
) -> Result<(), Refused> {
    let away = order.price.max(mid).checked_sub(order.price.min(mid))?.to_decimal();
    let collar = facts.config.price_collar;
    let away_max = Notional::from_decimal(mid.to_decimal())?.checked_bps(collar)?.to_decimal();
    if away > away_max {
        let limit = format!("{collar} bps of mid {}", mid.to_decimal().normalize());
        let value = format!("{} {} away", away.normalize(), instrument.quote);
        return Err(Refused::new(Why::PriceOutsideCollar, limit, value));
    }
    Ok(())
}

/// G10.
fn own_cross(pair: &Pair, instrument: &Instrument, order: &OrderRequest) -> Result<(), Refused> {
    pair.orders.crossed_by(order.side, order.price).map_or(Ok(()), |(id, price)| {
        let limit = format!("own order {id} at {price} {}", instrument.quote);
        let value = format!("{} at {} {}", order.side, order.price, instrument.quote);
        Err(Refused::new(Why::CrossesOwnOrder, limit, value))
    })
}

/// G11.
fn would_take(
    instrument: &Instrument,
    order: &OrderRequest,
    bid: Price,
    ask: Price,
) -> Result<(), Refused> {
    let (is_taking, touch) = match order.side {
        Side::Buy => (order.price >= ask, format!("ask {ask} {}", instrument.quote)),
        Side::Sell => (order.price <= bid, format!("bid {bid} {}", instrument.quote)),
    };
    if order.is_post_only && is_taking {
        let value = format!("{} at {} {}", order.side, order.price, instrument.quote);
        return Err(Refused::new(Why::PostOnlyWouldCross, touch, value));
    }
    Ok(())
}

/// G06.
fn notional(facts: &Facts, instrument: &Instrument, order: &OrderRequest) -> Result<(), Refused> {
    let cost = order.price.checked_notional(order.qty, instrument.multiplier)?;
    let value = facts.convert(&instrument.quote, cost)?;
    above(facts, Why::NotionalAboveMax, facts.config.order_notional_max, value)
}

/// G13 and G15, each on the worst case (G19). An order that leaves the worst case where it was, or reduces it, is
/// allowed above the limit: a position must always be reducible.
fn position(
    facts: &Facts,
    now: Timestamp,
    pair: &Pair,
    instrument: &Instrument,
    order: &OrderRequest,
) -> Result<(), Refused> {
    let config = &facts.config;
    let before = facts.ends(&instrument.key, pair)?;
    let after = before.with(order.side, order.qty)?;
    let outward = facts.value(pair, instrument, after.outward(order.side))?;
    let pair_max = config.pair_position_max(&instrument.key);
    above(facts, Why::PairPositionAboveMax, pair_max, outward)?;
    if after.worst() <= before.worst() {
        return Ok(());
    }
    let own = facts.value(pair, instrument, after.worst())?;
    let total = facts.worst_of_others(now, &instrument.key)?.checked_add(own)?;
    above(facts, Why::TotalPositionAboveMax, config.total_position_max, total)
}

fn above(facts: &Facts, why: Why, limit: Notional, value: Notional) -> Result<(), Refused> {
    if value > limit {
        let unit = &facts.config.reporting.currency;
        return Err(Refused::new(why, money(limit, unit), money(value, unit)));
    }
    Ok(())
}

/// G12 and G19: the fee tier is known, and what the account has covers this order and everything open, each at
/// its limit price with the higher of the two fees.
fn balance(facts: &Facts, instrument: &Instrument, order: &OrderRequest) -> Result<(), Refused> {
    let name = &order.instrument.venue;
    let venue = facts.venues.get(name);
    let fees = venue.and_then(|venue| venue.fees.as_ref()).map(|(_, schedule)| *schedule);
    let Some(fees) = fees else {
        return Err(Refused::unknown(Why::FeesUnknown, format!("no fee tier at {name} was told")));
    };
    let asset = match order.side {
        Side::Buy => &instrument.quote,
        Side::Sell => &instrument.base,
    };
    let has = venue.map_or(Ok(None), |venue| venue.funds.total(asset))?;
    let Some(has) = has else {
        return Err(Refused::unknown(Why::BalanceUnknown, format!("no balances at {name} told")));
    };
    let fee = fees.maker_bps.max(fees.taker_bps).max(Bps::ZERO);
    let needed = facts.reserved_with(order, &instrument.base, &instrument.quote, fee)?;
    if needed > has.as_notional() {
        let limit = money(has.as_notional(), asset);
        return Err(Refused::new(Why::BalanceInsufficient, limit, money(needed, asset)));
    }
    Ok(())
}

/// G20.
fn rate(facts: &Facts, now: Timestamp) -> Result<(), Refused> {
    if facts.rate.is_full(now) {
        let (count_max, window) = (facts.rate.count_max(), facts.config.order_window.as_ms());
        let limit = format!("{count_max} orders and cancels in {window} ms");
        let value = format!("{} with this one", count_max.saturating_add(1));
        return Err(Refused::new(Why::OrderRateAboveMax, limit, value));
    }
    Ok(())
}
