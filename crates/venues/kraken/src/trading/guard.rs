//! The venue's timer, which cancels every open order of the account when we fall silent.

use super::KrakenTrading;
use super::acts::Outcome;
use super::calls::{Act, Ask};
use super::errors::may_be_timer;
use super::orders::Out;
use super::requests::{guard_fields, guard_frame};
use remora_domain::{ClOrdId, DurationNs, Timestamp};
use remora_venue_api::ProblemKind;

/// Tries at the timer follow each other at this distance while they fail; it doubles so often: calls for the timer
/// count, and must leave room for those that tell what became of our orders.
const GUARD_RETRY: DurationNs = DurationNs::from_s(1);
const GUARD_DOUBLES_MAX: u32 = 3;

/// Is the timer.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// When the last request left that the venue answered.
    pub(super) armed_at: Option<Timestamp>,
    /// When to try next.
    pub(super) next_at: Timestamp,
    pub(super) is_under_way: bool,
    /// What was told of it since the session came up.
    pub(super) told: Option<bool>,
    /// Tries in a row that failed.
    failures: u32,
}

impl KrakenTrading {
    /// Tells whether the timer is to be kept: never while it would cancel what is not ours, unless ours needs it.
    pub(super) fn is_guard_wanted(&self) -> bool {
        let is_ready = self.phase.is_running() && self.settle.has_completed;
        let is_harmless = !self.is_blocked() || self.orders.live_count() > 0;
        self.guard_seconds > 0 && is_ready && is_harmless
    }

    pub(super) fn send_guard(&mut self, now: Timestamp, out: &mut Out) {
        let is_due =
            self.is_guard_wanted() && !self.guard.is_under_way && self.guard.next_at <= now;
        if !is_due {
            return;
        }
        if !self.has_socket() && self.is_calling(now) {
            // A call with a smaller nonce is on its way.
            self.guard.next_at = now.saturating_add(DurationNs::from_ms(20));
        } else {
            self.set_guard(now, self.guard_seconds, out);
        }
    }

    /// Takes in that the venue ended an order. Unless we wanted that, its timer may have lapsed: it takes everything, and
    /// is off from then on. Nothing is sent until it is armed again.
    pub(super) fn ended_by_venue(&mut self, now: Timestamp, id: &ClOrdId, words: Option<&str>) {
        let order = self.orders.get(id).filter(|order| order.is_live());
        let is_unwanted =
            order.is_some_and(|order| order.cancel_at.is_none() && !order.is_cancel_taken);
        if is_unwanted && self.guard.armed_at.is_some() && may_be_timer(words) {
            self.guard.armed_at = None;
            self.guard.next_at = now;
        }
    }

    /// Sets the timer, or takes it off with 0.
    pub(super) fn set_guard(&mut self, now: Timestamp, seconds: u32, out: &mut Out) {
        let act = Act::Guard(seconds);
        let is_sent = if self.has_socket() {
            self.send_frame(
                now,
                act,
                Vec::new(),
                |token, req_id| guard_frame(seconds, token, req_id),
                out,
            )
        } else {
            // It must not wait behind other calls.
            let fields = guard_fields(seconds);
            self.send_call(now, Ask::Act(act), Vec::new(), &fields, out)
        };
        self.guard.is_under_way = is_sent;
        if !is_sent {
            self.guard.next_at = now.saturating_add(GUARD_RETRY);
        }
    }

    pub(super) fn guarded(
        &mut self,
        now: Timestamp,
        seconds: u32,
        sent_at: Timestamp,
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        self.guard.is_under_way = false;
        let factor = 1_i64.checked_shl(self.guard.failures.min(GUARD_DOUBLES_MAX)).unwrap_or(1);
        self.guard.next_at = now.saturating_add(GUARD_RETRY.saturating_mul(factor));
        self.guard.failures = self.guard.failures.saturating_add(1);
        match outcome {
            Outcome::Good(_) if seconds == 0 => self.stopped(out),
            Outcome::Good(_) => {
                self.guard.armed_at = Some(sent_at);
                self.guard.failures = 0;
                let third = DurationNs::from_ms(i64::from(seconds) * 1_000 / 3);
                self.guard.next_at = sent_at.saturating_add(third).max(now);
            }
            Outcome::Refused(text) => {
                let detail = format!("the timer was refused: {}", self.scrubbed(text));
                self.problem(ProblemKind::RequestRefused, None, detail, out);
            }
            Outcome::Unsent | Outcome::Lost => {}
        }
    }
}
