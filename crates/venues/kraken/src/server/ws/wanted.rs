//! What a client asks to hear: the channel, the symbols and what distinguishes one subscription from another.

use super::NOT_PRIVATE;
use crate::server::io::WsHost;
use crate::server::json::Json;
use crate::server::tape::INTERVALS_MIN;
use crate::server::ws::peer::Topic;
use crate::server::ws::request::{Fields, Refusal, string};
use remora_matching::MarketIx;
use std::borrow::Cow;

const NOT_PUBLIC: &str =
    "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com";
/// Worded after the other two; no capture shows it.
const NOT_LEVEL3: &str =
    "Level3 market data subscriptions are unavailable on this endpoint. Try ws-l3.kraken.com";
const LEVEL3_DEPTHS: [u32; 3] = [10, 100, 1000];
/// How many symbols a request may name; the venue lists about 1,500.
const SYMBOLS_MAX: usize = 2_000;

/// Is what a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Instrument,
    Ticker,
    Book,
    Trade,
    Ohlc,
    Level3,
    Executions,
    Balances,
}

impl Channel {
    /// Every channel that can be subscribed to.
    pub(super) const ALL: [Self; 8] = [
        Self::Instrument,
        Self::Ticker,
        Self::Book,
        Self::Trade,
        Self::Ohlc,
        Self::Level3,
        Self::Executions,
        Self::Balances,
    ];

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Instrument => "instrument",
            Self::Ticker => "ticker",
            Self::Book => "book",
            Self::Trade => "trade",
            Self::Ohlc => "ohlc",
            Self::Level3 => "level3",
            Self::Executions => "executions",
            Self::Balances => "balances",
        }
    }

    /// Gives the topic of a market; none for the channels without symbols.
    pub(super) const fn topic(self, market: MarketIx) -> Option<Topic> {
        match self {
            Self::Ticker => Some(Topic::Ticker(market)),
            Self::Book => Some(Topic::Book(market)),
            Self::Trade => Some(Topic::Trade(market)),
            Self::Ohlc => Some(Topic::Ohlc(market)),
            Self::Level3 => Some(Topic::Level3(market)),
            Self::Instrument | Self::Executions | Self::Balances => None,
        }
    }

    /// Refuses what came to the wrong host. The private host serves public channels too, which the venue's does not
    /// any more (captured in September 2026): a client with a single address keeps working.
    pub(super) fn check(self, host: WsHost) -> Result<(), Refusal> {
        match (self, host) {
            (Self::Executions | Self::Balances, WsHost::Private)
            | (Self::Level3, WsHost::Level3)
            | (
                Self::Instrument | Self::Ticker | Self::Book | Self::Trade | Self::Ohlc,
                WsHost::Public | WsHost::Private,
            ) => Ok(()),
            (Self::Executions | Self::Balances, WsHost::Public | WsHost::Level3) => {
                Err(NOT_PRIVATE.into())
            }
            (Self::Level3, WsHost::Public | WsHost::Private) => Err(NOT_LEVEL3.into()),
            (
                Self::Instrument | Self::Ticker | Self::Book | Self::Trade | Self::Ohlc,
                WsHost::Level3,
            ) => Err(NOT_PUBLIC.into()),
        }
    }
}

/// Is a subscription as asked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) channel: Channel,
    pub(super) symbols: Vec<Cow<'a, str>>,
    /// Depth, interval or trigger (0 `trades`, 1 `bbo`).
    pub(super) choice: u32,
    /// Whether a snapshot is wanted; `snap_orders` of executions.
    pub(super) has_snapshot: bool,
    pub(super) token: Option<Cow<'a, str>>,
    pub(super) executions: Executions,
}

/// Is what only executions have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Executions {
    pub(super) has_trades: bool,
    pub(super) order_status: Option<bool>,
    pub(super) ratecounter: Option<bool>,
}

