//! How to leave a position with resting orders, and when to pay for taking instead (section 13).
//!
//! A long position of `q` lots of one base unit is sold with a resting ask; a short one is the mirror image. Symbols as in `glft`;
//! `φ` maker fee, `c` all-in cost of taking, `b` what a unit left at the end costs, each quote per base; `τ` seconds to the end;
//! `μ` drift of fair value, quote per second.
//! `dw_q/dτ = −(αq² − kμq)·w_q + η·w_{q−1}`, `α = kγσ²/2`, `η = A·e^(−kφ)·(1 + γ/k)^(−(1 + k/γ))`, `w_q(0) = e^(−kqb)`, `w_0 = 1`; the ask
//! is at fair value plus `φ + ln(1 + γ/k)/γ + ln(w_q/w_{q−1})/k`. Far from the end: `φ + ln(A·e^(−kφ)/((1 + γ/k)(αq² − kμq)))/k`.
//! With taking, the worth `θ_q = ln w_q/k` never falls below `θ_{q−1} − c`: take one lot exactly where it is equal. That problem has no
//! closed form; it is solved in small steps of time.
//! Break-even of a long position: the mid must rise by `(1 + f_in)/(1 − f_out) − 1` and the half-spread that is paid; of a short one fall by
//! `1 − (1 − f_in)/(1 + f_out)` and the half-spread. It is no reason to hold: what was paid is gone.
//! Worked numbers, σ = 0.3, A = 0.1, k = 0.3, γ = 0.05, τ = 300, b = 3, φ = 0: one lot is offered at 10.609473, six at 2.807287. Fees of 16 and
//! 26 bps, half-spread 5 bps, long: 47.109485 bps.
//! Reference: Guéant, Lehalle, Fernandez-Tapia (2012), "Optimal portfolio liquidation with limit orders".

use crate::GlftError;
use crate::glft::{check, finite};
use crate::positive_flow::propagate;
use libm::{ceil, exp, log, log1p};
use nalgebra::{DMatrix, DVector};
use remora_domain::Side;

/// The most lots of a position; a solution holds a square matrix of them.
const LOTS_MAX: u32 = 200;
/// The fewest steps of time with the option to take.
const STEPS_MIN: f64 = 2_000.0;
/// The most; beyond it the inputs are refused.
const STEPS_MAX: f64 = 2_000_000.0;
/// The most that an equation may move in one step, in units of `1/k`.
const STEP_CHANGE_MAX: f64 = 0.01;
/// How near worth must be to that of taking for both to be equal, share of the cost of taking.
const EQUAL: f64 = 1e-9;

/// Is everything that a plan to leave a position needs, in consistent units (see the module).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExitInputs {
    /// `σ`, quote per square-root second; zero or above.
    pub sigma_est: f64,
    /// `A`, per second, of the side that takes us out; above zero.
    pub a_per_s_est: f64,
    /// `k`, per quote unit of distance; above zero.
    pub k_est: f64,
    /// `γ`, per quote unit; above zero.
    pub gamma_est: f64,
    /// `φ`, quote per base; a rebate is negative.
    pub maker_fee_est: f64,
    /// `b`, quote per base, zero or above: what each unit costs that is left at the end.
    pub terminal_cost_est: f64,
    /// `μ`, quote per second; above zero where waiting pays a position that is long.
    pub drift_est: f64,
}

/// Is what to do with a position of 1, 2, … lots.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitPlan {
    /// `θ_q` of 1, 2, … lots: what the position is worth beyond fair value when it is left as well as can be, quote.
    pub worth_est: Vec<f64>,
    /// Distance of the resting order from fair value, quote; below zero is inside the market and the order layer clamps it.
    pub offset_est: Vec<f64>,
    /// Whether one lot is to be taken out now instead.
    pub is_taking: Vec<bool>,
}

struct Model {
    alpha: f64,
    eta: f64,
    /// `φ + ln(1 + γ/k)/γ`.
    offset: f64,
}

