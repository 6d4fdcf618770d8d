//! The frames the venue sends, borrowed from their text. Numbers stay text until the instrument's decimals are
//! known; keys we do not know are ignored, channels we do not know are told apart from broken frames.

use crate::error::FrameError;
use crate::instrument::Decimals;
use crate::{number, time};
use remora_domain::{Lots, Price, Qty, Side, SystemStatus, Ticks, Timestamp};
use remora_orderbook::LevelChange;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The longest frame read; the instrument snapshot, the longest there is, has about 1 MB.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// Levels a side that a list has room for from the start: of 28,772 recorded updates five have more.
const LEVELS_EXPECTED: usize = 16;

/// Says whether a data frame replaces what was known or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Everything.
    Snapshot,
    /// What changed.
    Update,
}

/// Is one frame.
#[derive(Debug)]
pub enum Frame<'a> {
    /// Definitions of pairs, each still text: a broken one must not hide the others.
    Instruments(Decoded<&'a RawValue>),
    /// Books or their changes.
    Books(Decoded<BookItem<'a>>),
    /// Public trades.
    Trades(Decoded<TradeItem<'a>>),
    /// 24-hour summaries.
    Tickers(Decoded<TickerItem<'a>>),
    /// What the venue as a whole allows.
    Status(SystemStatus),
    /// The connection lives.
    Heartbeat,
    /// The answer to a ping.
    Pong,
    /// An answer to a request.
    Reply(Reply<'a>),
    /// A request of ours, as recordings hold them.
    Request(Request<'a>),
    /// An error outside the usual form, such as `{"Error":"Exceeded msg rate"}`.
    Refusal(Cow<'a, str>),
    /// A channel or method this session has no use for.
    Ignored,
}

/// Is the content of a data frame.
#[derive(Debug)]
pub struct Decoded<T> {
    /// Whether it replaces or changes.
    pub kind: MessageKind,
    /// The items, in the order sent.
    pub items: Vec<T>,
}

/// Is one level as sent.
#[derive(Debug, Deserialize)]
pub struct RawLevel<'a> {
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

/// Is the book, or the changes of the book, of one symbol.
#[derive(Debug, Deserialize)]
pub struct BookItem<'a> {
    /// Of which symbol.
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "levels")]
    bids: Vec<RawLevel<'a>>,
    #[serde(borrow, default, deserialize_with = "levels")]
    asks: Vec<RawLevel<'a>>,
    /// CRC-32 of the ten best levels a side after this message.
    pub checksum: u32,
    #[serde(borrow, default)]
    timestamp: Option<Text<'a>>,
}

/// Is one public trade.
#[derive(Debug, Deserialize)]
pub struct TradeItem<'a> {
    /// On which symbol.
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
    /// Counts trades per symbol without holes.
    pub trade_id: u64,
    #[serde(borrow, default)]
    ord_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    timestamp: Option<Text<'a>>,
}

/// Is one 24-hour summary.
#[derive(Debug, Deserialize)]
pub struct TickerItem<'a> {
    /// Of which symbol.
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow)]
    bid: &'a RawValue,
    #[serde(borrow)]
    ask: &'a RawValue,
    #[serde(borrow)]
    last: &'a RawValue,
    #[serde(borrow)]
    volume: &'a RawValue,
    #[serde(borrow)]
    vwap: &'a RawValue,
    #[serde(borrow)]
    low: &'a RawValue,
    #[serde(borrow)]
    high: &'a RawValue,
    #[serde(borrow, default)]
    timestamp: Option<Text<'a>>,
}

/// Is an answer to a request.
#[derive(Debug)]
pub struct Reply<'a> {
    /// To which method.
    pub method: Cow<'a, str>,
    /// Whether it was accepted.
    pub is_success: bool,
    /// Why not.
    pub error: Option<Cow<'a, str>>,
    /// Of which channel.
    pub channel: Option<Cow<'a, str>>,
    /// Of which symbol; on refusals the venue need not say.
    pub symbol: Option<Cow<'a, str>>,
    /// At which depth, on the book channel.
    pub depth: Option<u64>,
}

