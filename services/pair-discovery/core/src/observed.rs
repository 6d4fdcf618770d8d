//! What was observed of one pair.

use remora_domain::{BookState, BookTop, DurationNs, Instrument, MarketTrade, Ticker, Timestamp};
use remora_estimators::{EwmaVariance, TimeWeightedMean, TradeFlow};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Holds what was observed of one pair. O(1) per event.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) instrument: Instrument,
    pub(crate) is_selected: bool,
    first_book: Option<Timestamp>,
    /// When the newest book was received; `None` before the first.
    book_time: Option<Timestamp>,
    mid_est: Option<f64>,
    spread_bps: TimeWeightedMean,
    variance: EwmaVariance,
    flow: TradeFlow,
    volume_24h_quote_est: Option<f64>,
}

impl Observed {
    pub(crate) const fn new(
        instrument: Instrument,
        half_life: DurationNs,
        sample: DurationNs,
    ) -> Self {
        Self {
            instrument,
            is_selected: false,
            first_book: None,
            book_time: None,
            mid_est: None,
            spread_bps: TimeWeightedMean::new(half_life),
            variance: EwmaVariance::new(half_life, sample),
            flow: TradeFlow::new(half_life),
            volume_24h_quote_est: None,
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
