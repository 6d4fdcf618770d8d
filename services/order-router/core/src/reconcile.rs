//! Comparing our orders with the venue's: at start, every interval, and whenever something is unknown.
//!
//! An order the venue does not list is closed only if the question left well after the last news of it, and, but for
//! the first comparison of a run, only on the second such answer in a row: its end may travel on another road.
//! A closed order keeps the fills that were reported; the venue session must report fills before it answers a query
//! that no longer lists their order (the paper venue does: its reports leave in one line).

use crate::RouterOutput;
use crate::breaks::{BreakOf, Finding};
use crate::core::{OrderRouterCore, Out};
use crate::counters::add;
use crate::orders::{Order, What};
use crate::transition::Heard;
use remora_domain::{
    ClOrdId, DurationNs, ExecType, OpenOrder, OrdStatus, OrderEventReason, Timestamp,
};
use remora_machine::ServiceOutput;
use remora_venue_api::VenueCommand;
use std::collections::BTreeSet;

impl OrderRouterCore {
    /// Follows the order-entry session up and down.
    pub(crate) fn session(&mut self, now: Timestamp, is_up: bool, out: &mut Out) {
        if std::mem::replace(&mut self.link.is_up, is_up) == is_up {
            return;
        }
        self.link.is_guarded = None;
        self.link.asked_at = None;
        self.link.answers_from = now;
        self.link.has_open_orders = false;
        self.link.has_balances = false;
        self.link.has_fees = false;
        self.link.is_ready = false;
        self.breaks.forget_suspects();
        self.books.forget_answers();
        if is_up && self.link.is_caught_up {
            self.start_comparing(now, out);
        }
        self.publish_state(now, None, out);
    }

    /// Notes whether our orders end at the venue without us. Of a session that is down nothing is known.
    pub(crate) fn guarded(&mut self, now: Timestamp, is_guarded: bool, out: &mut Out) {
        if !self.link.is_up {
            add(&mut self.counters.anomalies);
            return;
        }
        self.link.is_guarded = Some(is_guarded);
        self.publish_state(now, None, out);
    }

    /// Gives when the next query is wanted; none while nobody could answer it.
    pub(crate) fn next_query(&self) -> Option<Timestamp> {
        let link = &self.link;
        let at = link.query_soon_at.map_or(link.query_at, |soon| soon.min(link.query_at));
        (link.is_up && link.is_caught_up).then_some(at)
    }

    /// Asks for everything that must be known before orders flow.
    pub(crate) fn start_comparing(&mut self, now: Timestamp, out: &mut Out) {
        self.link.reconcile_at = now;
        self.query(now, out);
    }

    /// Wants a query of open orders no later than after `delay`.
    pub(crate) fn query_soon(&mut self, now: Timestamp, delay: DurationNs) {
        self.query_by(now.saturating_add(delay));
    }

    fn query_by(&mut self, at: Timestamp) {
        let soon_at = &mut self.link.query_soon_at;
        *soon_at = Some(soon_at.map_or(at, |soon| soon.min(at)));
    }

    /// Asks which orders are open; when a comparison is due, or nothing flows yet, also for the account.
    pub(crate) fn query(&mut self, now: Timestamp, out: &mut Out) {
        self.link.query_soon_at = None;
        self.link.asked_at = Some(now);
        let ask = VenueCommand::QueryOpenOrders { asked_at: now };
        out.push(ServiceOutput::Local(RouterOutput::Venue(ask)));
        if !self.link.is_ready || self.link.reconcile_at <= now {
            self.link.reconcile_at = now.saturating_add(self.config.reconcile_interval);
            out.push(ServiceOutput::Local(RouterOutput::Venue(VenueCommand::QueryAccount)));
        }
        self.link.query_at = if self.link.is_ready {
            self.link.reconcile_at
        } else {
            now.saturating_add(self.config.query_timeout)
        };
    }

