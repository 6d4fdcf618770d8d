//! Orders: asked for, answered, sent, filled, ended.

use super::findings::{Findings, Promise};
use super::markets::Marks;
use remora_domain::{
    ClOrdId, ExecId, ExecType, Fill, InstrumentKey, OrdStatus, OrderApproval, OrderCancel,
    OrderEvent, OrderRefusal, OrderRequest, Position, Qty, RefusalReason, Side,
};
use std::collections::{BTreeMap, BTreeSet};

/// Is one order, from its request on.
pub(super) struct Order {
    pub(super) request: OrderRequest,
    /// The mids when it was asked for: the gate answers a request before it hears anything later.
    pub(super) marks: Marks,
    approvals: u32,
    refusals: u32,
    sendings: u32,
    events: u32,
    status: Option<OrdStatus>,
    cum_qty: Qty,
}

impl Order {
    /// Gives what may still fill.
    pub(super) fn remaining(&self) -> Qty {
        self.request.qty.checked_sub(self.cum_qty).unwrap_or(Qty::ZERO)
    }

    fn answers(&self) -> u32 {
        self.approvals.saturating_add(self.refusals)
    }

    fn is_ended(&self) -> bool {
        self.status.is_some_and(OrdStatus::is_terminal)
    }
}

#[derive(Default)]
pub(super) struct Orders {
    all: BTreeMap<ClOrdId, Order>,
    /// Approved and not ended.
    open: BTreeMap<InstrumentKey, BTreeSet<ClOrdId>>,
    positions: BTreeMap<InstrumentKey, Position>,
    exec_ids: BTreeSet<ExecId>,
}

impl Orders {
    pub(super) fn request(
        &mut self,
        request: &OrderRequest,
        marks: Marks,
        findings: &mut Findings,
    ) {
        let order = Order {
            request: request.clone(),
            marks,
            approvals: 0,
            refusals: 0,
            sendings: 0,
            events: 0,
            status: None,
            cum_qty: Qty::ZERO,
        };
        if self.all.contains_key(&request.cl_ord_id) {
            findings.add(Promise::IdsAreFresh, request.cl_ord_id.to_string());
            return;
        }
        self.all.insert(request.cl_ord_id.clone(), order);
    }

    pub(super) fn approve(&mut self, approval: &OrderApproval, findings: &mut Findings) {
        let request = &approval.fields.request;
        let id = &request.cl_ord_id;
        let Some(order) = self.all.get_mut(id) else {
            findings.add(Promise::RequestsAreAnsweredOnce, format!("{id} was never asked for"));
            return;
        };
        order.approvals = order.approvals.saturating_add(1);
        if order.answers() != 1 {
            findings.add(Promise::RequestsAreAnsweredOnce, format!("{id} is answered again"));
        }
        if order.request != *request {
            let detail = format!("asked {:?}, approved {request:?}", order.request);
            findings.add(Promise::ApprovedAsAsked, detail);
        }
        for (other, against) in self.open_of(&request.instrument) {
            let is_crossed = match (request.side, against.request.side) {
                (Side::Buy, Side::Sell) => request.price >= against.request.price,
                (Side::Sell, Side::Buy) => request.price <= against.request.price,
                (Side::Buy, Side::Buy) | (Side::Sell, Side::Sell) => false,
            };
            if is_crossed {
                let detail = format!(
                    "{id} {} at {} meets {other} at {}",
                    request.side, request.price, against.request.price
                );
                findings.add(Promise::OwnQuotesNeverCross, detail);
            }
        }
        self.open.entry(request.instrument.clone()).or_default().insert(id.clone());
    }

    pub(super) fn refuse(&mut self, refusal: &OrderRefusal, findings: &mut Findings) {
        let id = &refusal.cl_ord_id;
        match self.all.get_mut(id) {
            None => {
                findings.add(Promise::RequestsAreAnsweredOnce, format!("{id} was never asked for"));
            }
            Some(order) => {
                order.refusals = order.refusals.saturating_add(1);
                if order.answers() != 1 {
                    let detail = format!("{id} is answered again");
                    findings.add(Promise::RequestsAreAnsweredOnce, detail);
                }
            }
        }
        let lacks_limit = refusal.limit.is_empty() && has_limit(refusal.reason);
        if refusal.value.is_empty() || lacks_limit {
            let (reason, limit, value) = (refusal.reason, &refusal.limit, &refusal.value);
            let detail = format!("{id}: {reason}, limit {limit:?}, value {value:?}");
            findings.add(Promise::RefusalsSayWhy, detail);
        }
    }

    pub(super) fn cancel(&self, cancel: &OrderCancel, findings: &mut Findings) {
        let order = self.all.get(&cancel.cl_ord_id);
        if order.is_none_or(|order| order.request.instrument != cancel.instrument) {
            let detail = format!("cancel of {}, never asked for", cancel.cl_ord_id);
            findings.add(Promise::EventsAreOfOurOrders, detail);
        }
    }

