//! What the touch says at once: mid, spread, imbalance (section 1).
//!
//! Symbols: best bid `b` and ask `a` with sizes `q_b`, `q_a`; mid `M = (a + b)/2`; imbalance `I = q_b/(q_b + q_a)`;
//! relative spread `(a − b)/M`, told in basis points.
//! Imbalance over levels `l = 0, 1, …` with the decay `κ` per level: `Σ q_b,l e^(−κl) / Σ (q_b,l + q_a,l) e^(−κl)`.
//! Worked number: 9 at 32.17 against 1 at 32.18: M = 32.175, I = 0.9, spread 3.108 bps.
//! The weighted mid is [`remora_quoting::weighted_mid`]. Source: Stoikov (2018), "The micro-price".

use crate::NotReady;
use crate::estimate::check;
use remora_quoting::Touch;

/// Basis points of one.
pub const BPS: f64 = 1e4;

/// Is a touch that was found usable, reduced to its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TouchState {
    /// Middle of best bid and ask, quote currency.
    pub mid: f64,
    /// Ask minus bid, quote currency; above zero.
    pub spread: f64,
    /// Ask minus bid in basis points of the mid.
    pub spread_bps: f64,
    /// Share of the bid in the displayed size, from 0 to 1; `None` where no size is shown.
    pub imbalance: Option<f64>,
}

/// Reads a touch.
///
/// # Errors
/// Refuses a crossed or locked touch, and prices or sizes that are not numbers above zero (sizes: zero or above).
pub fn touch_state(touch: &Touch) -> Result<TouchState, NotReady> {
    check("bid", touch.bid_est, touch.bid_est > 0.0)?;
    check("ask", touch.ask_est, touch.ask_est > 0.0)?;
    check("bid size", touch.bid_qty_est, touch.bid_qty_est >= 0.0)?;
    check("ask size", touch.ask_qty_est, touch.ask_qty_est >= 0.0)?;
    let spread = touch.ask_est - touch.bid_est;
    if spread <= 0.0 {
        return Err(NotReady::Crossed);
    }
    let mid = touch.bid_est + spread / 2.0;
    let size = touch.bid_qty_est + touch.ask_qty_est;
    let imbalance = (size > 0.0).then(|| touch.bid_qty_est / size).filter(|i| i.is_finite());
    Ok(TouchState { mid, spread, spread_bps: spread / mid * BPS, imbalance })
}

/// Gives the imbalance of several levels, best first, from 0 (all ask) to 1 (all bid); `decay_per_level` is `κ`.
///
/// # Errors
/// Refuses sizes below zero, a decay below zero, and books without any size.
pub fn depth_imbalance(bids: &[f64], asks: &[f64], decay_per_level: f64) -> Result<f64, NotReady> {
    check("decay per level", decay_per_level, decay_per_level >= 0.0)?;
    let weigh = |sizes: &[f64]| -> Result<f64, NotReady> {
        let (mut sum, mut level) = (0.0, 0.0);
        for size in sizes {
            sum += check("size", *size, *size >= 0.0)? * libm::exp(-decay_per_level * level);
            level += 1.0;
        }
        Ok(sum)
    };
    let (bid, ask) = (weigh(bids)?, weigh(asks)?);
    check("displayed size", bid / (bid + ask), bid + ask > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn touch(bid: f64, bid_qty: f64, ask: f64, ask_qty: f64) -> Touch {
        Touch { bid_est: bid, bid_qty_est: bid_qty, ask_est: ask, ask_qty_est: ask_qty }
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = touch_state(&touch(32.17, 9.0, 32.18, 1.0)).unwrap();
        assert!((got.mid - 32.175).abs() < 1e-12 && (got.imbalance.unwrap() - 0.9).abs() < 1e-12);
        assert!((got.spread_bps - 3.108).abs() < 1e-3);
    }

    #[test]
    fn crossed_empty_and_absurd_touches_are_named() {
        assert_eq!(touch_state(&touch(10.0, 1.0, 10.0, 1.0)), Err(NotReady::Crossed));
        assert_eq!(
            touch_state(&touch(f64::NAN, 1.0, 10.0, 1.0)),
            Err(NotReady::Input { what: "bid" })
        );
        assert_eq!(touch_state(&touch(9.0, 0.0, 10.0, 0.0)).unwrap().imbalance, None);
        assert!(depth_imbalance(&[], &[0.0], 0.1).is_err());
    }

    proptest! {
        #[test]
        fn exchanging_the_sides_mirrors_the_imbalance(
            bids in prop::collection::vec(0.1f64..100.0, 1..8),
            asks in prop::collection::vec(0.1f64..100.0, 1..8),
            decay in 0f64..3.0,
        ) {
            let (here, there) =
                (depth_imbalance(&bids, &asks, decay), depth_imbalance(&asks, &bids, decay));
            prop_assert!((here.unwrap() + there.unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
