//! The public channels without a memory of their own: ticker, trade, ohlc, instrument, status.
//!
//! Source: Kraken WebSocket v2, channels of these names (checked June 2026); member order as in captures of 2024.

use crate::server::catalogue::{AssetDef, Catalogue, PairDef, SystemMode};
use crate::server::date::Rfc3339;
use crate::server::json::{Fixed, Json};
use crate::server::tape::{Candle, Tape, TapeTrade, length, vwap};
use crate::server::ws::book::{Printed, data};
use crate::server::ws::words;
use remora_domain::{Lots, Side, Ticks, Timestamp};
use remora_matching::Exchange;
use rust_decimal::Decimal;
use std::sync::Arc;

/// How many trades a snapshot of the trade channel holds.
pub(crate) const SNAPSHOT_TRADES: usize = 50;
/// How many candles a snapshot of the ohlc channel holds; not documented. A capture of May 2024 (11:21:16, interval 1)
/// begins at 11:12.
pub(crate) const SNAPSHOT_CANDLES: usize = 10;

/// Is the best of both sides, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bbo {
    pub(crate) bid: Option<(Ticks, Lots)>,
    pub(crate) ask: Option<(Ticks, Lots)>,
}

impl Bbo {
    /// Reads it from the engine.
    pub(crate) fn of(exchange: &Exchange, pair: &PairDef) -> Self {
        Self {
            bid: exchange.best(pair.market, Side::Buy),
            ask: exchange.best(pair.market, Side::Sell),
        }
    }
}

/// Gives how a pair's numbers print.
pub(crate) fn printed(pair: &PairDef) -> Printed<'_> {
    Printed {
        symbol: &pair.symbol,
        price_decimals: pair.price_decimals,
        qty_decimals: pair.qty_decimals,
    }
}

/// Writes a ticker frame. What has never been (no trade, an empty side) is 0, as the schema wants numbers.
pub(crate) fn ticker(
    json: &mut Json,
    kind: &str,
    pair: &PairDef,
    bbo: Bbo,
    tape: &Tape,
    time: Timestamp,
) -> Arc<str> {
    let printed = printed(pair);
    let facts = tape.ticker(pair.market, time);
    let price = |units: Option<i64>| printed.price(units.unwrap_or(0));
    data(json, "ticker", kind, |json| {
        json.object(|json| {
            json.key("symbol").string(printed.symbol);
            for (name, name_of_qty, level) in
                [("bid", "bid_qty", bbo.bid), ("ask", "ask_qty", bbo.ask)]
            {
                let (ticks, lots) = level.unwrap_or((Ticks::ZERO, Lots::ZERO));
                json.key(name).number(printed.price(ticks.get()));
                json.key(name_of_qty).number(printed.qty(lots.get()));
            }
            let last = facts.map(|facts| facts.last);
            let day = facts.map(|facts| facts.day).unwrap_or_default();
            json.key("last").number(price(last));
            json.key("volume").number(Fixed::new(day.volume, pair.qty_decimals));
            json.key("vwap").number(average(pair, day.turnover, day.volume));
            json.key("low").number(price(day.low));
            json.key("high").number(price(day.high));
            let change =
                last.zip(day.open).map_or(0, |(last, open)| i128::from(last) - i128::from(open));
            json.key("change").number(Fixed::new(change, pair.price_decimals));
            json.key("change_pct").number(percent(change, day.open.unwrap_or(0)));
            json.key("timestamp").quoted(Rfc3339::micros(time));
        });
    })
}

/// Gives `change` in percent of `of` with two decimals, rounded half away from zero; 0 of nothing.
fn percent(change: i128, of: i64) -> Fixed {
    let hundredths = change.saturating_mul(20_000);
    let of = i128::from(of);
    let doubled = hundredths.checked_div(of).unwrap_or(0);
    Fixed::new((doubled + doubled.signum()) / 2, 2)
}

fn average(pair: &PairDef, turnover: i128, volume: i128) -> Fixed {
    let units = vwap(turnover, volume, pair.price_decimals, pair.price_decimals).unwrap_or(0);
    Fixed::new(units, pair.price_decimals)
}

/// Writes a trade frame.
pub(crate) fn trades<'a>(
    json: &mut Json,
    kind: &str,
    pair: &PairDef,
    trades: impl Iterator<Item = &'a TapeTrade>,
) -> Arc<str> {
    let printed = printed(pair);
    data(json, "trade", kind, |json| {
        for trade in trades {
            json.object(|json| {
                json.key("symbol").string(printed.symbol);
                json.key("side").string(words::side(trade.side));
                json.key("price").number(printed.price(trade.price));
                json.key("qty").number(printed.qty(trade.qty));
                json.key("ord_type").string(if trade.is_market_order { "market" } else { "limit" });
                json.key("trade_id").number(trade.trade_id);
                json.key("timestamp").quoted(Rfc3339::micros(trade.time));
            });
        }
    })
}

