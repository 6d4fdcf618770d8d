//! Answers of REST calls, read.

use super::codec::{Unreadable, amount, cost, list, object, optional, unix_seconds};
use super::names::Names;
use super::orders::Listed;
use remora_domain::{
    Amount, Balance, Bps, ExecId, Fee, FeeSchedule, Fill, Liquidity, OrderId, Price, Qty, Side,
    Timestamp,
};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Is what came back of a call.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// The text of the result.
    Good(&'a str),
    /// The venue's error.
    Refused(String),
    /// Nothing that can be read.
    Unreadable(Unreadable),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

/// Reads the envelope. Warnings beside a result are nothing to us.
pub(super) fn answer<'a>(what: &'static str, status: u16, body: &'a str) -> Answer<'a> {
    if status != 200 {
        return Answer::Unreadable(Unreadable::new(what, "an answer of another HTTP status"));
    }
    match object::<Envelope<'a>>(what, body) {
        Err(error) => Answer::Unreadable(error),
        Ok(envelope) => match envelope.error.into_iter().find(|text| !text.starts_with('W')) {
            Some(error) => Answer::Refused(error),
            None => match envelope.result {
                Some(result) => Answer::Good(result.get()),
                None => Answer::Unreadable(Unreadable::new(what, "its result")),
            },
        },
    }
}

/// Is an order as REST lists it.
#[derive(Debug)]
pub(super) struct RestOrder {
    pub(super) cl_ord_id: Option<String>,
    pub(super) listed: Listed,
    pub(super) is_open: bool,
    pub(super) is_cancelled: bool,
    pub(super) reason: Option<String>,
    pub(super) closed: Timestamp,
}

#[derive(Deserialize)]
struct OrderText<'a> {
    #[serde(default)]
    cl_ord_id: Option<String>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(borrow)]
    opentm: &'a RawValue,
    #[serde(borrow, default)]
    closetm: Option<&'a RawValue>,
    #[serde(borrow)]
    descr: DescrText<'a>,
    #[serde(borrow)]
    vol: &'a RawValue,
    #[serde(borrow)]
    vol_exec: &'a RawValue,
}

#[derive(Deserialize)]
struct DescrText<'a> {
    #[serde(borrow)]
    pair: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    side: Cow<'a, str>,
    #[serde(borrow)]
    price: &'a RawValue,
}