/// Is a request found in a recording.
#[derive(Debug)]
pub struct Request<'a> {
    /// Of which channel.
    pub channel: Option<Cow<'a, str>>,
    /// Of which symbols.
    pub symbols: Vec<Cow<'a, str>>,
    /// At which depth, on the book channel.
    pub depth: Option<u64>,
}

/// Is text borrowed from the frame where it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    error: Option<Text<'a>>,
    #[serde(borrow, default, rename = "Error")]
    refusal: Option<Text<'a>>,
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Definitions<'a> {
    #[serde(borrow)]
    pairs: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct System<'a> {
    #[serde(borrow)]
    system: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
    #[serde(default)]
    depth: Option<u64>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default)]
    symbol: Vec<Text<'a>>,
    #[serde(default)]
    depth: Option<u64>,
}

/// Reads a frame.
///
/// # Errors
/// Refuses overlong frames, broken JSON and other structures than the documented ones.
pub fn decode(text: &str) -> Result<Frame<'_>, FrameError> {
    let envelope = envelope(text)?;
    match (&envelope.channel, &envelope.method, &envelope.refusal) {
        (Some(Text(channel)), _, _) => data_frame(channel, &envelope),
        (None, Some(Text(method)), _) => answer_frame(method, &envelope),
        (None, None, Some(Text(refusal))) => Ok(Frame::Refusal(refusal.clone())),
        (None, None, None) => {
            Err(FrameError::Missing { what: "frame", field: "channel or method" })
        }
    }
}

fn envelope(text: &str) -> Result<Envelope<'_>, FrameError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { bytes: text.len(), max: FRAME_BYTES_MAX });
    }
    // Without this a JSON array would be read as an object by position.
    if !text.trim_start().starts_with('{') {
        return Err(FrameError::field("frame", text, "a JSON object"));
    }
    serde_json::from_str(text).map_err(|cause| FrameError::shape("frame", text, cause))
}

fn data_frame<'a>(channel: &str, envelope: &Envelope<'a>) -> Result<Frame<'a>, FrameError> {
    Ok(match channel {
        "heartbeat" => Frame::Heartbeat,
        "book" => Frame::Books(items("book data", envelope)?),
        "trade" => Frame::Trades(items("trade data", envelope)?),
        "ticker" => Frame::Tickers(items("ticker data", envelope)?),
        "instrument" => {
            let kind = kind_of(envelope)?;
            let pairs = read::<Definitions<'_>>("instrument data", data_of(envelope)?)?.pairs;
            Frame::Instruments(Decoded { kind, items: pairs })
        }
        "status" => {
            let states: Vec<System<'a>> = read("status data", data_of(envelope)?)?;
            let missing = FrameError::Missing { what: "status data", field: "system" };
            Frame::Status(system_status(&states.last().ok_or(missing)?.system))
        }
        _ => Frame::Ignored,
    })
}

fn answer_frame<'a>(method: &str, envelope: &Envelope<'a>) -> Result<Frame<'a>, FrameError> {
    if let (None, Some(params)) = (envelope.success, envelope.params) {
        let params: Params<'a> = read("request parameters", params)?;
        return Ok(Frame::Request(Request {
            channel: params.channel.map(|text| text.0),
            symbols: params.symbol.into_iter().map(|text| text.0).collect(),
            depth: params.depth,
        }));
    }
    let Some(is_success) = envelope.success else {
        // Other than a pong: a recorded ping, or a method of another session.
        return Ok(if method == "pong" { Frame::Pong } else { Frame::Ignored });
    };
    let answer: Answer<'a> = match envelope.result {
        // The result of a refusal, and of methods we do not use, may be anything.
        Some(result) if is_success && matches!(method, "subscribe" | "unsubscribe") => {
            read("subscription answer", result)?
        }
        Some(_) | None => Answer::default(),
    };
    let owned = |text: &Option<Text<'a>>| text.as_ref().map(|text| text.0.clone());
    Ok(Frame::Reply(Reply {
        method: Cow::Owned(method.to_owned()),
        is_success,
        error: owned(&envelope.error),
        channel: owned(&answer.channel),
        symbol: owned(&answer.symbol).or_else(|| owned(&envelope.symbol)),
        depth: answer.depth,
    }))
}

