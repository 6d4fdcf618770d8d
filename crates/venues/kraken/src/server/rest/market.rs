//! Public market data: `Ticker`, `OHLC`, `Depth`, `GroupedBook`, `Trades`, `Spread`.
//!
//! Answers stand under the pair's id, whatever spelling was asked for. Prices of all but `OHLC` are padded to at
//! least five decimals and the volumes of `Depth` cut to three, as captured answers are.

use super::Public;
use super::read::{AssetClass, decimal, unix};
use crate::server::catalogue::PairDef;
use crate::server::date::{UnixSeconds, unix_seconds};
use crate::server::desk::DeskResult;
use crate::server::error::KrakenError;
use crate::server::json::{Fixed, Json};
use crate::server::tape::{
    COMMITTED, Candle, INTERVALS_MIN, TRADES_MAX, Window, begin_of, length, vwap,
};
use remora_domain::{Side, Timestamp};
use rust_decimal::Decimal;

/// The fewest decimals of prices outside `OHLC`.
const PRICE_DECIMALS_MIN: u32 = 5;
/// The decimals that volumes of levels are cut to.
const LEVEL_DECIMALS: u32 = 3;
const DEPTH_LEVELS_MAX: usize = 500;
const DEPTH_LEVELS: usize = 100;
/// What a time of `Trades` below this is counted in: seconds; from here on it is nanoseconds.
const SINCE_SECONDS_MAX: i64 = 100_000_000_000;

/// Writes the tickers of the pairs asked for, or of all.
pub(super) fn ticker(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let catalogue = call.desk.catalogue();
    let is_listed = call.fields.asset_class("asset_class")? == AssetClass::Currency;
    let names = call.fields.list("pair");
    let pairs: Vec<&PairDef> = if names.is_empty() {
        catalogue.pairs().iter().filter(|_| is_listed).collect()
    } else {
        let find = |name| catalogue.find_pair(name).filter(|_| is_listed);
        names.into_iter().map(find).collect::<Option<_>>().ok_or(KrakenError::UnknownPair)?
    };
    json.object(|json| {
        for pair in pairs {
            json.key(&pair.id).object(|json| write_ticker(call, pair, json));
        }
    });
    Ok(())
}

/// Writes a ticker. What does not exist yet (a side without orders, a day without trades) is written as zero.
fn write_ticker(call: &Public<'_>, pair: &PairDef, json: &mut Json) {
    for (name, side) in [("a", Side::Sell), ("b", Side::Buy)] {
        let best = call.desk.exchange().best(pair.market, side);
        let (price, qty) = best.map_or((0, 0), |(price, qty)| (price.get(), qty.get()));
        // Whole units, never less than what is there.
        let one = 10_i64.saturating_pow(pair.qty_decimals).max(1);
        let whole = qty.div_euclid(one).saturating_add(i64::from(qty.rem_euclid(one) > 0));
        json.key(name).array(|json| {
            json.quoted(padded(pair, price));
            json.quoted(whole);
            json.quoted(format_args!("{whole}.000"));
        });
    }
    let facts = call.tape.ticker(pair.market, call.now);
    let last = facts.map_or((0, 0), |facts| (facts.last, facts.last_qty));
    let windows = facts.map_or([Window::default(); 2], |facts| [facts.today, facts.day]);
    json.key("c").array(|json| {
        json.quoted(padded(pair, last.0));
        json.quoted(Fixed::new(last.1, pair.qty_decimals));
    });
    json.key("v").array(|json| {
        windows.iter().for_each(|w| json.quoted(Fixed::new(w.volume, pair.qty_decimals)));
    });
    json.key("p").array(|json| {
        let decimals = pair.price_decimals.max(PRICE_DECIMALS_MIN);
        for window in windows {
            let average = vwap(window.turnover, window.volume, pair.price_decimals, decimals);
            json.quoted(Fixed::new(average.unwrap_or(0), decimals));
        }
    });
    json.key("t").array(|json| windows.iter().for_each(|window| json.number(window.trades)));
    let mut extremes = |name: &str, of: fn(&Window) -> Option<i64>| {
        json.key(name).array(|json| {
            windows.iter().for_each(|w| json.quoted(padded(pair, of(w).unwrap_or(0))));
        });
    };
    extremes("l", |window| window.low);
    extremes("h", |window| window.high);
    let [today, _] = windows;
    json.key("o").quoted(padded(pair, today.open.unwrap_or(last.0)));
}

