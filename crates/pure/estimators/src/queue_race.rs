//! Which of two queues empties first, and whether an order of ours is filled before the price moves (section 8).
//!
//! Spread of one tick, sizes in average limit orders. At each side limit orders arrive at the rate `λ`, market orders at `μ`, and each resting
//! order is cancelled at the rate `θ`, all per second: a queue of `n` grows at `λ` and shrinks at `μ + nθ`. When one is empty, the mid moves its way.
//! An order of ours at place `b` is never cancelled: its place shrinks at `μ + (b − 1)θ` and never grows.
//! - `P_up(b, a)`: the ask queue `a` empties before the bid queue `b`.
//! - `P_fill(b, a)`: our bid at place `b` is filled before the ask queue `a` empties.
//! - `P_spread(b, a)`: our bid at place `b` and our ask at place `a`, last of their queues, are both filled before the mid moves. Until the first
//!   is filled the mid cannot move; then the other must win against what had queued up behind the first.
//!
//! Each is the solution of a linear system over the sizes of queues, held below a bound that is never reached in practice.
//! Heavy traffic, `λ = μ`, no cancels: `P_up(n, p) = (1/π) ∫₀^π (2 − cos t − √((2 − cos t)² − 1))^p · sin(nt)·cos(t/2)/sin(t/2) dt`.
//! Without arrivals and cancels, market orders alone: `P[N > ahead]`, `N` Poisson with mean `μ·T`.
//! Worked numbers, λ = 1.85, μ = 0.94, θ = 0.71: `P_up(2, 1)` = 0.664827, `P_fill(1, 1)` = 0.502545, `P_spread(3, 3)` = 0.440675.
//! References: Cont, Stoikov, Talreja (2010), "A stochastic model for order book dynamics"; Cont, de Larrard (2013), "Price dynamics in a Markovian
//! limit order market".

use crate::NotReady;
use crate::estimate::{check, finite};
use crate::numeric::count_est;
use nalgebra::{DMatrix, DVector};

/// Sizes of a queue that are told apart.
const SIZES: usize = 60;
/// Strips of the integral; its integrand is smooth.
const STRIPS: u32 = 4_000;

/// Is how often each side of a book changes, per second, in average limit orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueRates {
    /// `λ`: limit orders that arrive; above zero.
    pub arrivals: f64,
    /// `μ`: market orders; above zero.
    pub markets: f64,
    /// `θ`: cancels of each resting order; above zero.
    pub cancels: f64,
}

impl QueueRates {
    fn checked(&self) -> Result<(), NotReady> {
        check("rate of limit orders", self.arrivals, self.arrivals > 0.0)?;
        check("rate of market orders", self.markets, self.markets > 0.0)?;
        check("rate of cancels", self.cancels, self.cancels > 0.0).map(drop)
    }

    /// Gives how fast a queue shrinks.
    fn shrinks(&self, size: usize) -> f64 {
        self.markets + count_est(size) * self.cancels
    }

    /// Gives how fast the place of our order shrinks.
    fn advances(&self, place: usize) -> f64 {
        self.markets + (count_est(place) - 1.0) * self.cancels
    }

    /// Gives the equations of one bid queue over all ask queues, but for what moves the bid queue.
    fn block(&self, bid: usize) -> DMatrix<f64> {
        let leaves_bid = self.grows(bid) + self.shrinks(bid);
        DMatrix::from_fn(SIZES, SIZES, |i, j| {
            let ask = i + 1;
            if i == j {
                leaves_bid + self.grows(ask) + self.shrinks(ask)
            } else if j == i + 1 {
                -self.grows(ask)
            } else if j + 1 == i {
                -self.shrinks(ask)
            } else {
                0.0
            }
        })
    }

    /// Gives how fast a queue grows; not beyond the bound.
    const fn grows(&self, size: usize) -> f64 {
        if size < SIZES { self.arrivals } else { 0.0 }
    }
}

fn place(what: &'static str, n: usize) -> Result<(), NotReady> {
    if (1..SIZES).contains(&n) { Ok(()) } else { Err(NotReady::Input { what }) }
}

/// Holds `P_up` of all sizes of both queues.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRace {
    /// Row: bid queue − 1; column: ask queue − 1.
    up: DMatrix<f64>,
}

