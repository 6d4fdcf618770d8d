//! One pair: what makers and takers do there.

use crate::chance::Chance;
use crate::delay::Delayed;
use crate::generator::{FlowAction, FlowEvent};
use crate::hawkes::{Hawkes, HawkesLaw};
use crate::plan::{to_est, to_units};
use crate::quotes::{Quote, Quotes};
use crate::values::Values;
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use std::sync::Arc;

/// How far a best quote may be off its distance before makers move it, as a share of the half-spread.
const TOLERANCE: f64 = 0.25;
/// How much chance moves the distance of a best quote, as a share of the half-spread.
const TOUCH_JITTER: f64 = 0.1;
/// How far beyond what makers see a taker pays, in half-spreads.
const REACH: f64 = 6.0;
/// Deviation of the logarithm of quantities: a tenth of takers is more than twice the mean.
const QTY_SIGMA: f64 = 1.0;
/// Share of takers called market orders.
const MARKET_ORDERS: f64 = 0.7;
/// Quotes that one turn of the makers adds behind the best on each side, at most.
const ADDED_MAX: usize = 3;

/// Is everything fixed about a pair.
#[derive(Clone, Debug)]
pub(crate) struct PairLaw {
    pub(crate) symbol: Arc<str>,
    /// Indexes into the assets.
    pub(crate) base: usize,
    pub(crate) quote: usize,
    /// First price, in units of the last decimal.
    pub(crate) start: f64,
    pub(crate) tick: i64,
    pub(crate) lot: i64,
    pub(crate) qty_min: i64,
    /// As a fraction of the price, as is `depth`.
    pub(crate) half_spread: f64,
    pub(crate) quotes: usize,
    pub(crate) depth: f64,
    /// In units of the last decimal, as is `taker_mean`.
    pub(crate) quote_mean: f64,
    pub(crate) taker_mean: f64,
    pub(crate) maker_interval_s: f64,
    pub(crate) takers: HawkesLaw,
    pub(crate) same_side: f64,
    pub(crate) informed: f64,
    pub(crate) ahead: DurationNs,
    pub(crate) lead: DurationNs,
}

/// Is the price as three kinds of people know it, in units of the last decimal.
#[derive(Clone, Copy, Debug)]
struct Looks {
    known: f64,
    index: f64,
    seen: f64,
}

/// Is one pair.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    law: PairLaw,
    past: Delayed,
    takers: Hawkes,
    bids: Quotes,
    asks: Quotes,
    /// Quotes believed used up; removed at the makers' next turn, in case a client was filled instead.
    used_up: Vec<u64>,
    last_taker: Side,
    last_index: Option<i64>,
    next_tag: u64,
}

impl Market {
    pub(crate) fn new(law: PairLaw) -> Self {
        Self {
            past: Delayed::new(law.ahead.saturating_add(law.lead)),
            takers: Hawkes::new(law.takers),
            bids: Quotes::new(Side::Buy),
            asks: Quotes::new(Side::Sell),
            used_up: Vec::new(),
            last_taker: Side::Buy,
            last_index: None,
            next_tag: 1,
            law,
        }
    }

    /// Gives the seconds to the makers' next turn.
    pub(crate) fn maker_wait(&self, chance: &mut Chance) -> f64 {
        chance.exponential_est(self.law.maker_interval_s)
    }

    /// Gives the seconds to the next taker.
    pub(crate) fn taker_wait(&mut self, chance: &mut Chance) -> f64 {
        self.takers.wait(chance)
    }

    fn look(&mut self, now: Timestamp, values: &mut Values) -> Looks {
        let newest = values.log_value(self.law.base, now) - values.log_value(self.law.quote, now);
        self.past.push(now, newest);
        let index_at = now.saturating_sub(self.law.ahead);
        let seen_at = index_at.saturating_sub(self.law.lead);
        let price = |log: f64| self.law.start * libm::exp(log);
        Looks {
            known: price(newest),
            index: price(self.past.at(index_at).unwrap_or(newest)),
            seen: price(self.past.at(seen_at).unwrap_or(newest)),
        }
    }

    /// Fills both sides.
    pub(crate) fn open(
        &mut self,
        now: Timestamp,
        values: &mut Values,
        chance: &mut Chance,
        out: &mut Vec<FlowEvent>,
    ) {
        let seen = self.look(now, values).seen;
        for side in [Side::Buy, Side::Sell] {
            self.add(side, seen, self.touch(chance), chance, out);
            while self.side(side).len() < self.law.quotes {
                self.add(side, seen, self.behind(chance), chance, out);
            }
        }
        self.index(now, values, out);
    }

    /// Gives the makers their turn: away with what the price has left behind, back to the touch, some change behind it.
    pub(crate) fn make(
        &mut self,
        now: Timestamp,
        values: &mut Values,
        chance: &mut Chance,
        out: &mut Vec<FlowEvent>,
    ) {
        let seen = self.look(now, values).seen;
        let mut used_up = std::mem::take(&mut self.used_up);
        for tag in used_up.drain(..) {
            out.push(self.event(FlowAction::Remove { tag }));
        }
        self.used_up = used_up;
        let half_spread = self.law.half_spread * seen;
        for side in [Side::Buy, Side::Sell] {
            while self.edge(side, seen).is_some_and(|edge| edge < half_spread * (1.0 - TOLERANCE)) {
                if self.side(side).len() == 1 {
                    // The last one goes once another is there, so that the side is never empty.
                    self.add(side, seen, self.touch(chance), chance, out);
                }
                self.withdraw(side, 0, out);
            }
        }
        for side in [Side::Buy, Side::Sell] {
            if self.edge(side, seen).is_none_or(|edge| edge > self.far(half_spread)) {
                self.add(side, seen, self.touch(chance), chance, out);
            }
            for _ in 0..ADDED_MAX {
                if self.side(side).len() < self.law.quotes {
                    self.add(side, seen, self.behind(chance), chance, out);
                }
            }
            let count = self.side(side).len();
            if count > self.law.quotes {
                self.withdraw(side, count.saturating_sub(1), out);
            }
        }
        self.replace_one(seen, chance, out);
    }

