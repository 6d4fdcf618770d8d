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
//! Ergodic quotes, and those for a horizon, are in their own module.
//! Closed form: `c₂ = √(γσ²/(2AΔkC))·e^(kφ/2 + kj/4)`, `δ_b = φ + j/2 + c₁ + (2q+Δ)/2·c₂`,
//! `δ_a = φ + j/2 + c₁ − (2q−Δ)/2·c₂`. A drift `μ` (quote per second) moves both by `(μ/γσ²)·c₂`: the bid up to the
//! market, the ask away from it. For a signal that decays in seconds shift the fair value instead.
//! `γ` from the limit `L`: the closed form's ask at `q = L` sits at fair value, `δ_a(L) = 0`.
//!
//! Worked numbers, σ = 0.3, A = 0.9, k = 0.3, γ = ξ = 0.01, Δ = 1: closed form δ(0) = 3.312915, with μ = 0.002
//! 3.162102 / 3.463728; γ for L = 20 is 0.0508003.
//! References: Guéant, Lehalle, Fernandez-Tapia (2013), "Dealing with the inventory risk"; Guéant (2017), "Optimal
//! market making".

use libm::{exp, log, log1p, sqrt};

/// Bisection steps: each halves the interval, so these exhaust a double.
const BISECTIONS_MAX: u32 = 200;
/// Where `ln γ` is searched.
const LN_GAMMA_RANGE: (f64, f64) = (-600.0, 300.0);
/// Below this, `z` is replaced by its limit (the neglected term is `z²`).
const Z_SMALL: f64 = 1e-8;

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
pub(crate) struct Base {
    /// `φ + j/2 + c₁`.
    pub(crate) offset: f64,
    /// `ln η`, the log of the effective rate of fills.
    pub(crate) ln_eta: f64,
}

impl GlftInputs {
    pub(crate) fn base(&self) -> Result<Base, GlftError> {
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
    pub(crate) fn skew(&self, base: &Base) -> Result<f64, GlftError> {
        let variance = self.gamma_est * self.sigma_est * self.sigma_est;
        let ln_rate = base.ln_eta + log(2.0 * self.lot_est * self.k_est);
        finite("skew", sqrt(variance) * exp(-ln_rate / 2.0))
    }
}

/// Gives the closed-form approximation for inventory `position_est` (base, signed). Fallback of
/// [`crate::ErgodicQuotes`] and the rule for `γ`; it knows no inventory limit.
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

/// As [`closed_form`], while fair value drifts by `drift_est` quote per second.
///
/// # Errors
/// As [`closed_form`]; also without volatility or aversion, when a drift would have to be followed without end.
pub fn closed_form_with_drift(
    inputs: &GlftInputs,
    position_est: f64,
    drift_est: f64,
) -> Result<Offsets, GlftError> {
    check("drift", drift_est, true)?;
    let still = closed_form(inputs, position_est)?;
    let variance = inputs.gamma_est * inputs.sigma_est * inputs.sigma_est;
    check("gamma and sigma, with a drift,", variance, variance > 0.0)?;
    let shift = finite("drift", drift_est / variance * inputs.skew(&inputs.base()?)?)?;
    Ok(Offsets { bid_est: still.bid_est - shift, ask_est: still.ask_est + shift })
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

pub(crate) fn check(what: &'static str, x: f64, is_in_range: bool) -> Result<(), GlftError> {
    if x.is_finite() && is_in_range { Ok(()) } else { Err(GlftError::Input { what }) }
}

pub(crate) fn finite(what: &'static str, x: f64) -> Result<f64, GlftError> {
    if x.is_finite() { Ok(x) } else { Err(GlftError::Range { what }) }
}

#[cfg(test)]
impl GlftInputs {
    /// Gives the first parameter set of the method document.
    pub(crate) const fn example() -> Self {
        Self {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 6e-7, "got {got}, want {want}");
    }

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        let inputs = GlftInputs::example();
        near(closed_form(&inputs, 0.0).unwrap().bid_est, 3.312_915);
        let drifting = closed_form_with_drift(&inputs, 0.0, 0.002).unwrap();
        near(drifting.bid_est, 3.162_102);
        near(drifting.ask_est, 3.463_728);
        near(gamma_for_limit(&inputs, 20.0).unwrap(), 0.050_800_3);
    }

    #[test]
    fn a_drift_without_risk_is_refused() {
        let calm = GlftInputs { sigma_est: 0.0, ..GlftInputs::example() };
        assert!(closed_form(&calm, 0.0).is_ok());
        assert!(closed_form_with_drift(&calm, 0.0, 0.002).is_err());
        assert!(closed_form_with_drift(&GlftInputs::example(), 0.0, f64::NAN).is_err());
    }
}