/// Writes an ohlc frame.
pub(crate) fn candles<'a>(
    json: &mut Json,
    kind: &str,
    pair: &PairDef,
    interval_min: u32,
    candles: impl Iterator<Item = &'a Candle>,
    time: Timestamp,
) -> Arc<str> {
    let printed = printed(pair);
    json.clear();
    json.object(|json| {
        json.key("channel").string("ohlc");
        json.key("type").string(kind);
        json.key("timestamp").quoted(Rfc3339::nanos(time));
        json.key("data").array(|json| {
            for candle in candles {
                let end = candle.begin.saturating_add(length(interval_min));
                json.object(|json| {
                    json.key("symbol").string(printed.symbol);
                    json.key("open").number(printed.price(candle.open));
                    json.key("high").number(printed.price(candle.high));
                    json.key("low").number(printed.price(candle.low));
                    json.key("close").number(printed.price(candle.close));
                    json.key("trades").number(candle.trades);
                    json.key("volume").number(Fixed::new(candle.volume, pair.qty_decimals));
                    json.key("vwap").number(average(pair, candle.turnover, candle.volume));
                    json.key("interval_begin").quoted(Rfc3339::nanos(candle.begin));
                    json.key("interval").number(interval_min);
                    json.key("timestamp").quoted(Rfc3339::micros(end));
                });
            }
        });
    });
    json.text().into()
}

/// Writes the instrument snapshot.
pub(crate) fn instruments(json: &mut Json, catalogue: &Catalogue) -> Arc<str> {
    instrument_frame(json, "snapshot", catalogue, catalogue.assets(), catalogue.pairs().iter())
}

/// Writes an instrument update of some pairs.
pub(crate) fn instrument_update<'a>(
    json: &mut Json,
    catalogue: &Catalogue,
    pairs: impl Iterator<Item = &'a PairDef>,
) -> Arc<str> {
    instrument_frame(json, "update", catalogue, &[], pairs)
}

fn instrument_frame<'a>(
    json: &mut Json,
    kind: &str,
    catalogue: &Catalogue,
    assets: &[AssetDef],
    pairs: impl Iterator<Item = &'a PairDef>,
) -> Arc<str> {
    json.clear();
    json.object(|json| {
        json.key("channel").string("instrument");
        json.key("type").string(kind);
        json.key("data").object(|json| {
            json.key("assets").array(|json| {
                for asset in assets {
                    self::asset(json, asset);
                }
            });
            json.key("pairs").array(|json| {
                for pair in pairs {
                    self::pair(json, catalogue, pair);
                }
            });
        });
    });
    json.text().into()
}

/// Cash only: nothing here can be borrowed or is collateral.
fn asset(json: &mut Json, asset: &AssetDef) {
    json.object(|json| {
        json.key("id").string(&asset.v2);
        json.key("status").string(words::asset_status(asset.status));
        json.key("precision").number(asset.decimals);
        json.key("precision_display").number(asset.display_decimals);
        json.key("borrowable").bool(false);
        json.key("collateral_value").number(Decimal::new(0, 2));
    });
}

fn pair(json: &mut Json, catalogue: &Catalogue, pair: &PairDef) {
    let name = |asset| catalogue.asset(asset).map_or("", |asset| &*asset.v2);
    json.object(|json| {
        json.key("symbol").string(&pair.symbol);
        json.key("base").string(name(pair.base));
        json.key("quote").string(name(pair.quote));
        json.key("status").string(words::pair_status(pair.status));
        json.key("qty_precision").number(pair.qty_decimals);
        json.key("qty_increment").number(scaled(pair.qty_increment, pair.qty_decimals));
        json.key("price_precision").number(pair.price_decimals);
        json.key("cost_precision").number(pair.cost_decimals);
        json.key("marginable").bool(false);
        json.key("has_index").bool(pair.has_index);
        json.key("cost_min").number(pair.cost_min);
        json.key("tick_size").number(scaled(pair.tick_size, pair.price_decimals));
        json.key("price_increment").number(scaled(pair.tick_size, pair.price_decimals));
        json.key("qty_min").number(scaled(pair.qty_min, pair.qty_decimals));
    });
}

/// Gives a number with all the decimals its kind is printed with; it has no more of them.
fn scaled(mut value: Decimal, decimals: u32) -> Decimal {
    value.rescale(decimals);
    value
}

/// Writes a status frame.
pub(crate) fn status(json: &mut Json, system: SystemMode, connection_id: u64) -> Arc<str> {
    data(json, "status", "update", |json| {
        json.object(|json| {
            json.key("version").string("2.0.10");
            json.key("system").string(words::system(system));
            json.key("api_version").string("v2");
            json.key("connection_id").number(connection_id);
        });
    })
}
