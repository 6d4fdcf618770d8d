//! The frames the venue sends, borrowed from their text; numbers stay text until the contract's decimals are known. What we do
//! not know is told apart from what is broken.
//!
//! Source: Derivatives WebSocket v1 reference (checked June 2026) and recordings of 2021.

use crate::number;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_orderbook::LevelChange;
use remora_venue_api::session::error::FrameError;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The longest frame read: the list of instruments, the longest there is, has about 1 MB.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// Levels a side that are read; no recorded book has more than some hundreds.
const LEVELS_MAX: usize = 100_000;

/// Is one frame.
#[derive(Debug)]
pub enum Frame<'a> {
    /// Definitions of all contracts, each still text: a broken one must not hide the others.
    Definitions(Vec<&'a RawValue>),
    /// The whole book of one contract.
    Snapshot(Snapshot<'a>),
    /// One changed level.
    Change(Change<'a>),
    /// Trades before the subscription, newest first, each still text.
    TradeHistory {
        /// Of which contract.
        product: Cow<'a, str>,
        /// The trades.
        trades: Vec<&'a RawValue>,
    },
    /// A trade.
    Trade(TradeItem<'a>),
    /// The state of one contract.
    Ticker(TickerItem<'a>),
    /// The connection lives.
    Heartbeat,
    /// The first word of a connection.
    Info,
    /// A request was taken.
    Subscribed,
    /// A request was refused, or the venue wants to say something.
    Refused {
        /// What it says.
        message: Cow<'a, str>,
        /// About which contract.
        product: Option<Cow<'a, str>>,
    },
    /// A feed or event this session has no use for, or a request of ours, as recordings hold them.
    Ignored,
}

/// Is one level as sent.
#[derive(Debug, Deserialize)]
pub struct RawLevel<'a> {
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

/// Is the whole book of one contract.
#[derive(Debug, Deserialize)]
pub struct Snapshot<'a> {
    /// Of which contract.
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    /// The number of the last change in it.
    pub seq: u64,
    timestamp: i64,
    #[serde(borrow)]
    bids: Vec<RawLevel<'a>>,
    #[serde(borrow)]
    asks: Vec<RawLevel<'a>>,
}

/// Is one changed level.
#[derive(Debug, Deserialize)]
pub struct Change<'a> {
    /// Of which contract.
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    /// Counts changes of this contract without holes.
    pub seq: u64,
    timestamp: i64,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

/// Is one trade.
#[derive(Debug, Deserialize)]
pub struct TradeItem<'a> {
    /// On which contract.
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    /// Counts trades of this contract.
    pub seq: u64,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    time: i64,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

/// Is the state of one contract. What is missing has not happened (a quiet market has no last price), or is zero (funding).
#[derive(Debug, Deserialize)]
pub struct TickerItem<'a> {
    /// Of which contract.
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    /// When, in milliseconds.
    pub time: i64,
    /// Whether nothing can be traded.
    #[serde(default)]
    pub suspended: bool,
    /// Whether only makers may come.
    #[serde(default)]
    pub post_only: bool,
    #[serde(borrow, default)]
    pub(crate) bid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) ask: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) last: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) volume: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) high: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) low: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) index: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "markPrice")]
    pub(crate) mark: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "openInterest")]
    pub(crate) open_interest: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) relative_funding_rate: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) relative_funding_rate_prediction: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) next_funding_rate_time: Option<i64>,
}

/// Is text borrowed from the frame where it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Is what every frame may have; what a frame is about is read again once that is known.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    feed: Option<Text<'a>>,
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    product_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    product_ids: Vec<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    result: Option<Text<'a>>,
    #[serde(borrow, default)]
    error: Option<Text<'a>>,
    #[serde(borrow, default)]
    instruments: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct History<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    trades: Vec<&'a RawValue>,
}

/// Reads a frame, or the answer to the question for definitions.
///
/// # Errors
/// Refuses overlong frames, broken JSON and other structures than the documented ones.
pub fn decode(text: &str) -> Result<Frame<'_>, FrameError> {
    let head = head(text)?;
    if let Some(Text(feed)) = &head.feed
        && head.event.is_none()
    {
        return data(feed, text);
    }
    match (head.event, head.instruments, head.result) {
        (Some(Text(event)), _, _) => Ok(match event.as_ref() {
            "info" => Frame::Info,
            "subscribed" | "unsubscribed" => Frame::Subscribed,
            "error" | "alert" | "subscribed_failed" | "unsubscribed_failed" => Frame::Refused {
                message: head.message.map_or(event, |Text(message)| message),
                product: head.product_ids.into_iter().next().map(|Text(product)| product),
            },
            _ => Frame::Ignored,
        }),
        (None, Some(instruments), _) => Ok(Frame::Definitions(instruments)),
        (None, None, Some(Text(result))) => Ok(Frame::Refused {
            message: head.error.map_or(result, |Text(error)| error),
            product: None,
        }),
        (None, None, None) => Err(FrameError::Missing { what: "frame", field: "feed or event" }),
    }
}

