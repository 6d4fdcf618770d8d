//! What the router does, as far as the session sees it: intends before it sends, tracks, repeats cancels, compares.

use crate::trading::tests::world::Venue;
use remora_approval::Verifier;
use remora_domain::{
    Amount, Asset, Balances, ClOrdId, DurationNs, ExecId, ExecType, FeeSchedule, Fill, OpenOrder,
    OrdStatus, OrderEvent, OrderEventReason, OrderId, OrderRequest, Qty, Side, Timestamp,
    VenueReport,
};
use remora_testkit::{approval, event, signer};
use remora_venue_api::VenueCommand;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const QUERY_EVERY: DurationNs = DurationNs::from_s(30);
const CANCEL_AGAIN: DurationNs = DurationNs::from_s(2);
const GRACE: DurationNs = DurationNs::from_s(2);

/// Is one order as the router tracks it.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) request: OrderRequest,
    pub(crate) status: OrdStatus,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) fills: BTreeMap<ExecId, Fill>,
    pub(crate) cum: Qty,
    pub(crate) reason: OrderEventReason,
    pub(crate) heard_at: Timestamp,
    cancel_sent: Option<Timestamp>,
    /// When it was first wanted back.
    pub(crate) cancel_from: Option<Timestamp>,
    is_cancel_wanted: bool,
    /// What of it could fill, where the order whose place it took filled on the way.
    whole: Qty,
    /// Whether another took its place.
    is_replaced: bool,
}

/// Is a router.
pub(crate) struct Router {
    verifier: Verifier,
    pub(crate) orders: BTreeMap<ClOrdId, Tracked>,
    /// What is stored durably.
    pub(crate) log: Vec<OrderEvent>,
    pub(crate) is_up: bool,
    /// Whether its orders end at the venue without it, as the session told since it came up.
    pub(crate) is_guarded: Option<bool>,
    pub(crate) ups: usize,
    /// When the newest question for open orders was asked in this session.
    asked_at: Option<Timestamp>,
    query_at: Timestamp,
    pub(crate) listings: usize,
    pub(crate) last_listing: Vec<OpenOrder>,
    /// How many more the last list had that could not be read.
    pub(crate) last_unread: u64,
    pub(crate) balances: Option<Balances>,
    pub(crate) fees: Option<FeeSchedule>,
    pub(crate) commands: VecDeque<VenueCommand>,
    next: u64,
    prefix: &'static str,
    pub(crate) cancel_refusals: usize,
    pub(crate) replaced: usize,
    /// How long after it was first wanted back each order ended at the venue, by its clock.
    pub(crate) cancel_waits: Vec<DurationNs>,
}

