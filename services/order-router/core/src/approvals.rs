//! From an approval to the venue: verify, intend durably, look at the clock again, send once.
//!
//! An approval that fails is answered once with `RouterRefused`, and its id is used up by that: after a terminal
//! statement about an id nothing may be sent under it, not even on a good approval that comes later.
//! An approval that names an id already answered (a redelivery, a reuse, an altered copy) is only counted.

use crate::RouterOutput;
use crate::core::{OrderRouterCore, Out, event, wrap};
use crate::counters::{RouterCounters, add};
use crate::orders::{Order, What};
use remora_approval::VerifyError;
use remora_domain::{
    Body, ClOrdId, DurationNs, Envelope, ExecType, Header, OrdStatus, OrderApproval,
    OrderEventReason, OrderRequest, TimeInForce, Timestamp,
};
use remora_machine::ServiceOutput;
use remora_venue_api::VenueCommand;
use std::sync::Arc;

/// How many approvals may wait for the venue's session; they expire within seconds.
const WAITING_MAX: usize = 10_000;

impl OrderRouterCore {
    pub(crate) fn approval(
        &mut self,
        now: Timestamp,
        envelope: &Arc<Envelope>,
        approval: &OrderApproval,
        out: &mut Out,
    ) {
        let request = &approval.fields.request;
        if !self.is_ours(&request.account, &request.instrument) {
            // Another router's order: a terminal statement from here could be about a live one.
            add(&mut self.counters.not_ours);
        } else if !self.link.is_caught_up {
            self.remember_approval(envelope, &request.cl_ord_id);
        } else if self.link.is_ready || self.verifier.is_used(&request.cl_ord_id) {
            self.admit(now, &envelope.header, approval, out);
        } else if self.waiting.len() >= WAITING_MAX {
            self.refuse(now, &envelope.header, request, OrderEventReason::VenueOther, out);
        } else if self.waiting_ids.insert(request.cl_ord_id.clone()) {
            self.waiting.push_back(Arc::clone(envelope));
        }
    }

    /// Admits what waited, in the order of arrival.
    pub(crate) fn admit_waiting(&mut self, now: Timestamp, out: &mut Out) {
        for envelope in std::mem::take(&mut self.waiting) {
            if let Body::OrderApproval(approval) = &envelope.body {
                self.waiting_ids.remove(&approval.fields.request.cl_ord_id);
                self.admit(now, &envelope.header, approval, out);
            }
        }
    }