fn head(text: &str) -> Result<Head<'_>, FrameError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { bytes: text.len(), max: FRAME_BYTES_MAX });
    }
    // Without this a JSON array would be read as an object by position.
    if !text.trim_start().starts_with('{') {
        return Err(FrameError::field("frame", text, "a JSON object"));
    }
    read("frame", text)
}

fn data<'a>(feed: &str, text: &'a str) -> Result<Frame<'a>, FrameError> {
    Ok(match feed {
        "book" => Frame::Change(read("book", text)?),
        "trade" => Frame::Trade(read("trade", text)?),
        "ticker" => Frame::Ticker(read("ticker", text)?),
        "heartbeat" => Frame::Heartbeat,
        "book_snapshot" => {
            let snapshot: Snapshot<'a> = read("book snapshot", text)?;
            let count = snapshot.bids.len().max(snapshot.asks.len());
            if count > LEVELS_MAX {
                return Err(FrameError::Levels { count, max: LEVELS_MAX });
            }
            Frame::Snapshot(snapshot)
        }
        "trade_snapshot" => {
            let History { product_id: product, trades } = read("trade snapshot", text)?;
            Frame::TradeHistory { product, trades }
        }
        _ => Frame::Ignored,
    })
}

pub(crate) fn read<'a, T: Deserialize<'a>>(
    what: &'static str,
    text: &'a str,
) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|cause| FrameError::shape(what, text, cause))
}

/// Says which book an unreadable frame may have been about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum About<'a> {
    /// This contract's.
    Book(Cow<'a, str>),
    /// Any.
    AnyBook,
    /// None: it says that it was of another feed. The contract, if it names one.
    Other(Option<Cow<'a, str>>),
}

/// Finds what can still be told of a frame that could not be read, so that only that is distrusted.
pub(crate) fn about(text: &str) -> About<'_> {
    let Ok(head) = head(text) else { return About::AnyBook };
    let product = head.product_id.map(|Text(product)| product);
    match (head.feed, product) {
        (Some(Text(feed)), product) if !feed.starts_with("book") => About::Other(product),
        (_, Some(product)) => About::Book(product),
        (_, None) => About::AnyBook,
    }
}

/// Gives the side of a taker or of a level.
fn side(field: &'static str, word: &str) -> Result<Side, FrameError> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        other => Err(FrameError::field(field, other, "buy or sell")),
    }
}

fn level(
    side: Side,
    (price, qty): (&RawValue, &RawValue),
    (price_decimals, qty_decimals): (u32, u32),
) -> Result<LevelChange, FrameError> {
    let ticks = Ticks::new(number::steps("level price", price, price_decimals)?);
    let lots = Lots::new(number::steps("level qty", qty, qty_decimals)?);
    Ok(LevelChange { side, ticks, lots })
}

impl Snapshot<'_> {
    /// Gives when the venue says so.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Timestamp, FrameError> {
        number::instant("timestamp", self.timestamp)
    }

    /// Gives all levels at the contract's decimals of price and quantity. Some may have no quantity.
    ///
    /// # Errors
    /// Refuses numbers that are not exact and in range.
    pub fn levels(&self, decimals: (u32, u32)) -> Result<Vec<LevelChange>, FrameError> {
        let bids = self.bids.iter().map(|raw| (Side::Buy, raw));
        let all = bids.chain(self.asks.iter().map(|raw| (Side::Sell, raw)));
        all.map(|(side, raw)| level(side, (raw.price, raw.qty), decimals)).collect()
    }
}

impl Change<'_> {
    /// Gives when the venue says so.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Timestamp, FrameError> {
        number::instant("timestamp", self.timestamp)
    }

    /// Gives the new quantity of the level at the contract's decimals of price and quantity; none deletes it.
    ///
    /// # Errors
    /// Refuses another side than the two, and numbers that are not exact and in range.
    pub fn level(&self, decimals: (u32, u32)) -> Result<LevelChange, FrameError> {
        level(side("side", &self.side)?, (self.price, self.qty), decimals)
    }
}

impl TradeItem<'_> {
    /// Gives the side of the taker.
    ///
    /// # Errors
    /// Refuses other words than the two.
    pub fn taker_side(&self) -> Result<Side, FrameError> {
        side("trade side", &self.side)
    }

    /// Tells whether it was made in the book: blocks, assignments, terminations and what may come were not.
    #[must_use]
    pub fn is_of_book(&self) -> bool {
        matches!(self.kind.as_ref(), "fill" | "liquidation")
    }

    /// Gives when it happened.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Timestamp, FrameError> {
        number::instant("time", self.time)
    }

    /// Gives price and quantity at the contract's decimals.
    ///
    /// # Errors
    /// Refuses numbers that are not exact and in range.
    pub fn size(&self, (price, qty): (u32, u32)) -> Result<(Ticks, Lots), FrameError> {
        let ticks = number::steps("trade price", self.price, price)?;
        let lots = number::steps("trade qty", self.qty, qty)?;
        Ok((Ticks::new(ticks), Lots::new(lots)))
    }
}

#[cfg(test)]
mod tests;
