//! Quotes of Guéant, Lehalle and Fernandez-Tapia (section 6): optimal distances from fair value under a hard
//! inventory limit, in the time-free (ergodic) limit.
//!
//! Symbols and units: `σ` price volatility, quote/√s · `A` aggressors per second that reach fair value, one side ·
//! `k` decay of that rate, per quote unit of distance · `γ` risk aversion, per quote unit · `ξ` aversion to
//! execution jumps, per quote unit (`ξ = γ` by default) · `Δ` lot, base · `n` inventory in lots, `q = nΔ` ·
//! `Q` limit in lots · `φ` maker fee, quote per base (a rebate is negative) · `j` adverse move of fair value
//! after an own fill, quote.
//!
//! Formulas: `z = ξΔ/k`, `c₁ = ln(1+z)/(ξΔ)`, `1/C = (1+z)^(1+1/z)`.
//! Ergodic: `f` is the positive eigenvector of the smallest eigenvalue `λ₀` of the matrix with diagonal `αn²` and
//! off-diagonal `−η`, `α = kγσ²Δ/2`, `η = A·C·e^(−kφ)·e^(−kj/2)`; with `ρ_n = f_{n+1}/f_n`,
//! `δ_b(n) = φ + j/2 + c₁ − ln ρ_n/k`, `δ_a(n) = δ_b(−n)`. Here everything is divided by `η`, so only the ratio
//! `α/η` matters and nothing under- or overflows; the ratios come from the stable inward recursion.
//! Closed form: `c₂ = √(γσ²/(2AΔkC))·e^(kφ/2 + kj/4)`, `δ_b = φ + j/2 + c₁ + (2q+Δ)/2·c₂`,
//! `δ_a = φ + j/2 + c₁ − (2q−Δ)/2·c₂`.
//! `γ` from the limit `L`: the closed form's ask at `q = L` sits at fair value, `δ_a(L) = 0`.
//!
//! Worked numbers, σ = 0.3, A = 0.9, k = 0.3, γ = ξ = 0.01, Δ = 1, Q = 30: ergodic δ(0) = 3.313045, closed form
//! 3.312915; at q = 10 ergodic 3.992933 / 2.632802; with φ = 0.5 δ(0) = 3.815709; with j = 0.4 δ(0) = 3.514087;
//! γ for L = 20 is 0.0508003.
//! References: Guéant, Lehalle, Fernandez-Tapia (2013), "Dealing with the inventory risk"; Guéant (2017), "Optimal
//! market making".

use libm::{exp, log, log1p, sqrt};

/// Bisection steps: each halves the interval, so these exhaust a double.
const BISECTIONS_MAX: u32 = 200;
/// Where `ln γ` is searched.
const LN_GAMMA_RANGE: (f64, f64) = (-600.0, 300.0);
/// Below this, `z` is replaced by its limit (the neglected term is `z²`).
const Z_SMALL: f64 = 1e-8;
/// The most lots an inventory limit may have; bounds time and memory of a solution.
const LOTS_MAX: u32 = 10_000;

/// Is everything the model needs, in consistent units (see the module).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlftInputs {
    /// `σ`, quote per square-root second; zero or above.
    pub sigma_est: f64,
    /// `A`, per second and side; above zero.
    pub a_per_s_est: f64,
    /// `k`, per quote unit of distance; above zero.
    pub k_est: f64,
    /// `γ`, per quote unit; zero or above.
    pub gamma_est: f64,
    /// `ξ`, per quote unit; zero or above.
    pub xi_est: f64,
    /// `Δ`, base; above zero.
    pub lot_est: f64,
    /// `φ`, quote per base; a rebate is negative.
    pub maker_fee_est: f64,
    /// `j`, quote per base; zero or above.
    pub adverse_move_est: f64,
}

/// Says why there are no quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlftError {
    /// An input is outside its range.
    #[error("{what} is outside its range")]
    Input {
        /// Which.
        what: &'static str,
    },
    /// The result leaves the range of numbers: at such distances nothing would ever fill.
    #[error("{what} leaves the range of numbers")]
    Range {
        /// Which.
        what: &'static str,
    },
}

/// Is the distance of both quotes from fair value, quote currency. May be negative for a reducing quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offsets {
    /// Fair value minus bid.
    pub bid_est: f64,
    /// Ask minus fair value.
    pub ask_est: f64,
}

/// Is the distance of each quote that the inventory limit leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SideOffsets {
    /// Fair value minus bid; none at the long limit.
    pub bid_est: Option<f64>,
    /// Ask minus fair value; none at the short limit.
    pub ask_est: Option<f64>,
}

