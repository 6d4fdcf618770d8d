//! What the venue says about orders and the account.

use crate::core::{OrderRouterCore, Out};
use crate::counters::add;
use crate::orders::{Order, What};
use crate::transition::{Heard, Step, step};
use remora_domain::{
    AccountFees, Balances, Body, ClOrdId, DurationNs, ExecType, FeeSchedule, Fill, OrdStatus,
    OrderEventReason, OrderId, Qty, Timestamp, VenueReport,
};
use remora_machine::ServiceOutput;
use std::collections::BTreeMap;

/// Is one execution as reported.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    order_id: OrderId,
    fill: Fill,
    cum_qty: Qty,
    venue_time: Timestamp,
}

/// Keeps executions of ours whose order is not held: the log lost its last entries, and the venue has not listed the
/// order yet. Once it does, they are booked.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    by_order: BTreeMap<ClOrdId, Vec<Execution>>,
    count: usize,
}

impl Strays {
    /// How many are kept: far more than fill in the seconds that a log may lose.
    const KEPT: usize = 10_000;

    fn keep(&mut self, id: &ClOrdId, said: Execution) {
        let known = self.by_order.get(id).into_iter().flatten();
        let is_new = known.clone().all(|one| one.fill.exec_id != said.fill.exec_id);
        if is_new && self.count < Self::KEPT {
            self.count = self.count.saturating_add(1);
            self.by_order.entry(id.clone()).or_default().push(said);
        }
    }

    fn take(&mut self, id: &ClOrdId) -> Vec<Execution> {
        let taken = self.by_order.remove(id).unwrap_or_default();
        self.count = self.count.saturating_sub(taken.len());
        taken
    }
}

impl OrderRouterCore {
    pub(crate) fn report(&mut self, now: Timestamp, report: VenueReport, out: &mut Out) {
        if let VenueReport::Session { is_up } = report {
            self.session(now, is_up, out);
            return;
        }
        // Like the session, it may be told while the log is still read.
        if let VenueReport::Guard { is_guarded } = report {
            self.guarded(now, is_guarded, out);
            return;
        }
        if !self.link.is_caught_up {
            add(&mut self.counters.anomalies); // nothing was asked yet
            return;
        }
        match report {
            VenueReport::Accepted { cl_ord_id: id, order_id, venue_time } => {
                self.learn_order_id(&id, &order_id);
                let what = What::theirs(ExecType::New, OrderEventReason::None, venue_time);
                self.hear(now, &id, Heard::Accepted, what, out);
            }
            VenueReport::Replaced {
                orig_cl_ord_id,
                cl_ord_id,
                order_id,
                order_qty,
                venue_time,
            } => {
                let was_known = self.is_known_at_venue(&cl_ord_id);
                self.learn_order_id(&cl_ord_id, &order_id);
                self.replaced(now, &orig_cl_ord_id, &cl_ord_id, order_qty, venue_time, out);
                if !was_known {
                    self.say_late(now, &cl_ord_id, venue_time, out);
                }
            }
            VenueReport::Rejected { cl_ord_id: id, reason, venue_time } => {
                let what = What::theirs(ExecType::Rejected, reason, venue_time);
                self.hear(now, &id, Heard::Rejected, what, out);
            }
            VenueReport::Filled { cl_ord_id: id, order_id, fill, cum_qty, venue_time } => {
                self.filled(now, &id, Execution { order_id, fill, cum_qty, venue_time }, out);
            }
            VenueReport::Cancelled { cl_ord_id: id, reason, venue_time } => {
                let what = What::theirs(ExecType::Cancelled, reason, venue_time);
                self.hear(now, &id, Heard::Cancelled, what, out);
            }
            VenueReport::CancelRejected { cl_ord_id: id, reason, venue_time } => {
                let what = What::theirs(ExecType::CancelRejected, reason, venue_time);
                self.hear(now, &id, Heard::CancelRejected, what, out);
            }
            VenueReport::SubmitUnknown { cl_ord_id } => self.silent(now, &cl_ord_id, out),
            VenueReport::OpenOrders { orders, unread, asked_at, venue_time } => {
                self.compare(now, (&orders, unread), asked_at, venue_time, out);
            }
            VenueReport::Balances(balances) => self.balances(now, balances, out),
            VenueReport::Fees(schedule) => self.fees(now, schedule, out),
            VenueReport::Session { is_up: _ } | VenueReport::Guard { is_guarded: _ } => {}
        }
    }

