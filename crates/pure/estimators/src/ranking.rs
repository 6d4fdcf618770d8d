//! Which pairs are worth quoting: scores drawn towards each other, ranked by their lower bound (section 16).
//!
//! Measured edges `x_i` with errors `se_i`: variance between pairs `τ²` by Paule–Mandel (`Σ (x_i − m)²/(se_i² + τ²) = n − 1`, `m` weighted by
//! `1/(se² + τ²)`; zero where even `τ² = 0` leaves less), DerSimonian–Laird as fallback. `B_i = τ²/(τ² + se_i²)`, posterior mean
//! `B_i·x_i + (1 − B_i)·m`, variance `B_i·se_i² + (1 − B_i)²/Σ 1/(se² + τ²)`. Rank by mean − z·sd for capital, by mean + z·sd for trials: the
//! largest of many noisy edges is mostly noise, which shrinking and the bound take out.
//! Model rate: the certainty-equivalent profit per second of the ergodic quotes, fee and adverse move inside ([`ErgodicQuotes`]).
//! Realised: edge per fill · fills per second · notional; per unit of risk divided by the sd of inventory profit per √s.
//! Queue correction `(a + N_observed)/(a + N_model)`, a = 20: what the model's fills become in the queue.
//! Swap only if `LCB_new − mean_old > switching cost/expected stay`.
//! Worked number: x = 1 and 3, se = 1 both: Q(τ²) = 2/(1 + τ²) = 1, so τ² = 1, m = 2, B = ½, means 1.5 and 2.5, sd √(0.5 + 0.25).
//! Sources: Efron, Morris (1975); Paule, Mandel (1982); DerSimonian, Laird (1986).

use crate::estimate::{at_least, check, finite};
use crate::numeric::count_est;
use crate::{BPS, NotReady};
use remora_quoting::{ErgodicQuotes, GlftInputs};

/// Bisection steps: each halves the interval, so these exhaust a double.
const BISECTIONS_MAX: u32 = 200;
/// Fills that the queue correction believes before it saw any.
const QUEUE_PRIOR_FILLS: f64 = 20.0;

/// Is a measured value with its standard error, both in one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The measurement.
    pub value: f64,
    /// Its standard error, above zero.
    pub se: f64,
}

/// Is a measurement after the others were weighed in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrunk {
    /// `B`: what the own measurement counts, from 0 to 1.
    pub own_weight: f64,
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
}

/// Is a group of measurements after shrinking.
#[derive(Clone, Debug, PartialEq)]
pub struct ShrunkGroup {
    /// Variance between the true values.
    pub between_variance: f64,
    /// Weighted mean of all.
    pub grand_mean: f64,
    /// Each measurement, in the order given.
    pub members: Vec<Shrunk>,
}

impl Shrunk {
    /// Gives mean − `z`·sd: what capital is given by.
    #[must_use]
    pub fn lower(&self, z: f64) -> f64 {
        self.mean - z * self.sd
    }

    /// Gives mean + `z`·sd: what trials are given by.
    #[must_use]
    pub fn upper(&self, z: f64) -> f64 {
        self.mean + z * self.sd
    }
}

fn weighted_mean(group: &[Measured], tau2: f64) -> (f64, f64) {
    let weights = group.iter().map(|m| 1.0 / (m.se * m.se + tau2));
    let total: f64 = weights.clone().sum();
    (weights.zip(group).map(|(w, m)| w * m.value).sum::<f64>() / total, total)
}

fn excess(group: &[Measured], tau2: f64) -> f64 {
    let (mean, _) = weighted_mean(group, tau2);
    group.iter().map(|m| (m.value - mean) * (m.value - mean) / (m.se * m.se + tau2)).sum()
}

fn usable(group: &[Measured]) -> Result<(), NotReady> {
    at_least(group.len(), 2)?;
    group.iter().try_for_each(|m| {
        check("value", m.value, true)?;
        check("standard error", m.se, m.se > 0.0).map(|_| ())
    })
}

