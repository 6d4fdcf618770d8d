//! Orders as REST prints them: `OpenOrders`, `ClosedOrders`, `QueryOrders`, `OrderAmends`.

use super::Private;
use super::fields::Fields;
use crate::server::date::{UnixSeconds, unix_seconds};
use crate::server::desk::{
    CloseTime, ClosedQuery, Desk, DeskResult, OrderFacts, OrderKind, OrderStatus, PriceSpec, Span,
    TriggerReference, fixed, price_words,
};
use crate::server::error::KrakenError;
use crate::server::json::Json;
use remora_domain::Side;
use remora_matching::OrderNo;
use rust_decimal::Decimal;

/// The most orders that are asked for by id at once.
const QUERY_MAX: usize = 50;
/// What stands where an order has no such price.
const NO_PRICE: &str = "0.00000";

/// Writes all open orders.
pub(super) fn open_orders(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let with_trades = call.fields.flag("trades", false)?;
    let userref = call.fields.userref()?;
    let cl_ord_id = call.fields.scalar("cl_ord_id")?;
    json.object(|json| {
        json.key("open").object(|json| {
            for facts in call.desk.open_orders(call.trader).filter_map(|no| call.desk.order(no)) {
                let is_wanted = userref.is_none_or(|wanted| facts.userref == Some(wanted))
                    && cl_ord_id.is_none_or(|wanted| facts.cl_ord_id == Some(wanted));
                if is_wanted {
                    write_order(call.desk, &facts, with_trades, json);
                }
            }
        });
    });
    Ok(())
}

/// Writes one page of closed orders, newest first.
pub(super) fn closed_orders(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let with_trades = call.fields.flag("trades", false)?;
    let close_time = call.fields.read("closetime", |text| match text {
        "open" => Some(CloseTime::Open),
        "close" => Some(CloseTime::Close),
        "both" => Some(CloseTime::Both),
        _ => None,
    })?;
    let query = ClosedQuery {
        span: span(&call.fields)?,
        close_time: close_time.unwrap_or_default(),
        userref: call.fields.userref()?,
        cl_ord_id: call.fields.scalar("cl_ord_id")?.map(str::to_owned),
    };
    let is_counted = !call.fields.flag("without_count", false)?;
    let page = call.desk.closed_orders(call.trader, &query);
    json.object(|json| {
        json.key("closed").object(|json| {
            for facts in page.rows.iter().filter_map(|order| call.desk.order(*order)) {
                write_order(call.desk, &facts, with_trades, json);
            }
        });
        if is_counted {
            json.key("count").number(page.count);
        }
    });
    Ok(())
}

/// Writes orders by their ids.
pub(super) fn query_orders(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let with_trades = call.fields.flag("trades", false)?;
    let userref = call.fields.userref()?;
    let ids = call.fields.list("txid");
    if ids.is_empty() || ids.len() > QUERY_MAX {
        return Err(KrakenError::InvalidArguments);
    }
    let find = |id| call.desk.find_order(call.trader, id).ok_or_else(|| unknown(id));
    let orders: Vec<OrderNo> = ids.into_iter().map(find).collect::<DeskResult<_>>()?;
    json.object(|json| {
        for facts in orders.into_iter().filter_map(|order| call.desk.order(order)) {
            if userref.is_none_or(|wanted| facts.userref == Some(wanted)) {
                write_order(call.desk, &facts, with_trades, json);
            }
        }
    });
    Ok(())
}

/// Writes what became of an order, the original first.
pub(super) fn order_amends(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let rows = call.desk.order_amends(call.trader, call.fields.required("order_id")?)?;
    json.object(|json| {
        json.key("count").number(rows.len());
        json.key("amends").array(|json| {
            for row in rows {
                json.object(|json| {
                    json.key("amend_id").string(row.amend_id.as_str());
                    json.key("amend_type").string(if row.is_by_user { "user" } else { "original" });
                    json.key("order_qty").quoted(row.order_qty);
                    if let Some(qty) = row.display_qty {
                        json.key("display_qty").quoted(qty);
                    }
                    json.key("remaining_qty").quoted(row.remaining_qty);
                    if let Some(price) = row.limit_price {
                        json.key("limit_price").quoted(price);
                    }
                    if let Some(price) = row.trigger_price {
                        json.key("trigger_price").quoted(price);
                    }
                    json.key("post_only").bool(row.is_post_only);
                    json.key("timestamp").number(row.time.as_ns());
                });
            }
        });
    });
    Ok(())
}

/// Reads `start`, `end` and `ofs`.
pub(super) fn span(fields: &Fields) -> DeskResult<Span> {
    Ok(Span {
        start: fields.bound("start")?,
        end: fields.bound("end")?,
        offset: fields.whole("ofs")?.unwrap_or(0),
    })
}

/// Gives `buy` or `sell`.
pub(super) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Says why an order cannot be found: what has another form than the venue's ids is no order at all.
fn unknown(id: &str) -> KrakenError {
    let is_id = id.len() == 19
        && id
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    if is_id { KrakenError::UnknownOrder } else { KrakenError::InvalidOrder }
}

