//! The executions channel: one event a frame, as deltas: an event names what it changes and leaves the rest out.
//!
//! In: what the desk tells an account, and the order as it stands. Out: the event's members.
//! Source: Kraken WebSocket v2, channel "executions" (checked June 2026), and captures of 2024 and 2025 for the
//! members of `new`, `amended` and `canceled` events.

use crate::server::catalogue::PairDef;
use crate::server::date::Rfc3339;
use crate::server::desk::{AccountFact, Desk, Execution, OrderFacts, OrderKind, OrderStatus};
use crate::server::json::Json;
use crate::server::ws::words;
use remora_domain::{Side, Timestamp};
use remora_matching::{MarketIx, OrderNo};
use rust_decimal::{Decimal, RoundingStrategy};

/// How many fills a snapshot replays.
pub(crate) const SNAPSHOT_TRADES: usize = 50;

/// Is an event as far as it decides who hears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Where, for the rate counter.
    pub(crate) market: MarketIx,
    /// Whether it is one of the four that a subscription without `order_status` hears.
    pub(crate) is_open_or_close: bool,
}

/// Writes the members of an event, without what differs between subscribers. None when there is nothing to tell on
/// this channel.
pub(crate) fn event(
    json: &mut Json,
    desk: &Desk,
    time: Timestamp,
    fact: &AccountFact,
) -> Option<Told> {
    let order = desk.order(order_of(fact)?)?;
    let mut is_open_or_close = false;
    json.key("order_id").string(order.txid.as_str());
    client_id(json, order.cl_ord_id, order.userref);
    match fact {
        AccountFact::PendingNew(_) => {
            kind(json, "pending_new", "pending_new");
            description(json, &order);
            json.key("cum_cost").number(Decimal::new(0, order.pair.cost_decimals));
            usd(json, order.pair, order.fee_usd.map(|_| Decimal::ZERO));
        }
        AccountFact::New(_) => {
            kind(json, "new", "new");
            is_open_or_close = true;
        }
        AccountFact::Trade(_, execution) => {
            // The fill that completes the order says so too; `filled` follows.
            kind(json, "trade", "partially_filled");
            fill(json, &order.pair.symbol, execution);
            sums(json, order.pair, execution.cum_qty, execution.cum_cost);
            usd(json, order.pair, usd_so_far(desk, &order, execution));
        }
        AccountFact::Filled(_) => {
            kind(json, "filled", "filled");
            totals(json, &order);
            is_open_or_close = true;
        }
        AccountFact::IcebergRefill(_) => {
            kind(json, "iceberg_refill", live(&order));
            shown(json, &order);
        }
        AccountFact::Amended(_) => {
            kind(json, "amended", live(&order));
            changed(json, &order);
            json.key("amended").bool(true);
            json.key("reason").string("User requested");
        }
        AccountFact::Restated(_, reason) => {
            kind(json, "restated", live(&order));
            changed(json, &order);
            json.key("reason").string(reason);
        }
        AccountFact::Status(_) => {
            kind(json, "status", live(&order));
            trigger(json, &order, Some(time));
        }
        AccountFact::Canceled(_, reason) => {
            ended(json, "canceled", &order, reason);
            is_open_or_close = true;
        }
        AccountFact::Expired(_, reason) => {
            ended(json, "expired", &order, reason);
            is_open_or_close = true;
        }
        AccountFact::Ledger(_) => return None,
    }
    json.key("timestamp").quoted(Rfc3339::micros(time));
    Some(Told { market: order.pair.market, is_open_or_close })
}

/// Writes an open order of the snapshot.
pub(crate) fn snapshot_order(json: &mut Json, order: &OrderFacts<'_>) {
    json.key("order_id").string(order.txid.as_str());
    client_id(json, order.cl_ord_id, order.userref);
    let is_pending = order.status == OrderStatus::Pending;
    kind(json, if is_pending { "pending_new" } else { "new" }, words::status(order.status));
    description(json, order);
    totals(json, order);
    if order.is_amended {
        json.key("amended").bool(true);
    }
    json.key("timestamp").quoted(Rfc3339::micros(order.opened));
}