/// Gives `τ²` by Paule and Mandel; zero where the measurements differ no more than their errors explain.
///
/// # Errors
/// Refuses errors not above zero; not ready below two measurements.
pub fn paule_mandel(group: &[Measured]) -> Result<f64, NotReady> {
    usable(group)?;
    let want = count_est(group.len()) - 1.0;
    if excess(group, 0.0) <= want {
        return Ok(0.0);
    }
    let mut high = 1e-12;
    while excess(group, high) > want {
        high *= 4.0;
        finite(high)?;
    }
    let mut low = 0.0;
    for _ in 0..BISECTIONS_MAX {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if excess(group, middle) > want { low = middle } else { high = middle }
    }
    Ok(f64::midpoint(low, high))
}

/// Gives `τ²` by DerSimonian and Laird with `Q`, the weighted squares about the mean.
///
/// # Errors
/// As [`paule_mandel`].
pub fn der_simonian_laird(group: &[Measured]) -> Result<(f64, f64), NotReady> {
    usable(group)?;
    let q = excess(group, 0.0);
    let weights = group.iter().map(|m| 1.0 / (m.se * m.se));
    let (sum, squares) = weights.fold((0.0, 0.0), |(s, s2), w| (s + w, s2 + w * w));
    let scale = sum - squares / sum;
    Ok((finite(((q - count_est(group.len()) + 1.0) / scale).max(0.0))?, finite(q)?))
}

/// Draws measurements towards their weighted mean by how much of their spread is noise.
///
/// # Errors
/// As [`paule_mandel`].
pub fn shrink(group: &[Measured]) -> Result<ShrunkGroup, NotReady> {
    let tau2 = paule_mandel(group)?;
    let (grand_mean, total) = weighted_mean(group, tau2);
    let one = |m: &Measured| {
        let own = tau2 / (tau2 + m.se * m.se);
        let rest = 1.0 - own;
        let variance = own * m.se * m.se + rest * rest / total;
        Shrunk {
            own_weight: own,
            mean: own * m.value + rest * grand_mean,
            sd: libm::sqrt(variance),
        }
    };
    finite(grand_mean)?;
    let members = group.iter().map(one).collect();
    Ok(ShrunkGroup { between_variance: tau2, grand_mean, members })
}

/// Gives the places of members by falling lower bound; ties keep their order.
#[must_use]
pub fn order_by_lower_bound(members: &[Shrunk], z: f64) -> Vec<usize> {
    let mut order: Vec<(usize, f64)> =
        members.iter().map(|member| member.lower(z)).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.into_iter().map(|(place, _)| place).collect()
}

/// Is what is known of a pair before we trade it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairModel {
    /// Price, quote currency per base; above zero.
    pub price: f64,
    /// Price volatility, quote per square-root second.
    pub sigma: f64,
    /// `A`: aggressors per second and side that reach the fair price.
    pub a_per_s: f64,
    /// `k`: decay of that rate, per quote unit of distance.
    pub k: f64,
    /// Time-weighted half-spread, quote currency.
    pub half_spread: f64,
    /// Move of the mid against a fill, bps.
    pub adverse_bps: f64,
    /// Fee of a maker fill, bps; a rebate is negative.
    pub maker_fee_bps: f64,
    /// Order size, base.
    pub lot: f64,
    /// Risk aversion, per quote unit; one for all pairs, or scores do not compare.
    pub gamma: f64,
    /// Inventory limit in lots.
    pub limit_lots: u32,
}

/// Is the score of a pair and its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelScore {
    /// Maker fee, quote per base.
    pub fee: f64,
    /// Adverse move, quote per base.
    pub adverse: f64,
    /// Half-spread less adverse move less fee, bps of the price.
    pub edge_at_touch_bps: f64,
    /// Certainty-equivalent profit, quote currency per second.
    pub rate_per_s: f64,
}

