//! What is known of a pair, from candles.
//!
//! - Volume a day: median of the last seven whole days (UTC), error `1.2533·1.4826·MAD/√n`.
//! - Reverting half-spread: `s² = 4·mean((c_t − η_t)(c_t − η_{t+1}))` of log closes `c` and mid-ranges `η = (ln h + ln l)/2` over consecutive bars,
//!   half of `s`; error clustered by day. A walk without a spread has `s² = 0`; a negative one counts as no spread. It reads what a trade
//!   moves the price for less than a bar, so it is at most what makers keep. Source: Abdi, Ranaldo (2017), "A simple estimation of bid-ask
//!   spreads from daily close, high, and low prices".
//! - Volatility a day: Yang–Zhang on bars of 15 minutes. Change: last close against the close 24 hours before.
//! - Returns on the grid of 15 minutes, for correlations.

use super::record::Record;
use crate::candles::{Bar, CandleSeries, est};
use remora_domain::{DurationNs, InstrumentStatus, Timestamp};
use remora_estimators::{
    BPS, Candle, NO_DECAY, NotReady, YangZhang, mad_sigma, mean_inference, median,
};
use serde::Serialize;
use std::collections::BTreeMap;

const DAY_S: i64 = 86_400;
/// Bars of correlations and volatility.
const GRID_S: i64 = 900;
/// Days of the volume's median, and the fewest.
const VOLUME_DAYS: usize = 7;
const VOLUME_DAYS_MIN: usize = 3;
/// Share of its bars that a whole day has.
const WHOLE_DAY: f64 = 0.9;
/// Standard error of a median relative to that of a mean.
const MEDIAN_SE: f64 = 1.2533;

/// Says what kind of data a card rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Candles: no book, so the spread kept is an upper bound.
    Candles,
    /// Book and trades.
    Recording,
}

/// Is a measured number with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// Its standard error, in the same unit.
    pub se: f64,
}

/// Holds what is known of a pair. What is `None` the data do not tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairFacts {
    /// The pair.
    pub pair: String,
    /// What is traded.
    pub base: String,
    /// What it is paid with.
    pub quote: String,
    /// What the numbers rest on.
    pub evidence: Evidence,
    /// Days from first to last.
    pub history_days: f64,
    /// Share of the data that is there, 0 to 1.
    pub coverage: f64,
    /// Traded a day, reporting currency.
    pub volume_day: Figure,
    /// Half of the spread that takers pay, basis points, weighted by volume.
    pub effective_half_spread_bps: Option<Figure>,
    /// What the price moves against the maker within 5 s, basis points.
    pub adverse_5s_bps: Option<Figure>,
    /// The same within 60 s.
    pub adverse_60s_bps: Option<Figure>,
    /// What a maker keeps of the spread, basis points: effective less adverse on the same trades, or the upper bound from candles.
    pub kept_bps: Figure,
    /// Time-weighted quoted spread, basis points.
    pub spread_bps: Option<f64>,
    /// Shown within 5, 10 and 25 basis points of the mid on the thinner side, reporting currency, time-weighted.
    pub depth: Option<[f64; 3]>,
    /// Smallest price step, basis points.
    pub tick_bps: Option<f64>,
    /// Standard deviation of a day's move, fraction.
    pub volatility_day: f64,
    /// Change of 24 hours, percent.
    pub change_24h_pct: Option<f64>,
    /// Whether a perpetual or future on it is listed in the same data.
    pub has_future: Option<bool>,
    /// What the venue allows.
    #[serde(serialize_with = "status_word")]
    pub status: Option<InstrumentStatus>,
    /// Smallest order that the venue takes, reporting currency.
    pub order_min: Option<f64>,
    /// Share of the time in which its book could be used, 0 to 1.
    pub feed_health: Option<f64>,
    /// Days for which it has surely been listed: since the data, or our own history, first know it.
    pub listed_days: f64,
    /// What our own fills on it have earned; `None` where no history was asked.
    pub record: Option<Record>,
    /// Price of its quote currency in the reporting one.
    pub rate: f64,
    /// Log returns by place on a common grid.
    #[serde(skip)]
    pub returns: BTreeMap<i64, f64>,
    /// What should be known about the data.
    pub notes: Vec<String>,
}

