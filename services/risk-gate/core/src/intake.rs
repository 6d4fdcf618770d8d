//! What others say about orders and funds, and what it does to reservations and positions.

use crate::core::{Out, RiskGateCore};
use crate::facts::Unbooked;
use crate::orders::{IdState, Progress, Reservation};
use crate::seen::Stamp;
use remora_domain::{
    Balances, ExecType, Header, Instrument, InstrumentKey, OrderApproval, OrderCancel, OrderEvent,
    OrderEventReason, OrderRefusal, Qty, Timestamp,
};
use remora_ledger::Booking;
use remora_machine::ServiceOutput;

const FILL_FAULT: &str = "an execution could not be booked: the position of its pair is unknown";
const FUNDS_FAULT: &str = "balances moved by executions leave the exact range";
const SUM_FAULT: &str = "the fills of an order leave the exact range";

impl RiskGateCore {
    /// Takes an approval of another run: what it allowed may be at the venue.
    pub(crate) fn on_approval(
        &mut self,
        now: Timestamp,
        header: &Header,
        approval: &OrderApproval,
    ) {
        self.unanswered.answered(header);
        // It was signed under its epoch even where no statement of a gate tells of that.
        self.epoch_highest = self.epoch_highest.max(approval.fields.epoch);
        let request = &approval.fields.request;
        self.facts.note_sent(header.publish_time.min(now), request);
        match self.facts.ids.get(&request.cl_ord_id) {
            None | Some(IdState::Refused) => self.reserve(request),
            Some(IdState::Open | IdState::NeverSent | IdState::Closed) => {}
        }
    }

    /// Takes a refusal of another run: its request is answered.
    pub(crate) fn on_refusal(&mut self, header: &Header, refusal: &OrderRefusal) {
        self.unanswered.answered(header);
        if refusal.account != self.facts.config.account {
            return;
        }
        self.facts.ids.entry(refusal.cl_ord_id.clone()).or_insert(IdState::Refused);
    }

    pub(crate) fn on_balances(&mut self, stamp: Stamp, balances: &Balances, out: &mut Out) {
        if self.facts.venue(&balances.venue).funds.set(stamp, balances).is_err() {
            out.push(ServiceOutput::Fault(FUNDS_FAULT));
        }
    }

    /// Takes a cancel: it is counted, whoever wants it.
    pub(crate) fn on_cancel(&mut self, at: Timestamp, cancel: &OrderCancel) {
        self.facts.rate.note(at);
        self.facts.cancels.note(at);
        self.facts.spend(&cancel.instrument.venue, at);
    }

    /// Takes a router's statement about an order.
    pub(crate) fn on_event(&mut self, stamp: Stamp, event: &OrderEvent, out: &mut Out) {
        self.facts.traded_pair(&event.instrument);
        if event.reason == OrderEventReason::RateLimited {
            let window = self.facts.config.venue_budget_window;
            self.facts.venue(&event.instrument.venue).budget.exhaust(stamp.time(), window);
        }
        if event.exec_type == ExecType::RouterRefused {
            self.on_router_refused(event);
            return;
        }
        if event.ord_status.is_terminal() {
            self.note_ending(event);
        } else {
            self.note_alive(event);
        }
        if let Some(fill) = &event.fill {
            self.facts.pair(&event.instrument).unbooked.push(Unbooked {
                stamp,
                cl_ord_id: event.cl_ord_id.clone(),
                side: event.side,
                fill: fill.clone(),
            });
            self.book_waiting(&event.instrument, out);
        }
        if event.ord_status.is_terminal() {
            let cum = event.cum_qty;
            self.update(&event.instrument, event, |held| held.end(cum));
        }
    }

    /// Releases what the router says it never sent. Nothing said about a further approval for an order under way
    /// (a repeat, a forgery) ends that order: such a refusal is told from the venue having it, or from its reason.
    fn on_router_refused(&mut self, event: &OrderEvent) {
        let orders = &mut self.facts.pair(&event.instrument).orders;
        let progress = orders.get(&event.cl_ord_id).map(Reservation::progress);
        let is_under_way = match progress {
            Some(Progress::Sent) => true,
            Some(Progress::Sending) => is_about_another_approval(event.reason),
            Some(Progress::Approved) | None => false,
        };
        if is_under_way {
            return;
        }
        match self.facts.ids.get(&event.cl_ord_id) {
            Some(IdState::Open) => {
                self.update(&event.instrument, event, |held| held.end(Qty::ZERO));
                self.facts.ids.insert(event.cl_ord_id.clone(), IdState::NeverSent);
            }
            None => {
                self.facts.ids.insert(event.cl_ord_id.clone(), IdState::NeverSent);
            }
            Some(IdState::Refused | IdState::NeverSent | IdState::Closed) => {}
        }
    }

