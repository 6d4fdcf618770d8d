//! Orders as they are written on the socket and over REST, and what is under way on the socket.
//!
//! Prices and quantities are written as approved: plain decimals, digit by digit. Fees are asked for in the quote asset,
//! so that REST, which does not name the asset of a fee, cannot mean another.

use super::calls::{Act, Cost, Fields};
use super::orders::Order;
use crate::server::date::Rfc3339;
use remora_domain::{ClOrdId, OrderId, Side, TimeInForce, Timestamp};
use std::collections::BTreeMap;

/// Is a request of ours on the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Act(Act),
    Subscribe(Channel),
    Unsubscribe(Channel),
    Ping,
}

/// Is a private channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Executions,
    Balances,
}

impl Channel {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Executions => "executions",
            Self::Balances => "balances",
        }
    }
}

/// Is a request that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) cost: Cost,
    pub(super) sent_at: Timestamp,
}

/// Holds what is under way on the socket.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    pending: BTreeMap<u32, Pending>,
}

impl Requests {
    /// Numbers a request; inside 31 bits, which some of the venue's parts want.
    pub(super) fn add(&mut self, pending: Pending) -> u32 {
        self.last = (self.last + 1) & 0x3FFF_FFFF;
        self.pending.insert(self.last, pending);
        self.last
    }

    pub(super) fn take(&mut self, req_id: i64) -> Option<Pending> {
        self.pending.remove(&u32::try_from(req_id).ok()?)
    }

    pub(super) fn take_all(&mut self) -> BTreeMap<u32, Pending> {
        std::mem::take(&mut self.pending)
    }

    /// Takes a request that left by then; the oldest first.
    pub(super) fn take_older(&mut self, sent_by: Timestamp) -> Option<Pending> {
        let (&id, _) = self.pending.iter().find(|(_, pending)| pending.sent_at <= sent_by)?;
        self.pending.remove(&id)
    }

    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.pending.values().map(|pending| pending.sent_at).min()
    }
}

/// Writes text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Is an order to be written.
pub(super) struct Written<'a> {
    pub(super) id: &'a ClOrdId,
    pub(super) order: &'a Order,
}

impl Written<'_> {
    /// Writes what v2 wants of it beside symbol, deadline and token.
    fn v2(&self) -> String {
        let Order { side: way, price, qty, tif, is_post_only, .. } = self.order;
        let tif = match tif {
            TimeInForce::Gtc => "gtc",
            TimeInForce::Ioc => "ioc",
        };
        format!(
            "\"order_type\":\"limit\",\"side\":\"{}\",\"order_qty\":{qty},\"limit_price\":{price},\
             \"time_in_force\":\"{tif}\",\"post_only\":{is_post_only},\"fee_preference\":\"quote\",\
             \"cl_ord_id\":{}",
            side(*way),
            quoted(self.id.as_str())
        )
    }

    const fn rest_tif(&self) -> &'static str {
        match self.order.tif {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
        }
    }

    const fn rest_flags(&self, comma: &'static str) -> (&'static str, &'static str) {
        if self.order.is_post_only { ("post", comma) } else { ("", "") }
    }
}

/// Writes a request that places orders of one pair.
pub(super) fn add_frame(
    orders: &[Written<'_>],
    symbol: &str,
    deadline: Timestamp,
    token: &str,
    req_id: u32,
) -> String {
    let (symbol, token) = (quoted(symbol), quoted(token));
    let deadline = Rfc3339::micros(deadline);
    let common = format!("\"symbol\":{symbol},\"deadline\":\"{deadline}\",\"token\":{token}");
    match orders {
        [one] => format!(
            "{{\"method\":\"add_order\",\"params\":{{{},{common}}},\"req_id\":{req_id}}}",
            one.v2()
        ),
        several => {
            let orders: Vec<String> =
                several.iter().map(|order| format!("{{{}}}", order.v2())).collect();
            format!(
                "{{\"method\":\"batch_add\",\"params\":{{\"orders\":[{}],{common}}},\"req_id\":{req_id}}}",
                orders.join(",")
            )
        }
    }
}

/// Is the change of an order of the venue: `qty` counts what is filled already.
pub(super) struct Changed<'a> {
    pub(super) order_id: &'a OrderId,
    pub(super) order: &'a Order,
    pub(super) deadline: Timestamp,
}

/// Writes a request that changes an order. Only post-only on the change itself protects the new price.
pub(super) fn amend_frame(changed: &Changed<'_>, token: &str, req_id: u32) -> String {
    let Order { price, qty, is_post_only, .. } = changed.order;
    format!(
        "{{\"method\":\"amend_order\",\"params\":{{\"order_id\":{},\"order_qty\":{qty},\"limit_price\":{price},\
         \"post_only\":{is_post_only},\"deadline\":\"{}\",\"token\":{}}},\"req_id\":{req_id}}}",
        quoted(changed.order_id.as_str()),
        Rfc3339::micros(changed.deadline),
        quoted(token)
    )
}

