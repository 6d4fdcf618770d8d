//! Micro-price: where the mid will settle, given imbalance and spread (section 1).
//!
//! State `x` = (imbalance bucket, spread in ticks). From consecutive books, decayed counts give
//! `Q[x,y]` (next state `y`, mid unchanged), `T[x,y]` (next state `y`, mid changed) and `r[x]`, the expected mid change.
//! `G₁ = (I − Q)⁻¹ r`, `B = (I − Q)⁻¹ T`, `G* = Σ Bⁱ G₁`; micro-price `= M + G*[x]`.
//! `B` keeps probability, so the sum ends only when its long-run mean is zero: every transition is also counted mirrored
//! (bucket `i → n − 1 − i`, change of the mid with the other sign).
//! Decay without touching all counts: the weight of a new transition grows by `2^(Δt/H)`, and everything is divided by that
//! weight before it leaves the range of numbers, so an update is O(1) (amortised) and memory is O(states²).
//! Worked number: Q = [[.6, .1], [.1, .6]], T = [[.2, .1], [.1, .2]], r = ∓0.0015 gives G₁ = ∓0.003, G* = ∓0.00375.
//! Units: inside in ticks; results in quote currency. The counts weigh by event, not by time: do not feed time samples.
//! Pitfall not handled here: our own orders inside the displayed sizes.
//! Source: Stoikov (2018), "The micro-price: a high-frequency estimator of future prices".

use crate::estimate::check;
use crate::numeric::{count_est, floor_index};
use crate::{NO_DECAY, NotReady, touch_state};
use nalgebra::{DMatrix, DVector};
use remora_domain::{DurationNs, Timestamp};
use remora_quoting::Touch;

/// The most states: bounds memory and the time of a solution.
const STATES_MAX: usize = 120;
/// Terms of the sum are below this, in ticks, when it ends.
const TERM_MIN: f64 = 1e-14;
/// Terms after which the sum is given up.
const TERMS_MAX: usize = 100_000;
/// Weight of a new transition at which all counts are scaled back.
const WEIGHT_MAX: f64 = 1e60;
/// An adjustment of more ticks than this is a near-singular system, not a price.
const TICKS_MAX: f64 = 1e6;

/// Says how books become states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MicroPriceShape {
    /// Imbalance buckets, at least 2.
    pub buckets: usize,
    /// Widest spread that is a state, in ticks, at least 1. Wider books are left out.
    pub spread_ticks_max: usize,
    /// Tick, quote currency; above zero.
    pub tick: f64,
}

/// Counts transitions between book states.
#[derive(Clone, Debug, PartialEq)]
pub struct MicroPrice {
    shape: MicroPriceShape,
    half_life: DurationNs,
    weight: f64,
    stay: DMatrix<f64>,
    moved: DMatrix<f64>,
    change: DVector<f64>,
    last: Option<(usize, f64)>,
    at: Option<Timestamp>,
}

/// Holds the adjustment of every state.
#[derive(Clone, Debug, PartialEq)]
pub struct MicroPriceTable {
    shape: MicroPriceShape,
    first: Vec<f64>,
    adjustment: Vec<f64>,
    visits: Vec<f64>,
}

/// Is the solution of a chain: one number for each state.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainSolution {
    /// `G₁`: expected size of the next mid change.
    pub first: Vec<f64>,
    /// `G*`: expected sum of all mid changes.
    pub adjustment: Vec<f64>,
}

impl MicroPriceShape {
    const fn states(&self) -> usize {
        self.buckets.saturating_mul(self.spread_ticks_max)
    }

    /// Gives the place of a touch and its mid in ticks; `None` outside the states.
    fn state(&self, touch: &Touch) -> Option<(usize, f64)> {
        let seen = touch_state(touch).ok()?;
        let ticks = floor_index(seen.spread / self.tick + 0.5)?;
        let row = ticks.checked_sub(1).filter(|row| *row < self.spread_ticks_max)?;
        let bucket = floor_index(seen.imbalance? * count_est(self.buckets))?;
        Some((row * self.buckets + bucket.min(self.buckets - 1), seen.mid / self.tick))
    }

