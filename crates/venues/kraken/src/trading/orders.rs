//! Our orders as the venue tells of them.
//!
//! Invariants: every execution is reported once, by its id; an end is reported only when the fills reported add up to
//! what the venue says was filled; nothing ends by time alone; an order that ended may still have late fills.

pub(super) mod places;
mod restore;

use remora_approval::ApprovedOrder;
use remora_domain::{
    ClOrdId, ExecId, Fill, InstrumentKey, OrderEvent, OrderEventReason as Reason, OrderId,
    OrderRequest, Price, Qty, Side, TimeInForce, Timestamp, VenueReport,
};
use remora_venue_api::VenueOutput;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many ended orders are remembered, for late fills and repeats.
const ENDED_KEPT: usize = 50_000;

pub(super) type Out = Vec<VenueOutput>;

/// Says where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Not sent yet.
    Waiting,
    /// Sent, not answered.
    Sent,
    /// Sent; the answer is lost.
    Unknown,
    /// At the venue.
    Open,
    /// Refused or never there; told.
    Refused,
    /// Filled or cancelled; told.
    Ended,
}

/// Is one order of ours.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) key: InstrumentKey,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) is_post_only: bool,
    pub(super) tif: TimeInForce,
    /// When the router gave it to us.
    pub(super) taken_at: Timestamp,
    /// Not to be sent after this.
    pub(super) expires_at: Timestamp,
    pub(super) order_id: Option<OrderId>,
    pub(super) status: Status,
    execs: BTreeSet<ExecId>,
    /// Filled, by the fills reported.
    pub(super) sum: Qty,
    /// Filled, by the most the venue ever said.
    pub(super) venue_cum: Qty,
    is_acceptance_told: bool,
    /// The venue does not take it after this.
    pub(super) deadline: Timestamp,
    /// The venue did not have it before this, by its own clock; `None` when nobody can say.
    pub(super) opened_from: Option<Timestamp>,
    /// When the venue first answered, for its age.
    pub(super) answered: Option<Timestamp>,
    /// When it was last heard of.
    pub(super) news_at: Timestamp,
    /// When a cancel left that is not answered.
    pub(super) cancel_at: Option<Timestamp>,
    /// Whether the venue took a cancel and has not listed the order since.
    pub(super) is_cancel_taken: bool,
    /// Answers in a row that should know it and do not.
    pub(super) absences: u8,
    /// How it ended, while fills of it are missing.
    end: Option<(Reason, Timestamp)>,
    /// The order whose place it is to take; the venue counts both as one.
    pub(super) orig: Option<ClOrdId>,
    /// What that one was known to have filled when this was asked for.
    orig_cum_qty: Qty,
    /// Whether `qty` is the venue's count for certain.
    is_qty_known: bool,
    /// The order that is to take its place and was sent.
    pub(super) successor: Option<ClOrdId>,
    /// Terms of its successor that were seen, and when, while fills of before are missing.
    moved: Option<(places::Seen, Timestamp)>,
    /// What earlier names of the venue's order filled: `qty`, `sum` and `venue_cum` count that in.
    base: Qty,
    /// The name of ours that the venue was given for its order, where that is an earlier one.
    pub(super) first: Option<ClOrdId>,
    /// When its terms were last asked for or changed: what the venue said before that may tell of others.
    changed_at: Timestamp,
}

impl Order {
    /// Makes one that nothing is known of but what it is.
    fn plain(key: &InstrumentKey, side: Side, price: Price, qty: Qty, now: Timestamp) -> Self {
        Self {
            key: key.clone(),
            side,
            price,
            qty,
            is_post_only: false,
            tif: TimeInForce::Gtc,
            taken_at: now,
            expires_at: Timestamp::EPOCH,
            order_id: None,
            status: Status::Waiting,
            execs: BTreeSet::new(),
            sum: Qty::ZERO,
            venue_cum: Qty::ZERO,
            is_acceptance_told: false,
            deadline: now,
            opened_from: None,
            answered: None,
            news_at: now,
            cancel_at: None,
            is_cancel_taken: false,
            absences: 0,
            end: None,
            orig: None,
            orig_cum_qty: Qty::ZERO,
            is_qty_known: true,
            successor: None,
            moved: None,
            base: Qty::ZERO,
            first: None,
            changed_at: now,
        }
    }