fn side(text: &str) -> Option<Side> {
    match text {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

fn order(id: &str, raw: &RawValue, names: &Names) -> Result<RestOrder, Unreadable> {
    const WHAT: &str = "order";
    let text: OrderText<'_> = object(WHAT, raw.get())?;
    let pair = names.find(&text.descr.pair).ok_or(Unreadable::new(WHAT, "descr.pair"))?;
    let opened = unix_seconds(WHAT, "opentm", Some(text.opentm))?;
    Ok(RestOrder {
        listed: Listed {
            order_id: OrderId::new(id).map_err(|_| Unreadable::new(WHAT, "its id"))?,
            key: pair.key.clone(),
            side: side(&text.descr.side).ok_or(Unreadable::new(WHAT, "descr.type"))?,
            price: amount(WHAT, "descr.price", Some(text.descr.price), Price::parse)?,
            qty: amount(WHAT, "vol", Some(text.vol), Qty::parse)?,
            cum_qty: amount(WHAT, "vol_exec", Some(text.vol_exec), Qty::parse)?,
            opened,
        },
        is_open: match &*text.status {
            "pending" | "open" => true,
            "closed" | "canceled" | "expired" => false,
            _ => return Err(Unreadable::new(WHAT, "status")),
        },
        is_cancelled: &*text.status == "canceled",
        cl_ord_id: text.cl_ord_id,
        reason: text.reason,
        closed: text.closetm.map_or(Ok(opened), |raw| unix_seconds(WHAT, "closetm", Some(raw)))?,
    })
}

/// Is a list of orders.
#[derive(Debug)]
pub(super) struct RestOrders {
    pub(super) rows: Vec<RestOrder>,
    /// How many are not ours and could not be read: another product, a pair that is not listed.
    pub(super) strange: usize,
}

#[derive(Deserialize)]
struct NamedText {
    #[serde(default)]
    cl_ord_id: Option<String>,
}

/// Reads a map of orders. One of ours that cannot be read fails the whole list: it is not an order that is not there.
/// `inside` is the member that holds them, if any; `is_ours` looks at the venue's id and ours.
pub(super) fn orders(
    result: &str,
    inside: Option<&str>,
    names: &Names,
    is_ours: impl Fn(&str, Option<&str>) -> bool,
) -> Result<RestOrders, Unreadable> {
    let outer: BTreeMap<String, &RawValue> = object("orders", result)?;
    let inner: BTreeMap<String, &RawValue> = match inside {
        None => outer,
        Some(name) => {
            let raw = outer.get(name).ok_or(Unreadable::new("orders", "its list"))?;
            object("orders", raw.get())?
        }
    };
    let mut read = RestOrders { rows: Vec::new(), strange: 0 };
    for (id, raw) in &inner {
        match order(id, raw, names) {
            Ok(row) => read.rows.push(row),
            Err(error) => {
                let named: NamedText = object("order", raw.get())?;
                if is_ours(id, named.cl_ord_id.as_deref()) {
                    return Err(error);
                }
                read.strange = read.strange.saturating_add(1);
            }
        }
    }
    Ok(read)
}

/// Is a fill as REST lists it.
#[derive(Debug)]
pub(super) struct RestTrade {
    pub(super) order_id: OrderId,
    pub(super) fill: Fill,
    pub(super) time: Timestamp,
}

#[derive(Deserialize)]
struct TradesText<'a> {
    #[serde(borrow)]
    trades: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct TradeText<'a> {
    #[serde(borrow)]
    ordertxid: Cow<'a, str>,
    #[serde(borrow)]
    pair: Cow<'a, str>,
    #[serde(borrow)]
    time: &'a RawValue,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    cost: &'a RawValue,
    #[serde(borrow)]
    fee: &'a RawValue,
    #[serde(borrow)]
    vol: &'a RawValue,
    maker: bool,
}

fn trade(id: &str, raw: &RawValue, names: &Names) -> Result<RestTrade, Unreadable> {
    const WHAT: &str = "trade";
    let text: TradeText<'_> = object(WHAT, raw.get())?;
    let pair = names.find(&text.pair).ok_or(Unreadable::new(WHAT, "pair"))?;
    let amount_of = |field, raw| amount(WHAT, field, Some(raw), Amount::parse);
    Ok(RestTrade {
        order_id: OrderId::new(&text.ordertxid).map_err(|_| Unreadable::new(WHAT, "ordertxid"))?,
        fill: Fill {
            exec_id: ExecId::new(id).map_err(|_| Unreadable::new(WHAT, "its id"))?,
            // Padded to five decimals; digits that the pair does not have are zeros.
            last_px: amount(WHAT, "price", Some(text.price), Price::parse)?,
            last_qty: amount(WHAT, "vol", Some(text.vol), Qty::parse)?,
            liquidity: if text.maker { Liquidity::Maker } else { Liquidity::Taker },
            cost: Some(cost(WHAT, "cost", Some(text.cost))?),
            fee: Fee { asset: pair.quote.clone(), amount: amount_of("fee", text.fee)? },
        },
        time: unix_seconds(WHAT, "time", Some(text.time))?,
    })
}

/// Reads a page of fills: what can be read, how many there are, and the first that cannot be read.
pub(super) fn trades(
    result: &str,
    names: &Names,
) -> Result<(Vec<RestTrade>, usize, Option<Unreadable>), Unreadable> {
    let text: TradesText<'_> = object("TradesHistory", result)?;
    let (mut read, mut wrong) = (Vec::new(), None);
    for (id, raw) in &text.trades {
        match trade(id, raw, names) {
            Ok(trade) => read.push(trade),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    read.sort_by(|a, b| (a.time, &a.fill.exec_id).cmp(&(b.time, &b.fill.exec_id)));
    Ok((read, text.trades.len(), wrong))
}

#[derive(Deserialize)]
struct BalanceText<'a> {
    #[serde(borrow)]
    balance: &'a RawValue,
    #[serde(borrow, default)]
    hold_trade: Option<&'a RawValue>,
}

/// Reads balances, sorted by asset.
pub(super) fn balances(result: &str, names: &Names) -> Result<Vec<Balance>, Unreadable> {
    const WHAT: &str = "BalanceEx";
    let rows: BTreeMap<String, &RawValue> = object(WHAT, result)?;
    let mut entries = BTreeMap::new();
    for (id, raw) in rows {
        let text: BalanceText<'_> = object(WHAT, raw.get())?;
        let asset = names.asset(&id).ok_or(Unreadable::new(WHAT, "an asset's name"))?;
        let total = amount(WHAT, "balance", Some(text.balance), Amount::parse)?;
        let held = optional(WHAT, "hold_trade", text.hold_trade, Amount::parse)?;
        let held = held.unwrap_or(Amount::ZERO);
        entries.insert(asset.clone(), Balance { asset, total, held });
    }
    Ok(entries.into_values().collect())
}

#[derive(Deserialize)]
struct VolumeText<'a> {
    #[serde(borrow)]
    fees: BTreeMap<String, FeeText<'a>>,
    #[serde(borrow)]
    fees_maker: BTreeMap<String, FeeText<'a>>,
}

#[derive(Deserialize)]
struct FeeText<'a> {
    #[serde(borrow)]
    fee: &'a RawValue,
}

