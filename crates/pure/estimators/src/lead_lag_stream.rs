//! Lead and lag of two live series: batches of covariations whose sums fade (section 9).
//!
//! Every batch (60 s) adds, for each lag, the `U(θ)` of the changes of X that ended in it, with the ticks of Y that such a shift
//! reaches before and after; sums of `U`, `ΣΔX²` and `ΣΔY²` fade with the half-life (30 min). Without fading the sum over batches
//! is the `U(θ)` of the whole series.
//! A batch closes when Y has ticked beyond its end by the widest lag, or one batch later when Y is silent.
//! Bound: `ticks_max` ticks of each series wait; more are refused with the batch they belong to. O(1) per tick, O(ticks · lags)
//! per batch.

use crate::NotReady;
use crate::decay::{NO_DECAY, factor, is_forgotten};
use crate::lead_lag::{LagGrid, LeadLag, TickSeries, covariation, summary};
use remora_domain::{DurationNs, Timestamp};
use std::collections::VecDeque;

type Ticks = VecDeque<(Timestamp, f64)>;

/// Says how a live estimate is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadLagSettings {
    /// Where a lead is looked for.
    pub grid: LagGrid,
    /// Length of a batch; longer than the widest lag.
    pub batch: DurationNs,
    /// Age at which a batch counts half.
    pub half_life: DurationNs,
    /// The most ticks of one series that wait.
    pub ticks_max: usize,
}

/// Estimates the lead of X over Y as both tick.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadLagStream {
    settings: LeadLagSettings,
    x: Ticks,
    y: Ticks,
    start: Option<Timestamp>,
    sums: Vec<f64>,
    variation_x: f64,
    variation_y: f64,
    gap: DurationNs,
    batches: u64,
    refused: u64,
    closed_at: Option<Timestamp>,
}

impl LeadLagStream {
    /// Starts empty.
    ///
    /// # Errors
    /// Refuses a batch not longer than the widest lag, and room for fewer than two ticks.
    pub fn new(settings: LeadLagSettings) -> Result<Self, NotReady> {
        if settings.batch <= settings.grid.reach() || settings.ticks_max < 2 {
            return Err(NotReady::Input { what: "batch" });
        }
        let sums = vec![0.0; settings.grid.lags().len()];
        Ok(Self {
            settings,
            x: Ticks::new(),
            y: Ticks::new(),
            start: None,
            sums,
            variation_x: 0.0,
            variation_y: 0.0,
            gap: DurationNs::ZERO,
            batches: 0,
            refused: 0,
            closed_at: None,
        })
    }

    /// Takes a price of X, quote currency. Prices that are not above zero and older ones are ignored.
    pub fn observe_x(&mut self, now: Timestamp, price: f64) {
        let is_taken = push(&mut self.x, now, price, self.settings.ticks_max);
        self.after(now, is_taken);
    }

    /// Takes a price of Y, as [`Self::observe_x`].
    pub fn observe_y(&mut self, now: Timestamp, price: f64) {
        let is_taken = push(&mut self.y, now, price, self.settings.ticks_max);
        self.after(now, is_taken);
    }

    /// Drops what waits, so that nothing is measured across a gap in either feed.
    pub fn restart(&mut self) {
        self.x.clear();
        self.y.clear();
        self.start = None;
    }

    /// Gives how many batches were added up, and how many refused because too many ticks came.
    #[must_use]
    pub const fn batches(&self) -> (u64, u64) {
        (self.batches, self.refused)
    }

    /// Gives when the newest batch ended.
    #[must_use]
    pub const fn as_of(&self) -> Option<Timestamp> {
        self.closed_at
    }

    /// Gives the lead as it is now.
    ///
    /// # Errors
    /// Not ready below `batches_min` batches; unsolvable where a price stood still.
    pub fn estimate(&self, batches_min: u64) -> Result<LeadLag, NotReady> {
        let (have, want) = (self.batches, batches_min.max(1));
        if have < want {
            let count = |n: u64| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
            return Err(NotReady::TooLittle { have: count(have), want: count(want) });
        }
        let grid = &self.settings.grid;
        summary(grid, &self.sums, self.variation_x, self.variation_y, self.gap.max(grid.step()))
    }

    fn after(&mut self, now: Timestamp, is_taken: bool) {
        if !is_taken {
            self.refused = self.refused.saturating_add(1);
            self.restart();
            return;
        }
        let both = self.x.front().zip(self.y.front());
        let Some(start) = self.start.or_else(|| both.map(|(x, y)| x.0.max(y.0))) else { return };
        self.start = Some(start);
        let end = start.saturating_add(self.settings.batch);
        let reached = end.saturating_add(self.settings.grid.reach());
        let is_past = |ticks: &Ticks, at: Timestamp| ticks.back().is_some_and(|(t, _)| *t >= at);
        let is_complete = is_past(&self.x, end) && is_past(&self.y, reached);
        if is_complete || now >= reached.saturating_add(self.settings.batch) {
            self.close(start, end);
            self.start = Some(end);
        }
    }

