//! A market of our own making whose truth is known: BTC/USD repeats what BTC/EUR does [`LAG_MS`] later, ETH/USD goes its own way, and four
//! weeks of bars in which the volume of BTC-USD follows the hour of the day and that of ETH-USD does not.
//!
//! Each mid jumps between two prices at random instants and books are as heavy below as above, so that a fair value which is neither
//! of the two is a changed one.

use remora_domain::{Bar, DurationNs, InstrumentKey, Notional, Timestamp};
use remora_machine::SplitMix64;
use remora_testkit::{px, qty};
use std::f64::consts::TAU;
use std::fmt::Write as _;

/// How far BTC/EUR is ahead of BTC/USD.
pub(super) const LAG_MS: i64 = 70;
/// What a mid jumps by, basis points.
pub(super) const JUMP_BPS: f64 = 5.0;
/// Days of bars, and bars of an hour: as few as count, the first of an hour being no move.
const DAYS: i64 = 28;
const BARS_OF_HOUR: i64 = 31;
/// Height of the day's wave of volume, log units.
const WAVE: f64 = 0.6;
/// 2026-03-02T14:00:00Z, ms.
const BEGIN_MS: i64 = 1_772_460_000_000;
/// Seconds of the recording; the test ends before it does.
const LENGTH_S: i64 = 240;
/// Between two books of a pair: a lag is known to that.
pub(super) const STEP_MS: i64 = 20;
const LEVELS: i64 = 3;
/// Units of the last decimal of quantities.
const QTY_ONE: i64 = 100_000_000;

pub(super) fn key(name: &str) -> InstrumentKey {
    InstrumentKey { venue: "kraken-spot".parse().unwrap(), instrument: name.parse().unwrap() }
}

/// Is one pair: its lower mid in ticks, and when it jumps.
struct Planted {
    symbol: &'static str,
    decimals: usize,
    low: i64,
    qty: i64,
    /// When its books are told, within a step.
    phase_ms: i64,
    jumps_ms: Vec<i64>,
}

/// Gives the two fair values of a pair, quote currency.
pub(super) fn fair_values(name: &str) -> [f64; 2] {
    let low = match name {
        "BTC-EUR" => 55_000.0,
        "BTC-USD" => 60_000.0,
        "ETH-USD" => 3_000.0,
        other => panic!("{other} is not planted"),
    };
    [low, low * (1.0 + JUMP_BPS * 1e-4)]
}

/// Gives instants of jumps, each further from the last than a lag reaches.
fn jumps(seed: u64) -> Vec<i64> {
    let mut random = SplitMix64::new(seed);
    let (mut at, mut jumps) = (0, Vec::new());
    while at < LENGTH_S * 1_000 {
        at += STEP_MS * (8 + i64::try_from(random.next_below(14)).unwrap());
        jumps.push(at);
    }
    jumps
}

impl Planted {
    fn all() -> [Self; 3] {
        let (leader, own) = (jumps(1), jumps(2));
        let follower = leader.iter().map(|at| at + LAG_MS).collect();
        let of = |symbol, decimals, low, qty, phase_ms, jumps_ms| Self {
            symbol,
            decimals,
            low,
            qty,
            phase_ms,
            jumps_ms,
        };
        [
            of("BTC/EUR", 1, 550_000, QTY_ONE, 0, leader),
            of("BTC/USD", 1, 600_000, QTY_ONE, LAG_MS % STEP_MS, follower),
            of("ETH/USD", 2, 300_000, 20 * QTY_ONE, 0, own),
        ]
    }

    fn mid(&self, at_ms: i64) -> i64 {
        let jumped = self.jumps_ms.partition_point(|jump| *jump <= at_ms);
        if jumped % 2 == 0 { self.low } else { self.low + self.low / 2_000 }
    }

    /// Gives the levels of both sides, best first; the last one's quantity changes with every book.
    fn levels(&self, at_ms: i64) -> [Vec<(i64, i64)>; 2] {
        let mid = self.mid(at_ms);
        let flicker = at_ms / STEP_MS % 2;
        // Half a spread beyond the fees of the profile.
        let level = |sign: i64, i: i64| {
            (mid + sign * (mid * 3 / 1_000 + 10 * i), self.qty + i / (LEVELS - 1) * flicker)
        };
        [-1, 1].map(|sign| (0..LEVELS).map(|i| level(sign, i)).collect())
    }

