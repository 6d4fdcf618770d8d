//! Order-flow imbalance at the touch (section 2).
//!
//! For consecutive quotes with best bid `b`, ask `a` and sizes `q_b`, `q_a`:
//! `e_n = q_b,n·1{b_n ≥ b_{n−1}} − q_b,n−1·1{b_n ≤ b_{n−1}} − q_a,n·1{a_n ≤ a_{n−1}} + q_a,n−1·1{a_n ≥ a_{n−1}}`;
//! above zero when buyers add or sellers leave. `OFI = Σ e_n` over a window; normalised `OFI/depth`, `depth` the mean
//! displayed size of one side. Decayed: `S ← d·S + e`, `W ← d·W + 1`, `D ← d·D + (q_b + q_a)/2`; answer `S·W/D`, the
//! imbalance in units of the mean depth.
//! Worked number: quotes (100, 5, 101, 7), (100, 8, 101, 7), (101, 2, 102, 4): e = 3, 9.
//! Windows: index `⌊t/window⌋` of the later quote; the open window is not an observation. The regression of the mid
//! change in ticks on `OFI` explains the same window: its R² predicts nothing.
//! Source: Cont, Kukanov, Stoikov (2014), "The price impact of order book events".

use crate::decay::{Weights, factor, is_forgotten};
use crate::{Estimate, NotReady, touch_state};
use remora_domain::{DurationNs, Timestamp};
use remora_quoting::Touch;

/// Gives `e_n`, base units: the signed change of pressure from one quote to the next.
#[must_use]
pub fn flow_increment(before: &Touch, after: &Touch) -> f64 {
    let when = |condition: bool, size: f64| if condition { size } else { 0.0 };
    when(after.bid_est >= before.bid_est, after.bid_qty_est)
        - when(after.bid_est <= before.bid_est, before.bid_qty_est)
        - when(after.ask_est <= before.ask_est, after.ask_qty_est)
        + when(after.ask_est >= before.ask_est, before.ask_qty_est)
}

/// Estimates the order-flow imbalance in units of the mean depth. O(1) per quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderFlow {
    half_life: DurationNs,
    sum: f64,
    depth: f64,
    weights: Weights,
    last: Option<(Timestamp, Touch)>,
}

impl OrderFlow {
    /// Starts empty.
    #[must_use]
    pub const fn new(half_life: DurationNs) -> Self {
        Self { half_life, sum: 0.0, depth: 0.0, weights: Weights::EMPTY, last: None }
    }

    /// Takes the quote that holds from `now` and gives `e_n`; `None` for the first, older and unusable quotes. An
    /// unusable quote ends the run: only consecutive quotes have a difference.
    pub fn observe(&mut self, now: Timestamp, touch: &Touch) -> Option<f64> {
        if touch_state(touch).is_err() {
            self.last = None;
            return None;
        }
        let Some((at, before)) = self.last else {
            self.last = Some((now, *touch));
            return None;
        };
        let elapsed = now.since(at);
        if elapsed < DurationNs::ZERO {
            return None;
        }
        if is_forgotten(elapsed, self.half_life) {
            *self = Self::new(self.half_life);
        }
        let (d, e) = (factor(elapsed, self.half_life), flow_increment(&before, touch));
        self.weights.decay(d);
        self.weights.add(1.0);
        self.sum = self.sum * d + e;
        self.depth = self.depth * d + (touch.bid_qty_est + touch.ask_qty_est) / 2.0;
        self.last = Some((now, *touch));
        Some(e)
    }

    /// Drops the last quote, so that no difference is taken across a sequence gap or a new subscription.
    pub const fn restart(&mut self) {
        self.last = None;
    }

    /// Gives the decayed imbalance divided by the mean depth of one side; unbounded, 0 is balance.
    ///
    /// # Errors
    /// Not ready below `n_eff_min` effective quotes, or where no size is shown.
    pub fn estimate(&self, n_eff_min: f64) -> Result<Estimate, NotReady> {
        let (as_of, _) = self.last.ok_or(NotReady::NoObservation)?;
        let n_eff = self.weights.n_eff();
        if n_eff < n_eff_min || n_eff <= 0.0 {
            return Err(NotReady::TooLittle { have: n_eff, want: n_eff_min });
        }
        let value = self.sum * self.weights.w / self.depth;
        Estimate { value, se: None, n_eff, as_of, half_life: self.half_life }.checked()
    }
}

/// Is one closed window of order flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowWindow {
    /// `Σ e_n`, base units.
    pub ofi: f64,
    /// Change of the mid over the same quotes, in ticks.
    pub mid_change_ticks: f64,
    /// Quotes in it.
    pub quotes: u32,
}

/// Cuts a stream of quotes into windows of order flow and mid change. O(1) per quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowWindows {
    window: DurationNs,
    tick: f64,
    open: Option<(i64, FlowWindow)>,
    last: Option<(Timestamp, Touch)>,
}

impl FlowWindows {
    /// Starts empty.
    ///
    /// # Errors
    /// Refuses a window that is no time and a tick that is not above zero.
    pub fn new(window: DurationNs, tick: f64) -> Result<Self, NotReady> {
        if window <= DurationNs::ZERO {
            return Err(NotReady::Input { what: "window" });
        }
        crate::estimate::check("tick", tick, tick > 0.0)?;
        Ok(Self { window, tick, open: None, last: None })
    }