/// Writes an order under its id.
fn write_order(desk: &Desk, facts: &OrderFacts<'_>, with_trades: bool, json: &mut Json) {
    json.key(facts.txid.as_str()).object(|json| {
        match facts.parent {
            Some(parent) => json.key("refid").string(parent.as_str()),
            None => json.key("refid").null(),
        }
        json.key("userref").number(facts.userref.unwrap_or(0));
        if let Some(id) = facts.cl_ord_id {
            json.key("cl_ord_id").string(id);
        }
        json.key("status").string(status_name(facts.status));
        if let Some(closed) = facts.closed {
            match facts.reason {
                Some(reason) => json.key("reason").string(reason),
                None => json.key("reason").null(),
            }
            json.key("closetm").number(UnixSeconds(closed));
        }
        json.key("opentm").number(UnixSeconds(facts.opened));
        json.key("starttm").number(facts.starts.map_or(0, unix_seconds));
        json.key("expiretm").number(facts.expires.map_or(0, unix_seconds));
        json.key("descr").object(|json| write_description(desk, facts, json));
        write_amounts(facts, json);
        if with_trades {
            json.key("trades").array(|json| {
                facts.trades.iter().for_each(|trade| json.string(&trade.exec_id));
            });
        }
    });
}

fn write_description(desk: &Desk, facts: &OrderFacts<'_>, json: &mut Json) {
    let (price, price2) = written_prices(facts);
    json.key("pair").string(&facts.pair.altname);
    json.key("aclass").string("forex");
    json.key("type").string(side_name(facts.side));
    json.key("ordertype").string(facts.kind.name());
    json.key("price").string(&price);
    json.key("price2").string(&price2);
    json.key("leverage").string("none");
    json.key("order").string(&desk.describe(facts));
    json.key("close").string(&desk.describe_close(facts));
}

/// Gives `price` and `price2` of the description: relative ones as they were written, `0` where there is none.
fn written_prices(facts: &OrderFacts<'_>) -> (String, String) {
    let none = || "0".to_owned();
    let limit = match (facts.limit_written, facts.limit) {
        (Some(written @ (PriceSpec::Quote { .. } | PriceSpec::Percent { .. })), _)
            if facts.trigger.is_some() =>
        {
            price_words(facts.pair, written)
        }
        (_, Some(limit)) => limit.to_string(),
        (_, None) => none(),
    };
    let trigger = facts.trigger.map(|trigger| match trigger.written {
        PriceSpec::Static(_) => trigger.price.to_string(),
        written @ (PriceSpec::Quote { .. } | PriceSpec::Percent { .. }) => {
            price_words(facts.pair, written)
        }
    });
    match (facts.kind, trigger) {
        (OrderKind::Limit | OrderKind::Iceberg, _) => (limit, none()),
        (_, Some(trigger)) => (trigger, limit),
        (_, None) => (none(), none()),
    }
}

fn write_amounts(facts: &OrderFacts<'_>, json: &mut Json) {
    let qty = facts.qty.or(facts.cash_qty).unwrap_or_default();
    json.key("vol").quoted(fixed(qty, facts.pair.qty_decimals));
    json.key("vol_exec").quoted(facts.cum_qty);
    json.key("cost").quoted(facts.cum_cost);
    json.key("fee").quoted(facts.fee);
    let mut price = |name: &str, price: Option<Decimal>| match price {
        Some(price) => json.key(name).quoted(price),
        None => json.key(name).quoted(NO_PRICE),
    };
    let fired = facts.trigger.filter(|trigger| trigger.is_triggered);
    // The average price of its fills, not its limit.
    price("price", Some(facts.avg_price).filter(|price| !price.is_zero()));
    price("stopprice", facts.trigger.map(|trigger| trigger.price));
    price("limitprice", fired.and(facts.limit));
    let reference = facts.trigger.map_or(TriggerReference::Last, |trigger| trigger.reference);
    json.key("trigger").string(match reference {
        TriggerReference::Last => "last",
        TriggerReference::Index => "index",
    });
    json.key("margin").bool(false);
    json.key("misc").string(&misc(facts).join(","));
    json.key("oflags").string(&flags(facts).join(","));
}

fn misc(facts: &OrderFacts<'_>) -> Vec<&'static str> {
    let is_triggered = facts.trigger.is_some_and(|trigger| trigger.is_triggered);
    let is_profit = matches!(facts.kind, OrderKind::TakeProfit | OrderKind::TakeProfitLimit);
    let is_partial = facts.status != OrderStatus::Filled && !facts.cum_qty.is_zero();
    [
        (is_triggered && !is_profit, "stopped"),
        (is_triggered && is_profit, "touched"),
        (is_partial, "partial"),
        (facts.is_amended, "amended"),
    ]
    .into_iter()
    .filter_map(|(applies, token)| applies.then_some(token))
    .collect()
}

fn flags(facts: &OrderFacts<'_>) -> Vec<&'static str> {
    let fee = if facts.is_fee_in_base { "fcib" } else { "fciq" };
    [(facts.is_post_only, "post"), (true, fee), (facts.cash_qty.is_some(), "viqc")]
        .into_iter()
        .filter_map(|(applies, flag)| applies.then_some(flag))
        .collect()
}

fn status_name(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending",
        OrderStatus::Open | OrderStatus::PartiallyFilled => "open",
        OrderStatus::Filled => "closed",
        OrderStatus::Canceled => "canceled",
        OrderStatus::Expired => "expired",
    }
}
