//! G20 to G26: how many messages, orders and executions. Cancels are counted, never refused.

use crate::ask::Ask;
use crate::denial::{Denial, Reading, Unit};
use remora_domain::RefusalReason as Why;
use rust_decimal::Decimal;

fn counted<'a>(value: usize, limit: usize, unit: &'static str) -> Reading<'a> {
    let unit = Unit::Word(unit);
    Reading::AtMost { value: Decimal::from(value), limit: Decimal::from(limit), unit }
}

/// Gives one for the order in question, none where only values are read.
fn this(ask: &Ask<'_>) -> usize {
    usize::from(ask.has_order())
}

/// G20.
pub(super) fn message_rate<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let config = &ask.facts.config;
    let (count_max, window) = (config.orders_per_window_max, config.order_window.as_ms());
    let count = ask.facts.rate.count(ask.now).saturating_add(this(ask));
    if count > count_max {
        let limit = format!("{count_max} orders and cancels in {window} ms");
        let value = format!("{count} with this one");
        return Err(Denial::new(Why::OrderRateAboveMax, limit, value));
    }
    Ok(counted(count, count_max, "messages"))
}

/// G21.
pub(super) fn cancel_rate<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let count = ask.facts.cancels.count(ask.now);
    counted(count, ask.facts.config.cancels_per_window_max, "cancels")
        .judge(Why::CancelRateAboveMax)
}

/// G22: the account's orders and the pair's; the one with less left is told.
pub(super) fn open_orders<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (facts, config) = (ask.facts, &ask.facts.config);
    let all = facts.traded.values().map(|worth| worth.orders).sum::<usize>();
    let all = counted(all.saturating_add(this(ask)), config.open_orders_max, "orders");
    let all = all.judge(Why::OpenOrdersAboveMax)?;
    let Some(key) = ask.key else { return Ok(all) };
    let pair = facts.traded.get(key).map_or(0, |worth| worth.orders).saturating_add(this(ask));
    let pair = counted(pair, config.open_orders_pair_max, "orders of the pair");
    let pair = pair.judge(Why::OpenOrdersAboveMax)?;
    Ok(if pair.headroom() < all.headroom() { pair } else { all })
}

/// G23.
pub(super) fn unfilled_orders<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (config, today) = (&ask.facts.config, ask.facts.today.at(ask.now));
    let orders = today.orders.saturating_add(u64::from(ask.has_order()));
    let earned = config.orders_per_fill_max.saturating_mul(today.fills);
    let limit = Decimal::from(config.unfilled_orders_max.saturating_add(earned));
    let unit = Unit::Word("orders");
    Reading::AtMost { value: Decimal::from(orders), limit, unit }.judge(Why::UnfilledRatioAboveMax)
}

/// G24.
pub(super) fn duplicates<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (order, config) = (ask.order()?, &ask.facts.config);
    let count = ask.pair()?.repeats.count(ask.now, config.duplicate_window, order);
    counted(count.saturating_add(1), config.duplicates_max, "equal orders")
        .judge(Why::DuplicateOrder)
}

/// G25. Once tripped it stays so until a person resumes the pair, however long ago the executions are.
pub(super) fn executions<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let (executions, config) = (&ask.pair()?.executions, &ask.facts.config);
    let count_max = config.executions_per_window_max;
    if executions.tripped_at.is_some() {
        let window = config.execution_window.as_ms();
        let limit = format!("{count_max} executions in {window} ms");
        return Err(Denial::new(
            Why::ExecutionsAboveMax,
            limit,
            "more; a person must resume the pair",
        ));
    }
    let count = executions.count(ask.now, config.execution_window);
    counted(count, count_max, "executions").judge(Why::ExecutionsAboveMax)
}

/// G26.
pub(super) fn venue_budget<'a>(ask: &'a Ask<'a>) -> Result<Reading<'a>, Denial> {
    let config = &ask.facts.config;
    let (messages, window) = (config.venue_budget_messages, config.venue_budget_window);
    let venue = ask.facts.venues.get(&ask.key()?.venue);
    let used = venue.map_or(0, |venue| venue.budget.used(ask.now, messages, window));
    let value = Decimal::from(used.saturating_add(i64::from(ask.has_order())));
    let (limit, unit) = (Decimal::from(messages), Unit::Word("messages"));
    Reading::AtMost { value, limit, unit }.judge(Why::VenueBudgetSpent)
}
