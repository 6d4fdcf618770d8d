//! Tells the market as Kraken WebSocket v2 frames, each a line of the recording.

use super::instruments::{SPECS, Spec};
use super::market::{Market, Side, Trade};
use super::spec;
use anyhow::{Context, Result};
use remora_flow::Chance;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Levels a side that are told.
const DEPTH: usize = 25;
/// Levels a side in the checksum.
const CHECKSUM_DEPTH: usize = 10;
/// A ticker is told at most this often for each instrument, in microseconds.
const TICKER_US: i64 = 1_000_000;
/// How long a frame takes from the venue to the recorder, in microseconds.
const LATENCY_US: i64 = 1_800;

type Levels = Vec<(i64, i64)>;

/// Is what was told of one instrument.
struct Told {
    bids: Levels,
    asks: Levels,
    last_trade_id: i64,
    last_ticks: i64,
    low_ticks: i64,
    high_ticks: i64,
    open_ticks: i64,
    /// Base volume of 24 hours, in quantity steps.
    volume: i128,
    /// Sum of ticks × quantity steps.
    turnover: i128,
    ticker_at: i64,
    has_traded: bool,
}

impl Told {
    fn new(spec: &Spec) -> Self {
        let volume = i128::from(spec.volume_24h) * 10_i128.pow(spec.traded.qty_decimals);
        let open_ticks = spec.traded.start_ticks * 987 / 1_000;
        Self {
            bids: Vec::new(),
            asks: Vec::new(),
            last_trade_id: 4_000_000 + spec.traded.start_ticks,
            last_ticks: spec.traded.start_ticks,
            low_ticks: spec.traded.start_ticks * 979 / 1_000,
            high_ticks: spec.traded.start_ticks * 1_014 / 1_000,
            open_ticks,
            volume,
            turnover: volume * i128::from(spec.traded.start_ticks * 996 / 1_000),
            ticker_at: 0,
            has_traded: false,
        }
    }

    fn trade(&mut self, trade: &Trade) {
        self.last_trade_id += 1;
        self.last_ticks = trade.ticks;
        self.low_ticks = self.low_ticks.min(trade.ticks);
        self.high_ticks = self.high_ticks.max(trade.ticks);
        self.volume += i128::from(trade.qty);
        self.turnover += i128::from(trade.qty) * i128::from(trade.ticks);
        self.has_traded = true;
    }
}

/// Holds the lines told so far.
pub(crate) struct Telling {
    lines: String,
    /// When the last frame was received, in nanoseconds.
    received: i64,
    told: Vec<Told>,
}

impl Telling {
    /// Begins at an instant in microseconds.
    pub(crate) fn new(start: i64) -> Self {
        let told = SPECS.iter().map(Told::new).collect();
        Self { lines: String::new(), received: start * 1_000, told }
    }

    /// Gives all lines.
    pub(crate) fn finish(self) -> String {
        self.lines
    }

    /// Appends a frame that left its sender at `sent` (microseconds) and takes `delay` to arrive.
    fn line(&mut self, sent: i64, delay: i64, direction: &str, frame: &str) {
        // One connection delivers in order: a frame is received after the one before it.
        self.received = ((sent + delay) * 1_000).max(self.received + 7_000);
        let t = self.received;
        self.lines.push_str(&format!(
            "{{\"t\":{t},\"venue\":\"remora_synthetic\",\"ch\":\"ws-public\",\"dir\":\"{direction}\",\"frame\":{frame}}}\n"
        ));
    }

    /// Tells the status with which every connection begins.
    pub(crate) fn open(&mut self) {
        let sent = self.received / 1_000;
        let status = "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"version\":\"2.0.10\",\"system\":\"online\",\"api_version\":\"v2\",\"connection_id\":12682902310146523867}]}";
        self.line(sent, LATENCY_US, "in", status);
        let ask = "{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\",\"snapshot\":true},\"req_id\":1}";
        self.line(sent, 3_000, "out", ask);
        let sent = sent + 24_000;
        let reply = reply("\"channel\":\"instrument\",\"snapshot\":true", sent, 1);
        self.line(sent, LATENCY_US, "in", &reply);
        self.line(sent + 900, LATENCY_US, "in", &definitions());
    }

