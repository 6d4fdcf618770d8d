//! From estimates to distances: builds the GLFT inputs of a pair and keeps their solution until an input moved.
//!
//! Units: `σ = fair·√v` (quote per √s), `k = k_bps·10⁴/fair` (per quote unit), fee `φ = fair·maker_bps/10⁴`,
//! adverse move `j = fair·adverse_bps/10⁴`, lot `Δ` = one order (base), limit `L` = `inventory_usd_max` in base.
//! `γ` follows from `L` and may change by 10 % a minute (section 6 of the methods: it must not flap).

use crate::market::{BPS, MarketEstimates};
use remora_domain::{DecisionReason, Timestamp};
use remora_quoting::{ErgodicQuotes, GlftError, GlftInputs, SideOffsets, gamma_for_limit};

/// How far an input may move before the model is solved again (section 6).
const RESOLVE_FRAC: f64 = 0.02;
/// How much `γ` may change in a minute (section 6).
const GAMMA_PER_MINUTE_FRAC_MAX: f64 = 0.10;
/// More lots than this are taken together: the solution is smooth in inventory, and its cost is per lot.
const LOTS_MAX: f64 = 100.0;

/// Is what the model is asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) market: MarketEstimates,
    pub(crate) maker_bps_est: f64,
    pub(crate) adverse_bps_est: f64,
    /// One order, base.
    pub(crate) order_est: f64,
    /// Inventory limit, base.
    pub(crate) limit_est: f64,
    /// Inventory, base, signed.
    pub(crate) position_est: f64,
}

#[derive(Debug)]
struct Solved {
    inputs: GlftInputs,
    lots: u32,
    quotes: ErgodicQuotes,
}

/// Holds the solution in force.
#[derive(Debug, Default)]
pub(crate) struct Model {
    solved: Option<Solved>,
    gamma: Option<(Timestamp, f64)>,
}

impl Model {
    /// Gives the offsets from fair value.
    ///
    /// # Errors
    /// Refuses a limit below one order and numbers out of range.
    pub(crate) fn offsets(
        &mut self,
        now: Timestamp,
        question: &Question,
    ) -> Result<SideOffsets, DecisionReason> {
        // A limit that holds a whole number of orders must not lose one to rounding.
        let in_orders = question.limit_est / question.order_est * (1.0 + 1e-9);
        if in_orders.is_nan() || in_orders < 1.0 {
            return Err(DecisionReason::SizeBelowMin);
        }
        let lot_est = question.order_est.max(question.limit_est / LOTS_MAX);
        let lots = whole(in_orders.min(LOTS_MAX)).ok_or(DecisionReason::OutOfRange)?;
        let inputs = inputs(question, lot_est);
        let solved =
            match self.solved.take().filter(|s| s.lots == lots && is_near(&s.inputs, &inputs)) {
                Some(solved) => solved,
                None => self.solve(now, inputs, lots).map_err(|_| DecisionReason::OutOfRange)?,
            };
        let offsets = solved.quotes.offsets(question.position_est / lot_est);
        self.solved = Some(solved);
        Ok(offsets)
    }

    fn solve(
        &mut self,
        now: Timestamp,
        inputs: GlftInputs,
        lots: u32,
    ) -> Result<Solved, GlftError> {
        let wanted = gamma_for_limit(&inputs, f64::from(lots) * inputs.lot_est)?;
        let gamma_est = self.gamma.map_or(wanted, |(at, gamma)| {
            let minutes = now.since(at).as_seconds_est().max(0.0) / 60.0;
            let most = libm::pow(1.0 + GAMMA_PER_MINUTE_FRAC_MAX, minutes);
            wanted.clamp(gamma / most, gamma * most)
        });
        let with = GlftInputs { gamma_est, xi_est: gamma_est, ..inputs };
        let quotes = ErgodicQuotes::solve(&with, lots)?;
        self.gamma = Some((now, gamma_est));
        Ok(Solved { inputs, lots, quotes })
    }
}

