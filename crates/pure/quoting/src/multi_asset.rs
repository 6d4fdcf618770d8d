//! Quotes of several instruments whose prices move together (section 7).
//!
//! `Σ` covariance of prices, quote² per second, over all instruments (spot and futures of one coin are two); per instrument `A`, `k`, `Δ`, `ξ` as in
//! `glft`. `D = diag(2·A·C·k·Δ)`, `Γ = ½√γ · D^(−1/2)·(D^(1/2)·Σ·D^(1/2))^(1/2)·D^(−1/2)`; offsets `φ + j/2 + c₁ + 2(Γq)ᵢ + ΔᵢΓᵢᵢ` for the bid and with
//! `−2(Γq)ᵢ` for the ask. The square root is the symmetric one; eigenvalues below zero count as zero, so no inverse of `Σ` is needed
//! and instruments that move as one are fine: what one holds long and the other short is then quoted as nearly flat.
//! For one instrument it is the closed form. Far from the limits it is within about 2 % of the exact solution.
//! Worked number, two instruments (σ = 0.3, A = 0.9, k = 0.3 and σ = 0.4, A = 0.6, k = 0.25), covariance 0.054, γ = ξ = 0.01, Δ = 1, q = (4, −2): the
//! first is quoted at 3.534147 / 3.089859; alone it would be at 3.584378 / 3.041452.
//! References: Guéant (2017), "Optimal market making"; Bergault, Evangelista, Guéant, Vieira (2021).

use crate::glft::{check, finite};
use crate::{GlftError, GlftInputs, Offsets};
use libm::{exp, sqrt};
use nalgebra::{DMatrix, DVector};

/// The most instruments that are quoted together; the work grows with the cube.
const ASSETS_MAX: usize = 200;

/// Holds how inventory of one instrument moves the quotes of all.
#[derive(Clone, Debug, PartialEq)]
pub struct JointQuotes {
    gamma: DMatrix<f64>,
    /// `φ + j/2 + c₁` and `Δ` of each.
    bases: Vec<(f64, f64)>,
}

impl JointQuotes {
    /// Prepares for these instruments. `gamma_est` is the one aversion of the account; `sigma_est` and `gamma_est` of the inputs are not
    /// read. `covariance` is `Σ`, in the order of the inputs.
    ///
    /// # Errors
    /// Refuses inputs outside their range, none or more than 200 instruments, a covariance of another shape, not symmetric or not finite,
    /// and results that are not finite.
    pub fn new(
        inputs: &[GlftInputs],
        covariance: &DMatrix<f64>,
        gamma_est: f64,
    ) -> Result<Self, GlftError> {
        check("gamma", gamma_est, gamma_est >= 0.0)?;
        let n = inputs.len();
        let is_usable = (1..=ASSETS_MAX).contains(&n)
            && covariance.shape() == (n, n)
            && covariance.iter().all(|x| x.is_finite())
            && covariance.diagonal().iter().all(|variance| *variance >= 0.0)
            && (covariance - covariance.transpose()).amax() <= 1e-12 * covariance.amax();
        if !is_usable {
            return Err(GlftError::Input { what: "covariance of the instruments" });
        }
        let mut roots = DVector::<f64>::zeros(n);
        let mut bases = Vec::with_capacity(n);
        for (root, one) in roots.iter_mut().zip(inputs) {
            let base = one.base()?;
            let rate = 2.0 * exp(base.ln_eta) * one.k_est * one.lot_est;
            check("rate of fills", rate, rate > 0.0)?;
            *root = sqrt(rate);
            bases.push((base.offset, one.lot_est));
        }
        let scale = &roots * roots.transpose();
        let scaled = covariance.component_mul(&scale);
        if !scaled.iter().all(|x| x.is_finite()) {
            return Err(GlftError::Range { what: "joint quotes" });
        }
        let eigen = scaled.symmetric_eigen();
        let values = DMatrix::from_diagonal(&eigen.eigenvalues.map(|value| sqrt(value.max(0.0))));
        let root = &eigen.eigenvectors * values * eigen.eigenvectors.transpose();
        let gamma = root.component_div(&scale) * (sqrt(gamma_est) / 2.0);
        if !gamma.iter().all(|x| x.is_finite()) {
            return Err(GlftError::Range { what: "joint quotes" });
        }
        Ok(Self { gamma, bases })
    }