    /// Tells the subscriptions, their answers and the snapshots, so that all arrive before `until`.
    pub(crate) fn subscribe(&mut self, until: i64, market: &Market) -> Result<()> {
        let asked = until - 300_000;
        let symbols: Vec<String> =
            SPECS.iter().map(|spec| format!("\"{}\"", spec.traded.symbol)).collect();
        let symbols = symbols.join(",");
        let channels = [
            ("book", format!("\"depth\":{DEPTH},\"snapshot\":true"), 2),
            ("trade", "\"snapshot\":false".to_owned(), 3),
            ("ticker", "\"snapshot\":true".to_owned(), 4),
        ];
        for (channel, rest, id) in &channels {
            let ask = format!(
                "{{\"method\":\"subscribe\",\"params\":{{\"channel\":\"{channel}\",\"symbol\":[{symbols}],{rest}}},\"req_id\":{id}}}"
            );
            self.line(asked, 0, "out", &ask);
        }
        let mut sent = asked + 22_000;
        for (channel, rest, id) in &channels {
            for spec in &SPECS {
                sent += 40;
                let result = format!(
                    "\"channel\":\"{channel}\",{rest},\"symbol\":\"{}\"",
                    spec.traded.symbol
                );
                self.line(sent, LATENCY_US, "in", &reply(&result, sent, *id));
            }
        }
        for index in 0..SPECS.len() {
            sent += 1_500;
            self.snapshot(sent, market, index)?;
            self.ticker(sent + 100, market, index, "snapshot")?;
        }
        Ok(())
    }

    /// Tells that the connection lives.
    pub(crate) fn heartbeat(&mut self, now: i64) {
        self.line(now, LATENCY_US, "in", "{\"channel\":\"heartbeat\"}");
    }

    fn snapshot(&mut self, now: i64, market: &Market, index: usize) -> Result<()> {
        let (spec, pair) = (spec(index)?, market.pair(index)?);
        let bids = pair.best_first(Side::Bid, DEPTH);
        let asks = pair.best_first(Side::Ask, DEPTH);
        let frame = book_frame("snapshot", spec, &bids, &asks, checksum(&bids, &asks), now);
        self.line(now, LATENCY_US, "in", &frame);
        let told = self.told(index)?;
        (told.bids, told.asks) = (bids, asks);
        Ok(())
    }

    /// Tells what changed in the levels that are told; nothing when nothing did.
    pub(crate) fn book(
        &mut self,
        now: i64,
        market: &Market,
        index: usize,
        chance: &mut Chance,
    ) -> Result<()> {
        let (spec, pair) = (spec(index)?, market.pair(index)?);
        let bids = pair.best_first(Side::Bid, DEPTH);
        let asks = pair.best_first(Side::Ask, DEPTH);
        let told = self.told(index)?;
        let changed_bids = changes(&told.bids, &bids);
        let changed_asks = changes(&told.asks, &asks);
        let sum = checksum(&bids, &asks);
        (told.bids, told.asks) = (bids, asks);
        if changed_bids.is_empty() && changed_asks.is_empty() {
            return Ok(());
        }
        let frame = book_frame("update", spec, &changed_bids, &changed_asks, sum, now);
        self.line(now, LATENCY_US + chance.exponential(400), "in", &frame);
        Ok(())
    }

    /// Tells the fills of one taker in one frame.
    pub(crate) fn trades(&mut self, now: i64, index: usize, trades: &[Trade]) -> Result<()> {
        let spec = spec(index)?;
        let told = self.told(index)?;
        let mut items = Vec::with_capacity(trades.len());
        for trade in trades {
            told.trade(trade);
            let side = match trade.taker {
                Side::Bid => "buy",
                Side::Ask => "sell",
            };
            items.push(format!(
                "{{\"symbol\":\"{}\",\"side\":\"{side}\",\"price\":{},\"qty\":{},\"ord_type\":\"market\",\"trade_id\":{},\"timestamp\":\"{}\"}}",
                spec.traded.symbol,
                decimal(trade.ticks.into(), spec.traded.price_decimals),
                decimal(trade.qty.into(), spec.traded.qty_decimals),
                told.last_trade_id,
                rfc3339(now),
            ));
        }
        let items = items.join(",");
        let frame = format!("{{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{items}]}}");
        self.line(now, LATENCY_US - 500, "in", &frame);
        Ok(())
    }

