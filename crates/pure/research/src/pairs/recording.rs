//! What is known of a pair, from a recording of its book and trades.
//!
//! Time-weighted: quoted spread, depth on the thinner side within 5, 10 and 25 bps of the mid. For each trade with the taker's side `d`, price
//! `p`, the last mid before it `M₀` and the last mid at or before `t + h` `M_h`: effective half-spread `d(p − M₀)/M₀`, adverse `d(M_h − M₀)/M₀`,
//! kept `d(p − M_h)/M₀` at 5 s, all weighted by value. Errors are clustered: a minute, or a twentieth of the recording where that is less,
//! is one observation. Volume a day is the recording's rate; volatility that of mids on the clock of a second. A trade without a usable book
//! before it, or after which the recording ends before the horizon, is left out and counted. Bound: one mid for each change of the book.

use super::facts::{Evidence, FactsRefusal, Figure, PairFacts};
use crate::candles::est;
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::BPS;
use std::collections::BTreeMap;

/// Bands of depth, basis points.
const BANDS_BPS: [f64; 3] = [5.0, 10.0, 25.0];
const SHORT: DurationNs = DurationNs::from_s(5);
const LONG: DurationNs = DurationNs::from_s(60);
const MINUTE: DurationNs = DurationNs::from_s(60);
const SECOND: DurationNs = DurationNs::from_s(1);
const DAY_S: f64 = 86_400.0;
/// Fewest clusters with trades: with fewer an error is a guess.
const CLUSTERS_MIN: usize = 3;

/// Is a usable book, reduced to what a card needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookSight {
    /// Best bid, quote currency.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Shown within 5, 10 and 25 basis points of the mid on the thinner side, quote currency.
    pub depth: [f64; 3],
}

impl BookSight {
    /// Reads levels (price, quantity), best first; `None` where a side is empty or bid meets ask.
    #[must_use]
    pub fn of(bids: &[(f64, f64)], asks: &[(f64, f64)]) -> Option<Self> {
        let ((bid, _), (ask, _)) = bids.first().zip(asks.first())?;
        let mid = f64::midpoint(*bid, *ask);
        if !(*bid > 0.0 && ask > bid && mid.is_finite()) {
            return None;
        }
        let within = |levels: &[(f64, f64)], band: f64| -> f64 {
            let near = levels.iter().filter(|(p, _)| (p / mid - 1.0).abs() * BPS <= band);
            near.map(|(price, qty)| price * qty).sum()
        };
        let depth = BANDS_BPS.map(|band| within(bids, band).min(within(asks, band)));
        Some(Self { bid: *bid, ask: *ask, depth })
    }

    fn mid(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }
}

#[derive(Clone, Copy, Debug)]
struct Trade {
    at: Timestamp,
    /// +1 where the taker bought.
    side: f64,
    price: f64,
    value: f64,
    mid_before: f64,
    session: usize,
}

/// Gathers facts as a recording plays.
#[derive(Clone, Debug, Default)]
pub struct RecordingFacts {
    /// First and last instant of every session; nothing is measured across two.
    sessions: Vec<(Timestamp, Timestamp)>,
    is_ended: bool,
    book: Option<(Timestamp, BookSight)>,
    seconds: f64,
    spread: f64,
    depth: [f64; 3],
    mids: Vec<(Timestamp, f64)>,
    trades: Vec<Trade>,
    volume: Vec<(Timestamp, f64)>,
    left_out: u64,
    unusable_since: Option<Timestamp>,
    unusable_seconds: f64,
}

impl RecordingFacts {
    /// Takes the book as it is from `at` on; `None` while it may not be used.
    pub fn book(&mut self, at: Timestamp, sight: Option<BookSight>) {
        self.pass(at);
        match sight {
            Some(sight) => {
                self.mids.push((at, sight.mid()));
                self.book = Some((at, sight));
                self.unusable_since = None;
            }
            None => {
                self.book = None;
                self.unusable_since = Some(at);
            }
        }
    }

