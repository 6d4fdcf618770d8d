//! What must hold at every step, computed from messages and from the exchange, never asked of a core.

use super::gate_view::GateView;
use super::halt_view::HaltView;
use super::seat::Seat;
use remora_domain::{
    AccountBreak, Body, BreakId, ClOrdId, ControlAction, ControlScope, DurationNs, Envelope,
    ExecId, ExecType, Header, MessageId, OrdStatus, OrderApproval, OrderEvent, OrderRequest,
    SessionId, Side, Timestamp, VenueReport,
};
use remora_risk_gate_core::RiskGateConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How long after a halt of everything an order of ours may still be open: the faults that may come first, and then
/// the venue's timer.
const HALT_BOUND: DurationNs = DurationNs::from_s(60);

/// Is a promise of the whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An order leaves only on a stored, unused, unexpired approval of exactly its terms, not older than the newest
    /// epoch that its router has acknowledged.
    SentOnlyOnApproval,
    /// An order leaves only after the intention to send it is stored.
    IntendedBeforeSent,
    /// No approval raises the worst case above a limit, on what the gate had received.
    ApprovalsKeepLimits,
    /// Each execution is booked once, and none that the exchange does not know.
    FillsAreBookedOnce,
    /// A request gets one answer.
    OneAnswer,
    /// Each refusal says what was compared.
    RefusalsSayWhy,
    /// No order of ours could trade with another of ours.
    OwnOrdersNeverCross,
    /// A gate that has read a halt, or of a newer gate, approves nothing.
    ApprovedOnlyWhileAllowed,
    /// Orders of others are left alone.
    ForeignOrdersAreLeft,
    /// A router that has read a halt sends nothing that it covers.
    SentOnlyWhileAllowed,
    /// After a halt of everything nothing of ours is open.
    HaltsEnd,
    /// After a command to take back the whole account the exchange lists none at all, unless the session was away.
    AccountIsTakenBack,
    /// After quiet our books are the exchange's.
    BooksAgree,
    /// After quiet no order is open at the exchange that we hold for ended, or do not know.
    NothingIsForgotten,
    /// With a lease: what is said under one epoch is said by one run of a gate.
    OneActsPerEpoch,
    /// With a lease: after the faults have stopped exactly one gate leads.
    OneLeads,
    /// After the faults have stopped the system quotes again.
    QuotesAgain,
    /// After quiet everything durable is in the history store.
    HistoryIsWhole,
    /// Each difference between the exchange's account and ours has a cause and, once it ended, says how; after the faults
    /// have stopped none is open.
    BreaksEnd,
    /// No core meets an impossible state.
    NoFault,
}

/// Is a broken promise.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Which promise.
    pub rule: Rule,
    /// When, in true time.
    pub at: Timestamp,
    /// About which order, if about one.
    pub order: Option<ClOrdId>,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.rule, self.at, self.detail)
    }
}

/// Watches one run.
pub(super) struct Checks {
    gate: RiskGateConfig,
    pub(super) gates: BTreeMap<Seat, GateView>,
    /// When each run of a gate began to read.
    gate_runs: BTreeMap<SessionId, Timestamp>,
    /// Which run acts under each epoch, where a lease decides.
    epochs: Option<BTreeMap<u64, SessionId>>,
    /// What the gate has given out, whether it was stored or not.
    given: BTreeSet<MessageId>,
    approvals: BTreeMap<ClOrdId, Vec<OrderApproval>>,
    intents: BTreeSet<ClOrdId>,
    requests: BTreeSet<ClOrdId>,
    answers: BTreeMap<ClOrdId, Vec<(Timestamp, Header)>>,
    sent: BTreeSet<ClOrdId>,
    /// The newest epoch that the router has acknowledged.
    epoch: u64,
    pub(super) booked: BTreeMap<ExecId, OrderEvent>,
    pub(super) statuses: BTreeMap<ClOrdId, OrdStatus>,
    resting: BTreeMap<ClOrdId, OrderRequest>,
    router: HaltView,
    halted_since: Option<Timestamp>,
    pub(super) accepted_at: Timestamp,
    /// Differences told so far, and those of them that have not ended, with their causes.
    pub(super) breaks_told: BTreeSet<BreakId>,
    pub(super) breaks_open: BTreeMap<BreakId, String>,
    pub(super) breaches: Vec<Breach>,
}