/// Writes a fill of the snapshot. It says `filled` unless its order is known to be open still, as captures do.
pub(crate) fn snapshot_trade(json: &mut Json, desk: &Desk, execution: &Execution) {
    let order = desk.order(execution.order);
    json.key("order_id").string(desk.order_id(execution.order).as_str());
    let (text, number) =
        order.as_ref().map_or((None, None), |order| (order.cl_ord_id, order.userref));
    client_id(json, text, number);
    let status = order.map_or(OrderStatus::Filled, |order| order.status);
    let is_filled = status != OrderStatus::PartiallyFilled;
    kind(json, "trade", if is_filled { "filled" } else { "partially_filled" });
    let symbol = desk.catalogue().pair(execution.market).map_or("", |pair| &*pair.symbol);
    fill(json, symbol, execution);
    json.key("timestamp").quoted(Rfc3339::micros(execution.time));
}

fn order_of(fact: &AccountFact) -> Option<OrderNo> {
    match fact {
        AccountFact::PendingNew(order)
        | AccountFact::New(order)
        | AccountFact::Trade(order, _)
        | AccountFact::Filled(order)
        | AccountFact::IcebergRefill(order)
        | AccountFact::Amended(order)
        | AccountFact::Restated(order, _)
        | AccountFact::Status(order)
        | AccountFact::Canceled(order, _)
        | AccountFact::Expired(order, _) => Some(*order),
        AccountFact::Ledger(_) => None,
    }
}

/// A client's own number is 0 when it gave neither that nor a text.
fn client_id(json: &mut Json, text: Option<&str>, number: Option<i32>) {
    match text {
        Some(text) => json.key("cl_ord_id").string(text),
        None => json.key("order_userref").number(number.unwrap_or(0)),
    }
}

fn kind(json: &mut Json, exec_type: &str, order_status: &str) {
    json.key("exec_type").string(exec_type);
    json.key("order_status").string(order_status);
}