impl QueueRace {
    /// Solves for all sizes at once, in about 10⁸ operations: prepare it when rates change, not when books do.
    ///
    /// # Errors
    /// Refuses rates not above zero.
    pub fn solve(rates: &QueueRates) -> Result<Self, NotReady> {
        rates.checked()?;
        // One block for each bid queue; going down from the bound, x_b = K_b·x_{b−1} + c_b.
        let first = DVector::from_fn(SIZES, |i, _| if i == 0 { rates.shrinks(1) } else { 0.0 });
        let mut gain = DMatrix::zeros(SIZES, SIZES);
        let mut constant = DVector::zeros(SIZES);
        let mut ladder = Vec::with_capacity(SIZES);
        for bid in (1..=SIZES).rev() {
            let grows = rates.grows(bid);
            let block = rates.block(bid) - &gain * grows;
            let unsolvable = NotReady::Unsolvable { what: "the race of two queues" };
            let inverse = block.try_inverse().ok_or(unsolvable)?;
            constant = &inverse * (&first + &constant * grows);
            gain = inverse * rates.shrinks(bid);
            ladder.push((gain.clone(), constant.clone()));
        }
        // With no bids left the mid has moved down.
        let mut row = DVector::zeros(SIZES);
        let mut up = DMatrix::zeros(SIZES, SIZES);
        for (mut of_bid, (gain, constant)) in up.row_iter_mut().zip(ladder.iter().rev()) {
            row = gain * row + constant;
            of_bid.copy_from(&row.transpose());
        }
        if up.iter().all(|chance| chance.is_finite()) {
            Ok(Self { up })
        } else {
            Err(NotReady::NotFinite)
        }
    }

    /// Gives the chance that the ask queue empties first, `P_up`, with `bid` and `ask` orders in the queues.
    ///
    /// # Errors
    /// Refuses empty queues and queues of 60 or more.
    pub fn up_first(&self, bid: usize, ask: usize) -> Result<f64, NotReady> {
        place("bid queue", bid)?;
        place("ask queue", ask)?;
        self.up.get((bid - 1, ask - 1)).copied().ok_or(NotReady::NotFinite)
    }
}

/// Solves `Σ rates · x_i = below_i·x_{i−1} + above_i·x_{i+1} + given_i` for i = first to the bound, `x` before the first and after the last zero.
fn tridiagonal(rows: &[(f64, f64, f64, f64)]) -> Vec<f64> {
    let mut ratios = Vec::with_capacity(rows.len());
    let (mut ratio, mut value) = (0.0, 0.0);
    for (total, below, above, given) in rows {
        let pivot = total - below * ratio;
        (ratio, value) = (above / pivot, (given + below * value) / pivot);
        ratios.push((ratio, value));
    }
    let mut x = 0.0;
    let mut solved: Vec<f64> = ratios
        .iter()
        .rev()
        .map(|(ratio, value)| {
            x = value + ratio * x;
            x
        })
        .collect();
    solved.reverse();
    solved
}

/// Gives `P_fill(own, a)` for opposite queues of 1, 2, … orders.
fn fill_row(rates: &QueueRates, own: usize) -> Vec<f64> {
    let mut before = vec![1.0; SIZES];
    for b in 1..=own {
        let advances = rates.advances(b);
        let rows: Vec<_> = (1..=SIZES)
            .zip(&before)
            .map(|(a, nearer)| {
                let (grows, shrinks) = (rates.grows(a), rates.shrinks(a));
                (advances + grows + shrinks, shrinks, grows, advances * nearer)
            })
            .collect();
        before = tridiagonal(&rows);
    }
    before
}

/// Gives the chance that our order at place `own` is filled before the opposite queue of `opposite` orders empties, `P_fill`.
///
/// # Errors
/// Refuses rates not above zero, empty queues and queues of 60 or more.
pub fn fill_first(rates: &QueueRates, own: usize, opposite: usize) -> Result<f64, NotReady> {
    rates.checked()?;
    place("own place", own)?;
    place("opposite queue", opposite)?;
    finite(fill_row(rates, own).get(opposite - 1).copied().ok_or(NotReady::NotFinite)?)
}

/// Gives the chance that our order at place `first` is filled first and then, before the queue behind it empties, our order at place `second` of
/// the other side.
fn first_then_second(rates: &QueueRates, first: usize, second: usize) -> f64 {
    // chances[v - 1][x]: our first order `w` places from its fill, `x` orders behind it, the second `v` places from its fill.
    let mut filled: Vec<Vec<f64>> =
        (1..=second).map(|v| std::iter::once(0.0).chain(fill_row(rates, v)).collect()).collect();
    for w in 1..=first {
        let advances = rates.advances(w);
        let mut nearer_second = vec![0.0; SIZES + 1];
        let mut next = Vec::with_capacity(second);
        for (v, nearer_first) in (1..).zip(&filled) {
            let other = rates.advances(v);
            let rows: Vec<_> = (0..=SIZES)
                .zip(nearer_first.iter().zip(&nearer_second))
                .map(|(x, (by_first, by_second))| {
                    let (grows, cancels) = (rates.grows(x), count_est(x) * rates.cancels);
                    let given = advances * by_first + other * by_second;
                    (advances + other + grows + cancels, cancels, grows, given)
                })
                .collect();
            nearer_second = tridiagonal(&rows);
            next.push(nearer_second.clone());
        }
        filled = next;
    }
    filled.last().and_then(|row| row.first()).copied().unwrap_or(0.0)
}