/// Writes a call that changes an order.
pub(super) fn amend_fields(changed: &Changed<'_>) -> Fields {
    let Order { price, qty, is_post_only, .. } = changed.order;
    let deadline = Rfc3339::micros(changed.deadline).to_string().replace(':', "%3A");
    Fields::Form(format!(
        "txid={}&order_qty={qty}&limit_price={price}&post_only={is_post_only}&deadline={deadline}",
        changed.order_id
    ))
}

/// Writes a request that takes an order back.
pub(super) fn cancel_frame(
    id: &ClOrdId,
    order_id: Option<&OrderId>,
    token: &str,
    req_id: u32,
) -> String {
    let (name, text) = match order_id {
        Some(order_id) => ("order_id", order_id.as_str()),
        None => ("cl_ord_id", id.as_str()),
    };
    format!(
        "{{\"method\":\"cancel_order\",\"params\":{{\"{name}\":[{}],\"token\":{}}},\"req_id\":{req_id}}}",
        quoted(text),
        quoted(token)
    )
}

/// Writes a request that takes every order of the account back.
pub(super) fn cancel_account_frame(token: &str, req_id: u32) -> String {
    let token = quoted(token);
    format!("{{\"method\":\"cancel_all\",\"params\":{{\"token\":{token}}},\"req_id\":{req_id}}}")
}

/// Writes a request that sets the timer.
pub(super) fn guard_frame(seconds: u32, token: &str, req_id: u32) -> String {
    format!(
        "{{\"method\":\"cancel_all_orders_after\",\"params\":{{\"timeout\":{seconds},\"token\":{}}},\"req_id\":{req_id}}}",
        quoted(token)
    )
}

/// Writes a subscription.
pub(super) fn subscribe_frame(channel: Channel, token: &str, req_id: u32) -> String {
    let more = match channel {
        Channel::Executions => {
            "\"snap_orders\":true,\"snap_trades\":true,\"order_status\":true,\"ratecounter\":true,"
        }
        Channel::Balances => "\"snapshot\":true,",
    };
    format!(
        "{{\"method\":\"subscribe\",\"params\":{{\"channel\":\"{}\",{more}\"token\":{}}},\"req_id\":{req_id}}}",
        channel.name(),
        quoted(token)
    )
}

/// Writes the end of a subscription.
pub(super) fn unsubscribe_frame(channel: Channel, token: &str, req_id: u32) -> String {
    format!(
        "{{\"method\":\"unsubscribe\",\"params\":{{\"channel\":\"{}\",\"token\":{}}},\"req_id\":{req_id}}}",
        channel.name(),
        quoted(token)
    )
}

pub(super) fn ping_frame(req_id: u32) -> String {
    format!("{{\"method\":\"ping\",\"req_id\":{req_id}}}")
}

/// Writes a call that places orders of one pair.
pub(super) fn add_fields(orders: &[Written<'_>], altname: &str, deadline: Timestamp) -> Fields {
    let deadline = Rfc3339::micros(deadline).to_string();
    if let [one] = orders {
        let Order { side: way, price, qty, .. } = one.order;
        let (post, comma) = one.rest_flags("%2C");
        return Fields::Form(format!(
            "pair={altname}&type={}&ordertype=limit&volume={qty}&price={price}&timeinforce={}\
             &oflags={post}{comma}fciq&cl_ord_id={}&deadline={}",
            side(*way),
            one.rest_tif(),
            one.id,
            deadline.replace(':', "%3A")
        ));
    }
    let orders: Vec<String> = orders
        .iter()
        .map(|one| {
            let Order { side: way, price, qty, .. } = one.order;
            let (post, comma) = one.rest_flags(",");
            format!(
                "{{\"type\":\"{}\",\"ordertype\":\"limit\",\"volume\":\"{qty}\",\"price\":\"{price}\",\
                 \"timeinforce\":\"{}\",\"oflags\":\"{post}{comma}fciq\",\"cl_ord_id\":\"{}\"}}",
                side(*way),
                one.rest_tif(),
                one.id
            )
        })
        .collect();
    Fields::Json(format!(
        "\"pair\":{},\"deadline\":\"{deadline}\",\"orders\":[{}]",
        quoted(altname),
        orders.join(",")
    ))
}

/// Writes a call that takes orders back.
pub(super) fn cancel_fields(orders: &[(&ClOrdId, Option<&OrderId>)]) -> Fields {
    if let [(id, order_id)] = orders {
        return Fields::Form(match order_id {
            Some(order_id) => format!("txid={order_id}"),
            None => format!("cl_ord_id={id}"),
        });
    }
    let known = orders.iter().filter_map(|(_, order_id)| *order_id);
    let known: Vec<String> = known.map(|order_id| quoted(order_id.as_str())).collect();
    let named = orders.iter().filter(|(_, order_id)| order_id.is_none());
    let named: Vec<String> = named.map(|(id, _)| quoted(id.as_str())).collect();
    let lists = [("orders", known), ("cl_ord_ids", named)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lists: Vec<String> =
        lists.map(|(name, list)| format!("\"{name}\":[{}]", list.join(","))).collect();
    Fields::Json(lists.join(","))
}

pub(super) fn guard_fields(seconds: u32) -> Fields {
    Fields::Form(format!("timeout={seconds}"))
}
