//! Orders that take the place of others (amends). The venue keeps one order, under its id and the first of our names;
//! here each of our names is an order of its own, and `move_place` hands the venue's over from one to the next.

use super::{Order, Orders, Out, Status, report};
use remora_domain::{
    ClOrdId, Fill, OrderEventReason as Reason, OrderId, Price, Qty, Side, Timestamp, VenueReport,
};

/// Is what was seen of an order's terms after a change, as the venue counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::trading) struct Seen {
    pub(in crate::trading) price: Option<Price>,
    pub(in crate::trading) qty: Option<Qty>,
}

impl Orders {
    pub(super) fn forget_successor(&mut self, orig: &ClOrdId, id: &ClOrdId) {
        if let Some(old) = self.all.get_mut(orig) {
            let was_its = old.successor.take_if(|successor| successor == id).is_some();
            // What was seen of it says nothing of the next one.
            old.moved.take_if(|_| was_its);
        }
    }

    /// Tells whether a change of an order was sent and not answered. What is said of the order may be about either, so that
    /// it ends only with that answer.
    pub(in crate::trading) fn is_changing(&self, id: &ClOrdId) -> bool {
        let successor = self.all.get(id).and_then(|order| order.successor.as_ref());
        successor.and_then(|id| self.all.get(id)).is_some_and(Order::is_live)
    }

    /// Notes that the change of an order that was under way was not made: nothing that is over had its terms.
    pub(in crate::trading) fn not_changed(&mut self, now: Timestamp, id: &ClOrdId, out: &mut Out) {
        let old = self.all.get(id).filter(|old| old.moved.is_none());
        let successor = old.and_then(|old| old.successor.clone());
        successor.into_iter().for_each(|id| self.refused(now, &id, Reason::UnknownOrder, out));
    }

    /// Gives when the terms of an order were last asked for, changed, or asked to change.
    pub(in crate::trading) fn changed_at(&self, id: &ClOrdId) -> Option<Timestamp> {
        let order = self.all.get(id)?;
        let successor = order.successor.as_ref().and_then(|id| self.all.get(id));
        successor.map(|next| next.changed_at).max(Some(order.changed_at))
    }

    /// Notes that a cancel of an order, and with it of the one whose place it was to take, is answered.
    pub(in crate::trading) fn cancel_answered(&mut self, id: &ClOrdId, is_taken: bool) {
        let orig = self.all.get(id).filter(|order| order.order_id.is_none());
        let orig = orig.and_then(|order| order.orig.clone());
        for id in [Some(id), orig.as_ref()].into_iter().flatten() {
            if let Some(order) = self.all.get_mut(id) {
                order.cancel_at = None;
                order.is_cancel_taken = is_taken;
            }
        }
    }

    /// Gives the name of ours that the venue has of its order.
    pub(in crate::trading) fn first_name(&self, order_id: &OrderId) -> Option<ClOrdId> {
        let name = self.name_of(order_id)?;
        let first = self.all.get(name).and_then(|order| order.first.as_ref());
        Some(first.unwrap_or(name).clone())
    }

    /// Gives the name under which the venue's order of a name goes on.
    pub(in crate::trading) fn current(&self, id: &ClOrdId) -> ClOrdId {
        let order_id = self.all.get(id).and_then(|order| order.order_id.as_ref());
        order_id.and_then(|order_id| self.name_of(order_id)).unwrap_or(id).clone()
    }

    /// Hands the venue's order over from one name of ours to the next.
    pub(super) fn move_place(&mut self, orig: &ClOrdId, id: &ClOrdId) {
        let Some(old) = self.all.get_mut(orig) else { return };
        old.successor = None;
        old.status = Status::Ended;
        let (execs, order_id) = (std::mem::take(&mut old.execs), old.order_id.clone());
        let (sum, venue_cum, end) = (old.sum, old.venue_cum, old.end.take());
        let (cancel_at, is_cancel_taken) = (old.cancel_at.take(), old.is_cancel_taken);
        let first = old.first.clone().unwrap_or_else(|| orig.clone());
        self.close(orig);
        let Some(order) = self.all.get_mut(id) else { return };
        order.orig = None;
        // A cancel goes to the venue's order, whatever its name here.
        order.cancel_at = order.cancel_at.max(cancel_at);
        order.is_cancel_taken |= is_cancel_taken;
        order.first = Some(first);
        order.base = sum;
        order.sum = sum;
        order.venue_cum = venue_cum;
        order.end = end;
        order.execs.extend(execs);
        order.order_id.clone_from(&order_id);
        if let Some(order_id) = order_id {
            self.by_order_id.insert(order_id, id.clone());
        }
    }