/// Gives the chance that our bid at place `bid` and our ask at place `ask` are both filled before the mid moves, `P_spread`.
///
/// # Errors
/// Refuses rates not above zero, empty queues and queues of 60 or more.
pub fn both_filled(rates: &QueueRates, bid: usize, ask: usize) -> Result<f64, NotReady> {
    rates.checked()?;
    place("place of the bid", bid)?;
    place("place of the ask", ask)?;
    finite(first_then_second(rates, bid, ask) + first_then_second(rates, ask, bid))
}

/// Gives `P_up` in heavy traffic: arrivals balance market orders, and nothing is cancelled.
///
/// # Errors
/// Refuses empty queues and queues of 60 or more.
pub fn up_first_balanced(bid: usize, ask: usize) -> Result<f64, NotReady> {
    place("bid queue", bid)?;
    place("ask queue", ask)?;
    let (n, p) = (count_est(bid), count_est(ask));
    let integrand = |t: f64| {
        let lifted = 2.0 - libm::cos(t);
        let decay = libm::pow(lifted - libm::sqrt((lifted * lifted - 1.0).max(0.0)), p);
        // The limit at zero.
        let wave = if t > 0.0 {
            libm::sin(n * t) * libm::cos(t / 2.0) / libm::sin(t / 2.0)
        } else {
            2.0 * n
        };
        decay * wave
    };
    // Simpson's rule.
    let width = std::f64::consts::PI / f64::from(STRIPS);
    let weight = |strip: u32| match strip {
        0 | STRIPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=STRIPS).map(|i| weight(i) * integrand(width * f64::from(i))).sum();
    finite(sum * width / 3.0 / std::f64::consts::PI)
}

/// Gives the chance that more than `ahead` unit market orders come within `seconds` at `markets` per second: a filter that is quick, and too low
/// where those before us are cancelled.
///
/// # Errors
/// Refuses rates and times below zero, and more than 700 expected orders: their chances leave the range of numbers.
pub fn filled_by_markets(markets: f64, ahead: u32, seconds: f64) -> Result<f64, NotReady> {
    check("rate of market orders", markets, markets >= 0.0)?;
    check("time", seconds, seconds >= 0.0)?;
    let mean = markets * seconds;
    check("expected market orders", mean, mean <= 700.0)?;
    let mut term = libm::exp(-mean);
    let mut at_most = term;
    for n in 1..=ahead {
        term *= mean / f64::from(n);
        at_most += term;
    }
    finite((1.0 - at_most).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATES: QueueRates = QueueRates { arrivals: 1.85, markets: 0.94, cancels: 0.71 };

    #[test]
    fn the_worked_numbers_of_the_header_hold() {
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} {want}");
        near(QueueRace::solve(&RATES).unwrap().up_first(2, 1).unwrap(), 0.664_827);
        near(fill_first(&RATES, 1, 1).unwrap(), 0.502_545);
        near(both_filled(&RATES, 3, 3).unwrap(), 0.440_675);
        near(filled_by_markets(0.8, 6, 10.0).unwrap(), 0.686_626);
    }

    #[test]
    fn rates_and_queues_outside_their_range_are_refused() {
        let still = QueueRates { markets: 0.0, ..RATES };
        assert!(QueueRace::solve(&still).is_err() && fill_first(&still, 1, 1).is_err());
        assert!(fill_first(&RATES, 0, 1).is_err() && both_filled(&RATES, 1, 60).is_err());
        assert!(up_first_balanced(0, 1).is_err() && filled_by_markets(-1.0, 1, 1.0).is_err());
        assert!(filled_by_markets(1.0, 2_000, 800.0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

        #[test]
        fn longer_queues_are_slower_and_what_one_side_wins_the_other_loses(
            arrivals in 0.2f64..3.0, markets in 0.2f64..3.0, cancels in 0.1f64..2.0, bid in 1usize..8, ask in 1usize..8,
        ) {
            let rates = QueueRates { arrivals, markets, cancels };
            let race = QueueRace::solve(&rates).unwrap();
            let up = race.up_first(bid, ask).unwrap();
            prop_assert!((up + race.up_first(ask, bid).unwrap() - 1.0).abs() < 1e-9);
            prop_assert!(race.up_first(bid, ask + 1).unwrap() < up);
            prop_assert!(race.up_first(0, ask).is_err());
            let fill = fill_first(&rates, bid, ask).unwrap();
            prop_assert!(fill_first(&rates, bid + 1, ask).unwrap() < fill);
            prop_assert!(fill_first(&rates, bid, ask + 1).unwrap() > fill);
            let both = both_filled(&rates, bid, ask).unwrap();
            prop_assert!((0.0..1.0).contains(&both));
        }

        #[test]
        fn balanced_queues_are_even_and_mirror_each_other(bid in 1usize..30, ask in 1usize..30) {
            let up = up_first_balanced(bid, ask).unwrap();
            prop_assert!((up + up_first_balanced(ask, bid).unwrap() - 1.0).abs() < 1e-7);
        }
    }
}
