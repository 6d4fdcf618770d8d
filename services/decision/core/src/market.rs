//! What is known of one pair's market: its definition, its touch, and the estimators fed by books and trades.

use crate::facts::Latest;
use crate::settings::DecisionConfig;
use remora_domain::{
    BookState, BookTop, DecisionReason, FeedStatus, Header, Instrument, Level, MarketTrade, Side,
    Timestamp,
};
use remora_estimators::{FillIntensity, IntensityPrior, TimeWeightedMean, TwoSpeedVolatility};
use remora_quoting::{Touch, fair_value};

/// Basis points of one.
pub(crate) const BPS: f64 = 1e4;

/// Is the two best levels of one side: the second counts where the first is our own order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ladder {
    pub(crate) best: Level,
    pub(crate) second: Option<Level>,
}

/// Is the newest book, reduced to what quoting needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Book {
    pub(crate) state: BookState,
    pub(crate) bids: Option<Ladder>,
    pub(crate) asks: Option<Ladder>,
    /// When it was received, never later than when it came here: an instant ahead of us is not freshness.
    pub(crate) time: Timestamp,
}

/// Is one aggressor's prints so far.
#[derive(Clone, Copy, Debug)]
struct Print {
    venue_time: Option<Timestamp>,
    side: Side,
    fair_est: f64,
    deepest_bps: f64,
    at: Timestamp,
}

/// Holds the market of one pair.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) instrument: Latest<Instrument>,
    book: Latest<Book>,
    trade: Latest<()>,
    fair_est: Option<f64>,
    spread_bps: TimeWeightedMean,
    volatility: TwoSpeedVolatility,
    intensity: FillIntensity,
    print: Option<Print>,
}

/// Is what the model is fed with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MarketEstimates {
    /// Quote currency.
    pub(crate) fair_est: f64,
    /// Variance of the log price per second.
    pub(crate) variance_est: f64,
    /// Decay of the fill intensity, per basis point.
    pub(crate) k_bps_est: f64,
    /// Aggressors per second and side.
    pub(crate) a_per_s_est: f64,
}

impl Market {
    pub(crate) fn new(config: &DecisionConfig) -> Self {
        let times = &config.times;
        Self {
            instrument: Latest::default(),
            book: Latest::default(),
            trade: Latest::default(),
            fair_est: None,
            spread_bps: TimeWeightedMean::new(times.spread_half_life),
            volatility: TwoSpeedVolatility::new(
                times.volatility_fast,
                times.volatility_slow,
                times.volatility_sample,
            ),
            intensity: FillIntensity::new(times.intensity_half_life, 0.0),
            print: None,
        }
    }

    /// Gives the fair value of a usable book, quote currency.
    pub(crate) const fn fair_est(&self) -> Option<f64> {
        self.fair_est
    }

    pub(crate) fn book(&self) -> Option<&Book> {
        self.book.get()
    }

    /// Takes a book unless it is a repeat or older; tells whether it was taken.
    pub(crate) fn observe_book(&mut self, now: Timestamp, header: &Header, top: &BookTop) -> bool {
        let book = Book {
            state: top.state,
            bids: ladder(&top.bids),
            asks: ladder(&top.asks),
            time: header.receive_time.unwrap_or(header.publish_time).min(now),
        };
        let touch = book.touch();
        if !self.book.set(header, book) {
            return false;
        }
        self.flush_print();
        self.fair_est = touch.as_ref().ok().and_then(|touch| fair_value(touch).ok());
        match (touch, self.fair_est) {
            (Ok(touch), Some(fair_est)) => {
                let spread = touch.ask_est - touch.bid_est;
                self.spread_bps.observe(now, spread / fair_est * BPS);
                self.volatility.observe(now, fair_est);
                self.intensity.begin(now);
            }
            (Ok(_) | Err(_), _) => {
                self.spread_bps.pause(now);
                self.volatility.restart();
                self.intensity.pause(now);
            }
        }
        true
    }