    fn of(request: &OrderRequest, expires_at: Timestamp, now: Timestamp) -> Self {
        Self {
            is_post_only: request.is_post_only,
            tif: request.tif,
            expires_at,
            orig: request.orig_cl_ord_id.clone(),
            orig_cum_qty: request.orig_cum_qty,
            ..Self::plain(&request.instrument, request.side, request.price, request.qty, now)
        }
    }

    fn restored(event: &OrderEvent) -> Self {
        let (key, at) = (&event.instrument, Timestamp::EPOCH);
        Self {
            status: Status::Unknown,
            orig: event.orig_cl_ord_id.clone(),
            is_qty_known: event.orig_cl_ord_id.is_none(),
            ..Self::plain(key, event.side, event.price, event.order_qty, at)
        }
    }

    fn adopted(listed: &Listed, now: Timestamp) -> Self {
        Self {
            order_id: Some(listed.order_id.clone()),
            status: Status::Open,
            venue_cum: listed.cum_qty,
            is_acceptance_told: true,
            answered: Some(now),
            ..Self::plain(&listed.key, listed.side, listed.price, listed.qty, now)
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        match self.status {
            Status::Sent | Status::Unknown | Status::Open => true,
            Status::Waiting | Status::Refused | Status::Ended => false,
        }
    }

    /// Gives a quantity of the venue's order without what earlier names of it filled.
    pub(super) fn own(&self, of_venue: Qty) -> Qty {
        of_venue.checked_sub(self.base).unwrap_or(Qty::ZERO)
    }

    /// Tells whether the venue may be asked to put another order in its place.
    pub(super) fn is_replaceable(&self) -> bool {
        let is_untouched = self.cancel_at.is_none() && !self.is_cancel_taken;
        let is_settled = self.end.is_none() && !self.is_lacking() && self.successor.is_none();
        self.status == Status::Open && self.order_id.is_some() && is_untouched && is_settled
    }

    /// Tells whether the venue filled more than was reported.
    pub(super) fn is_lacking(&self) -> bool {
        self.venue_cum > self.sum
    }
}

/// Is what the venue lists of an order.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) order_id: OrderId,
    pub(super) key: InstrumentKey,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) cum_qty: Qty,
    pub(super) opened: Timestamp,
}

/// Holds our orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    all: BTreeMap<ClOrdId, Order>,
    by_order_id: BTreeMap<OrderId, ClOrdId>,
    /// Those that are not ended, so that looking after them costs nothing of history.
    live: BTreeSet<ClOrdId>,
    /// Those that wait to be sent, in order.
    waiting: VecDeque<ClOrdId>,
    ended: VecDeque<ClOrdId>,
    /// The latest instant that the venue itself told: what is sent after that is opened after it.
    told_time: Option<Timestamp>,
}

fn report(out: &mut Out, report: VenueReport) {
    out.push(VenueOutput::Report(report));
}

impl Orders {
    pub(super) fn get(&self, id: &ClOrdId) -> Option<&Order> {
        self.all.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &ClOrdId) -> Option<&mut Order> {
        self.all.get_mut(id)
    }

