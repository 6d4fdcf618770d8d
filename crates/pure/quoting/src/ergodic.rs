//! The optimal quotes themselves (section 6): for ever, for a horizon, with a drift, and what they lead to.
//!
//! Symbols as in `glft`. `f` is the positive eigenvector of the smallest eigenvalue `λ₀` of the matrix with diagonal
//! `αn² − kμn` and off-diagonal `−η`, `α = kγσ²Δ/2`, `η = A·C·e^(−kφ)·e^(−kj/2)`; with `ρ_n = f_{n+1}/f_n`,
//! `δ_b(n) = φ + j/2 + c₁ − ln ρ_n/k`, `δ_a(n) = φ + j/2 + c₁ + ln ρ_{n−1}/k`; without drift `δ_a(n) = δ_b(−n)`. Here
//! everything is divided by `η`, so only ratios matter and nothing under- or overflows; `ρ` comes from recursions
//! towards the peak of `f`, which are stable.
//! For a horizon `τ`, `v = e^(−τM)·1` takes the place of `f`.
//! Inventory settles to the law `π_n ∝ f_n²`; aggressors come at `λ = A·e^(−kδ)`, so fills per second are
//! `Σ π_n (λ_b + λ_a)`, and spread kept is `Σ π_n Δ (λ_b (δ_b − φ) + λ_a (δ_a − φ))`. `Var(q) ≈ Δ/(2k·c₂)`.
//!
//! Worked numbers, σ = 0.3, A = 0.9, k = 0.3, γ = ξ = 0.01, Δ = 1, Q = 30: δ(0) = 3.313045; at q = 10 3.992933 /
//! 2.632802; with φ = 0.5 δ(0) = 3.815709; with j = 0.4 δ(0) = 3.514087; Var(q) = 24.496, 0.66964 fills per second.
//! References: as in `glft`.

use crate::glft::{check, finite};
use crate::positive_flow::propagate;
use crate::{GlftError, GlftInputs, SideOffsets};
use libm::{exp, log};
use nalgebra::{DMatrix, DVector};

/// Bisection steps: each halves the interval, so these exhaust a double.
const BISECTIONS_MAX: u32 = 200;
/// The most lots an inventory limit may have; bounds time and memory of a solution.
const LOTS_MAX: u32 = 10_000;
/// The same where a whole matrix is needed.
const HORIZON_LOTS_MAX: u32 = 200;

/// Holds the quotes of every inventory from one limit to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct ErgodicQuotes {
    /// `φ + j/2 + c₁`.
    offset: f64,
    /// `ln ρ_n / k` for n = −Q to Q − 1.
    steps: Vec<f64>,
    limit: u32,
    certainty_rate: f64,
}

/// Says what the quotes of a model lead to in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyState {
    /// Mean inventory, base.
    pub position_est: f64,
    /// Variance of inventory, base².
    pub position_variance_est: f64,
    /// The same by the closed form.
    pub position_variance_closed_form_est: f64,
    /// Fills per second, both sides.
    pub fills_per_s_est: f64,
    /// Base traded per second.
    pub volume_per_s_est: f64,
    /// Distance from fair value kept per second, maker fee taken off, quote currency; moves of fair value are not in it.
    pub capture_per_s_est: f64,
}

fn check_lots(lots_max: u32, most: u32) -> Result<(), GlftError> {
    let is_ok = lots_max > 0 && lots_max <= most;
    if is_ok { Ok(()) } else { Err(GlftError::Input { what: "inventory limit in lots" }) }
}

impl ErgodicQuotes {
    /// Solves for the limit of `lots_max` lots on each side. Takes O(lots × 60) operations.
    ///
    /// # Errors
    /// Refuses inputs outside their range, 0 or more than 10,000 lots, and results that are not finite.
    pub fn solve(inputs: &GlftInputs, lots_max: u32) -> Result<Self, GlftError> {
        check_lots(lots_max, LOTS_MAX)?;
        let (kappa, lambda_scale) = scaled_diagonal(inputs)?;
        let lambda = smallest_eigenvalue(kappa, lots_max);
        let pivots = pivots(kappa, lots_max, lambda);
        let mut long: Vec<f64> = pivots.map(|pivot| -log(pivot) / inputs.k_est).collect();
        let mut steps: Vec<f64> = long.iter().map(|step| -step).collect();
        long.reverse();
        steps.append(&mut long);
        Self::of(inputs, steps, lots_max, lambda * lambda_scale)
    }