/// Gives the status of an order that an event leaves open; later events of the same instant may have ended it.
fn live(order: &OrderFacts<'_>) -> &'static str {
    match order.status {
        OrderStatus::Pending => "pending_new",
        OrderStatus::Open => "new",
        OrderStatus::PartiallyFilled | OrderStatus::Filled => "partially_filled",
        OrderStatus::Canceled | OrderStatus::Expired if order.cum_qty.is_zero() => "new",
        OrderStatus::Canceled | OrderStatus::Expired => "partially_filled",
    }
}

/// Writes everything the client asked for.
fn description(json: &mut Json, order: &OrderFacts<'_>) {
    json.key("symbol").string(&order.pair.symbol);
    json.key("side").string(words::side(order.side));
    json.key("order_type").string(order.kind.name());
    sizes(json, order);
    limit(json, order);
    trigger(json, order, None);
    json.key("time_in_force").string(words::tif(order.tif));
    if let Some(time) = order.starts {
        json.key("effective_time").quoted(Rfc3339::micros(time));
    }
    if let Some(time) = order.expires {
        json.key("expire_time").quoted(Rfc3339::micros(time));
    }
    if order.is_post_only {
        json.key("post_only").bool(true);
    }
    json.key("fee_ccy_pref").string(if order.is_fee_in_base { "fcib" } else { "fciq" });
    if let Some(parent) = &order.parent {
        json.key("ord_ref_id").string(parent.as_str());
    }
    if let Some(close) = order.contingent {
        let is_limit = matches!(close.kind, OrderKind::Limit);
        let (trigger, limit) =
            if is_limit { (None, close.price) } else { (close.price, close.price2) };
        json.key("contingent").object(|json| {
            json.key("order_type").string(close.kind.name());
            for (name, name_of_type, spec) in [
                ("trigger_price", "trigger_price_type", trigger),
                ("limit_price", "limit_price_type", limit),
            ] {
                if let Some((word, number)) = spec.map(words::price) {
                    json.key(name).number(number);
                    json.key(name_of_type).string(word);
                }
            }
        });
    }
}

fn sizes(json: &mut Json, order: &OrderFacts<'_>) {
    if let Some(qty) = order.qty {
        json.key("order_qty").number(qty);
    }
    if let Some(qty) = order.cash_qty {
        json.key("cash_order_qty").number(qty);
    }
    shown(json, order);
}

fn shown(json: &mut Json, order: &OrderFacts<'_>) {
    if let Some(qty) = order.display_qty {
        json.key("display_qty").number(qty);
    }
    if let Some(qty) = order.display_remaining {
        json.key("display_qty_remain").number(qty);
    }
}

fn limit(json: &mut Json, order: &OrderFacts<'_>) {
    let word = order.limit_written.map(|spec| words::price(spec).0);
    if let (Some(price), Some(word)) = (order.limit, word) {
        json.key("limit_price").number(price);
        json.key("limit_price_type").string(word);
    }
}

/// Writes the trigger and its deprecated twins; `fired` is the instant of a `status` event.
fn trigger(json: &mut Json, order: &OrderFacts<'_>, fired: Option<Timestamp>) {
    let Some(trigger) = order.trigger else { return };
    let (word, written) = words::price(trigger.written);
    let is_static = word == "static";
    let reference = words::reference(trigger.reference);
    json.key("triggers").object(|json| {
        json.key("reference").string(reference);
        json.key("price").number(if is_static { trigger.price } else { written });
        json.key("price_type").string(word);
        if !is_static {
            json.key("actual_price").number(trigger.price);
        }
        json.key("status").string(if trigger.is_triggered { "triggered" } else { "untriggered" });
        if let Some(time) = fired.filter(|_| trigger.is_triggered) {
            json.key("timestamp").quoted(Rfc3339::micros(time));
        }
    });
    json.key("stop_price").number(trigger.price);
    json.key("trigger").string(reference);
}

fn changed(json: &mut Json, order: &OrderFacts<'_>) {
    sizes(json, order);
    limit(json, order);
    trigger(json, order, None);
    json.key("cum_qty").number(order.cum_qty);
}

fn ended(json: &mut Json, word: &str, order: &OrderFacts<'_>, reason: &str) {
    kind(json, word, word);
    totals(json, order);
    json.key("reason").string(reason);
    json.key("cancel_reason").string(reason);
}

fn totals(json: &mut Json, order: &OrderFacts<'_>) {
    json.key("cum_qty").number(order.cum_qty);
    json.key("cum_cost").number(order.cum_cost);
    json.key("avg_price").number(order.avg_price);
    usd(json, order.pair, order.fee_usd);
}

fn sums(json: &mut Json, pair: &PairDef, cum_qty: Decimal, cum_cost: Decimal) {
    json.key("cum_qty").number(cum_qty);
    json.key("cum_cost").number(cum_cost);
    let average = cum_cost.checked_div(cum_qty).unwrap_or_default();
    json.key("avg_price").number(rounded(average, pair.price_decimals));
}

fn usd(json: &mut Json, pair: &PairDef, fee: Option<Decimal>) {
    if let Some(fee) = fee {
        json.key("fee_usd_equiv").number(rounded(fee, pair.cost_decimals));
    }
}

fn fill(json: &mut Json, symbol: &str, execution: &Execution) {
    json.key("exec_id").string(&execution.exec_id);
    json.key("trade_id").number(execution.trade_id);
    json.key("symbol").string(symbol);
    json.key("side").string(words::side(execution.side));
    json.key("order_type").string(execution.kind.name());
    json.key("last_qty").number(execution.qty);
    json.key("last_price").number(execution.price);
    json.key("cost").number(execution.cost);
    json.key("liquidity_ind").string(if execution.is_maker { "m" } else { "t" });
    json.key("fees").array(|json| {
        json.object(|json| {
            json.key("asset").string(&execution.fee_asset);
            json.key("qty").number(execution.fee);
        });
    });
}

/// Gives the order's fees up to one fill in US dollars; the order itself may be further by now.
fn usd_so_far(desk: &Desk, order: &OrderFacts<'_>, until: &Execution) -> Option<Decimal> {
    let total = order.fee_usd?;
    let is_last = order.trades.last().is_none_or(|last| last.trade == until.trade);
    if is_last {
        return Some(total);
    }
    let rate = desk.catalogue().asset(order.pair.quote)?.usd_rate?;
    let fees = order.trades.iter().take_while(|fill| fill.trade <= until.trade);
    let in_quote = fees.map(|fill| {
        let is_in_base = order.is_fee_in_base && order.side == Side::Buy;
        if is_in_base { fill.fee.checked_mul(fill.price).unwrap_or_default() } else { fill.fee }
    });
    let sum: Decimal = in_quote.sum();
    sum.checked_mul(rate)
}

fn rounded(value: Decimal, decimals: u32) -> Decimal {
    let mut value = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    value.rescale(decimals);
    value
}