    /// Takes a trade: price in quote currency, quantity in base units, whether the taker bought.
    pub fn trade(&mut self, at: Timestamp, price: f64, qty: f64, is_buy: bool) {
        self.pass(at);
        let value = price * qty;
        if !(value.is_finite() && value > 0.0) {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.volume.push((at, value));
        // A book of the same instant may be after the trade: only an older one is surely before it.
        let before = self.mids.partition_point(|(time, _)| *time < at);
        let mid = before.checked_sub(1).and_then(|place| self.mids.get(place));
        let Some((_, mid_before)) = mid.copied().filter(|_| self.book.is_some()) else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        let side = if is_buy { 1.0 } else { -1.0 };
        let session = self.sessions.len();
        self.trades.push(Trade { at, side, price, value, mid_before, session });
    }

    /// Notes that nothing changed until `at`.
    pub fn until(&mut self, at: Timestamp) {
        self.pass(at);
    }

    /// Ends a session: what comes next is another recording, however much later.
    pub fn end_session(&mut self) {
        self.is_ended = true;
        self.book = None;
        self.unusable_since = None;
    }

    /// Adds up what stood until `at`.
    fn pass(&mut self, at: Timestamp) {
        if self.is_ended || self.sessions.is_empty() {
            self.is_ended = false;
            self.sessions.push((at, at));
        }
        let Some((_, last)) = self.sessions.last_mut() else { return };
        let since = at.since(*last).as_seconds_est();
        *last = at;
        if let Some((_, sight)) = &self.book {
            self.seconds += since;
            self.spread += since * (sight.ask - sight.bid) / sight.mid() * BPS;
            for (sum, shown) in self.depth.iter_mut().zip(sight.depth) {
                *sum += since * shown;
            }
        } else if self.unusable_since.is_some() {
            self.unusable_seconds += since;
        }
    }

    /// Gives the time that was recorded.
    fn span(&self) -> DurationNs {
        let lengths = self.sessions.iter().map(|(first, last)| last.since(*first));
        lengths.fold(DurationNs::ZERO, DurationNs::saturating_add)
    }

    /// Gives the days from the first recording to the end of the last.
    fn listed_days(&self) -> f64 {
        let first = self.sessions.iter().map(|(first, _)| *first).min();
        let last = self.sessions.iter().map(|(_, last)| *last).max();
        let span = first.zip(last).map_or(DurationNs::ZERO, |(first, last)| last.since(first));
        span.as_seconds_est() / DAY_S
    }

    /// Gives the last mid, quote currency.
    #[must_use]
    pub fn last_mid(&self) -> Option<f64> {
        self.mids.last().map(|(_, mid)| *mid)
    }

    fn mid_at(&self, at: Timestamp) -> Option<f64> {
        let place = self.mids.partition_point(|(time, _)| *time <= at).checked_sub(1)?;
        self.mids.get(place).map(|(_, mid)| *mid)
    }

    fn cluster(&self, span: DurationNs) -> DurationNs {
        MINUTE.min(DurationNs::from_ns((span.as_ns() / 20).max(1)))
    }

    /// Gives the facts; `rate` is the price of the quote currency in the reporting one, `tick` the smallest price step.
    ///
    /// # Errors
    /// Refuses a recording without a usable book, or with too few trades for an error.
    pub fn finish(
        &self,
        pair: &str,
        (base, quote): (&str, &str),
        rate: f64,
        tick: Option<f64>,
    ) -> Result<PairFacts, FactsRefusal> {
        let mid = self.last_mid().filter(|_| self.seconds > 0.0).ok_or(FactsRefusal::NoBook)?;
        let span = self.span();
        let kept = self.weighted(span, SHORT, |t, after| t.side * (t.price - after))?;
        let adverse =
            |horizon| self.weighted(span, horizon, |t, after| t.side * (after - t.mid_before)).ok();
        let effective = self.weighted(span, SHORT, |t, _| t.side * (t.price - t.mid_before)).ok();
        let mut notes = Vec::new();
        if self.left_out > 0 {
            notes.push(format!("{} trades without a usable book before them", self.left_out));
        }
        notes.push(format!("volume a day is the rate of {:.0} s", span.as_seconds_est()));
        Ok(PairFacts {
            pair: pair.to_owned(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            evidence: Evidence::Recording,
            history_days: span.as_seconds_est() / DAY_S,
            coverage: self.seconds / (self.seconds + self.unusable_seconds),
            volume_day: self.volume_day(span, rate),
            effective_half_spread_bps: effective,
            adverse_5s_bps: adverse(SHORT),
            adverse_60s_bps: adverse(LONG),
            kept_bps: kept,
            spread_bps: Some(self.spread / self.seconds),
            depth: Some(self.depth.map(|sum| sum / self.seconds * rate)),
            tick_bps: tick.map(|tick| tick / mid * BPS),
            volatility_day: self.volatility(),
            change_24h_pct: None,
            has_future: None,
            status: None,
            order_min: None,
            feed_health: Some(self.seconds / (self.seconds + self.unusable_seconds)),
            listed_days: self.listed_days(),
            record: None,
            rate,
            returns: self.returns(),
            notes,
        })
    }

    /// Gives the value-weighted mean of `of(trade, mid at the horizon)/mid before`, basis points, with its clustered error.
    fn weighted(
        &self,
        span: DurationNs,
        horizon: DurationNs,
        of: impl Fn(&Trade, f64) -> f64,
    ) -> Result<Figure, FactsRefusal> {
        let length = self.cluster(span);
        let mut clusters: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for trade in &self.trades {
            let end = trade.at.saturating_add(horizon);
            let session = trade.session.checked_sub(1).and_then(|place| self.sessions.get(place));
            let is_told = session.is_some_and(|(_, last)| end <= *last);
            let Some(after) = self.mid_at(end).filter(|_| is_told) else { continue };
            let bps = of(trade, after) / trade.mid_before * BPS;
            let slot = trade.at.as_ns().checked_div_euclid(length.as_ns()).unwrap_or(0);
            let sums = clusters.entry(slot).or_default();
            sums.0 += trade.value;
            sums.1 += trade.value * bps;
        }
        if clusters.is_empty() {
            return Err(FactsRefusal::NoTrade);
        }
        if clusters.len() < CLUSTERS_MIN {
            return Err(FactsRefusal::TooFewTrades { groups: clusters.len(), want: CLUSTERS_MIN });
        }
        let weight: f64 = clusters.values().map(|(weight, _)| weight).sum();
        let value = clusters.values().map(|(_, sum)| sum).sum::<f64>() / weight;
        let groups = est(u64::try_from(clusters.len()).unwrap_or(0));
        let off = |(own, sum): &(f64, f64)| (sum - value * own) * (sum - value * own);
        let between: f64 = clusters.values().map(off).sum();
        Ok(Figure { value, se: libm::sqrt(groups / (groups - 1.0) * between) / weight })
    }

    fn volume_day(&self, span: DurationNs, rate: f64) -> Figure {
        let length = self.cluster(span);
        let slots = span.as_ns().checked_div(length.as_ns()).unwrap_or(0).max(1);
        let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
        for (at, value) in &self.volume {
            let slot = at.as_ns().checked_div_euclid(length.as_ns()).unwrap_or(0);
            *sums.entry(slot).or_default() += value;
        }
        let n = est(u64::try_from(slots).unwrap_or(1));
        let total: f64 = sums.values().sum();
        let mean = total / n;
        // Slots without a trade are zeros: they happened.
        let squares: f64 = sums.values().map(|x| x * x).sum();
        let variance = (squares - n * mean * mean).max(0.0) / (n - 1.0).max(1.0);
        let per_day = DAY_S / span.as_seconds_est() * rate;
        Figure { value: total * per_day, se: libm::sqrt(variance * n) * per_day }
    }

    /// Gives mids on the clock of a second as log returns by second.
    fn returns(&self) -> BTreeMap<i64, f64> {
        let slot = |at: Timestamp| at.as_ns().checked_div_euclid(SECOND.as_ns()).unwrap_or(0);
        let mut returns = BTreeMap::new();
        let mut before: Option<(i64, f64)> = None;
        for second in self.mids.chunk_by(|a, b| slot(a.0) == slot(b.0)) {
            let Some((at, mid)) = second.last() else { continue };
            let (now, price) = (slot(*at), libm::log(*mid));
            let is_new = |(first, _): &(Timestamp, Timestamp)| {
                before.is_some_and(|(then, _)| (then + 1..=now).contains(&slot(*first)))
            };
            if self.sessions.iter().any(is_new) {
                before = None;
            }
            if let Some((then, last)) = before {
                // Seconds without a change of the book are seconds without a move.
                for quiet in then + 1..now {
                    returns.insert(quiet, 0.0);
                }
                returns.insert(now, price - last);
            }
            before = Some((now, price));
        }
        returns
    }

    fn volatility(&self) -> f64 {
        let returns = self.returns();
        let n = est(u64::try_from(returns.len()).unwrap_or(0)).max(1.0);
        let squares: f64 = returns.values().map(|r| r * r).sum();
        libm::sqrt(squares / n * DAY_S)
    }
}
