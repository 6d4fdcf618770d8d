//! How much of the gap to its future a spot price closes within a horizon (section 9, "using it").
//!
//! `b = ln F − ln S`, `b̄` its mean over time (10 to 30 minutes, so that carry drops out); `Δs(t → t + h) = κ_h·(b_t − b̄_t)`, fitted by a streamed line
//! whose samples are `h` apart and so do not overlap. Shrunk `κ·τ²/(τ² + se²)`, `τ` how large such a `κ` usually is. Predicted shift
//! `κ·(b − b̄)`, held within ± a clip (two half-spreads); half-life of the gap `−h·ln 2/ln(1 − κ)`.
//! Worked number: κ = 0.5 over 1 s and a gap of 4 bps predict 2 bps; half of a gap is gone after 1 s.
//! Units: bps and seconds. O(1) per event; one sample waits. Instants are those of receipt: what arrives later cannot be traded on.

use crate::basis::NetBasis;
use crate::estimate::{check, finite};
use crate::regression::{Line, StreamedLine};
use crate::{BPS, NotReady};
use remora_domain::{DurationNs, Timestamp};
use std::f64::consts::LN_2;

/// Says how the answer of the spot price is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatchUpSettings {
    /// `h`.
    pub horizon: DurationNs,
    /// Half-life of the mean basis.
    pub basis_half_life: DurationNs,
    /// Observation without which the mean basis is not trusted, seconds.
    pub basis_seconds_min: f64,
    /// Age at which a sample counts half.
    pub half_life: DurationNs,
    /// The oldest a spot price may be to count as that of an instant.
    pub spot_age_max: DurationNs,
}

/// Follows a spot price and its future.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatchUp {
    settings: CatchUpSettings,
    basis: NetBasis,
    line: StreamedLine,
    /// When the open sample is due, its gap and the log price it started from.
    open: Option<(Timestamp, f64, f64)>,
    spot: Option<(Timestamp, f64)>,
}

impl CatchUp {
    /// Starts empty.
    ///
    /// # Errors
    /// Refuses a horizon or a half-life that is no time.
    pub fn new(settings: CatchUpSettings) -> Result<Self, NotReady> {
        let is_usable =
            settings.horizon > DurationNs::ZERO && settings.half_life > DurationNs::ZERO;
        if !is_usable {
            return Err(NotReady::Input { what: "times of a catch-up" });
        }
        let d = crate::decay::factor(settings.horizon, settings.half_life);
        Ok(Self {
            settings,
            basis: NetBasis::new(settings.basis_half_life),
            line: StreamedLine::new(d)?,
            open: None,
            spot: None,
        })
    }

    /// Takes the mids of both that hold from `now`. Older events are ignored.
    ///
    /// # Errors
    /// Says why prices are not usable; nothing is measured across them.
    pub fn observe(&mut self, now: Timestamp, spot: f64, future: f64) -> Result<(), NotReady> {
        if self.spot.is_some_and(|(at, _)| now < at) {
            return Ok(());
        }
        // What was the newest price until now is the last at or before the due instant.
        if let (Some((due, gap, start)), Some((at, price))) = (self.open, self.spot)
            && now > due
        {
            if due.since(at) <= self.settings.spot_age_max {
                self.line.observe(gap, (price - start) * BPS);
            }
            self.open = None;
        }
        if let Err(cause) = self.basis.observe(now, spot, future, None) {
            self.restart(now);
            return Err(cause);
        }
        let price = libm::log(spot);
        self.spot = Some((now, price));
        if self.open.is_none()
            && let Ok(gap) = self.basis.deviation_bps(now, self.settings.basis_seconds_min)
        {
            self.open = Some((now.saturating_add(self.settings.horizon), gap, price));
        }
        Ok(())
    }

    /// Says that from `now` one of the prices is unknown.
    pub fn restart(&mut self, now: Timestamp) {
        self.basis.pause(now);
        (self.open, self.spot) = (None, None);
    }

    /// Gives the line of moves on gaps; its slope is `κ_h`, as measured.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` effective samples; unsolvable where gaps do not vary.
    pub fn line(&self, n_eff_min: f64) -> Result<Line, NotReady> {
        self.line.line(n_eff_min)
    }

    /// Gives `κ_h` shrunk towards zero; `tau` (above zero) is how large such a `κ` usually is.
    ///
    /// # Errors
    /// As [`Self::line`]; refuses a `tau` not above zero.
    pub fn shrunk(&self, n_eff_min: f64, tau: f64) -> Result<f64, NotReady> {
        check("usual size of the answer", tau, tau > 0.0)?;
        let line = self.line(n_eff_min)?;
        finite(line.slope * tau * tau / (tau * tau + line.slope_se * line.slope_se))
    }

