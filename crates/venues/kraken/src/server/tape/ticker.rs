//! The 24-hour ticker, added up from five-minute candles: today starts at 00:00 UTC, and the 24 hours are the last 288
//! intervals of five minutes, the running one included.

use super::TapeTrade;
use super::candle::{Candles, begin_of, length};
use remora_domain::Timestamp;

const STEP_MIN: u32 = 5;
const DAY_MIN: u32 = 1_440;

/// Is what happened in a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// First price; none without trades. In units of the last decimal; so are the next two.
    pub(crate) open: Option<i64>,
    /// Highest price.
    pub(crate) high: Option<i64>,
    /// Lowest price.
    pub(crate) low: Option<i64>,
    /// Trades.
    pub(crate) trades: u64,
    /// Sum of quantities in units of the last decimal.
    pub(crate) volume: i128,
    /// Sum of price times quantity, in the product of both units.
    pub(crate) turnover: i128,
}

/// Is the ticker of a pair that has traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickerFacts {
    /// The last price.
    pub(crate) last: i64,
    /// The last quantity.
    pub(crate) last_qty: i64,
    /// Since 00:00 UTC.
    pub(crate) today: Window,
    /// In the last 24 hours.
    pub(crate) day: Window,
}

pub(super) fn facts(last: &TapeTrade, candles: &Candles, now: Timestamp) -> TickerFacts {
    // The simulation's clock may be behind the tape's by the fault "clock offset"; a trade is never in the future.
    let now = now.max(last.time);
    let today_from = begin_of(now, DAY_MIN);
    let day_from =
        begin_of(now, STEP_MIN).saturating_sub(length(DAY_MIN)).saturating_add(length(STEP_MIN));
    let (mut today, mut day) = (Window::default(), Window::default());
    for candle in candles.of(STEP_MIN, now) {
        for (window, from) in [(&mut today, today_from), (&mut day, day_from)] {
            if candle.begin >= from {
                window.open = window.open.or(Some(candle.open));
                window.high = window.high.max(Some(candle.high));
                window.low = Some(window.low.map_or(candle.low, |low| low.min(candle.low)));
                window.trades = window.trades.saturating_add(u64::from(candle.trades));
                window.volume = window.volume.saturating_add(candle.volume);
                window.turnover = window.turnover.saturating_add(candle.turnover);
            }
        }
    }
    TickerFacts { last: last.price, last_qty: last.qty, today, day }
}

/// Gives turnover by volume in `10^-decimals` of the quote, rounded half up; none without volume.
///
/// `turnover` is in units of `10^-(price_decimals + qty decimals)`, `volume` of the quantity's. Worked: 3 at 10.0 and
/// 1 at 20.0 are a turnover of 500 and a volume of 4 (one price decimal, none for quantities): 12.50 at 2 decimals.
pub(crate) fn vwap(
    turnover: i128,
    volume: i128,
    price_decimals: u32,
    decimals: u32,
) -> Option<i128> {
    let scaled = match decimals.checked_sub(price_decimals) {
        Some(up) => turnover.checked_mul(10_i128.checked_pow(up)?)?,
        None => {
            turnover.checked_div(10_i128.checked_pow(price_decimals.checked_sub(decimals)?)?)?
        }
    };
    let half = volume.checked_div(2)?;
    scaled.checked_add(half)?.checked_div_euclid(volume)
}
