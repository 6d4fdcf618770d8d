//! The answers of the public calls: tickers, book, trades, candles, past funding, executions of the past.
//!
//! Every answer of `/derivatives` says `result`; one that says anything but `success` is [`RestError::Refused`]. Numbers keep
//! every digit. Definitions are read by [`crate::decode`], because the session asks for them. Source: Derivatives REST
//! reference, charts and history services (checked June 2026).

mod rows;

use crate::number;
use remora_domain::{Amount, Level, Price, Qty, Side, Timestamp};
use remora_venue_api::session::error::{FrameError, excerpt};
use remora_venue_api::session::time;
use rows::{Book, CandleRow, Chart, Envelope, Execution, Page, RateRow, TickerRow, TradeRow};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Says why an answer holds nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The venue refused the call.
    #[error("venue refuses the call: {code:?}")]
    Refused {
        /// Its word for why.
        code: String,
    },
    /// The answer is not what it should be.
    #[error("read the answer")]
    Answer(#[from] FrameError),
}

/// Is the state of one contract. What is `None` has not happened or is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestTicker {
    /// The venue's symbol.
    pub symbol: String,
    /// Last price.
    pub last: Option<Price>,
    /// Best bid.
    pub bid: Option<Price>,
    /// Best ask.
    pub ask: Option<Price>,
    /// Quantity of 24 hours, in the contract's unit.
    pub volume_24h: Option<Qty>,
    /// Reference price for margin.
    pub mark: Option<Price>,
    /// Price of the underlying.
    pub index: Option<Price>,
    /// Contracts that are open, in the contract's unit.
    pub open_interest: Option<Qty>,
    /// Funding of the period that runs, in the contract's money per unit; above zero the long side pays.
    pub funding_rate: Option<Amount>,
    /// Whether nothing can be traded.
    pub is_suspended: bool,
    /// Whether only makers may come.
    pub is_post_only: bool,
}

/// Is one public trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestTrade {
    /// The venue's id of it.
    pub uid: String,
    /// The side of the taker.
    pub taker_side: Side,
    /// At which price.
    pub price: Price,
    /// How much, in the contract's unit.
    pub qty: Qty,
    /// When.
    pub time: Timestamp,
    /// Whether it was made in the book.
    pub is_of_book: bool,
}

/// Is one bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When it begins.
    pub open_time: Timestamp,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Quantity, in the contract's unit.
    pub volume: Qty,
}

/// Is a page of bars, oldest first; the last one may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candles {
    /// The bars.
    pub candles: Vec<Candle>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Is the funding of one past period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingPeriod {
    /// When it ended.
    pub time: Timestamp,
    /// Rate as a fraction of the index; above zero the long side paid.
    pub rate_frac: Amount,
}

/// Is a page of executions of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executions {
    /// The trades.
    pub trades: Vec<RestTrade>,
    /// What the next page is asked for with; `None` at the end.
    pub continuation: Option<String>,
}

/// Reads the tickers of all contracts; rows of indices, which have no mark price, are left out.
///
/// # Errors
/// Gives the venue's refusal, or what is wrong with the answer.
pub fn tickers(text: &str) -> Result<Vec<RestTicker>, RestError> {
    let rows = need(envelope(text)?.tickers, "tickers")?;
    rows.iter().filter(|row| row.mark_price.is_some()).map(ticker).collect()
}

/// Reads a book: bids and asks, best first.
///
/// # Errors
/// Gives the venue's refusal, or what is wrong with the answer.
pub fn order_book(text: &str) -> Result<(Vec<Level>, Vec<Level>), RestError> {
    let Book { bids, asks } = need(envelope(text)?.order_book, "orderBook")?;
    let side = |levels: Vec<(&RawValue, &RawValue)>| {
        let level = |(price, qty): (&RawValue, &RawValue)| {
            Ok(Level {
                price: number::amount("price", price, Price::parse)?,
                qty: number::amount("size", qty, Qty::parse)?,
            })
        };
        levels.into_iter().map(level).collect::<Result<Vec<Level>, FrameError>>()
    };
    Ok((side(bids)?, side(asks)?))
}

/// Reads the last public trades, as sent: newest first.
///
/// # Errors
/// Gives the venue's refusal, or what is wrong with the answer.
pub fn trades(text: &str) -> Result<Vec<RestTrade>, RestError> {
    let rows = need(envelope(text)?.history, "history")?;
    rows.iter().map(trade).collect::<Result<_, FrameError>>().map_err(RestError::from)
}

