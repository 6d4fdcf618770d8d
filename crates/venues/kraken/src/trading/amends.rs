//! Changes of orders: one request puts an order in the place of another. It leaves no gap in the market, and costs less of
//! the engine's counter than a cancel of a young order with a new one; what only grows smaller keeps its place in the queue.
//! Source: Kraken, "Amend order" and "Spot trading rate limits" (checked June 2026).

use super::KrakenTrading;
use super::acts::{DEADLINE, Outcome};
use super::budget::{ADD, amend_cost};
use super::calls::{Act, Ask};
use super::errors::Meaning;
use super::orders::{Order, Out};
use super::requests::{Changed, amend_fields, amend_frame};
use remora_domain::{ClOrdId, InstrumentKey, OrderEventReason as Reason, Timestamp};

impl KrakenTrading {
    /// Asks the venue to put an order in the place of another: never while anything else about that one is under way,
    /// because the venue may take them in another order.
    pub(super) fn send_amend(
        &mut self,
        now: Timestamp,
        key: &InstrumentKey,
        id: &ClOrdId,
        out: &mut Out,
    ) {
        let place = self
            .orders
            .place_for(id)
            .filter(|(orig, _)| self.cancels.iter().all(|(cancelled, _)| cancelled != *orig));
        let place = place.map(|(orig, old)| (orig.clone(), old.order_id.clone(), old.answered));
        let Some((orig, Some(order_id), answered)) = place else {
            return self.orders.refused(now, id, Reason::UnknownOrder, out);
        };
        let cost = vec![(key.clone(), amend_cost(now, answered))];
        let deadline = now.saturating_add(DEADLINE);
        self.orders.sent(now, id, deadline, now.saturating_add(self.offset));
        if !self.orders.amend_sent(id, &orig) {
            return self.orders.refused(now, id, Reason::UnknownOrder, out);
        }
        let Some(order) = self.orders.get(id).cloned() else { return };
        let deadline = deadline.saturating_add(self.offset);
        let changed = Changed { order_id: &order_id, order: &order, deadline };
        let act = Act::Amend(id.clone());
        let is_sent = if self.has_socket() {
            let frame = |token: &str, req_id| amend_frame(&changed, token, req_id);
            self.send_frame(now, act, cost, frame, out)
        } else {
            self.send_call(now, Ask::Act(act), cost, &amend_fields(&changed), out)
        };
        if !is_sent {
            self.orders.refused(now, id, Reason::VenueOther, out);
        }
    }

    /// Takes in what became of a change.
    pub(super) fn amended(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        said: Option<Meaning>,
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        if self.orders.get(id).is_none_or(|order| order.orig.is_none()) {
            return; // the stream was faster
        }
        match (outcome, said) {
            // What the order filled before is not told by this. The stream tells both in their order; without it a list
            // does.
            (Outcome::Good(_), _) => {
                if !self.link.is_live() {
                    self.settle.want(now);
                }
            }
            (_, Some(Meaning::Refused(reason))) => {
                if matches!(reason, Reason::ApprovalExpired | Reason::InstrumentRule) {
                    self.doubt_clock(now);
                }
                self.orders.refused(now, id, reason, out);
                self.settle.want(now);
            }
            (_, Some(Meaning::Throttled)) => {
                self.orders.refused(now, id, Reason::RateLimited, out);
            }
            (Outcome::Unsent, _) | (_, Some(Meaning::Session | Meaning::Locked)) => {
                self.orders.refused(now, id, Reason::VenueOther, out);
            }
            (Outcome::Lost | Outcome::Refused(_), _) => {
                self.unanswered(now, std::slice::from_ref(id), out);
            }
        }
    }

    /// Gives what sending an order that waits costs.
    pub(super) fn cost_of(&self, now: Timestamp, order: &Order) -> i64 {
        let orig = order.orig.as_ref().and_then(|orig| self.orders.get(orig));
        orig.map_or(ADD, |orig| amend_cost(now, orig.answered))
    }
}