    const fn mirror(&self, state: usize) -> usize {
        let bucket = state % self.buckets;
        state - bucket + (self.buckets - 1 - bucket)
    }
}

impl MicroPrice {
    /// Starts empty. A transition counts half after `half_life`.
    ///
    /// # Errors
    /// Refuses fewer than 2 buckets, no spread, more than 120 states, and a tick that is not above zero.
    pub fn new(shape: MicroPriceShape, half_life: DurationNs) -> Result<Self, NotReady> {
        let n = shape.states();
        if shape.buckets < 2 || n == 0 || n > STATES_MAX {
            return Err(NotReady::Input { what: "number of states" });
        }
        check("tick", shape.tick, shape.tick > 0.0)?;
        Ok(Self {
            shape,
            half_life,
            weight: 1.0,
            stay: DMatrix::zeros(n, n),
            moved: DMatrix::zeros(n, n),
            change: DVector::zeros(n),
            last: None,
            at: None,
        })
    }

    /// Takes the book that holds from `now`. Older ones are ignored; crossed, unsized and too wide ones end the run, so
    /// that no transition is counted into or out of them.
    pub fn observe(&mut self, now: Timestamp, touch: &Touch) {
        let elapsed = self.at.map_or(DurationNs::ZERO, |at| now.since(at));
        if elapsed < DurationNs::ZERO {
            return;
        }
        self.at = Some(now);
        self.age(elapsed);
        let state = self.shape.state(touch);
        if let (Some((from, mid_before)), Some((to, mid))) = (self.last, state) {
            let change = mid - mid_before;
            let counts = if change.abs() > 0.25 { &mut self.moved } else { &mut self.stay };
            if let Some(count) = counts.get_mut((from, to)) {
                *count += self.weight;
            }
            if let Some(sum) = self.change.get_mut(from).filter(|_| change.abs() > 0.25) {
                *sum += self.weight * change;
            }
        }
        self.last = state;
    }

    /// Drops the last book, so that no transition is counted across a gap.
    pub const fn restart(&mut self) {
        self.last = None;
    }

    /// Solves for the adjustment of every state. Takes O(states³); meant for every few minutes.
    ///
    /// # Errors
    /// Not ready without transitions, or while some states were never seen to move the mid.
    pub fn solve(&self) -> Result<MicroPriceTable, NotReady> {
        let n = self.shape.states();
        let mirror = |x: usize| self.shape.mirror(x);
        let both = |counts: &DMatrix<f64>, x: usize, y: usize| {
            let at = |x: usize, y: usize| counts.get((x, y)).map_or(0.0, |count: &f64| *count);
            (at(x, y) + at(mirror(x), mirror(y))) / self.weight
        };
        let mut stay = DMatrix::from_fn(n, n, |x, y| both(&self.stay, x, y));
        let mut moved = DMatrix::from_fn(n, n, |x, y| both(&self.moved, x, y));
        let change = |x: usize| self.change.get(x).map_or(0.0, |sum: &f64| *sum) / self.weight;
        let mut r = DVector::from_fn(n, |x, _| change(x) - change(mirror(x)));
        let visits: Vec<f64> =
            stay.column_sum().iter().zip(moved.column_sum().iter()).map(|(a, b)| a + b).collect();
        if visits.iter().sum::<f64>() <= 0.0 {
            return Err(NotReady::NoObservation);
        }
        for (x, visits) in visits.iter().enumerate().filter(|(_, visits)| **visits > 0.0) {
            stay.row_mut(x).unscale_mut(*visits);
            moved.row_mut(x).unscale_mut(*visits);
            if let Some(r) = r.get_mut(x) {
                *r /= visits;
            }
        }
        let solved = solve_chain(&stay, &moved, &r, TERMS_MAX)?;
        let price = |ticks: Vec<f64>| ticks.into_iter().map(|g| g * self.shape.tick).collect();
        Ok(MicroPriceTable {
            shape: self.shape,
            first: price(solved.first),
            adjustment: price(solved.adjustment),
            visits,
        })
    }