/// Reads fees: the highest of the pairs asked for, so that no fill costs more than told.
pub(super) fn fees(result: &str) -> Result<FeeSchedule, Unreadable> {
    const WHAT: &str = "TradeVolume";
    let text: VolumeText<'_> = object(WHAT, result)?;
    let highest = |fees: &BTreeMap<String, FeeText<'_>>| {
        let percents = fees.values().map(|fee| amount(WHAT, "fee", Some(fee.fee), Bps::parse));
        let percents: Vec<Bps> = percents.collect::<Result<_, _>>()?;
        let percent = percents.into_iter().max().ok_or(Unreadable::new(WHAT, "fees"))?;
        let bps = percent.to_decimal().checked_mul(Decimal::ONE_HUNDRED);
        let bps = bps.and_then(|bps| Bps::from_decimal(bps.normalize()).ok());
        bps.ok_or(Unreadable::new(WHAT, "fee"))
    };
    Ok(FeeSchedule { maker_bps: highest(&text.fees_maker)?, taker_bps: highest(&text.fees)? })
}

#[derive(Deserialize)]
struct TokenText {
    token: String,
}

/// Reads a token.
pub(super) fn token(result: &str) -> Result<String, Unreadable> {
    let text: TokenText = object("token", result)?;
    let is_good = !text.token.is_empty() && text.token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good { Ok(text.token) } else { Err(Unreadable::new("token", "it")) }
}

#[derive(Deserialize)]
struct KeyText {
    permissions: Vec<String>,
}

/// Reads what a key may do.
pub(super) fn permissions(result: &str) -> Result<Vec<String>, Unreadable> {
    object::<KeyText>("key", result).map(|text| text.permissions)
}

#[derive(Deserialize)]
struct TimeText<'a> {
    #[serde(borrow)]
    unixtime: &'a RawValue,
}

/// Reads the venue's clock, to the second.
pub(super) fn time(result: &str) -> Result<Timestamp, Unreadable> {
    let text: TimeText<'_> = object("Time", result)?;
    unix_seconds("Time", "unixtime", Some(text.unixtime))
}

/// Is what became of one order of a request.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Added {
    #[serde(default)]
    pub(super) cl_ord_id: Option<String>,
    #[serde(default, alias = "txid")]
    pub(super) order_id: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
struct AddedText<'a> {
    #[serde(default)]
    txid: Option<Vec<String>>,
    #[serde(borrow, default)]
    orders: Option<&'a RawValue>,
}

/// Reads what became of orders, from REST or the socket: one, a list, or a list in `orders`.
pub(super) fn added(result: &str) -> Result<Vec<Added>, Unreadable> {
    const WHAT: &str = "answer to new orders";
    if result.trim_start().starts_with('[') {
        return list(WHAT, result);
    }
    let text: AddedText<'_> = object(WHAT, result)?;
    match (text.txid, text.orders) {
        (_, Some(orders)) => list(WHAT, orders.get()),
        (Some(ids), None) => {
            Ok(vec![Added { order_id: ids.into_iter().next(), ..Added::default() }])
        }
        (None, None) => Ok(vec![object(WHAT, result)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_added_orders_is_read() {
        for (text, want) in [
            (r#"{"descr":{"order":"x"},"txid":["OA"]}"#, vec![(Some("OA"), None)]),
            (r#"{"order_id":"OA","cl_ord_id":"c"}"#, vec![(Some("OA"), None)]),
            (
                r#"[{"order_id":"OA"},{"cl_ord_id":"d","error":"EOrder:Insufficient funds","success":false}]"#,
                vec![(Some("OA"), None), (None, Some("EOrder:Insufficient funds"))],
            ),
            (
                r#"{"orders":[{"txid":"OA","descr":{"order":""}},{"error":"E"}]}"#,
                vec![(Some("OA"), None), (None, Some("E"))],
            ),
        ] {
            let read = added(text).unwrap();
            let got: Vec<_> =
                read.iter().map(|one| (one.order_id.as_deref(), one.error.as_deref())).collect();
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn fees_are_the_highest_of_their_pairs() {
        let text = r#"{"currency":"ZUSD","volume":"1","fees":{"A":{"fee":"0.2200"},"B":{"fee":"0.4"}},"fees_maker":{"A":{"fee":"-0.0100"},"B":{"fee":"-0.02"}}}"#;
        let fees = fees(text).unwrap();
        assert_eq!(
            (fees.maker_bps.to_string(), fees.taker_bps.to_string()),
            ("-1".into(), "40".into())
        );
    }

    #[test]
    fn an_error_page_or_a_warning_is_told_from_a_refusal() {
        assert!(matches!(answer("x", 520, "<html>"), Answer::Unreadable(_)));
        assert!(matches!(answer("x", 200, "<html>"), Answer::Unreadable(_)));
        assert!(matches!(
            answer("x", 200, r#"{"error":["WGeneral:x"],"result":{}}"#),
            Answer::Good("{}")
        ));
        assert!(matches!(
            answer("x", 200, r#"{"error":["EOrder:x"],"result":{}}"#),
            Answer::Refused(_)
        ));
        assert!(matches!(answer("x", 200, r#"{"error":[]}"#), Answer::Unreadable(_)));
    }
}