/// Reads the levels of a side into a list that has room for those of nearly every update from the start.
fn levels<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<RawLevel<'a>>, D::Error> {
    struct Side;
    impl<'a> Visitor<'a> for Side {
        type Value = Vec<RawLevel<'a>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of levels")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let Some(first) = list.next_element()? else { return Ok(Vec::new()) };
            let mut levels = Vec::with_capacity(LEVELS_EXPECTED);
            levels.push(first);
            while let Some(level) = list.next_element()? {
                levels.push(level);
            }
            Ok(levels)
        }
    }
    from.deserialize_seq(Side)
}

fn items<'a, T: Deserialize<'a>>(
    what: &'static str,
    envelope: &Envelope<'a>,
) -> Result<Decoded<T>, FrameError> {
    Ok(Decoded { kind: kind_of(envelope)?, items: read(what, data_of(envelope)?)? })
}

fn read<'a, T: Deserialize<'a>>(what: &'static str, raw: &'a RawValue) -> Result<T, FrameError> {
    serde_json::from_str(raw.get()).map_err(|cause| FrameError::shape(what, raw.get(), cause))
}

fn data_of<'a>(envelope: &Envelope<'a>) -> Result<&'a RawValue, FrameError> {
    envelope.data.ok_or(FrameError::Missing { what: "data frame", field: "data" })
}

fn kind_of(envelope: &Envelope<'_>) -> Result<MessageKind, FrameError> {
    let Some(Text(kind)) = &envelope.kind else {
        return Err(FrameError::Missing { what: "data frame", field: "type" });
    };
    match kind.as_ref() {
        "snapshot" => Ok(MessageKind::Snapshot),
        "update" => Ok(MessageKind::Update),
        other => Err(FrameError::field("type", other, "snapshot or update")),
    }
}

/// An unknown word allows nothing, as maintenance does.
fn system_status(word: &str) -> SystemStatus {
    match word {
        "online" => SystemStatus::Online,
        "post_only" => SystemStatus::PostOnly,
        "cancel_only" => SystemStatus::CancelOnly,
        _ => SystemStatus::Maintenance,
    }
}

/// Is what can still be told of a frame that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// Whether it may have been of the book channel: not when it says that it was of another.
    pub(crate) may_be_book: bool,
    /// The symbols it names.
    pub(crate) symbols: Vec<Cow<'a, str>>,
}

/// Finds the symbols that an unreadable data frame names, so that only they are distrusted.
pub(crate) fn named_symbols(text: &str) -> Named<'_> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        symbol: Cow<'a, str>,
    }
    let Ok(envelope) = envelope(text) else {
        return Named { may_be_book: true, symbols: Vec::new() };
    };
    let items: Vec<Item<'_>> =
        envelope.data.and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or_default();
    Named {
        may_be_book: envelope.channel.is_none_or(|channel| channel.0 == "book"),
        symbols: items.into_iter().map(|item| item.symbol).collect(),
    }
}