/// Writes candles: every interval has a row, those without trades at the last price; the running one is the last.
pub(super) fn ohlc(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let pair = asked_pair(call)?;
    let known = |text: &str| text.parse().ok().filter(|minutes| INTERVALS_MIN.contains(minutes));
    let interval = call.fields.read("interval", known)?.unwrap_or(1);
    let since = call.fields.read("since", unix)?.unwrap_or(Timestamp::from_ns(i64::MIN));
    let running = begin_of(call.now, interval);
    json.object(|json| {
        json.key(&pair.id).array(|json| {
            for candle in rows(call, pair, interval) {
                if candle.begin > since {
                    write_candle(pair, &candle, json);
                }
            }
        });
        json.key("last").number(unix_seconds(running.saturating_sub(length(interval))));
    });
    Ok(())
}

/// Gives a row for every interval from the first known price in the window to the running one.
fn rows(call: &Public<'_>, pair: &PairDef, interval: u32) -> Vec<Candle> {
    let step = length(interval);
    let running = begin_of(call.now, interval);
    let intervals = i64::try_from(COMMITTED).unwrap_or(i64::MAX);
    let from = running.saturating_sub(step.saturating_mul(intervals));
    let mut traded = call.tape.candles(pair.market, interval, call.now).peekable();
    let mut close = call.tape.close_before(pair.market, interval, from);
    let mut rows = Vec::with_capacity(COMMITTED.saturating_add(1));
    for number in 0..=intervals {
        let begin = from.saturating_add(step.saturating_mul(number));
        let candle = traded.next_if(|candle| candle.begin == begin).copied();
        let flat = || close.map(|close| Candle::flat(begin, close));
        if let Some(row) = candle.or_else(flat) {
            close = Some(row.close);
            rows.push(row);
        }
    }
    rows
}

fn write_candle(pair: &PairDef, candle: &Candle, json: &mut Json) {
    let decimals = pair.price_decimals;
    json.array(|json| {
        json.number(unix_seconds(candle.begin));
        for price in [candle.open, candle.high, candle.low, candle.close] {
            json.quoted(Fixed::new(price, decimals));
        }
        let average = vwap(candle.turnover, candle.volume, decimals, decimals).unwrap_or(0);
        json.quoted(Fixed::new(average, decimals));
        json.quoted(Fixed::new(candle.volume, pair.qty_decimals));
        json.number(candle.trades);
    });
}

/// Writes the book. The engine does not keep when a level changed last, so each one has the time of the answer.
pub(super) fn depth(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let pair = asked_pair(call)?;
    let count = count(call, DEPTH_LEVELS_MAX)?.unwrap_or(DEPTH_LEVELS);
    let time = unix_seconds(call.now);
    let cut = pair.qty_decimals.saturating_sub(LEVEL_DECIMALS);
    let unit = 10_i64.saturating_pow(cut);
    json.object(|json| {
        json.key(&pair.id).object(|json| {
            for (name, side) in [("asks", Side::Sell), ("bids", Side::Buy)] {
                json.key(name).array(|json| {
                    for (price, qty) in call.desk.exchange().levels(pair.market, side, count) {
                        json.array(|json| {
                            json.quoted(padded(pair, price.get()));
                            let decimals = pair.qty_decimals.min(LEVEL_DECIMALS);
                            json.quoted(Fixed::new(qty.get() / unit, decimals));
                            json.number(time);
                        });
                    }
                });
            }
        });
    });
    Ok(())
}

/// Writes the book in coarser levels: bids count for the next one down, asks for the next one up.
pub(super) fn grouped_book(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let pair = asked_pair(call)?;
    let depth = one_of(call, "depth", &[10, 25, 100, 250, 1_000])?.unwrap_or(10);
    let grouping = one_of(call, "grouping", &[1, 5, 10, 25, 50, 100, 250, 500, 1_000])?;
    let grouping = grouping.unwrap_or(1);
    let exchange = call.desk.exchange();
    let tick = exchange.market(pair.market).map_or(1, |market| market.tick.get());
    let step = tick.saturating_mul(grouping).max(1);
    let depth = usize::try_from(depth).unwrap_or(0);
    json.object(|json| {
        json.key("pair").string(&pair.symbol);
        json.key("grouping").number(grouping);
        for (name, side) in [("bids", Side::Buy), ("asks", Side::Sell)] {
            let levels = exchange.levels(pair.market, side, usize::MAX);
            json.key(name).array(|json| {
                let levels = levels.map(|(price, qty)| (group(price.get(), step, side), qty.get()));
                for (price, qty) in grouped(levels, depth) {
                    json.object(|json| {
                        json.key("price").quoted(padded(pair, price));
                        json.key("qty").quoted(Fixed::new(qty, pair.qty_decimals));
                    });
                }
            });
        }
    });
    Ok(())
}

