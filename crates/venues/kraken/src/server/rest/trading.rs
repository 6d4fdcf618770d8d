//! Orders: `AddOrder`, `AddOrderBatch`, `AmendOrder`, `EditOrder`, `CancelOrder`, `CancelOrderBatch`, `CancelAll`,
//! `CancelAllOrdersAfter`.

use super::Private;
use super::order::{
    add_order as read_order, amend_order as read_amend, named_order, order_flags, pair, prices,
};
use super::read::order_ref;
use crate::server::date::Rfc3339;
use crate::server::desk::{AddBatch, Added, DeskResult, EditOrder, OrderKind, OrderRef};
use crate::server::error::KrakenError;
use crate::server::json::Json;

/// How many orders a batch holds.
const BATCH_ORDERS: std::ops::RangeInclusive<usize> = 2..=15;
/// The most orders that are named in one batch of cancels.
const CANCEL_MAX: usize = 50;
/// The dead man's switch waits less than this many seconds.
const AFTER_SECONDS_END: u32 = 86_400;

/// Places an order.
pub(super) fn add_order(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let fields = &call.fields;
    let is_validate_only = fields.flag("validate", false)?;
    let order = read_order(fields, pair(fields)?, fields.deadline()?, is_validate_only)?;
    let added = call.desk.add(call.now, call.trader, &order)?;
    json.object(|json| {
        json.key("descr").object(|json| {
            json.key("order").string(&added.descr);
            if !added.close.is_empty() {
                json.key("close").string(&added.close);
            }
        });
        if let Some(txid) = &added.txid {
            json.key("txid").array(|json| json.string(txid));
        }
    });
    Ok(())
}

/// Places a batch. One malformed order fails all of it; orders refused later fail alone.
pub(super) fn add_order_batch(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let fields = &call.fields;
    let (pair, deadline) = (pair(fields)?, fields.deadline()?);
    let is_validate_only = fields.flag("validate", false)?;
    let orders = fields.structures("orders");
    if !BATCH_ORDERS.contains(&orders.len()) {
        return Err(KrakenError::InvalidArgument("orders"));
    }
    let read = |order| read_order(order, pair, deadline, is_validate_only);
    let orders = orders.iter().map(read).collect::<DeskResult<_>>()?;
    let batch = AddBatch { pair: pair.to_owned(), orders, deadline, is_validate_only };
    let answers = call.desk.add_batch(call.now, call.trader, &batch)?;
    json.object(|json| {
        json.key("orders").array(|json| {
            for answer in &answers {
                json.object(|json| write_batch_answer(answer, json));
            }
        });
    });
    Ok(())
}

/// Writes the answer to one order of a batch: `close` stands beside `descr` here.
fn write_batch_answer(answer: &DeskResult<Added>, json: &mut Json) {
    match answer {
        Ok(added) => {
            if let Some(txid) = &added.txid {
                json.key("txid").string(txid);
            }
            json.key("descr").object(|json| json.key("order").string(&added.descr));
            if !added.close.is_empty() {
                json.key("close").string(&added.close);
            }
        }
        Err(error) => json.key("error").string(&error.to_string()),
    }
}

/// Changes an order in place.
pub(super) fn amend_order(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let amend = read_amend(&call.fields)?;
    let id = call.desk.amend(call.now, call.trader, &amend)?;
    json.object(|json| json.key("amend_id").string(id.as_str()));
    Ok(())
}

/// Replaces an order by a new one.
pub(super) fn edit_order(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let edit = read_edit(call)?;
    let edited = call.desk.edit(call.now, call.trader, &edit)?;
    json.object(|json| {
        json.key("status").string("ok");
        if let Some(txid) = &edited.added.txid {
            json.key("txid").string(txid);
        }
        json.key("originaltxid").string(&edited.original_txid);
        json.key("volume").string(&edited.volume);
        json.key("price").string(&edited.price);
        json.key("price2").string(&edited.price2);
        json.key("orders_cancelled").number(i32::from(edited.added.txid.is_some()));
        json.key("descr").object(|json| json.key("order").string(&edited.added.descr));
        if let Some(userref) = edited.added.userref {
            json.key("newuserref").quoted(userref);
        }
        if let Some(userref) = edited.old_userref {
            json.key("olduserref").quoted(userref);
        }
    });
    Ok(())
}