    /// Takes in terms of an order of the venue. Where they are those of its successor, the successor has its place; that is
    /// told once every fill of before is, because the gate then releases what the order held. Gives the name under which
    /// the venue's order goes on. Other terms are of an earlier change, or of none.
    pub(in crate::trading) fn terms_seen(
        &mut self,
        now: Timestamp,
        id: ClOrdId,
        seen: Seen,
        venue_time: Timestamp,
        out: &mut Out,
    ) -> ClOrdId {
        let Some(old) = self.all.get(&id).filter(|old| old.is_live()) else { return id };
        let own = Seen { price: Some(old.price), qty: Some(old.qty) };
        let successor = old.successor.as_ref().and_then(|successor| self.all.get(successor));
        let fits = |order: &Order| {
            let price_fits = seen.price.is_none_or(|price| price == order.price);
            let qty_fits = match seen.qty {
                Some(qty) if order.is_qty_known => qty == order.qty,
                Some(_) => seen != own,
                None => seen.price.is_some(),
            };
            price_fits && qty_fits
        };
        if !successor.is_some_and(fits) {
            return id;
        }
        let venue_cum = old.venue_cum;
        if let Some(old) = self.all.get_mut(&id) {
            old.moved = Some((seen, venue_time));
        }
        // Filled as far as the change let it: what is missing is rather of after it than of before.
        let is_whole = seen.qty.is_some_and(|qty| qty <= venue_cum);
        let Some(name) = self.move_if_told(now, &id, is_whole, out) else { return id };
        // It may have ended by then.
        self.finish(&name, out);
        name
    }

    /// Puts the successor of an order in its place, once that was seen and every fill of before is told, or in any case; gives
    /// its name.
    pub(super) fn move_if_told(
        &mut self,
        now: Timestamp,
        orig: &ClOrdId,
        is_forced: bool,
        out: &mut Out,
    ) -> Option<ClOrdId> {
        let old = self.all.get(orig).filter(|old| old.is_live())?;
        let (seen, venue_time) = old.moved.filter(|_| is_forced || !old.is_lacking())?;
        let (id, order_id, sum) = (old.successor.clone()?, old.order_id.clone()?, old.sum);
        let order = self.all.get_mut(&id)?;
        order.qty = seen.qty.unwrap_or(order.qty);
        if order.qty <= sum {
            // Nothing is left of it: the venue ends its order.
            self.refused(now, &id, Reason::UnknownOrder, out);
            return None;
        }
        self.move_place(orig, &id);
        let order = self.all.get_mut(&id)?;
        order.status = Status::Open;
        order.is_acceptance_told = true;
        order.answered = Some(now);
        order.news_at = now;
        order.changed_at = now;
        order.absences = 0;
        let order_qty = order.own(order.qty);
        self.live.insert(id.clone());
        let (orig_cl_ord_id, cl_ord_id) = (orig.clone(), id.clone());
        report(
            out,
            VenueReport::Replaced { orig_cl_ord_id, cl_ord_id, order_id, order_qty, venue_time },
        );
        Some(id)
    }

    /// Tells whether an order was seen in the place of another, and fills of before are missing.
    pub(in crate::trading) fn is_moving(&self, order: &Order) -> bool {
        let orig = order.orig.as_ref().and_then(|orig| self.all.get(orig));
        orig.is_some_and(|orig| orig.moved.is_some() && orig.is_live())
    }