fn status_word<S: serde::Serializer>(
    status: &Option<InstrumentStatus>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    status.map(InstrumentStatus::as_str).serialize(serializer)
}

/// Says why a pair has no card.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FactsRefusal {
    /// Too few whole days for a volume a day.
    #[error("{days} whole days, want at least {want}")]
    TooShort {
        /// What there are.
        days: usize,
        /// What is wanted.
        want: usize,
    },
    /// A number could not be estimated.
    #[error("{what}: {cause}")]
    Estimate {
        /// Which.
        what: &'static str,
        /// Why.
        cause: NotReady,
    },
    /// The pair is not paid in the reporting currency, and nothing in the data says what its currency is worth.
    #[error("paid in {quote}, and no rate of {quote} in {currency} in the data")]
    NoRate {
        /// What it is paid with.
        quote: String,
        /// What is reported in.
        currency: String,
    },
    /// Too few groups of trades for an error: trades close to each other are one group.
    #[error("trades that can be followed in {groups} parts of the recording, want at least {want}")]
    TooFewTrades {
        /// Parts with such a trade.
        groups: usize,
        /// What is wanted.
        want: usize,
    },
    /// Nothing was traded.
    #[error("no trade with a usable book before and after it")]
    NoTrade,
    /// There never was a usable book.
    #[error("no usable book")]
    NoBook,
}

/// Gives the price of one `quote` in `currency`; 1 for itself. `rates` are of pairs (base, quote) in the same data.
///
/// # Errors
/// Refuses a currency that nothing prices.
pub fn in_currency(
    quote: &str,
    currency: &str,
    rates: &BTreeMap<(String, String), f64>,
) -> Result<f64, FactsRefusal> {
    if quote == currency {
        return Ok(1.0);
    }
    let direct = rates.get(&(quote.to_owned(), currency.to_owned())).copied();
    let back = rates.get(&(currency.to_owned(), quote.to_owned())).map(|rate| 1.0 / rate);
    direct.or(back).filter(|rate| rate.is_finite() && *rate > 0.0).ok_or_else(|| {
        FactsRefusal::NoRate { quote: quote.to_owned(), currency: currency.to_owned() }
    })
}