    /// As [`solve`](Self::solve), while fair value drifts by `drift_est` quote per second for ever.
    ///
    /// # Errors
    /// As `solve`; also without volatility or aversion.
    pub fn solve_with_drift(
        inputs: &GlftInputs,
        lots_max: u32,
        drift_est: f64,
    ) -> Result<Self, GlftError> {
        check_lots(lots_max, LOTS_MAX)?;
        check("drift", drift_est, true)?;
        let (kappa, eta) = scaled_diagonal(inputs)?;
        check("gamma and sigma, with a drift,", kappa, kappa > 0.0)?;
        let pull = finite("drift", inputs.k_est * drift_est / eta)?;
        let limit = f64::from(lots_max);
        let lots = || (0..=2 * lots_max).map(|place| f64::from(place) - limit);
        let diagonal: Vec<f64> = lots().map(|n| kappa * n * n - pull * n).collect();
        let lambda = smallest_of(&diagonal);
        // Both recursions run towards the peak; beyond it they would grow their errors.
        let peak = (pull / (2.0 * kappa)).clamp(-limit, limit);
        let down: Vec<f64> = inward(diagonal.iter().rev(), lambda);
        let up: Vec<f64> = inward(diagonal.iter(), lambda);
        let from_above = down.iter().rev().map(|pivot| -log(*pivot));
        let from_below = up.iter().map(|pivot| log(*pivot));
        let both = lots().zip(from_above.zip(from_below));
        let steps = both.map(|(n, (above, below))| if n + 0.5 > peak { above } else { below });
        Self::of(inputs, steps.map(|step| step / inputs.k_est).collect(), lots_max, lambda * eta)
    }

    /// Solves for a game that ends after `seconds_est`, when inventory is worth fair value. O(lots³): for checks and
    /// plans; far from the end the quotes are those of [`solve`](Self::solve).
    ///
    /// # Errors
    /// As `solve`, but for more than 200 lots, and refuses a horizon below zero.
    pub fn for_horizon(
        inputs: &GlftInputs,
        lots_max: u32,
        seconds_est: f64,
    ) -> Result<Self, GlftError> {
        check_lots(lots_max, HORIZON_LOTS_MAX)?;
        check("horizon", seconds_est, seconds_est >= 0.0)?;
        let (kappa, eta) = scaled_diagonal(inputs)?;
        let lambda = smallest_eigenvalue(kappa, lots_max);
        let limit = f64::from(lots_max);
        let inventories = (0..=2 * lots_max).map(|place| f64::from(place) - limit);
        let stay: Vec<f64> = inventories.map(|n| lambda - kappa * n * n).collect();
        let mut flow = DMatrix::from_diagonal(&DVector::from_vec(stay));
        flow.view_mut((0, 1), (flow.nrows() - 1, flow.ncols() - 1)).fill_diagonal(1.0);
        flow.view_mut((1, 0), (flow.nrows() - 1, flow.ncols() - 1)).fill_diagonal(1.0);
        let start = DVector::from_element(flow.nrows(), 1.0);
        let (values, _) = propagate(&flow, &start, seconds_est * eta)
            .ok_or(GlftError::Range { what: "horizon" })?;
        let steps = values.iter().zip(values.iter().skip(1));
        let steps = steps.map(|(here, next)| log(next / here) / inputs.k_est).collect();
        Self::of(inputs, steps, lots_max, lambda * eta)
    }

    fn of(
        inputs: &GlftInputs,
        steps: Vec<f64>,
        limit: u32,
        eigenvalue: f64,
    ) -> Result<Self, GlftError> {
        if !steps.iter().all(|step| step.is_finite()) {
            return Err(GlftError::Range { what: "ergodic quotes" });
        }
        let certainty_rate = -inputs.lot_est / inputs.k_est * eigenvalue;
        let certainty_rate = finite("certainty rate", certainty_rate)?;
        Ok(Self { offset: inputs.base()?.offset, steps, limit, certainty_rate })
    }

