//! What following a jump of the lead pays after latency, spread and fees (section 11).
//!
//! Trigger at `t`: `|ln F(t)/F(t − w)| ≥ x`, at least the cool-down after the last one; direction `d` its sign. Taker result, bps:
//! `d·ln(exit touch(t + L + h)/entry touch(t + L))·1e4 − 2·fee`, buying at the ask and selling at the bid. Break-even fee
//! `(mean + 2·fee)/2`; pass-through `β_h = cov(Δs, Δf)/var(Δf)` of the follower's mid over `L … L + h` on the lead's jump; break-even latency: the
//! first one whose mean is zero or less.
//! Values at an instant are the last at or before it, and no older than `age_max`: an event without one is dropped and counted.
//! Worked number: F from 100 to 100.1 (9.995 bps); bought at 50.00, sold at 50.05 a second later, fee 1 bps: 10·0.99950 − 2 = 7.995.
//! O(N + M) for each rule. Pitfall kept: entry and exit at the touch we would pay, never at the mid.

use crate::estimate::check;
use crate::{BPS, NotReady, newey_west_line};
use libm::log;
use remora_domain::{DurationNs, Timestamp};

/// Is the follower's touch from an instant on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FollowerTouch {
    /// When it was received.
    pub at: Timestamp,
    /// Best bid, quote currency.
    pub bid: f64,
    /// Best ask, quote currency.
    pub ask: f64,
}

/// Says when and how the follower is traded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventRule {
    /// `w`: time over which the lead must have jumped.
    pub window: DurationNs,
    /// `x`, bps; above zero.
    pub threshold_bps: f64,
    /// Least time between triggers.
    pub cooldown: DurationNs,
    /// `L`: from the trigger to our order at the venue.
    pub latency: DurationNs,
    /// `h`: from entry to exit.
    pub hold: DurationNs,
    /// Fee of each trade, bps of value.
    pub taker_fee_bps: f64,
    /// The oldest a price may be to count as the price of an instant.
    pub age_max: DurationNs,
}

/// Is one event as it would have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeadEvent {
    /// When the trigger fired.
    pub at: Timestamp,
    /// Jump of the lead, bps, signed.
    pub lead_move_bps: f64,
    /// Move of the follower's mid from entry to exit, bps, signed.
    pub mid_move_bps: f64,
    /// Result after spread and fees, bps of value.
    pub net_bps: f64,
}

/// Is everything one rule gave.
#[derive(Clone, Debug, PartialEq)]
pub struct EventStudy {
    /// Events with a result, in the order of time.
    pub events: Vec<LeadEvent>,
    /// Triggers without one: data ended, or was too old where it was needed.
    pub dropped: usize,
    rule: EventRule,
}

/// Reads values at rising instants.
struct Cursor<'a, T> {
    items: &'a [T],
    next: usize,
}

impl<'a, T> Cursor<'a, T> {
    const fn new(items: &'a [T]) -> Self {
        Self { items, next: 0 }
    }

    /// Gives the last item at or before `until`; calls must not go back in time.
    fn last_at(&mut self, until: Timestamp, time: impl Fn(&T) -> Timestamp) -> Option<&'a T> {
        while self.items.get(self.next).is_some_and(|item| time(item) <= until) {
            self.next += 1;
        }
        self.next.checked_sub(1).and_then(|last| self.items.get(last))
    }
}

impl EventRule {
    fn check(&self) -> Result<(), NotReady> {
        check("threshold", self.threshold_bps, self.threshold_bps > 0.0)?;
        check("taker fee", self.taker_fee_bps, true)?;
        let is_usable = self.window > DurationNs::ZERO
            && self.hold > DurationNs::ZERO
            && self.latency >= DurationNs::ZERO
            && self.cooldown >= DurationNs::ZERO;
        if is_usable { Ok(()) } else { Err(NotReady::Input { what: "times of an event rule" }) }
    }

    /// Gives the instants at which the lead jumped, with the jump in bps.
    fn triggers(&self, lead: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
        let mut before = Cursor::new(lead);
        let mut triggers: Vec<(Timestamp, f64)> = Vec::new();
        for (at, price) in lead {
            let since = at.saturating_sub(self.window);
            let Some((then, base)) = before.last_at(since, |tick| tick.0) else { continue };
            let jump = log(price / base) * BPS;
            let is_fresh = since.since(*then) <= self.age_max;
            let is_cool = triggers.last().is_none_or(|(last, _)| at.since(*last) >= self.cooldown);
            if is_fresh && is_cool && jump.abs() >= self.threshold_bps {
                triggers.push((*at, jump));
            }
        }
        triggers
    }
}