    /// Refuses waiting approvals that have expired.
    pub(crate) fn refuse_overdue(&mut self, now: Timestamp, out: &mut Out) {
        if self.next_overdue().is_none_or(|at| at > now) {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (overdue, waiting) = waiting
            .into_iter()
            .partition(|envelope| overdue_at(envelope).is_some_and(|at| at <= now));
        self.waiting = overdue;
        self.admit_waiting(now, out);
        self.waiting = waiting;
    }

    /// Gives when the first waiting approval expires.
    pub(crate) fn next_overdue(&self) -> Option<Timestamp> {
        self.waiting.iter().filter_map(|envelope| overdue_at(envelope)).min()
    }

    fn admit(&mut self, now: Timestamp, header: &Header, approval: &OrderApproval, out: &mut Out) {
        let request = &approval.fields.request;
        let is_known = self.verifier.is_used(&request.cl_ord_id);
        match self.verifier.verify(now, approval) {
            Err(cause) if is_known => {
                RouterCounters::count(&mut self.counters.named_again, reason_of(&cause));
            }
            Err(cause) => self.refuse(now, header, request, reason_of(&cause), out),
            // What is asked for by somebody silent would be taken back at once.
            Ok(_) if self.is_holding_back(&request.instrument) || self.is_owner_silent(header) => {
                self.refuse(now, header, request, OrderEventReason::Halted, out);
            }
            Ok(_) if self.cancels_early.contains(&request.cl_ord_id) => {
                self.refuse(now, header, request, OrderEventReason::UserRequested, out);
            }
            Ok(approved) => {
                self.trust_gate(header);
                let mut order = Order::intended(request, Some(header.clone()), now);
                order.owner = self.owner_of(now, header);
                let what = What::ours(ExecType::Sending, OrderEventReason::None);
                let sending = order.event(what);
                let envelope = wrap(&mut self.sequencer, now, &order, event(sending));
                self.orders.insert(order);
                self.intents.insert(request.cl_ord_id.clone(), approved);
                out.push(ServiceOutput::Local(RouterOutput::StoreIntent(Arc::new(envelope))));
            }
        }
        // A good approval may be the first sign of a newer epoch.
        let epoch = self.published.state.as_ref().map(|state| state.epoch);
        if epoch != Some(self.verifier.epoch_newest()) {
            self.publish_state(now, Some(header), out);
        }
    }

    /// Answers an approval that gives no order, and uses its id up.
    fn refuse(
        &mut self,
        now: Timestamp,
        header: &Header,
        request: &OrderRequest,
        reason: OrderEventReason,
        out: &mut Out,
    ) {
        self.verifier.observe_used(request.cl_ord_id.clone());
        RouterCounters::count(&mut self.counters.refused, reason);
        let mut order = Order::intended(request, None, now);
        order.status = OrdStatus::Rejected;
        let refused = order.event(What::ours(ExecType::RouterRefused, reason));
        self.publish(now, Some(header), event(refused), out);
    }

    /// Sends an order whose intention is stored, if it may still be sent.
    pub(crate) fn stored(&mut self, now: Timestamp, cl_ord_id: &ClOrdId, out: &mut Out) {
        let Some(approved) = self.intents.remove(cl_ord_id) else {
            return;
        };
        let is_unwanted = self.orders.get(cl_ord_id).is_none_or(|order| order.is_cancel_wanted);
        // A newer gate has spoken meanwhile. Told as expired: an old epoch is told of approvals that were looked at while
        // another is under way, which releases nothing.
        let is_outdated = approved.epoch() < self.verifier.epoch_newest();
        if is_outdated || now > approved.expires_at() {
            self.never_sent(now, cl_ord_id, OrderEventReason::ApprovalExpired, out);
        } else if self.is_holding_back(&approved.request().instrument) {
            self.never_sent(now, cl_ord_id, OrderEventReason::Halted, out);
        } else if is_unwanted {
            self.never_sent(now, cl_ord_id, OrderEventReason::UserRequested, out);
        } else if !self.link.is_up {
            self.never_sent(now, cl_ord_id, OrderEventReason::VenueOther, out);
        } else if !self.is_replaceable(approved.request()) {
            self.never_sent(now, cl_ord_id, OrderEventReason::UnknownOrder, out);
        } else {
            if let Some(order) = self.orders.get_mut(cl_ord_id) {
                order.is_sent = true;
                order.touched_at = now;
            }
            let silent_at = now.saturating_add(self.config.submit_timeout);
            self.orders.start_timer(cl_ord_id, silent_at);
            add(&mut self.counters.submitted);
            out.push(ServiceOutput::Local(RouterOutput::Venue(VenueCommand::Submit(approved))));
        }
    }

    /// Tells whether the order whose place another is to take works at the venue, so that there is something to change. It is
    /// to rest as that one does, and to count as filled no more than that one was.
    fn is_replaceable(&self, request: &OrderRequest) -> bool {
        let Some(orig) = &request.orig_cl_ord_id else { return true };
        self.orders.get(orig).is_some_and(|orig| {
            orig.status == OrdStatus::Working
                && !orig.is_cancel_wanted
                && request.tif == TimeInForce::Gtc
                && request.orig_cum_qty <= orig.cum_qty
                && (&orig.instrument, orig.side) == (&request.instrument, request.side)
        })
    }

    /// Gives up an order whose intention is perhaps not stored: what is not on record is not sent.
    pub(crate) fn store_failed(&mut self, now: Timestamp, cl_ord_id: &ClOrdId, out: &mut Out) {
        if self.intents.remove(cl_ord_id).is_some() {
            self.never_sent(now, cl_ord_id, OrderEventReason::None, out);
        }
    }

    /// Ends an order that was intended and provably not sent.
    fn never_sent(
        &mut self,
        now: Timestamp,
        cl_ord_id: &ClOrdId,
        reason: OrderEventReason,
        out: &mut Out,
    ) {
        RouterCounters::count(&mut self.counters.refused, reason);
        self.orders.set_status(cl_ord_id, OrdStatus::Rejected);
        self.say(now, cl_ord_id, What::ours(ExecType::RouterRefused, reason), out);
    }
}

fn overdue_at(envelope: &Envelope) -> Option<Timestamp> {
    let Body::OrderApproval(approval) = &envelope.body else {
        return None;
    };
    Some(approval.fields.expires_at.saturating_add(DurationNs::from_ns(1)))
}

const fn reason_of(cause: &VerifyError) -> OrderEventReason {
    match cause {
        VerifyError::BadSignature { .. } => OrderEventReason::BadSignature,
        VerifyError::Expired { .. } => OrderEventReason::ApprovalExpired,
        VerifyError::OldEpoch { .. } => OrderEventReason::OldEpoch,
        VerifyError::Reused { .. } => OrderEventReason::Reused,
    }
}