    fn age(&mut self, elapsed: DurationNs) {
        if self.half_life <= DurationNs::ZERO || self.half_life == NO_DECAY {
            return;
        }
        // Beyond a thousand half-lives nothing before counts; the cap keeps the growth in range.
        let half_lives = (elapsed.as_seconds_est() / self.half_life.as_seconds_est()).min(150.0);
        self.weight *= libm::exp2(half_lives);
        if self.weight > WEIGHT_MAX {
            self.stay.unscale_mut(self.weight);
            self.moved.unscale_mut(self.weight);
            self.change.unscale_mut(self.weight);
            self.weight = 1.0;
        }
    }
}

impl MicroPriceTable {
    /// Gives the micro-price of a book, held within one spread of the touch.
    ///
    /// # Errors
    /// Refuses unusable books; not ready where the state of this book was seen less than `visits_min` times (decayed,
    /// its mirror counted with it).
    pub fn price(&self, touch: &Touch, visits_min: f64) -> Result<f64, NotReady> {
        let seen = touch_state(touch)?;
        let (state, _) =
            self.shape.state(touch).ok_or(NotReady::Input { what: "state of the book" })?;
        let (have, by) = self
            .visits
            .get(state)
            .zip(self.adjustment.get(state))
            .ok_or(NotReady::NoObservation)?;
        if *have < visits_min || *have <= 0.0 {
            return Err(NotReady::TooLittle { have: *have, want: visits_min });
        }
        Ok((seen.mid + by).clamp(touch.bid_est - seen.spread, touch.ask_est + seen.spread))
    }

    /// Gives `G*` of every state, quote currency: spread by spread, each from the lowest imbalance up.
    #[must_use]
    pub fn adjustments(&self) -> &[f64] {
        &self.adjustment
    }

    /// Gives `G₁` of every state, in the same order.
    #[must_use]
    pub fn first_changes(&self) -> &[f64] {
        &self.first
    }

    /// Gives how often every state was left (decayed, mirrored ones counted), in the same order.
    #[must_use]
    pub fn visits(&self) -> &[f64] {
        &self.visits
    }
}

