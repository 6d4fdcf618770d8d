//! The socket: who listens to what, and the frames they hear.
//!
//! Rules of the venue (Derivatives WebSocket v1 reference, checked June 2026): `info` first; one acknowledgement a product, in the
//! spelling of the definitions; a snapshot before the first change, numbered as the last change; changes numbered by product
//! without holes; a ticker at most once a second; funding of zero is left out.

use super::market::{Market, Trade, absolute};
use super::text::{decimal, float, ms, uid};
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::Exchange;
use remora_venue_api::server::{PeerId, ServerOutput};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Levels a side of a snapshot: more than a crowd ever has.
const LEVELS_MAX: usize = 10_000;
/// Connections at once; the shell bounds them lower.
const PEERS_MAX: usize = 100_000;
/// Contracts in one request.
const PRODUCTS_MAX: usize = 1_000;

/// Is what can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Feed {
    Book,
    Trade,
    Ticker,
    TickerLite,
    Heartbeat,
}

impl Feed {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "book" => Self::Book,
            "trade" => Self::Trade,
            "ticker" => Self::Ticker,
            "ticker_lite" => Self::TickerLite,
            "heartbeat" => Self::Heartbeat,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Trade => "trade",
            Self::Ticker => "ticker",
            Self::TickerLite => "ticker_lite",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// Is what a frame may change and read: the books, the contracts, and their places by symbol.
type Venue<'a> = (&'a Exchange, &'a [Market], &'a BTreeMap<String, usize>);

/// Is everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    peers: BTreeSet<PeerId>,
    /// Who listens to what of which symbol; heartbeats are of none.
    listeners: BTreeMap<(Feed, Arc<str>), BTreeSet<PeerId>>,
}