impl Checks {
    /// Begins with a new run of the router, which has read nothing.
    pub(super) fn router_restarts(&mut self) {
        self.router = HaltView::default();
    }

    /// Begins with a new run of a gate, which knows nothing.
    pub(super) fn gate_starts(&mut self, now: Timestamp, seat: Seat, run: SessionId) {
        self.gates.insert(seat, GateView::new(self.gate.clone()));
        self.gate_runs.insert(run, now);
    }

    /// Takes what a process is given.
    pub(super) fn reads(&mut self, seat: Seat, message: &Envelope) {
        if let Some(gate) = self.gates.get_mut(&seat) {
            gate.hear(message);
        }
        if seat == Seat::OrderRouter {
            self.router.read(message);
        }
    }

    pub(super) fn new(gate: RiskGateConfig, is_leased: bool) -> Self {
        Self {
            gate,
            epochs: is_leased.then(BTreeMap::new),
            gates: BTreeMap::new(),
            gate_runs: BTreeMap::new(),
            given: BTreeSet::new(),
            approvals: BTreeMap::new(),
            intents: BTreeSet::new(),
            requests: BTreeSet::new(),
            answers: BTreeMap::new(),
            sent: BTreeSet::new(),
            epoch: 0,
            booked: BTreeMap::new(),
            statuses: BTreeMap::new(),
            resting: BTreeMap::new(),
            router: HaltView::default(),
            halted_since: None,
            accepted_at: Timestamp::EPOCH,
            breaks_told: BTreeSet::new(),
            breaks_open: BTreeMap::new(),
            breaches: Vec::new(),
        }
    }

    pub(super) fn breach(
        &mut self,
        at: Timestamp,
        rule: Rule,
        order: Option<&ClOrdId>,
        detail: impl Into<String>,
    ) {
        let (order, detail) = (order.cloned(), detail.into());
        self.breaches.push(Breach { rule, at, order, detail });
    }

    /// Looks at what a core gives out, before anything can happen to it.
    pub(super) fn published(&mut self, now: Timestamp, by: Seat, message: &Envelope) {
        if let Body::OrderApproval(approval) = &message.body
            && let Some(gate) = self.gates.get_mut(&by)
        {
            self.given.insert(message.header.message_id());
            gate.approved(approval);
            let (excess, foul) = (gate.judge(&approval.fields.request), gate.forbids(approval));
            let id = &approval.fields.request.cl_ord_id;
            if let Some(excess) = excess {
                self.breach(now, Rule::ApprovalsKeepLimits, Some(id), excess);
            }
            if let Some(foul) = foul {
                self.breach(now, Rule::ApprovedOnlyWhileAllowed, Some(id), foul);
            }
        }
        self.acts(now, by, message);
        if let Body::ControlState(state) = &message.body
            && by == Seat::OrderRouter
        {
            self.epoch = self.epoch.max(state.epoch);
        }
    }

    /// Looks at who acts under an epoch.
    fn acts(&mut self, now: Timestamp, by: Seat, message: &Envelope) {
        let epoch = if let Body::OrderApproval(approval) = &message.body {
            approval.fields.epoch
        } else if let Body::ControlState(state) = &message.body {
            state.epoch
        } else {
            return;
        };
        if !Seat::GATES.contains(&by) {
            return;
        }
        let run = message.header.session;
        let Some(epochs) = &mut self.epochs else { return };
        let first = *epochs.entry(epoch).or_insert(run);
        if first != run {
            let detail = format!("run {run} acts under epoch {epoch}, as run {first} has");
            self.breach(now, Rule::OneActsPerEpoch, None, detail);
        }
    }

