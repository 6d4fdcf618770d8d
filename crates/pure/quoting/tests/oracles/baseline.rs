//! `avellaneda_stoikov.json`: quotes, the replay of a given path, the exact law of symmetric quotes, and simulations.

use crate::{assert_near, cases, number};
use remora_machine::SplitMix64;
use remora_quoting::{BaselineInputs, baseline_quotes};
use serde_json::Value;

/// Paths of a simulation; the oracle has 400,000.
const PATHS: u32 = 4_000;

/// Is one game of the reference scheme: quotes of the start of a step, fills with probability `A·e^(−kδ)·dt`, then the mid moves by `±σ√dt`.
#[derive(Clone, Copy)]
struct Game {
    inputs: BaselineInputs,
    a_per_s: f64,
    step: f64,
    steps: u32,
    is_symmetric: bool,
    is_full: bool,
    start: f64,
}

/// Is how a game ended.
#[derive(Default)]
struct End {
    mid: f64,
    q: f64,
    cash: f64,
    buys: u32,
    sells: u32,
}

impl End {
    fn profit(&self) -> f64 {
        self.cash + self.q * self.mid
    }
}

impl Game {
    fn of(case: &Value, steps: u32) -> Self {
        let inputs = &case["inputs"];
        let at = |name| number(inputs, name, f64::NAN);
        let strategy = inputs["strategy"].as_str().unwrap_or("symmetric");
        Self {
            inputs: BaselineInputs {
                sigma_est: at("sigma"),
                k_est: at("k"),
                gamma_est: at("gamma"),
            },
            a_per_s: at("A"),
            step: at("dt"),
            steps,
            is_symmetric: strategy == "symmetric",
            is_full: inputs["spread"] == "full",
            start: number(inputs, "s0", 100.0),
        }
    }

    /// Gives the distances of bid and ask from the mid at a step.
    fn offsets(&self, step: u32, q: f64) -> (f64, f64) {
        let left = self.step * f64::from(self.steps - step);
        let held = if self.is_symmetric { 0.0 } else { q };
        let quotes = baseline_quotes(&self.inputs, 0.0, held, left).unwrap();
        let constant = baseline_quotes(&self.inputs, 0.0, 0.0, 0.0).unwrap();
        let half = if self.is_full { quotes.spread_est } else { constant.spread_est } / 2.0;
        (half - quotes.reservation_est, half + quotes.reservation_est)
    }

    fn chance(&self, offset: f64) -> f64 {
        (self.a_per_s * (-self.inputs.k_est * offset).exp() * self.step).min(1.0)
    }

    /// Plays with what `draw` gives for each step: two numbers in [0, 1) and a sign.
    fn play(&self, mut draw: impl FnMut(u32) -> (f64, f64, f64)) -> End {
        let mut end = End { mid: self.start, ..End::default() };
        let size = self.inputs.sigma_est * self.step.sqrt();
        for step in 0..self.steps {
            let (bid, ask) = self.offsets(step, end.q);
            let (u_bid, u_ask, sign) = draw(step);
            if u_bid < self.chance(bid) {
                (end.q, end.cash, end.buys) = (end.q + 1.0, end.cash - end.mid + bid, end.buys + 1);
            }
            if u_ask < self.chance(ask) {
                (end.q, end.cash, end.sells) =
                    (end.q - 1.0, end.cash + end.mid + ask, end.sells + 1);
            }
            end.mid += sign * size;
        }
        end
    }

    /// Gives mean and standard deviation of the profit, and the standard deviation of inventory, of symmetric quotes.
    fn exact(&self) -> (f64, f64, f64) {
        let (mut mean, mut variance, mut inventory) = (0.0, 0.0, 0.0);
        let move2 = self.inputs.sigma_est * self.inputs.sigma_est * self.step;
        for step in 0..self.steps {
            let (offset, _) = self.offsets(step, 0.0);
            let p = self.chance(offset);
            mean += 2.0 * offset * p;
            inventory += 2.0 * p * (1.0 - p);
            variance += 2.0 * offset * offset * p * (1.0 - p) + move2 * inventory;
        }
        (mean, variance.sqrt(), inventory.sqrt())
    }
}

