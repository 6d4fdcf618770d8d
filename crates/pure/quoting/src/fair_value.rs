//! Fair value from the touch: the weighted mid, with the mid as last resort (section 1).
//!
//! Symbols: best bid `b` and ask `a` with sizes `q_b`, `q_a`; imbalance `I = q_b/(q_b + q_a)`.
//! Weighted mid (microprice) `= I·a + (1 − I)·b`; the heavier side pushes the price away from itself.
//! Worked number: 9 at 32.17 against 1 at 32.18 gives I = 0.9 and 32.179.
//! The result is held within one spread `s` of the touch, `[b − s, a + s]`.
//! Reference: Stoikov (2018), "The micro-price", of which the weighted mid is the first approximation.
//! Pitfall not handled here: our own orders inside the displayed sizes.

/// Is the best level of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touch {
    /// Best bid, quote currency per base.
    pub bid_est: f64,
    /// Quantity there, base.
    pub bid_qty_est: f64,
    /// Best ask, quote currency per base.
    pub ask_est: f64,
    /// Quantity there, base.
    pub ask_qty_est: f64,
}

/// Says why there is no fair value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FairValueError {
    /// Bid at or above ask.
    #[error("the book is crossed or locked")]
    Crossed,
    /// A price or size is not a usable number.
    #[error("a price or size of the book is not a number above zero")]
    NotUsable,
}

/// Gives the mid weighted by opposite sizes; `None` without any size.
#[must_use]
pub fn weighted_mid(touch: &Touch) -> Option<f64> {
    let size = touch.bid_qty_est + touch.ask_qty_est;
    let imbalance = touch.bid_qty_est / size;
    let est = imbalance * touch.ask_est + (1.0 - imbalance) * touch.bid_est;
    (size > 0.0 && est.is_finite()).then_some(est)
}

/// Gives the price that quotes are placed around: the weighted mid, the mid where no size is shown.
///
/// # Errors
/// Refuses a crossed or locked touch and numbers that are not usable.
pub fn fair_value(touch: &Touch) -> Result<f64, FairValueError> {
    let prices = [touch.bid_est, touch.ask_est];
    let sizes = [touch.bid_qty_est, touch.ask_qty_est];
    let is_usable = prices.iter().all(|p| p.is_finite() && *p > 0.0)
        && sizes.iter().all(|q| q.is_finite() && *q >= 0.0);
    if !is_usable {
        return Err(FairValueError::NotUsable);
    }
    let spread = touch.ask_est - touch.bid_est;
    if spread <= 0.0 {
        return Err(FairValueError::Crossed);
    }
    let est = weighted_mid(touch).unwrap_or(touch.bid_est + spread / 2.0);
    Ok(est.clamp(touch.bid_est - spread, touch.ask_est + spread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn touch(bid_est: f64, bid_qty_est: f64, ask_est: f64, ask_qty_est: f64) -> Touch {
        Touch { bid_est, bid_qty_est, ask_est, ask_qty_est }
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let est = fair_value(&touch(32.17, 9.0, 32.18, 1.0)).unwrap();
        assert!((est - 32.179).abs() < 1e-12);
    }

    #[test]
    fn without_sizes_the_mid_is_the_fair_value() {
        assert_eq!(fair_value(&touch(10.0, 0.0, 12.0, 0.0)), Ok(11.0));
    }

    #[test]
    fn a_crossed_or_locked_book_has_no_fair_value() {
        for ask in [9.0, 10.0] {
            let got = fair_value(&touch(10.0, 1.0, ask, 1.0));
            assert_eq!(got, Err(FairValueError::Crossed));
        }
        assert_eq!(fair_value(&touch(f64::NAN, 1.0, 1.0, 1.0)), Err(FairValueError::NotUsable));
        assert_eq!(fair_value(&touch(1.0, -1.0, 2.0, 1.0)), Err(FairValueError::NotUsable));
    }

    proptest! {
        #[test]
        fn the_fair_value_stays_within_the_touch(
            bid in 1e-8f64..1e6, spread in 1e-8f64..1e3, q_b in 0.0f64..1e9, q_a in 0.0f64..1e9,
        ) {
            prop_assume!(bid + spread > bid);
            let est = fair_value(&touch(bid, q_b, bid + spread, q_a)).unwrap();
            prop_assert!(est >= bid - spread && est <= bid + 2.0 * spread);
        }
    }
}