/// Reads a pair's candles; `rate` is the price of its quote currency in the reporting one.
///
/// # Errors
/// Refuses histories too short for a number that a score needs.
pub fn candle_facts(
    pair: &str,
    (base, quote): (&str, &str),
    series: &CandleSeries,
    rate: f64,
) -> Result<PairFacts, FactsRefusal> {
    let quality = &series.quality;
    let volume_day = volume(series, rate)?;
    let kept_bps = reverting_half_spread(series)?;
    let last = series.bars.last().map_or(0, |bar| bar.open_s);
    let at = |second: i64| {
        let place = series.bars.partition_point(|bar| bar.open_s <= second);
        place.checked_sub(1).and_then(|place| series.bars.get(place))
    };
    let day_before = at(last - DAY_S).filter(|bar| last - bar.open_s <= DAY_S + 10 * quality.bar_s);
    let change_24h_pct =
        at(last).zip(day_before).map(|(now, then)| 100.0 * (now.close / then.close - 1.0));
    let span_s = quality.last_s.saturating_sub(quality.first_s).saturating_add(quality.bar_s);
    let history_days = est(u64::try_from(span_s).unwrap_or(0)) / est(86_400);
    let grid = coarse(&series.bars);
    let notes = vec!["candles show no book: the spread kept is an upper bound".to_owned()];
    Ok(PairFacts {
        pair: pair.to_owned(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        evidence: Evidence::Candles,
        history_days,
        coverage: quality.coverage,
        volume_day,
        effective_half_spread_bps: None,
        adverse_5s_bps: None,
        adverse_60s_bps: None,
        kept_bps,
        spread_bps: None,
        depth: None,
        tick_bps: None,
        volatility_day: volatility(&grid)?,
        change_24h_pct,
        has_future: None,
        status: None,
        order_min: None,
        feed_health: None,
        listed_days: history_days,
        record: None,
        rate,
        returns: returns(&grid),
        notes,
    })
}

fn volume(series: &CandleSeries, rate: f64) -> Result<Figure, FactsRefusal> {
    let want = WHOLE_DAY * est(u64::try_from(DAY_S / series.quality.bar_s.max(1)).unwrap_or(1));
    let mut days: Vec<f64> = series
        .bars
        .chunk_by(|a, b| a.open_s.div_euclid(DAY_S) == b.open_s.div_euclid(DAY_S))
        .filter(|day| est(u64::try_from(day.len()).unwrap_or(0)) >= want)
        .map(|day| day.iter().map(|b| b.volume * (b.high + b.low + b.close) / 3.0 * rate).sum())
        .collect();
    let days = days.split_off(days.len().saturating_sub(VOLUME_DAYS));
    let too_short = FactsRefusal::TooShort { days: days.len(), want: VOLUME_DAYS_MIN };
    if days.len() < VOLUME_DAYS_MIN {
        return Err(too_short);
    }
    let (value, sigma) = median(&days).zip(mad_sigma(&days)).ok_or(too_short)?;
    let n = est(u64::try_from(days.len()).unwrap_or(1));
    Ok(Figure { value, se: MEDIAN_SE * sigma / libm::sqrt(n) })
}

fn reverting_half_spread(series: &CandleSeries) -> Result<Figure, FactsRefusal> {
    let middle = |bar: &Bar| f64::midpoint(libm::log(bar.high), libm::log(bar.low));
    let products: Vec<(i64, f64)> = series
        .bars
        .iter()
        .zip(series.bars.iter().skip(1))
        .filter(|(a, b)| b.open_s - a.open_s == series.quality.bar_s && a.volume > 0.0)
        .map(|(a, b)| {
            let close = libm::log(a.close);
            let product = 4.0 * (close - middle(a)) * (close - middle(b)) * BPS * BPS;
            (a.open_s.div_euclid(DAY_S), product)
        })
        .collect();
    let inference = mean_inference(&products, 10)
        .map_err(|cause| FactsRefusal::Estimate { what: "spread of candles", cause })?;
    let spread = libm::sqrt(inference.mean.max(0.0));
    // The slope of a square root at zero has no end: below one error the error itself stands for the spread in it.
    let se = inference.se / (2.0 * spread.max(libm::sqrt(inference.se)));
    Ok(Figure { value: spread / 2.0, se: se / 2.0 })
}

/// Makes bars of 15 minutes out of whole shorter ones.
fn coarse(bars: &[Bar]) -> Vec<Bar> {
    bars.chunk_by(|a, b| a.open_s.div_euclid(GRID_S) == b.open_s.div_euclid(GRID_S))
        .filter_map(|chunk| {
            let (first, last) = chunk.first().zip(chunk.last())?;
            let fold = |pick: fn(&Bar) -> f64, join: fn(f64, f64) -> f64, start: f64| {
                chunk.iter().map(pick).fold(start, join)
            };
            Some(Bar {
                open_s: first.open_s.div_euclid(GRID_S) * GRID_S,
                high: fold(|b| b.high, f64::max, first.high),
                low: fold(|b| b.low, f64::min, first.low),
                close: last.close,
                volume: fold(|b| b.volume, |a, b| a + b, 0.0),
                ..*first
            })
        })
        .collect()
}

fn volatility(grid: &[Bar]) -> Result<f64, FactsRefusal> {
    let refuse = |cause| FactsRefusal::Estimate { what: "volatility", cause };
    let step = grid.iter().zip(grid.iter().skip(1)).map(|(a, b)| b.open_s - a.open_s).min();
    let step = DurationNs::from_s(step.unwrap_or(GRID_S));
    let mut stream = YangZhang::new(step, NO_DECAY).map_err(refuse)?;
    for bar in grid {
        let candle = Candle { open: bar.open, high: bar.high, low: bar.low, close: bar.close };
        let at = Timestamp::from_ns(bar.open_s.saturating_mul(1_000_000_000));
        stream.observe(at, &candle).map_err(refuse)?;
    }
    let variance = stream.estimate(50.0).map_err(refuse)?.value;
    Ok(libm::sqrt((variance * 86_400.0).max(0.0)))
}

fn returns(grid: &[Bar]) -> BTreeMap<i64, f64> {
    grid.iter()
        .zip(grid.iter().skip(1))
        .filter(|(a, b)| b.open_s - a.open_s == GRID_S)
        .map(|(a, b)| (b.open_s, libm::log(b.close / a.close)))
        .collect()
}
