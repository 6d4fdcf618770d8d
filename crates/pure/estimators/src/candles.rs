//! Volatility of candles (section 3): variance of the log price from open, high, low and close.
//!
//! Per candle `u = ln H/O`, `d = ln L/O`, `c = ln C/O`; all results are variances per candle.
//! Parkinson `mean(ln(H/L)²)/(4 ln 2)`; Garman–Klass `mean(½ ln(H/L)² − (2 ln 2 − 1)c²)`; Rogers–Satchell
//! `mean(u(u − c) + d(d − c))`, free of drift; close to close: sample variance of `ln C_i/C_{i−1}`.
//! Yang–Zhang (default) `σ²_o + k·σ²_c + (1 − k)·RS`, `σ²_o`, `σ²_c` the sample variances of `ln O_i/C_{i−1}` and `ln C_i/O_i`,
//! `k = 0.34/(1.34 + (n + 1)/(n − 1))`; free of drift and of opening jumps.
//! Worked number: u = 0.02, d = −0.01, c = 0.01 give RS = 0.02·0.01 + 0.01·0.02 = 0.0004. Yang–Zhang wants two pairs of
//! candles, so three are the least.
//! Pitfalls: ranges read low below about 50 trades per candle; a missing candle has no previous close, so nothing is measured
//! across it. Sources: Parkinson (1980); Garman, Klass (1980); Rogers, Satchell (1991); Yang, Zhang (2000).

use crate::decay::factor;
use crate::estimate::{at_least, check, finite};
use crate::moments::DecayedMoments;
use crate::numeric::{mean, variance};
use crate::{Estimate, NotReady};
use libm::log;
use remora_domain::{DurationNs, Timestamp};
use std::f64::consts::LN_2;

/// Is one candle, in quote currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
}

impl Candle {
    /// Tells whether prices are above zero and `low ≤ open, close ≤ high`.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn check(&self) -> Result<(), NotReady> {
        check("low", self.low, self.low > 0.0)?;
        check("high", self.high, self.high >= self.low)?;
        check("open", self.open, self.open >= self.low && self.open <= self.high)?;
        check("close", self.close, self.close >= self.low && self.close <= self.high)?;
        Ok(())
    }

    fn rogers_satchell(&self) -> f64 {
        let (u, d) = (log(self.high / self.open), log(self.low / self.open));
        let c = log(self.close / self.open);
        u * (u - c) + d * (d - c)
    }
}

fn mean_of(candles: &[Candle], term: impl Fn(&Candle) -> f64) -> Result<f64, NotReady> {
    candles.iter().try_for_each(Candle::check)?;
    let terms: Vec<f64> = candles.iter().map(term).collect();
    finite(mean(&terms).ok_or(NotReady::NoObservation)?)
}

/// Gives Parkinson's variance per candle.
///
/// # Errors
/// Refuses impossible candles; not ready without any.
pub fn parkinson(candles: &[Candle]) -> Result<f64, NotReady> {
    let range = |candle: &Candle| log(candle.high / candle.low);
    mean_of(candles, |candle| range(candle) * range(candle) / (4.0 * LN_2))
}

/// Gives Garman's and Klass's variance per candle.
///
/// # Errors
/// As [`parkinson`].
pub fn garman_klass(candles: &[Candle]) -> Result<f64, NotReady> {
    mean_of(candles, |candle| {
        let (range, body) = (log(candle.high / candle.low), log(candle.close / candle.open));
        0.5 * range * range - (2.0 * LN_2 - 1.0) * body * body
    })
}

/// Gives Rogers's and Satchell's variance per candle.
///
/// # Errors
/// As [`parkinson`].
pub fn rogers_satchell(candles: &[Candle]) -> Result<f64, NotReady> {
    mean_of(candles, Candle::rogers_satchell)
}