/// Is what is shared by all inventories.
struct Base {
    /// `φ + j/2 + c₁`.
    offset: f64,
    /// `ln η`, the log of the effective rate of fills.
    ln_eta: f64,
}

impl GlftInputs {
    fn base(&self) -> Result<Base, GlftError> {
        let at_least_zero = |what, x: f64| check(what, x, x >= 0.0);
        let above_zero = |what, x: f64| check(what, x, x > 0.0);
        at_least_zero("sigma", self.sigma_est)?;
        above_zero("fill intensity A", self.a_per_s_est)?;
        above_zero("fill intensity decay k", self.k_est)?;
        at_least_zero("gamma", self.gamma_est)?;
        at_least_zero("xi", self.xi_est)?;
        above_zero("lot", self.lot_est)?;
        check("maker fee", self.maker_fee_est, true)?;
        at_least_zero("adverse move", self.adverse_move_est)?;
        let z = self.xi_est * self.lot_est / self.k_est;
        let is_small = z < Z_SMALL;
        let c1 = if is_small {
            (1.0 - z / 2.0) / self.k_est
        } else {
            log1p(z) / (self.xi_est * self.lot_est)
        };
        let ln_c = if is_small { -(1.0 + z / 2.0) } else { -(1.0 + 1.0 / z) * log1p(z) };
        let shift = self.maker_fee_est + self.adverse_move_est / 2.0;
        Ok(Base {
            offset: finite("base offset", shift + c1)?,
            ln_eta: finite("rate of fills", log(self.a_per_s_est) + ln_c - self.k_est * shift)?,
        })
    }

    /// Gives `c₂`: the move of both quotes for one unit of inventory.
    fn skew(&self, base: &Base) -> Result<f64, GlftError> {
        let variance = self.gamma_est * self.sigma_est * self.sigma_est;
        let ln_rate = base.ln_eta + log(2.0 * self.lot_est * self.k_est);
        finite("skew", sqrt(variance) * exp(-ln_rate / 2.0))
    }
}

/// Gives the closed-form approximation for inventory `position_est` (base, signed). Fallback of
/// [`ErgodicQuotes`] and the rule for `γ`; it knows no inventory limit.
///
/// # Errors
/// Refuses inputs outside their range and results that are not finite.
pub fn closed_form(inputs: &GlftInputs, position_est: f64) -> Result<Offsets, GlftError> {
    let base = inputs.base()?;
    check("position", position_est, true)?;
    let c2 = inputs.skew(&base)?;
    let at = |q: f64| finite("offset", base.offset + (2.0 * q + inputs.lot_est) / 2.0 * c2);
    Ok(Offsets { bid_est: at(position_est)?, ask_est: at(-position_est)? })
}

/// Gives the `γ = ξ` at which the reducing quote sits at fair value when inventory is `limit_est` (base): the
/// closed form's ask offset, fee and adverse move included, is zero there. `gamma_est` and `xi_est` of the inputs
/// are not read. Without volatility every `γ` is alike and the largest of the search is returned.
///
/// # Errors
/// Refuses inputs outside their range, a limit of half a lot or less, and a rebate so large that the reducing quote
/// is at or beyond fair value whatever the aversion.
pub fn gamma_for_limit(inputs: &GlftInputs, limit_est: f64) -> Result<f64, GlftError> {
    check("inventory limit", limit_est, limit_est > inputs.lot_est / 2.0)?;
    let is_below = |ln_gamma: f64| -> Result<bool, GlftError> {
        let gamma_est = exp(ln_gamma);
        let at = GlftInputs { gamma_est, xi_est: gamma_est, ..*inputs };
        let base = at.base()?;
        // A skew that overflows is far beyond the wanted one.
        let c2 = at.skew(&base).unwrap_or(f64::MAX);
        Ok(base.offset - (2.0 * limit_est - inputs.lot_est) / 2.0 * c2 > 0.0)
    };
    let (mut low, mut high) = LN_GAMMA_RANGE;
    if !is_below(low)? {
        return Err(GlftError::Range { what: "gamma" });
    }
    for _ in 0..BISECTIONS_MAX {
        let mid = low + (high - low) / 2.0;
        if mid <= low || mid >= high {
            break;
        }
        if is_below(mid)? {
            low = mid;
        } else {
            high = mid;
        }
    }
    finite("gamma", exp(low))
}

/// Holds the ergodic quotes of every inventory from flat to the limit.
#[derive(Clone, Debug, PartialEq)]
pub struct ErgodicQuotes {
    /// `φ + j/2 + c₁`.
    offset: f64,
    /// `ln ρ_n / k` for n = 0 to Q − 1.
    steps: Vec<f64>,
    certainty_rate: f64,
}