    /// Notes that an order stands in the place of another: that one has ended, whatever was wanted of it is wanted of this
    /// one.
    fn replaced(
        &mut self,
        now: Timestamp,
        orig: &ClOrdId,
        id: &ClOrdId,
        order_qty: Qty,
        venue_time: Timestamp,
        out: &mut Out,
    ) {
        let is_unwanted = self.orders.get(orig).is_some_and(|orig| orig.is_cancel_wanted);
        if let Some(order) = self.orders.get_mut(id) {
            order.order_qty = order.order_qty.min(order_qty);
            order.is_cancel_wanted |= is_unwanted;
        }
        let reason = OrderEventReason::UserRequested;
        let ended = What::theirs(ExecType::Replaced, reason, venue_time);
        self.hear(now, orig, Heard::Cancelled, ended, out);
        let stands = What::theirs(ExecType::New, OrderEventReason::None, venue_time);
        self.hear(now, id, Heard::Accepted, stands, out);
    }

    /// Says that the venue did take an order which had ended here without a word from it: it ends as it was said to, but
    /// the log then tells which of the venue's orders it was.
    fn say_late(&mut self, now: Timestamp, id: &ClOrdId, venue_time: Timestamp, out: &mut Out) {
        let order = self.orders.get(id).filter(|order| order.is_sent);
        if order.is_some_and(|order| order.status.is_terminal()) {
            let what = What::theirs(ExecType::New, OrderEventReason::None, venue_time);
            self.say(now, id, what, out);
        }
    }

    /// Notes that a send has had no answer; the venue is asked what it has.
    pub(crate) fn silent(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        let what = What::ours(ExecType::SubmitUnknown, OrderEventReason::None);
        self.hear(now, id, Heard::NoAnswer, what, out);
    }

    /// Applies the transition table to anything heard but fills.
    pub(crate) fn hear(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        heard: Heard,
        what: What,
        out: &mut Out,
    ) {
        let Some(order) = self.orders.get_mut(id).filter(|order| order.is_sent) else {
            // An orphan that we took back ends like this; anything else about an order never sent is odd.
            if !matches!(heard, Heard::Cancelled | Heard::CancelRejected) {
                self.contradicted(now);
            }
            return;
        };
        let before = order.status;
        // A venue that does not know the order gives no sign of its life: cancels that are repeated into the void
        // must not keep it open.
        let is_unknown_there =
            heard == Heard::CancelRejected && what.reason == OrderEventReason::UnknownOrder;
        if !is_unknown_there && !matches!(heard, Heard::NoAnswer | Heard::SeenAbsent) {
            order.touched_at = now;
            order.answers_without_it = 0;
        }
        match step(order.status, heard) {
            Step::To(status) => {
                self.orders.set_status(id, status);
                self.say(now, id, what, out);
                self.follow(now, id, before, status, out);
            }
            Step::Reap => {
                add(&mut self.counters.orphans_cancelled);
                self.send_cancel(now, id, out);
            }
            // Late fills come from `filled` only.
            Step::Impossible | Step::LateFill(_) => self.contradicted(now),
            Step::Stay => {}
        }
        if heard == Heard::CancelRejected {
            // Already ended, or refused for its rate: the next comparison ends or repeats it.
            self.query_soon(now, self.config.submit_timeout);
        }
    }

    /// Does what a new status calls for.
    fn follow(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        before: OrdStatus,
        status: OrdStatus,
        out: &mut Out,
    ) {
        match status {
            OrdStatus::SubmitUnknown => {
                add(&mut self.counters.submit_unknown);
                self.query_soon(now, DurationNs::ZERO);
                self.send_wanted_cancel(now, id, out);
            }
            // A cancel that waited for the order to be known, or that may have overtaken it.
            OrdStatus::Working if before != OrdStatus::CancelPending && before != status => {
                self.send_wanted_cancel(now, id, out);
            }
            OrdStatus::InFlight
            | OrdStatus::Working
            | OrdStatus::CancelPending
            | OrdStatus::Filled
            | OrdStatus::Cancelled
            | OrdStatus::Rejected
            | OrdStatus::Expired => {}
        }
    }