    /// Takes in the venue's complete list of open orders, and how many more it has that nobody could read. By the instant
    /// it was asked at, not by the order of answers, is known what it cannot know yet: a session may answer several
    /// queries at once.
    pub(crate) fn compare(
        &mut self,
        now: Timestamp,
        (orders, unread): (&[OpenOrder], u64),
        asked_at: Timestamp,
        venue_time: Timestamp,
        out: &mut Out,
    ) {
        let is_awaited = self.link.asked_at >= Some(asked_at);
        if !is_awaited || asked_at < self.link.answers_from {
            add(&mut self.counters.anomalies); // an answer nobody waits for says nothing about absence
            return;
        }
        self.link.answers_from = asked_at.saturating_add(DurationNs::from_ns(1));
        self.counters.foreign_open = 0;
        let mut listed = BTreeSet::new();
        let mut ended_but_listed: u64 = 0;
        let mut seen = BTreeSet::new();
        for open in orders {
            let id = open.cl_ord_id.as_ref().filter(|id| self.carries_our_name(id));
            match id {
                None => add(&mut self.counters.foreign_open),
                Some(id) => {
                    listed.insert(id.clone());
                    let known = self.orders.get(id);
                    let has_ended =
                        |order: &Order| order.status.is_terminal() && self.is_taken_back(order);
                    if known.is_some_and(has_ended) {
                        ended_but_listed = ended_but_listed.saturating_add(1);
                    }
                    seen.extend(self.compare_one(now, asked_at, id, open, out));
                    self.seen_open(now, asked_at, id, open, out);
                }
            }
        }
        let live = self.orders.live().filter(|order| order.is_sent);
        let missing = live.filter(|order| !listed.contains(&order.cl_ord_id));
        let missing: Vec<ClOrdId> = missing.map(|order| order.cl_ord_id.clone()).collect();
        for id in missing {
            seen.insert(BreakOf::Order(id.clone()));
            self.seen_absent(now, asked_at, &id, venue_time, out);
        }
        self.end_unseen(now, &seen, out);
        self.look_again(now);
        self.link.has_open_orders = true;
        self.link.has_compared_once = true;
        self.check_ready(now, out);
        self.count_taken_back(now, ended_but_listed, out);
        // What cannot be read is not ours, so it counts where orders of others do.
        let listed = u64::try_from(orders.len()).unwrap_or(u64::MAX).saturating_add(unread);
        self.count_swept(now, asked_at, listed, out);
    }

    /// Lets orders flow once everything is compared.
    pub(crate) fn check_ready(&mut self, now: Timestamp, out: &mut Out) {
        let link = &mut self.link;
        let is_complete = link.has_open_orders && link.has_balances && link.has_fees;
        if link.is_ready || !is_complete {
            return;
        }
        link.is_ready = true;
        link.query_at = link.reconcile_at;
        self.cancel_taken_back(now, out);
        self.publish_state(now, None, out);
        self.admit_waiting(now, out);
    }

    pub(crate) fn carries_our_name(&self, id: &ClOrdId) -> bool {
        id.as_str().starts_with(&self.config.cl_ord_id_prefix) || self.verifier.is_used(id)
    }

    /// Looks for what differs about an order that the venue lists under our name; gives what does.
    fn compare_one(
        &mut self,
        now: Timestamp,
        asked_at: Timestamp,
        id: &ClOrdId,
        open: &OpenOrder,
        out: &mut Out,
    ) -> Option<BreakOf> {
        let instrument = Some(open.instrument.clone());
        let Some(order) = self.orders.get(id) else {
            let of = BreakOf::Order(id.clone());
            let cause = format!("the venue lists {id}, which nobody here knows; it is taken back");
            let found = Finding { instrument, cause, amounts: None };
            self.open_break(now, now, of.clone(), found, out);
            return Some(of);
        };
        let is_settled = asked_at >= order.touched_at.saturating_add(self.config.absent_grace);
        if !order.is_sent {
            return None;
        }
        let (of, cause, amounts) = if order.status.is_terminal() {
            let cause = format!("the venue lists {id}, which has ended here as {:?}", order.status);
            (BreakOf::Order(id.clone()), cause, None)
        } else if open.cum_qty > order.cum_qty {
            let (ours, theirs) = (order.cum_qty, open.cum_qty);
            let cause = format!("{id} has filled {theirs} at the venue, {ours} was told to us");
            let amounts = Some((ours.as_amount(), theirs.as_amount()));
            (BreakOf::Execution(id.clone()), cause, amounts)
        } else {
            return None;
        };
        if !is_settled {
            // News of it is or may be under way: nothing new is suspected, and nothing that was is over.
            return self.breaks.knows(&of).then_some(of);
        }
        self.differs(now, of.clone(), Finding { instrument, cause, amounts }, out);
        Some(of)
    }

