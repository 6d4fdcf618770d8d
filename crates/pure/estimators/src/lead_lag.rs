//! Lead and lag between two series that tick at their own times: Hayashi–Yoshida covariation with a shifted clock
//! (section 9).
//!
//! Series X and Y of log prices, ticks `s_i`, `t_j`: `U(θ) = Σ ΔX_i ΔY_j · 1{(s_{i−1}, s_i] ∩ (t_{j−1} − θ, t_j − θ] ≠ ∅}`,
//! `ρ(θ) = U(θ)/√(ΣΔX²·ΣΔY²)`. **θ > 0: X leads Y by θ.** Intervals that touch do not overlap. `θ̂ = argmax |U|`, ties to the smaller
//! `|θ|`. Lead–lag ratio `LLR = Σ_{θ>0}ρ²/Σ_{θ<0}ρ²`. Peak to floor: `|ρ(θ̂)|` over the root mean square of `ρ` more than 300 ms from `θ̂`.
//! The inner sum telescopes to `Y(first tick ≥ s_i + θ) − Y(last tick ≤ s_{i−1} + θ)`: O(N + M) for each lag.
//! Worked number: X moves by 1 in (0, 1], Y by 1 in (2, 3] s: U(0) = 0, U(2 s) = 1.
//! There is no limit theorem for `θ̂`: its resolution is the grid step or the median gap between ticks, the larger of both.
//! Pitfalls: clocks of two venues differ (order by receive time to trade on it); quotes, not trades; a throttled feed fakes lags.
//! Sources: Hayashi, Yoshida (2005); Hoffmann, Rosenbaum, Yoshida (2013); Huth, Abergel (2014).

use crate::NotReady;
use crate::estimate::{at_least, finite};
use crate::numeric::count_est;
use remora_domain::{DurationNs, Timestamp};

/// `ρ` nearer to the peak than this is not floor.
const PEAK_WIDTH: DurationNs = DurationNs::from_ms(300);
/// The most lags of a grid: bounds time and memory.
const LAGS_MAX: usize = 4_001;

/// Holds log prices at rising instants.
#[derive(Clone, Debug, PartialEq)]
pub struct TickSeries {
    times: Vec<i64>,
    values: Vec<f64>,
}

impl TickSeries {
    /// Takes (instant, log price) in the order of time; of several at one instant the last counts.
    ///
    /// # Errors
    /// Refuses times that run back and values that are not finite; not ready below two instants.
    pub fn new(ticks: impl IntoIterator<Item = (Timestamp, f64)>) -> Result<Self, NotReady> {
        let mut series = Self { times: Vec::new(), values: Vec::new() };
        for (at, value) in ticks {
            let (at, last) = (at.as_ns(), series.times.last().copied());
            if !value.is_finite() || last.is_some_and(|last| at < last) {
                return Err(NotReady::Input { what: "order or value of ticks" });
            }
            if last == Some(at) {
                series.values.pop();
            } else {
                series.times.push(at);
            }
            series.values.push(value);
        }
        at_least(series.times.len(), 2)?;
        Ok(series)
    }

    /// Gives `Σ Δ²`, squared log units.
    #[must_use]
    pub fn variation(&self) -> f64 {
        self.changes().map(|change| change * change).sum()
    }

    /// Gives the middle time between ticks.
    #[must_use]
    pub fn median_gap(&self) -> DurationNs {
        let mut gaps: Vec<i64> = self
            .times
            .iter()
            .zip(self.times.iter().skip(1))
            .map(|(a, b)| b.saturating_sub(*a))
            .collect();
        gaps.sort_unstable();
        DurationNs::from_ns(gaps.get(gaps.len() / 2).copied().unwrap_or(0))
    }

    /// Gives how many instants it holds.
    #[must_use]
    pub const fn ticks(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().zip(self.values.iter().skip(1)).map(|(a, b)| b - a)
    }

    /// Gives every change with the time it took, in nanoseconds.
    pub(crate) fn steps(&self) -> Vec<(i64, f64)> {
        let gaps = self.times.iter().zip(self.times.iter().skip(1));
        gaps.map(|(a, b)| b.saturating_sub(*a)).zip(self.changes()).collect()
    }