fn read_edit(call: &Private<'_>) -> DeskResult<EditOrder> {
    let fields = &call.fields;
    let order = order_ref(fields.required("txid")?);
    let pair = pair(fields)?.to_owned();
    let (limit, trigger) = prices(fields, kind_of(call, &order)?)?;
    Ok(EditOrder {
        order,
        pair,
        qty: fields.decimal("volume")?,
        display_qty: fields.decimal("displayvol")?,
        limit,
        trigger,
        is_post_only: order_flags(fields)?.is_post_only,
        userref: fields.userref()?,
        deadline: fields.deadline()?,
        is_validate_only: fields.flag("validate", false)?,
    })
}

/// Gives the type of an order that is to be replaced: it decides what `price` means.
fn kind_of(call: &Private<'_>, order: &OrderRef) -> DeskResult<OrderKind> {
    let mut open = call.desk.open_orders(call.trader).filter_map(|no| call.desk.order(no));
    let found = match order {
        OrderRef::Txid(txid) => {
            call.desk.find_order(call.trader, txid).and_then(|no| call.desk.order(no))
        }
        OrderRef::UserRef(userref) => open.find(|facts| facts.userref == Some(*userref)),
        OrderRef::ClOrdId(_) => None,
    };
    found.map(|facts| facts.kind).ok_or(KrakenError::UnknownOrder)
}

/// Cancels an order, or all with one number.
pub(super) fn cancel_order(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let order = named_order(&call.fields)?;
    let count = call.desk.cancel(call.now, call.trader, &order)?;
    write_count(count, json);
    Ok(())
}

/// Cancels several orders.
pub(super) fn cancel_order_batch(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let orders = cancelled_orders(call)?;
    let count = call.desk.cancel_batch(call.now, call.trader, &orders)?;
    write_count(count, json);
    Ok(())
}

/// Reads the orders to cancel, each once: plain texts and numbers, or structures that name them.
fn cancelled_orders(call: &Private<'_>) -> DeskResult<Vec<OrderRef>> {
    let fields = &call.fields;
    let mut orders: Vec<OrderRef> = Vec::new();
    let mut add = |order| {
        if !orders.contains(&order) {
            orders.push(order);
        }
    };
    if fields.text("orders").is_some() {
        fields.list("orders").into_iter().for_each(|text| add(order_ref(text)));
    }
    for order in fields.structures("orders") {
        match order.text("").or_else(|| order.text("userref")) {
            Some(text) => add(order_ref(text)),
            None => add(named_order(&order)?),
        }
    }
    if fields.text("cl_ord_ids").is_some() {
        for id in fields.list("cl_ord_ids") {
            add(OrderRef::ClOrdId(id.to_owned()));
        }
    }
    for order in fields.structures("cl_ord_ids") {
        let id = order.text("").or_else(|| order.text("cl_ord_id"));
        add(OrderRef::ClOrdId(id.ok_or(KrakenError::InvalidArguments)?.to_owned()));
    }
    let is_good = (1..=CANCEL_MAX).contains(&orders.len());
    if is_good { Ok(orders) } else { Err(KrakenError::InvalidArguments) }
}

/// Cancels everything.
pub(super) fn cancel_all(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    write_count(call.desk.cancel_all(call.now, call.trader)?, json);
    Ok(())
}

/// Arms or disarms the dead man's switch.
pub(super) fn cancel_all_orders_after(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let seconds = call.fields.whole("timeout")?.filter(|seconds| *seconds < AFTER_SECONDS_END);
    let seconds = seconds.ok_or(KrakenError::InvalidArgument("timeout"))?;
    let (now, trigger) = call.desk.cancel_all_after(call.now, call.trader, seconds)?;
    json.object(|json| {
        json.key("currentTime").quoted(Rfc3339::seconds(now));
        match trigger {
            Some(trigger) => json.key("triggerTime").quoted(Rfc3339::seconds(trigger)),
            // Not documented for spot; the futures twin answers this.
            None => json.key("triggerTime").string("0"),
        }
    });
    Ok(())
}

fn write_count(count: u32, json: &mut Json) {
    json.object(|json| json.key("count").number(count));
}