    /// Gives `Γ`: half of what one unit of inventory of one instrument moves the bid of another away from fair value, quote per base.
    #[must_use]
    pub const fn skew_est(&self) -> &DMatrix<f64> {
        &self.gamma
    }

    /// Gives the offsets of every instrument for these inventories (base, signed), in the order of the inputs.
    ///
    /// # Errors
    /// Refuses another number of inventories, and what is not finite.
    pub fn offsets(&self, positions_est: &[f64]) -> Result<Vec<Offsets>, GlftError> {
        let is_usable = positions_est.len() == self.bases.len();
        if !is_usable {
            return Err(GlftError::Input { what: "number of inventories" });
        }
        let pulls = &self.gamma * DVector::from_row_slice(positions_est);
        let own = self.gamma.diagonal();
        let each = self.bases.iter().zip(pulls.iter().zip(own.iter()));
        each.map(|((base, lot), (pull, own))| {
            let still = base + lot * own;
            let bid_est = finite("offset", still + 2.0 * pull)?;
            Ok(Offsets { bid_est, ask_est: finite("offset", still - 2.0 * pull)? })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_form;
    use proptest::prelude::*;

    fn two() -> [GlftInputs; 2] {
        let first = GlftInputs::example();
        [first, GlftInputs { sigma_est: 0.4, a_per_s_est: 0.6, k_est: 0.25, ..first }]
    }

    fn joint(covariance: f64) -> JointQuotes {
        let sigma = DMatrix::from_row_slice(2, 2, &[0.09, covariance, covariance, 0.16]);
        JointQuotes::new(&two(), &sigma, 0.01).unwrap()
    }

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        let got = joint(0.054).offsets(&[4.0, -2.0]).unwrap();
        assert!((got[0].bid_est - 3.534_147).abs() < 1e-6);
        assert!((got[0].ask_est - 3.089_859).abs() < 1e-6);
        let alone = closed_form(&two()[0], 4.0).unwrap();
        assert!((alone.bid_est - 3.584_378).abs() < 1e-6, "{alone:?}");
        assert!((alone.ask_est - 3.041_452).abs() < 1e-6, "{alone:?}");
    }

    #[test]
    fn instruments_that_do_not_move_together_are_quoted_alone() {
        let got = joint(0.0).offsets(&[4.0, -2.0]).unwrap();
        for ((got, one), q) in got.iter().zip(two()).zip([4.0, -2.0]) {
            let want = closed_form(&one, q).unwrap();
            assert!((got.bid_est - want.bid_est).abs() < 1e-12);
            assert!((got.ask_est - want.ask_est).abs() < 1e-12);
        }
    }

    #[test]
    fn a_hedged_book_of_one_coin_is_quoted_as_nearly_flat() {
        let inputs = [GlftInputs::example(); 2];
        let sigma = DMatrix::from_element(2, 2, 0.09);
        let joint = JointQuotes::new(&inputs, &sigma, 0.01).unwrap();
        let (hedged, flat) =
            (joint.offsets(&[9.0, -9.0]).unwrap(), joint.offsets(&[0.0; 2]).unwrap());
        assert!((hedged[0].bid_est - flat[0].bid_est).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let skewed = DMatrix::from_row_slice(2, 2, &[0.09, 0.05, 0.04, 0.16]);
        assert!(JointQuotes::new(&two(), &skewed, 0.01).is_err());
        assert!(JointQuotes::new(&two(), &DMatrix::identity(3, 3), 0.01).is_err());
        assert!(JointQuotes::new(&[], &DMatrix::zeros(0, 0), 0.01).is_err());
        assert!(JointQuotes::new(&two(), &-DMatrix::identity(2, 2), 0.01).is_err());
        assert!(joint(0.0).offsets(&[1.0]).is_err());
        assert!(joint(0.0).offsets(&[1.0, f64::NAN]).is_err());
    }

    proptest! {
        #[test]
        fn more_of_one_instrument_lowers_the_bid_of_what_moves_with_it(
            rho in 0.01f64..0.99, q in -20f64..20.0, more in 0.1f64..20.0,
        ) {
            let joint = joint(rho * 0.12);
            let (few, many) = (joint.offsets(&[q, 0.0]).unwrap(), joint.offsets(&[q + more, 0.0]).unwrap());
            prop_assert!(many[0].bid_est > few[0].bid_est && many[1].bid_est > few[1].bid_est);
            prop_assert!(few.iter().all(|at| at.bid_est + at.ask_est > 0.0));
        }
    }
}