/// Solves a chain of book states: `G₁ = (I − Q)⁻¹ r` and the sum of at most `terms_max` terms `Bⁱ G₁`, `B = (I − Q)⁻¹ T`.
/// The unit is that of `r`.
///
/// # Errors
/// Refuses matrices that are not square and alike; unsolvable where some states never change the mid, and where the terms do
/// not fade within `terms_max` when that is 100,000 or more.
pub fn solve_chain(
    stay: &DMatrix<f64>,
    moved: &DMatrix<f64>,
    r: &DVector<f64>,
    terms_max: usize,
) -> Result<ChainSolution, NotReady> {
    let n = r.len();
    if stay.shape() != (n, n) || moved.shape() != (n, n) {
        return Err(NotReady::Input { what: "shape of the chain" });
    }
    let unsolvable = NotReady::Unsolvable { what: "the chain of book states" };
    let lu = (DMatrix::identity(n, n) - stay).lu();
    let first = lu.solve(r).ok_or(unsolvable)?;
    let step = lu.solve(moved).ok_or(unsolvable)?;
    let (mut sum, mut term) = (first.clone(), first.clone());
    let mut terms = 1;
    while term.amax() >= TERM_MIN && terms < terms_max {
        term = &step * term;
        sum += &term;
        terms += 1;
    }
    let is_ended = term.amax() < TERM_MIN || terms_max < TERMS_MAX;
    if !(is_ended && sum.amax() <= TICKS_MAX) {
        return Err(unsolvable);
    }
    Ok(ChainSolution {
        first: first.iter().copied().collect(),
        adjustment: sum.iter().copied().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_machine::SplitMix64;

    const SHAPE: MicroPriceShape = MicroPriceShape { buckets: 4, spread_ticks_max: 1, tick: 0.01 };

    fn touch(bid_ticks: f64, bid_qty: f64, ask_qty: f64) -> Touch {
        let bid_est = bid_ticks * 0.01;
        Touch { bid_est, bid_qty_est: bid_qty, ask_est: bid_est + 0.01, ask_qty_est: ask_qty }
    }

    /// A market that moves towards the heavier side with the probability of its share.
    fn market(seed: u64, half_life: DurationNs) -> MicroPrice {
        let mut random = SplitMix64::new(seed);
        let mut prices = MicroPrice::new(SHAPE, half_life).unwrap();
        let (mut bid, mut ns) = (10_000.0, 0);
        for _ in 0..40_000 {
            let size = 0.5 + random.next_unit_est() * 9.0;
            prices.observe(Timestamp::from_ns(ns), &touch(bid, size, 10.0 - size));
            ns += 50_000_000;
            if random.next_unit_est() < 0.3 {
                bid += if random.next_unit_est() < size / 10.0 { 1.0 } else { -1.0 };
            }
        }
        prices
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let q = DMatrix::from_row_slice(2, 2, &[0.6, 0.1, 0.1, 0.6]);
        let t = DMatrix::from_row_slice(2, 2, &[0.2, 0.1, 0.1, 0.2]);
        let got = solve_chain(&q, &t, &DVector::from_row_slice(&[-0.0015, 0.0015]), TERMS_MAX);
        let got = got.unwrap();
        assert!((got.first[0] + 0.003).abs() < 1e-12);
        assert!((got.adjustment[1] - 0.00375).abs() < 1e-12);
    }

    #[test]
    fn a_planted_pull_of_the_imbalance_is_found_and_is_antisymmetric() {
        let table = market(1, DurationNs::from_s(1_000_000)).solve().unwrap();
        let g = table.adjustments();
        assert!(g[0] < g[1] && g[1] < g[2] && g[2] < g[3], "{g:?}");
        assert!((g[0] + g[3]).abs() < 1e-12 && (g[1] + g[2]).abs() < 1e-12);
        // Bucket 3 has imbalances near 0.85; the mid moves with 0.3, then to the heavier side with 0.85, and the
        // next imbalance knows nothing of this one: 0.3·(0.85 − 0.15) = 0.21 ticks.
        assert!((g[3] / 0.01 - 0.21).abs() < 0.03, "{g:?}");
    }

    #[test]
    fn the_price_stays_near_the_touch_and_unseen_states_are_not_ready() {
        let table = market(2, DurationNs::from_s(600)).solve().unwrap();
        let book = touch(10_000.0, 9.0, 1.0);
        let got = table.price(&book, 10.0).unwrap();
        assert!(got > 100.005 && got < 100.02, "{got}");
        assert!(matches!(table.price(&book, 1e9), Err(NotReady::TooLittle { .. })));
        let wide = Touch { ask_est: book.bid_est + 0.05, ..book };
        assert_eq!(table.price(&wide, 1.0), Err(NotReady::Input { what: "state of the book" }));
        let crossed = Touch { ask_est: book.bid_est, ..book };
        assert_eq!(table.price(&crossed, 1.0), Err(NotReady::Crossed));
    }

    #[test]
    fn decay_keeps_counts_in_range_and_forgets_what_is_old() {
        let fresh = market(3, DurationNs::from_ms(500)).solve().unwrap();
        let seen: f64 = fresh.visits().iter().sum();
        // Ten events per half-life: 2 (mirror) / (1 − 2^(−1/10)) = 29.9 in the long run.
        assert!((seen - 29.9).abs() < 0.1, "{seen}");
    }

    #[test]
    fn without_transitions_or_without_moves_there_is_no_table() {
        let mut prices = MicroPrice::new(SHAPE, DurationNs::from_s(60)).unwrap();
        assert_eq!(prices.solve(), Err(NotReady::NoObservation));
        for ms in 0..10 {
            prices.observe(Timestamp::from_ns(ms * 1_000_000), &touch(10_000.0, 5.0, 5.0));
        }
        assert!(matches!(prices.solve(), Err(NotReady::Unsolvable { .. })));
        let too_many = MicroPriceShape { buckets: 121, ..SHAPE };
        assert!(MicroPrice::new(too_many, DurationNs::ZERO).is_err());
    }
}
