//! Quotes of Avellaneda and Stoikov (section 5): the baseline that others are compared with, not what production quotes.
//!
//! Fair value `s` moves with price volatility `σ` (quote/√s), aggressors reach a distance `δ` at the rate `A·e^(−kδ)`,
//! aversion is `γ` (per quote unit), inventory `q` (base), and the game ends after `τ` seconds, when inventory is worth `s`.
//! Reservation price `r = s − q·γσ²τ`; spread `γσ²τ + (2/γ)·ln(1 + γ/k)`; quotes `r ± spread/2`. The variance enters, not the
//! standard deviation.
//! Worked number, s = 100, q = 2, γ = 0.1, σ = 2, k = 1.5, τ = 0.5: r = 99.6, spread 1.490770.
//! Reference: Avellaneda, Stoikov (2008), "High-frequency trading in a limit order book".

use crate::GlftError;
use crate::glft::{check, finite};

/// Is what the baseline needs, in consistent units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselineInputs {
    /// `σ`, quote per square-root second; zero or above.
    pub sigma_est: f64,
    /// `k`, per quote unit of distance; above zero.
    pub k_est: f64,
    /// `γ`, per quote unit; above zero.
    pub gamma_est: f64,
}

/// Is where the baseline quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselineQuotes {
    /// `r`, quote.
    pub reservation_est: f64,
    /// From bid to ask, quote; above zero.
    pub spread_est: f64,
}

impl BaselineQuotes {
    /// Gives the bid, quote.
    #[must_use]
    pub fn bid_est(&self) -> f64 {
        self.reservation_est - self.spread_est / 2.0
    }

    /// Gives the ask, quote.
    #[must_use]
    pub fn ask_est(&self) -> f64 {
        self.reservation_est + self.spread_est / 2.0
    }
}

/// Gives the quotes around `fair_est` at inventory `position_est` (base, signed), `seconds_left_est` before the end.
///
/// # Errors
/// Refuses inputs outside their range, a time below zero and results that are not finite.
pub fn baseline_quotes(
    inputs: &BaselineInputs,
    fair_est: f64,
    position_est: f64,
    seconds_left_est: f64,
) -> Result<BaselineQuotes, GlftError> {
    check("sigma", inputs.sigma_est, inputs.sigma_est >= 0.0)?;
    check("fill intensity decay k", inputs.k_est, inputs.k_est > 0.0)?;
    check("gamma", inputs.gamma_est, inputs.gamma_est > 0.0)?;
    check("fair value", fair_est, true)?;
    check("position", position_est, true)?;
    check("time left", seconds_left_est, seconds_left_est >= 0.0)?;
    let risk = inputs.gamma_est * inputs.sigma_est * inputs.sigma_est * seconds_left_est;
    let base = 2.0 / inputs.gamma_est * libm::log1p(inputs.gamma_est / inputs.k_est);
    Ok(BaselineQuotes {
        reservation_est: finite("reservation price", fair_est - position_est * risk)?,
        spread_est: finite("spread", risk + base)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: BaselineInputs = BaselineInputs { sigma_est: 2.0, k_est: 1.5, gamma_est: 0.1 };

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = baseline_quotes(&INPUTS, 100.0, 2.0, 0.5).unwrap();
        assert!((got.reservation_est - 99.6).abs() < 1e-12);
        assert!((got.spread_est - 1.490_770).abs() < 1e-6);
        assert!((got.ask_est() - got.bid_est() - got.spread_est).abs() < 1e-12);
    }

    #[test]
    fn inputs_outside_their_range_are_refused() {
        let without = BaselineInputs { gamma_est: 0.0, ..INPUTS };
        assert!(baseline_quotes(&without, 100.0, 0.0, 1.0).is_err());
        assert!(baseline_quotes(&INPUTS, f64::NAN, 0.0, 1.0).is_err());
        assert!(baseline_quotes(&INPUTS, 100.0, 0.0, -1.0).is_err());
    }
}