    /// Gives the offsets for an inventory in lots (signed); between whole lots they are interpolated, at and
    /// beyond the limit the growing side has none.
    #[must_use]
    pub fn offsets(&self, lots_est: f64) -> SideOffsets {
        let bid_est = self.between(lots_est, |n| self.step(n).map(|step| self.offset - step));
        let ask = |n: f64| self.step(-n - 1.0).map(|step| self.offset + step);
        SideOffsets { bid_est, ask_est: self.between(-lots_est, ask) }
    }

    /// Gives the certainty-equivalent profit rate `−(Δ/k)·λ₀`, quote currency per second.
    #[must_use]
    pub const fn certainty_rate_est(&self) -> f64 {
        self.certainty_rate
    }

    /// Gives what these quotes lead to under the same inputs, far from any end.
    ///
    /// # Errors
    /// Refuses inputs outside their range and results that are not finite: without volatility or aversion the variance has no end.
    pub fn steady_state(&self, inputs: &GlftInputs) -> Result<SteadyState, GlftError> {
        let limit = f64::from(self.limit);
        // ln f, relative to its value at the short limit.
        let ln_f: Vec<f64> = std::iter::once(0.0)
            .chain(self.steps.iter().scan(0.0, |sum, step| {
                *sum += step * inputs.k_est;
                Some(*sum)
            }))
            .collect();
        let top = ln_f.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = ln_f.iter().map(|x| exp(2.0 * (x - top))).collect();
        let total: f64 = weights.iter().sum();
        let (mut fills, mut capture) = (0.0, 0.0);
        let held = (0..=2 * self.limit).map(|place| (f64::from(place) - limit) * inputs.lot_est);
        let held: Vec<(f64, f64)> = held.zip(weights.iter().map(|w| w / total)).collect();
        let first: f64 = held.iter().map(|(q, share)| q * share).sum();
        let spread = held.iter().map(|(q, share)| (q - first) * (q - first) * share);
        let variance: f64 = spread.sum();
        for (place, weight) in (0..=2 * self.limit).zip(&weights) {
            let (lots, share) = (f64::from(place) - limit, weight / total);
            let at = self.offsets(lots);
            for offset in [at.bid_est, at.ask_est].into_iter().flatten() {
                let rate = inputs.a_per_s_est * exp(-inputs.k_est * offset);
                fills += share * rate;
                capture += share * rate * (offset - inputs.maker_fee_est);
            }
        }
        let closed_form = inputs.lot_est / (2.0 * inputs.k_est * inputs.skew(&inputs.base()?)?);
        Ok(SteadyState {
            position_est: finite("mean inventory", first)?,
            position_variance_est: finite("variance of inventory", variance)?,
            position_variance_closed_form_est: finite("variance without risk", closed_form)?,
            fills_per_s_est: finite("fills per second", fills)?,
            volume_per_s_est: finite("volume", fills * inputs.lot_est)?,
            capture_per_s_est: finite("capture", capture * inputs.lot_est)?,
        })
    }

    /// Interpolates the offset of the side that grows with `lots`.
    fn between(&self, lots: f64, whole: impl Fn(f64) -> Option<f64>) -> Option<f64> {
        let limit = f64::from(self.limit);
        if lots.is_nan() || lots >= limit {
            return None;
        }
        let lots = lots.max(-limit);
        let below = lots.floor();
        let low = whole(below)?;
        let share = lots - below;
        Some(match whole(below + 1.0) {
            Some(high) if share > 0.0 => low + (high - low) * share,
            Some(_) | None => low,
        })
    }

    /// Gives `ln ρ_n / k` of a whole number of lots.
    fn step(&self, lots: f64) -> Option<f64> {
        self.steps.get(index(lots + f64::from(self.limit))?).copied()
    }
}

/// Gives `α/η` and `η`.
fn scaled_diagonal(inputs: &GlftInputs) -> Result<(f64, f64), GlftError> {
    let base = inputs.base()?;
    // α/η = (kγσ²Δ/2)/η and c₂² = γσ²/(2Δk·η), hence α/η = (kΔc₂)².
    let root = inputs.k_est * inputs.lot_est * inputs.skew(&base)?;
    Ok((finite("diagonal", root * root)?, exp(base.ln_eta)))
}