fn inputs(question: &Question, lot_est: f64) -> GlftInputs {
    let fair = question.market.fair_est;
    GlftInputs {
        sigma_est: fair * libm::sqrt(question.market.variance_est),
        a_per_s_est: question.market.a_per_s_est,
        k_est: question.market.k_bps_est * BPS / fair,
        gamma_est: 0.0,
        xi_est: 0.0,
        lot_est,
        maker_fee_est: fair * question.maker_bps_est / BPS,
        adverse_move_est: fair * question.adverse_bps_est / BPS,
    }
}

fn is_near(a: &GlftInputs, b: &GlftInputs) -> bool {
    let pairs = [
        (a.sigma_est, b.sigma_est),
        (a.a_per_s_est, b.a_per_s_est),
        (a.k_est, b.k_est),
        (a.lot_est, b.lot_est),
        (a.maker_fee_est, b.maker_fee_est),
        (a.adverse_move_est, b.adverse_move_est),
    ];
    pairs.iter().all(|(a, b)| (a - b).abs() <= RESOLVE_FRAC * a.abs())
}

#[expect(clippy::as_conversions, reason = "between 1 and 100; no other conversion exists")]
fn whole(lots: f64) -> Option<u32> {
    (1.0..=LOTS_MAX).contains(&lots).then_some(lots as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::at_ms;

    fn question() -> Question {
        let market = MarketEstimates {
            fair_est: 100.0,
            variance_est: 1e-8,
            k_bps_est: 0.2,
            a_per_s_est: 0.05,
        };
        Question {
            market,
            maker_bps_est: 1.0,
            adverse_bps_est: 0.0,
            order_est: 1.0,
            limit_est: 5.0,
            position_est: 0.0,
        }
    }

    #[test]
    fn at_the_limit_the_reducing_quote_stands_near_fair_value() {
        let at_limit = Question { position_est: 5.0, ..question() };
        let offsets = Model::default().offsets(at_ms(0), &at_limit).unwrap();
        let flat = Model::default().offsets(at_ms(0), &question()).unwrap();
        assert_eq!(offsets.bid_est, None);
        assert!(offsets.ask_est.unwrap().abs() < 0.6 * flat.ask_est.unwrap());
    }

    #[test]
    fn the_fee_is_passed_on_in_full() {
        let offset = |maker_bps_est| {
            let asked = Question { maker_bps_est, ..question() };
            Model::default().offsets(at_ms(0), &asked).unwrap().bid_est.unwrap()
        };
        // Ten basis points of 100 are 0.1.
        assert!(offset(11.0) - offset(1.0) >= 0.1);
    }

    #[test]
    fn a_small_move_keeps_the_solution_and_a_large_one_does_not() {
        let mut model = Model::default();
        let first = model.offsets(at_ms(0), &question()).unwrap();
        let mut moved = question();
        moved.market.variance_est *= 1.02;
        assert_eq!(model.offsets(at_ms(1), &moved).unwrap(), first);
        moved.market.variance_est *= 2.0;
        assert_ne!(model.offsets(at_ms(2), &moved).unwrap(), first);
    }

    #[test]
    fn risk_aversion_changes_by_at_most_a_tenth_a_minute() {
        let mut model = Model::default();
        model.offsets(at_ms(0), &question()).unwrap();
        let before = model.gamma.unwrap().1;
        let mut calm = question();
        calm.market.variance_est /= 100.0;
        model.offsets(at_ms(60_000), &calm).unwrap();
        assert!((model.gamma.unwrap().1 / before - 1.1).abs() < 1e-9);
    }

    #[test]
    fn a_limit_below_one_order_is_no_room() {
        let asked = Question { limit_est: 0.5, ..question() };
        let got = Model::default().offsets(at_ms(0), &asked);
        assert_eq!(got, Err(DecisionReason::SizeBelowMin));
    }
}