    /// Looks at what a stream has stored: what everybody will hear.
    pub(super) fn stored(&mut self, now: Timestamp, message: &Envelope) {
        if let Body::OrderRequest(request) = &message.body {
            self.requests.insert(request.cl_ord_id.clone());
        } else if let Body::OrderApproval(approval) = &message.body {
            if !self.given.contains(&message.header.message_id()) {
                return; // forged: it permits nothing
            }
            let id = &approval.fields.request.cl_ord_id;
            self.answered(now, id, message);
            self.approvals.entry(id.clone()).or_default().push(approval.clone());
        } else if let Body::OrderRefusal(refusal) = &message.body {
            self.answered(now, &refusal.cl_ord_id, message);
            if refusal.value.is_empty() {
                let detail = format!("{} without a value", refusal.reason);
                self.breach(now, Rule::RefusalsSayWhy, Some(&refusal.cl_ord_id), detail);
            }
        } else if let Body::AccountBreak(told) = &message.body {
            self.told_break(now, told);
        } else if let Body::OrderEvent(event) = &message.body {
            self.event(now, event);
        } else if let Body::ControlCommand(command) = &message.body
            && command.scope == ControlScope::Global
        {
            match command.action {
                ControlAction::Halt | ControlAction::CancelAccount => {
                    self.halted_since = self.halted_since.or(Some(now));
                }
                ControlAction::Resume | ControlAction::Reduce => self.halted_since = None,
                ControlAction::ChangeLimits | ControlAction::ConfirmLimits => {}
            }
        }
    }

    /// Takes an answer. A gate that reads on in the log must not answer what was answered before it began; one that lives
    /// beside another may.
    fn answered(&mut self, now: Timestamp, id: &ClOrdId, message: &Envelope) {
        if !self.requests.contains(id) {
            self.breach(now, Rule::OneAnswer, Some(id), "an answer to no stored request");
        }
        let answer = &message.header;
        let began = self.gate_runs.get(&answer.session).copied();
        let answers = self.answers.entry(id.clone()).or_default();
        let is_second = |(at, first): &&(Timestamp, Header)| {
            let is_same = first.message_id() == answer.message_id();
            let is_of_run = first.session == answer.session;
            !is_same && (is_of_run || began.is_none_or(|began| *at < began))
        };
        let before = answers.iter().find(is_second).map(|(_, first)| first.message_id());
        answers.push((now, answer.clone()));
        if let Some(first) = before {
            let detail = format!("answered by {first} and by {}", answer.message_id());
            self.breach(now, Rule::OneAnswer, Some(id), detail);
        }
    }

    fn told_break(&mut self, now: Timestamp, told: &AccountBreak) {
        let is_mute =
            told.cause.is_empty() || told.ended_at.is_some() == told.resolution.is_empty();
        if is_mute {
            let detail = format!("{} without a word: {told:?}", told.break_id);
            self.breach(now, Rule::BreaksEnd, told.cl_ord_id.as_ref(), detail);
        }
        self.breaks_told.insert(told.break_id.clone());
        match told.ended_at {
            None => drop(self.breaks_open.insert(told.break_id.clone(), told.cause.clone())),
            Some(_) => drop(self.breaks_open.remove(&told.break_id)),
        }
    }

    fn event(&mut self, now: Timestamp, event: &OrderEvent) {
        let id = &event.cl_ord_id;
        if event.exec_type == ExecType::Sending {
            self.intents.insert(id.clone());
        }
        self.statuses.insert(id.clone(), event.ord_status);
        if let Some(fill) = &event.fill {
            let before = self.booked.insert(fill.exec_id.clone(), event.clone());
            if before.is_some() {
                let detail = format!("{} is booked again", fill.exec_id);
                self.breach(now, Rule::FillsAreBookedOnce, Some(id), detail);
            }
        }
    }

    /// Looks at an order that leaves the router, whose clock shows `own`.
    pub(super) fn sent(
        &mut self,
        now: Timestamp,
        own: Timestamp,
        request: &OrderRequest,
        expires_at: Timestamp,
    ) {
        let id = &request.cl_ord_id;
        if !self.intents.contains(id) {
            self.breach(now, Rule::IntendedBeforeSent, Some(id), "no intention is stored");
        }
        if let Some(scope) = self.router.stops(request) {
            let detail = format!("sent after a halt of {scope:?} was read");
            self.breach(now, Rule::SentOnlyWhileAllowed, Some(id), detail);
        }
        let approvals = self.approvals.get(id).map_or(&[][..], Vec::as_slice);
        let found = approvals.iter().map(|one| self.lacks(one, own, request, expires_at));
        let mut wrong = vec!["no approval is stored".to_owned()];
        for lacks in found {
            wrong = lacks;
            if wrong.is_empty() {
                break;
            }
        }
        if !self.sent.insert(id.clone()) {
            wrong.push("sent again".to_owned());
        }
        for detail in wrong {
            self.breach(now, Rule::SentOnlyOnApproval, Some(id), detail);
        }
    }