    /// Gives a series with the same start but other steps.
    pub(crate) fn with_steps(&self, steps: &[(i64, f64)]) -> Self {
        let mut at = self.times.first().copied().unwrap_or(0);
        let mut value = self.values.first().copied().unwrap_or(0.0);
        let mut series = Self { times: vec![at], values: vec![value] };
        for (gap, change) in steps {
            (at, value) = (at.saturating_add(*gap), value + change);
            series.times.push(at);
            series.values.push(value);
        }
        series
    }
}

/// Gives `U(θ)`, squared log units, for `lag` = θ: the covariation of `x` and `y` with the clock of `y` moved back by it.
#[must_use]
pub fn covariation(x: &TickSeries, y: &TickSeries, lag: DurationNs) -> f64 {
    let last = y.times.len().saturating_sub(1);
    let (mut low, mut high, mut sum) = (0, 0, 0.0);
    let starts = x.times.iter().zip(&x.values);
    for ((from, before), (to, after)) in starts.clone().zip(starts.skip(1)) {
        let (from, to) = (from.saturating_add(lag.as_ns()), to.saturating_add(lag.as_ns()));
        while y.times.get(low + 1).is_some_and(|t| *t <= from) {
            low += 1;
        }
        while high < last && y.times.get(high).is_some_and(|t| *t < to) {
            high += 1;
        }
        if let Some((start, end)) = y.values.get(low).zip(y.values.get(high)) {
            sum += (after - before) * (end - start);
        }
    }
    sum
}

/// Holds the lags at which a relation is looked for, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LagGrid {
    lags: Vec<DurationNs>,
    step: DurationNs,
}

impl LagGrid {
    /// Makes the grid `−reach, …, −step, 0, step, …, reach`.
    ///
    /// # Errors
    /// Refuses a step that is no time, a reach below it, and more than 4,001 lags.
    pub fn symmetric(reach: DurationNs, step: DurationNs) -> Result<Self, NotReady> {
        let each_side = reach.as_ns().checked_div(step.as_ns()).unwrap_or(0);
        let is_usable = step > DurationNs::ZERO
            && each_side >= 1
            && usize::try_from(each_side).is_ok_and(|n| n <= LAGS_MAX / 2);
        if !is_usable {
            return Err(NotReady::Input { what: "lag grid" });
        }
        let lags = (-each_side..=each_side).map(|i| step.saturating_mul(i)).collect();
        Ok(Self { lags, step })
    }

    /// Gives the lags, ascending.
    #[must_use]
    pub fn lags(&self) -> &[DurationNs] {
        &self.lags
    }

    pub(crate) fn reach(&self) -> DurationNs {
        self.lags.last().copied().unwrap_or(DurationNs::ZERO)
    }

    pub(crate) const fn step(&self) -> DurationNs {
        self.step
    }
}

/// Is one point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LagPoint {
    /// θ; above zero where X leads.
    pub lag: DurationNs,
    /// `ρ(θ)`; between −1 and 1 up to sampling noise.
    pub rho: f64,
}

/// Is what the curve says.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadLag {
    /// Every lag of the grid, ascending.
    pub curve: Vec<LagPoint>,
    /// `θ̂` with its correlation.
    pub peak: LagPoint,
    /// Correlation without a shift.
    pub rho_zero: f64,
    /// `LLR`; above 1 where X leads. `None` without any correlation at negative lags.
    pub ratio: Option<f64>,
    /// Root mean square of `ρ` away from the peak; `None` where the grid ends too near to it.
    pub floor: Option<f64>,
    /// `|ρ(θ̂)|` over the floor.
    pub peak_to_floor: Option<f64>,
    /// What `θ̂` is known to: the grid step or the median gap between ticks, the larger.
    pub resolution: DurationNs,
}