    fn price(&self, ticks: i64) -> String {
        fixed(ticks, self.decimals)
    }

    /// Gives a book message: a snapshot, or what changed since `before`.
    fn book(&self, at_ms: i64, before: Option<[Vec<(i64, i64)>; 2]>) -> String {
        let now = self.levels(at_ms);
        let side = |levels: &[(i64, i64)]| {
            let level = |(ticks, qty): &(i64, i64)| {
                let (price, qty) = (self.price(*ticks), fixed(*qty, 8));
                format!("{{\"price\":{price},\"qty\":{qty}}}")
            };
            levels.iter().map(level).collect::<Vec<_>>().join(",")
        };
        let kind = if before.is_some() { "update" } else { "snapshot" };
        let before = before.unwrap_or_default();
        let changed = |i: usize| {
            let gone = before[i].iter().filter(|old| now[i].iter().all(|new| new.0 != old.0));
            let news = now[i].iter().filter(|new| !before[i].contains(new));
            let changes = gone.map(|(ticks, _)| (*ticks, 0)).chain(news.copied());
            side(&changes.collect::<Vec<_>>())
        };
        let (bids, asks) = (changed(0), changed(1));
        let digits: String =
            now[1].iter().chain(&now[0]).map(|(ticks, qty)| format!("{ticks}{qty}")).collect();
        let (symbol, sum, time) = (self.symbol, crc32fast::hash(digits.as_bytes()), text(at_ms));
        format!(
            "{{\"channel\":\"book\",\"type\":\"{kind}\",\"data\":[{{\"symbol\":\"{symbol}\",\"bids\":[{bids}],\
             \"asks\":[{asks}],\"checksum\":{sum},\"timestamp\":\"{time}\"}}]}}"
        )
    }

    fn ticker(&self, at_ms: i64) -> String {
        let [bids, asks] = self.levels(at_ms);
        let [bid, ask] = [&bids, &asks].map(|levels| self.price(levels[0].0));
        let (symbol, qty, last) = (self.symbol, fixed(self.qty, 8), self.price(self.low));
        let (volume, time) = (fixed(10_000 * self.qty, 8), text(at_ms));
        format!(
            "{{\"channel\":\"ticker\",\"type\":\"snapshot\",\"data\":[{{\"symbol\":\"{symbol}\",\"bid\":{bid},\
             \"bid_qty\":{qty},\"ask\":{ask},\"ask_qty\":{qty},\"last\":{last},\"volume\":{volume},\"vwap\":{last},\
             \"low\":{last},\"high\":{last},\"change\":0.0,\"change_pct\":0.00,\"timestamp\":\"{time}\"}}]}}"
        )
    }

    fn trade(&self, at_ms: i64) -> String {
        let [bids, asks] = self.levels(at_ms);
        let second = at_ms / 1_000;
        let (side, ticks) = if second % 2 == 0 { ("buy", asks[0].0) } else { ("sell", bids[0].0) };
        let (symbol, price, time) = (self.symbol, self.price(ticks), text(at_ms));
        format!(
            "{{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{{\"symbol\":\"{symbol}\",\"side\":\"{side}\",\
             \"price\":{price},\"qty\":0.01000000,\"ord_type\":\"market\",\"trade_id\":{second},\"timestamp\":\"{time}\"}}]}}"
        )
    }

    fn definition(&self) -> String {
        let (base, quote) = self.symbol.split_once('/').unwrap();
        let (symbol, decimals, tick) = (self.symbol, self.decimals, self.price(1));
        format!(
            "{{\"symbol\":\"{symbol}\",\"base\":\"{base}\",\"quote\":\"{quote}\",\"status\":\"online\",\"qty_precision\":8,\
             \"qty_increment\":0.00000001,\"price_precision\":{decimals},\"cost_precision\":5,\"marginable\":false,\
             \"has_index\":true,\"cost_min\":0.50,\"tick_size\":{tick},\"price_increment\":{tick},\"qty_min\":0.00005000}}"
        )
    }
}

