//! Warning signs of informed flow: VPIN and a CUSUM alarm on realised edge (section 12).
//!
//! VPIN: trades fill buckets of equal volume `V`, split where a bucket ends; `VPIN = mean over the last n buckets of
//! |V_b − V_s|/V`. Use it against its own history: it mainly follows volume and volatility.
//! Without aggressor signs, bulk classification: `V_b = V·Φ(ΔP/σ_ΔP)`.
//! CUSUM (one-sided): `S ← max(0, S + x − κ)` on standardised losses `x`; alarm when `S ≥ h`, then `S` starts anew.
//! Worked number: V = 10, n = 2, signed trades +6, −4, −10: buckets |6 − 4| = 2 and 10, VPIN = 0.6; CUSUM with κ = 0.25,
//! h = 1: x = 1, 1 gives 0.75, 1.5: alarm at the second.
//! Bound: n buckets are kept; O(1) per trade amortised by volume: one trade of `k` buckets costs `min(k, n)`.
//! Sources: Easley, López de Prado, O'Hara (2012); Andersen, Bondarenko (2014); Page (1954).

use crate::NotReady;
use crate::estimate::{at_least, check, finite};
use crate::numeric::count_est;
use std::collections::VecDeque;
use std::f64::consts::SQRT_2;

/// Rests of a bucket below this share of it are rounding, not volume.
const DUST: f64 = 1e-12;

/// Estimates how one-sided the volume is.
#[derive(Clone, Debug, PartialEq)]
pub struct Vpin {
    bucket: f64,
    window: usize,
    buy: f64,
    sell: f64,
    imbalances: VecDeque<f64>,
    sum: f64,
}

impl Vpin {
    /// Starts empty: buckets of `bucket` base units, a mean over `window` of them.
    ///
    /// # Errors
    /// Refuses a bucket that is not above zero and no window.
    pub fn new(bucket: f64, window: usize) -> Result<Self, NotReady> {
        check("bucket", bucket, bucket > 0.0)?;
        check("window", count_est(window), window > 0)?;
        Ok(Self { bucket, window, buy: 0.0, sell: 0.0, imbalances: VecDeque::new(), sum: 0.0 })
    }

    /// Takes a trade, quantity above zero for an aggressor who bought, below for one who sold. Gives how many buckets
    /// it closed. Quantities that are not finite are ignored.
    pub fn observe(&mut self, signed_qty: f64) -> usize {
        let mut rest = if signed_qty.is_finite() { signed_qty.abs() } else { 0.0 };
        // Whole buckets beyond the window leave no trace: skip them.
        let whole = libm::floor(rest / self.bucket) - count_est(self.window) - 1.0;
        let mut closed = 0;
        if whole > 0.0 {
            rest -= whole * self.bucket;
        }
        while rest > 0.0 {
            let room = self.bucket - self.buy - self.sell;
            let part = rest.min(room);
            *(if signed_qty > 0.0 { &mut self.buy } else { &mut self.sell }) += part;
            rest -= part;
            if self.bucket - self.buy - self.sell <= DUST * self.bucket {
                self.close();
                closed += 1;
            }
        }
        closed
    }

    /// Gives the share from 0 (balanced) to 1 (one-sided).
    ///
    /// # Errors
    /// Not ready before `window` buckets are full.
    pub fn value(&self) -> Result<f64, NotReady> {
        at_least(self.imbalances.len(), self.window)?;
        finite((self.sum / count_est(self.window) / self.bucket).clamp(0.0, 1.0))
    }

    /// Gives `|V_b − V_s|` of the buckets in the window, oldest first.
    pub fn imbalances(&self) -> impl Iterator<Item = f64> + '_ {
        self.imbalances.iter().copied()
    }

    fn close(&mut self) {
        if self.imbalances.len() >= self.window {
            self.imbalances.pop_front();
        }
        self.imbalances.push_back((self.buy - self.sell).abs());
        // Summed anew: a running difference would gather rounding without end.
        self.sum = self.imbalances.iter().sum();
        (self.buy, self.sell) = (0.0, 0.0);
    }
}