    /// Gives the orders that are at the venue, or may be.
    pub(super) fn live(&self) -> impl Iterator<Item = (&ClOrdId, &Order)> {
        let live = self.live.iter().filter_map(|id| self.all.get_key_value(id));
        live.filter(|(_, order)| order.is_live())
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = (&ClOrdId, &Order)> {
        self.waiting.iter().filter_map(|id| self.all.get_key_value(id))
    }

    /// Finds an order of ours by the venue's names of it. Its own comes first: ours stays the first one that the venue was
    /// given, whatever took that order's place.
    pub(super) fn find(&self, order_id: Option<&str>, cl_ord_id: Option<&str>) -> Option<ClOrdId> {
        let by_theirs = order_id.and_then(|id| self.by_order_id.get(&OrderId::new(id).ok()?));
        if let Some(id) = by_theirs {
            return Some(id.clone());
        }
        let by_ours = cl_ord_id.and_then(|id| ClOrdId::new(id).ok())?;
        self.all.get_key_value(&by_ours).map(|(id, _)| id.clone())
    }

    /// Gives our name of an order of the venue as it is now.
    pub(super) fn name_of(&self, order_id: &OrderId) -> Option<&ClOrdId> {
        self.by_order_id.get(order_id)
    }

    /// Tells whether fills or ends are held back because something is missing.
    pub(super) fn is_any_lacking(&self) -> bool {
        self.live.iter().filter_map(|id| self.all.get(id)).any(Order::is_lacking)
    }

    /// Takes a new order; `false` when its id was used.
    pub(super) fn submit(&mut self, now: Timestamp, approved: &ApprovedOrder) -> bool {
        let request = approved.request();
        let id = request.cl_ord_id.clone();
        if self.all.contains_key(&id) {
            return false;
        }
        self.all.insert(id.clone(), Order::of(request, approved.expires_at(), now));
        self.waiting.push_back(id);
        true
    }

    /// Takes on an order that carries our name and that nobody here knows.
    pub(super) fn adopt(&mut self, now: Timestamp, id: &ClOrdId, listed: &Listed) {
        self.by_order_id.insert(listed.order_id.clone(), id.clone());
        self.all.insert(id.clone(), Order::adopted(listed, now));
        self.live.insert(id.clone());
    }

    /// Notes an instant of the venue's own clock that is over.
    pub(super) fn venue_told(&mut self, time: Timestamp) {
        self.told_time = self.told_time.max(Some(time));
    }

    /// Notes that an order leaves, when by the venue's clock it is about `venue_now`.
    pub(super) fn sent(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        deadline: Timestamp,
        venue_now: Timestamp,
    ) {
        self.waiting.retain(|waiting| waiting != id);
        let told_time = self.told_time;
        if let Some(order) = self.all.get_mut(id) {
            // The earlier of two clocks: neither may hide an order.
            order.opened_from = told_time.map(|told| told.min(venue_now));
            order.status = Status::Sent;
            order.news_at = now;
            order.changed_at = now;
            order.deadline = deadline;
            self.live.insert(id.clone());
        }
    }

    /// Notes that the answer to a send is lost.
    pub(super) fn unanswered(&mut self, id: &ClOrdId, out: &mut Out) {
        if let Some(order) = self.all.get_mut(id)
            && order.status == Status::Sent
        {
            order.status = Status::Unknown;
            report(out, VenueReport::SubmitUnknown { cl_ord_id: id.clone() });
        }
    }

    /// Learns the venue's id.
    pub(super) fn learn(&mut self, now: Timestamp, id: &ClOrdId, order_id: &OrderId) {
        let Some(order) = self.all.get_mut(id) else { return };
        order.news_at = now;
        order.absences = 0;
        order.answered = order.answered.or(Some(now));
        if order.order_id.is_none() {
            order.order_id = Some(order_id.clone());
            self.by_order_id.insert(order_id.clone(), id.clone());
        }
    }

    /// Notes that an order is at the venue.
    pub(super) fn accepted(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        order_id: &OrderId,
        venue_time: Timestamp,
        out: &mut Out,
    ) {
        self.learn(now, id, order_id);
        let Some(order) = self.all.get_mut(id) else { return };
        match order.status {
            Status::Sent | Status::Unknown | Status::Open => order.status = Status::Open,
            // Held for refused and there all the same: told, so that it is taken back.
            Status::Refused => {
                order.status = Status::Open;
                self.live.insert(id.clone());
            }
            Status::Waiting | Status::Ended => return,
        }
        if !std::mem::replace(&mut order.is_acceptance_told, true) {
            let (cl_ord_id, order_id) = (id.clone(), order_id.clone());
            report(out, VenueReport::Accepted { cl_ord_id, order_id, venue_time });
        }
    }

    /// Notes that an order was refused, or never was there.
    pub(super) fn refused(&mut self, now: Timestamp, id: &ClOrdId, reason: Reason, out: &mut Out) {
        let Some(order) = self.all.get_mut(id) else { return };
        match order.status {
            Status::Waiting | Status::Sent | Status::Unknown => {}
            Status::Open | Status::Refused | Status::Ended => return,
        }
        order.status = Status::Refused;
        let orig = order.orig.clone();
        orig.iter().for_each(|orig| self.forget_successor(orig, id));
        self.waiting.retain(|waiting| waiting != id);
        report(out, VenueReport::Rejected { cl_ord_id: id.clone(), reason, venue_time: now });
        self.close(id);
        // It may have ended before that was known.
        orig.iter().for_each(|orig| self.finish(orig, out));
    }

    /// Books a fill, once.
    pub(super) fn filled(
        &mut self,
        now: Timestamp,
        id: &ClOrdId,
        order_id: &OrderId,
        fill: Fill,
        venue_time: Timestamp,
        out: &mut Out,
    ) {
        let id = &self.name_for_fill(now, id, &fill, out);
        self.learn(now, id, order_id);
        let Some(order) = self.all.get_mut(id) else { return };
        if !order.execs.insert(fill.exec_id.clone()) {
            return;
        }
        if matches!(order.status, Status::Sent | Status::Unknown) {
            order.status = Status::Open;
            order.is_acceptance_told = true;
        }
        order.sum = order.sum.checked_add(fill.last_qty).unwrap_or(order.sum);
        order.venue_cum = order.venue_cum.max(order.sum);
        let (cum_qty, order_id) = (order.own(order.sum), order_id.clone());
        let cl_ord_id = id.clone();
        report(out, VenueReport::Filled { cl_ord_id, order_id, fill, cum_qty, venue_time });
        let successor = self.move_if_told(now, id, false, out);
        self.finish(successor.as_ref().unwrap_or(id), out);
    }

    /// Notes how much the venue says was filled; `true` when fills are missing.
    pub(super) fn cum_told(&mut self, id: &ClOrdId, cum_qty: Qty) -> bool {
        self.all.get_mut(id).is_some_and(|order| {
            order.venue_cum = order.venue_cum.max(cum_qty);
            order.is_lacking()
        })
    }

    /// Notes that the venue ended an order; `true` when something is missing: the end is told with the last of its fills, and
    /// with the answer to a change that is under way.
    pub(super) fn ended(
        &mut self,
        id: &ClOrdId,
        reason: Reason,
        cum_qty: Option<Qty>,
        venue_time: Timestamp,
        out: &mut Out,
    ) -> bool {
        let Some(order) = self.all.get_mut(id) else { return false };
        if !order.is_live() {
            return false;
        }
        order.venue_cum = order.venue_cum.max(cum_qty.unwrap_or_default());
        order.end = order.end.or(Some((reason, venue_time)));
        self.finish(id, out);
        self.all.get(id).is_some_and(Order::is_live)
    }

    /// Ends an order whose fills are complete and that is known to have ended.
    fn finish(&mut self, id: &ClOrdId, out: &mut Out) {
        let Some(order) = self.all.get(id) else { return };
        if !order.is_live() || order.is_lacking() || self.is_changing(id) {
            return;
        }
        let Some(order) = self.all.get_mut(id) else { return };
        if order.sum >= order.qty {
            order.status = Status::Ended; // the last fill has told it
        } else if let Some((reason, venue_time)) = order.end {
            order.status = Status::Ended;
            report(out, VenueReport::Cancelled { cl_ord_id: id.clone(), reason, venue_time });
        } else {
            return;
        }
        self.close(id);
    }

    /// Takes an order from the living; the oldest of the dead are forgotten.
    fn close(&mut self, id: &ClOrdId) {
        self.live.remove(id);
        self.ended.push_back(id.clone());
        while self.ended.len() > ENDED_KEPT {
            let Some(oldest) = self.ended.pop_front() else { break };
            let is_dead = self.all.get(&oldest).is_some_and(|order| !order.is_live());
            if is_dead && let Some(order) = self.all.remove(&oldest) {
                let order_id = order.order_id.filter(|id| self.name_of(id) == Some(&oldest));
                order_id.map(|order_id| self.by_order_id.remove(&order_id));
            }
        }
    }

    /// Gives how many may be at the venue.
    pub(super) fn live_count(&self) -> usize {
        self.live.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{ExecType, OrdStatus};
    use remora_testkit::{at_ms, cl_ord_id, event, fill, qty, request};

    fn order_id() -> OrderId {
        OrderId::new("OAAAAA-BBBBB-CCCCCC").unwrap()
    }

    fn open(quantity: &str) -> (Orders, ClOrdId) {
        let mut orders = Orders::default();
        let mut working = remora_testkit::accepted(&request("r-1"));
        working.order_qty = qty(quantity);
        working.order_id = Some(order_id());
        orders.restore(&working);
        (orders, cl_ord_id("r-1"))
    }

    fn reports(out: &[VenueOutput]) -> Vec<&'static str> {
        let word = |output: &VenueOutput| {
            let VenueOutput::Report(report) = output else { panic!("{output:?}") };
            match report {
                VenueReport::Filled { .. } => "filled",
                VenueReport::Cancelled { .. } => "cancelled",
                VenueReport::Accepted { .. }
                | VenueReport::Replaced { .. }
                | VenueReport::Rejected { .. }
                | VenueReport::CancelRejected { .. }
                | VenueReport::SubmitUnknown { .. }
                | VenueReport::OpenOrders { .. }
                | VenueReport::Balances(_)
                | VenueReport::Fees(_)
                | VenueReport::Session { .. }
                | VenueReport::Guard { .. } => panic!("{report:?}"),
            }
        };
        out.iter().map(word).collect()
    }

    #[test]
    fn a_fill_is_reported_once_by_its_id() {
        let (mut orders, id) = open("2");
        let mut out = Vec::new();
        for _ in 0..2 {
            let fill = fill("T1", "100", "1", "0.1");
            orders.filled(at_ms(1), &id, &order_id(), fill, at_ms(1), &mut out);
        }
        assert_eq!(reports(&out), ["filled"]);
    }

    #[test]
    fn an_end_waits_for_the_fills_that_the_venue_counts() {
        let (mut orders, id) = open("2");
        let mut out = Vec::new();
        assert!(orders.ended(&id, Reason::UserRequested, Some(qty("1")), at_ms(1), &mut out));
        assert!(out.is_empty() && orders.is_any_lacking());
        let late = fill("T1", "100", "1", "0.1");
        orders.filled(at_ms(2), &id, &order_id(), late, at_ms(1), &mut out);
        assert_eq!(reports(&out), ["filled", "cancelled"]);
        assert!(!orders.is_any_lacking());
        // A fill that the venue tells of afterwards is still reported.
        let later = fill("T2", "100", "0.5", "0.1");
        orders.filled(at_ms(3), &id, &order_id(), later, at_ms(3), &mut out);
        assert_eq!(reports(&out), ["filled", "cancelled", "filled"]);
    }

    #[test]
    fn executions_of_an_earlier_run_are_not_told_again() {
        let (mut orders, id) = open("2");
        let mut told = event(&request("r-1"), ExecType::Trade, OrdStatus::Working, qty("1"));
        told.fill = Some(fill("T1", "100", "1", "0.1"));
        orders.restore(&told);
        let mut out = Vec::new();
        let again = fill("T1", "100", "1", "0.1");
        orders.filled(at_ms(1), &id, &order_id(), again, at_ms(1), &mut out);
        assert!(out.is_empty());
        let rest = fill("T2", "100", "1", "0.1");
        orders.filled(at_ms(1), &id, &order_id(), rest, at_ms(1), &mut out);
        assert_eq!(reports(&out), ["filled"]);
        assert_eq!(orders.live_count(), 0);
    }
}