/// Estimates the lead of `x` over `y`.
///
/// # Errors
/// Unsolvable where a series stands still.
pub fn lead_lag(x: &TickSeries, y: &TickSeries, grid: &LagGrid) -> Result<LeadLag, NotReady> {
    let sums: Vec<f64> = grid.lags.iter().map(|lag| covariation(x, y, *lag)).collect();
    let gap = x.median_gap().max(y.median_gap());
    summary(grid, &sums, x.variation(), y.variation(), gap)
}

/// Reads the curve of covariations.
pub(crate) fn summary(
    grid: &LagGrid,
    sums: &[f64],
    variation_x: f64,
    variation_y: f64,
    gap: DurationNs,
) -> Result<LeadLag, NotReady> {
    let scale = libm::sqrt(variation_x * variation_y);
    if scale <= 0.0 {
        return Err(NotReady::Unsolvable { what: "the lead of a price that stands still" });
    }
    let point = |(lag, sum): (&DurationNs, &f64)| LagPoint { lag: *lag, rho: sum / scale };
    let curve: Vec<LagPoint> = grid.lags.iter().zip(sums).map(point).collect();
    let nearer = |lag: DurationNs| lag.as_ns().abs();
    let peak = curve
        .iter()
        .copied()
        .reduce(|best, at| {
            let order = at.rho.abs().total_cmp(&best.rho.abs());
            let is_better = order.is_gt() || order.is_eq() && nearer(at.lag) < nearer(best.lag);
            if is_better { at } else { best }
        })
        .ok_or(NotReady::NoObservation)?;
    finite(peak.rho)?;
    let squares = |is_in: &dyn Fn(DurationNs) -> bool| {
        let rhos = curve.iter().filter(|at| is_in(at.lag)).map(|at| at.rho * at.rho);
        rhos.fold((0.0, 0), |(sum, n), square| (sum + square, n + 1))
    };
    let (ahead, _) = squares(&|lag| lag > DurationNs::ZERO);
    let (behind, _) = squares(&|lag| lag < DurationNs::ZERO);
    let (away, n) = squares(&|lag| {
        DurationNs::from_ns(lag.as_ns().abs_diff(peak.lag.as_ns()).try_into().unwrap_or(i64::MAX))
            > PEAK_WIDTH
    });
    let floor = (n > 0 && away > 0.0).then(|| libm::sqrt(away / count_est(n)));
    let rho_zero = curve.iter().find(|at| at.lag == DurationNs::ZERO).map_or(0.0, |at| at.rho);
    Ok(LeadLag {
        peak,
        rho_zero,
        ratio: Some(ahead / behind).filter(|ratio| ratio.is_finite()),
        floor,
        peak_to_floor: floor.map(|floor| peak.rho.abs() / floor),
        resolution: grid.step.max(gap),
        curve,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_machine::SplitMix64;

    pub(crate) fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_ns(ms * 1_000_000)
    }

    pub(crate) fn normal(random: &mut SplitMix64) -> f64 {
        (0..12).map(|_| random.next_unit_est()).sum::<f64>() - 6.0
    }

    /// Two paths of `seconds` on a 10 ms clock with correlation `rho`, Y repeating X `lag_ms` later, each seen at random
    /// instants (`per_minute` times).
    pub(crate) fn pair(
        seed: u64,
        seconds: usize,
        lag_ms: i64,
        rho: f64,
        per_minute: [f64; 2],
    ) -> (TickSeries, TickSeries) {
        let mut random = SplitMix64::new(seed);
        let steps = seconds * 100;
        let shift = usize::try_from(lag_ms.abs() / 10).unwrap();
        let common: Vec<f64> = (0..steps + shift).map(|_| normal(&mut random)).collect();
        // The series that follows reads the common part `shift` steps late.
        let (offset_x, offset_y) = if lag_ms >= 0 { (shift, 0) } else { (0, shift) };
        let own = (1.0 - rho).sqrt();
        let mut path = |offset: usize, per_minute: f64| {
            let mut value = 0.0;
            let mut ticks = Vec::new();
            for step in 0..steps {
                value += 1e-5 * (rho.sqrt() * common[step + offset] + own * normal(&mut random));
                if random.next_unit_est() < per_minute / 6_000.0 {
                    ticks.push((at_ms(i64::try_from(step).unwrap() * 10), value));
                }
            }
            TickSeries::new(ticks).unwrap()
        };
        (path(offset_x, per_minute[0]), path(offset_y, per_minute[1]))
    }

    fn grid() -> LagGrid {
        LagGrid::symmetric(DurationNs::from_s(1), DurationNs::from_ms(20)).unwrap()
    }

    fn naive(x: &TickSeries, y: &TickSeries, lag: i64) -> f64 {
        let mut sum = 0.0;
        for i in 1..x.times.len() {
            for j in 1..y.times.len() {
                let overlaps =
                    x.times[i - 1] < y.times[j] - lag && y.times[j - 1] - lag < x.times[i];
                if overlaps {
                    sum += (x.values[i] - x.values[i - 1]) * (y.values[j] - y.values[j - 1]);
                }
            }
        }
        sum
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let x = TickSeries::new([(at_ms(0), 0.0), (at_ms(1_000), 1.0)]).unwrap();
        let y = TickSeries::new([(at_ms(2_000), 0.0), (at_ms(3_000), 1.0)]).unwrap();
        assert_eq!(covariation(&x, &y, DurationNs::ZERO), 0.0);
        assert_eq!(covariation(&x, &y, DurationNs::from_s(2)), 1.0);
    }

    #[test]
    fn planted_leads_of_200_ms_are_found_in_20_of_20_runs() {
        for seed in 0..20 {
            let (x, y) = pair(seed, 300, 200, 0.6, [1_500.0, 800.0]);
            let got = lead_lag(&x, &y, &grid()).unwrap();
            let off = (got.peak.lag.as_ms() - 200).abs();
            assert!(off <= 40 && got.ratio.unwrap() > 1.25, "seed {seed}: {:?}", got.peak);
        }
    }

    #[test]
    fn exchanging_the_series_turns_the_lead() {
        let (x, y) = pair(3, 300, -120, 0.8, [900.0, 900.0]);
        let (here, there) =
            (lead_lag(&x, &y, &grid()).unwrap(), lead_lag(&y, &x, &grid()).unwrap());
        assert!(here.peak.lag < DurationNs::ZERO);
        assert_eq!(here.peak.lag.as_ns(), -there.peak.lag.as_ns());
        assert!((here.peak.rho - there.peak.rho).abs() < 1e-12);
        assert!((here.ratio.unwrap() * there.ratio.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn unordered_short_and_still_series_are_refused() {
        let back = TickSeries::new([(at_ms(5), 0.0), (at_ms(4), 1.0)]);
        assert!(matches!(back, Err(NotReady::Input { .. })));
        let one = TickSeries::new([(at_ms(5), 0.0), (at_ms(5), 1.0)]);
        assert!(matches!(one, Err(NotReady::TooLittle { .. })));
        let still = TickSeries::new([(at_ms(0), 1.0), (at_ms(9), 1.0)]).unwrap();
        assert!(matches!(lead_lag(&still, &still, &grid()), Err(NotReady::Unsolvable { .. })));
        assert!(LagGrid::symmetric(DurationNs::from_s(1), DurationNs::ZERO).is_err());
        assert!(LagGrid::symmetric(DurationNs::from_s(9_999), DurationNs::from_ms(1)).is_err());
    }

    fn series() -> impl Strategy<Value = TickSeries> {
        prop::collection::vec((1i64..400, -1f64..1.0), 2..40).prop_map(|steps| {
            let mut ms = 0;
            TickSeries::new(steps.into_iter().map(|(step, value)| {
                ms += step;
                (at_ms(ms), value)
            }))
            .unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_telescoped_sum_equals_every_overlap_counted(x in series(), y in series(), ms in -2_000i64..2_000) {
            let lag = DurationNs::from_ms(ms);
            let (got, want) = (covariation(&x, &y, lag), naive(&x, &y, lag.as_ns()));
            prop_assert!((got - want).abs() < 1e-9);
        }
    }
}