    /// Gives the name that a fill belongs to: one too many for an order, or beyond its limit, is its successor's.
    pub(super) fn name_for_fill(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        fill: &Fill,
        out: &mut Out,
    ) -> ClOrdId {
        let is_of_successor = self.all.get(id).is_some_and(|order| {
            let sum = order.sum.checked_add(fill.last_qty);
            let is_too_much = sum.is_ok_and(|sum| sum > order.qty);
            let is_beyond = match order.side {
                Side::Buy => fill.last_px > order.price,
                Side::Sell => fill.last_px < order.price,
            };
            !order.execs.contains(&fill.exec_id) && (is_too_much || is_beyond)
        });
        if !is_of_successor || !self.is_changing(id) {
            return id.clone();
        }
        if let Some(order) = self.all.get_mut(id) {
            // It has its place for certain, whether that was seen or not.
            order.moved = order.moved.or(Some((Seen::default(), now)));
        }
        self.move_if_told(now, id, true, out).unwrap_or_else(|| id.clone())
    }

    /// Learns from the venue's count what earlier names of an order filled, or how much of it there is, where the log has
    /// lost that.
    pub(in crate::trading) fn learn_base(&mut self, id: &ClOrdId, order_qty: Qty) {
        // With a change under way the count may be the one or the other's.
        let is_open = |order: &&mut Order| {
            order.status == Status::Open && !order.is_qty_known && order.successor.is_none()
        };
        let Some(order) = self.all.get_mut(id).filter(is_open) else { return };
        order.is_qty_known = true;
        if order.orig.take().is_some()
            && let Ok(base) = order_qty.checked_sub(order.qty)
        {
            order.base = base;
            order.sum = base.checked_add(order.sum).unwrap_or(order.sum);
            order.venue_cum = order.venue_cum.max(order.sum);
        }
        order.qty = order_qty;
    }

    /// Gives the venue's order in whose place another is to be put, if it can be.
    pub(in crate::trading) fn place_for(&self, id: &ClOrdId) -> Option<(&ClOrdId, &Order)> {
        let orig = self.all.get(id)?.orig.as_ref()?;
        self.all.get_key_value(orig).filter(|(_, old)| old.is_replaceable())
    }

