//! What changes the venue: new orders, cancels, the timer; by the socket while executions arrive on it, else by calls.
//!
//! Cancels go first and wait for no budget. A new order waits for the budget of its pair until its approval expires, and
//! is then refused; several that wait for one pair leave together. Nothing is sent twice.

use super::KrakenTrading;
use super::answers;
use super::budget::{ADD, cancel_cost};
use super::calls::{Act, Ask, Cost, Fields, Flight};
use super::errors::{Meaning, meaning};
use super::orders::{Order, Out, Status};
use super::requests::{
    Pending, Request, Written, add_fields, add_frame, cancel_fields, cancel_frame,
};
use crate::server::rate;
use remora_approval::ApprovedOrder;
use remora_domain::{
    ClOrdId, DurationNs, InstrumentKey, OrderEventReason as Reason, OrderId, Timestamp, VenueReport,
};
use remora_venue_api::{ProblemKind, VenueOutput};
use std::collections::BTreeSet;

/// The venue takes an order for so long after it left.
pub(super) const DEADLINE: DurationNs = DurationNs::from_s(4);
/// A request without an answer by then is lost; later than the deadline, so that nothing is charged after it.
pub(super) const REPLY_TIMEOUT: DurationNs = DurationNs::from_ms(4_500);
/// A cancel overtakes a call that changes the venue, or a read, that has been under way for so long.
const CALL_PATIENCE: DurationNs = DurationNs::from_s(1);
const READ_PATIENCE: DurationNs = DurationNs::from_ms(300);
/// Without a socket so many calls may change the venue in a row; then a read that is due has its turn, because only
/// reads tell what became of them.
const ACTS_IN_ROW: u32 = 4;
/// Pause of new orders after the venue said that we send too fast.
const TOO_FAST_PAUSE: DurationNs = DurationNs::from_s(1);
/// Points of the call counter that must be free for a call that names several orders: reads, which tell what became of
/// them, cost up to 4 and must not starve.
const BATCH_POINTS: i64 = 8;
/// Orders in one request.
const BATCH_MAX: usize = 15;
/// Cancels in one call.
const CANCELS_MAX: usize = 50;

