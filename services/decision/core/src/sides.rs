//! From targets to the fewest changes: which orders to take back, which to ask for, and when to look again.

use crate::core::DecisionCore;
use crate::orders::{Order, Stage};
use crate::publish::Outputs;
use crate::settings::Times;
use crate::target::{Quotes, cancel_reason};
use remora_domain::{
    CancelReason, ClOrdId, DecisionReason, DurationNs, Header, Instrument, InstrumentKey,
    QuoteTarget, Side, Timestamp,
};

/// A target that moved less than this share of the half-spread keeps the order and its queue place (section 6 of
/// the methods).
const REPLACE_PRICE_FRAC: f64 = 0.10;
/// A size that changed less than this keeps the order (section 6).
const REPLACE_SIZE_FRAC: f64 = 0.20;

/// After a refused change of an order so long none is asked for; it doubles up to the second.
const AMEND_PAUSE: DurationNs = DurationNs::from_s(1);
const AMEND_PAUSE_MAX: DurationNs = DurationNs::from_s(64);

/// Is what is remembered of one side of a pair between decisions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SideState {
    requested_at: Option<Timestamp>,
    paused_until: Option<Timestamp>,
    refusals: u32,
    /// Until then orders are taken back and asked for anew, because to change one was refused.
    no_amend_until: Option<Timestamp>,
    amend_refusals: u32,
}

impl SideState {
    /// Notes a refusal at `at`: the pause doubles with each until an order is accepted, up to its cap.
    pub(crate) fn refused(&mut self, at: Timestamp, times: &Times) {
        let doublings = self.refusals.min(30);
        self.refusals = self.refusals.saturating_add(1);
        let pause = times.refusal_pause.saturating_mul(1_i64 << doublings);
        self.paused_until = Some(at.saturating_add(pause.min(times.refusal_pause_max)));
    }

    /// Notes that the gate did not allow to change an order: both terms of it may be too much together. The order is
    /// taken back instead; the next try waits twice as long with each refusal.
    pub(crate) fn amend_refused(&mut self, at: Timestamp) {
        let doublings = self.amend_refusals.min(30);
        self.amend_refusals = self.amend_refusals.saturating_add(1);
        let pause = AMEND_PAUSE.saturating_mul(1_i64 << doublings).min(AMEND_PAUSE_MAX);
        self.no_amend_until = Some(at.saturating_add(pause));
    }

    pub(crate) const fn accepted(&mut self) {
        self.refusals = 0;
    }

    pub(crate) const fn amended(&mut self) {
        self.amend_refusals = 0;
    }

    /// Tells whether an order may be changed now rather than taken back and asked for anew.
    fn may_amend(&self, now: Timestamp) -> bool {
        let is_over = |until: Option<Timestamp>| until.is_none_or(|until| until <= now);
        is_over(self.no_amend_until) && is_over(self.paused_until)
    }

    pub(crate) const fn requested(&mut self, at: Timestamp) {
        self.requested_at = Some(at);
    }

    fn may_act_at(&self, interval: DurationNs) -> Option<Timestamp> {
        self.requested_at.map(|at| at.saturating_add(interval))
    }
}

/// Collects the earliest instant at which a pair must be looked at again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    now: Timestamp,
    at: Option<Timestamp>,
}

impl Wake {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { now, at: None }
    }

    /// Wants a look at `at`; gives whether that is still to come.
    pub(crate) fn want(&mut self, at: Timestamp) -> bool {
        let is_ahead = at > self.now;
        if is_ahead {
            self.at = Some(self.at.map_or(at, |earliest| earliest.min(at)));
        }
        is_ahead
    }

    pub(crate) const fn at(self) -> Option<Timestamp> {
        self.at
    }
}

/// Is one visit to a pair: its decision, and what it leads to.
pub(crate) struct Visit<'a> {
    pub(crate) now: Timestamp,
    pub(crate) key: &'a InstrumentKey,
    pub(crate) quotes: &'a Result<Quotes, DecisionReason>,
    pub(crate) cause: Option<&'a Header>,
}

impl Visit<'_> {
    fn target(&self, side: Side) -> Option<QuoteTarget> {
        self.quotes.as_ref().ok().and_then(|quotes| quotes.side(side))
    }
}