/// Scores a pair by what optimal quotes would earn on it.
///
/// # Errors
/// Refuses inputs outside the ranges of the quoting model; not finite where nothing would ever fill.
pub fn model_score(pair: &PairModel) -> Result<ModelScore, NotReady> {
    check("price", pair.price, pair.price > 0.0)?;
    check("half-spread", pair.half_spread, pair.half_spread >= 0.0)?;
    let fee = pair.maker_fee_bps * pair.price / BPS;
    let adverse = pair.adverse_bps * pair.price / BPS;
    let inputs = GlftInputs {
        sigma_est: pair.sigma,
        a_per_s_est: pair.a_per_s,
        k_est: pair.k,
        gamma_est: pair.gamma,
        xi_est: pair.gamma,
        lot_est: pair.lot,
        maker_fee_est: fee,
        // A mid that moves our way after a fill is luck of the sample, not income to count on.
        adverse_move_est: adverse.max(0.0),
    };
    let quotes = ErgodicQuotes::solve(&inputs, pair.limit_lots)
        .map_err(|_| NotReady::Input { what: "inputs of the quoting model" })?;
    let edge = pair.half_spread / pair.price * BPS - pair.adverse_bps - pair.maker_fee_bps;
    Ok(ModelScore {
        fee,
        adverse,
        edge_at_touch_bps: finite(edge)?,
        rate_per_s: finite(quotes.certainty_rate_est())?,
    })
}

/// Gives what fills earned: per second in quote currency, and that per unit of risk (`inventory_sd` in quote currency per √s,
/// as a fraction of the order's notional per fill).
///
/// # Errors
/// Refuses rates and notionals below zero, and a risk not above zero.
pub fn realised_score(
    edge_bps: f64,
    fills_per_s: f64,
    notional: f64,
    inventory_sd: f64,
) -> Result<(f64, f64), NotReady> {
    check("fills per second", fills_per_s, fills_per_s >= 0.0)?;
    check("order notional", notional, notional >= 0.0)?;
    check("inventory risk", inventory_sd, inventory_sd > 0.0)?;
    let fraction_per_s = edge_bps / BPS * fills_per_s;
    Ok((finite(fraction_per_s * notional)?, finite(fraction_per_s / inventory_sd)?))
}

/// Gives the factor by which the queue cuts the fills of the model.
///
/// # Errors
/// Refuses counts below zero.
pub fn queue_correction(observed_fills: f64, model_fills: f64) -> Result<f64, NotReady> {
    check("observed fills", observed_fills, observed_fills >= 0.0)?;
    check("model fills", model_fills, model_fills >= 0.0)?;
    finite((QUEUE_PRIOR_FILLS + observed_fills) / (QUEUE_PRIOR_FILLS + model_fills))
}