impl ExitInputs {
    fn model(&self) -> Result<Model, GlftError> {
        check("sigma", self.sigma_est, self.sigma_est >= 0.0)?;
        check("fill intensity A", self.a_per_s_est, self.a_per_s_est > 0.0)?;
        check("fill intensity decay k", self.k_est, self.k_est > 0.0)?;
        check("gamma", self.gamma_est, self.gamma_est > 0.0)?;
        check("maker fee", self.maker_fee_est, true)?;
        check("terminal cost", self.terminal_cost_est, self.terminal_cost_est >= 0.0)?;
        check("drift", self.drift_est, true)?;
        let z = self.gamma_est / self.k_est;
        let ln_eta =
            log(self.a_per_s_est) - self.k_est * self.maker_fee_est - (1.0 + 1.0 / z) * log1p(z);
        let variance = self.gamma_est * self.sigma_est * self.sigma_est;
        Ok(Model {
            alpha: finite("risk", self.k_est * variance / 2.0)?,
            eta: finite("rate of fills", exp(ln_eta))?,
            offset: finite("base offset", self.maker_fee_est + log1p(z) / self.gamma_est)?,
        })
    }

    /// Gives `αq² − kμq`.
    fn burden(&self, model: &Model, lots: u32) -> f64 {
        let q = f64::from(lots);
        model.alpha * q * q - self.k_est * self.drift_est * q
    }
}

fn check_game(lots: u32, seconds_left: f64) -> Result<(), GlftError> {
    check("lots of a position", f64::from(lots), lots > 0 && lots <= LOTS_MAX)?;
    check("time left", seconds_left, seconds_left >= 0.0).map(drop)
}

/// Plans with resting orders only, for every position from 1 to `lots` lots. O(lots³).
///
/// # Errors
/// Refuses inputs outside their range, 0 or more than 200 lots, a time below zero, and results that are not finite.
pub fn maker_exit(
    inputs: &ExitInputs,
    lots: u32,
    seconds_left_est: f64,
) -> Result<ExitPlan, GlftError> {
    check_game(lots, seconds_left_est)?;
    let model = inputs.model()?;
    let burdens = (0..=lots).map(|q| -inputs.burden(&model, q)).collect();
    let mut flow = DMatrix::from_diagonal(&DVector::<f64>::from_vec(burdens));
    let (rows, columns) = (flow.nrows() - 1, flow.ncols() - 1);
    flow.view_mut((1, 0), (rows, columns)).fill_diagonal(model.eta);
    let cost = inputs.k_est * inputs.terminal_cost_est;
    let start = (0..=lots).map(|q| exp(-cost * f64::from(q))).collect();
    let range = || GlftError::Range { what: "plan to leave" };
    let start = DVector::<f64>::from_vec(start);
    let (w, ln_scale) = propagate(&flow, &start, seconds_left_est).ok_or_else(range)?;
    let worth: Vec<f64> = w.iter().map(|w| (log(*w) + ln_scale) / inputs.k_est).collect();
    Ok(ExitPlan {
        offset_est: offsets(&model, &worth),
        is_taking: vec![false; worth.len() - 1],
        worth_est: worth.into_iter().skip(1).collect(),
    })
}

/// Gives the offset of the resting order of 1, 2, … lots; `worth` begins with that of none.
fn offsets(model: &Model, worth: &[f64]) -> Vec<f64> {
    let steps = worth.iter().zip(worth.iter().skip(1));
    steps.map(|(before, here)| model.offset + here - before).collect()
}

/// Gives the offset of the resting order of `lots` lots when the end is far.
///
/// # Errors
/// Refuses inputs outside their range, no lots, and a drift that pays for waiting for ever.
pub fn exit_far_from_end(inputs: &ExitInputs, lots: u32) -> Result<f64, GlftError> {
    check("lots of a position", f64::from(lots), lots > 0)?;
    let burden = inputs.burden(&inputs.model()?, lots);
    check("risk of waiting, less its drift,", burden, burden > 0.0)?;
    let rate = log(inputs.a_per_s_est) - inputs.k_est * inputs.maker_fee_est;
    let best = rate - log1p(inputs.gamma_est / inputs.k_est) - log(burden);
    finite("offset", inputs.maker_fee_est + best / inputs.k_est)
}

