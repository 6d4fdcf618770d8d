//! `multi_asset.json`: the closed form of several instruments, and the exact problem of two, solved here on its grid.

use crate::{assert_near, cases, numbers};
use nalgebra::DMatrix;
use remora_quoting::{GlftInputs, JointQuotes};
use serde_json::Value;

fn matrix(value: &Value) -> DMatrix<f64> {
    let rows: Vec<f64> = value.as_array().unwrap().iter().flat_map(numbers).collect();
    let n = value.as_array().unwrap().len();
    DMatrix::from_row_slice(n, n, &rows)
}

fn models(inputs: &Value) -> Vec<GlftInputs> {
    let gamma = inputs["gamma"].as_f64().unwrap();
    let columns = (numbers(&inputs["A"]), numbers(&inputs["k"]), numbers(&inputs["lot"]));
    let rows = columns.0.iter().zip(&columns.1).zip(&columns.2);
    rows.map(|((a, k), lot)| GlftInputs {
        sigma_est: 0.0,
        a_per_s_est: *a,
        k_est: *k,
        gamma_est: gamma,
        xi_est: gamma,
        lot_est: *lot,
        maker_fee_est: 0.0,
        adverse_move_est: 0.0,
    })
    .collect()
}

#[test]
fn joint_quotes_agree_with_the_oracle() {
    for case in cases("multi_asset.json", &["multi_asset_closed_form"]) {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let gamma = inputs["gamma"].as_f64().unwrap();
        let joint = JointQuotes::new(&models(inputs), &matrix(&inputs["Sigma"]), gamma).unwrap();
        for (i, row) in expected["quadratic_form"].as_array().unwrap().iter().enumerate() {
            for (j, want) in row.as_array().unwrap().iter().enumerate() {
                assert_near(&case, joint.skew_est()[(i, j)], want);
            }
        }
        let got = joint.offsets(&numbers(&inputs["q"])).unwrap();
        for (got, want) in got.iter().zip(expected["quotes_bid_ask"].as_array().unwrap()) {
            assert_near(&case, got.bid_est, &want[0]);
            assert_near(&case, got.ask_est, &want[1]);
        }
    }
}

#[test]
fn joint_quotes_of_one_instrument_agree_with_the_oracle() {
    for case in cases("multi_asset.json", &["single_asset_consistency"]) {
        let sigma = case["inputs"]["sigma"].as_f64().unwrap();
        let model = crate::glft::model(&case);
        let covariance = DMatrix::from_element(1, 1, sigma * sigma);
        let joint = JointQuotes::new(&[model], &covariance, model.gamma_est).unwrap();
        let got = joint.offsets(&[case["inputs"]["q"].as_f64().unwrap()]).unwrap();
        assert_near(&case, got[0].bid_est, &case["expected"]["bid_ask"][0]);
        assert_near(&case, got[0].ask_est, &case["expected"]["bid_ask"][1]);
    }
}

/// Is the exact problem of two instruments: worth `θ(q)` of every pair of inventories (lots of one unit), which follows
/// `θ' = −½γ·q'Σq + Σ (A·C/k)·e^(−k·p)`, `p` what a fill loses in worth, over both sides of both.
struct Grid {
    limit: i32,
    /// `k`, `A·C/k` and `c₁` of each.
    sides: [(f64, f64, f64); 2],
    /// `½γ·q'Σq` of every cell.
    burden: Vec<f64>,
}

impl Grid {
    fn new(inputs: &Value) -> Self {
        let limit = i32::try_from(inputs["Q_lots"].as_i64().unwrap()).unwrap();
        let (models, sigma) = (models(inputs), matrix(&inputs["Sigma"]));
        let side = |one: &GlftInputs| {
            let z = one.xi_est / one.k_est;
            let c = (-(1.0 + 1.0 / z) * z.ln_1p()).exp();
            (one.k_est, one.a_per_s_est * c / one.k_est, z.ln_1p() / one.xi_est)
        };
        let mut burden = Vec::new();
        for x in -limit..=limit {
            for y in -limit..=limit {
                let (x, y) = (f64::from(x), f64::from(y));
                let form =
                    x * x * sigma[(0, 0)] + 2.0 * x * y * sigma[(0, 1)] + y * y * sigma[(1, 1)];
                burden.push(models[0].gamma_est / 2.0 * form);
            }
        }
        Self { limit, sides: [side(&models[0]), side(&models[1])], burden }
    }