    pub(crate) fn filled(&mut self, now: Timestamp, id: &ClOrdId, said: Execution, out: &mut Out) {
        self.learn_order_id(id, &said.order_id);
        let is_ours = self.carries_our_name(id);
        let Some(order) = self.orders.get_mut(id).filter(|order| order.is_sent) else {
            self.contradicted(now);
            if is_ours {
                self.strays.keep(id, said);
                self.query_soon(now, DurationNs::ZERO);
                out.push(ServiceOutput::Fault("an execution of an order of ours that is not held"));
            }
            return;
        };
        let before = order.status;
        if order.exec_ids.contains(&said.fill.exec_id) {
            add(&mut self.counters.fills_repeated);
            return;
        }
        let Ok(cum) = order.cum_qty.checked_add(said.fill.last_qty) else {
            out.push(ServiceOutput::Fault("the quantity of an execution cannot be counted"));
            return;
        };
        if cum > order.order_qty {
            // Whoever counts wrong, the venue moved the money: it is booked, and said aloud.
            out.push(ServiceOutput::Fault("fills exceed the quantity of their order"));
            order.order_qty = cum;
            self.contradicted(now);
        }
        let Some(order) = self.orders.get_mut(id) else { return };
        let heard = if cum == order.order_qty { Heard::FullFill } else { Heard::PartFill };
        let (status, is_late) = match step(order.status, heard) {
            Step::To(status) => (status, false),
            Step::LateFill(status) => (status, true),
            Step::Stay | Step::Reap | Step::Impossible => {
                self.contradicted(now);
                return;
            }
        };
        order.exec_ids.insert(said.fill.exec_id.clone());
        self.books.fill(now, &order.instrument, order.side, &said.fill);
        order.cum_qty = cum;
        order.touched_at = now;
        order.answers_without_it = 0;
        if cum != said.cum_qty {
            self.contradicted(now); // an execution is missing, or on its way
        }
        add(&mut self.counters.fills);
        if is_late {
            add(&mut self.counters.fills_late);
        }
        self.orders.set_status(id, status);
        let what = What::theirs(ExecType::Trade, OrderEventReason::None, said.venue_time);
        self.say(now, id, What { fill: Some(said.fill), ..what }, out);
        self.follow(now, id, before, status, out);
    }

    /// Takes what was reported of an order before it was known. The venue's count holds it already; what remains of that
    /// was never reported to us.
    pub(crate) fn strays_of(&mut self, order: &mut Order) -> Vec<Execution> {
        let strays = self.strays.take(&order.cl_ord_id);
        let sum = |sum: Qty, said: &Execution| sum.checked_add(said.fill.last_qty);
        let unreported =
            strays.iter().try_fold(Qty::ZERO, sum).and_then(|sum| order.cum_qty.checked_sub(sum));
        match unreported {
            Ok(unreported) => order.cum_qty = unreported,
            // The list was made before them.
            Err(_) => add(&mut self.counters.anomalies),
        }
        strays
    }

    fn is_known_at_venue(&self, id: &ClOrdId) -> bool {
        self.orders.get(id).is_some_and(|order| order.order_id.is_some())
    }

    fn learn_order_id(&mut self, id: &ClOrdId, order_id: &OrderId) {
        if let Some(order) = self.orders.get_mut(id)
            && order.order_id.is_none()
        {
            order.order_id = Some(order_id.clone());
        }
    }

    /// Counts a report that cannot be; the venue is asked what it has.
    pub(crate) fn contradicted(&mut self, now: Timestamp) {
        add(&mut self.counters.anomalies);
        self.query_soon(now, self.config.absent_grace);
    }

    fn balances(&mut self, now: Timestamp, balances: Balances, out: &mut Out) {
        if balances.account != self.config.account || balances.venue != self.config.venue {
            add(&mut self.counters.not_ours);
            return;
        }
        self.keep_answer(now, &balances);
        if self.published.balances.as_ref() != Some(&balances) {
            self.published.balances = Some(balances.clone());
            self.publish(now, None, Body::Balances(balances), out);
        }
        self.link.has_balances = true;
        self.check_ready(now, out);
    }

    fn fees(&mut self, now: Timestamp, schedule: FeeSchedule, out: &mut Out) {
        if self.published.fees != Some(schedule) {
            self.published.fees = Some(schedule);
            let (account, venue) = (self.config.account.clone(), self.config.venue.clone());
            let fees = AccountFees { account, venue, schedule };
            self.publish(now, None, Body::AccountFees(fees), out);
        }
        self.link.has_fees = true;
        self.check_ready(now, out);
    }
}