impl BookItem<'_> {
    /// Gives the longer side's number of levels.
    #[must_use]
    pub fn levels_max(&self) -> usize {
        self.bids.len().max(self.asks.len())
    }

    /// Gives the most decimals that any of its prices, and any of its quantities, is written with.
    pub(crate) fn decimals(&self) -> Decimals {
        let written = |level: &RawLevel<'_>| Decimals {
            price: number::decimals(level.price.get()),
            qty: number::decimals(level.qty.get()),
        };
        let levels = self.bids.iter().chain(&self.asks).map(written);
        levels.fold(Decimals { price: 0, qty: 0 }, Decimals::or_finer)
    }

    /// Gives when the venue says so; older snapshots do not.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Option<Timestamp>, FrameError> {
        venue_time(self.timestamp.as_ref())
    }

    /// Appends the level changes in the order sent, at the instrument's decimals.
    ///
    /// # Errors
    /// Refuses numbers that are not plain, exact and in range.
    pub fn changes(
        &self,
        price_decimals: u32,
        qty_decimals: u32,
        into: &mut Vec<LevelChange>,
    ) -> Result<(), FrameError> {
        for (side, levels) in [(Side::Buy, &self.bids), (Side::Sell, &self.asks)] {
            for level in levels {
                let ticks = number::steps("level price", level.price.get(), price_decimals)?;
                let lots = number::steps("level qty", level.qty.get(), qty_decimals)?;
                into.push(LevelChange { side, ticks: Ticks::new(ticks), lots: Lots::new(lots) });
            }
        }
        Ok(())
    }
}

impl TradeItem<'_> {
    /// Gives the side of the taker.
    ///
    /// # Errors
    /// Refuses other words than the two.
    pub fn taker_side(&self) -> Result<Side, FrameError> {
        match self.side.as_ref() {
            "buy" => Ok(Side::Buy),
            "sell" => Ok(Side::Sell),
            other => Err(FrameError::field("trade side", other, "buy or sell")),
        }
    }

    /// Tells whether the taker was a market order; where the venue does not say, it was.
    #[must_use]
    pub fn is_market_order(&self) -> bool {
        self.ord_type.as_ref().is_none_or(|Text(kind)| kind != "limit")
    }

    /// Gives price and quantity at the instrument's decimals.
    ///
    /// # Errors
    /// Refuses numbers that are not plain, exact and in range.
    pub fn size(
        &self,
        price_decimals: u32,
        qty_decimals: u32,
    ) -> Result<(Ticks, Lots), FrameError> {
        let ticks = number::steps("trade price", self.price.get(), price_decimals)?;
        let lots = number::steps("trade qty", self.qty.get(), qty_decimals)?;
        Ok((Ticks::new(ticks), Lots::new(lots)))
    }

    /// Gives when the venue says so.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Option<Timestamp>, FrameError> {
        venue_time(self.timestamp.as_ref())
    }
}

impl TickerItem<'_> {
    /// Gives bid, ask, last, vwap, low and high. The mean price has more decimals than the instrument.
    ///
    /// # Errors
    /// Refuses what is no price.
    pub fn prices(&self) -> Result<[Price; 6], FrameError> {
        Ok([
            price("ticker bid", self.bid)?,
            price("ticker ask", self.ask)?,
            price("ticker last", self.last)?,
            price("ticker vwap", self.vwap)?,
            price("ticker low", self.low)?,
            price("ticker high", self.high)?,
        ])
    }

    /// Gives the base volume of 24 hours.
    ///
    /// # Errors
    /// Refuses what is no quantity.
    pub fn volume(&self) -> Result<Qty, FrameError> {
        let text = number::plain("ticker volume", self.volume.get())?;
        Qty::parse(&text).map_err(|_| FrameError::field("ticker volume", &text, "a quantity"))
    }

    /// Gives when the venue says so; older frames do not.
    ///
    /// # Errors
    /// Refuses what is no instant.
    pub fn venue_time(&self) -> Result<Option<Timestamp>, FrameError> {
        venue_time(self.timestamp.as_ref())
    }
}

fn price(field: &'static str, raw: &RawValue) -> Result<Price, FrameError> {
    let text = number::plain(field, raw.get())?;
    Price::parse(&text).map_err(|_| FrameError::field(field, &text, "a price"))
}

fn venue_time(text: Option<&Text<'_>>) -> Result<Option<Timestamp>, FrameError> {
    text.map(|Text(text)| time::instant("timestamp", text)).transpose()
}