    /// Takes a quote; gives the window that it closes. Unusable quotes end the run, older ones are ignored.
    pub fn observe(&mut self, now: Timestamp, touch: &Touch) -> Option<FlowWindow> {
        let Ok(seen) = touch_state(touch) else {
            self.restart();
            return None;
        };
        let (at, before) = self.last.replace((now, *touch))?;
        if now < at {
            self.last = Some((at, before));
            return None;
        }
        let index = now.as_ns().div_euclid(self.window.as_ns());
        let mid_before = (before.bid_est + before.ask_est) / 2.0;
        let change = (seen.mid - mid_before) / self.tick;
        let e = flow_increment(&before, touch);
        match &mut self.open {
            Some((open, window)) if *open == index => {
                window.ofi += e;
                window.mid_change_ticks += change;
                window.quotes = window.quotes.saturating_add(1);
                None
            }
            Some(_) | None => {
                let fresh = FlowWindow { ofi: e, mid_change_ticks: change, quotes: 1 };
                self.open.replace((index, fresh)).map(|(_, closed)| closed)
            }
        }
    }

    /// Drops the last quote and the open window: a window with a gap in it is not an observation.
    pub const fn restart(&mut self) {
        self.last = None;
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn touch(bid: f64, bid_qty: f64, ask: f64, ask_qty: f64) -> Touch {
        Touch { bid_est: bid, bid_qty_est: bid_qty, ask_est: ask, ask_qty_est: ask_qty }
    }

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut flow = OrderFlow::new(DurationNs::from_s(1));
        assert_eq!(flow.observe(at_ms(0), &touch(100.0, 5.0, 101.0, 7.0)), None);
        assert_eq!(flow.observe(at_ms(1), &touch(100.0, 8.0, 101.0, 7.0)), Some(3.0));
        assert_eq!(flow.observe(at_ms(2), &touch(101.0, 2.0, 102.0, 4.0)), Some(9.0));
        assert!(flow.estimate(1.0).unwrap().value > 0.0);
    }

    #[test]
    fn nothing_is_taken_across_a_gap_or_an_unusable_book() {
        let mut flow = OrderFlow::new(DurationNs::from_s(1));
        flow.observe(at_ms(0), &touch(100.0, 5.0, 101.0, 7.0));
        flow.restart();
        assert_eq!(flow.observe(at_ms(1), &touch(90.0, 5.0, 91.0, 7.0)), None);
        assert_eq!(flow.observe(at_ms(2), &touch(92.0, 5.0, 91.0, 7.0)), None);
        assert_eq!(flow.observe(at_ms(3), &touch(90.0, 5.0, 91.0, 7.0)), None);
        assert!(flow.estimate(0.0).is_err());
    }

    #[test]
    fn a_window_closes_with_the_first_quote_of_the_next() {
        let mut windows = FlowWindows::new(DurationNs::from_ms(10), 1.0).unwrap();
        assert_eq!(windows.observe(at_ms(1), &touch(100.0, 5.0, 101.0, 7.0)), None);
        assert_eq!(windows.observe(at_ms(5), &touch(100.0, 8.0, 101.0, 7.0)), None);
        let closed = windows.observe(at_ms(12), &touch(101.0, 2.0, 102.0, 4.0)).unwrap();
        assert_eq!(closed, FlowWindow { ofi: 3.0, mid_change_ticks: 0.0, quotes: 1 });
        let closed = windows.observe(at_ms(30), &touch(101.0, 2.0, 102.0, 4.0)).unwrap();
        assert_eq!(closed, FlowWindow { ofi: 9.0, mid_change_ticks: 1.0, quotes: 1 });
    }

    fn quotes() -> impl Strategy<Value = Vec<Touch>> {
        let quote = (90i32..110, 1i32..50, 1i32..4, 1i32..50).prop_map(|(bid, bq, width, aq)| {
            touch(f64::from(bid), f64::from(bq), f64::from(bid + width), f64::from(aq))
        });
        prop::collection::vec(quote, 2..60)
    }

    proptest! {
        #[test]
        fn exchanging_the_sides_turns_the_sign(quotes in quotes()) {
            let mirrored: Vec<Touch> = quotes
                .iter()
                .map(|q| touch(-q.ask_est, q.ask_qty_est, -q.bid_est, q.bid_qty_est))
                .collect();
            for (pair, other) in quotes.windows(2).zip(mirrored.windows(2)) {
                let e = flow_increment(&pair[0], &pair[1]);
                prop_assert!((e + flow_increment(&other[0], &other[1])).abs() < 1e-9);
            }
        }

        #[test]
        fn the_stream_equals_the_decayed_sum_computed_at_once(quotes in quotes()) {
            let half_life = DurationNs::from_ms(20);
            let mut flow = OrderFlow::new(half_life);
            for (ms, quote) in (0i64..).zip(&quotes) {
                flow.observe(at_ms(ms), quote);
            }
            let (mut sum, mut weight, mut depth) = (0.0, 0.0, 0.0);
            for (age, pair) in quotes.windows(2).rev().enumerate() {
                let d = libm::exp2(-f64::from(u32::try_from(age).unwrap()) / 20.0);
                sum += d * flow_increment(&pair[0], &pair[1]);
                weight += d;
                depth += d * (pair[1].bid_qty_est + pair[1].ask_qty_est) / 2.0;
            }
            let got = flow.estimate(0.0).unwrap().value;
            prop_assert!((got - sum * weight / depth).abs() < 1e-9 * (1.0 + got.abs()));
        }
    }
}
