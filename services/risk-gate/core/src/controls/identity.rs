//! G01 to G04: who asks, for what, in which form.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, money};
use crate::orders::IdState;
use remora_domain::{
    ContractKind, InstrumentStatus, OrderRequest, RefusalReason as Why, TimeInForce,
};

/// G01.
pub(super) fn authorised<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, config) = (ask.order()?, &ask.facts.config);
    if order.account != config.account {
        let limit = format!("account {}", config.account);
        return Err(Denial::new(Why::AccountUnknown, limit, format!("account {}", order.account)));
    }
    if !config.strategies.contains(&order.strategy) {
        let value = format!("strategy {}", order.strategy);
        return Err(Denial::new(Why::AccountUnknown, "a strategy of the configuration", value));
    }
    Ok(Reading::is(order.strategy.as_str(), "a strategy of the configuration"))
}

/// G02. Only spot is enabled. Reduce-only counts as closed: a gate cannot promise what the venue will think of
/// the order by the time it arrives.
pub(super) fn tradable<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument) = (ask.order()?, ask.instrument()?);
    let no = |limit: &str, value: String| {
        Err(Denial::new(Why::InstrumentNotTradable, limit.to_owned(), value))
    };
    if !ask.facts.config.permitted.contains(&instrument.key) {
        let value = instrument.key.to_string();
        return Err(Denial::new(Why::InstrumentNotPermitted, "a permitted instrument", value));
    }
    match instrument.kind {
        ContractKind::Spot => {}
        kind @ (ContractKind::LinearPerpetual
        | ContractKind::InversePerpetual
        | ContractKind::LinearFuture
        | ContractKind::InverseFuture) => return no("Spot", format!("{kind:?}")),
    }
    match instrument.status {
        InstrumentStatus::Online | InstrumentStatus::LimitOnly => {}
        InstrumentStatus::PostOnly if order.is_post_only => {}
        status @ (InstrumentStatus::PostOnly
        | InstrumentStatus::CancelOnly
        | InstrumentStatus::ReduceOnly
        | InstrumentStatus::Closed) => return no("open for this order", format!("{status:?}")),
    }
    Ok(Reading::is("open", "permitted and open for this order"))
}

/// G03.
pub(super) fn precision<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, instrument) = (ask.order()?, ask.instrument()?);
    let (price, qty) = (order.price, order.qty);
    let (base, quote) = (&instrument.base, &instrument.quote);
    if price.is_zero() || !instrument.is_on_tick(price) {
        let limit = format!("tick {} {quote}", instrument.tick);
        return Err(Denial::new(Why::PriceOffTick, limit, format!("{price} {quote}")));
    }
    if qty.is_zero() || qty < instrument.qty_min {
        let limit = format!("{} {base}", instrument.qty_min);
        return Err(Denial::new(Why::QtyBelowMin, limit, format!("{qty} {base}")));
    }
    if !instrument.is_on_lot(qty) {
        let limit = format!("lot {} {base}", instrument.lot);
        return Err(Denial::new(Why::QtyOffLot, limit, format!("{qty} {base}")));
    }
    let Some(cost_min) = instrument.cost_min else {
        return Err(Denial::unknown(Why::CostMinUnknown, instrument.key.to_string()));
    };
    let cost = price.checked_notional(qty, instrument.multiplier)?;
    if cost < cost_min {
        return Err(Denial::new(Why::CostBelowMin, money(cost_min, quote), money(cost, quote)));
    }
    Ok(Reading::is("exact", "exact, on the steps of the venue, at least its minimum"))
}

/// G04. What becomes of the approval (hash, expiry, sequence, one use) is checked where it is used: the router takes
/// nothing else.
pub(super) fn single_use<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    if !ask.has_order() {
        let used = format!("{} ids used", ask.facts.ids.len());
        return Ok(Reading::is(used, "an id never used, within the deadline"));
    }
    let order = ask.order()?;
    match ask.facts.ids.get(&order.cl_ord_id) {
        None => {}
        Some(IdState::Refused | IdState::Open | IdState::NeverSent | IdState::Closed) => {
            let value = order.cl_ord_id.to_string();
            return Err(Denial::new(Why::DuplicateClOrdId, "each id once", value));
        }
    }
    if ask.now > order.deadline {
        let late = ask.now.since(order.deadline).as_ns();
        let limit = format!("deadline {} ns", order.deadline);
        return Err(Denial::new(Why::RequestExpired, limit, format!("{late} ns late")));
    }
    replaceable(ask, order)?;
    Ok(Reading::is("new and in time", "an id never used, within the deadline"))
}

/// Takes an order in the place of another only where that one may be open, on the same side of the same pair. Until the
/// router says that it has ended both are reserved: what the old one fills on the way is not known here.
fn replaceable(ask: &Ask<'_>, order: &OrderRequest) -> Result<(), Denial> {
    let Some(orig) = &order.orig_cl_ord_id else { return Ok(()) };
    let held = ask.pair()?.orders.get(orig);
    let held = held.filter(|held| held.side() == order.side && !held.is_ended());
    let Some(held) = held.filter(|_| order.tif == TimeInForce::Gtc) else {
        let limit =
            format!("a resting order in the place of an open one on the {} side", order.side);
        return Err(Denial::new(Why::OrigOrderNotOpen, limit, orig.to_string()));
    };
    if order.orig_cum_qty > held.booked() {
        // The venue adds it to what is asked for, and nobody reserved that.
        let limit = format!("{} filled of {orig}", held.booked());
        return Err(Denial::new(Why::OrigOrderNotOpen, limit, order.orig_cum_qty.to_string()));
    }
    Ok(())
}