    /// Gives the distance beyond which a best quote is too far away. Rounding to ticks may add one.
    fn far(&self, half_spread: f64) -> f64 {
        half_spread * (1.0 + TOLERANCE) + to_est(self.law.tick)
    }

    /// Cancels and replaces one quote somewhere behind the best.
    fn replace_one(&mut self, seen: f64, chance: &mut Chance, out: &mut Vec<FlowEvent>) {
        let side = if chance.is_est(0.5) { Side::Buy } else { Side::Sell };
        let count = i64::try_from(self.side(side).len()).unwrap_or(i64::MAX);
        if count < 2 {
            return;
        }
        let rank = usize::try_from(chance.between(1, count - 1)).unwrap_or(1);
        self.withdraw(side, rank, out);
        self.add(side, seen, self.behind(chance), chance, out);
    }

    /// Lets one taker trade.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        values: &mut Values,
        chance: &mut Chance,
        out: &mut Vec<FlowEvent>,
    ) {
        let Looks { known, seen, .. } = self.look(now, values);
        let side = if chance.is_est(self.law.informed) {
            if known >= seen { Side::Buy } else { Side::Sell }
        } else if chance.is_est(self.law.same_side) {
            self.last_taker
        } else {
            self.last_taker.opposite()
        };
        self.last_taker = side;
        let qty = self.qty(self.law.taker_mean, chance);
        let is_market_order = chance.is_est(MARKET_ORDERS);
        let reach = seen * REACH * self.law.half_spread;
        let quotes = match side {
            Side::Buy => &mut self.asks,
            Side::Sell => &mut self.bids,
        };
        let (Some(best), Some(deepest)) = (quotes.best(), quotes.last_but_one()) else { return };
        // Never short of the best quote: a taker comes to trade.
        let limit = match side {
            Side::Buy => to_units(seen + reach).max(best.price).min(deepest),
            Side::Sell => to_units(seen - reach).min(best.price).max(deepest),
        };
        quotes.take(limit, qty, &mut self.used_up);
        let (limit, qty) = (Ticks::new(limit), Lots::new(qty));
        out.push(self.event(FlowAction::Take { side, limit, qty, is_market_order }));
    }

    /// Tells the index where it moved.
    pub(crate) fn index(&mut self, now: Timestamp, values: &mut Values, out: &mut Vec<FlowEvent>) {
        let index = to_units(libm::round(self.look(now, values).index));
        if self.last_index.replace(index) != Some(index) {
            out.push(self.event(FlowAction::Index { price: Ticks::new(index) }));
        }
    }

    /// Draws the distance of a best quote, as a fraction of the price.
    fn touch(&self, chance: &mut Chance) -> f64 {
        self.law.half_spread * (1.0 + TOUCH_JITTER * (2.0 * chance.unit_est() - 1.0))
    }

    /// Draws the distance of a quote behind the best.
    fn behind(&self, chance: &mut Chance) -> f64 {
        self.law.half_spread + chance.exponential_est(self.law.depth)
    }

    fn qty(&self, mean: f64, chance: &mut Chance) -> i64 {
        let drawn = to_units(chance.lognormal_est(mean, QTY_SIGMA)).max(self.law.qty_min);
        // Up to the lot, so that it is never below the smallest.
        drawn.saturating_add(self.law.lot - 1) / self.law.lot * self.law.lot
    }

    /// Gives how far outside of what makers see a side's best quote is; negative where it gives money away.
    fn edge(&self, side: Side, seen: f64) -> Option<f64> {
        let price = to_est(self.side(side).best()?.price);
        Some(match side {
            Side::Buy => seen - price,
            Side::Sell => price - seen,
        })
    }

    /// Adds a quote at a distance from what makers see, rounded away from it.
    fn add(
        &mut self,
        side: Side,
        seen: f64,
        distance: f64,
        chance: &mut Chance,
        out: &mut Vec<FlowEvent>,
    ) {
        let tick = to_est(self.law.tick);
        let steps = match side {
            Side::Buy => libm::floor(seen * (1.0 - distance) / tick).max(1.0),
            Side::Sell => libm::ceil(seen * (1.0 + distance) / tick),
        };
        let price = to_units(steps).saturating_mul(self.law.tick);
        let qty = self.qty(self.law.quote_mean, chance);
        let tag = self.next_tag;
        self.next_tag = self.next_tag.wrapping_add(1);
        self.side_mut(side).insert(Quote { tag, price, qty });
        let (price, qty) = (Ticks::new(price), Lots::new(qty));
        out.push(self.event(FlowAction::Add { side, price, qty, tag }));
    }

    fn withdraw(&mut self, side: Side, rank: usize, out: &mut Vec<FlowEvent>) {
        if let Some(quote) = self.side_mut(side).remove(rank) {
            out.push(self.event(FlowAction::Remove { tag: quote.tag }));
        }
    }

    fn event(&self, action: FlowAction) -> FlowEvent {
        FlowEvent { symbol: Arc::clone(&self.law.symbol), action }
    }

    const fn side(&self, side: Side) -> &Quotes {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut Quotes {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}