/// Gives the sample variance of close-to-close changes per candle.
///
/// # Errors
/// As [`parkinson`]; not ready below three candles.
pub fn close_to_close(candles: &[Candle]) -> Result<f64, NotReady> {
    candles.iter().try_for_each(Candle::check)?;
    at_least(candles.len(), 3)?;
    let closes = candles.iter().map(|candle| candle.close);
    let changes: Vec<f64> =
        closes.clone().skip(1).zip(closes).map(|(close, before)| log(close / before)).collect();
    finite(variance(&changes).ok_or(NotReady::NoObservation)?)
}

/// Gives Yang's and Zhang's variance per candle, of candles without a gap.
///
/// # Errors
/// As [`close_to_close`].
pub fn yang_zhang(candles: &[Candle]) -> Result<f64, NotReady> {
    candles.iter().try_for_each(Candle::check)?;
    let mut sums = YangZhangSums::EMPTY;
    for (before, candle) in candles.iter().zip(candles.iter().skip(1)) {
        sums.observe(1.0, before.close, candle);
    }
    sums.variance(2.0)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct YangZhangSums {
    opening: DecayedMoments,
    body: DecayedMoments,
    ranges: DecayedMoments,
}

impl YangZhangSums {
    const EMPTY: Self = Self {
        opening: DecayedMoments::EMPTY,
        body: DecayedMoments::EMPTY,
        ranges: DecayedMoments::EMPTY,
    };

    fn observe(&mut self, d: f64, close_before: f64, candle: &Candle) {
        self.opening.observe(d, log(candle.open / close_before));
        self.body.observe(d, log(candle.close / candle.open));
        self.ranges.observe(d, candle.rogers_satchell());
    }

    fn variance(&self, n_min: f64) -> Result<f64, NotReady> {
        let n = self.ranges.n_eff();
        let want = n_min.max(2.0);
        // Rounding of decayed weights may leave a whole number an ulp short.
        if n < want - 1e-9 {
            return Err(NotReady::TooLittle { have: n, want });
        }
        let parts = self.opening.variance().zip(self.body.variance());
        let (opening, body) = parts.ok_or(NotReady::NoObservation)?;
        let k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
        finite(opening + k * body + (1.0 - k) * self.ranges.mean())
    }
}

/// Estimates Yang's and Zhang's variance per second from a stream of candles. O(1) per candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct YangZhang {
    interval: DurationNs,
    half_life: DurationNs,
    sums: YangZhangSums,
    last: Option<(Timestamp, f64)>,
    measured_at: Option<Timestamp>,
}

impl YangZhang {
    /// Starts empty, for candles of one length.
    ///
    /// # Errors
    /// Refuses a length that is no time.
    pub fn new(interval: DurationNs, half_life: DurationNs) -> Result<Self, NotReady> {
        if interval <= DurationNs::ZERO {
            return Err(NotReady::Input { what: "length of a candle" });
        }
        let sums = YangZhangSums::EMPTY;
        Ok(Self { interval, half_life, sums, last: None, measured_at: None })
    }

    /// Takes the candle that opened at `opened`. Duplicates and older ones are ignored; after a missing one nothing is
    /// measured until the next.
    ///
    /// # Errors
    /// Refuses an impossible candle, names what is wrong, and measures nothing across it.
    pub fn observe(&mut self, opened: Timestamp, candle: &Candle) -> Result<(), NotReady> {
        if self.last.is_some_and(|(at, _)| opened <= at) {
            return Ok(());
        }
        if let Err(cause) = candle.check() {
            self.last = None;
            return Err(cause);
        }
        if let Some((_, close)) = self.last.filter(|(at, _)| opened.since(*at) == self.interval) {
            let elapsed = self.measured_at.map_or(DurationNs::ZERO, |at| opened.since(at));
            self.sums.observe(factor(elapsed, self.half_life), close, candle);
            self.measured_at = Some(opened);
        }
        self.last = Some((opened, candle.close));
        Ok(())
    }