    /// Tells the 24-hour summary after a trade, but not more often than once a second.
    pub(crate) fn ticker_if_due(&mut self, now: i64, market: &Market, index: usize) -> Result<()> {
        let told = self.told(index)?;
        if told.has_traded && now >= told.ticker_at + TICKER_US {
            self.ticker(now, market, index, "update")?;
        }
        Ok(())
    }

    fn ticker(&mut self, now: i64, market: &Market, index: usize, kind: &str) -> Result<()> {
        let (spec, pair) = (spec(index)?, market.pair(index)?);
        let best = |side| pair.best_first(side, 1).first().copied().context("an empty side");
        let ((bid, bid_qty), (ask, ask_qty)) = (best(Side::Bid)?, best(Side::Ask)?);
        let told = self.told(index)?;
        (told.ticker_at, told.has_traded) = (now, false);
        let change = told.last_ticks - told.open_ticks;
        let price = |ticks: i64| decimal(ticks.into(), spec.traded.price_decimals);
        let qty = |steps: i128| decimal(steps, spec.traded.qty_decimals);
        let vwap = decimal(told.turnover / told.volume.max(1), spec.traded.price_decimals);
        let frame = format!(
            "{{\"channel\":\"ticker\",\"type\":\"{kind}\",\"data\":[{{\"symbol\":\"{}\",\"bid\":{},\"bid_qty\":{},\"ask\":{},\"ask_qty\":{},\"last\":{},\"volume\":{},\"vwap\":{vwap},\"low\":{},\"high\":{},\"change\":{},\"change_pct\":{},\"timestamp\":\"{}\"}}]}}",
            spec.traded.symbol,
            price(bid),
            qty(bid_qty.into()),
            price(ask),
            qty(ask_qty.into()),
            price(told.last_ticks),
            qty(told.volume),
            price(told.low_ticks),
            price(told.high_ticks),
            price(change),
            decimal(i128::from(change) * 10_000 / i128::from(told.open_ticks.max(1)), 2),
            rfc3339(now),
        );
        self.line(now, LATENCY_US + 200, "in", &frame);
        Ok(())
    }

    fn told(&mut self, index: usize) -> Result<&mut Told> {
        self.told.get_mut(index).with_context(|| format!("nothing told of {index}"))
    }
}

/// Gives the changes that lead a reader from one list of levels to another, who applies them and cuts to the
/// depth: levels that are gone, with quantity zero, and levels that are new or differ. A level that others pushed
/// out of the depth is not told.
fn changes(from: &[(i64, i64)], to: &[(i64, i64)]) -> Levels {
    let before: BTreeMap<i64, i64> = from.iter().copied().collect();
    let after: BTreeMap<i64, i64> = to.iter().copied().collect();
    // Sides are listed best first, so the worst level that is still told is the last.
    let is_full = to.len() >= DEPTH;
    let (first, last) = (to.first().map(|level| level.0), to.last().map(|level| level.0));
    let is_pushed_out = |ticks: i64| match (first, last) {
        (Some(first), Some(last)) if is_full => {
            if first > last {
                ticks < last
            } else {
                ticks > last
            }
        }
        (Some(_) | None, Some(_) | None) => false,
    };
    let gone = from.iter().map(|level| level.0);
    let gone = gone.filter(|ticks| !after.contains_key(ticks) && !is_pushed_out(*ticks));
    let news = to.iter().copied().filter(|(ticks, qty)| before.get(ticks) != Some(qty));
    gone.map(|ticks| (ticks, 0)).chain(news).collect()
}

/// Computes the venue's checksum: CRC-32 over the ten best asks, then the ten best bids, each as its price and
/// its quantity without point and without leading zeros (Kraken, "Book checksum v2", checked June 2026). Ticks and
/// quantity steps are exactly those digits.
pub(crate) fn checksum(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> u32 {
    let mut text = String::with_capacity(512);
    for (ticks, qty) in asks.iter().take(CHECKSUM_DEPTH).chain(bids.iter().take(CHECKSUM_DEPTH)) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{ticks}{qty}");
    }
    crc32fast::hash(text.as_bytes())
}