impl DecisionCore {
    /// Takes back every order that should not stand, or asks for its change where that helps.
    pub(crate) fn take_back(&mut self, visit: &Visit<'_>, wake: &mut Wake, out: &mut Outputs) {
        for side in [Side::Buy, Side::Sell] {
            let orders: Vec<(ClOrdId, Order)> = self
                .orders
                .of_pair(visit.key)
                .filter(|(_, order)| order.side == side)
                .map(|(id, order)| (id.clone(), order.clone()))
                .collect();
            let mut has_kept = false;
            let is_alone = orders.len() == 1;
            for (id, order) in orders {
                // Its successor is looked at in its stead, unless it must go before that has its place.
                let has_successor = self.orders.successor(visit.key, &id).is_some();
                let is_harmless = match (visit.target(side), visit.quotes) {
                    (Some(target), Ok(quotes)) => {
                        !is_too_good(&order, target)
                            || self.keeps(visit.key, &order, target, quotes)
                    }
                    (None, _) | (_, Err(_)) => false,
                };
                if has_successor && is_harmless {
                    continue;
                }
                let reason = match (visit.target(side), visit.quotes) {
                    (Some(target), Ok(quotes)) if !has_kept => {
                        let keeps = self.keeps(visit.key, &order, target, quotes);
                        has_kept |= keeps;
                        (!keeps).then_some(CancelReason::Requote)
                    }
                    (Some(_), _) => Some(CancelReason::Requote),
                    (None, Ok(quotes)) => Some(cancel_reason(quotes.reason)),
                    (None, Err(reason)) => Some(cancel_reason(*reason)),
                };
                let Some(reason) = reason else { continue };
                if !self.may_cancel(visit, &order, reason, wake) {
                    continue;
                }
                let target = visit.target(side).filter(|_| is_alone);
                let target = target.filter(|target| self.may_amend(visit, &order, *target));
                if let Some(target) = target {
                    self.publish_request(visit, side, target, Some(id), out);
                } else {
                    self.publish_cancel(visit, &id, reason, out);
                    wake.want(visit.now.saturating_add(self.config.times.cancel_retry));
                }
            }
        }
    }

    /// Asks for every quote that should stand and has no order. Tells whether a pause after a refusal stopped one.
    pub(crate) fn ask_for(
        &mut self,
        visit: &Visit<'_>,
        wake: &mut Wake,
        out: &mut Outputs,
    ) -> bool {
        let mut is_paused = false;
        let interval = self.requote_interval(visit);
        for side in [Side::Buy, Side::Sell] {
            let Some(target) = visit.target(side) else { continue };
            // The order it replaces must be terminal: never twice at the venue.
            if self.orders.of_pair(visit.key).any(|(_, order)| order.side == side) {
                continue;
            }
            let state = self.side(visit.key, side);
            if state.paused_until.is_some_and(|until| wake.want(until)) {
                is_paused = true;
                continue;
            }
            if state.may_act_at(interval).is_some_and(|at| wake.want(at)) {
                continue;
            }
            if !self.crosses_own(visit.key, side, target) {
                self.publish_request(visit, side, target, None, out);
            }
        }
        is_paused
    }

    /// Tells whether an order is close enough to its target to keep its queue place.
    fn keeps(
        &self,
        key: &InstrumentKey,
        order: &Order,
        target: QuoteTarget,
        quotes: &Quotes,
    ) -> bool {
        let Some(instrument) = self.instrument(key) else { return false };
        let is_too_large = quotes.is_reduce_only && order.leaves() > target.qty;
        !is_too_large && is_near(order, target, instrument, quotes.half_spread_est())
    }

    /// Tells whether an order may be taken back now. The router must have heard of it; a cancel without effect is
    /// repeated; only a requote waits for its turn.
    fn may_cancel(
        &self,
        visit: &Visit<'_>,
        order: &Order,
        reason: CancelReason,
        wake: &mut Wake,
    ) -> bool {
        let times = &self.config.times;
        match order.stage {
            // Its answer, and with it this visit again, is on the way.
            Stage::Requested => return false,
            Stage::Approved | Stage::Known | Stage::Working => {}
        }
        let repeat_at = order.cancel_sent.map(|sent| sent.saturating_add(times.cancel_retry));
        if repeat_at.is_some_and(|at| wake.want(at)) {
            return false;
        }
        let turn = self.side(visit.key, order.side).may_act_at(self.requote_interval(visit));
        let is_requote = reason == CancelReason::Requote;
        !(is_requote && turn.is_some_and(|at| wake.want(at)))
    }

    /// Tells whether an order is to be changed to its target rather than taken back: one message instead of two with a gap
    /// between them, less of the venue's budget, and what only grows smaller keeps its place in the queue. Not where its
    /// price has become too good: then it must go as fast as can be, and a cancel waits for no approval and no budget. The
    /// venue must have the order, nobody may have taken it back, and what is asked for may meet none of ours.
    fn may_amend(&self, visit: &Visit<'_>, order: &Order, target: QuoteTarget) -> bool {
        let is_there = match order.stage {
            Stage::Working => order.cancel_sent.is_none(),
            Stage::Requested | Stage::Approved | Stage::Known => false,
        };
        is_there
            && !is_too_good(order, target)
            && self.side(visit.key, order.side).may_amend(visit.now)
            && !self.crosses_own(visit.key, order.side, target)
    }