#[test]
fn baseline_quotes_agree_with_the_oracle() {
    for case in cases("avellaneda_stoikov.json", &["quotes"]) {
        let (at, expected) = (|name| number(&case["inputs"], name, f64::NAN), &case["expected"]);
        let inputs = Game::of(&case, 1).inputs;
        let got = baseline_quotes(&inputs, at("s"), at("q"), at("time_left")).unwrap();
        assert_near(&case, got.reservation_est, &expected["reservation"]);
        assert_near(&case, got.spread_est, &expected["spread"]);
        assert_near(&case, got.bid_est(), &expected["bid"]);
        assert_near(&case, got.ask_est(), &expected["ask"]);
    }
}

#[test]
fn a_given_path_is_traded_as_the_oracle_trades_it() {
    for case in cases("avellaneda_stoikov.json", &["replay"]) {
        let path = crate::text(case["inputs"]["file"].as_str().unwrap()).unwrap();
        let row =
            |line: &str| -> Vec<f64> { line.split(',').map(|x| x.parse().unwrap()).collect() };
        let rows: Vec<Vec<f64>> = path.lines().skip(1).map(row).collect();
        let game = Game::of(&case, u32::try_from(rows.len()).unwrap());
        let end = game.play(|step| {
            let row = &rows[usize::try_from(step).unwrap()];
            (row[1], row[2], row[3])
        });
        let expected = &case["expected"];
        assert_near(&case, end.mid, &expected["final_mid"]);
        assert_near(&case, end.q, &expected["final_q"]);
        assert_near(&case, end.cash, &expected["cash"]);
        assert_near(&case, end.profit(), &expected["profit"]);
        assert_near(&case, f64::from(end.buys), &expected["buys"]);
        assert_near(&case, f64::from(end.sells), &expected["sells"]);
    }
}

#[test]
fn the_exact_law_of_symmetric_quotes_agrees_with_the_oracle() {
    for case in cases("avellaneda_stoikov.json", &["symmetric_exact"]) {
        let (mean, profit_sd, inventory_sd) = Game::of(&case, 200).exact();
        assert_near(&case, mean, &case["expected"]["mean_profit"]);
        assert_near(&case, profit_sd, &case["expected"]["std_profit"]);
        assert_near(&case, inventory_sd, &case["expected"]["std_q"]);
    }
}

/// Gives mean, its error, standard deviation, and its error by the fourth moment.
fn moments(values: &[f64]) -> [f64; 4] {
    let n = f64::from(PATHS);
    let mean = values.iter().sum::<f64>() / n;
    let power = |p: i32| values.iter().map(|x| (x - mean).powi(p)).sum::<f64>() / n;
    let (second, fourth) = (power(2), power(4));
    let sd = second.sqrt();
    [mean, sd / n.sqrt(), sd, ((fourth - second * second) / n).sqrt() / (2.0 * sd)]
}

#[test]
fn simulations_agree_with_the_oracle_within_their_sampling_errors() {
    for (n, case) in (1u64..).zip(cases("avellaneda_stoikov.json", &["monte_carlo"])) {
        let game = Game::of(&case, 200);
        let mut random = SplitMix64::new(n);
        let ends: Vec<End> = (0..PATHS)
            .map(|_| {
                game.play(|_| {
                    let sign = if random.next_unit_est() < 0.5 { -1.0 } else { 1.0 };
                    (random.next_unit_est(), random.next_unit_est(), sign)
                })
            })
            .collect();
        let profit = moments(&ends.iter().map(End::profit).collect::<Vec<f64>>());
        let inventory = moments(&ends.iter().map(|end| end.q).collect::<Vec<f64>>());
        let expected = |name: &str| case["expected"][name].as_f64().unwrap();
        let rows = [
            ("mean_profit", profit[0], profit[1]),
            ("std_profit", profit[2], profit[3]),
            ("mean_q", inventory[0], inventory[1]),
            ("std_q", inventory[2], inventory[3]),
        ];
        for (name, got, se) in rows {
            let bound = 4.0 * se.hypot(expected(&format!("se_{name}")));
            let want = expected(name);
            assert!((got - want).abs() <= bound, "{name}: {got} want {want}, bound {bound}");
        }
    }
}