/// Tells whether a new pair is worth the place of an old one: scores per second, `switching_cost` in the unit of the score times
/// seconds, `stay_s` how long the new one is expected to keep the place.
///
/// # Errors
/// Refuses a cost below zero and a stay not above zero.
pub fn is_swap_worth(
    new: &Shrunk,
    old: &Shrunk,
    z: f64,
    switching_cost: f64,
    stay_s: f64,
) -> Result<bool, NotReady> {
    check("switching cost", switching_cost, switching_cost >= 0.0)?;
    check("expected stay", stay_s, stay_s > 0.0)?;
    Ok(new.lower(z) - old.mean > switching_cost / stay_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::tests::normal;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got =
            shrink(&[Measured { value: 1.0, se: 1.0 }, Measured { value: 3.0, se: 1.0 }]).unwrap();
        assert!((got.between_variance - 1.0).abs() < 1e-9 && (got.grand_mean - 2.0).abs() < 1e-12);
        assert!((got.members[1].mean - 2.5).abs() < 1e-9);
        assert!((got.members[0].sd - 0.75f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn measurements_that_agree_are_one_and_broken_ones_refused() {
        let same = [Measured { value: 2.0, se: 1.0 }, Measured { value: 2.1, se: 1.0 }];
        let got = shrink(&same).unwrap();
        assert_eq!((got.between_variance, got.members[0].own_weight), (0.0, 0.0));
        assert!(shrink(&same[..1]).is_err());
        assert!(shrink(&[same[0], Measured { value: 1.0, se: 0.0 }]).is_err());
    }

    #[test]
    fn the_best_of_many_noisy_edges_is_promised_no_more_than_it_has() {
        let mut random = SplitMix64::new(4);
        let (mut promised, mut raw, mut true_edge) = (0.0, 0.0, 0.0);
        for _ in 0..200 {
            let truth: Vec<f64> = (0..100).map(|_| 0.5 * normal(&mut random)).collect();
            let seen: Vec<Measured> = truth
                .iter()
                .map(|t| {
                    let se = 0.2 + 2.0 * random.next_unit_est();
                    Measured { value: t + se * normal(&mut random), se }
                })
                .collect();
            let group = shrink(&seen).unwrap();
            let best = order_by_lower_bound(&group.members, 1.0)[0];
            promised += group.members[best].mean / 200.0;
            true_edge += truth[best] / 200.0;
            raw += seen.iter().map(|m| m.value).fold(f64::MIN, f64::max) / 200.0;
        }
        assert!((promised - true_edge).abs() < 0.1, "{promised} {true_edge}");
        assert!(raw > 3.0 * true_edge, "{raw} {true_edge}");
    }

    const PAIR: PairModel = PairModel {
        price: 100.0,
        sigma: 0.02,
        a_per_s: 0.2,
        k: 30.0,
        half_spread: 0.05,
        adverse_bps: 1.0,
        maker_fee_bps: 1.0,
        lot: 1.0,
        gamma: 0.001,
        limit_lots: 10,
    };

    #[test]
    fn fees_adverse_moves_and_risk_cost_and_flow_pays() {
        let rate = |pair: PairModel| model_score(&pair).unwrap().rate_per_s;
        let base = rate(PAIR);
        assert!(base > 0.0);
        assert!(rate(PairModel { maker_fee_bps: 2.0, ..PAIR }) < base);
        assert!(rate(PairModel { adverse_bps: 2.0, ..PAIR }) < base);
        assert!(rate(PairModel { sigma: 0.05, ..PAIR }) < base);
        assert!(rate(PairModel { a_per_s: 0.4, ..PAIR }) > base);
        assert!(model_score(&PairModel { k: 0.0, ..PAIR }).is_err());
    }

    #[test]
    fn a_swap_must_pay_its_cost_over_the_stay() {
        let (old, new) = (
            Shrunk { own_weight: 0.5, mean: 1.0, sd: 0.1 },
            Shrunk { own_weight: 0.5, mean: 1.5, sd: 0.2 },
        );
        assert!(is_swap_worth(&new, &old, 1.0, 100.0, 1_000.0).unwrap());
        assert!(!is_swap_worth(&new, &old, 1.0, 100.0, 200.0).unwrap());
        assert!((queue_correction(0.0, 20.0).unwrap() - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn shrunk_means_lie_between_the_own_value_and_the_grand_mean(
            group in prop::collection::vec((-10f64..10.0, 0.1f64..5.0), 2..40),
        ) {
            let group: Vec<Measured> = group.into_iter().map(|(value, se)| Measured { value, se }).collect();
            let got = shrink(&group).unwrap();
            for (m, s) in group.iter().zip(&got.members) {
                let (low, high) = (m.value.min(got.grand_mean), m.value.max(got.grand_mean));
                prop_assert!(s.mean >= low - 1e-9 && s.mean <= high + 1e-9 && s.sd > 0.0);
                prop_assert!((0.0..=1.0).contains(&s.own_weight));
            }
        }
    }
}