#[expect(
    clippy::as_conversions,
    reason = "a whole number between 0 and 20,000; no other conversion exists"
)]
fn index(lots: f64) -> Option<usize> {
    (0.0..=2.0 * f64::from(LOTS_MAX)).contains(&lots).then_some(lots as usize)
}

/// Gives the pivots `f_{n−1}/f_n` for n = Q down to 1 of the matrix shifted by `lambda`.
fn pivots(kappa: f64, lots_max: u32, lambda: f64) -> impl Iterator<Item = f64> {
    let next = move |previous: &mut Option<f64>, n: u32| {
        let outer = previous.map_or(0.0, |pivot| 1.0 / pivot);
        let pivot = kappa * f64::from(n) * f64::from(n) - lambda - outer;
        *previous = Some(pivot);
        Some(pivot)
    };
    (1..=lots_max).rev().scan(None, next)
}

/// The same for any diagonal, from the end that is given first: each pivot is the ratio of a neighbour nearer to that
/// end's other side to the one before it. The last diagonal entry only decides where the eigenvalue is.
fn inward<'a>(diagonal: impl Iterator<Item = &'a f64>, lambda: f64) -> Vec<f64> {
    let mut outer = 0.0;
    let mut pivots: Vec<f64> = diagonal
        .map(|entry| {
            let pivot = entry - lambda - outer;
            outer = 1.0 / pivot;
            pivot
        })
        .collect();
    pivots.pop();
    pivots
}

/// Bisects for the smallest eigenvalue of a matrix with this diagonal and off-diagonal −1, as below.
fn smallest_of(diagonal: &[f64]) -> f64 {
    let least = diagonal.iter().copied().fold(f64::MAX, f64::min);
    let is_below = |lambda: f64| {
        let mut outer = 0.0;
        diagonal.iter().all(|entry| {
            let pivot = entry - lambda - outer;
            outer = 1.0 / pivot;
            pivot > 0.0
        })
    };
    bisect(least - 2.0, least, is_below)
}

/// Bisects for the smallest eigenvalue of the scaled matrix (diagonal `κn²`, off-diagonal −1); all pivots are
/// positive exactly below it (Sturm). The even ground state folds the matrix at zero. Gives the lower end, where
/// every pivot is still positive.
fn smallest_eigenvalue(kappa: f64, lots_max: u32) -> f64 {
    let is_below = |lambda: f64| {
        let mut innermost = f64::INFINITY;
        for pivot in pivots(kappa, lots_max, lambda) {
            if pivot.is_nan() || pivot <= 0.0 {
                return false;
            }
            innermost = pivot;
        }
        -lambda - 2.0 / innermost > 0.0
    };
    bisect(-2.0, 0.0, is_below)
}

