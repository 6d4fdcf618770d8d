//! Which size of order earns most, all or nothing (section 13).
//!
//! An order of size `Δ` is filled by those aggressors only who want at least that much: with sizes that are exponential with mean `m`,
//! `A(Δ) = A₀·e^(−Δ/m)`. Among sizes the one is best whose ergodic quotes have the largest certainty-equivalent profit rate, with
//! the inventory limit fixed in base units (as many whole lots as fit). Limits by depth, participation, risk and the venue's minimum come after.
//! Worked number, σ = 0.3, A₀ = 0.9, k = 0.3, γ = ξ = 0.01, m = 4, limit 24: of 1, 2, 3, 4, 6, 8 the best is 4, at 2.928926 per second.

use crate::glft::{check, finite};
use crate::{ErgodicQuotes, GlftError, GlftInputs};

/// The most lots that an inventory limit may be cut into.
const LOTS_MAX: f64 = 10_000.0;

/// Is what one size would bring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeRate {
    /// `Δ`, base.
    pub size_est: f64,
    /// `A(Δ)`, per second and side.
    pub a_per_s_est: f64,
    /// Certainty-equivalent profit, quote currency per second.
    pub rate_est: f64,
}

/// Gives what each size would bring. `inputs` has `A₀` as its intensity; its lot is not read.
///
/// # Errors
/// Refuses inputs outside their range, a mean size, limit or size not above zero, a size above the limit, and results that are not finite.
pub fn rates_of_sizes(
    inputs: &GlftInputs,
    mean_aggressor_est: f64,
    limit_est: f64,
    sizes_est: &[f64],
) -> Result<Vec<SizeRate>, GlftError> {
    check("mean size of aggressors", mean_aggressor_est, mean_aggressor_est > 0.0)?;
    check("inventory limit", limit_est, limit_est > 0.0)?;
    let rate = |size: &f64| {
        check("size", *size, *size > 0.0)?;
        let a_per_s_est = inputs.a_per_s_est * libm::exp(-size / mean_aggressor_est);
        // A limit that is a whole number of lots must not lose one to rounding.
        let lots = whole_lots(finite("lots", libm::floor(limit_est / size + 1e-9))?)?;
        let with = GlftInputs { a_per_s_est, lot_est: *size, ..*inputs };
        let rate_est = ErgodicQuotes::solve(&with, lots)?.certainty_rate_est();
        Ok(SizeRate { size_est: *size, a_per_s_est, rate_est })
    };
    sizes_est.iter().map(rate).collect()
}

/// Gives the size that brings most; of equal ones the smallest. `None` of none.
#[must_use]
pub fn best_size(rates: &[SizeRate]) -> Option<SizeRate> {
    let better = |a: &SizeRate, b: &SizeRate| {
        a.rate_est.total_cmp(&b.rate_est).then(b.size_est.total_cmp(&a.size_est))
    };
    rates.iter().copied().max_by(better)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn whole_lots(lots: f64) -> Result<u32, GlftError> {
    let is_ok = (1.0..=LOTS_MAX).contains(&lots);
    if is_ok { Ok(lots as u32) } else { Err(GlftError::Input { what: "inventory limit in lots" }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let sizes = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0];
        let rates = rates_of_sizes(&GlftInputs::example(), 4.0, 24.0, &sizes).unwrap();
        let best = best_size(&rates).unwrap();
        assert!((best.rate_est - 2.928_926).abs() < 1e-6);
        assert!((best.size_est - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn sizes_that_no_limit_has_room_for_are_refused() {
        let of = |sizes: &[f64]| rates_of_sizes(&GlftInputs::example(), 4.0, 24.0, sizes);
        assert!(
            of(&[24.1]).is_err()
                && of(&[24.0]).is_ok()
                && of(&[0.0]).is_err()
                && of(&[1e-4]).is_err()
        );
        assert_eq!(best_size(&of(&[]).unwrap()), None);
    }
}