impl Router {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self {
            verifier: Verifier::new(signer().verifying_key()),
            orders: BTreeMap::new(),
            log: Vec::new(),
            is_up: false,
            is_guarded: None,
            ups: 0,
            asked_at: None,
            query_at: Timestamp::EPOCH,
            listings: 0,
            last_listing: Vec::new(),
            last_unread: 0,
            balances: None,
            fees: None,
            commands: VecDeque::new(),
            next: 0,
            prefix,
            cancel_refusals: 0,
            replaced: 0,
            cancel_waits: Vec::new(),
        }
    }

    /// Begins a new run: what is known is what was stored.
    pub(crate) fn restart(&mut self) {
        self.is_up = false;
        self.is_guarded = None;
        self.asked_at = None;
        self.commands.clear();
        self.balances = None;
        self.fees = None;
        for order in self.orders.values_mut() {
            order.cancel_sent = None;
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_up && self.listings > 0 && self.balances.is_some() && self.fees.is_some()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (&ClOrdId, &Tracked)> {
        self.orders.iter().filter(|(_, order)| !order.status.is_terminal())
    }

    /// Gives the orders that the venue may be asked to change: it has them, and nobody wants them back.
    pub(crate) fn changeable(&self) -> Vec<ClOrdId> {
        let pending = self.live().filter_map(|(_, order)| order.request.orig_cl_ord_id.clone());
        let pending: BTreeSet<ClOrdId> = pending.collect();
        let working = self.live().filter(|(id, order)| {
            order.status == OrdStatus::Working && !order.is_cancel_wanted && !pending.contains(*id)
        });
        working.map(|(id, _)| id.clone()).collect()
    }

    fn store(&mut self, id: &ClOrdId, exec_type: ExecType, fill: Option<Fill>) {
        let order = &self.orders[id];
        let request = OrderRequest { qty: order.whole, ..order.request.clone() };
        let mut told = event(&request, exec_type, order.status, order.cum);
        told.order_id.clone_from(&order.order_id);
        told.fill = fill;
        told.reason = order.reason;
        self.log.push(told);
    }

    /// Makes an id that was never used.
    pub(crate) fn next_id(&mut self) -> ClOrdId {
        self.next += 1;
        ClOrdId::new(&format!("{}{:x}", self.prefix, self.next)).unwrap()
    }

    /// Intends an order and gives it to the session, unless the run ends in between.
    pub(crate) fn submit(
        &mut self,
        now: Timestamp,
        request: OrderRequest,
        valid: DurationNs,
        is_sent: bool,
    ) {
        let id = request.cl_ord_id.clone();
        let whole = request.qty;
        let tracked = Tracked {
            request: request.clone(),
            status: OrdStatus::InFlight,
            order_id: None,
            fills: BTreeMap::new(),
            cum: Qty::ZERO,
            reason: OrderEventReason::None,
            heard_at: now,
            cancel_sent: None,
            cancel_from: None,
            is_cancel_wanted: false,
            whole,
            is_replaced: false,
        };
        self.orders.insert(id.clone(), tracked);
        self.store(&id, ExecType::Sending, None);
        let approval = approval(request, 1, self.next, now.saturating_add(valid));
        let approved = self.verifier.verify(now, &approval).unwrap();
        if is_sent {
            self.commands.push_back(VenueCommand::Submit(approved));
        }
    }

    pub(crate) fn cancel(&mut self, now: Timestamp, id: &ClOrdId) {
        let Some(order) = self.orders.get_mut(id) else { return };
        order.is_cancel_wanted = true;
        order.cancel_sent = Some(now);
        order.cancel_from = order.cancel_from.or(Some(now));
        let (cl_ord_id, order_id) = (id.clone(), order.order_id.clone());
        self.commands.push_back(VenueCommand::Cancel { cl_ord_id, order_id });
    }

    pub(crate) fn cancel_everything(&mut self, now: Timestamp) {
        let live: Vec<ClOrdId> = self.live().map(|(id, _)| id.clone()).collect();
        live.iter().for_each(|id| self.cancel(now, id));
    }

    pub(crate) fn query(&mut self, now: Timestamp) {
        self.asked_at = Some(now);
        self.query_at = now.saturating_add(QUERY_EVERY);
        self.commands.push_back(VenueCommand::QueryOpenOrders { asked_at: now });
        self.commands.push_back(VenueCommand::QueryAccount);
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        if !self.is_up {
            return;
        }
        if self.query_at <= now {
            self.query(now);
        }
        let due = |at: Timestamp| at.saturating_add(CANCEL_AGAIN) <= now;
        let again = self
            .live()
            .filter(|(_, order)| order.is_cancel_wanted && order.cancel_sent.is_none_or(due));
        let again: Vec<ClOrdId> = again.map(|(id, _)| id.clone()).collect();
        again.iter().for_each(|id| self.cancel(now, id));
    }

    /// Takes in a report, and holds it against what the venue knows.
    pub(crate) fn report(&mut self, now: Timestamp, report: VenueReport, venue: &Venue<'_>) {
        match report {
            VenueReport::Session { is_up } => {
                self.is_up = is_up;
                self.is_guarded = None;
                self.asked_at = None;
                if is_up {
                    self.ups += 1;
                    self.query(now);
                }
            }
            VenueReport::Guard { is_guarded } => {
                assert!(self.is_up, "told of a session that is down");
                self.is_guarded = Some(is_guarded);
            }
            VenueReport::Accepted { cl_ord_id: id, order_id, .. } => {
                let order = self.orders.get_mut(&id).expect("an order of ours is accepted");
                order.heard_at = now;
                order.order_id = Some(order_id);
                assert!(!order.status.is_terminal(), "{id} came back from {:?}", order.status);
                order.status = OrdStatus::Working;
                self.store(&id, ExecType::New, None);
            }
            VenueReport::Replaced {
                orig_cl_ord_id: orig,
                cl_ord_id: id,
                order_id,
                order_qty,
                ..
            } => self.replaced(now, orig, &id, (order_id, order_qty)),
            VenueReport::Rejected { cl_ord_id: id, reason, .. } => {
                assert!(venue.knows(&id).is_none(), "{id} is refused and at the venue");
                self.assert_not_applied(&id, venue);
                self.end(now, &id, OrdStatus::Rejected, reason);
            }
            VenueReport::Filled { cl_ord_id: id, order_id, fill, cum_qty, .. } => {
                self.filled(now, &id, order_id, (fill, cum_qty));
            }
            VenueReport::Cancelled { cl_ord_id: id, reason, .. } => {
                let (first, cum) = self.at_venue(&id);
                let ended = venue.knows(&first).and_then(|facts| facts.closed);
                let waited = self.orders[&id].cancel_from.zip(ended);
                self.cancel_waits.extend(waited.map(|(from, ended)| ended.since(from)));
                venue.assert_ended(&first, cum);
                self.end(now, &id, OrdStatus::Cancelled, reason);
            }
            VenueReport::CancelRejected { .. } => self.cancel_refusals += 1,
            VenueReport::SubmitUnknown { cl_ord_id: id } => {
                let order = self.orders.get_mut(&id).expect("an order of ours is unknown");
                assert_eq!(order.status, OrdStatus::InFlight, "{id}");
                order.status = OrdStatus::SubmitUnknown;
                self.store(&id, ExecType::SubmitUnknown, None);
            }
            VenueReport::OpenOrders { orders, unread, asked_at, .. } => {
                assert!(self.asked_at >= Some(asked_at), "an answer nobody asked for");
                self.last_unread = unread;
                self.compare(now, (asked_at, orders), venue);
            }
            VenueReport::Balances(balances) => self.balances = Some(balances),
            VenueReport::Fees(fees) => self.fees = Some(fees),
        }
    }

    fn filled(&mut self, now: Timestamp, id: &ClOrdId, order_id: OrderId, told: (Fill, Qty)) {
        let (fill, cum_qty) = told;
        let order = self.orders.get_mut(id).expect("an order of ours is filled");
        order.heard_at = now;
        order.order_id = Some(order_id);
        assert!(
            order.fills.insert(fill.exec_id.clone(), fill.clone()).is_none(),
            "{id}: {} is told twice",
            fill.exec_id
        );
        order.cum = order.cum.checked_add(fill.last_qty).unwrap();
        assert_eq!(order.cum, cum_qty, "{id}");
        assert!(order.cum <= order.whole, "{id}: {} of {}", order.cum, order.whole);
        if !order.status.is_terminal() {
            let is_whole = order.cum == order.whole;
            order.status = if is_whole { OrdStatus::Filled } else { OrdStatus::Working };
        }
        self.store(id, ExecType::Trade, Some(fill));
    }

    fn replaced(
        &mut self,
        now: Timestamp,
        orig: ClOrdId,
        id: &ClOrdId,
        (order_id, order_qty): (OrderId, Qty),
    ) {
        self.replaced += 1;
        self.orders.get_mut(&orig).expect("an order of ours is replaced").is_replaced = true;
        if !self.orders[&orig].status.is_terminal() {
            self.end(now, &orig, OrdStatus::Cancelled, OrderEventReason::UserRequested);
        }
        let is_cancel_wanted = self.orders[&orig].is_cancel_wanted;
        let order = self.orders.get_mut(id).expect("an order of ours replaces it");
        assert_eq!(order.request.orig_cl_ord_id, Some(orig));
        assert!(order_qty <= order.whole && !order.status.is_terminal(), "{id}");
        order.whole = order_qty;
        order.heard_at = now;
        order.order_id = Some(order_id);
        order.status = OrdStatus::Working;
        order.is_cancel_wanted |= is_cancel_wanted;
        self.store(id, ExecType::New, None);
    }

    /// Gives the name that the venue has of an order, the first of ours, and what was told filled under all of them.
    fn at_venue(&self, id: &ClOrdId) -> (ClOrdId, Qty) {
        let (mut id, mut cum) = (id.clone(), self.orders[id].cum);
        while let Some(orig) = self.orders[&id].request.orig_cl_ord_id.clone() {
            if !self.orders[&orig].is_replaced {
                break; // it never came so far
            }
            cum = cum.checked_add(self.orders[&orig].cum).unwrap();
            id = orig;
        }
        (id, cum)
    }

    /// A change that was refused has not been made: the venue's order has the terms of before.
    fn assert_not_applied(&self, id: &ClOrdId, venue: &Venue<'_>) {
        let Some(orig) = &self.orders[id].request.orig_cl_ord_id else { return };
        let (first, _) = self.at_venue(orig);
        // Or those of another that has its place by now.
        let facts = venue.knows(&first).filter(|_| !self.orders[orig].is_replaced);
        // A change to less than was filled by then ends an order.
        let facts =
            facts.filter(|facts| facts.closed.is_none() || facts.qty != Some(facts.cum_qty));
        let Some(facts) = facts else { return };
        assert_eq!((facts.limit, facts.qty), self.terms(orig), "{id} is refused");
    }

    /// Gives price and quantity that the venue has of an order, by what was told.
    fn terms(&self, id: &ClOrdId) -> (Option<Decimal>, Option<Decimal>) {
        let (order, (_, cum)) = (&self.orders[id], self.at_venue(id));
        let before = cum.checked_sub(order.cum).unwrap();
        let whole = order.whole.checked_add(before).unwrap();
        (Some(order.request.price.to_decimal()), Some(whole.to_decimal()))
    }

    fn end(&mut self, now: Timestamp, id: &ClOrdId, to: OrdStatus, reason: OrderEventReason) {
        let order = self.orders.get_mut(id).expect("an order of ours ends");
        assert!(!order.status.is_terminal(), "{id} ends twice: {:?} {to:?}", order.status);
        order.status = to;
        order.reason = reason;
        order.heard_at = now;
        let is_refused = to == OrdStatus::Rejected;
        let is_replaced = self.orders[id].is_replaced;
        let said = match (is_refused, is_replaced) {
            (true, _) => ExecType::Rejected,
            (false, true) => ExecType::Replaced,
            (false, false) => ExecType::Cancelled,
        };
        self.store(id, said, None);
    }

    /// An order that is not listed any more must have ended, with every fill told.
    fn compare(
        &mut self,
        now: Timestamp,
        (asked_at, listed): (Timestamp, Vec<OpenOrder>),
        venue: &Venue<'_>,
    ) {
        self.listings += 1;
        let ours = listed.iter().filter_map(|order| order.cl_ord_id.clone());
        let ours: BTreeSet<ClOrdId> = ours.collect();
        for id in ours.iter().filter(|id| id.as_str().starts_with(self.prefix)) {
            assert!(self.orders.contains_key(id), "{id} was never intended");
        }
        let changing = self.live().filter_map(|(_, order)| order.request.orig_cl_ord_id.clone());
        let changing: BTreeSet<ClOrdId> = changing.collect();
        for open in &listed {
            let ours = open.cl_ord_id.as_ref().filter(|id| !changing.contains(*id));
            if let Some(order) = ours.and_then(|id| self.orders.get(id)) {
                assert_eq!((open.price, open.order_qty), (order.request.price, order.whole));
            }
        }
        self.last_listing = listed;
        let missing = self.live().filter(|(id, order)| {
            !ours.contains(*id) && order.heard_at.saturating_add(GRACE) <= asked_at
        });
        let missing: Vec<ClOrdId> = missing.map(|(id, _)| id.clone()).collect();
        for id in missing {
            let (first, cum) = self.at_venue(&id);
            venue.assert_ended(&first, cum);
            if venue.knows(&first).is_none() {
                self.end(now, &id, OrdStatus::Cancelled, OrderEventReason::UnknownOrder);
            } else {
                panic!("{id} ended at the venue and was not told before it was not listed");
            }
        }
    }

    /// Gives what all fills told change of each balance.
    pub(crate) fn changes(&self) -> BTreeMap<Asset, Amount> {
        let mut changes: BTreeMap<Asset, Amount> = BTreeMap::new();
        let mut add = |asset: &Asset, amount: Amount| {
            let sum = changes.entry(asset.clone()).or_default();
            *sum = sum.checked_add(amount).unwrap();
        };
        for order in self.orders.values() {
            let name = order.request.instrument.instrument.as_str();
            let (base, quote) = name.split_once('-').unwrap();
            let (base, quote) = (Asset::new(base).unwrap(), Asset::new(quote).unwrap());
            for fill in order.fills.values() {
                let one = Qty::parse("1").unwrap();
                let cost = fill.value(one).unwrap().as_amount();
                let qty = fill.last_qty.as_amount();
                let (got, paid) = match order.request.side {
                    Side::Buy => (qty, cost.negated()),
                    Side::Sell => (qty.negated(), cost),
                };
                add(&base, got);
                add(&quote, paid);
                add(&fill.fee.asset, fill.fee.amount.negated());
            }
        }
        changes
    }
}
