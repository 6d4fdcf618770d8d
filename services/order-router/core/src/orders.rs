//! Orders and their book-keeping.
//!
//! Live orders are indexed apart, so that the cost of a query's answer does not grow with history. Terminal ones
//! are kept, oldest dropped first, so that late fills and repeats are recognised.

use remora_domain::{
    AccountId, ClOrdId, ExecId, ExecType, Fill, Header, InstrumentKey, MessageId, OpenOrder,
    OrdStatus, OrderEvent, OrderEventReason, OrderId, OrderRequest, Price, ProducerId, Qty, Side,
    Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many terminal orders are remembered; at 100 orders a second this is more than eight minutes of late fills.
const TERMINAL_KEPT: usize = 50_000;

/// Is one order of ours.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Order {
    pub(crate) cl_ord_id: ClOrdId,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentKey,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) order_qty: Qty,
    pub(crate) status: OrdStatus,
    pub(crate) cum_qty: Qty,
    pub(crate) exec_ids: BTreeSet<ExecId>,
    /// The approval behind it, so that every event names its cause.
    pub(crate) cause: Option<Header>,
    /// Whether bytes left, or may have left in an earlier run.
    pub(crate) is_sent: bool,
    /// When it was last sent or heard of; a query's answer counts only if asked well after this.
    pub(crate) touched_at: Timestamp,
    /// When silence after the send becomes `SubmitUnknown`.
    pub(crate) timer: Option<Timestamp>,
    /// Whether anybody wants it back.
    pub(crate) is_cancel_wanted: bool,
    /// The last cancel message, so that its repeat is recognised.
    pub(crate) cancel_message: Option<MessageId>,
    /// When a cancel last left.
    pub(crate) cancel_sent_at: Option<Timestamp>,
    /// How many cancels left.
    pub(crate) cancels_sent: u32,
    /// When a cancel without an answer is sent again.
    pub(crate) cancel_timer: Option<Timestamp>,
    /// Who asked for it; `None` for one that only the venue or an old log tells of.
    pub(crate) owner: Option<ProducerId>,
    /// Consecutive answers of the venue that should list it and do not.
    pub(crate) answers_without_it: u32,
    /// The order whose place it takes.
    pub(crate) orig_cl_ord_id: Option<ClOrdId>,
}

impl Order {
    /// Makes an order that is intended and not sent.
    pub(crate) fn intended(request: &OrderRequest, cause: Option<Header>, now: Timestamp) -> Self {
        Self {
            cl_ord_id: request.cl_ord_id.clone(),
            order_id: None,
            account: request.account.clone(),
            instrument: request.instrument.clone(),
            side: request.side,
            price: request.price,
            order_qty: request.qty,
            status: OrdStatus::InFlight,
            cum_qty: Qty::ZERO,
            exec_ids: BTreeSet::new(),
            cause,
            is_sent: false,
            touched_at: now,
            timer: None,
            is_cancel_wanted: false,
            cancel_message: None,
            cancel_sent_at: None,
            cancels_sent: 0,
            cancel_timer: None,
            owner: None,
            answers_without_it: 0,
            orig_cl_ord_id: request.orig_cl_ord_id.clone(),
        }
    }

    /// Makes an order from what an earlier run said about it.
    pub(crate) fn remembered(event: &OrderEvent, at: Timestamp) -> Self {
        Self {
            cl_ord_id: event.cl_ord_id.clone(),
            order_id: event.order_id.clone(),
            account: event.account.clone(),
            instrument: event.instrument.clone(),
            side: event.side,
            price: event.price,
            order_qty: event.order_qty,
            status: event.ord_status,
            cum_qty: event.cum_qty,
            exec_ids: event.fill.iter().map(|fill| fill.exec_id.clone()).collect(),
            cause: None,
            is_sent: true,
            touched_at: at,
            timer: None,
            is_cancel_wanted: event.ord_status == OrdStatus::CancelPending,
            cancel_message: None,
            cancel_sent_at: None,
            cancels_sent: 0,
            cancel_timer: None,
            owner: None,
            answers_without_it: 0,
            orig_cl_ord_id: event.orig_cl_ord_id.clone(),
        }
    }