    /// Takes the state of the feed: a book that was withdrawn is withdrawn here, though its own message was lost. A
    /// state that allows its use brings no levels back. Tells whether anything changed.
    pub(crate) fn observe_state(
        &mut self,
        now: Timestamp,
        header: &Header,
        feed: &FeedStatus,
    ) -> bool {
        let is_live = self.book().is_some_and(|book| book.state == BookState::Live);
        if !is_live || feed.state == BookState::Live {
            return false;
        }
        let (instrument, state) = (feed.instrument.clone(), feed.state);
        let (bids, asks) = (Vec::new(), Vec::new());
        let top = BookTop { instrument, book_sequence: 0, state, bids, asks };
        self.observe_book(now, header, &top)
    }

    /// Takes a trade: how far from our fair value before it did its aggressor reach? Prints of one venue instant
    /// and side are one aggressor.
    pub(crate) fn observe_trade(&mut self, now: Timestamp, header: &Header, trade: &MarketTrade) {
        if !self.trade.set(header, ()) {
            return;
        }
        let (venue_time, side) = (header.venue_time, trade.taker_side);
        let is_same =
            |p: &Print| p.venue_time.is_some() && p.venue_time == venue_time && p.side == side;
        if !self.print.as_ref().is_some_and(is_same) {
            self.flush_print();
        }
        let Some(fair_est) = self.print.map_or(self.fair_est, |print| Some(print.fair_est)) else {
            return;
        };
        let beyond = match side {
            Side::Buy => trade.price.to_est() - fair_est,
            Side::Sell => fair_est - trade.price.to_est(),
        };
        let before = self.print.map_or(0.0, |print| print.deepest_bps);
        let deepest_bps = (beyond / fair_est * BPS).max(before);
        self.print = Some(Print { venue_time, side, fair_est, deepest_bps, at: now });
    }

    /// Gives what the model needs.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn estimates(
        &self,
        now: Timestamp,
        config: &DecisionConfig,
    ) -> Result<MarketEstimates, DecisionReason> {
        let fair_est = self.fair_est.ok_or(DecisionReason::BookCrossed)?;
        let spread = self.spread_bps.estimate(now, 0.0);
        let variance = self.volatility.estimate(config.volatility_n_eff_min);
        let (Ok(spread), Ok(variance)) = (spread, variance) else {
            return Err(DecisionReason::NoVolatility);
        };
        let half_spread_bps = spread.value / 2.0;
        let decay_bps =
            (config.prior_decay_half_spreads * half_spread_bps).max(config.decay_bps_min);
        // Both sides are observed together, the prior is of one.
        let prior = IntensityPrior {
            k: 1.0 / decay_bps,
            a_per_s: 2.0 * config.prior_a_per_s_est,
            weight: config.prior_weight,
        };
        let observed = self
            .intensity
            .estimate(now, config.intensity_n_eff_min)
            .and_then(|_| self.intensity.shrunk(now, prior));
        let (k, a) = match observed {
            Ok(observed) => (observed.k.value, observed.a_per_s.value),
            Err(_) => (prior.k, prior.a_per_s),
        };
        Ok(MarketEstimates {
            fair_est,
            variance_est: variance.value.max(config.variance_min_est),
            k_bps_est: k.min(1.0 / config.decay_bps_min),
            a_per_s_est: a / 2.0,
        })
    }

    fn flush_print(&mut self) {
        if let Some(print) = self.print.take() {
            self.intensity.observe(print.at, print.deepest_bps);
        }
    }
}

impl Book {
    /// Gives the touch.
    ///
    /// # Errors
    /// Says why the book may not be used.
    pub(crate) fn touch(&self) -> Result<Touch, DecisionReason> {
        match self.state {
            BookState::Invalid(_) => return Err(DecisionReason::BookInvalid),
            BookState::Live => {}
        }
        let (Some(bids), Some(asks)) = (&self.bids, &self.asks) else {
            return Err(DecisionReason::BookCrossed);
        };
        if bids.best.price >= asks.best.price {
            return Err(DecisionReason::BookCrossed);
        }
        Ok(Touch {
            bid_est: bids.best.price.to_est(),
            bid_qty_est: bids.best.qty.to_est(),
            ask_est: asks.best.price.to_est(),
            ask_qty_est: asks.best.qty.to_est(),
        })
    }
}

fn ladder(levels: &[Level]) -> Option<Ladder> {
    levels.first().map(|best| Ladder { best: *best, second: levels.get(1).copied() })
}
