//! The trading methods: what clients write, and what they are told.
//!
//! In: the members of a request. Out: an [`Action`], read completely before anything is done, and one answer for each
//! order it names. Source: Kraken WebSocket v2, methods of these names (checked June 2026); captures of 2024 for
//! `batch_cancel` (its count stands beside the result too) and `cancel_all_orders_after`.

use crate::server::auth::Permission;
use crate::server::date::Rfc3339;
use crate::server::desk::{
    AddBatch, AddOrder, Added, AmendOrder, Contingent, Desk, DeskResult, EditOrder, OrderKind,
    OrderRef, PriceSpec, Stp, Tif, TimeSpec, TriggerReference,
};
use crate::server::json::Json;
use crate::server::ws::reply::{Head, failure, success, success_with};
use crate::server::ws::request::{Fields, Refusal, string, words as words_of};
use crate::server::ws::words;
use remora_matching::TraderIx;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::sync::Arc;

/// The most orders that one `cancel_order` may name; not documented, so as many as the REST batch allows twice.
const CANCEL_MAX: usize = 100;

/// Reads the members of a request; the text names it in errors.
type Read = fn(&mut Fields<'_>, &str) -> Result<Action, Refusal>;

/// Every trading method.
pub(super) const METHODS: [(&str, Read); 8] = [
    ("add_order", add),
    ("batch_add", add_batch),
    ("amend_order", |fields, _| amend(fields)),
    ("edit_order", edit),
    ("cancel_order", |fields, _| cancel(fields)),
    ("batch_cancel", |fields, _| cancel_batch(fields)),
    ("cancel_all", |_, _| Ok(Action::CancelAll)),
    ("cancel_all_orders_after", |fields, _| cancel_all_after(fields)),
];

/// Is what a trading request asks for.
#[derive(Debug)]
pub(crate) enum Action {
    Add(Box<AddOrder>),
    AddBatch(AddBatch),
    Amend(AmendOrder),
    Edit(EditOrder),
    Cancel(Vec<OrderRef>),
    CancelBatch(Vec<OrderRef>),
    CancelAll,
    CancelAllAfter(u32),
}

impl Action {
    /// Reads a request, its token already taken; none when there is no such method.
    pub(crate) fn read(method: &str, mut fields: Fields<'_>) -> Option<Result<Self, Refusal>> {
        let message = words_of(method);
        let (_, read) = METHODS.iter().find(|(known, _)| *known == method)?;
        let read = read(&mut fields, &message);
        Some(read.and_then(|action| fields.finish(&message).map(|()| action)))
    }

    /// Gives the right of a key that it needs.
    pub(crate) const fn needs(&self) -> Permission {
        match self {
            Self::Add(_) | Self::AddBatch(_) | Self::Amend(_) | Self::Edit(_) => {
                Permission::ModifyTrades
            }
            Self::Cancel(_) | Self::CancelBatch(_) | Self::CancelAll | Self::CancelAllAfter(_) => {
                Permission::CloseTrades
            }
        }
    }

    /// Does it and writes the answers.
    pub(crate) fn perform(
        self,
        desk: &mut Desk,
        trader: TraderIx,
        json: &mut Json,
        head: Head<'_>,
        mut send: impl FnMut(Arc<str>),
    ) {
        let now = head.now;
        let text = match self {
            Self::Add(order) => answer(json, head, desk.add(now, trader, &order), |json, added| {
                json.object(|json| added_members(json, &added));
            }),
            Self::AddBatch(batch) => {
                let named = batch.orders.iter().map(own_id).collect();
                answer(json, head, desk.add_batch(now, trader, &batch), |json, added| {
                    json.array(|json| batch_items(json, added, named));
                })
            }
            Self::Amend(amend) => {
                answer(json, head, desk.amend(now, trader, &amend), |json, id| {
                    json.object(|json| {
                        json.key("amend_id").string(id.as_str());
                        reference(json, &amend.order);
                    });
                })
            }
            Self::Edit(edit) => {
                answer(json, head, desk.edit(now, trader, &edit), |json, edited| {
                    json.object(|json| {
                        added_members(json, &edited.added);
                        json.key("original_order_id").string(&edited.original_txid);
                    });
                })
            }
            Self::Cancel(orders) => {
                for order in orders {
                    let done = desk.cancel(now, trader, &order);
                    send(answer(json, head, done, |json, _| {
                        json.object(|json| reference(json, &order));
                    }));
                }
                return;
            }
            Self::CancelBatch(orders) => match desk.cancel_batch(now, trader, &orders) {
                Ok(count) => success_with(
                    json,
                    head,
                    |json| json.key("orders_cancelled").number(count),
                    |json| counted(json, count),
                ),
                Err(error) => failure(json, head, &error.into(), |_| ()),
            },
            Self::CancelAll => answer(json, head, desk.cancel_all(now, trader), counted),
            Self::CancelAllAfter(seconds) => {
                let armed = desk.cancel_all_after(now, trader, seconds);
                answer(json, head, armed, |json, (current, trigger)| {
                    json.object(|json| {
                        json.key("currentTime").quoted(Rfc3339::seconds(current));
                        match trigger {
                            Some(at) => json.key("triggerTime").quoted(Rfc3339::seconds(at)),
                            None => json.key("triggerTime").string("0"),
                        }
                    });
                })
            }
        };
        send(text);
    }
}

fn answer<T>(
    json: &mut Json,
    head: Head<'_>,
    done: DeskResult<T>,
    result: impl FnOnce(&mut Json, T),
) -> Arc<str> {
    match done {
        Ok(value) => success(json, head, |json| result(json, value)),
        Err(error) => failure(json, head, &error.into(), |_| ()),
    }
}

fn counted(json: &mut Json, count: u32) {
    json.object(|json| json.key("count").number(count));
}

fn added_members(json: &mut Json, added: &Added) {
    if let Some(txid) = &added.txid {
        json.key("order_id").string(txid);
    }
    client_id(json, added.cl_ord_id.as_deref(), added.userref);
}

fn client_id(json: &mut Json, cl_ord_id: Option<&str>, userref: Option<i32>) {
    if let Some(text) = cl_ord_id {
        json.key("cl_ord_id").string(text);
    }
    if let Some(number) = userref {
        json.key("order_userref").number(number);
    }
}

fn own_id(order: &AddOrder) -> (Option<String>, Option<i32>) {
    (order.cl_ord_id.clone(), order.userref)
}

/// How an order that fails alone looks is not documented; it says so in its own place of the list.
fn batch_items(
    json: &mut Json,
    added: Vec<DeskResult<Added>>,
    named: Vec<(Option<String>, Option<i32>)>,
) {
    for (done, (cl_ord_id, userref)) in added.into_iter().zip(named) {
        json.object(|json| match done {
            Ok(added) => added_members(json, &added),
            Err(error) => {
                client_id(json, cl_ord_id.as_deref(), userref);
                json.key("error").string(&error.to_string());
                json.key("success").bool(false);
            }
        });
    }
}

/// Repeats how the client named an order.
fn reference(json: &mut Json, order: &OrderRef) {
    match order {
        OrderRef::Txid(id) => json.key("order_id").string(id),
        OrderRef::ClOrdId(id) => json.key("cl_ord_id").string(id),
        OrderRef::UserRef(number) => json.key("order_userref").number(number),
    }
}

fn add(fields: &mut Fields<'_>, message: &str) -> Result<Action, Refusal> {
    let mut order = order(fields, message)?;
    order.pair = fields.need_text("symbol")?.into_owned();
    order.deadline = fields.instant("deadline")?;
    order.is_validate_only = fields.flag("validate")?.unwrap_or(false);
    Ok(Action::Add(Box::new(order)))
}

fn add_batch(fields: &mut Fields<'_>, message: &str) -> Result<Action, Refusal> {
    let pair = fields.need_text("symbol")?.into_owned();
    let deadline = fields.instant("deadline")?;
    let is_validate_only = fields.flag("validate")?.unwrap_or(false);
    let listed = fields.list("orders", "an array", Fields::parse)?;
    let mut orders = Vec::new();
    for mut item in listed.ok_or_else(|| Refusal::missing("orders"))? {
        let mut order = order(&mut item, message)?;
        order.pair.clone_from(&pair);
        item.finish(message)?;
        orders.push(order);
    }
    Ok(Action::AddBatch(AddBatch { pair, orders, deadline, is_validate_only }))
}

/// Reads what an order is; symbol, deadline and `validate` stand elsewhere in a batch.
fn order(fields: &mut Fields<'_>, message: &str) -> Result<AddOrder, Refusal> {
    let (trigger, trigger_reference) = triggers(fields, message)?;
    let contingent = contingent(fields, message)?;
    let cash = fields.number("cash_order_qty")?;
    let qty = fields.number("order_qty")?;
    let time = |time| TimeSpec::At(time);
    // Margin protection is gone since September 2025; whose order it is does not matter to the desk.
    let _ = (fields.flag("no_mpp")?, fields.text("sender_sub_id")?);
    Ok(AddOrder {
        pair: String::new(),
        side: need(fields, "side", words::read_side)?,
        kind: need(fields, "order_type", OrderKind::from_name)?,
        is_qty_in_quote: cash.is_some(),
        qty: cash.or(qty).ok_or_else(|| Refusal::missing("order_qty"))?,
        display_qty: fields.number("display_qty")?,
        limit: price(fields, "limit_price", "limit_price_type")?,
        trigger,
        trigger_reference,
        tif: choice(fields, "time_in_force", words::read_tif)?.unwrap_or(Tif::Gtc),
        start: fields.instant("effective_time")?.map(time),
        expire: fields.instant("expire_time")?.map(time),
        is_post_only: fields.flag("post_only")?.unwrap_or(false),
        is_fee_in_base: choice(fields, "fee_preference", |word| match word {
            "base" => Some(true),
            "quote" => Some(false),
            _ => None,
        })?,
        userref: userref(fields)?,
        cl_ord_id: fields.text("cl_ord_id")?.map(Cow::into_owned),
        stp: choice(fields, "stp_type", words::read_stp)?.unwrap_or(Stp::CancelNewest),
        is_reduce_only: fields.flag("reduce_only")?.unwrap_or(false),
        is_margin: fields.flag("margin")?.unwrap_or(false),
        contingent,
        deadline: None,
        is_validate_only: false,
    })
}

fn triggers(
    fields: &mut Fields<'_>,
    message: &str,
) -> Result<(Option<PriceSpec>, TriggerReference), Refusal> {
    let Some(mut triggers) = fields.object("triggers")? else {
        return Ok((None, TriggerReference::Last));
    };
    let spec = price(&mut triggers, "price", "price_type")?;
    let reference = choice(&mut triggers, "reference", words::read_reference)?;
    triggers.finish(message)?;
    Ok((spec, reference.unwrap_or(TriggerReference::Last)))
}

fn contingent(fields: &mut Fields<'_>, message: &str) -> Result<Option<Contingent>, Refusal> {
    let Some(mut close) = fields.object("conditional")? else { return Ok(None) };
    let kind = need(&mut close, "order_type", OrderKind::from_name)?;
    let trigger = price(&mut close, "trigger_price", "trigger_price_type")?;
    let limit = price(&mut close, "limit_price", "limit_price_type")?;
    close.finish(message)?;
    let (price, price2) = if trigger.is_some() { (trigger, limit) } else { (limit, None) };
    Ok(Some(Contingent { kind, price, price2 }))
}

fn amend(fields: &mut Fields<'_>) -> Result<Action, Refusal> {
    let txid = fields.text("order_id")?;
    let client = fields.text("cl_ord_id")?;
    // The symbol decides only for tokenised assets, which are not traded here.
    let _ = fields.text("symbol")?;
    Ok(Action::Amend(AmendOrder {
        order: one_order(txid, client)?,
        qty: fields.number("order_qty")?,
        display_qty: fields.number("display_qty")?,
        limit: price(fields, "limit_price", "limit_price_type")?,
        trigger: price(fields, "trigger_price", "trigger_price_type")?,
        is_post_only: fields.flag("post_only")?.unwrap_or(false),
        deadline: fields.instant("deadline")?,
    }))
}

fn edit(fields: &mut Fields<'_>, message: &str) -> Result<Action, Refusal> {
    let (trigger, _) = triggers(fields, message)?;
    // They stay as they were.
    let _ = (fields.flag("reduce_only")?, fields.text("fee_preference")?, fields.flag("no_mpp")?);
    Ok(Action::Edit(EditOrder {
        order: OrderRef::Txid(fields.need_text("order_id")?.into_owned()),
        pair: fields.need_text("symbol")?.into_owned(),
        qty: fields.number("order_qty")?,
        display_qty: fields.number("display_qty")?,
        limit: price(fields, "limit_price", "limit_price_type")?,
        trigger,
        is_post_only: fields.flag("post_only")?.unwrap_or(false),
        userref: userref(fields)?,
        deadline: fields.instant("deadline")?,
        is_validate_only: fields.flag("validate")?.unwrap_or(false),
    }))
}

fn cancel(fields: &mut Fields<'_>) -> Result<Action, Refusal> {
    let ids = texts(fields, "order_id")?.into_iter().map(OrderRef::Txid);
    let client = texts(fields, "cl_ord_id")?.into_iter().map(OrderRef::ClOrdId);
    let numbers = fields.list("order_userref", "an array", |text| text.parse().ok())?;
    let numbers = numbers.unwrap_or_default().into_iter().map(OrderRef::UserRef);
    let orders: Vec<OrderRef> = ids.chain(client).chain(numbers).collect();
    if orders.is_empty() || orders.len() > CANCEL_MAX {
        return Err(Refusal::invalid("order_id"));
    }
    Ok(Action::Cancel(orders))
}

fn cancel_batch(fields: &mut Fields<'_>) -> Result<Action, Refusal> {
    let orders = texts(fields, "orders")?.into_iter().map(|text| match text.parse() {
        Ok(number) => OrderRef::UserRef(number),
        Err(_) => OrderRef::Txid(text),
    });
    let orders: Vec<OrderRef> = orders.collect();
    let client = texts(fields, "cl_ord_id")?.into_iter().map(OrderRef::ClOrdId);
    Ok(Action::CancelBatch(orders.into_iter().chain(client).collect()))
}

fn cancel_all_after(fields: &mut Fields<'_>) -> Result<Action, Refusal> {
    let seconds = fields.integer("timeout")?.ok_or_else(|| Refusal::missing("timeout"))?;
    let seconds = u32::try_from(seconds).map_err(|_| Refusal::invalid("timeout"))?;
    Ok(Action::CancelAllAfter(seconds))
}

fn one_order(
    txid: Option<Cow<'_, str>>,
    client: Option<Cow<'_, str>>,
) -> Result<OrderRef, Refusal> {
    match (txid, client) {
        (Some(txid), None) => Ok(OrderRef::Txid(txid.into_owned())),
        (None, Some(client)) => Ok(OrderRef::ClOrdId(client.into_owned())),
        (Some(_), Some(_)) => Err(Refusal::invalid("order_id")),
        (None, None) => Err(Refusal::missing("order_id")),
    }
}

fn texts(fields: &mut Fields<'_>, name: &str) -> Result<Vec<String>, Refusal> {
    let items = fields.list(name, "an array", |text| string(text).map(Cow::into_owned))?;
    Ok(items.unwrap_or_default())
}

fn userref(fields: &mut Fields<'_>) -> Result<Option<i32>, Refusal> {
    let Some(number) = fields.integer("order_userref")? else { return Ok(None) };
    i32::try_from(number).map(Some).map_err(|_| Refusal::invalid("order_userref"))
}

fn price(
    fields: &mut Fields<'_>,
    name: &'static str,
    name_of_type: &'static str,
) -> Result<Option<PriceSpec>, Refusal> {
    let number: Option<Decimal> = fields.number(name)?;
    let word = fields.text(name_of_type)?;
    let Some(number) = number else { return Ok(None) };
    let spec = words::read_price(word.as_deref(), number);
    spec.map(Some).ok_or_else(|| Refusal::invalid(name_of_type))
}

fn choice<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(word) = fields.text(name)? else { return Ok(None) };
    read(&word).map(Some).ok_or_else(|| Refusal::invalid(name))
}

fn need<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Refusal> {
    choice(fields, name, read)?.ok_or_else(|| Refusal::missing(name))
}
