//! Cancels: sent at once, by our id while the venue has not acknowledged the order, and again with its acknowledgement,
//! because the first may have overtaken the order. One without an answer is sent again and the venue is asked, with
//! growing patience, until it speaks.

use crate::core::{OrderRouterCore, Out};
use crate::counters::add;
use crate::orders::What;
use remora_domain::{
    ClOrdId, DurationNs, ExecType, Header, OrdStatus, OrderCancel, OrderEventReason, Timestamp,
};

impl OrderRouterCore {
    pub(crate) fn cancel(
        &mut self,
        now: Timestamp,
        header: &Header,
        cancel: &OrderCancel,
        out: &mut Out,
    ) {
        if !self.is_ours(&cancel.account, &cancel.instrument) {
            add(&mut self.counters.not_ours);
            return;
        }
        let id = &cancel.cl_ord_id;
        let message_id = header.message_id();
        let Some(order) = self.orders.get_mut(id) else {
            if !self.verifier.is_used(id) {
                self.cancels_early.insert(id.clone());
            }
            return;
        };
        if order.cancel_message.as_ref() == Some(&message_id) {
            return;
        }
        order.cancel_message = Some(message_id);
        self.want_cancel(now, id, out);
    }

    /// Takes an order back as soon as that is possible. Harmless for one that is terminal or being cancelled.
    pub(crate) fn want_cancel(&mut self, now: Timestamp, cl_ord_id: &ClOrdId, out: &mut Out) {
        let Some(order) = self.orders.get_mut(cl_ord_id) else {
            return;
        };
        order.is_cancel_wanted = true;
        if !self.link.is_up || !self.link.is_caught_up {
            return; // the next comparison of open orders sends it
        }
        match order.status {
            OrdStatus::Working => {
                self.orders.set_status(cl_ord_id, OrdStatus::CancelPending);
                self.send_cancel(now, cl_ord_id, out);
                let what = What::ours(ExecType::CancelPending, OrderEventReason::UserRequested);
                self.say(now, cl_ord_id, what, out);
            }
            OrdStatus::InFlight | OrdStatus::SubmitUnknown | OrdStatus::CancelPending => {
                let timeout = self.config.submit_timeout;
                let is_due = |at: Timestamp| at.saturating_add(timeout) <= now;
                // One that was not sent yet is not sent at all.
                if order.is_sent && order.cancel_sent_at.is_none_or(is_due) {
                    self.send_cancel(now, cl_ord_id, out);
                }
            }
            OrdStatus::Filled | OrdStatus::Cancelled | OrdStatus::Rejected | OrdStatus::Expired => {
            }
        }
    }

    /// Sends a cancel again that had no answer in time, and asks the venue what it has.
    pub(crate) fn cancel_unanswered(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        match self.orders.get(id).map(|order| order.status) {
            // Refused: the comparison that follows a refusal repeats it.
            Some(OrdStatus::Working) | None => {}
            Some(_) if !self.link.is_up => {} // a session that comes back compares first
            Some(_) => {
                self.send_cancel(now, id, out);
                self.query_soon(now, DurationNs::ZERO);
            }
        }
    }

    /// Sends a cancel that was waiting for the order to be known at the venue.
    pub(crate) fn send_wanted_cancel(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        if self.orders.get(id).is_some_and(|order| order.is_cancel_wanted) {
            self.want_cancel(now, id, out);
        }
    }
}