    fn place(&self, q: [i32; 2]) -> Option<usize> {
        let is_inside = q.iter().all(|n| n.abs() <= self.limit);
        let width = 2 * self.limit + 1;
        is_inside.then(|| usize::try_from((q[0] + self.limit) * width + q[1] + self.limit).unwrap())
    }

    fn slope(&self, worth: &[f64]) -> Vec<f64> {
        let mut slopes = Vec::with_capacity(worth.len());
        for x in -self.limit..=self.limit {
            for y in -self.limit..=self.limit {
                let here = slopes.len();
                let mut slope = -self.burden[here];
                for (asset, (k, gain, _)) in self.sides.iter().enumerate() {
                    for step in [-1, 1] {
                        let mut next = [x, y];
                        next[asset] += step;
                        if let Some(there) = self.place(next) {
                            slope += gain * (k * (worth[there] - worth[here])).exp();
                        }
                    }
                }
                slopes.push(slope);
            }
        }
        slopes
    }

    /// Solves back from the end, where inventory is worth fair value, by Runge and Kutta's method of fourth order.
    fn solve(&self, seconds: f64, steps: u32) -> Vec<f64> {
        let width = seconds / f64::from(steps);
        let mut worth = vec![0.0; self.burden.len()];
        let ahead = |worth: &[f64], slope: &[f64], by: f64| -> Vec<f64> {
            worth.iter().zip(slope).map(|(theta, slope)| theta + by * slope).collect()
        };
        for _ in 0..steps {
            let first = self.slope(&worth);
            let second = self.slope(&ahead(&worth, &first, width / 2.0));
            let third = self.slope(&ahead(&worth, &second, width / 2.0));
            let fourth = self.slope(&ahead(&worth, &third, width));
            for (cell, theta) in worth.iter_mut().enumerate() {
                let sum = first[cell] + 2.0 * (second[cell] + third[cell]) + fourth[cell];
                *theta += width / 6.0 * sum;
            }
        }
        worth
    }

    /// Gives bid and ask offset of each instrument.
    fn offsets(&self, worth: &[f64], q: [i32; 2]) -> Vec<(f64, f64)> {
        let here = worth[self.place(q).unwrap()];
        let loss = |asset: usize, step: i32| {
            let mut next = q;
            next[asset] += step;
            here - worth[self.place(next).unwrap()]
        };
        let each = self.sides.iter().enumerate();
        each.map(|(asset, (_, _, c1))| (c1 + loss(asset, 1), c1 + loss(asset, -1))).collect()
    }
}

#[test]
fn the_exact_problem_of_two_instruments_agrees_with_the_oracle_and_joint_quotes_come_near() {
    for case in cases("multi_asset.json", &["two_asset_hjb_grid"]) {
        let inputs = &case["inputs"];
        let grid = Grid::new(inputs);
        let worth = grid.solve(inputs["time_left"].as_f64().unwrap(), 1_000);
        let gamma = inputs["gamma"].as_f64().unwrap();
        let joint = JointQuotes::new(&models(inputs), &matrix(&inputs["Sigma"]), gamma).unwrap();
        for (q, want) in case["expected"].as_object().unwrap() {
            let q: Vec<i32> = q.split(',').map(|n| n.parse().unwrap()).collect();
            let exact = grid.offsets(&worth, [q[0], q[1]]);
            let near = joint.offsets(&[f64::from(q[0]), f64::from(q[1])]).unwrap();
            for (asset, want) in want.as_array().unwrap().iter().enumerate() {
                assert_near(&case, exact[asset].0, &want[0]);
                assert_near(&case, exact[asset].1, &want[1]);
                for (near, exact) in
                    [(near[asset].bid_est, exact[asset].0), (near[asset].ask_est, exact[asset].1)]
                {
                    assert!((near / exact - 1.0).abs() < 0.02, "{q:?}: {near} {exact}");
                }
            }
        }
    }
}