/// Replays one rule: `lead` as (instant, mid), `follower` its touch, both in the order they were received.
///
/// # Errors
/// Refuses rules with impossible times or thresholds, times that run back, and prices not above zero or crossed.
pub fn event_study(
    lead: &[(Timestamp, f64)],
    follower: &[FollowerTouch],
    rule: &EventRule,
) -> Result<EventStudy, NotReady> {
    rule.check()?;
    let is_lead_usable = lead.iter().all(|(_, p)| p.is_finite() && *p > 0.0)
        && lead.iter().zip(lead.iter().skip(1)).all(|(a, b)| a.0 <= b.0);
    let is_follower_usable = follower
        .iter()
        .all(|t| t.bid.is_finite() && t.bid > 0.0 && t.ask.is_finite() && t.ask > t.bid)
        && follower.iter().zip(follower.iter().skip(1)).all(|(a, b)| a.at <= b.at);
    if !(is_lead_usable && is_follower_usable) {
        return Err(NotReady::Input { what: "order or prices of the series" });
    }
    let (mut entries, mut exits) = (Cursor::new(follower), Cursor::new(follower));
    let end = follower.last().map(|touch| touch.at);
    let triggers = rule.triggers(lead);
    let mut study = EventStudy { events: Vec::new(), dropped: 0, rule: *rule };
    for (at, jump) in triggers {
        let enter = at.saturating_add(rule.latency);
        let leave = enter.saturating_add(rule.hold);
        let touch = |cursor: &mut Cursor<'_, FollowerTouch>, when: Timestamp| {
            let found = cursor.last_at(when, |touch| touch.at).copied();
            found.filter(|touch| when.since(touch.at) <= rule.age_max)
        };
        let both = touch(&mut entries, enter).zip(touch(&mut exits, leave));
        let Some((entry, exit)) = both.filter(|_| end.is_some_and(|end| leave <= end)) else {
            study.dropped += 1;
            continue;
        };
        let gross = if jump > 0.0 { log(exit.bid / entry.ask) } else { -log(exit.ask / entry.bid) };
        let mid = |touch: FollowerTouch| f64::midpoint(touch.bid, touch.ask);
        study.events.push(LeadEvent {
            at,
            lead_move_bps: jump,
            mid_move_bps: log(mid(exit) / mid(entry)) * BPS,
            net_bps: gross * BPS - 2.0 * rule.taker_fee_bps,
        });
    }
    Ok(study)
}

impl EventStudy {
    /// Gives the mean result, bps; `None` without events.
    #[must_use]
    pub fn mean_net_bps(&self) -> Option<f64> {
        let nets: Vec<f64> = self.events.iter().map(|event| event.net_bps).collect();
        crate::numeric::mean(&nets)
    }

    /// Gives the fee per trade, bps, at which the mean result would be zero; `None` without events.
    #[must_use]
    pub fn break_even_fee_bps(&self) -> Option<f64> {
        self.mean_net_bps().map(|mean| (mean + 2.0 * self.rule.taker_fee_bps) / 2.0)
    }

    /// Gives `β_h`: how much of the lead's jump the follower still does after our latency.
    ///
    /// # Errors
    /// Not ready below three events; unsolvable where all jumps are alike.
    pub fn pass_through(&self) -> Result<f64, NotReady> {
        let (x, y): (Vec<f64>, Vec<f64>) =
            self.events.iter().map(|event| (event.lead_move_bps, event.mid_move_bps)).unzip();
        Ok(newey_west_line(&x, &y, 0)?.slope)
    }
}