/// Reads past funding, as sent: oldest first.
///
/// # Errors
/// Gives the venue's refusal, or what is wrong with the answer.
pub fn funding(text: &str) -> Result<Vec<FundingPeriod>, RestError> {
    let rows = need(envelope(text)?.rates, "rates")?;
    let period = |row: &RateRow<'_>| {
        Ok(FundingPeriod {
            time: time::instant("timestamp", &row.timestamp)?,
            rate_frac: number::rate("relativeFundingRate", row.relative_funding_rate)?,
        })
    };
    rows.iter().map(period).collect::<Result<_, FrameError>>().map_err(RestError::from)
}

/// Reads a page of the charts service.
///
/// # Errors
/// Tells what is wrong with the answer.
pub fn candles(text: &str) -> Result<Candles, RestError> {
    let chart: Chart<'_> = object("chart", text)?;
    let rows = chart.candles.iter().map(candle).collect::<Result<_, FrameError>>()?;
    Ok(Candles { candles: rows, has_more: chart.more_candles })
}

/// Reads a page of a market's executions of the history service.
///
/// # Errors
/// Tells what is wrong with the answer.
pub fn executions(text: &str) -> Result<Executions, RestError> {
    let page: Page<'_> = object("history", text)?;
    let trades = page.elements.iter().map(|element| execution(&element.event.outer));
    let trades = trades.collect::<Result<_, FrameError>>()?;
    let continuation = page.continuation_token.filter(|token| !token.is_empty());
    Ok(Executions { trades, continuation })
}

fn object<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, RestError> {
    // Without this a JSON array would be read as an object by position.
    if !text.trim_start().starts_with('{') {
        return Err(FrameError::field(what, text, "a JSON object").into());
    }
    Ok(crate::frame::read(what, text)?)
}

fn envelope(text: &str) -> Result<Envelope<'_>, RestError> {
    let envelope: Envelope<'_> = object("answer", text)?;
    if envelope.result.as_deref() == Some("success") {
        return Ok(envelope);
    }
    let code = envelope.error.or(envelope.result).unwrap_or_else(|| "no result".to_owned());
    Err(RestError::Refused { code: excerpt(&code) })
}

fn need<T>(value: Option<T>, field: &'static str) -> Result<T, RestError> {
    value.ok_or_else(|| FrameError::Missing { what: "answer", field }.into())
}

fn ticker(row: &TickerRow<'_>) -> Result<RestTicker, RestError> {
    let funding_rate = row.funding_rate.filter(|raw| raw.get() != "null");
    Ok(RestTicker {
        symbol: row.symbol.clone(),
        last: number::optional("last", row.last, Price::parse)?,
        bid: number::optional("bid", row.bid, Price::parse)?,
        ask: number::optional("ask", row.ask, Price::parse)?,
        volume_24h: number::optional("vol24h", row.vol24h, Qty::parse)?,
        mark: number::optional("markPrice", row.mark_price, Price::parse)?,
        index: number::optional("indexPrice", row.index_price, Price::parse)?,
        open_interest: number::optional("openInterest", row.open_interest, Qty::parse)?,
        funding_rate: funding_rate.map(|raw| number::rate("fundingRate", raw)).transpose()?,
        is_suspended: row.suspended,
        is_post_only: row.post_only,
    })
}

fn side(word: &str) -> Result<Side, FrameError> {
    // Capitalised in the history service.
    match word {
        "buy" | "Buy" => Ok(Side::Buy),
        "sell" | "Sell" => Ok(Side::Sell),
        other => Err(FrameError::field("side", other, "buy or sell")),
    }
}

fn trade(row: &TradeRow<'_>) -> Result<RestTrade, FrameError> {
    Ok(RestTrade {
        uid: row.uid.clone(),
        taker_side: side(&row.side)?,
        price: number::amount("price", row.price, Price::parse)?,
        qty: number::amount("size", row.size, Qty::parse)?,
        time: time::instant("time", &row.time)?,
        is_of_book: matches!(row.kind.as_str(), "fill" | "liquidation"),
    })
}

fn execution(outer: &Execution<'_>) -> Result<RestTrade, FrameError> {
    let Execution { execution: row } = outer;
    Ok(RestTrade {
        uid: row.uid.clone(),
        taker_side: side(&row.taker_order.direction)?,
        price: number::amount("price", row.price, Price::parse)?,
        qty: number::amount("quantity", row.quantity, Qty::parse)?,
        // In quotes in some captures.
        time: number::instant("timestamp", number::steps("timestamp", row.timestamp, 0)?)?,
        is_of_book: true,
    })
}

fn candle(row: &CandleRow<'_>) -> Result<Candle, FrameError> {
    let price = |field, raw| number::amount(field, raw, Price::parse);
    Ok(Candle {
        open_time: number::instant("time", row.time)?,
        open: price("open", row.open)?,
        high: price("high", row.high)?,
        low: price("low", row.low)?,
        close: price("close", row.close)?,
        volume: number::amount("volume", row.volume, Qty::parse)?,
    })
}