    /// Notes that a request leaves that puts an order in the place of another: from then on its quantity is the venue's,
    /// with what was filled before. `false` when nothing would be left of it, or nothing changed.
    pub(in crate::trading) fn amend_sent(&mut self, id: &ClOrdId, orig: &ClOrdId) -> bool {
        let Some(old) = self.all.get(orig) else { return false };
        let (base, sum, was) = (old.base, old.sum, (old.price, old.qty));
        let filled = old.own(sum);
        let Some(order) = self.all.get_mut(id) else { return false };
        // Never more than was filled: the gate reserved nothing for what somebody believes beyond that.
        let before = base.checked_add(order.orig_cum_qty.min(filled));
        let Ok(qty) = before.and_then(|before| before.checked_add(order.qty)) else { return false };
        order.qty = qty;
        let is_change = (order.price, qty) != was;
        if let Some(old) = self.all.get_mut(orig) {
            old.successor = Some(id.clone());
        }
        is_change && qty > sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{ExecType, OrdStatus, OrderEvent};
    use remora_testkit::{at_ms, cl_ord_id, event, fill, qty, request};
    use remora_venue_api::VenueOutput;

    fn order_id() -> OrderId {
        OrderId::new("OAAAAA-BBBBB-CCCCCC").unwrap()
    }

    fn told(id: &str, orig: Option<&str>, size: &str, status: OrdStatus) -> OrderEvent {
        let is_sent = status != OrdStatus::InFlight;
        let exec_type = if is_sent { ExecType::New } else { ExecType::Sending };
        OrderEvent {
            order_qty: qty(size),
            order_id: is_sent.then(order_id),
            orig_cl_ord_id: orig.map(cl_ord_id),
            ..event(&request(id), exec_type, status, Qty::ZERO)
        }
    }

    /// Makes an order of 2 that is to become one of 3.
    fn growing() -> Orders {
        let mut orders = Orders::default();
        orders.restore(&told("r-1", None, "2", OrdStatus::Working));
        orders.restore(&told("r-2", Some("r-1"), "3", OrdStatus::InFlight));
        orders
    }

    fn fill_all(orders: &mut Orders) -> Out {
        let mut out = Vec::new();
        let whole = fill("T1", "100", "2", "0.1");
        orders.filled(at_ms(1), &cl_ord_id("r-1"), &order_id(), whole, at_ms(1), &mut out);
        out
    }

    fn see(orders: &mut Orders, id: &str, size: &str) -> (ClOrdId, Vec<VenueReport>) {
        let seen = Seen { price: Some(request("x").price), qty: Some(qty(size)) };
        let mut out = Vec::new();
        orders.learn_base(&cl_ord_id(id), qty(size));
        let name = orders.terms_seen(at_ms(2), cl_ord_id(id), seen, at_ms(2), &mut out);
        let reports = out.into_iter().map(|output| {
            let VenueOutput::Report(report) = output else { panic!("{output:?}") };
            report
        });
        (name, reports.collect())
    }

    #[test]
    fn a_fill_of_all_that_was_asked_for_ends_no_order_that_may_have_grown() {
        let mut orders = growing();
        assert_eq!(fill_all(&mut orders).len(), 1);
        assert_eq!(orders.live_count(), 2);
        let (name, reports) = see(&mut orders, "r-1", "3");
        assert_eq!(name, cl_ord_id("r-2"));
        let [VenueReport::Replaced { order_qty, .. }] = reports.as_slice() else {
            panic!("{reports:?}");
        };
        assert_eq!(*order_qty, qty("1"));
        assert_eq!(orders.live_count(), 1);
    }

    #[test]
    fn an_order_that_was_filled_before_its_change_arrived_ends_with_it() {
        let mut orders = growing();
        fill_all(&mut orders);
        let mut out = Vec::new();
        let (id, whole) = (cl_ord_id("r-1"), Some(qty("2")));
        assert!(orders.ended(&id, Reason::UserRequested, whole, at_ms(2), &mut out));
        assert!(out.is_empty());
        orders.not_changed(at_ms(3), &id, &mut out);
        let [VenueOutput::Report(VenueReport::Rejected { cl_ord_id: refused, .. })] =
            out.as_slice()
        else {
            panic!("{out:?}");
        };
        assert_eq!(*refused, cl_ord_id("r-2"));
        assert_eq!(orders.live_count(), 0);
    }

    #[test]
    fn an_order_that_was_changed_before_it_ended_ends_under_its_last_name() {
        let (mut orders, mut out) = (growing(), Vec::new());
        let id = cl_ord_id("r-1");
        assert!(orders.ended(&id, Reason::UserRequested, Some(Qty::ZERO), at_ms(2), &mut out));
        assert!(out.is_empty());
        let (name, reports) = see(&mut orders, "r-1", "3");
        assert_eq!(name, cl_ord_id("r-2"));
        let [VenueReport::Replaced { .. }, VenueReport::Cancelled { cl_ord_id: ended, .. }] =
            reports.as_slice()
        else {
            panic!("{reports:?}");
        };
        assert_eq!(*ended, name);
        assert_eq!(orders.live_count(), 0);
    }

    #[test]
    fn an_order_that_was_filled_before_its_change_was_refused_has_ended() {
        let mut orders = growing();
        fill_all(&mut orders);
        orders.refused(at_ms(2), &cl_ord_id("r-2"), Reason::VenueOther, &mut Vec::new());
        assert_eq!(orders.live_count(), 0);
    }

    #[test]
    fn what_a_change_let_fill_is_told_of_the_order_that_asked_for_it() {
        let (mut orders, id) = (growing(), cl_ord_id("r-1"));
        orders.cum_told(&id, qty("3"));
        let (name, reports) = see(&mut orders, "r-1", "3");
        assert_eq!((&name, reports.len()), (&cl_ord_id("r-2"), 1));
        let mut out = Vec::new();
        let whole = fill("T1", "100", "3", "0.1");
        orders.filled(at_ms(3), &name, &order_id(), whole, at_ms(3), &mut out);
        assert!(matches!(
            out.as_slice(),
            [VenueOutput::Report(VenueReport::Filled { cl_ord_id: of, .. })] if *of == name
        ));
        assert_eq!(orders.live_count(), 0);
    }

    #[test]
    fn a_fill_beyond_the_limit_of_an_order_is_of_the_one_in_its_place() {
        let mut orders = growing();
        orders.get_mut(&cl_ord_id("r-2")).unwrap().price = remora_testkit::px("101");
        let mut out = Vec::new();
        let dear = fill("T1", "101", "1", "0.1");
        orders.filled(at_ms(1), &cl_ord_id("r-1"), &order_id(), dear, at_ms(1), &mut out);
        let [
            VenueOutput::Report(VenueReport::Replaced { .. }),
            VenueOutput::Report(VenueReport::Filled { cl_ord_id: of, .. }),
        ] = out.as_slice()
        else {
            panic!("{out:?}");
        };
        assert_eq!(*of, cl_ord_id("r-2"));
    }

    #[test]
    fn what_cannot_be_of_an_order_gives_nothing_to_a_change_that_comes_later() {
        let mut orders = Orders::default();
        orders.restore(&told("r-1", None, "2", OrdStatus::Working));
        let mut out = Vec::new();
        for (exec_id, price) in [("T1", "101"), ("T2", "100")] {
            let one = fill(exec_id, price, "0.5", "0.1");
            orders.filled(at_ms(1), &cl_ord_id("r-1"), &order_id(), one, at_ms(1), &mut out);
            orders.restore(&told("r-2", Some("r-1"), "3", OrdStatus::InFlight));
        }
        let is_filled = |output: &VenueOutput| matches!(output, VenueOutput::Report(VenueReport::Filled { cl_ord_id: of, .. }) if of.as_str() == "r-1");
        assert!(out.len() == 2 && out.iter().all(is_filled), "{out:?}");
    }

    #[test]
    fn a_change_that_was_refused_leaves_no_place_to_the_next() {
        let (mut orders, id) = (growing(), cl_ord_id("r-1"));
        // Seen, while a fill of before is missing.
        orders.cum_told(&id, qty("1"));
        see(&mut orders, "r-1", "3");
        orders.refused(at_ms(3), &cl_ord_id("r-2"), Reason::VenueOther, &mut Vec::new());
        orders.restore(&told("r-3", Some("r-1"), "4", OrdStatus::InFlight));
        let mut out = Vec::new();
        let missing = fill("T1", "100", "1", "0.1");
        orders.filled(at_ms(4), &id, &order_id(), missing, at_ms(4), &mut out);
        assert!(
            matches!(out.as_slice(), [VenueOutput::Report(VenueReport::Filled { .. })]),
            "{out:?}"
        );
    }

    #[test]
    fn a_restart_forgets_no_order_that_was_filled_and_may_have_grown() {
        let mut orders = growing();
        let mut whole = told("r-1", None, "2", OrdStatus::Filled);
        whole.exec_type = ExecType::Trade;
        whole.fill = Some(fill("T1", "100", "2", "0.1"));
        whole.cum_qty = qty("2");
        orders.restore(&whole);
        let (name, reports) = see(&mut orders, "r-1", "3");
        assert_eq!((name, reports.len()), (cl_ord_id("r-2"), 1));
    }

    #[test]
    fn a_change_of_size_alone_is_found_after_a_restart() {
        let mut orders = Orders::default();
        orders.restore(&told("r-1", None, "2", OrdStatus::Working));
        orders.restore(&told("r-2", Some("r-1"), "3", OrdStatus::Working));
        orders.restore(&told("r-3", Some("r-2"), "1", OrdStatus::InFlight));
        let (name, reports) = see(&mut orders, "r-2", "1");
        assert_eq!((name, reports.len()), (cl_ord_id("r-3"), 1));
        // And one that was not made is not.
        let mut orders = growing();
        let (name, reports) = see(&mut orders, "r-1", "2");
        assert_eq!((name, reports.len()), (cl_ord_id("r-1"), 0));
    }

    #[test]
    fn a_cancel_follows_the_venues_order_to_its_next_name() {
        let mut orders = growing();
        orders.get_mut(&cl_ord_id("r-1")).unwrap().cancel_at = Some(at_ms(1));
        see(&mut orders, "r-1", "3");
        assert_eq!(orders.current(&cl_ord_id("r-1")), cl_ord_id("r-2"));
        assert_eq!(orders.first_name(&order_id()), Some(cl_ord_id("r-1")));
        assert_eq!(orders.get(&cl_ord_id("r-2")).unwrap().cancel_at, Some(at_ms(1)));
    }
}