/// Plans with resting orders and with taking a lot at the all-in cost `taker_cost_est` (half-spread, fee, slippage; quote per base), for
/// every position from 1 to `lots` lots.
///
/// # Errors
/// As [`maker_exit`]; also refuses a cost below zero, and inputs that need more than two million steps of time.
pub fn exit_with_taker(
    inputs: &ExitInputs,
    lots: u32,
    seconds_left_est: f64,
    taker_cost_est: f64,
) -> Result<ExitPlan, GlftError> {
    check_game(lots, seconds_left_est)?;
    check("cost of taking", taker_cost_est, taker_cost_est >= 0.0)?;
    let model = inputs.model()?;
    let k = inputs.k_est;
    let fastest = model.eta * exp(k * taker_cost_est) + inputs.burden(&model, lots).abs();
    let steps = ceil(seconds_left_est * fastest / STEP_CHANGE_MAX).max(STEPS_MIN);
    check("time left, with this risk and these fills,", steps, steps <= STEPS_MAX)?;
    let width = seconds_left_est / steps;
    let ends_at = inputs.terminal_cost_est.min(taker_cost_est);
    let mut worth: Vec<f64> = (0..=lots).map(|q| -ends_at * f64::from(q)).collect();
    let burdens: Vec<f64> = (0..=lots).map(|q| inputs.burden(&model, q)).collect();
    let (mut done, mut is_taking) = (0.0, Vec::new());
    while done < steps {
        let slopes = slopes(&model, k, &burdens, &worth);
        let mut ahead = worth.clone();
        ahead.iter_mut().zip(&slopes).for_each(|(theta, slope)| *theta += width * slope);
        let later = self::slopes(&model, k, &burdens, &ahead);
        let both = slopes.iter().zip(&later);
        worth.iter_mut().zip(both).for_each(|(theta, (a, b))| *theta += width * (a + b) / 2.0);
        is_taking = lift(&mut worth, taker_cost_est);
        done += 1.0;
    }
    if !worth.iter().all(|theta| theta.is_finite()) {
        return Err(GlftError::Range { what: "plan to leave" });
    }
    let offset_est = offsets(&model, &worth);
    Ok(ExitPlan { worth_est: worth.into_iter().skip(1).collect(), offset_est, is_taking })
}

/// Gives `dθ_q/dτ`; that of no position is zero.
fn slopes(model: &Model, k: f64, burdens: &[f64], worth: &[f64]) -> Vec<f64> {
    let steps = worth.iter().zip(worth.iter().skip(1)).zip(burdens.iter().skip(1));
    let slope = |((before, here), burden): ((&f64, &f64), &f64)| {
        (model.eta * exp(k * (before - here)) - burden) / k
    };
    std::iter::once(0.0).chain(steps.map(slope)).collect()
}

/// Raises each worth to at least that of taking one lot and going on with the rest; tells where that is what counts.
fn lift(worth: &mut [f64], taker_cost: f64) -> Vec<bool> {
    let mut before: Option<f64> = None;
    let mut is_taking = Vec::with_capacity(worth.len());
    for theta in worth {
        if let Some(before) = before {
            let floor = before - taker_cost;
            is_taking.push(*theta <= floor + EQUAL * taker_cost);
            *theta = theta.max(floor);
        }
        before = Some(*theta);
    }
    is_taking
}

/// Tells for 1, 2, … lots whether taking one now beats resting until the end and taking what is left then: a bound that needs no
/// steps of time, for use while orders are placed. It takes slightly too early.
///
/// # Errors
/// As [`maker_exit`]; also refuses a cost of taking below zero.
pub fn takes_one_step_ahead(
    inputs: &ExitInputs,
    lots: u32,
    seconds_left_est: f64,
    taker_cost_est: f64,
) -> Result<Vec<bool>, GlftError> {
    check("cost of taking", taker_cost_est, taker_cost_est >= 0.0)?;
    let terminal_cost_est = inputs.terminal_cost_est.min(taker_cost_est);
    let resting = maker_exit(&ExitInputs { terminal_cost_est, ..*inputs }, lots, seconds_left_est)?;
    let before = std::iter::once(&0.0).chain(&resting.worth_est);
    let both = before.zip(&resting.worth_est);
    // At the very end both are the same, and rounding must not decide.
    let slack = EQUAL * taker_cost_est;
    Ok(both.map(|(less, here)| less - taker_cost_est >= *here - slack).collect())
}