/// Gives the volume that buyers started, where the venue does not tell: `V·Φ(ΔP/σ)`.
///
/// # Errors
/// Refuses a volume below zero and a scale not above zero.
pub fn bulk_buy_volume(volume: f64, price_change: f64, sigma: f64) -> Result<f64, NotReady> {
    check("volume", volume, volume >= 0.0)?;
    check("price change", price_change, true)?;
    check("scale of price changes", sigma, sigma > 0.0)?;
    finite(volume * 0.5 * libm::erfc(-price_change / sigma / SQRT_2))
}

/// Adds up losses and alarms when they no longer look like chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    allowance: f64,
    alarm: f64,
    sum: f64,
}

impl Cusum {
    /// Starts at zero; `allowance` is `κ`, `alarm` is `h`, both in standard deviations of the loss.
    ///
    /// # Errors
    /// Refuses an allowance below zero and an alarm not above zero.
    pub fn new(allowance: f64, alarm: f64) -> Result<Self, NotReady> {
        check("allowance", allowance, allowance >= 0.0)?;
        check("alarm", alarm, alarm > 0.0)?;
        Ok(Self { allowance, alarm, sum: 0.0 })
    }

    /// Takes a loss in standard deviations; tells whether it raises the alarm, after which the sum starts anew. A loss
    /// that is not a number is ignored.
    pub fn observe(&mut self, loss_sigmas: f64) -> bool {
        if loss_sigmas.is_nan() {
            return false;
        }
        self.sum = (self.sum + loss_sigmas - self.allowance).max(0.0);
        let is_alarm = self.sum >= self.alarm;
        if is_alarm {
            self.sum = 0.0;
        }
        is_alarm
    }

    /// Gives the sum so far, in standard deviations.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        let mut vpin = Vpin::new(10.0, 2).unwrap();
        let closed: Vec<usize> = [6.0, -4.0, -10.0].map(|qty| vpin.observe(qty)).to_vec();
        assert_eq!(closed, [0, 1, 1]);
        assert!((vpin.value().unwrap() - 0.6).abs() < 1e-12);
        let mut cusum = Cusum::new(0.25, 1.0).unwrap();
        assert!(!cusum.observe(1.0) && cusum.observe(1.0));
        assert_eq!(cusum.sum(), 0.0);
    }

    #[test]
    fn a_window_that_is_not_full_is_not_ready() {
        let mut vpin = Vpin::new(10.0, 3).unwrap();
        vpin.observe(20.0);
        assert!(matches!(vpin.value(), Err(NotReady::TooLittle { .. })));
        vpin.observe(1e12);
        assert_eq!(vpin.value(), Ok(1.0));
        assert_eq!(vpin.imbalances().count(), 3);
    }

    #[test]
    fn losses_alarm_soon_and_fair_results_seldom() {
        let alarms = |drift: f64| {
            let mut random = remora_machine::SplitMix64::new(11);
            let mut cusum = Cusum::new(0.25, 8.0).unwrap();
            let mut normal = || (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0;
            (0..5_000).filter(|_| cusum.observe(normal() + drift)).count()
        };
        assert!(alarms(0.0) <= 20 && alarms(1.0) > 200, "{} {}", alarms(0.0), alarms(1.0));
    }

    proptest! {
        #[test]
        fn how_a_trade_is_cut_into_prints_does_not_matter(
            trades in prop::collection::vec(-40f64..40.0, 1..60), parts in 1u32..5,
        ) {
            let (mut whole, mut cut) = (Vpin::new(15.0, 3).unwrap(), Vpin::new(15.0, 3).unwrap());
            for trade in trades {
                whole.observe(trade);
                for _ in 0..parts {
                    cut.observe(trade / f64::from(parts));
                }
            }
            if let (Ok(a), Ok(b)) = (whole.value(), cut.value()) {
                prop_assert!((0.0..=1.0).contains(&a) && (a - b).abs() < 1e-6);
            }
        }
    }
}
