//! Decayed sums (section 0 of the methods): `d = 2^(−Δt/H)`, `S ← d·S + x`, `W ← d·W + 1`, `W2 ← d²·W2 + 1`,
//! `n_eff = W²/W2`; decayed exposure `E ← d·E + (H/ln 2)(1 − d)`.
//!
//! Worked number: H = 1 s, one observation a second, three in all: W = 1 + ½ + ¼ = 1.75,
//! W2 = 1 + ¼ + 1/16 = 1.3125, n_eff = 2.3333.

use remora_domain::{DurationNs, Timestamp};
use std::f64::consts::LN_2;

/// Half-lives without an event after which everything remembered is dropped: its weight is below 0.4 %.
pub const FORGET_HALF_LIVES: i64 = 8;

/// A half-life at which nothing fades: every observation counts alike, as in a batch.
pub const NO_DECAY: DurationNs = DurationNs::from_ns(i64::MAX);

/// Gives `2^(−Δt/H)`; 1 for no time or a half-life of zero.
pub(crate) fn factor(dt: DurationNs, half_life: DurationNs) -> f64 {
    if dt.as_ns() <= 0 || half_life.as_ns() <= 0 || half_life == NO_DECAY {
        return 1.0;
    }
    libm::exp2(-dt.as_seconds_est() / half_life.as_seconds_est())
}

/// Gives the exposure gathered in `Δt`, decayed to its end: `(H/ln 2)(1 − d)`, in seconds.
pub(crate) fn exposure(dt: DurationNs, half_life: DurationNs) -> f64 {
    if dt.as_ns() <= 0 || half_life.as_ns() <= 0 {
        return 0.0;
    }
    if half_life == NO_DECAY {
        return dt.as_seconds_est();
    }
    let ratio = dt.as_seconds_est() / half_life.as_seconds_est();
    half_life.as_seconds_est() / LN_2 * -libm::expm1(-ratio * LN_2)
}

/// Tells whether a gap is so long that what came before it no longer matters.
pub(crate) fn is_forgotten(dt: DurationNs, half_life: DurationNs) -> bool {
    dt > half_life.saturating_mul(FORGET_HALF_LIVES)
}

/// Counts observations with decaying weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    /// Sum of weights.
    pub(crate) w: f64,
    w2: f64,
}

impl Weights {
    /// Nothing observed.
    pub(crate) const EMPTY: Self = Self { w: 0.0, w2: 0.0 };

    /// Ages everything by the factor `d`.
    pub(crate) fn decay(&mut self, d: f64) {
        self.w *= d;
        self.w2 *= d * d;
    }

    /// Adds an observation of weight `w`.
    pub(crate) fn add(&mut self, w: f64) {
        self.w += w;
        self.w2 += w * w;
    }

    /// Gives `W²/W2`; 0 before the first observation.
    pub(crate) fn n_eff(&self) -> f64 {
        if self.w2 > 0.0 { self.w * self.w / self.w2 } else { 0.0 }
    }
}

/// Measures observed seconds with decaying weights; can be paused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exposure {
    half_life: DurationNs,
    seconds: f64,
    at: Option<Timestamp>,
    is_running: bool,
}

/// Says what an advance in time did to what is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aged {
    /// Multiply sums by this factor.
    By(f64),
    /// Drop everything.
    Forgotten,
}

impl Exposure {
    pub(crate) const fn new(half_life: DurationNs) -> Self {
        Self { half_life, seconds: 0.0, at: None, is_running: false }
    }

    /// Moves to `now`; time spent paused decays but is not exposure.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Aged {
        let Some(at) = self.at else {
            self.at = Some(now);
            return Aged::By(1.0);
        };
        let dt = now.since(at);
        if dt.as_ns() <= 0 {
            return Aged::By(1.0);
        }
        self.at = Some(now);
        if is_forgotten(dt, self.half_life) {
            self.seconds = 0.0;
            return Aged::Forgotten;
        }
        let d = factor(dt, self.half_life);
        let gained = if self.is_running { exposure(dt, self.half_life) } else { 0.0 };
        self.seconds = self.seconds * d + gained;
        Aged::By(d)
    }

    /// Starts or stops observing from the instant reached.
    pub(crate) const fn set_running(&mut self, is_running: bool) {
        self.is_running = is_running;
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(crate) const fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(crate) const fn half_life(&self) -> DurationNs {
        self.half_life
    }

    pub(crate) const fn at(&self) -> Option<Timestamp> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut weights = Weights::EMPTY;
        for _ in 0..3 {
            weights.decay(factor(DurationNs::from_s(1), DurationNs::from_s(1)));
            weights.add(1.0);
        }
        assert!((weights.w - 1.75).abs() < 1e-12);
        assert!((weights.n_eff() - 2.333_333_333_333).abs() < 1e-9);
    }

    #[test]
    fn exposure_of_a_long_observation_approaches_half_life_over_ln_2() {
        let h = DurationNs::from_s(10);
        let mut seen = Exposure::new(h);
        seen.advance(Timestamp::EPOCH);
        seen.set_running(true);
        for s in 1..=300 {
            seen.advance(Timestamp::from_ns(s * 1_000_000_000));
        }
        assert!((seen.seconds() - 10.0 / LN_2).abs() < 1e-6);
    }

    #[test]
    fn without_decay_weights_stay_one_and_exposure_is_plain_time() {
        let hour = DurationNs::from_s(3_600);
        assert_eq!(factor(hour, NO_DECAY), 1.0);
        assert_eq!(exposure(hour, NO_DECAY), 3_600.0);
        assert!(!is_forgotten(DurationNs::from_ns(i64::MAX), NO_DECAY));
    }

    #[test]
    fn a_pause_ages_but_is_not_exposure() {
        let mut seen = Exposure::new(DurationNs::from_s(10));
        seen.advance(Timestamp::EPOCH);
        seen.set_running(true);
        seen.advance(Timestamp::from_ns(10_000_000_000));
        let before = seen.seconds();
        seen.set_running(false);
        seen.advance(Timestamp::from_ns(20_000_000_000));
        assert!((seen.seconds() - before / 2.0).abs() < 1e-12);
    }
}