/// Gives the first of `latencies` (ascending) at which the mean result is zero or less, `None` if it pays at all of them.
///
/// # Errors
/// As [`event_study`]; not ready at a latency that leaves no event.
pub fn break_even_latency(
    lead: &[(Timestamp, f64)],
    follower: &[FollowerTouch],
    rule: &EventRule,
    latencies: &[DurationNs],
) -> Result<Option<DurationNs>, NotReady> {
    for latency in latencies {
        let study = event_study(lead, follower, &EventRule { latency: *latency, ..*rule })?;
        if study.mean_net_bps().ok_or(NotReady::NoObservation)? <= 0.0 {
            return Ok(Some(*latency));
        }
    }
    Ok(None)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::lead_lag::tests::{at_ms, normal};
    use remora_machine::SplitMix64;

    pub(crate) const RULE: EventRule = EventRule {
        window: DurationNs::from_ms(500),
        threshold_bps: 5.0,
        cooldown: DurationNs::from_s(2),
        latency: DurationNs::from_ms(100),
        hold: DurationNs::from_s(1),
        taker_fee_bps: 1.0,
        age_max: DurationNs::from_s(1),
    };

    pub(crate) fn touch(ms: i64, bid: f64, ask: f64) -> FollowerTouch {
        FollowerTouch { at: at_ms(ms), bid, ask }
    }

    /// A lead with rare jumps of 10 bps and a follower that does `share` of each `late_ms` later, with noise of its own.
    pub(crate) fn market(
        seed: u64,
        steps: usize,
        late_ms: i64,
        share: f64,
    ) -> (Vec<(Timestamp, f64)>, Vec<FollowerTouch>) {
        let mut random = SplitMix64::new(seed);
        let late = usize::try_from(late_ms / 100).unwrap();
        let (mut lead, mut follower, mut jumps) = (Vec::new(), Vec::new(), vec![0.0; late]);
        let (mut x, mut y) = (0.0, 0.0);
        for step in 0..steps {
            let ms = i64::try_from(step).unwrap() * 100;
            let size = if random.next_unit_est() < 0.02 { 1e-3 } else { 0.0 };
            let jump = if random.next_unit_est() < 0.5 { size } else { -size };
            jumps.push(jump);
            x += jump + 2e-6 * normal(&mut random);
            y += share * jumps[step] + 5e-5 * normal(&mut random);
            lead.push((at_ms(ms), 100.0 * libm::exp(x)));
            let mid = 50.0 * libm::exp(y);
            follower.push(touch(ms, mid * (1.0 - 5e-7), mid * (1.0 + 5e-7)));
        }
        (lead, follower)
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let lead = [(at_ms(0), 100.0), (at_ms(500), 100.1)];
        let follower = [touch(0, 49.99, 50.0), touch(1_600, 50.05, 50.06)];
        let rule = EventRule { age_max: DurationNs::from_s(5), ..RULE };
        let got = event_study(&lead, &follower, &rule).unwrap();
        assert_eq!(got.events.len(), 1);
        assert!((got.mean_net_bps().unwrap() - 7.995).abs() < 1e-3, "{got:?}");
        assert!((got.break_even_fee_bps().unwrap() - 4.9975).abs() < 1e-3);
    }

    #[test]
    fn events_whose_exit_is_unknown_are_dropped_and_counted() {
        let lead = [(at_ms(0), 100.0), (at_ms(500), 100.1)];
        let ends = event_study(&lead, &[touch(0, 49.99, 50.0)], &RULE).unwrap();
        assert_eq!((ends.events.len(), ends.dropped), (0, 1));
        let old = [touch(0, 49.99, 50.0), touch(9_000, 50.05, 50.06)];
        assert_eq!(event_study(&lead, &old, &RULE).unwrap().dropped, 1);
        assert_eq!(ends.mean_net_bps(), None);
    }

    #[test]
    fn crossed_unordered_and_impossible_inputs_are_refused() {
        let lead = [(at_ms(0), 100.0), (at_ms(500), 100.1)];
        assert!(event_study(&lead, &[touch(0, 50.0, 49.9)], &RULE).is_err());
        assert!(event_study(&[lead[1], lead[0]], &[], &RULE).is_err());
        let rule = EventRule { hold: DurationNs::ZERO, ..RULE };
        assert!(event_study(&lead, &[], &rule).is_err());
    }

    #[test]
    fn a_planted_lag_pays_before_it_ends_and_not_after() {
        let (lead, follower) = market(1, 20_000, 400, 0.8);
        let got = event_study(&lead, &follower, &RULE).unwrap();
        // 0.8 of 10 bps less two fees.
        assert!((got.mean_net_bps().unwrap() - 6.0).abs() < 0.5, "{:?}", got.mean_net_bps());
        assert!((got.pass_through().unwrap() - 0.8).abs() < 0.05);
        let latencies: Vec<DurationNs> = (0..10).map(|i| DurationNs::from_ms(i * 100)).collect();
        let first = break_even_latency(&lead, &follower, &RULE, &latencies).unwrap();
        assert_eq!(first, Some(DurationNs::from_ms(400)));
    }
}