    /// Makes an order that only the venue tells of: it carries our name, so it is taken back. What it filled before was
    /// never reported to us and stays unbooked; whoever reserved it keeps that reserved.
    pub(crate) fn adopted(
        id: &ClOrdId,
        account: &AccountId,
        open: &OpenOrder,
        now: Timestamp,
    ) -> Self {
        Self {
            cl_ord_id: id.clone(),
            order_id: Some(open.order_id.clone()),
            account: account.clone(),
            instrument: open.instrument.clone(),
            side: open.side,
            price: open.price,
            order_qty: open.order_qty,
            status: OrdStatus::Working,
            cum_qty: open.cum_qty,
            exec_ids: BTreeSet::new(),
            cause: None,
            is_sent: true,
            touched_at: now,
            timer: None,
            is_cancel_wanted: true,
            cancel_message: None,
            cancel_sent_at: None,
            cancels_sent: 0,
            cancel_timer: None,
            owner: None,
            answers_without_it: 0,
            orig_cl_ord_id: None,
        }
    }

    /// Gives what is still open: asked − filled while live, nothing when terminal.
    pub(crate) fn leaves_qty(&self) -> Qty {
        if self.status.is_terminal() {
            return Qty::ZERO;
        }
        self.order_qty.checked_sub(self.cum_qty).unwrap_or(Qty::ZERO)
    }

    /// States where the order stands now and what happened.
    pub(crate) fn event(&self, what: What) -> OrderEvent {
        OrderEvent {
            cl_ord_id: self.cl_ord_id.clone(),
            order_id: self.order_id.clone(),
            account: self.account.clone(),
            instrument: self.instrument.clone(),
            side: self.side,
            price: self.price,
            order_qty: self.order_qty,
            exec_type: what.exec_type,
            ord_status: self.status,
            cum_qty: self.cum_qty,
            leaves_qty: self.leaves_qty(),
            fill: what.fill,
            reason: what.reason,
            venue_time: what.venue_time,
            orig_cl_ord_id: self.orig_cl_ord_id.clone(),
        }
    }
}

/// Is what happened to an order, beside where it stands.
#[derive(Clone, Debug)]
pub(crate) struct What {
    pub(crate) exec_type: ExecType,
    pub(crate) reason: OrderEventReason,
    pub(crate) fill: Option<Fill>,
    pub(crate) venue_time: Option<Timestamp>,
}

impl What {
    /// Happened on our side.
    pub(crate) const fn ours(exec_type: ExecType, reason: OrderEventReason) -> Self {
        Self { exec_type, reason, fill: None, venue_time: None }
    }

    /// Happened at the venue.
    pub(crate) const fn theirs(
        exec_type: ExecType,
        reason: OrderEventReason,
        venue_time: Timestamp,
    ) -> Self {
        Self { exec_type, reason, fill: None, venue_time: Some(venue_time) }
    }
}

/// Holds every order that is live and the newest of those that ended.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    all: BTreeMap<ClOrdId, Order>,
    live: BTreeSet<ClOrdId>,
    ended: VecDeque<ClOrdId>,
    timers: BTreeSet<(Timestamp, ClOrdId)>,
    cancel_timers: BTreeSet<(Timestamp, ClOrdId)>,
}

impl Orders {
    pub(crate) fn get(&self, cl_ord_id: &ClOrdId) -> Option<&Order> {
        self.all.get(cl_ord_id)
    }

    /// Gives every order held, by id.
    pub(crate) const fn all(&self) -> &BTreeMap<ClOrdId, Order> {
        &self.all
    }

    /// Gives the ids of those that ended, oldest first.
    pub(crate) const fn ended(&self) -> &VecDeque<ClOrdId> {
        &self.ended
    }