    /// Says why an approval does not permit to send this order now.
    fn lacks(
        &self,
        approval: &OrderApproval,
        own: Timestamp,
        request: &OrderRequest,
        expires_at: Timestamp,
    ) -> Vec<String> {
        let fields = &approval.fields;
        let mut wrong = Vec::new();
        if fields.request != *request {
            wrong.push(format!("approved {:?}, sent {request:?}", fields.request));
        }
        if fields.expires_at != expires_at || own > fields.expires_at {
            wrong.push(format!("expired at {}, sent at {own}", fields.expires_at));
        }
        if fields.epoch < self.epoch {
            wrong.push(format!("epoch {} after {}", fields.epoch, self.epoch));
        }
        wrong
    }

    /// Looks at a cancel that leaves the router.
    pub(super) fn cancels(&mut self, now: Timestamp, id: &ClOrdId) {
        if !self.requests.contains(id) {
            let detail = format!("{id} is not ours and is taken back");
            self.breach(now, Rule::ForeignOrdersAreLeft, Some(id), detail);
        }
    }

    /// Looks at what the exchange says of an order, as it happens there.
    pub(super) fn happened(
        &mut self,
        now: Timestamp,
        report: &VenueReport,
        asked: &BTreeMap<ClOrdId, OrderRequest>,
    ) {
        match report {
            VenueReport::Accepted { cl_ord_id, .. } | VenueReport::Replaced { cl_ord_id, .. } => {
                if let VenueReport::Replaced { orig_cl_ord_id, .. } = report {
                    self.resting.remove(orig_cl_ord_id);
                }
                self.accepted_at = now;
                let Some(new) = asked.get(cl_ord_id) else { return };
                let crossed = self.resting.iter().find(|(_, other)| crosses(new, other));
                if let Some((other, _)) = crossed {
                    let detail = format!("{cl_ord_id} could trade with {other}");
                    self.breach(now, Rule::OwnOrdersNeverCross, Some(cl_ord_id), detail);
                }
                self.resting.insert(cl_ord_id.clone(), new.clone());
            }
            VenueReport::Filled { cl_ord_id, cum_qty, .. } => {
                if asked.get(cl_ord_id).is_some_and(|asked| asked.qty == *cum_qty) {
                    self.resting.remove(cl_ord_id);
                }
            }
            VenueReport::Cancelled { cl_ord_id, .. } => {
                self.resting.remove(cl_ord_id);
            }
            VenueReport::Rejected { .. }
            | VenueReport::CancelRejected { .. }
            | VenueReport::SubmitUnknown { .. }
            | VenueReport::OpenOrders { .. }
            | VenueReport::Balances(_)
            | VenueReport::Fees(_)
            | VenueReport::Session { .. }
            | VenueReport::Guard { .. } => {}
        }
    }

    /// Looks at what is open while everything is halted.
    pub(super) fn halted(&mut self, now: Timestamp, open: &BTreeSet<ClOrdId>) {
        let bound = self.halted_since.map(|since| since.saturating_add(HALT_BOUND));
        if let Some(first) = open.first()
            && bound.is_some_and(|bound| bound < now)
        {
            self.halted_since = None; // said once
            let detail = format!("{} open, first {first}", open.len());
            self.breach(now, Rule::HaltsEnd, Some(first), detail);
        }
    }

    /// Gives the stored requests that nobody has answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &ClOrdId> {
        self.requests.iter().filter(|id| !self.answers.contains_key(*id))
    }

    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.requests.len(), self.approvals.len(), self.sent.len())
    }
}

fn crosses(one: &OrderRequest, other: &OrderRequest) -> bool {
    one.instrument == other.instrument
        && match (one.side, other.side) {
            (Side::Buy, Side::Sell) => one.price >= other.price,
            (Side::Sell, Side::Buy) => one.price <= other.price,
            (Side::Buy, Side::Buy) | (Side::Sell, Side::Sell) => false,
        }
}