    fn seen_open(
        &mut self,
        now: Timestamp,
        asked_at: Timestamp,
        id: &ClOrdId,
        open: &OpenOrder,
        out: &mut Out,
    ) {
        let Some(order) = self.orders.get_mut(id) else {
            self.adopt(now, id, open, out);
            return;
        };
        if !order.is_sent {
            self.contradicted(now); // listed before we sent it: somebody else's work, and not wanted
            self.send_cancel(now, id, out);
            return;
        }
        if order.order_id.is_none() {
            order.order_id = Some(open.order_id.clone());
        }
        if order.orig_cl_ord_id.is_some()
            && matches!(order.status, OrdStatus::InFlight | OrdStatus::SubmitUnknown)
        {
            // The order whose place it took may have filled on the way.
            order.order_qty = order.order_qty.min(open.order_qty);
        }
        let has_missing_fills = open.cum_qty > order.cum_qty;
        let is_cancel_due = order.is_cancel_wanted
            && order
                .cancel_sent_at
                .is_none_or(|at| at.saturating_add(self.config.submit_timeout) <= asked_at);
        let what = What::ours(ExecType::New, OrderEventReason::None);
        self.hear(now, id, Heard::SeenOpen, what, out);
        if has_missing_fills {
            self.contradicted(now);
        }
        if is_cancel_due {
            self.repeat_cancel(now, id, out);
        }
    }

    /// Sends a cancel again that had no effect.
    fn repeat_cancel(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        match self.orders.get(id).map(|order| (order.status, order.cancel_sent_at)) {
            Some((OrdStatus::Working, _)) => self.want_cancel(now, id, out),
            Some((OrdStatus::CancelPending, at)) if at != Some(now) => {
                self.send_cancel(now, id, out);
            }
            Some(_) | None => {}
        }
    }

    /// Takes on an open order that carries our name and that nobody here knows, and takes it back: until it has ended it
    /// counts as exposure, and its executions are booked.
    fn adopt(&mut self, now: Timestamp, id: &ClOrdId, open: &OpenOrder, out: &mut Out) {
        self.verifier.observe_used(id.clone());
        add(&mut self.counters.orphans_cancelled);
        let mut order = Order::adopted(id, &self.config.account, open, now);
        let strays = self.strays_of(&mut order);
        self.orders.insert(order);
        self.say(now, id, What::ours(ExecType::New, OrderEventReason::None), out);
        for stray in strays {
            self.filled(now, id, stray, out);
        }
        self.want_cancel(now, id, out);
    }

    fn seen_absent(
        &mut self,
        now: Timestamp,
        asked_at: Timestamp,
        id: &ClOrdId,
        venue_time: Timestamp,
        out: &mut Out,
    ) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        // A request may be on its way longer than news of an order that the venue has: what is given up while it can
        // still arrive would be exposure that nobody reserves.
        let grace = match order.order_id {
            Some(_) => self.config.absent_grace,
            None => self.config.absent_grace.max(self.config.request_life),
        };
        let counts_from = order.touched_at.saturating_add(grace);
        if asked_at < counts_from {
            order.answers_without_it = 0;
            self.query_by(counts_from.max(now));
            return;
        }
        order.answers_without_it = order.answers_without_it.saturating_add(1);
        if order.answers_without_it < 2 && self.link.has_compared_once {
            self.query_soon(now, self.config.absent_grace);
            return;
        }
        add(&mut self.counters.closed_as_absent);
        self.tell_absent(now, id, out);
        let reason = OrderEventReason::UnknownOrder;
        let what = What::theirs(ExecType::Cancelled, reason, venue_time);
        self.hear(now, id, Heard::SeenAbsent, what, out);
    }

    /// Tells of an order that stood here and that the venue lists no more, without a word of how it ended. One whose fate
    /// was unknown is no difference: nobody had said that it stands.
    fn tell_absent(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        let Some(order) = self.orders.get(id) else { return };
        match order.status {
            OrdStatus::Working | OrdStatus::CancelPending => {}
            OrdStatus::InFlight
            | OrdStatus::SubmitUnknown
            | OrdStatus::Filled
            | OrdStatus::Cancelled
            | OrdStatus::Rejected
            | OrdStatus::Expired => return,
        }
        let cause = format!("{id} is {:?} here and the venue lists it no more", order.status);
        let instrument = Some(order.instrument.clone());
        let found = Finding { instrument, cause, amounts: None };
        let resolution = "closed here as cancelled; what it may have filled shows in the balances";
        self.tell_ended_break(now, &BreakOf::Order(id.clone()), found, resolution, out);
    }
}