    /// Goes on where a snapshot ended. Nothing was waited for then: no timer runs before the log is read.
    pub(crate) fn of(all: BTreeMap<ClOrdId, Order>, ended: VecDeque<ClOrdId>) -> Self {
        let is_live = |order: &&Order| !order.status.is_terminal();
        let live = all.values().filter(is_live).map(|order| order.cl_ord_id.clone()).collect();
        Self { all, live, ended, ..Self::default() }
    }

    /// Gives an order to be changed in anything but its status and timer.
    pub(crate) fn get_mut(&mut self, cl_ord_id: &ClOrdId) -> Option<&mut Order> {
        self.all.get_mut(cl_ord_id)
    }

    /// Gives the ids of live orders, sorted.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Order> {
        self.live.iter().filter_map(|cl_ord_id| self.all.get(cl_ord_id))
    }

    pub(crate) fn live_count(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn insert(&mut self, order: Order) {
        let cl_ord_id = order.cl_ord_id.clone();
        let status = order.status;
        let is_new = self.all.insert(cl_ord_id.clone(), order).is_none();
        self.index(&cl_ord_id, status, is_new);
    }

    /// Moves an order; its silence timer ends with `InFlight`.
    pub(crate) fn set_status(&mut self, cl_ord_id: &ClOrdId, status: OrdStatus) {
        if let Some(order) = self.all.get_mut(cl_ord_id) {
            order.status = status;
            let timer = order.timer.take_if(|_| status != OrdStatus::InFlight);
            if let Some(at) = timer {
                self.timers.remove(&(at, cl_ord_id.clone()));
            }
            let cancel_timer = order.cancel_timer.take_if(|_| status.is_terminal());
            if let Some(at) = cancel_timer {
                self.cancel_timers.remove(&(at, cl_ord_id.clone()));
            }
            self.index(cl_ord_id, status, false);
        }
    }

    /// Starts the wait for the answer to a cancel; one before it ends.
    pub(crate) fn start_cancel_timer(&mut self, cl_ord_id: &ClOrdId, at: Timestamp) {
        let Some(order) = self.all.get_mut(cl_ord_id) else { return };
        if order.status.is_terminal() {
            return; // the next comparison repeats it, if the venue still lists the order
        }
        if let Some(before) = order.cancel_timer.replace(at) {
            self.cancel_timers.remove(&(before, cl_ord_id.clone()));
        }
        self.cancel_timers.insert((at, cl_ord_id.clone()));
    }

    /// Takes the first live order whose cancel has had no answer in time.
    pub(crate) fn take_due_cancel(&mut self, now: Timestamp) -> Option<ClOrdId> {
        self.cancel_timers.first().filter(|(at, _)| *at <= now)?;
        let (_, cl_ord_id) = self.cancel_timers.pop_first()?;
        if let Some(order) = self.all.get_mut(&cl_ord_id) {
            order.cancel_timer = None;
        }
        Some(cl_ord_id)
    }

    pub(crate) fn start_timer(&mut self, cl_ord_id: &ClOrdId, at: Timestamp) {
        if let Some(order) = self.all.get_mut(cl_ord_id) {
            order.timer = Some(at);
            self.timers.insert((at, cl_ord_id.clone()));
        }
    }

    /// Gives when the first timer ends, of a send or of a cancel.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let firsts = [self.timers.first(), self.cancel_timers.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Takes the first order whose silence timer has ended.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<ClOrdId> {
        self.timers.first().filter(|(at, _)| *at <= now)?;
        let (_, cl_ord_id) = self.timers.pop_first()?;
        if let Some(order) = self.all.get_mut(&cl_ord_id) {
            order.timer = None;
        }
        Some(cl_ord_id)
    }

    /// Keeps the live index and the ring of ended orders; an order enters the ring once, when it is first terminal.
    fn index(&mut self, cl_ord_id: &ClOrdId, status: OrdStatus, is_new: bool) {
        if !status.is_terminal() {
            self.live.insert(cl_ord_id.clone());
            return;
        }
        if self.live.remove(cl_ord_id) || is_new {
            self.ended.push_back(cl_ord_id.clone());
        }
        if self.ended.len() > TERMINAL_KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}