/// Gives a number with so many decimals.
fn fixed(units: i64, decimals: usize) -> String {
    let one = 10_i64.pow(u32::try_from(decimals).unwrap());
    format!("{}.{:0decimals$}", units / one, units % one)
}

/// Gives an instant of the recording as the venue writes it.
fn text(at_ms: i64) -> String {
    let (minute, second, ms) = (at_ms / 60_000, at_ms / 1_000 % 60, at_ms % 1_000);
    format!("2026-03-02T14:{minute:02}:{second:02}.{ms:03}000Z")
}

/// Gives the recording, one frame a line.
pub(super) fn recording() -> String {
    let pairs = Planted::all();
    let asset = |name: &&str| {
        format!(
            "{{\"id\":\"{name}\",\"status\":\"enabled\",\"precision\":10,\"precision_display\":5,\"borrowable\":false,\
             \"collateral_value\":0.00,\"margin_rate\":0.000000}}"
        )
    };
    let assets = ["BTC", "ETH", "USD", "EUR"].iter().map(asset).collect::<Vec<_>>().join(",");
    let definitions = pairs.iter().map(Planted::definition).collect::<Vec<_>>().join(",");
    let mut lines = String::new();
    let mut tell = |at_ms: i64, frame: &str| {
        let t = (BEGIN_MS + at_ms) * 1_000_000;
        writeln!(
            lines,
            "{{\"t\":{t},\"venue\":\"remora_synthetic\",\"ch\":\"ws-public\",\"dir\":\"in\",\"frame\":{frame}}}"
        )
        .unwrap();
    };
    tell(
        0,
        "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"version\":\"2.0.10\",\"system\":\"online\",\
         \"api_version\":\"v2\",\"connection_id\":1}]}",
    );
    tell(
        0,
        &format!(
            "{{\"channel\":\"instrument\",\"type\":\"snapshot\",\"data\":{{\"assets\":[{assets}],\"pairs\":[{definitions}]}}}}"
        ),
    );
    for pair in &pairs {
        tell(0, &pair.book(0, None));
        tell(0, &pair.ticker(0));
    }
    for step in 1..LENGTH_S * 1_000 / STEP_MS {
        // Time must not run back within a file.
        let mut due: Vec<&Planted> = pairs.iter().collect();
        due.sort_by_key(|pair| pair.phase_ms);
        for pair in due {
            let at_ms = step * STEP_MS + pair.phase_ms;
            let before = at_ms - STEP_MS;
            let before = if step == 1 { 0 } else { before };
            tell(at_ms, &pair.book(at_ms, Some(pair.levels(before))));
            if step * STEP_MS % 1_000 == 0 {
                tell(at_ms, &pair.trade(at_ms));
            }
        }
    }
    lines
}

/// Gives bars up to midnight before `now`, half an hour of each hour. BTC-USD follows a wave that is highest in the hour of `now`.
pub(super) fn bars(now: Timestamp) -> Vec<Bar> {
    const MINUTE_NS: i64 = 60_000_000_000;
    let day = 1_440 * MINUTE_NS;
    let first = now.as_ns() / day * day - DAYS * day;
    let hour = now.as_ns() / (60 * MINUTE_NS) % 24;
    let mut random = SplitMix64::new(3);
    let mut chance = || (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0;
    let minutes = (0..DAYS * 1_440).filter(|minute| minute % 60 < BARS_OF_HOUR);
    let mut bar = |minute: i64, name: &str, busy: f64| {
        let price = px(&format!("{:.1}", 60_000.0 * (1e-4 * chance()).exp()));
        Bar {
            instrument: key(name),
            open_time: Timestamp::from_ns(first)
                .saturating_add(DurationNs::from_ns(minute * MINUTE_NS)),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: qty(&format!("{:.6}", busy * (0.3 * chance()).exp())),
            turnover: Notional::ZERO,
            trades: 1,
            spread_bps_est: 5.0 * (0.1 * chance()).exp(),
            touch_qty_est: 1.0,
        }
    };
    let mut bars = Vec::new();
    for minute in minutes {
        let angle = f64::from(i32::try_from((minute / 60 - hour) % 24).unwrap()) / 24.0 * TAU;
        bars.push(bar(minute, "BTC-USD", (WAVE * angle.cos()).exp()));
        bars.push(bar(minute, "ETH-USD", 1.0));
    }
    bars
}