    /// Makes sure that an order said to live is reserved, even one that nobody here approved.
    fn note_alive(&mut self, event: &OrderEvent) {
        let id = &event.cl_ord_id;
        if self.facts.ids.get(id) == Some(&IdState::Closed) {
            return;
        }
        self.facts.ids.insert(id.clone(), IdState::Open);
        let orders = &mut self.facts.pair(&event.instrument).orders;
        if orders.contains(id) {
            let to = Progress::of(event);
            self.update(&event.instrument, event, |held| held.advance(to));
        } else {
            orders.insert(id.clone(), Reservation::of_event(event));
        }
    }

    fn note_ending(&mut self, event: &OrderEvent) {
        if self.facts.ids.get(&event.cl_ord_id) != Some(&IdState::Open) {
            self.facts.ids.insert(event.cl_ord_id.clone(), IdState::Closed);
        }
    }

    fn update(
        &mut self,
        key: &InstrumentKey,
        event: &OrderEvent,
        change: impl FnOnce(&mut Reservation),
    ) {
        let orders = &mut self.facts.pair(key).orders;
        let is_gone = orders.update(&event.cl_ord_id, |held| {
            change(held);
            Ok(())
        });
        if is_gone == Ok(true) {
            self.facts.ids.insert(event.cl_ord_id.clone(), IdState::Closed);
        }
    }

    /// Books every execution of a pair that waits, once its definition is known.
    pub(crate) fn book_waiting(&mut self, key: &InstrumentKey, out: &mut Out) {
        let pair = self.facts.pair(key);
        let Some((_, instrument)) = pair.instrument.clone() else { return };
        for waiting in std::mem::take(&mut pair.unbooked) {
            self.book_one(&instrument, waiting, out);
        }
    }

    fn book_one(&mut self, instrument: &Instrument, waiting: Unbooked, out: &mut Out) {
        let Unbooked { stamp, cl_ord_id, side, fill } = &waiting;
        let account = self.facts.config.account.clone();
        let before = self.facts.ledger.holding(&account, &instrument.key).cloned();
        match self.facts.ledger.book(&account, instrument, *side, fill) {
            Ok(Booking::Booked) => {}
            Ok(Booking::Duplicate) => return,
            Err(_) => {
                out.push(ServiceOutput::Fault(FILL_FAULT));
                self.facts.pair(&instrument.key).unbooked.push(waiting);
                return;
            }
        }
        self.facts.note_fill(stamp.time(), instrument, before.as_ref(), *side, fill);
        let funds = &mut self.facts.venue(&instrument.key.venue).funds;
        if funds.fill(stamp, instrument, *side, fill).is_err() {
            out.push(ServiceOutput::Fault(FUNDS_FAULT));
        }
        let orders = &mut self.facts.pair(&instrument.key).orders;
        match orders.update(cl_ord_id, |held| held.add_fill(fill.last_qty)) {
            Ok(false) => {}
            Ok(true) => {
                self.facts.ids.insert(cl_ord_id.clone(), IdState::Closed);
            }
            Err(_) => out.push(ServiceOutput::Fault(SUM_FAULT)),
        }
    }
}

/// Tells whether a router's refusal is about an approval it looked at, which it does before it sends.
const fn is_about_another_approval(reason: OrderEventReason) -> bool {
    match reason {
        OrderEventReason::BadSignature
        | OrderEventReason::OldEpoch
        | OrderEventReason::Reused
        | OrderEventReason::WrongVenue
        // Nothing may be released for a reason that nobody here understands.
        | OrderEventReason::Unknown => true,
        OrderEventReason::None
        | OrderEventReason::ApprovalExpired
        | OrderEventReason::Halted
        | OrderEventReason::PostOnlyWouldCross
        | OrderEventReason::InsufficientFunds
        | OrderEventReason::InstrumentRule
        | OrderEventReason::RateLimited
        | OrderEventReason::UnknownOrder
        | OrderEventReason::UserRequested
        | OrderEventReason::VenueOther => false,
    }
}
