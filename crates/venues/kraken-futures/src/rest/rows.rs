//! Answers as they are written, before anything in them is believed.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a> {
    #[serde(default)]
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(borrow, default)]
    pub(super) tickers: Option<Vec<TickerRow<'a>>>,
    #[serde(borrow, default)]
    pub(super) order_book: Option<Book<'a>>,
    #[serde(borrow, default)]
    pub(super) history: Option<Vec<TradeRow<'a>>>,
    #[serde(borrow, default)]
    pub(super) rates: Option<Vec<RateRow<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TickerRow<'a> {
    pub(super) symbol: String,
    #[serde(borrow, default)]
    pub(super) last: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) bid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) ask: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) vol24h: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) mark_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) index_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) open_interest: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) funding_rate: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) suspended: bool,
    #[serde(default)]
    pub(super) post_only: bool,
}

#[derive(Deserialize)]
pub(super) struct Book<'a> {
    #[serde(borrow)]
    pub(super) bids: Vec<(&'a RawValue, &'a RawValue)>,
    #[serde(borrow)]
    pub(super) asks: Vec<(&'a RawValue, &'a RawValue)>,
}

#[derive(Deserialize)]
pub(super) struct TradeRow<'a> {
    pub(super) uid: String,
    pub(super) side: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow)]
    pub(super) size: &'a RawValue,
    #[serde(borrow)]
    pub(super) price: &'a RawValue,
    pub(super) time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateRow<'a> {
    pub(super) timestamp: String,
    #[serde(borrow)]
    pub(super) relative_funding_rate: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Chart<'a> {
    #[serde(borrow)]
    pub(super) candles: Vec<CandleRow<'a>>,
    #[serde(default)]
    pub(super) more_candles: bool,
}

#[derive(Deserialize)]
pub(super) struct CandleRow<'a> {
    pub(super) time: i64,
    #[serde(borrow)]
    pub(super) open: &'a RawValue,
    #[serde(borrow)]
    pub(super) high: &'a RawValue,
    #[serde(borrow)]
    pub(super) low: &'a RawValue,
    #[serde(borrow)]
    pub(super) close: &'a RawValue,
    #[serde(borrow)]
    pub(super) volume: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) elements: Vec<Element<'a>>,
    #[serde(default)]
    pub(super) continuation_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Element<'a> {
    #[serde(borrow)]
    pub(super) event: Event<'a>,
}

/// The venue capitalises the name in some answers and not in others.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, alias = "execution", rename = "Execution")]
    pub(super) outer: Execution<'a>,
}

#[derive(Deserialize)]
pub(super) struct Execution<'a> {
    #[serde(borrow)]
    pub(super) execution: ExecutionRow<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionRow<'a> {
    pub(super) uid: String,
    #[serde(borrow)]
    pub(super) price: &'a RawValue,
    #[serde(borrow)]
    pub(super) quantity: &'a RawValue,
    #[serde(borrow)]
    pub(super) timestamp: &'a RawValue,
    pub(super) taker_order: TakerOrder,
}

#[derive(Deserialize)]
pub(super) struct TakerOrder {
    pub(super) direction: String,
}