fn one_of(call: &Public<'_>, name: &'static str, allowed: &[i64]) -> DeskResult<Option<i64>> {
    call.fields.read(name, |text| text.parse().ok().filter(|number| allowed.contains(number)))
}

fn group(price: i64, step: i64, side: Side) -> i64 {
    let down = price.div_euclid(step).saturating_mul(step);
    match side {
        Side::Buy => down,
        Side::Sell if down == price => price,
        Side::Sell => down.saturating_add(step),
    }
}

/// Adds up neighbours of the same price, up to `depth` prices.
fn grouped(levels: impl Iterator<Item = (i64, i64)>, depth: usize) -> Vec<(i64, i128)> {
    let mut groups: Vec<(i64, i128)> = Vec::new();
    for (price, qty) in levels {
        let qty = i128::from(qty);
        let is_full = groups.len() >= depth;
        match groups.last_mut() {
            Some((last, sum)) if *last == price => *sum = sum.saturating_add(qty),
            Some(_) | None if is_full => break,
            Some(_) | None => groups.push((price, qty)),
        }
    }
    groups
}

/// Writes trades: the last ones, or the first ones after `since`.
pub(super) fn trades(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let pair = asked_pair(call)?;
    let count = count(call, TRADES_MAX)?.unwrap_or(TRADES_MAX);
    let since = call.fields.read("since", cursor)?;
    let all = call.tape.trades(pair.market);
    let skip = if since.is_none() { all.len().saturating_sub(count) } else { 0 };
    let after = since.unwrap_or(i64::MIN);
    let rows: Vec<_> = all.skip(skip).filter(|trade| trade.cursor > after).take(count).collect();
    let last = rows.last().map(|trade| trade.cursor).or(since);
    json.object(|json| {
        json.key(&pair.id).array(|json| {
            for trade in rows {
                json.array(|json| {
                    json.quoted(padded(pair, trade.price));
                    json.quoted(Fixed::new(trade.qty, pair.qty_decimals));
                    json.number(UnixSeconds(trade.time));
                    json.string(match trade.side {
                        Side::Buy => "b",
                        Side::Sell => "s",
                    });
                    json.string(if trade.is_market_order { "m" } else { "l" });
                    json.string("");
                    json.number(trade.trade_id);
                });
            }
        });
        json.key("last").quoted(last.unwrap_or(call.now.as_ns()));
    });
    Ok(())
}

/// Writes the best prices of the last changes with both sides.
pub(super) fn spread(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let pair = asked_pair(call)?;
    let since = call.fields.read("since", unix)?.unwrap_or(Timestamp::from_ns(i64::MIN));
    let spreads = call.tape.spreads(pair.market);
    let mut last = call.now;
    json.object(|json| {
        json.key(&pair.id).array(|json| {
            for spread in spreads.filter(|spread| spread.time >= since) {
                if let (Some(bid), Some(ask)) = (spread.bid, spread.ask) {
                    last = spread.time;
                    json.array(|json| {
                        json.number(unix_seconds(spread.time));
                        json.quoted(padded(pair, bid));
                        json.quoted(padded(pair, ask));
                    });
                }
            }
        });
        json.key("last").number(unix_seconds(last));
    });
    Ok(())
}

fn asked_pair<'a>(call: &Public<'a>) -> DeskResult<&'a PairDef> {
    let name = call.fields.required("pair")?;
    let is_listed = call.fields.asset_class("asset_class")? == AssetClass::Currency;
    let pair = call.desk.catalogue().find_pair(name);
    pair.filter(|_| is_listed).ok_or(KrakenError::UnknownPair)
}

fn count(call: &Public<'_>, max: usize) -> DeskResult<Option<usize>> {
    call.fields.read("count", |text| text.parse().ok().filter(|count| (1..=max).contains(count)))
}

/// Reads a place in the trades: nanoseconds as `last` gives them, or seconds.
fn cursor(text: &str) -> Option<i64> {
    let number = decimal(text)?;
    if number < Decimal::from(SINCE_SECONDS_MAX) {
        return unix(text).map(Timestamp::as_ns);
    }
    Some(i64::try_from(number.trunc()).unwrap_or(i64::MAX))
}

/// Is a price with at least five decimals.
fn padded(pair: &PairDef, price: i64) -> Fixed {
    let more = PRICE_DECIMALS_MIN.saturating_sub(pair.price_decimals);
    let units = i128::from(price).saturating_mul(10_i128.saturating_pow(more));
    Fixed { units, decimals: pair.price_decimals.saturating_add(more) }
}
