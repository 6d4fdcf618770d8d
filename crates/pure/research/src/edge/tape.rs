//! The quotes of one market, cleaned.
//!
//! Crossed, locked and impossible quotes are left out and counted; quotes that run back in time refuse the market. Quotes that repeat the
//! touch before are kept as a sign of life only: the newest of them moves nothing. Exchange times, where given, tell what the recorder's
//! clock is worth: a receive time before the exchange's is a defect that is named, not mended, because only differences of receive times are
//! used and one recorder made them all. Bound: one market is held in memory, 24 bytes a quote.

use super::ms_est;
use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{BPS, FollowerTouch, median};

/// Holds the quotes of one market.
#[derive(Clone, Debug, PartialEq)]
pub struct QuoteTape {
    /// Venue and symbol, as people write it.
    pub market: String,
    /// The asset that it prices: markets of one asset are compared.
    pub base: String,
    /// Touches in the order received.
    pub quotes: Vec<FollowerTouch>,
    /// Quotes left out because bid met ask, or were no prices.
    pub unusable: u64,
    /// Middle of receive time less exchange time, milliseconds; `None` where the venue tells no time.
    pub receive_delay_ms: Option<f64>,
}

/// Says why a market is not used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TapeRefusal {
    /// Too few quotes to compare anything.
    #[error("{quotes} usable quotes, want at least {want}")]
    TooFew {
        /// What there are.
        quotes: usize,
        /// What is wanted.
        want: usize,
    },
    /// Receive times run back.
    #[error("the receive time of quote {place} is before that of the one above")]
    Unordered {
        /// Its number among the quotes of the market, from 1.
        place: u64,
    },
}

/// Fewest quotes of a market.
const QUOTES_MIN: usize = 100;
/// One delay of so many is kept for the median.
const DELAY_EVERY: u64 = 16;

/// Builds a tape from quotes as they come.
#[derive(Clone, Debug)]
pub struct TapeBuilder {
    tape: QuoteTape,
    seen: u64,
    unordered: Option<u64>,
    delays_ms: Vec<f64>,
}

impl TapeBuilder {
    /// Starts empty.
    #[must_use]
    pub fn new(market: &str, base: &str) -> Self {
        Self {
            tape: QuoteTape {
                market: market.to_owned(),
                base: base.to_owned(),
                quotes: Vec::new(),
                unusable: 0,
                receive_delay_ms: None,
            },
            seen: 0,
            unordered: None,
            delays_ms: Vec::new(),
        }
    }

    /// Takes a touch, quote currency, and when the exchange says it made it.
    pub fn quote(&mut self, at: Timestamp, bid: f64, ask: f64, exchange_time: Option<Timestamp>) {
        self.seen = self.seen.saturating_add(1);
        if let Some(made) = exchange_time.filter(|_| self.seen.is_multiple_of(DELAY_EVERY)) {
            self.delays_ms.push(ms_est(at.since(made)));
        }
        let is_usable = bid.is_finite() && ask.is_finite() && bid > 0.0 && ask > bid;
        let last = self.tape.quotes.last();
        if last.is_some_and(|last| at < last.at) {
            self.unordered = self.unordered.or(Some(self.seen));
        } else if is_usable {
            self.tape.quotes.push(FollowerTouch { at, bid, ask });
        } else {
            self.tape.unusable = self.tape.unusable.saturating_add(1);
        }
    }

    /// Gives the tape.
    ///
    /// # Errors
    /// Refuses times that run back and fewer than 100 usable quotes.
    pub fn finish(mut self) -> Result<QuoteTape, TapeRefusal> {
        if let Some(place) = self.unordered {
            return Err(TapeRefusal::Unordered { place });
        }
        let quotes = self.tape.quotes.len();
        if quotes < QUOTES_MIN {
            return Err(TapeRefusal::TooFew { quotes, want: QUOTES_MIN });
        }
        self.tape.receive_delay_ms = median(&self.delays_ms);
        Ok(self.tape)
    }
}

impl QuoteTape {
    /// Gives the instants and mids, quote currency.
    pub(super) fn mids(&self) -> Vec<(Timestamp, f64)> {
        let mid = |touch: &FollowerTouch| (touch.at, f64::midpoint(touch.bid, touch.ask));
        self.quotes.iter().map(mid).collect()
    }

    /// Gives the last log mid of every step of the clock that has one.
    pub(super) fn thinned(&self, step: DurationNs) -> Vec<(Timestamp, f64)> {
        let slot = |at: Timestamp| at.as_ns().checked_div_euclid(step.as_ns());
        let mids = self.mids();
        mids.chunk_by(|a, b| slot(a.0) == slot(b.0))
            .filter_map(|chunk| chunk.last())
            .map(|(at, mid)| (*at, libm::log(*mid)))
            .collect()
    }

    /// Gives the first and last instant.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.quotes.first()?.at, self.quotes.last()?.at))
    }

    /// Gives the middle spread, basis points.
    pub(super) fn spread_bps(&self) -> Option<f64> {
        let spread = |t: &FollowerTouch| (t.ask - t.bid) / f64::midpoint(t.bid, t.ask) * BPS;
        median(&self.quotes.iter().map(spread).collect::<Vec<_>>())
    }

    /// Gives the middle and the longest time between quotes, milliseconds.
    pub(super) fn gaps_ms(&self) -> (f64, f64) {
        let pairs = self.quotes.iter().zip(self.quotes.iter().skip(1));
        let gaps: Vec<f64> = pairs.map(|(a, b)| ms_est(b.at.since(a.at))).collect();
        (median(&gaps).unwrap_or(0.0), gaps.iter().copied().fold(0.0, f64::max))
    }
}
