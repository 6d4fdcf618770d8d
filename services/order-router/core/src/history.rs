//! What the log says: our own statements of earlier runs, and approvals that nobody has answered yet.

use crate::core::OrderRouterCore;
use crate::counters::add;
use crate::orders::Order;
use remora_domain::{ClOrdId, Envelope, ExecType, Header, OrdStatus, OrderEvent};
use std::sync::Arc;

impl OrderRouterCore {
    /// Keeps an approval of the log until an answer to it is read; what is left at the end is handled then.
    pub(crate) fn remember_approval(&mut self, envelope: &Arc<Envelope>, cl_ord_id: &ClOrdId) {
        if !self.verifier.is_used(cl_ord_id) {
            self.approvals_read = self.approvals_read.saturating_add(1);
            let entry = self.unanswered.entry(cl_ord_id.clone());
            entry.or_insert_with(|| (self.approvals_read, Arc::clone(envelope)));
        }
    }

    /// Takes in a statement of an earlier run. Reading one twice, or one of this run, changes nothing.
    pub(crate) fn remember(&mut self, header: &Header, event: &OrderEvent) {
        let is_own_echo = header.producer == *self.sequencer.producer()
            && header.session == self.sequencer.session();
        if is_own_echo {
            return;
        }
        if !self.is_ours(&event.account, &event.instrument) {
            add(&mut self.counters.not_ours);
            return;
        }
        let id = &event.cl_ord_id;
        self.verifier.observe_used(id.clone());
        let approval = self.unanswered.remove(id).map(|(_, envelope)| envelope.header.clone());
        let Some(order) = self.orders.get_mut(id) else {
            if event.exec_type != ExecType::RouterRefused {
                let mut order = Order::remembered(event, header.publish_time);
                order.is_cancel_wanted |= self.cancels_early.contains(id);
                if let Some(approval) = approval {
                    order.owner = self.owner_of(header.publish_time, &approval);
                    order.cause = Some(approval);
                }
                self.orders.insert(order);
                if let Some(fill) = &event.fill {
                    self.books.fill(header.publish_time, &event.instrument, event.side, fill);
                }
            }
            return;
        };
        order.is_cancel_wanted |= event.ord_status == OrdStatus::CancelPending;
        if let Some(fill) = &event.fill
            && order.exec_ids.insert(fill.exec_id.clone())
        {
            self.books.fill(header.publish_time, &event.instrument, event.side, fill);
        }
        order.cum_qty = order.cum_qty.max(event.cum_qty);
        // Smaller where the order whose place it took filled on the way.
        order.order_qty = order.order_qty.min(event.order_qty);
        order.touched_at = order.touched_at.max(header.publish_time);
        if order.order_id.is_none() {
            order.order_id.clone_from(&event.order_id);
        }
        if !order.status.is_terminal() || event.ord_status.is_terminal() {
            self.orders.set_status(id, event.ord_status);
        }
    }
}
