//! What earlier runs said of our orders.

use super::{Order, Orders, Status};
use remora_domain::{
    ClOrdId, ExecType, OrdStatus, OrderEvent, OrderEventReason as Reason, Timestamp,
};

impl Orders {
    /// Takes in an event of an earlier run.
    pub(in crate::trading) fn restore(&mut self, event: &OrderEvent) {
        let id = event.cl_ord_id.clone();
        self.restore_place(event);
        if event.exec_type == ExecType::Replaced {
            self.restore_replaced(&id);
        }
        let is_changing = self.is_changing(&id);
        // The log keeps the order of things: what it tells first was sent after what the venue had said by then.
        let told_time = self.told_time;
        let order = self
            .all
            .entry(id.clone())
            .or_insert_with(|| Order { opened_from: told_time, ..Order::restored(event) });
        order.execs.extend(event.fill.iter().map(|fill| fill.exec_id.clone()));
        let cum_qty = order.base.checked_add(event.cum_qty).unwrap_or(event.cum_qty);
        order.sum = order.sum.max(cum_qty);
        order.venue_cum = order.venue_cum.max(cum_qty);
        if order.order_id.is_none() {
            order.order_id.clone_from(&event.order_id);
        }
        let was_ended = matches!(order.status, Status::Ended | Status::Refused);
        if !was_ended || event.ord_status.is_terminal() {
            order.status = match event.ord_status {
                OrdStatus::InFlight | OrdStatus::SubmitUnknown => Status::Unknown,
                OrdStatus::Working | OrdStatus::CancelPending => Status::Open,
                OrdStatus::Rejected => Status::Refused,
                // It may have been made larger: a list tells.
                OrdStatus::Filled if is_changing => Status::Open,
                OrdStatus::Filled | OrdStatus::Cancelled | OrdStatus::Expired => Status::Ended,
            };
        }
        if event.exec_type == ExecType::RouterRefused {
            order.status = Status::Refused;
        }
        order.is_acceptance_told |= order.status == Status::Open;
        let (is_live, order_id) = (order.is_live(), order.order_id.clone());
        if let Some(order_id) = order_id {
            // What has ended may be told of again after another has taken its place.
            let name = self.by_order_id.entry(order_id).or_insert_with(|| id.clone());
            if is_live {
                name.clone_from(&id);
            }
        }
        // Other reports may carry a time of ours.
        let is_venues = event.exec_type == ExecType::Trade
            || (event.exec_type == ExecType::Cancelled && event.reason != Reason::UnknownOrder);
        if let Some(time) = event.venue_time.filter(|_| is_venues) {
            self.venue_told(time);
        }
        if is_live {
            self.live.insert(id);
        } else {
            self.close(&id);
        }
    }

    /// Begins: what an earlier run sent may arrive until then.
    pub(in crate::trading) fn begin(&mut self, deadline: Timestamp) {
        for id in &self.live {
            if let Some(order) = self.all.get_mut(id) {
                order.deadline = deadline;
            }
        }
    }

    /// Takes in that an order of an earlier run is to take the place of another, or has: then it is known by the venue's id.
    fn restore_place(&mut self, event: &OrderEvent) {
        let (id, Some(orig)) = (&event.cl_ord_id, &event.orig_cl_ord_id) else { return };
        if !self.all.contains_key(id) {
            let qty = self.all.get(orig).and_then(|old| old.sum.checked_add(event.order_qty).ok());
            let (qty, opened_from) = (qty.unwrap_or(event.order_qty), self.told_time);
            let order = Order { qty, opened_from, ..Order::restored(event) };
            self.all.insert(id.clone(), order);
            if let Some(old) = self.all.get_mut(orig).filter(|_| !event.ord_status.is_terminal()) {
                old.successor = Some(id.clone());
            }
        }
        if event.order_id.is_some() {
            if self.all.get(id).is_some_and(|order| order.orig.is_some()) {
                self.move_place(orig, id);
            }
            if let Some(order) = self.all.get_mut(id) {
                order.qty = order.base.checked_add(event.order_qty).unwrap_or(order.qty);
                // The log told every fill of before first, where it tells of that one at all.
                order.is_qty_known |= order.orig.is_none();
            }
        } else if event.ord_status.is_terminal() {
            self.forget_successor(orig, id);
        }
    }

    /// Takes in that another took the place of an order, though the log may end before it tells of that other: a list tells
    /// how much of it there is.
    fn restore_replaced(&mut self, orig: &ClOrdId) {
        let successor = self.all.get(orig).and_then(|old| old.successor.clone());
        let Some(id) = successor else { return };
        self.move_place(orig, &id);
        if let Some(order) = self.all.get_mut(&id) {
            order.status = Status::Open;
            self.live.insert(id);
        }
    }
}