    /// Gives the shortest time between requests on one side: what is configured, longer in hours without much volume.
    fn requote_interval(&self, visit: &Visit<'_>) -> DurationNs {
        self.adjustment(visit.now, visit.key).interval(self.config.times.requote_interval)
    }

    /// Tells whether a quote would meet an order of ours on the other side that has not ended.
    fn crosses_own(&self, key: &InstrumentKey, side: Side, target: QuoteTarget) -> bool {
        let mut others = self.orders.of_pair(key).filter(|(_, order)| order.side != side);
        others.any(|(_, order)| match side {
            Side::Buy => target.price >= order.price,
            Side::Sell => target.price <= order.price,
        })
    }

    /// Notes when the pair must be looked at without any message: its book goes stale, the universe expires,
    /// gate or router fall silent.
    pub(crate) fn note_expiries(&self, key: &InstrumentKey, wake: &mut Wake) {
        if let Some(universe) = self.facts.universe() {
            wake.want(universe.valid_until.saturating_add(DurationNs::from_ns(1)));
        }
        for at in self.facts.silences(&key.venue) {
            wake.want(at);
        }
        let book = self.pairs.get(key).and_then(|pair| pair.market.book());
        if let Some(book) = book {
            wake.want(self.stale_at(book));
        }
    }
}

/// Tells whether an order offers more than its target does.
fn is_too_good(order: &Order, target: QuoteTarget) -> bool {
    match order.side {
        Side::Buy => order.price > target.price,
        Side::Sell => order.price < target.price,
    }
}

fn is_near(order: &Order, target: QuoteTarget, instrument: &Instrument, half_spread: f64) -> bool {
    let moved = (order.price.to_est() - target.price.to_est()).abs();
    // A move of just the threshold is a move, whatever the floats say.
    let least = instrument.tick.to_est().max(REPLACE_PRICE_FRAC * half_spread);
    let has_moved = moved >= least * (1.0 - 1e-9);
    let (wanted, leaves) = (target.qty.to_est(), order.leaves().to_est());
    // A part filled is not a changed size: the rest keeps its place until little of it is left.
    let is_too_large = leaves > wanted * (1.0 + REPLACE_SIZE_FRAC);
    let is_too_small = order.qty.to_est() < wanted * (1.0 - REPLACE_SIZE_FRAC)
        || leaves < wanted * REPLACE_SIZE_FRAC;
    !(has_moved || is_too_large || is_too_small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{at_ms, instrument, px, qty};

    fn order(price: &str, quantity: &str, cum: &str) -> Order {
        Order {
            side: Side::Buy,
            price: px(price),
            qty: qty(quantity),
            cum: qty(cum),
            stage: Stage::Known,
            cancel_sent: None,
            orig: None,
        }
    }

    fn check(order: &Order, price: &str, quantity: &str, half_spread: f64, expected: bool) {
        let target = QuoteTarget { price: px(price), qty: qty(quantity) };
        let got = is_near(order, target, &instrument("BTC", "USD"), half_spread);
        assert_eq!(got, expected, "{order:?} to {target:?}");
    }

    #[test]
    fn small_moves_keep_the_queue_place() {
        check(&order("100", "1", "0"), "100", "1", 0.05, true);
        check(&order("100", "1", "0"), "100.01", "1", 0.05, false);
        check(&order("100", "1", "0"), "100.04", "1", 0.5, true);
        check(&order("100", "1", "0"), "99.95", "1", 0.5, false);
        check(&order("100", "1", "0"), "99.96", "1", 0.5, true);
    }

    #[test]
    fn a_changed_size_replaces_but_a_part_filled_does_not() {
        check(&order("100", "1", "0"), "100", "1.15", 0.05, true);
        check(&order("100", "1", "0"), "100", "1.3", 0.05, false);
        check(&order("100", "1", "0"), "100", "0.8", 0.05, false);
        check(&order("100", "1", "0.5"), "100", "1", 0.05, true);
        check(&order("100", "1", "0.9"), "100", "1", 0.05, false);
    }

    #[test]
    fn the_pause_doubles_up_to_its_cap_and_an_acceptance_ends_the_series() {
        let times = crate::fixture::config().times;
        let mut side = SideState::default();
        let mut pause = || {
            side.refused(at_ms(0), &times);
            side.paused_until.unwrap().as_ns() / 1_000_000
        };
        assert_eq!(
            [pause(), pause(), pause(), pause(), pause()],
            [500, 1_000, 2_000, 4_000, 4_000]
        );
        side.accepted();
        side.refused(at_ms(0), &times);
        assert_eq!(side.paused_until, Some(at_ms(500)));
    }
}