/// Is what came back of an act.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// It was done.
    Good(Option<&'a str>),
    /// It was refused.
    Refused(&'a str),
    /// It never left us.
    Unsent,
    /// Nobody knows.
    Lost,
}

impl KrakenTrading {
    /// Takes a new order.
    pub(super) fn submit(&mut self, now: Timestamp, approved: &ApprovedOrder, out: &mut Out) {
        let id = &approved.request().cl_ord_id;
        if !self.orders.submit(now, approved) {
            let detail = format!("order {id} was given twice");
            return self.problem(ProblemKind::RequestRefused, None, detail, out);
        }
        let key = &approved.request().instrument;
        if !self.phase.is_running() {
            self.orders.refused(now, id, Reason::Halted, out);
        } else if !self.names.is_defined(key) || self.names.of_key(key).is_none() {
            self.orders.refused(now, id, Reason::InstrumentRule, out);
        } else if approved.request().orig_cl_ord_id.is_some() && !self.has_points(now) {
            // A cancel and a new order count less there than one call that changes an order.
            self.orders.refused(now, id, Reason::VenueOther, out);
        }
    }

    /// Tells whether there is room for calls that count: without a socket they share it with the reads.
    fn has_points(&self, now: Timestamp) -> bool {
        self.has_socket() || self.budget.rest_wait(now, BATCH_POINTS).is_none()
    }

    /// Takes a cancel. One that is under way is not sent again.
    pub(super) fn cancel(
        &mut self,
        now: Timestamp,
        id: ClOrdId,
        order_id: Option<OrderId>,
        out: &mut Out,
    ) {
        let id = self.orders.current(&id);
        if let Some(order) = self.orders.get(&id) {
            if order.status == Status::Waiting {
                return self.orders.refused(now, &id, Reason::UserRequested, out);
            }
            if order.is_cancel_taken {
                return self.settle.want(now); // what became of it is asked for
            }
            let is_due = |at: Timestamp| at.saturating_add(REPLY_TIMEOUT) <= now;
            if !order.cancel_at.is_none_or(is_due) {
                return;
            }
        }
        if !self.cancels.iter().any(|(other, _)| *other == id) {
            self.cancels.push_back((id, order_id));
        }
    }

    /// Sends what may be sent: the timer, cancels, new orders.
    pub(super) fn send_acts(&mut self, now: Timestamp, out: &mut Out) {
        self.send_account_cancel(now, out);
        self.send_guard(now, out);
        self.expire_waiting(now, out);
        if !self.has_socket() && self.acts_in_row >= ACTS_IN_ROW && self.is_read_due(now) {
            return;
        }
        self.send_cancels(now, out);
        self.send_orders(now, out);
    }

    /// Gives when something that waits is to be looked at again.
    pub(super) fn next_act(&self, now: Timestamp) -> Option<Timestamp> {
        let soon = now.saturating_add(DurationNs::from_ms(5));
        let has_cancels = self.is_account_cancel_due || !self.cancels.is_empty();
        let cancels = has_cancels.then_some(soon);
        let waiting = self.orders.waiting().map(|(_, order)| {
            let expiry = order.expires_at.saturating_add(DurationNs::from_ns(1));
            if !self.is_up {
                return expiry;
            }
            let wait = self.budget.engine_wait(now, &order.key, self.cost_of(now, order));
            let is_counted = order.orig.is_some() && !self.has_socket();
            let call = is_counted.then(|| self.budget.rest_wait(now, BATCH_POINTS)).flatten();
            let wait = wait.max(call);
            let at = wait.map_or(soon, |wait| now.saturating_add(wait));
            at.max(self.orders_paused_until).min(expiry)
        });
        let requests = self.requests.oldest().map(|at| at.saturating_add(REPLY_TIMEOUT));
        let guard = self.is_guard_wanted().then_some(self.guard.next_at);
        let guard = guard.filter(|_| !self.guard.is_under_way);
        cancels.into_iter().chain(waiting).chain(requests).chain(guard).min()
    }

    /// Tells whether the socket carries requests.
    pub(super) const fn has_socket(&self) -> bool {
        self.link.carries_requests()
    }

    /// Tells whether a call is under way that this one should not overtake.
    pub(super) fn is_calling(&self, now: Timestamp) -> bool {
        self.calls.flights().any(|flight| {
            let is_act = matches!(flight.ask, Ask::Act(_));
            let patience = if is_act { CALL_PATIENCE } else { READ_PATIENCE };
            flight.sent_at.saturating_add(patience) > now
        })
    }

    fn send_cancels(&mut self, now: Timestamp, out: &mut Out) {
        if self.has_socket() {
            while let Some((id, order_id)) = self.cancels.pop_front() {
                let id = self.orders.current(&id);
                let (cost, known) = self.note_cancel(now, &id);
                let order_id = order_id.or(known);
                let act = Act::Cancel(vec![id.clone()]);
                let frame =
                    |token: &str, req_id| cancel_frame(&id, order_id.as_ref(), token, req_id);
                self.send_frame(now, act, cost, frame, out);
            }
        } else if !self.cancels.is_empty() && !self.is_calling(now) && self.nonces.has(now) {
            // A call for several counts against the call counter, one for one does not.
            let has_points = self.budget.rest_wait(now, BATCH_POINTS).is_none();
            let most = if has_points { CANCELS_MAX } else { 1 };
            let some = self.cancels.len().min(most);
            let cancels: Vec<_> = self.cancels.drain(..some).collect();
            let (mut all_costs, mut named) = (Vec::new(), Vec::new());
            for (id, order_id) in cancels {
                let id = self.orders.current(&id);
                let (cost, known) = self.note_cancel(now, &id);
                all_costs.extend(cost);
                named.push((id, order_id.or(known)));
            }
            let refs: Vec<_> = named.iter().map(|(id, order_id)| (id, order_id.as_ref())).collect();
            let fields = cancel_fields(&refs);
            let act = Act::Cancel(named.iter().map(|(id, _)| id.clone()).collect());
            self.send_call(now, Ask::Act(act), all_costs, &fields, out);
        }
    }

    /// Notes that a cancel leaves; gives what it costs and the venue's id of the order.
    fn note_cancel(&mut self, now: Timestamp, id: &ClOrdId) -> (Cost, Option<OrderId>) {
        let Some(order) = self.orders.get_mut(id) else { return (Vec::new(), None) };
        order.cancel_at = Some(now);
        // The venue reckons the age from the last change, which may have been made a moment ago.
        let is_changing = order.successor.is_some();
        let units = cancel_cost(now, order.answered.filter(|_| !is_changing));
        let cost = vec![(order.key.clone(), units)];
        let (order_id, is_live) = (order.order_id.clone(), order.is_live());
        // The venue does not know the name of one that is to take another's place: what is taken back is that other.
        let orig = order.orig.clone().filter(|_| is_live && order_id.is_none());
        let orig = orig.and_then(|orig| self.orders.get_mut(&orig));
        let place = orig.and_then(|orig| {
            orig.cancel_at = Some(now);
            orig.order_id.clone()
        });
        (cost, order_id.or(place))
    }

    /// Refuses orders whose approval expired while they waited.
    fn expire_waiting(&mut self, now: Timestamp, out: &mut Out) {
        let expired = self.orders.waiting().filter(|(_, order)| order.expires_at < now);
        let is_over = |order: &Order| {
            self.budget.engine_wait(now, &order.key, self.cost_of(now, order)).is_some()
        };
        let expired: Vec<_> = expired.map(|(id, order)| (id.clone(), is_over(order))).collect();
        for (id, is_over) in expired {
            let reason = if is_over { Reason::RateLimited } else { Reason::ApprovalExpired };
            self.orders.refused(now, &id, reason, out);
        }
    }

    fn send_orders(&mut self, now: Timestamp, out: &mut Out) {
        if !self.is_up || now < self.orders_paused_until {
            return;
        }
        let mut looked_at = BTreeSet::new();
        while let Some((key, ids)) = self.next_orders(now, &looked_at) {
            looked_at.insert(key.clone());
            if !self.has_socket()
                && (self.calls.flights().next().is_some() || !self.nonces.has(now))
            {
                return;
            }
            match ids.as_slice() {
                [id] if self.orders.get(id).is_some_and(|order| order.orig.is_some()) => {
                    self.send_amend(now, &key, id, out);
                    // Others of the pair may follow.
                    looked_at.remove(&key);
                }
                _ => self.send_batch(now, &key, ids, out),
            }
        }
    }

    /// Gives orders of one pair that fit its budget now, oldest first.
    fn next_orders(
        &self,
        now: Timestamp,
        looked_at: &BTreeSet<InstrumentKey>,
    ) -> Option<(InstrumentKey, Vec<ClOrdId>)> {
        let mut waiting = self.orders.waiting();
        let has_points = self.has_points(now);
        let fits = |order: &Order| {
            // A call that changes an order counts against the call counter, unlike one that places an order.
            (has_points || order.orig.is_none())
                && self.budget.engine_wait(now, &order.key, self.cost_of(now, order)).is_none()
        };
        let first = waiting.find(|(_, order)| !looked_at.contains(&order.key) && fits(order));
        let (id, order) = first?;
        let key = order.key.clone();
        if order.orig.is_some() {
            return Some((key, vec![id.clone()]));
        }
        let same = self.orders.waiting();
        let same = same.filter(|(_, order)| order.key == key && order.orig.is_none());
        let most = if has_points { BATCH_MAX } else { 1 };
        let mut ids: Vec<ClOrdId> = same.take(most).map(|(id, _)| id.clone()).collect();
        while ids.len() > 1 {
            let units = rate::batch_add(ids.len());
            if self.budget.engine_wait(now, &key, units).is_none() {
                break;
            }
            ids.pop();
        }
        Some((key, ids))
    }

    fn send_batch(
        &mut self,
        now: Timestamp,
        key: &InstrumentKey,
        ids: Vec<ClOrdId>,
        out: &mut Out,
    ) {
        let Some(pair) = self.names.of_key(key).cloned() else { return };
        let units = if ids.len() > 1 { rate::batch_add(ids.len()) } else { ADD };
        let deadline = now.saturating_add(DEADLINE);
        let venue_now = now.saturating_add(self.offset);
        for id in &ids {
            self.orders.sent(now, id, deadline, venue_now);
        }
        let written = ids.iter().filter_map(|id| Some(Written { id, order: self.orders.get(id)? }));
        let written: Vec<Written<'_>> = written.collect();
        let venue_deadline = deadline.saturating_add(self.offset);
        let cost = vec![(key.clone(), units)];
        let act = Act::Add(ids.clone());
        if self.has_socket() {
            let token = self.link.token.clone().unwrap_or_default();
            let req_id = self.requests.add(Pending {
                request: Request::Act(act),
                cost: cost.clone(),
                sent_at: now,
            });
            let text = add_frame(&written, &pair.symbol, venue_deadline, token.expose(), req_id);
            self.charge(&cost);
            out.push(VenueOutput::Send { conn: self.link.conn(), text: text.into() });
        } else {
            let fields = add_fields(&written, &pair.altname, venue_deadline);
            self.send_call(now, Ask::Act(act), cost, &fields, out);
        }
    }

    fn charge(&mut self, cost: &Cost) {
        for (key, units) in cost {
            self.budget.engine_sent(key, *units);
        }
    }

    pub(super) fn send_frame(
        &mut self,
        now: Timestamp,
        act: Act,
        cost: Cost,
        frame: impl FnOnce(&str, u32) -> String,
        out: &mut Out,
    ) -> bool {
        let Some(token) = self.link.token.clone() else { return false };
        self.charge(&cost);
        let request = Request::Act(act);
        let req_id = self.requests.add(Pending { request, cost, sent_at: now });
        let text = frame(token.expose(), req_id).into();
        out.push(VenueOutput::Send { conn: self.link.conn(), text });
        true
    }

    /// Sends a call, whatever its budget.
    pub(super) fn send_call(
        &mut self,
        now: Timestamp,
        ask: Ask,
        cost: Cost,
        fields: &Fields,
        out: &mut Out,
    ) -> bool {
        let points = ask.points(fields.is_batch());
        let flight = Flight { ask, cost: cost.clone(), points, sent_at: now };
        let is_sent = self.calls.send(now, &mut self.nonces, flight, fields, out);
        if is_sent {
            self.acts_in_row = self.acts_in_row.saturating_add(1);
            self.charge(&cost);
            self.budget.rest_sent(points);
        }
        is_sent
    }

    /// Takes in what became of an act.
    pub(super) fn acted(
        &mut self,
        now: Timestamp,
        act: &Act,
        (cost, sent_at): (&Cost, Timestamp),
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        let said = match outcome {
            Outcome::Refused(text) => Some(meaning(text)),
            Outcome::Good(_) | Outcome::Unsent | Outcome::Lost => None,
        };
        // A cancel that was refused costs nothing; a refused order does.
        let is_free = matches!(outcome, Outcome::Unsent)
            || (matches!(act, Act::Cancel(_) | Act::CancelAccount)
                && matches!(said, Some(Meaning::Refused(_))));
        for (key, units) in cost {
            if is_free {
                self.budget.engine_released(key, *units);
            } else {
                self.budget.engine_settled(now, key, *units);
            }
        }
        self.note_meaning(now, said, cost, out);
        match act {
            Act::Add(ids) => self.added(now, ids, said, outcome, out),
            Act::Amend(id) => self.amended(now, id, said, outcome, out),
            Act::Cancel(ids) => self.cancelled(now, ids, said, outcome, out),
            Act::CancelAccount => self.account_cancelled(now, said, outcome, out),
            Act::Guard(seconds) => self.guarded(now, *seconds, sent_at, outcome, out),
        }
    }

    /// Does what a refusal calls for, whatever was refused.
    pub(super) fn note_meaning(
        &mut self,
        now: Timestamp,
        said: Option<Meaning>,
        cost: &Cost,
        out: &mut Out,
    ) {
        match said {
            Some(Meaning::Session) => self.close_link(now, "the token is no good any more", out),
            Some(Meaning::Throttled) => self.too_fast(now),
            Some(Meaning::Locked) => self.lock(now, out),
            Some(Meaning::Refused(Reason::RateLimited)) => {
                for (key, _) in cost {
                    self.budget.engine_full(now, key);
                }
            }
            Some(Meaning::Refused(_) | Meaning::Unknown) | None => {}
        }
    }

    pub(super) fn too_fast(&mut self, now: Timestamp) {
        self.orders_paused_until = now.saturating_add(TOO_FAST_PAUSE);
    }

    fn added(
        &mut self,
        now: Timestamp,
        ids: &[ClOrdId],
        said: Option<Meaning>,
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        match (outcome, said) {
            (Outcome::Good(Some(result)), _) => match answers::added(result) {
                Ok(rows) => self.added_rows(now, ids, &rows, out),
                Err(error) => {
                    self.problem(ProblemKind::Malformed, None, error.to_string(), out);
                    self.unanswered(now, ids, out);
                }
            },
            (_, Some(Meaning::Refused(reason))) => {
                // A deadline that is too near or too far reads like this.
                if matches!(reason, Reason::ApprovalExpired | Reason::InstrumentRule) {
                    self.doubt_clock(now);
                }
                ids.iter().for_each(|id| self.orders.refused(now, id, reason, out));
            }
            (_, Some(Meaning::Throttled)) => {
                ids.iter().for_each(|id| self.orders.refused(now, id, Reason::RateLimited, out));
            }
            (Outcome::Unsent, _) | (_, Some(Meaning::Session | Meaning::Locked)) => {
                ids.iter().for_each(|id| self.orders.refused(now, id, Reason::VenueOther, out));
            }
            (Outcome::Good(None) | Outcome::Lost | Outcome::Refused(_), _) => {
                self.unanswered(now, ids, out);
            }
        }
    }

    /// Matches answers to orders: by our id first, else by their place.
    fn added_rows(
        &mut self,
        now: Timestamp,
        ids: &[ClOrdId],
        rows: &[answers::Added],
        out: &mut Out,
    ) {
        for (place, id) in ids.iter().enumerate() {
            let named = rows.iter().find(|row| row.cl_ord_id.as_deref() == Some(id.as_str()));
            let placed = rows.get(place).filter(|row| row.cl_ord_id.is_none());
            let Some(row) = named.or(placed) else {
                self.unanswered(now, std::slice::from_ref(id), out);
                continue;
            };
            let order_id = row.order_id.as_deref().and_then(|text| OrderId::new(text).ok());
            match (&row.error, order_id) {
                (None, Some(order_id)) => {
                    let venue_time = now.saturating_add(self.offset);
                    self.orders.accepted(now, id, &order_id, venue_time, out);
                }
                (Some(error), _) => match meaning(error) {
                    Meaning::Refused(reason) => self.orders.refused(now, id, reason, out),
                    Meaning::Unknown | Meaning::Session | Meaning::Throttled | Meaning::Locked => {
                        self.unanswered(now, std::slice::from_ref(id), out);
                    }
                },
                (None, None) => self.unanswered(now, std::slice::from_ref(id), out),
            }
        }
    }

    pub(super) fn unanswered(&mut self, now: Timestamp, ids: &[ClOrdId], out: &mut Out) {
        for id in ids {
            self.orders.unanswered(id, out);
        }
        self.settle.want(now);
    }

    fn cancelled(
        &mut self,
        now: Timestamp,
        ids: &[ClOrdId],
        said: Option<Meaning>,
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        for id in ids {
            let id = &self.orders.current(id);
            let is_live = self.orders.get(id).is_some_and(|order| order.is_live());
            // One reply for several does not say which of them it took.
            let is_taken = matches!(outcome, Outcome::Good(_)) && ids.len() == 1;
            self.orders.cancel_answered(id, is_taken);
            let reason = match said {
                Some(Meaning::Refused(reason)) => reason,
                Some(Meaning::Throttled) => Reason::RateLimited,
                Some(Meaning::Locked) => Reason::VenueOther,
                // It is sent again: a cancel does no harm.
                Some(Meaning::Session) => {
                    self.cancels.push_back((id.clone(), None));
                    continue;
                }
                Some(Meaning::Unknown) | None => continue,
            };
            let cl_ord_id = id.clone();
            let venue_time = now.saturating_add(self.offset);
            let report = VenueReport::CancelRejected { cl_ord_id, reason, venue_time };
            out.push(VenueOutput::Report(report));
            if is_live {
                self.settle.want(now);
            }
        }
        if !self.has_socket() {
            self.settle.want(now); // nobody else tells how they ended
        }
    }

    /// Takes a request for lost that was not answered in time.
    pub(super) fn lose_requests(&mut self, now: Timestamp, out: &mut Out) {
        let by = now.saturating_sub(REPLY_TIMEOUT);
        while let Some(pending) = self.requests.take_older(by) {
            self.lost(now, pending, out);
        }
    }

    /// Takes in that a request on the socket has no answer.
    pub(super) fn lost(&mut self, now: Timestamp, pending: Pending, out: &mut Out) {
        let Pending { request, cost, sent_at } = pending;
        if let Request::Act(act) = request {
            self.acted(now, &act, (&cost, sent_at), &Outcome::Lost, out);
        }
    }
}