    pub(super) fn event(&mut self, event: &OrderEvent, findings: &mut Findings) {
        let id = &event.cl_ord_id;
        let Some(order) = self.all.get_mut(id) else {
            findings.add(Promise::EventsAreOfOurOrders, format!("{id} was never asked for"));
            return;
        };
        let asked = &order.request;
        let is_ours = (&event.account, &event.instrument) == (&asked.account, &asked.instrument)
            && (event.side, event.price, event.order_qty) == (asked.side, asked.price, asked.qty);
        if !is_ours {
            findings.add(Promise::EventsAreOfOurOrders, format!("asked {asked:?}, got {event:?}"));
        }
        order.events = order.events.saturating_add(1);
        if event.exec_type == ExecType::Sending {
            order.sendings = order.sendings.saturating_add(1);
        }
        let is_refused_by_router = event.exec_type == ExecType::RouterRefused;
        if order.approvals != 1 || (order.sendings != 1 && !is_refused_by_router) {
            let (approvals, sendings) = (order.approvals, order.sendings);
            let detail = format!("{id}: {approvals} approvals, {sendings} sendings");
            findings.add(Promise::SentOnceAndApproved, detail);
        }
        check_quantities(order, event, findings);
        if order.is_ended() && !is_late_fill(order.status, event) {
            let detail = format!("{id}: {:?} after {:?}", event.exec_type, order.status);
            findings.add(Promise::TheEndIsFinal, detail);
        }
        order.status = Some(event.ord_status);
        if event.ord_status.is_terminal()
            && let Some(open) = self.open.get_mut(&event.instrument)
        {
            open.remove(id);
        }
    }

    /// Tells whether an execution was not seen before.
    pub(super) fn is_first(&mut self, fill: &Fill, findings: &mut Findings) -> bool {
        let is_first = self.exec_ids.insert(fill.exec_id.clone());
        if !is_first {
            findings.add(Promise::FillsAreBookedOnce, fill.exec_id.to_string());
        }
        is_first
    }

    pub(super) fn book(&mut self, event: &OrderEvent, fill: &Fill, findings: &mut Findings) {
        if let Some(order) = self.all.get_mut(&event.cl_ord_id) {
            order.cum_qty = event.cum_qty;
        }
        let is_within = match event.side {
            Side::Buy => fill.last_px <= event.price,
            Side::Sell => fill.last_px >= event.price,
        };
        if !is_within {
            let detail = format!("{}: {} at {}", event.cl_ord_id, event.side, fill.last_px);
            findings.add(Promise::FillsAreWithinTheLimit, detail);
        }
        let position = self.positions.entry(event.instrument.clone()).or_default();
        let by = Position::of(event.side, fill.last_qty);
        if let Some(sum) = findings.exact(position.checked_add(by)) {
            *position = sum;
        }
    }

    pub(super) fn finish(&self, findings: &mut Findings) {
        for (id, order) in &self.all {
            if order.answers() != 1 {
                let detail = format!("{id} has {} answers", order.answers());
                findings.add(Promise::RequestsAreAnsweredOnce, detail);
            }
            if order.approvals > 0 && order.events == 0 {
                findings.add(Promise::ApprovalsAreHandled, id.to_string());
            }
            if order.events > 0 && !order.is_ended() {
                let detail = format!("{id} is {:?}", order.status);
                findings.add(Promise::NothingIsLeftOpen, detail);
            }
        }
    }

    pub(super) fn get(&self, id: &ClOrdId) -> Option<&Order> {
        self.all.get(id)
    }

    pub(super) fn positions(&self) -> BTreeMap<InstrumentKey, Position> {
        self.positions.clone()
    }

    pub(super) fn position(&self, key: &InstrumentKey) -> Position {
        self.positions.get(key).copied().unwrap_or_default()
    }

    /// Gives every pair with a position or an open order.
    pub(super) fn exposed(&self) -> BTreeSet<&InstrumentKey> {
        self.positions.keys().chain(self.open.keys()).collect()
    }

    /// Gives the approved orders of a pair that have not ended.
    pub(super) fn open_of(&self, key: &InstrumentKey) -> impl Iterator<Item = (&ClOrdId, &Order)> {
        let open = self.open.get(key).into_iter().flatten();
        open.filter_map(|id| Some((id, self.all.get(id)?)))
    }
}

fn check_quantities(order: &Order, event: &OrderEvent, findings: &mut Findings) {
    let filled = event.fill.as_ref().map_or(Qty::ZERO, |fill| fill.last_qty);
    let cum = order.cum_qty.checked_add(filled);
    let sum = event.cum_qty.checked_add(event.leaves_qty);
    let is_whole = if event.ord_status.is_terminal() {
        let is_filled = event.ord_status == OrdStatus::Filled;
        event.leaves_qty.is_zero() && is_filled == (event.cum_qty == event.order_qty)
    } else {
        sum.as_ref() == Ok(&event.order_qty)
    };
    if cum.as_ref() != Ok(&event.cum_qty) || !is_whole || event.cum_qty > event.order_qty {
        let (id, qty, before) = (&event.cl_ord_id, event.order_qty, order.cum_qty);
        let (cum, leaves, status) = (event.cum_qty, event.leaves_qty, event.ord_status);
        let detail = format!(
            "{id}: {status:?}, asked {qty}, filled {before} + {filled}, told {cum}, open {leaves}"
        );
        findings.add(Promise::QuantitiesAddUp, detail);
    }
}

/// Tells whether an event is a fill that was slower than the end of its order: the one thing that may follow an end.
fn is_late_fill(before: Option<OrdStatus>, event: &OrderEvent) -> bool {
    event.fill.is_some() && before != Some(OrdStatus::Filled) && event.ord_status.is_terminal()
}

/// Tells whether a control compares with a limit; the others miss something that they need, or are a state.
fn has_limit(reason: RefusalReason) -> bool {
    !matches!(
        reason,
        RefusalReason::InstrumentUnknown
            | RefusalReason::CostMinUnknown
            | RefusalReason::ConversionUnknown
            | RefusalReason::FeesUnknown
            | RefusalReason::BalanceUnknown
            | RefusalReason::BookUnknown
            | RefusalReason::Halted
            | RefusalReason::LimitUnknown
    )
}