fn book_frame(
    kind: &str,
    spec: &Spec,
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
    sum: u32,
    now: i64,
) -> String {
    let side = |levels: &[(i64, i64)]| {
        let level = |(ticks, qty): &(i64, i64)| {
            format!(
                "{{\"price\":{},\"qty\":{}}}",
                decimal((*ticks).into(), spec.traded.price_decimals),
                decimal((*qty).into(), spec.traded.qty_decimals)
            )
        };
        levels.iter().map(level).collect::<Vec<_>>().join(",")
    };
    format!(
        "{{\"channel\":\"book\",\"type\":\"{kind}\",\"data\":[{{\"symbol\":\"{}\",\"bids\":[{}],\"asks\":[{}],\"checksum\":{sum},\"timestamp\":\"{}\"}}]}}",
        spec.traded.symbol,
        side(bids),
        side(asks),
        rfc3339(now)
    )
}

/// Tells the acceptance of one subscription.
fn reply(result: &str, sent: i64, id: i64) -> String {
    let (taken, sent) = (rfc3339(sent - 30), rfc3339(sent));
    format!(
        "{{\"method\":\"subscribe\",\"result\":{{{result}}},\"success\":true,\"time_in\":\"{taken}\",\"time_out\":\"{sent}\",\"req_id\":{id}}}"
    )
}

/// Tells all definitions.
fn definitions() -> String {
    let asset = |(id, precision, display): &(&str, u32, u32)| {
        format!(
            "{{\"id\":\"{id}\",\"status\":\"enabled\",\"precision\":{precision},\"precision_display\":{display},\"borrowable\":false,\"collateral_value\":0.00,\"margin_rate\":0.000000}}"
        )
    };
    let assets = [
        ("BTC", 10, 5),
        ("ETH", 10, 5),
        ("SOL", 10, 5),
        ("XRP", 8, 5),
        ("ADA", 8, 6),
        ("USD", 4, 2),
        ("EUR", 4, 2),
    ];
    let pair = |spec: &Spec| {
        let step = |decimals: u32| decimal(1, decimals);
        format!(
            "{{\"symbol\":\"{}\",\"base\":\"{}\",\"quote\":\"{}\",\"status\":\"online\",\"qty_precision\":{},\"qty_increment\":{},\"price_precision\":{},\"cost_precision\":5,\"marginable\":false,\"has_index\":true,\"cost_min\":{},\"tick_size\":{},\"price_increment\":{},\"qty_min\":{}}}",
            spec.traded.symbol,
            spec.traded.base,
            spec.traded.quote,
            spec.traded.qty_decimals,
            step(spec.traded.qty_decimals),
            spec.traded.price_decimals,
            spec.traded.cost_min,
            step(spec.traded.price_decimals),
            step(spec.traded.price_decimals),
            spec.traded.qty_min,
        )
    };
    let assets = assets.iter().map(asset).collect::<Vec<_>>().join(",");
    let pairs = SPECS.iter().map(pair).collect::<Vec<_>>().join(",");
    format!(
        "{{\"channel\":\"instrument\",\"type\":\"snapshot\",\"data\":{{\"assets\":[{assets}],\"pairs\":[{pairs}]}}}}"
    )
}

/// Writes a whole number of steps of `10^-decimals` with all its decimals.
fn decimal(steps: i128, decimals: u32) -> String {
    let scale = 10_i128.pow(decimals);
    let (sign, steps) = if steps < 0 { ("-", -steps) } else { ("", steps) };
    let (whole, rest) = (steps / scale, steps % scale);
    match usize::try_from(decimals) {
        Ok(width) if width > 0 => format!("{sign}{whole}.{rest:0width$}"),
        Ok(_) | Err(_) => format!("{sign}{whole}"),
    }
}

/// Writes an instant in microseconds since 1970 as the venue does. Days become a date by the proleptic Gregorian
/// calendar counted from 1 March of year 0, in which leap days come last (Hinnant, "chrono-compatible low-level
/// date algorithms", civil_from_days).
fn rfc3339(us: i64) -> String {
    let (days, rest) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}