    /// Gives the move of the spot price that its gap predicts for the horizon, bps, between −`clip_bps` and `clip_bps`.
    ///
    /// # Errors
    /// As [`Self::shrunk`]; not ready while the mean basis is not; refuses a clip below zero.
    pub fn shift_bps(
        &self,
        now: Timestamp,
        n_eff_min: f64,
        tau: f64,
        clip_bps: f64,
    ) -> Result<f64, NotReady> {
        check("clip", clip_bps, clip_bps >= 0.0)?;
        let gap = self.basis.deviation_bps(now, self.settings.basis_seconds_min)?;
        finite((self.shrunk(n_eff_min, tau)? * gap).clamp(-clip_bps, clip_bps))
    }

    /// Gives the time after which half of a gap is closed, seconds.
    ///
    /// # Errors
    /// As [`Self::line`]; unsolvable where gaps do not close (`κ` not between 0 and 1).
    pub fn gap_half_life_s(&self, n_eff_min: f64) -> Result<f64, NotReady> {
        let kappa = self.line(n_eff_min)?.slope;
        if !(kappa > 0.0 && kappa < 1.0) {
            return Err(NotReady::Unsolvable { what: "the half-life of a gap that stays" });
        }
        finite(-self.settings.horizon.as_seconds_est() * LN_2 / libm::log1p(-kappa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::{at_ms, normal};
    use remora_machine::SplitMix64;

    const SETTINGS: CatchUpSettings = CatchUpSettings {
        horizon: DurationNs::from_s(1),
        basis_half_life: DurationNs::from_s(600),
        basis_seconds_min: 60.0,
        half_life: DurationNs::from_s(100_000),
        spot_age_max: DurationNs::from_s(2),
    };

    /// A future that walks, 20 bps above a spot price which closes `share` of the rest of the gap every 100 ms.
    fn market(seed: u64, seconds: i64, share: f64) -> CatchUp {
        let mut random = SplitMix64::new(seed);
        let mut catch_up = CatchUp::new(SETTINGS).unwrap();
        let (mut future, mut spot) = (0.0, 0.0);
        for step in 0..seconds * 10 {
            spot += share * (future - spot) + 1e-5 * normal(&mut random);
            future += 5e-5 * normal(&mut random);
            let price = |ln: f64| 100.0 * libm::exp(ln);
            catch_up.observe(at_ms(step * 100), price(spot), price(future + 0.002)).unwrap();
        }
        catch_up
    }

    #[test]
    fn a_planted_answer_is_found_whatever_the_carry() {
        let got = market(1, 6_000, 0.05);
        // 1 − 0.95^10 of the gap in a second.
        let line = got.line(1_000.0).unwrap();
        assert!((line.slope - 0.401).abs() < 0.06, "{line:?}");
        assert!(line.slope / line.slope_se > 10.0);
        assert!((got.gap_half_life_s(100.0).unwrap() - 1.35).abs() < 0.3);
        let shrunk = got.shrunk(100.0, 0.3).unwrap();
        assert!(shrunk < line.slope && shrunk > 0.9 * line.slope);
    }

    #[test]
    fn without_an_answer_the_slope_is_noise_about_as_often_as_stated() {
        let loud = (0..60).filter(|seed| {
            let line = market(100 + seed, 400, 0.0).line(100.0).unwrap();
            (line.slope / line.slope_se).abs() > 1.96
        });
        // 5 % of 60 is 3.
        let loud = loud.count();
        assert!(loud <= 9, "{loud} of 60");
    }

    #[test]
    fn the_shift_follows_the_gap_and_keeps_its_clip() {
        let mut got = market(2, 3_000, 0.05);
        let now = at_ms(3_000_000);
        got.observe(now, 100.0, 101.0).unwrap();
        assert_eq!(got.shift_bps(now, 100.0, 0.3, 3.0), Ok(3.0));
        assert!(got.observe(now, 0.0, 101.0).is_err());
        assert!(got.shift_bps(now, 100.0, 0.3, 3.0).is_err());
    }

    #[test]
    fn too_little_and_impossible_settings_are_named() {
        let young = market(3, 90, 0.05);
        assert!(matches!(young.line(100.0), Err(NotReady::TooLittle { .. })));
        let none = CatchUpSettings { horizon: DurationNs::ZERO, ..SETTINGS };
        assert!(CatchUp::new(none).is_err());
    }
}
