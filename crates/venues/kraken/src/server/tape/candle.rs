//! Candles of the venue's nine intervals. Intervals start at whole multiples since the epoch, so a week starts on a
//! Thursday, as the venue's do.

use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

/// The venue's intervals in minutes.
pub(crate) const INTERVALS_MIN: [u32; 9] = [1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];
/// The intervals that are given out besides the running one.
pub(crate) const COMMITTED: usize = 720;

/// Is what happened in one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candle {
    /// When the interval began.
    pub(crate) begin: Timestamp,
    /// First price, in units of the last decimal; so are the next three.
    pub(crate) open: i64,
    /// Highest price.
    pub(crate) high: i64,
    /// Lowest price.
    pub(crate) low: i64,
    /// Last price.
    pub(crate) close: i64,
    /// Trades.
    pub(crate) trades: u32,
    /// Sum of quantities in units of the last decimal.
    pub(crate) volume: i128,
    /// Sum of price times quantity, in the product of both units.
    pub(crate) turnover: i128,
}

impl Candle {
    /// Is an interval without trades, at the price before it.
    pub(crate) fn flat(begin: Timestamp, price: i64) -> Self {
        Self {
            begin,
            open: price,
            high: price,
            low: price,
            close: price,
            trades: 0,
            volume: 0,
            turnover: 0,
        }
    }

    fn of(begin: Timestamp, price: i64, qty: i64) -> Self {
        let mut candle = Self::flat(begin, price);
        candle.add(price, qty);
        candle
    }

    fn add(&mut self, price: i64, qty: i64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.trades = self.trades.saturating_add(1);
        self.volume = self.volume.saturating_add(i128::from(qty));
        let turnover = i128::from(price).saturating_mul(i128::from(qty));
        self.turnover = self.turnover.saturating_add(turnover);
    }
}

/// Gives the length of an interval.
pub(crate) fn length(interval_min: u32) -> DurationNs {
    DurationNs::from_s(i64::from(interval_min).saturating_mul(60))
}

/// Gives the start of the interval an instant is in.
pub(crate) fn begin_of(time: Timestamp, interval_min: u32) -> Timestamp {
    let length = length(interval_min).as_ns().max(1);
    Timestamp::from_ns(time.as_ns().div_euclid(length).saturating_mul(length))
}

/// Is the candles of one pair, one list an interval, in the order of [`INTERVALS_MIN`].
#[derive(Debug, Default)]
pub(crate) struct Candles {
    lists: [VecDeque<Candle>; 9],
}

impl Candles {
    /// Takes a trade; `time` is not before the last one's.
    pub(crate) fn trade(&mut self, time: Timestamp, price: i64, qty: i64) {
        for (list, interval_min) in self.lists.iter_mut().zip(INTERVALS_MIN) {
            let begin = begin_of(time, interval_min);
            match list.back_mut() {
                Some(running) if running.begin == begin => running.add(price, qty),
                Some(_) | None => {
                    if list.len() > COMMITTED {
                        list.pop_front();
                    }
                    list.push_back(Candle::of(begin, price, qty));
                }
            }
        }
    }

    /// Gives those of the last 720 intervals and the running one, oldest first.
    pub(crate) fn of(
        &self,
        interval_min: u32,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &Candle> {
        let span =
            length(interval_min).saturating_mul(i64::try_from(COMMITTED).unwrap_or(i64::MAX));
        let from = begin_of(now, interval_min).saturating_sub(span);
        self.kept(interval_min).filter(move |candle| candle.begin >= from)
    }

    /// Gives the last price before an interval's start.
    pub(crate) fn close_before(&self, interval_min: u32, begin: Timestamp) -> Option<i64> {
        let mut older = self.kept(interval_min).rev().skip_while(|candle| candle.begin >= begin);
        older.next().map(|candle| candle.close)
    }

    fn kept(&self, interval_min: u32) -> impl DoubleEndedIterator<Item = &Candle> {
        let list = self.lists.iter().zip(INTERVALS_MIN).find(|(_, have)| *have == interval_min);
        list.map(|(list, _)| list.iter()).unwrap_or_default()
    }
}