    /// Gives the variance of the log price per second; times the length of a candle it is that per candle.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` (at least 2) effective candles.
    pub fn estimate(&self, n_eff_min: f64) -> Result<Estimate, NotReady> {
        let as_of = self.measured_at.ok_or(NotReady::NoObservation)?;
        let value = self.sums.variance(n_eff_min)? / self.interval.as_seconds_est();
        let n_eff = self.sums.ranges.n_eff();
        Estimate { value, se: None, n_eff, as_of, half_life: self.half_life }.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_DECAY;
    use libm::exp;
    use proptest::prelude::*;

    fn candle(open: f64, up: f64, down: f64, body: f64) -> Candle {
        Candle { open, high: open * exp(up), low: open * exp(-down), close: open * exp(body) }
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let first = candle(1.0, 0.02, 0.01, 0.01);
        let second = candle(first.close, 0.02, 0.01, 0.01);
        let got = rogers_satchell(&[first, second]).unwrap();
        // u(u − c) + d(d − c) = 0.02·0.01 + 0.01·0.02.
        assert!((got - 0.0004).abs() < 1e-15);
        assert!(matches!(yang_zhang(&[first, second]), Err(NotReady::TooLittle { .. })));
    }

    #[test]
    fn impossible_candles_are_named() {
        let candle = candle(100.0, 0.01, 0.01, 0.0);
        let above = Candle { close: 200.0, ..candle };
        assert_eq!(parkinson(&[candle, above]), Err(NotReady::Input { what: "close" }));
        let zero = Candle { low: 0.0, ..candle };
        assert_eq!(garman_klass(&[zero]), Err(NotReady::Input { what: "low" }));
        assert_eq!(rogers_satchell(&[]), Err(NotReady::NoObservation));
    }

    #[test]
    fn nothing_is_measured_across_a_missing_candle_and_duplicates_count_once() {
        let minute = DurationNs::from_s(60);
        let mut stream = YangZhang::new(minute, NO_DECAY).unwrap();
        let at = |m: i64| Timestamp::from_ns(m * 60_000_000_000);
        let mut price = 100.0;
        for m in [0, 1, 1, 2, 5, 6, 4] {
            stream.observe(at(m), &candle(price, 0.01, 0.01, 0.001)).unwrap();
            price *= exp(0.001);
        }
        // Pairs: 0-1, 1-2, 5-6.
        assert!((stream.estimate(2.0).unwrap().n_eff - 3.0).abs() < 1e-9);
        assert!(stream.estimate(4.0).is_err());
    }

    fn candles() -> impl Strategy<Value = Vec<Candle>> {
        let shape = (0f64..0.02, 0f64..0.02, 0f64..1.0, -0.001f64..0.001);
        prop::collection::vec(shape, 4..60).prop_map(|shapes| {
            let mut price = 100.0;
            let next = |(up, down, place, gap): (f64, f64, f64, f64)| {
                let made = candle(price * exp(gap), up, down, -down + place * (up + down));
                price = made.close;
                Candle { close: made.close.clamp(made.low, made.high), ..made }
            };
            shapes.into_iter().map(next).collect()
        })
    }

    proptest! {
        #[test]
        fn variances_are_not_negative_and_do_not_know_the_currency(candles in candles(), scale in 1e-6f64..1e6) {
            let scaled: Vec<Candle> = candles
                .iter()
                .map(|c| Candle { open: c.open * scale, high: c.high * scale, low: c.low * scale, close: c.close * scale })
                .filter(|c| c.check().is_ok())
                .collect();
            prop_assume!(scaled.len() == candles.len());
            for f in [parkinson, rogers_satchell, close_to_close, yang_zhang] {
                let (plain, other) = (f(&candles).unwrap(), f(&scaled).unwrap());
                prop_assert!(plain >= -1e-15 && (plain - other).abs() < 1e-9);
            }
        }

        #[test]
        fn the_stream_equals_the_batch_when_nothing_fades(candles in candles()) {
            let mut stream = YangZhang::new(DurationNs::from_s(900), NO_DECAY).unwrap();
            for (i, candle) in (0i64..).zip(&candles) {
                stream.observe(Timestamp::from_ns(i * 900_000_000_000), candle).unwrap();
            }
            let got = stream.estimate(2.0).unwrap().value * 900.0;
            prop_assert!((got - yang_zhang(&candles).unwrap()).abs() < 1e-12);
        }
    }
}
