//! Private frames, read.

use super::codec::{Unreadable, amount, cost, instant, list, object, optional};
use super::names::Names;
use super::orders::Listed;
use super::orders::places::Seen;
use remora_domain::{Amount, ExecId, Fee, Fill, Liquidity, OrderId, Price, Qty, Side, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

const ITEM: &str = "executions item";

/// Is one frame.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    /// Data of a private channel; items are still text: a broken one must not hide the others.
    Data {
        channel: Cow<'a, str>,
        sequence: Option<u64>,
        is_snapshot: bool,
        items: Vec<&'a RawValue>,
    },
    /// An answer.
    Reply(Reply<'a>),
    /// `{"Error":"Exceeded msg rate"}`: one of our requests was not read.
    Refusal,
    /// Nothing for this session.
    Other,
}

/// Is an answer to a request.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) req_id: Option<i64>,
    pub(super) is_success: bool,
    pub(super) error: Option<Cow<'a, str>>,
    pub(super) result: Option<&'a RawValue>,
    /// When the venue sent it.
    pub(super) time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    sequence: Option<u64>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(default)]
    req_id: Option<i64>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time_out: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "Error")]
    refusal: Option<Cow<'a, str>>,
}

/// Reads a frame.
pub(super) fn decode(text: &str) -> Result<Frame<'_>, Unreadable> {
    let envelope: Envelope<'_> = object("frame", text)?;
    if let Some(channel) = envelope.channel {
        if !matches!(&*channel, "executions" | "balances") {
            return Ok(Frame::Other);
        }
        let data = envelope.data.ok_or(Unreadable::new("frame", "data"))?;
        let is_snapshot = match envelope.kind.as_deref() {
            Some("snapshot") => true,
            Some("update") => false,
            Some(_) | None => return Err(Unreadable::new("frame", "type")),
        };
        let (sequence, items) = (envelope.sequence, list("frame", data.get())?);
        return Ok(Frame::Data { channel, sequence, is_snapshot, items });
    }
    if envelope.refusal.is_some() {
        return Ok(Frame::Refusal);
    }
    if envelope.method.is_none() && envelope.req_id.is_none() {
        return Err(Unreadable::new("frame", "channel or method"));
    }
    let time = envelope.time_out.as_deref();
    let time = time.and_then(|text| instant("frame", "time_out", Some(text)).ok());
    let is_pong = envelope.method.as_deref() == Some("pong");
    Ok(Frame::Reply(Reply {
        req_id: envelope.req_id,
        is_success: envelope.success.unwrap_or(is_pong),
        error: envelope.error,
        result: envelope.result,
        time,
    }))
}

/// Is one event of an order. Any member but the first two may be missing: events are deltas.
#[derive(Debug, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) exec_type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) cl_ord_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    symbol: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    side: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    order_qty: Option<&'a RawValue>,
    #[serde(borrow, default)]
    limit_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cum_qty: Option<&'a RawValue>,
    #[serde(borrow, default)]
    exec_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    last_qty: Option<&'a RawValue>,
    #[serde(borrow, default)]
    last_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cost: Option<&'a RawValue>,
    #[serde(borrow, default)]
    liquidity_ind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    fees: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    timestamp: Option<Cow<'a, str>>,
    // The name of v2 is not documented; v1 called it `ratecount`.
    #[serde(borrow, default, alias = "rate_count", alias = "ratecounter", alias = "rate_counter")]
    ratecount: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FeeText<'a> {
    #[serde(borrow)]
    asset: Cow<'a, str>,
    #[serde(borrow)]
    qty: &'a RawValue,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    cl_ord_id: Option<String>,
}

/// Gives what can still be told of an item that cannot be read: the venue's id and ours.
pub(super) fn named(raw: &RawValue) -> (Option<String>, Option<String>) {
    let named: Option<Named> = object(ITEM, raw.get()).ok();
    named.map_or((None, None), |named| (named.order_id, named.cl_ord_id))
}

pub(super) fn item(raw: &RawValue) -> Result<Item<'_>, Unreadable> {
    object(ITEM, raw.get())
}

