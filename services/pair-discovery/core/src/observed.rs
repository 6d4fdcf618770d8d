//! What was observed of one pair.

use remora_domain::{
    BookState, BookTop, DurationNs, Instrument, Level, MarketTrade, Ticker, Timestamp,
};
use remora_estimators::{Coverage, EwmaVariance, TimeWeightedMean, TradeFlow, depth_within};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Holds what was observed of one pair. O(1) per event.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) instrument: Instrument,
    pub(crate) is_selected: bool,
    /// When it was first heard of, restarts included.
    pub(crate) known_since: Timestamp,
    first_book: Option<Timestamp>,
    /// When the newest book was received; `None` before the first.
    book_time: Option<Timestamp>,
    mid_est: Option<f64>,
    spread_bps: TimeWeightedMean,
    variance: EwmaVariance,
    flow: TradeFlow,
    volume_24h_quote_est: Option<f64>,
    /// Quote currency.
    depth: TimeWeightedMean,
    /// 1 while the book can be used, 0 while it cannot.
    health: TimeWeightedMean,
}

impl Observed {
    pub(crate) const fn new(
        instrument: Instrument,
        half_life: DurationNs,
        sample: DurationNs,
        known_since: Timestamp,
    ) -> Self {
        Self {
            instrument,
            is_selected: false,
            known_since,
            first_book: None,
            book_time: None,
            mid_est: None,
            spread_bps: TimeWeightedMean::new(half_life),
            variance: EwmaVariance::new(half_life, sample),
            flow: TradeFlow::new(half_life),
            volume_24h_quote_est: None,
            depth: TimeWeightedMean::new(half_life),
            health: TimeWeightedMean::new(half_life),
        }
    }

    /// Takes a book that was received at `time`; an unusable one pauses every estimate, so that nothing is measured
    /// across the gap.
    pub(crate) fn book(&mut self, now: Timestamp, time: Timestamp, top: &BookTop) {
        self.book_time = Some(time);
        let touch = top.best_bid().zip(top.best_ask()).filter(|_| top.state == BookState::Live);
        let Some((bid, ask)) = touch.filter(|(bid, ask)| bid.price < ask.price) else {
            return self.lose(now);
        };
        let (bid_est, ask_est) = (bid.price.to_est(), ask.price.to_est());
        let mid_est = (bid_est + ask_est) / 2.0;
        self.spread_bps.observe(now, (ask_est - bid_est) / mid_est * 1e4);
        self.depth.observe(now, depth_est(top, mid_est));
        self.health.observe(now, 1.0);
        self.variance.observe(now, mid_est);
        if self.mid_est.is_none() {
            self.flow.begin(now);
        }
        self.mid_est = Some(mid_est);
        self.first_book = self.first_book.or(Some(now));
    }

    fn lose(&mut self, now: Timestamp) {
        self.mid_est = None;
        self.first_book = None;
        self.spread_bps.pause(now);
        self.depth.pause(now);
        self.health.observe(now, 0.0);
        self.variance.restart();
        self.flow.pause(now);
    }

    pub(crate) fn trade(&mut self, now: Timestamp, trade: &MarketTrade) {
        self.flow.observe(now, trade.price.to_est() * trade.qty.to_est());
    }

    pub(crate) fn ticker(&mut self, ticker: &Ticker) {
        let value_est = ticker.vwap_24h.map(|vwap| ticker.volume_24h.to_est() * vwap.to_est());
        self.volume_24h_quote_est = value_est.filter(|value| value.is_finite());
    }

    /// Tells whether there was a book once and none can be used now.
    pub(crate) const fn is_lost(&self) -> bool {
        self.book_time.is_some() && self.mid_est.is_none()
    }

    /// Gives the mid of a usable book, in quote currency.
    pub(crate) const fn mid_est(&self) -> Option<f64> {
        self.mid_est
    }

    /// Counts a mid that held until now: a live book that is told again unchanged is calm, not missing data. One that
    /// was not told again for longer than `age_max` is lost, whatever became of the message that said so.
    pub(crate) fn sample(&mut self, now: Timestamp, age_max: DurationNs) {
        let Some(mid_est) = self.mid_est else { return };
        if self.book_time.is_none_or(|time| now.since(time) > age_max) {
            self.lose(now);
        } else {
            self.variance.observe(now, mid_est);
        }
    }

    /// Gives how long the book has been usable without a break.
    pub(crate) fn observed_for(&self, now: Timestamp) -> DurationNs {
        self.first_book.map_or(DurationNs::ZERO, |first| now.since(first))
    }

    /// Gives the time-weighted spread in basis points of the mid.
    pub(crate) fn spread_bps_est(&self, now: Timestamp) -> Option<f64> {
        self.spread_bps.estimate(now, 0.0).ok().map(|estimate| estimate.value)
    }

    /// Gives what is shown within 10 basis points of the mid on the thinner side, weighted by time, in quote currency.
    pub(crate) fn depth_quote_est(&self, now: Timestamp) -> Option<f64> {
        self.depth.estimate(now, 0.0).ok().map(|estimate| estimate.value)
    }

    /// Gives the share of the time since its first book in which its book could be used.
    pub(crate) fn feed_health_est(&self, now: Timestamp) -> Option<f64> {
        self.health.estimate(now, 0.0).ok().map(|estimate| estimate.value)
    }

    /// Gives for how many days it has been known.
    pub(crate) fn known_days_est(&self, now: Timestamp) -> f64 {
        now.since(self.known_since).as_seconds_est() / DAY_S
    }

    /// Gives the volatility in basis points per square-root minute.
    pub(crate) fn volatility_bps_est(&self) -> Option<f64> {
        let variance = self.variance.estimate(0.0).ok()?.value;
        Some(libm::sqrt(variance * 60.0) * 1e4).filter(|value| value.is_finite())
    }

    /// Gives the traded value per day in quote currency: the venue's own 24-hour figure where it was seen, otherwise
    /// what we saw, extrapolated.
    pub(crate) fn volume_day_quote_est(&self, now: Timestamp) -> Option<f64> {
        let seen = || self.flow.estimate(now, 0.0).ok().map(|flow| flow.value_per_s.value * DAY_S);
        self.volume_24h_quote_est.or_else(seen)
    }
}

/// Band in which depth is counted, basis points of the mid.
const DEPTH_BPS: f64 = 10.0;

/// Gives what the levels that are told show within the band on the thinner side, quote currency; not a number where they make no sense.
fn depth_est(top: &BookTop, mid_est: f64) -> f64 {
    let shown = |levels: &[Level]| {
        let levels: Vec<(f64, f64)> =
            levels.iter().map(|level| (level.price.to_est(), level.qty.to_est())).collect();
        // Beyond the last level that is told more may rest: what is told is the least there is.
        depth_within(&levels, mid_est, DEPTH_BPS, Coverage::Whole)
    };
    match (shown(&top.bids), shown(&top.asks)) {
        (Ok(bids), Ok(asks)) => bids.min(asks),
        (Err(_), _) | (_, Err(_)) => f64::NAN,
    }
}