/// Halves between `low`, which is below what is looked for, and `high`, which is not, until doubles end. Gives `low`.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS_MAX {
        let mid = low + (high - low) / 2.0;
        if mid <= low || mid >= high {
            break;
        }
        if is_below(mid) {
            low = mid;
        } else {
            high = mid;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{closed_form, gamma_for_limit};
    use proptest::prelude::*;

    fn inputs() -> GlftInputs {
        GlftInputs::example()
    }

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 6e-7, "got {got}, want {want}");
    }

    fn flat(inputs: GlftInputs) -> f64 {
        ErgodicQuotes::solve(&inputs, 30).unwrap().offsets(0.0).bid_est.unwrap()
    }

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        near(flat(inputs()), 3.313_045);
        let ten = ErgodicQuotes::solve(&inputs(), 30).unwrap().offsets(10.0);
        near(ten.bid_est.unwrap(), 3.992_933);
        near(ten.ask_est.unwrap(), 2.632_802);
        near(flat(GlftInputs { maker_fee_est: 0.5, ..inputs() }), 3.815_709);
        near(flat(GlftInputs { adverse_move_est: 0.4, ..inputs() }), 3.514_087);
    }

    #[test]
    fn at_the_limit_only_the_reducing_side_is_quoted() {
        let quotes = ErgodicQuotes::solve(&inputs(), 5).unwrap();
        for lots in [5.0, 5.5, 1e9] {
            assert_eq!(quotes.offsets(lots).bid_est, None);
            assert_eq!(quotes.offsets(lots).ask_est, quotes.offsets(5.0).ask_est);
            assert_eq!(quotes.offsets(-lots).ask_est, None);
        }
        assert_eq!(quotes.offsets(4.5).bid_est, quotes.offsets(4.0).bid_est);
        assert_eq!(quotes.offsets(f64::NAN), SideOffsets { bid_est: None, ask_est: None });
    }

    #[test]
    fn between_whole_lots_the_offset_is_between_its_neighbours() {
        let quotes = ErgodicQuotes::solve(&inputs(), 5).unwrap();
        for (low, at, high) in [(-2.0, -1.75, -1.0), (-1.0, -0.5, 0.0), (1.0, 1.25, 2.0)] {
            let bid = |lots: f64| quotes.offsets(lots).bid_est.unwrap();
            assert!(bid(low) < bid(at) && bid(at) < bid(high));
        }
    }

    #[test]
    fn inputs_outside_their_range_are_refused() {
        let cases = [
            GlftInputs { sigma_est: f64::NAN, ..inputs() },
            GlftInputs { a_per_s_est: 0.0, ..inputs() },
            GlftInputs { k_est: -1.0, ..inputs() },
            GlftInputs { lot_est: 0.0, ..inputs() },
            GlftInputs { adverse_move_est: -0.1, ..inputs() },
            GlftInputs { maker_fee_est: f64::INFINITY, ..inputs() },
        ];
        for case in cases {
            assert!(closed_form(&case, 0.0).is_err(), "{case:?}");
            assert!(ErgodicQuotes::solve(&case, 5).is_err(), "{case:?}");
        }
        assert!(ErgodicQuotes::solve(&inputs(), 0).is_err());
        assert!(gamma_for_limit(&inputs(), 0.5).is_err());
    }

    #[test]
    fn a_fee_far_beyond_the_reach_of_aggressors_still_gives_numbers() {
        let far = GlftInputs { maker_fee_est: 500.0, ..inputs() };
        let gamma_est = gamma_for_limit(&far, 5.0).unwrap();
        let quotes =
            ErgodicQuotes::solve(&GlftInputs { gamma_est, xi_est: gamma_est, ..far }, 5).unwrap();
        assert!(quotes.offsets(0.0).bid_est.unwrap() > 500.0);
    }

    proptest! {
        #[test]
        fn quotes_are_finite_monotone_in_inventory_and_never_cross(
            ln_sigma in -15f64..5.0, ln_a in -10f64..5.0, ln_k in -8f64..12.0, ln_lot in -10f64..8.0,
            lots in 1u32..60, fee_in_k in -0.9f64..60.0, adverse_in_k in 0f64..5.0,
        ) {
            let k_est = ln_k.exp();
            let model = GlftInputs {
                sigma_est: ln_sigma.exp(), a_per_s_est: ln_a.exp(), k_est, gamma_est: 0.0, xi_est: 0.0,
                lot_est: ln_lot.exp(), maker_fee_est: fee_in_k / k_est,
                adverse_move_est: adverse_in_k / k_est,
            };
            let Ok(gamma_est) = gamma_for_limit(&model, model.lot_est * f64::from(lots)) else {
                return Ok(());
            };
            let model = GlftInputs { gamma_est, xi_est: gamma_est, ..model };
            let quotes = ErgodicQuotes::solve(&model, lots).unwrap();
            let mut last = f64::MIN;
            for n in -i64::from(lots)..=i64::from(lots) {
                let n = f64::from(i32::try_from(n).unwrap());
                let at = quotes.offsets(n);
                for (bid, ask) in at.bid_est.iter().zip(&at.ask_est) {
                    prop_assert!(bid + ask > 0.0);
                }
                if let Some(bid) = at.bid_est {
                    prop_assert!(bid.is_finite() && bid >= last);
                    last = bid;
                }
            }
        }
    }
}
