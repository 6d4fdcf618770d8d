//! Our own copies of the venue's counters, on the safe side of them.
//!
//! What was sent and not answered counts in full and does not fall; it starts to fall with the answer. The venue's own
//! counter began to fall before that, so ours is never below it. What an earlier run has charged is not known: every
//! counter is taken for full at the last instant at which that run may have used the key. A cancel's penalty is reckoned
//! from the answer to the order, which is later than the order: the age is never taken for longer than the venue takes it.
//! Source of limits and penalties: `server/rate.rs`, which the simulated venue uses as well.

use crate::server::rate::{Counter, Limit, POINT, amend_penalty, cancel_penalty};
use crate::server::settings::Tier;
use remora_domain::{DurationNs, InstrumentKey, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;

/// Kept free of the engine's counter: what the venue may charge that we do not know of.
const ENGINE_MARGIN: i64 = POINT;
/// Kept free of the call counter for what cannot wait: the timer, cancels of several orders.
const REST_MARGIN: i64 = 4 * POINT;

/// What cancelling an order costs when its age is unknown.
pub(super) const CANCEL_YOUNGEST: i64 = 8 * POINT;
/// What changing an order costs beside its point when its age is unknown.
const AMEND_YOUNGEST: i64 = 3 * POINT;
/// What placing one order costs.
pub(super) const ADD: i64 = POINT;

/// Gives what cancelling an order costs that was answered then.
pub(super) fn cancel_cost(now: Timestamp, answered: Option<Timestamp>) -> i64 {
    answered.map_or(CANCEL_YOUNGEST, |at| cancel_penalty(now.since(at)))
}

/// Gives what changing an order costs that was answered, or changed last, then.
pub(super) fn amend_cost(now: Timestamp, answered: Option<Timestamp>) -> i64 {
    let penalty = answered.map_or(AMEND_YOUNGEST, |at| amend_penalty(now.since(at)));
    ADD.saturating_add(penalty)
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    counter: Counter,
    /// Sent and not answered.
    pending: i64,
}

impl Held {
    fn level(&self, now: Timestamp, limit: Limit) -> i64 {
        self.counter.level(now, limit).saturating_add(self.pending)
    }

    fn settle(&mut self, now: Timestamp, limit: Limit, units: i64) {
        self.pending = self.pending.saturating_sub(units).max(0);
        self.counter.charge(now, limit, units);
    }
}

/// Is the counters of an account.
#[derive(Debug)]
pub(super) struct Budget {
    tier: Tier,
    /// The threshold the venue told; ours until then.
    told_max: Option<u32>,
    engine: BTreeMap<InstrumentKey, Held>,
    rest: Held,
    /// Until when an earlier run may have charged the counters.
    used_until: Option<Timestamp>,
}

impl Budget {
    pub(super) fn new(tier: Tier) -> Self {
        let (engine, rest) = (BTreeMap::new(), Held::default());
        Self { tier, told_max: None, engine, rest, used_until: None }
    }

    /// Takes every counter for full at an instant: an earlier run may have filled it.
    pub(super) fn used_until(&mut self, at: Timestamp) {
        self.used_until = Some(at);
        self.rest_full(at);
    }

    /// Gives a pair's counter.
    fn held(&self, key: &InstrumentKey, limit: Limit) -> Held {
        let unknown = || {
            let mut held = Held::default();
            if let Some(at) = self.used_until {
                let full = i64::from(limit.points_max).saturating_mul(POINT);
                held.counter.charge(at, limit, full);
            }
            held
        };
        self.engine.get(key).copied().unwrap_or_else(unknown)
    }

    /// Changes a pair's counter.
    fn change(&mut self, key: &InstrumentKey, change: impl FnOnce(&mut Held, Limit)) {
        let Some(limit) = self.tier.engine() else { return };
        let mut held = self.held(key, limit);
        change(&mut held, limit);
        self.engine.insert(key.clone(), held);
    }

    /// Takes the threshold that the venue tells.
    pub(super) const fn told_max(&mut self, points: u32) {
        self.told_max = Some(points);
    }

    /// Takes the counter that the venue tells; it only ever raises ours: it is a moment old.
    pub(super) fn told(&mut self, now: Timestamp, key: &InstrumentKey, points: Decimal) {
        let units = points.checked_mul(Decimal::from(POINT)).and_then(|units| units.to_i64());
        self.change(key, |held, limit| {
            let missing = units.unwrap_or(0).saturating_sub(held.level(now, limit));
            if missing > 0 {
                held.counter.charge(now, limit, missing);
            }
        });
    }

    /// Gives when so many units fit the pair's counter: `None` for now.
    pub(super) fn engine_wait(
        &self,
        now: Timestamp,
        key: &InstrumentKey,
        units: i64,
    ) -> Option<DurationNs> {
        let limit = self.tier.engine()?;
        let max = self.told_max.map_or(limit.points_max, |told| told.min(limit.points_max));
        let max = i64::from(max).saturating_mul(POINT).saturating_sub(ENGINE_MARGIN);
        wait(self.held(key, limit), now, limit, max.saturating_sub(units))
    }

    /// Notes what was sent.
    pub(super) fn engine_sent(&mut self, key: &InstrumentKey, units: i64) {
        self.change(key, |held, _| held.pending = held.pending.saturating_add(units));
    }

    /// Notes that what was sent is answered, or given up.
    pub(super) fn engine_settled(&mut self, now: Timestamp, key: &InstrumentKey, units: i64) {
        self.change(key, |held, limit| held.settle(now, limit, units));
    }

    /// Notes that what was sent is refused without being charged.
    pub(super) fn engine_released(&mut self, key: &InstrumentKey, units: i64) {
        self.change(key, |held, _| held.pending = held.pending.saturating_sub(units).max(0));
    }

    /// Gives when a call of this cost fits: `None` for now.
    pub(super) fn rest_wait(&self, now: Timestamp, points: i64) -> Option<DurationNs> {
        let limit = self.tier.rest()?;
        let max = i64::from(limit.points_max).saturating_mul(POINT).saturating_sub(REST_MARGIN);
        wait(self.rest, now, limit, max.saturating_sub(points.saturating_mul(POINT)))
    }

    pub(super) const fn rest_sent(&mut self, points: i64) {
        self.rest.pending = self.rest.pending.saturating_add(points.saturating_mul(POINT));
    }

    pub(super) fn rest_settled(&mut self, now: Timestamp, points: i64) {
        if let Some(limit) = self.tier.rest() {
            self.rest.settle(now, limit, points.saturating_mul(POINT));
        }
    }

    /// Takes the call counter for full: the venue said so.
    pub(super) fn rest_full(&mut self, now: Timestamp) {
        if let Some(limit) = self.tier.rest() {
            let full = i64::from(limit.points_max).saturating_mul(POINT);
            let missing = full.saturating_sub(self.rest.counter.level(now, limit));
            self.rest.counter.charge(now, limit, missing.max(0));
        }
    }

    /// Takes a pair's counter for full: the venue said so.
    pub(super) fn engine_full(&mut self, now: Timestamp, key: &InstrumentKey) {
        if let Some(limit) = self.tier.engine() {
            self.told(now, key, Decimal::from(limit.points_max));
        }
    }
}

/// Gives how long the counter needs to fall to `most`; what is pending does not fall, so it is looked at again soon.
fn wait(held: Held, now: Timestamp, limit: Limit, most: i64) -> Option<DurationNs> {
    const LOOK_AGAIN: DurationNs = DurationNs::from_ms(20);
    let over = held.level(now, limit).saturating_sub(most);
    if over <= 0 {
        return None;
    }
    let falling = held.counter.level(now, limit);
    Some(if over > falling { LOOK_AGAIN } else { limit.time_to_fall(over) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_machine::SplitMix64;
    use remora_testkit::{at_ms, key};

    #[test]
    fn what_is_sent_counts_until_it_is_answered_and_falls_only_then() {
        let pair = key("BTC-USD");
        let mut budget = Budget::new(Tier::Starter);
        for _ in 0..59 {
            assert_eq!(budget.engine_wait(at_ms(0), &pair, ADD), None);
            budget.engine_sent(&pair, ADD);
        }
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
        assert!(budget.engine_wait(at_ms(60_000), &pair, ADD).is_some(), "nothing was answered");
        budget.engine_settled(at_ms(60_000), &pair, 59 * ADD);
        let wait = budget.engine_wait(at_ms(60_000), &pair, ADD);
        assert_eq!(wait, Some(DurationNs::from_s(1)), "one point a second");
        assert_eq!(budget.engine_wait(at_ms(61_000), &pair, ADD), None);
    }

    #[test]
    fn the_venues_word_raises_ours_and_never_lowers_it() {
        let pair = key("BTC-USD");
        let mut budget = Budget::new(Tier::Pro);
        budget.told(at_ms(0), &pair, Decimal::new(17_900, 2));
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
        budget.told(at_ms(0), &pair, Decimal::ONE);
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
        let mut budget = Budget::new(Tier::Pro);
        budget.told_max(2);
        assert_eq!(budget.engine_wait(at_ms(0), &pair, ADD), None);
        budget.engine_sent(&pair, ADD);
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
    }

    #[test]
    fn what_an_earlier_run_may_have_used_counts_in_full() {
        let pair = key("BTC-USD");
        let mut budget = Budget::new(Tier::Pro);
        budget.used_until(at_ms(0));
        assert_eq!(budget.rest_wait(at_ms(0), 1), Some(DurationNs::from_s(5)), "20 - 4 - 1 left");
        assert_eq!(budget.rest_wait(at_ms(5_000), 1), None);
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
        budget.engine_sent(&pair, ADD);
        assert!(budget.engine_wait(at_ms(0), &pair, ADD).is_some());
        assert_eq!(budget.engine_wait(at_ms(60_000), &pair, ADD), None);
    }

    #[test]
    fn ours_is_never_below_the_venues_whatever_the_delays() {
        let pair = key("BTC-USD");
        let limit = Tier::Pro.engine().unwrap();
        let mut random = SplitMix64::new(1);
        let mut budget = Budget::new(Tier::Pro);
        let mut venue = Counter::default();
        let mut arriving = std::collections::BTreeSet::new();
        let mut answered = std::collections::BTreeSet::new();
        for ms in 0..200_000_i64 {
            while let Some((at, n)) = arriving.first().copied().filter(|(at, _)| *at <= ms) {
                arriving.remove(&(at, n));
                assert!(venue.has_room(at_ms(ms), limit, ADD), "throttled at {ms}");
                venue.charge(at_ms(ms), limit, ADD);
                answered.insert((ms + i64::try_from(random.next_below(300)).unwrap(), n));
            }
            while let Some((at, n)) = answered.first().copied().filter(|(at, _)| *at <= ms) {
                answered.remove(&(at, n));
                budget.engine_settled(at_ms(ms), &pair, ADD);
            }
            if budget.engine_wait(at_ms(ms), &pair, ADD).is_none() {
                budget.engine_sent(&pair, ADD);
                arriving.insert((ms + i64::try_from(random.next_below(300)).unwrap(), ms));
            }
        }
    }
}
