//! Trade rate and traded value per second, with decaying memory.
//!
//! `rate = S/E` where `S` is the decayed count (or value) of trades and `E` the decayed seconds of observation;
//! `se(rate) = √S/E`, as for Poisson arrivals.
//! Worked number: H = 10 s, observed from 0 s, one trade worth 30 at 10 s, asked at 20 s: S = ½ (15),
//! E = 10/ln 2·¾ = 10.8202 s, so 0.046210 trades and 1.38629 of value per second.

use crate::decay::{Aged, Exposure, Weights};
use crate::{Estimate, NotReady};
use remora_domain::{DurationNs, Timestamp};

/// Estimates how often and how much is traded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradeFlow {
    exposure: Exposure,
    weights: Weights,
    value: f64,
    value_squares: f64,
}

/// Is the answer of a [`TradeFlow`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowEstimate {
    /// Trades per second.
    pub trades_per_s: Estimate,
    /// Traded value per second, in the unit that was observed.
    pub value_per_s: Estimate,
}

impl TradeFlow {
    /// Starts empty and not observing.
    #[must_use]
    pub const fn new(half_life: DurationNs) -> Self {
        Self {
            exposure: Exposure::new(half_life),
            weights: Weights::EMPTY,
            value: 0.0,
            value_squares: 0.0,
        }
    }

    /// Says that from `now` every trade is seen.
    pub fn begin(&mut self, now: Timestamp) {
        self.advance(now);
        self.exposure.set_running(true);
    }

    /// Says that from `now` trades may be missed.
    pub fn pause(&mut self, now: Timestamp) {
        self.advance(now);
        self.exposure.set_running(false);
    }

    /// Takes a trade. Values that are not finite or below zero are ignored.
    pub fn observe(&mut self, now: Timestamp, value: f64) {
        if !(value.is_finite() && value >= 0.0) {
            return;
        }
        self.advance(now);
        self.weights.add(1.0);
        self.value += value;
        self.value_squares += value * value;
    }

    /// Gives the rates up to `now`; no trade in enough time is a rate of zero.
    ///
    /// # Errors
    /// Not ready below `seconds_min` of (decayed) observation.
    pub fn estimate(&self, now: Timestamp, seconds_min: f64) -> Result<FlowEstimate, NotReady> {
        let mut to_now = *self;
        to_now.advance(now);
        let seconds = to_now.exposure.seconds();
        let as_of = to_now.exposure.at().ok_or(NotReady::NoObservation)?;
        if seconds <= 0.0 {
            return Err(NotReady::NoObservation);
        }
        if seconds < seconds_min {
            return Err(NotReady::TooLittle { have: seconds, want: seconds_min });
        }
        let (half_life, n_eff) = (self.exposure.half_life(), to_now.weights.n_eff());
        let estimate = |sum: f64, squares: f64| {
            let se = Some(libm::sqrt(squares) / seconds);
            Estimate { value: sum / seconds, se, n_eff, as_of, half_life }.checked()
        };
        Ok(FlowEstimate {
            trades_per_s: estimate(to_now.weights.w, to_now.weights.w)?,
            value_per_s: estimate(to_now.value, to_now.value_squares)?,
        })
    }

    fn advance(&mut self, now: Timestamp) {
        match self.exposure.advance(now) {
            Aged::Forgotten => {
                self.weights = Weights::EMPTY;
                (self.value, self.value_squares) = (0.0, 0.0);
            }
            Aged::By(d) => {
                self.weights.decay(d);
                self.value *= d;
                self.value_squares *= d;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_s(s: i64) -> Timestamp {
        Timestamp::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut flow = TradeFlow::new(DurationNs::from_s(10));
        flow.begin(at_s(0));
        flow.observe(at_s(10), 30.0);
        let got = flow.estimate(at_s(20), 1.0).unwrap();
        assert!((got.trades_per_s.value - 0.046_209_812).abs() < 1e-8);
        assert!((got.value_per_s.value - 1.386_294_361).abs() < 1e-8);
    }

    #[test]
    fn silence_is_a_rate_of_zero_but_not_being_there_is_not_ready() {
        let mut flow = TradeFlow::new(DurationNs::from_s(10));
        assert_eq!(flow.estimate(at_s(5), 1.0), Err(NotReady::NoObservation));
        flow.begin(at_s(0));
        assert_eq!(flow.estimate(at_s(5), 1.0).unwrap().trades_per_s.value, 0.0);
        flow.pause(at_s(5));
        assert!(flow.estimate(at_s(500), 1.0).is_err());
    }
}