impl<'a> Wanted<'a> {
    pub(super) fn read(mut fields: Fields<'a>, message: &str) -> Result<Self, Refusal> {
        let name = fields.need_text("channel")?;
        let channel = Channel::read(&name).ok_or("Subscription name invalid")?;
        let symbols = match channel {
            Channel::Instrument | Channel::Executions | Channel::Balances => Vec::new(),
            Channel::Ticker | Channel::Book | Channel::Trade | Channel::Ohlc | Channel::Level3 => {
                let symbols = fields.list("symbol", "an array", string)?;
                // Nobody is left without an answer: a list of none is none.
                let symbols = symbols.filter(|symbols| !symbols.is_empty());
                let symbols = symbols.ok_or_else(|| Refusal::missing("symbol"))?;
                if symbols.len() > SYMBOLS_MAX {
                    return Err(Refusal::invalid("symbol"));
                }
                symbols
            }
        };
        let choice = choice(&mut fields, channel)?;
        let snapshot = fields.flag("snapshot")?;
        let mut has_snapshot = snapshot.unwrap_or(channel != Channel::Trade);
        let mut token = None;
        let mut executions = Executions::default();
        match channel {
            Channel::Executions => {
                has_snapshot = fields.flag("snap_orders")?.or(snapshot).unwrap_or(true);
                let deprecated = fields.flag("snapshot_trades")?;
                executions.has_trades = fields.flag("snap_trades")?.or(deprecated).unwrap_or(false);
                executions.order_status = fields.flag("order_status")?;
                executions.ratecounter = fields.flag("ratecounter")?;
            }
            Channel::Instrument => {
                // Neither tokenised assets nor other venues are listed here.
                fields.flag("include_tokenized_assets")?;
                fields.text("execution_venue")?;
            }
            Channel::Ticker
            | Channel::Book
            | Channel::Trade
            | Channel::Ohlc
            | Channel::Level3
            | Channel::Balances => {}
        }
        match channel {
            Channel::Executions | Channel::Balances => {
                fields.flag("rebased")?;
                fields.text("users")?;
                token = fields.text("token")?;
            }
            Channel::Level3 => token = fields.text("token")?,
            Channel::Instrument
            | Channel::Ticker
            | Channel::Book
            | Channel::Trade
            | Channel::Ohlc => {}
        }
        fields.finish(message)?;
        Ok(Self { channel, symbols, choice, has_snapshot, token, executions })
    }

    /// Writes what an acknowledgement repeats.
    pub(super) fn result(&self, json: &mut Json, symbol: Option<&str>, is_subscribe: bool) {
        json.key("channel").string(self.channel.word());
        match self.channel {
            Channel::Book | Channel::Level3 => json.key("depth").number(self.choice),
            Channel::Ticker => {
                json.key("event_trigger").string(if self.choice == 1 { "bbo" } else { "trades" });
            }
            Channel::Ohlc => json.key("interval").number(self.choice),
            Channel::Instrument | Channel::Trade | Channel::Executions | Channel::Balances => {}
        }
        if is_subscribe && self.channel != Channel::Executions {
            json.key("snapshot").bool(self.has_snapshot);
        }
        if let Some(symbol) = symbol {
            json.key("symbol").string(symbol);
        }
        let warnings: &[&str] = match self.channel {
            Channel::Instrument => &["tick_size is deprecated, use price_increment"],
            Channel::Ohlc => &["timestamp is deprecated, use interval_begin"],
            Channel::Executions => &[
                "cancel_reason is deprecated, use reason",
                "stop_price is deprecated, use triggers.price",
                "trigger is deprecated use triggers.reference",
            ],
            Channel::Ticker
            | Channel::Book
            | Channel::Trade
            | Channel::Level3
            | Channel::Balances => &[],
        };
        if is_subscribe && !warnings.is_empty() {
            json.key("warnings").array(|json| warnings.iter().for_each(|text| json.string(text)));
        }
    }
}

fn choice(fields: &mut Fields<'_>, channel: Channel) -> Result<u32, Refusal> {
    let number = |number: Option<i64>, default: u32, allowed: &[u32], why: &'static str| {
        let number = number.map_or(Some(default), |number| u32::try_from(number).ok());
        number.filter(|number| allowed.contains(number)).ok_or_else(|| Refusal::from(why))
    };
    match channel {
        Channel::Book => {
            let depth = fields.integer("depth");
            let depth = depth.map_err(|_| "Subscription book depth must be an integer")?;
            number(depth, 10, &crate::DEPTHS, "Subscription depth not supported")
        }
        Channel::Level3 => {
            let depth = fields.integer("depth");
            let depth = depth.map_err(|_| "Subscription book depth must be an integer")?;
            number(depth, 10, &LEVEL3_DEPTHS, "Subscription depth not supported")
        }
        Channel::Ohlc => {
            let interval = fields.integer("interval");
            let interval = interval.map_err(|_| "Subscription ohlc interval must be an integer")?;
            number(interval, 1, &INTERVALS_MIN, "Subscription ohlc interval not supported")
        }
        Channel::Ticker => match fields.text("event_trigger")?.as_deref() {
            None | Some("trades") => Ok(0),
            Some("bbo") => Ok(1),
            Some(_) => Err(Refusal::invalid("event_trigger")),
        },
        Channel::Instrument | Channel::Trade | Channel::Executions | Channel::Balances => Ok(0),
    }
}

impl Wanted<'_> {
    /// Writes what only the acknowledgement of executions has.
    pub(super) fn executions_members(&self, json: &mut Json, limit: Option<u32>) {
        if let Some(limit) = limit {
            json.key("maxratecount").number(limit);
        }
        json.key("snap_orders").bool(self.has_snapshot);
        json.key("snap_trades").bool(self.executions.has_trades);
        for (name, asked) in [
            ("order_status", self.executions.order_status),
            ("ratecounter", self.executions.ratecounter),
        ] {
            if let Some(asked) = asked {
                json.key(name).bool(asked);
            }
        }
    }
}