#[derive(Deserialize)]
struct Request {
    event: String,
    #[serde(default)]
    feed: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

impl Sockets {
    pub(super) fn count(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn opened(&mut self, peer: PeerId, out: &mut Vec<ServerOutput>) {
        if self.peers.len() < PEERS_MAX {
            self.peers.insert(peer);
            send(peer, r#"{"event":"info","version":1}"#, out);
        } else {
            out.push(ServerOutput::WsClose { peer, code: 1013, reason: "too many connections" });
        }
    }

    pub(super) fn closed(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.listeners.retain(|_, listeners| {
            listeners.remove(&peer);
            !listeners.is_empty()
        });
    }

    pub(super) fn frame(
        &mut self,
        now: Timestamp,
        venue: Venue<'_>,
        peer: PeerId,
        text: &str,
        out: &mut Vec<ServerOutput>,
    ) {
        let refused = |message: &str, out: &mut Vec<ServerOutput>| {
            send(peer, format!(r#"{{"event":"error","message":"{message}"}}"#), out);
        };
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return refused("Json Error", out);
        };
        let is_subscribe = match request.event.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            "ping" => return send(peer, r#"{"event":"pong"}"#, out),
            _ => return refused("Invalid event", out),
        };
        // Private feeds are as unknown as any: nobody has an account.
        let Some(feed) = Feed::of(&request.feed) else { return refused("Invalid feed", out) };
        let word = if is_subscribe { "subscribed" } else { "unsubscribed" };
        if feed == Feed::Heartbeat {
            self.set((feed, "".into()), peer, is_subscribe);
            return send(peer, format!(r#"{{"event":"{word}","feed":"heartbeat"}}"#), out);
        }
        if request.product_ids.is_empty() || request.product_ids.len() > PRODUCTS_MAX {
            return refused("Invalid product id", out);
        }
        let (exchange, markets, places) = venue;
        for asked in &request.product_ids {
            let place = places.get(&asked.to_ascii_uppercase());
            let Some(market) = place.and_then(|place| markets.get(*place)) else {
                refused("Invalid product id", out);
                continue;
            };
            let (symbol, name) = (&market.product.symbol, feed.name());
            send(
                peer,
                format!(r#"{{"event":"{word}","feed":"{name}","product_ids":["{symbol}"]}}"#),
                out,
            );
            self.set((feed, symbol.clone()), peer, is_subscribe);
            if is_subscribe {
                send(peer, first(now, exchange, market, feed), out);
            }
        }
    }

    fn set(&mut self, what: (Feed, Arc<str>), peer: PeerId, is_wanted: bool) {
        if is_wanted {
            self.listeners.entry(what).or_default().insert(peer);
        } else if let Some(listeners) = self.listeners.get_mut(&what) {
            listeners.remove(&peer);
        }
    }

    pub(super) fn level_changed(
        &self,
        now: Timestamp,
        market: &Market,
        (side, price, qty): (Side, Ticks, Lots),
        out: &mut Vec<ServerOutput>,
    ) {
        self.tell(Feed::Book, market, out, || {
            let product = &market.product;
            format!(
                r#"{{"feed":"book","product_id":"{}","side":"{}","seq":{},"price":{},"qty":{},"timestamp":{}}}"#,
                product.symbol,
                word(side),
                market.seq,
                float(price.get(), product.price_decimals),
                float(qty.get(), product.qty_decimals()),
                ms(now),
            )
        });
    }

    pub(super) fn traded(&self, market: &Market, trade: &Trade, out: &mut Vec<ServerOutput>) {
        self.tell(Feed::Trade, market, out, || trade_text(market, trade));
    }

    pub(super) fn ticker(
        &self,
        now: Timestamp,
        exchange: &Exchange,
        market: &Market,
        out: &mut Vec<ServerOutput>,
    ) {
        for feed in [Feed::Ticker, Feed::TickerLite] {
            self.tell(feed, market, out, || first(now, exchange, market, feed));
        }
    }

    pub(super) fn heartbeat(&self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        let listeners = self.listeners.get(&(Feed::Heartbeat, "".into()));
        let text: Arc<str> = format!(r#"{{"feed":"heartbeat","time":{}}}"#, ms(now)).into();
        for peer in listeners.into_iter().flatten() {
            out.push(ServerOutput::WsSend { peer: *peer, text: Arc::clone(&text) });
        }
    }

    /// Writes a frame once for everybody who listens, and not at all for nobody.
    fn tell(
        &self,
        feed: Feed,
        market: &Market,
        out: &mut Vec<ServerOutput>,
        text: impl FnOnce() -> String,
    ) {
        let listeners = self.listeners.get(&(feed, market.product.symbol.clone()));
        let Some(listeners) = listeners.filter(|listeners| !listeners.is_empty()) else { return };
        let text: Arc<str> = text().into();
        out.extend(
            listeners
                .iter()
                .map(|peer| ServerOutput::WsSend { peer: *peer, text: Arc::clone(&text) }),
        );
    }
}

fn send(peer: PeerId, text: impl Into<Arc<str>>, out: &mut Vec<ServerOutput>) {
    out.push(ServerOutput::WsSend { peer, text: text.into() });
}

pub(super) const fn word(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Gives what a new listener hears first.
fn first(now: Timestamp, exchange: &Exchange, market: &Market, feed: Feed) -> String {
    match feed {
        Feed::Book => snapshot(now, exchange, market),
        Feed::Trade => {
            let newest = market.trades.iter().rev().map(|trade| trade_text(market, trade));
            let trades: Vec<String> = newest.collect();
            let (symbol, trades) = (&market.product.symbol, trades.join(","));
            format!(r#"{{"feed":"trade_snapshot","product_id":"{symbol}","trades":[{trades}]}}"#)
        }
        Feed::Ticker => ticker(now, exchange, market),
        Feed::TickerLite => ticker_lite(now, exchange, market),
        Feed::Heartbeat => format!(r#"{{"feed":"heartbeat","time":{}}}"#, ms(now)),
    }
}

fn snapshot(now: Timestamp, exchange: &Exchange, market: &Market) -> String {
    let product = &market.product;
    let side = |side: Side| {
        let level = |(price, qty): (Ticks, Lots)| {
            let price = float(price.get(), product.price_decimals);
            format!(r#"{{"price":{price},"qty":{}}}"#, float(qty.get(), product.qty_decimals()))
        };
        exchange.levels(market.ix, side, LEVELS_MAX).map(level).collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"feed":"book_snapshot","product_id":"{}","timestamp":{},"seq":{},"tickSize":null,"bids":[{}],"asks":[{}]}}"#,
        product.symbol,
        ms(now),
        market.seq,
        side(Side::Buy),
        side(Side::Sell),
    )
}

fn trade_text(market: &Market, trade: &Trade) -> String {
    let product = &market.product;
    format!(
        r#"{{"feed":"trade","product_id":"{}","uid":"{}","side":"{}","type":"fill","seq":{},"time":{},"qty":{},"price":{}}}"#,
        product.symbol,
        uid(place(market), trade.seq),
        word(trade.side),
        trade.seq,
        ms(trade.time),
        float(trade.qty.get(), product.qty_decimals()),
        float(trade.price.get(), product.price_decimals),
    )
}

/// Gives a contract's number, for ids.
pub(super) fn place(market: &Market) -> usize {
    usize::try_from(market.ix.get()).unwrap_or(0)
}

/// Gives `,"name":value` where there is a value.
fn field(text: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = write!(text, r#","{name}":{value}"#);
    }
}

fn ticker(now: Timestamp, exchange: &Exchange, market: &Market) -> String {
    let product = &market.product;
    let mut text = format!(
        r#"{{"time":{},"product_id":"{}","feed":"ticker","leverage":"50x","suspended":false,"post_only":false"#,
        ms(now),
        product.symbol,
    );
    if let (Some(funding), Some(index)) = (&market.funding, market.index) {
        // The venue leaves rates of zero out.
        let told = |rate: Decimal| (!rate.is_zero()).then(|| decimal(rate));
        let (rate, next) = (funding.rate, funding.predicted());
        field(&mut text, "funding_rate", told(absolute(product, rate, index)));
        field(&mut text, "funding_rate_prediction", told(absolute(product, next, index)));
        field(&mut text, "relative_funding_rate", told(rate));
        field(&mut text, "relative_funding_rate_prediction", told(next));
        field(&mut text, "next_funding_rate_time", Some(ms(funding.until).to_string()));
    }
    let price = |ticks: Ticks| float(ticks.get(), product.price_decimals);
    let qty = |lots: Lots| float(lots.get(), product.qty_decimals());
    for (side, at, size) in [(Side::Buy, "bid", "bid_size"), (Side::Sell, "ask", "ask_size")] {
        let best = exchange.best(market.ix, side);
        field(&mut text, at, best.map(|(ticks, _)| price(ticks)));
        field(&mut text, size, best.map(|(_, lots)| qty(lots)));
    }
    field(&mut text, "last", market.trades.back().map(|trade| price(trade.price)));
    field(&mut text, "index", market.index.map(decimal));
    field(&mut text, "markPrice", market.mark(exchange).map(decimal));
    field(&mut text, "openInterest", Some(qty(Lots::new(market.open_interest))));
    let day = market.traded.day(now);
    field(&mut text, "open", day.map(|day| decimal(day.open)));
    field(&mut text, "high", day.map(|day| decimal(day.high)));
    field(&mut text, "low", day.map(|day| decimal(day.low)));
    common(&mut text, now, exchange, market);
    text.push('}');
    text
}

fn ticker_lite(now: Timestamp, exchange: &Exchange, market: &Market) -> String {
    let product = &market.product;
    let mut text = format!(r#"{{"feed":"ticker_lite","product_id":"{}""#, product.symbol);
    for (side, name) in [(Side::Buy, "bid"), (Side::Sell, "ask")] {
        let best = exchange.best(market.ix, side);
        field(&mut text, name, best.map(|(ticks, _)| float(ticks.get(), product.price_decimals)));
    }
    common(&mut text, now, exchange, market);
    text.push('}');
    text
}

/// Writes what both tickers tell.
fn common(text: &mut String, now: Timestamp, exchange: &Exchange, market: &Market) {
    let day = market.traded.day(now);
    let percent = |from: Decimal, to: Decimal| {
        let part = to.checked_sub(from)?.checked_div(from)?;
        Some(decimal(part.checked_mul(Decimal::ONE_HUNDRED)?.round_dp(8)))
    };
    let premium =
        market.index.zip(market.mark(exchange)).and_then(|(index, mark)| percent(index, mark));
    let change = day.and_then(|day| percent(day.open, day.close));
    let (volume, decimals) = (day.map_or(0, |day| day.volume), market.product.qty_decimals());
    let left = market.product.maturity.map_or(0, |end| end.since(now).as_ms().max(0) / 86_400_000);
    field(text, "premium", Some(premium.unwrap_or_else(|| "0.0".to_owned())));
    field(text, "change", Some(change.unwrap_or_else(|| "0.0".to_owned())));
    field(text, "volume", Some(float(volume, decimals)));
    field(text, "dtm", Some(left.to_string()));
    field(text, "tag", Some(format!(r#""{}""#, tag(market))));
    field(text, "pair", Some(format!(r#""{}:USD""#, market.product.base)));
    field(text, "maturityTime", Some(market.product.maturity.map_or(0, ms).to_string()));
}

/// Gives the venue's word for how long a contract runs.
pub(super) fn tag(market: &Market) -> &'static str {
    if market.product.maturity.is_none() { "perpetual" } else { "quarter" }
}