/// Gives by how much the mid must move in favour of a position opened on `side` until leaving as taker loses nothing, bps.
///
/// # Errors
/// Refuses fees of 100 % or more either way, and a half-spread below zero.
pub fn break_even(
    side: Side,
    entry_fee_bps: f64,
    exit_fee_bps: f64,
    half_spread_bps: f64,
) -> Result<f64, GlftError> {
    let (entry, exit) = (entry_fee_bps / 1e4, exit_fee_bps / 1e4);
    check("entry fee", entry, entry.abs() < 1.0)?;
    check("exit fee", exit, exit.abs() < 1.0)?;
    check("half-spread", half_spread_bps, half_spread_bps >= 0.0)?;
    let fees = match side {
        Side::Buy => (1.0 + entry) / (1.0 - exit) - 1.0,
        Side::Sell => 1.0 - (1.0 - entry) / (1.0 + exit),
    };
    finite("break-even", fees * 1e4 + half_spread_bps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUTS: ExitInputs = ExitInputs {
        sigma_est: 0.3,
        a_per_s_est: 0.1,
        k_est: 0.3,
        gamma_est: 0.05,
        maker_fee_est: 0.0,
        terminal_cost_est: 3.0,
        drift_est: 0.0,
    };

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        let plan = maker_exit(&INPUTS, 6, 300.0).unwrap();
        assert!((plan.offset_est[0] - 10.609_473).abs() < 1e-6);
        assert!((plan.offset_est[5] - 2.807_287).abs() < 1e-6);
        let bps = break_even(Side::Buy, 16.0, 26.0, 5.0).unwrap();
        assert!((bps - 47.109_485).abs() < 1e-6);
        assert!(break_even(Side::Sell, 16.0, 26.0, 5.0).unwrap() < bps);
    }

    #[test]
    fn at_the_end_the_cheaper_way_out_counts() {
        let plan = exit_with_taker(&INPUTS, 3, 0.0, 2.0).unwrap();
        assert_eq!(plan.worth_est, [-2.0, -4.0, -6.0]);
        assert_eq!(plan.is_taking, [true; 3]);
        let dear = exit_with_taker(&INPUTS, 3, 0.0, 4.0).unwrap();
        assert_eq!((dear.worth_est[0], dear.is_taking[0]), (-3.0, false));
    }

    #[test]
    fn a_price_in_other_units_changes_no_decision() {
        let plan = exit_with_taker(&INPUTS, 6, 30.0, 2.0).unwrap();
        assert_eq!(plan.is_taking, [false, false, false, false, true, true]);
        // The same coin, priced in units of which a hundred million make one.
        let unit = 1e-8;
        let small = ExitInputs {
            sigma_est: INPUTS.sigma_est * unit,
            k_est: INPUTS.k_est / unit,
            gamma_est: INPUTS.gamma_est / unit,
            terminal_cost_est: INPUTS.terminal_cost_est * unit,
            ..INPUTS
        };
        assert_eq!(exit_with_taker(&small, 6, 30.0, 2.0 * unit).unwrap().is_taking, plan.is_taking);
        assert_eq!(takes_one_step_ahead(&INPUTS, 20, 0.0, 0.9).unwrap(), [true; 20]);
    }

    #[test]
    fn a_taker_that_costs_too_much_leaves_the_plan_with_resting_orders() {
        let maker = maker_exit(&INPUTS, 4, 60.0).unwrap();
        let both = exit_with_taker(&INPUTS, 4, 60.0, 30.0).unwrap();
        for (maker, both) in maker.worth_est.iter().zip(&both.worth_est) {
            assert!((maker - both).abs() < 2e-3, "{maker} {both}");
        }
        assert_eq!(both.is_taking, [false; 4]);
    }

    #[test]
    fn a_position_that_is_paid_for_waiting_is_never_far_from_its_end() {
        let paid = ExitInputs { drift_est: 1.0, ..INPUTS };
        assert!(exit_far_from_end(&paid, 1).is_err());
        assert!(maker_exit(&paid, 0, 1.0).is_err() && maker_exit(&paid, 201, 1.0).is_err());
        assert!(exit_with_taker(&INPUTS, 2, 1e9, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn dearer_taking_is_done_later_and_a_larger_position_is_offered_nearer(
            cost in 0.2f64..2.0, more in 0.1f64..2.0, seconds in 1f64..120.0, fee in -0.3f64..0.5,
        ) {
            let inputs = ExitInputs { maker_fee_est: fee, ..INPUTS };
            let cheap = exit_with_taker(&inputs, 6, seconds, cost).unwrap();
            let dear = exit_with_taker(&inputs, 6, seconds, cost + more).unwrap();
            for (cheap, dear) in cheap.is_taking.iter().zip(&dear.is_taking) {
                prop_assert!(cheap >= dear);
            }
            let maker = maker_exit(&inputs, 6, seconds).unwrap();
            prop_assert!(maker.offset_est.windows(2).all(|pair| pair[1] < pair[0]));
            let ahead = takes_one_step_ahead(&inputs, 6, seconds, cost).unwrap();
            for (exact, early) in cheap.is_taking.iter().zip(&ahead) {
                prop_assert!(exact <= early);
            }
        }
    }
}