    fn close(&mut self, start: Timestamp, end: Timestamp) {
        let reach = self.settings.grid.reach();
        let inside = |ticks: &Ticks| {
            let first = ticks.partition_point(|(at, _)| *at <= start).saturating_sub(1);
            let ticks = ticks.iter().skip(first).take_while(|(at, _)| *at <= end).copied();
            TickSeries::new(ticks.collect::<Vec<_>>())
        };
        let whole = TickSeries::new(self.y.iter().copied());
        if let (Ok(x), Ok(y), Ok(around)) = (inside(&self.x), inside(&self.y), whole) {
            let half_life = self.settings.half_life;
            let elapsed = self.closed_at.map_or(DurationNs::ZERO, |at| end.since(at));
            let d = if is_forgotten(elapsed, half_life) && half_life != NO_DECAY {
                self.batches = 0;
                0.0
            } else {
                factor(elapsed, half_life)
            };
            for (sum, lag) in self.sums.iter_mut().zip(self.settings.grid.lags()) {
                *sum = *sum * d + covariation(&x, &around, *lag);
            }
            self.variation_x = self.variation_x * d + x.variation();
            self.variation_y = self.variation_y * d + y.variation();
            self.gap = x.median_gap().max(y.median_gap());
            self.batches = self.batches.saturating_add(1);
            self.closed_at = Some(end);
        }
        trim(&mut self.x, end);
        // The next batch begins with the change that spans its start.
        let next = self.x.front().map_or(end, |(at, _)| (*at).min(end));
        trim(&mut self.y, next.saturating_sub(reach));
    }
}

/// Appends a tick; tells `false` when there is no room.
fn push(ticks: &mut Ticks, now: Timestamp, price: f64, ticks_max: usize) -> bool {
    let is_old = ticks.back().is_some_and(|(at, _)| now < *at);
    if !(price.is_finite() && price > 0.0) || is_old {
        return true;
    }
    if ticks.back().is_some_and(|(at, _)| *at == now) {
        ticks.pop_back();
    }
    let has_room = ticks.len() < ticks_max;
    if has_room {
        ticks.push_back((now, libm::log(price)));
    }
    has_room
}

/// Drops ticks that no later batch reads: all but the last at or before `until`.
fn trim(ticks: &mut Ticks, until: Timestamp) {
    let gone = ticks.partition_point(|(at, _)| *at <= until).saturating_sub(1);
    ticks.drain(..gone);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead_lag::lead_lag;
    use crate::lead_lag::tests::{at_ms, normal};
    use remora_machine::SplitMix64;

    fn settings(half_life: DurationNs, ticks_max: usize) -> LeadLagSettings {
        let grid = LagGrid::symmetric(DurationNs::from_ms(500), DurationNs::from_ms(50)).unwrap();
        LeadLagSettings { grid, batch: DurationNs::from_s(5), half_life, ticks_max }
    }

    /// Prices every 20 to 60 ms; Y repeats X some steps later.
    fn market(seconds: i64, late_ms: i64) -> Vec<(i64, f64, f64)> {
        let mut random = SplitMix64::new(5);
        let mut path = vec![100.0];
        for _ in 0..seconds * 100 + 200 {
            path.push(path.last().unwrap() * libm::exp(1e-5 * normal(&mut random)));
        }
        let mut ms = 1_000;
        let mut ticks = Vec::new();
        while ms < seconds * 1_000 {
            let price = |at: i64| path[usize::try_from(at / 10).unwrap()];
            ticks.push((ms, price(ms), price(ms - late_ms)));
            ms += 20 + i64::try_from(random.next_below(40)).unwrap();
        }
        ticks
    }

    fn fed(half_life: DurationNs, ticks: &[(i64, f64, f64)]) -> LeadLagStream {
        let mut stream = LeadLagStream::new(settings(half_life, 10_000)).unwrap();
        for (ms, x, y) in ticks {
            stream.observe_x(at_ms(*ms), *x);
            stream.observe_y(at_ms(*ms), *y);
        }
        stream
    }

    #[test]
    fn without_fading_the_batches_add_up_to_the_whole_series() {
        let ticks = market(61, 200);
        let stream = fed(NO_DECAY, &ticks);
        let end = 1_000 + 5_000 * i64::try_from(stream.batches().0).unwrap();
        let series = |f: fn(&(i64, f64, f64)) -> f64, until: i64| {
            let inside = ticks.iter().filter(move |tick| tick.0 <= until);
            TickSeries::new(inside.map(|tick| (at_ms(tick.0), libm::log(f(tick))))).unwrap()
        };
        let (x, y) = (series(|t| t.1, end), series(|t| t.2, i64::MAX));
        let grid = &settings(NO_DECAY, 2).grid;
        assert_eq!(stream.batches(), (11, 0));
        for (sum, lag) in stream.sums.iter().zip(grid.lags()) {
            assert!((sum - covariation(&x, &y, *lag)).abs() < 1e-15, "{lag:?}");
        }
        let got = stream.estimate(10).unwrap();
        assert_eq!(got.peak.lag, DurationNs::from_ms(200));
        assert_eq!(got.peak.lag, lead_lag(&x, &y, grid).unwrap().peak.lag);
    }

    #[test]
    fn a_new_lead_replaces_the_old_one_as_it_fades() {
        let mut ticks = market(60, 200);
        ticks.extend(market(60, -100).into_iter().map(|(ms, x, y)| (ms + 60_000, x, y)));
        let stream = fed(DurationNs::from_s(8), &ticks);
        assert_eq!(stream.estimate(1).unwrap().peak.lag, DurationNs::from_ms(-100));
    }

    #[test]
    fn too_many_ticks_refuse_the_batch_and_memory_stays_bounded() {
        let mut stream = LeadLagStream::new(settings(NO_DECAY, 50)).unwrap();
        for (ms, x, y) in market(60, 100) {
            stream.observe_x(at_ms(ms), x);
            stream.observe_y(at_ms(ms), y);
            assert!(stream.x.len() <= 50 && stream.y.len() <= 50);
        }
        assert_eq!(stream.batches().0, 0);
        assert!(stream.batches().1 > 0);
        assert!(matches!(stream.estimate(1), Err(NotReady::TooLittle { .. })));
    }

    #[test]
    fn old_ticks_are_dropped_once_no_batch_reads_them() {
        let stream = fed(NO_DECAY, &market(60, 100));
        assert!(stream.x.len() < 400 && stream.y.len() < 400, "{}", stream.x.len());
    }
}