impl Item<'_> {
    pub(super) fn order_id(&self) -> Result<OrderId, Unreadable> {
        OrderId::new(&self.order_id).map_err(|_| Unreadable::new(ITEM, "order_id"))
    }

    pub(super) fn time(&self) -> Result<Timestamp, Unreadable> {
        instant(ITEM, "timestamp", self.timestamp.as_deref())
    }

    pub(super) fn cum_qty(&self) -> Result<Option<Qty>, Unreadable> {
        optional(ITEM, "cum_qty", self.cum_qty, Qty::parse)
    }

    /// Gives price and quantity, as far as the event tells them.
    pub(super) fn seen(&self) -> Result<Seen, Unreadable> {
        Ok(Seen {
            price: optional(ITEM, "limit_price", self.limit_price, Price::parse)?,
            qty: optional(ITEM, "order_qty", self.order_qty, Qty::parse)?,
        })
    }

    pub(super) fn rate_count(&self) -> Option<Decimal> {
        amount(ITEM, "ratecount", self.ratecount, Amount::parse).ok().map(Amount::to_decimal)
    }

    /// Gives the whole order, where the event describes it.
    pub(super) fn description(&self, names: &Names) -> Result<Option<Listed>, Unreadable> {
        let (Some(symbol), Some(side), Some(_), Some(_)) =
            (&self.symbol, &self.side, self.order_qty, self.limit_price)
        else {
            return Ok(None);
        };
        let pair = names.find(symbol).ok_or(Unreadable::new(ITEM, "symbol"))?;
        Ok(Some(Listed {
            order_id: self.order_id()?,
            key: pair.key.clone(),
            side: match &**side {
                "buy" => Side::Buy,
                "sell" => Side::Sell,
                _ => return Err(Unreadable::new(ITEM, "side")),
            },
            price: amount(ITEM, "limit_price", self.limit_price, Price::parse)?,
            qty: amount(ITEM, "order_qty", self.order_qty, Qty::parse)?,
            cum_qty: self.cum_qty()?.unwrap_or_default(),
            opened: self.time()?,
        }))
    }

    /// Gives the fill of a `trade` event. An empty list of fees is a fee of nothing in the quote asset.
    pub(super) fn fill(&self, names: &Names) -> Result<Fill, Unreadable> {
        let exec_id = self.exec_id.as_deref().and_then(|id| ExecId::new(id).ok());
        Ok(Fill {
            exec_id: exec_id.ok_or(Unreadable::new(ITEM, "exec_id"))?,
            last_px: amount(ITEM, "last_price", self.last_price, Price::parse)?,
            last_qty: amount(ITEM, "last_qty", self.last_qty, Qty::parse)?,
            liquidity: match self.liquidity_ind.as_deref() {
                Some("m") => Liquidity::Maker,
                Some("t") => Liquidity::Taker,
                Some(_) | None => return Err(Unreadable::new(ITEM, "liquidity_ind")),
            },
            cost: Some(cost(ITEM, "cost", self.cost)?),
            fee: self.fee(names)?,
        })
    }

    fn fee(&self, names: &Names) -> Result<Fee, Unreadable> {
        let wrong = Unreadable::new(ITEM, "fees");
        let texts: Vec<FeeText<'_>> = list(ITEM, self.fees.ok_or(wrong)?.get())?;
        let mut fee: Option<Fee> = None;
        for text in &texts {
            let asset = names.asset(&text.asset).ok_or(wrong)?;
            let amount = amount(ITEM, "fees", Some(text.qty), Amount::parse)?;
            fee = Some(match fee {
                None => Fee { asset, amount },
                Some(sum) if sum.asset == asset => {
                    Fee { asset, amount: sum.amount.checked_add(amount).map_err(|_| wrong)? }
                }
                Some(_) => return Err(wrong),
            });
        }
        if let Some(fee) = fee {
            return Ok(fee);
        }
        let symbol = self.symbol.as_deref().and_then(|symbol| names.find(symbol)).ok_or(wrong)?;
        Ok(Fee { asset: symbol.quote.clone(), amount: Amount::ZERO })
    }
}

#[derive(Default, Deserialize)]
struct AckText {
    #[serde(default)]
    maxratecount: Option<u32>,
}

/// Gives the threshold of the rate counter, where an acknowledgement tells it.
pub(super) fn max_rate_count(result: Option<&RawValue>) -> Option<u32> {
    let ack: AckText = object("acknowledgement", result?.get()).ok()?;
    ack.maxratecount
}