impl ErgodicQuotes {
    /// Solves for the limit of `lots_max` lots on each side. Takes O(lots × 60) operations.
    ///
    /// # Errors
    /// Refuses inputs outside their range, 0 or more than 10,000 lots, and results that are not finite.
    pub fn solve(inputs: &GlftInputs, lots_max: u32) -> Result<Self, GlftError> {
        if lots_max == 0 || lots_max > LOTS_MAX {
            return Err(GlftError::Input { what: "inventory limit in lots" });
        }
        let base = inputs.base()?;
        let skew = inputs.skew(&base)?;
        // α/η = (kγσ²Δ/2)/η and c₂² = γσ²/(2Δk·η), hence α/η = (kΔc₂)².
        let root = inputs.k_est * inputs.lot_est * skew;
        let kappa = finite("diagonal", root * root)?;
        let lambda = smallest_eigenvalue(kappa, lots_max);
        let mut steps: Vec<f64> =
            pivots(kappa, lots_max, lambda).map(|pivot| -log(pivot) / inputs.k_est).collect();
        steps.reverse();
        if !steps.iter().all(|step| step.is_finite()) {
            return Err(GlftError::Range { what: "ergodic quotes" });
        }
        let certainty_rate = -inputs.lot_est / inputs.k_est * lambda * exp(base.ln_eta);
        Ok(Self {
            offset: base.offset,
            steps,
            certainty_rate: finite("certainty rate", certainty_rate)?,
        })
    }

    /// Gives the offsets for an inventory in lots (signed); between whole lots they are interpolated, at and
    /// beyond the limit the growing side has none.
    #[must_use]
    pub fn offsets(&self, lots_est: f64) -> SideOffsets {
        SideOffsets { bid_est: self.bid(lots_est), ask_est: self.bid(-lots_est) }
    }

    /// Gives the certainty-equivalent profit rate `−(Δ/k)·λ₀`, quote currency per second.
    #[must_use]
    pub const fn certainty_rate_est(&self) -> f64 {
        self.certainty_rate
    }

    fn bid(&self, lots: f64) -> Option<f64> {
        let limit = u32::try_from(self.steps.len()).map(f64::from).ok()?;
        if lots.is_nan() || lots >= limit {
            return None;
        }
        let lots = lots.max(-limit);
        let below = lots.floor();
        let low = self.whole(below)?;
        let share = lots - below;
        Some(match self.whole(below + 1.0) {
            Some(high) if share > 0.0 => low + (high - low) * share,
            Some(_) | None => low,
        })
    }

    /// Gives the bid offset at a whole number of lots.
    fn whole(&self, lots: f64) -> Option<f64> {
        if lots >= 0.0 {
            self.steps.get(index(lots)?).map(|step| self.offset - step)
        } else {
            self.steps.get(index(-lots - 1.0)?).map(|step| self.offset + step)
        }
    }
}

#[expect(
    clippy::as_conversions,
    reason = "a whole number between 0 and 10,000; no other conversion exists"
)]
fn index(lots: f64) -> Option<usize> {
    (0.0..=f64::from(LOTS_MAX)).contains(&lots).then_some(lots as usize)
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
    let (mut low, mut high) = (-2.0, 0.0);
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

fn check(what: &'static str, x: f64, is_in_range: bool) -> Result<(), GlftError> {
    if x.is_finite() && is_in_range { Ok(()) } else { Err(GlftError::Input { what }) }
}

fn finite(what: &'static str, x: f64) -> Result<f64, GlftError> {
    if x.is_finite() { Ok(x) } else { Err(GlftError::Range { what }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs() -> GlftInputs {
        GlftInputs {
            sigma_est: 0.3,
            a_per_s_est: 0.9,
            k_est: 0.3,
            gamma_est: 0.01,
            xi_est: 0.01,
            lot_est: 1.0,
            maker_fee_est: 0.0,
            adverse_move_est: 0.0,
        }
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
        near(closed_form(&inputs(), 0.0).unwrap().bid_est, 3.312_915);
        let ten = ErgodicQuotes::solve(&inputs(), 30).unwrap().offsets(10.0);
        near(ten.bid_est.unwrap(), 3.992_933);
        near(ten.ask_est.unwrap(), 2.632_802);
        near(flat(GlftInputs { maker_fee_est: 0.5, ..inputs() }), 3.815_709);
        near(flat(GlftInputs { adverse_move_est: 0.4, ..inputs() }), 3.514_087);
        near(gamma_for_limit(&inputs(), 20.0).unwrap(), 0.050_800_3);
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
