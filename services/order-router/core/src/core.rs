//! The core: what it holds, and which part answers which input.

use crate::books::Books;
use crate::breaks::Breaks;
use crate::counters::add;
use crate::orders::{Order, Orders, What};
use crate::reports::Strays;
use crate::state::{Halts, Published};
use crate::sweep::Sweep;
use crate::watch::{Stop, Watch};
use crate::{OrderRouterConfig, RouterCounters, RouterInput, RouterOutput};
use remora_approval::{ApprovedOrder, Verifier};
use remora_domain::{
    AccountBreak, AccountId, Body, ClOrdId, DurationNs, Envelope, Header, InstrumentKey, MessageId,
    OrderEvent, Sequencer, Timestamp, VenueId,
};
use remora_machine::{Machine, ServiceCore, ServiceInput, ServiceOutput, SnapshotError};
use remora_venue_api::VenueCommand;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where effects are put.
pub(crate) type Out = Vec<ServiceOutput<RouterOutput>>;

/// Routes the approved orders of one account to one venue.
#[derive(Debug)]
pub struct OrderRouterCore {
    pub(crate) config: OrderRouterConfig,
    pub(crate) verifier: Verifier,
    pub(crate) sequencer: Sequencer,
    pub(crate) counters: RouterCounters,
    pub(crate) orders: Orders,
    /// Orders whose intention is being stored.
    pub(crate) intents: BTreeMap<ClOrdId, ApprovedOrder>,
    /// Approvals that wait until orders may flow, in the order of arrival.
    pub(crate) waiting: VecDeque<Arc<Envelope>>,
    /// Ids of waiting approvals.
    pub(crate) waiting_ids: BTreeSet<ClOrdId>,
    /// Approvals of the log without an answer so far, with their place.
    pub(crate) unanswered: BTreeMap<ClOrdId, (u64, Arc<Envelope>)>,
    /// Approvals read from the log.
    pub(crate) approvals_read: u64,
    /// Cancels that came before their order.
    pub(crate) cancels_early: EarlyCancels,
    /// Control commands already obeyed.
    pub(crate) commands_seen: BTreeSet<MessageId>,
    pub(crate) halts: Halts,
    /// Executions under our name whose order is not held, until the venue lists it.
    pub(crate) strays: Strays,
    pub(crate) link: Link,
    pub(crate) published: Published,
    pub(crate) books: Books,
    pub(crate) breaks: Breaks,
    pub(crate) watch: Watch,
    pub(crate) stop: Stop,
    pub(crate) sweep: Sweep,
}

/// Is what is known about the log, the venue's session and the queries under way.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) is_caught_up: bool,
    pub(crate) is_up: bool,
    /// Whether our orders end at the venue without us, as the session that is up told.
    pub(crate) is_guarded: Option<bool>,
    /// Whether orders may flow: open orders, balances and fees were compared since the session came up.
    pub(crate) is_ready: bool,
    pub(crate) has_open_orders: bool,
    pub(crate) has_balances: bool,
    pub(crate) has_fees: bool,
    /// Whether open orders were compared at all in this run.
    pub(crate) has_compared_once: bool,
    /// When the newest query of open orders left in this session.
    pub(crate) asked_at: Option<Timestamp>,
    /// Answers to what was asked before that say nothing new: of an earlier session, or older than what was compared.
    pub(crate) answers_from: Timestamp,
    /// When to ask again in any case: the next comparison, or sooner while orders wait for an answer.
    pub(crate) query_at: Timestamp,
    /// When to ask because something is unknown.
    pub(crate) query_soon_at: Option<Timestamp>,
    pub(crate) reconcile_at: Timestamp,
    /// What is taken back and was still open at the venue's last list.
    pub(crate) orders_open: Option<u64>,
    /// How often everything of some scope was taken back, when last, and after how long the venue listed none of it.
    pub(crate) take_backs: u64,
    pub(crate) taken_back_at: Option<Timestamp>,
    pub(crate) emptied_after: Option<DurationNs>,
}

/// Remembers the newest cancels that name no order yet; a cancel may overtake its approval.
#[derive(Debug, Default)]
pub(crate) struct EarlyCancels {
    ids: BTreeSet<ClOrdId>,
    order: VecDeque<ClOrdId>,
}

impl EarlyCancels {
    /// How many are remembered: far more than approvals can be under way at once.
    const KEPT: usize = 10_000;

    pub(crate) fn insert(&mut self, cl_ord_id: ClOrdId) {
        if self.ids.insert(cl_ord_id.clone()) {
            self.order.push_back(cl_ord_id);
        }
        if self.order.len() > Self::KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, cl_ord_id: &ClOrdId) -> bool {
        self.ids.contains(cl_ord_id)
    }

    /// Gives them, oldest first.
    pub(crate) const fn order(&self) -> &VecDeque<ClOrdId> {
        &self.order
    }
}

impl OrderRouterCore {
    /// Makes a router that knows nothing yet; the log and `CaughtUp` come first.
    #[must_use]
    pub fn new(config: OrderRouterConfig, verifier: Verifier, sequencer: Sequencer) -> Self {
        Self {
            watch: Watch::new(config.owner_silence_max),
            stop: Stop::Running,
            sweep: Sweep::default(),
            config,
            verifier,
            sequencer,
            counters: RouterCounters::default(),
            orders: Orders::default(),
            intents: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_ids: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            approvals_read: 0,
            cancels_early: EarlyCancels::default(),
            commands_seen: BTreeSet::new(),
            halts: Halts::default(),
            strays: Strays::default(),
            link: Link::default(),
            published: Published::default(),
            books: Books::default(),
            breaks: Breaks::default(),
        }
    }

    /// Gives what was counted since the start.
    #[must_use]
    pub const fn counters(&self) -> &RouterCounters {
        &self.counters
    }

    /// Tells whether orders flow: the log is read, the session is up, and open orders, balances and fees were
    /// compared with the venue's.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.link.is_ready
    }

    /// Tells whether the router is told to stop new orders on everything it routes.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halts.is_total()
    }

    /// Tells whether our orders end at the venue without us, as its session tells.
    #[must_use]
    pub const fn is_guarded(&self) -> Option<bool> {
        self.link.is_guarded
    }

    /// Gives the venue it routes to.
    #[must_use]
    pub const fn venue(&self) -> &VenueId {
        &self.config.venue
    }

    /// Tells how the last taking back went: how often that was begun in this run, how many orders of it the venue listed
    /// last, and after how long it listed none.
    #[must_use]
    pub const fn taken_back(&self) -> (u64, Option<u64>, Option<DurationNs>) {
        (self.link.take_backs, self.link.orders_open, self.link.emptied_after)
    }

    /// Gives the differences between the venue's account and ours that are open.
    pub fn breaks(&self) -> impl Iterator<Item = &AccountBreak> {
        self.breaks.open()
    }

    /// Gives when the balances came that were compared last; `None` before the first.
    #[must_use]
    pub const fn balances_compared_at(&self) -> Option<Timestamp> {
        self.books.compared_at
    }

    /// Gives in words why balances cannot be compared now, if so.
    #[must_use]
    pub fn balances_not_compared(&self) -> Option<&'static str> {
        self.books.obstacle()
    }

    /// Gives how many orders of ours are not terminal.
    #[must_use]
    pub fn live_orders(&self) -> usize {
        self.orders.live_count()
    }

    /// Tells whether a message about this account and venue is this router's business.
    pub(crate) fn is_ours(&self, account: &AccountId, instrument: &InstrumentKey) -> bool {
        *account == self.config.account && instrument.venue == self.config.venue
    }

    /// Publishes what happened to an order, and where it stands after it.
    pub(crate) fn say(&mut self, now: Timestamp, cl_ord_id: &ClOrdId, what: What, out: &mut Out) {
        if let Some(order) = self.orders.get(cl_ord_id) {
            let body = Body::OrderEvent(order.event(what));
            let envelope = wrap(&mut self.sequencer, now, order, body);
            out.push(ServiceOutput::publish(envelope));
        }
    }

    /// Publishes a body in answer to a message, or on our own.
    pub(crate) fn publish(
        &mut self,
        now: Timestamp,
        cause: Option<&Header>,
        body: Body,
        out: &mut Out,
    ) {
        let envelope = match cause {
            Some(cause) => self.sequencer.reply(now, cause, body),
            None => self.sequencer.wrap(now, body),
        };
        out.push(ServiceOutput::publish(envelope));
    }

    /// Gives a cancel to the venue, and looks after it if no answer comes.
    pub(crate) fn send_cancel(&mut self, now: Timestamp, cl_ord_id: &ClOrdId, out: &mut Out) {
        let mut order_id = None;
        if let Some(order) = self.orders.get_mut(cl_ord_id) {
            let doublings = order.cancels_sent.min(16);
            order.cancels_sent = order.cancels_sent.saturating_add(1);
            order.cancel_sent_at = Some(now);
            order_id.clone_from(&order.order_id);
            let patience = self.config.submit_timeout.saturating_mul(1_i64 << doublings);
            let patience = patience.min(self.config.reconcile_interval);
            self.orders.start_cancel_timer(cl_ord_id, now.saturating_add(patience));
        }
        add(&mut self.counters.cancels_sent);
        let cl_ord_id = cl_ord_id.clone();
        let command = VenueCommand::Cancel { cl_ord_id, order_id };
        out.push(ServiceOutput::Local(RouterOutput::Venue(command)));
    }

    fn message(&mut self, now: Timestamp, envelope: &Arc<Envelope>, out: &mut Out) {
        match &envelope.body {
            Body::OrderApproval(approval) => {
                self.hear_life(now, &envelope.header, out);
                self.approval(now, envelope, approval, out);
            }
            Body::OrderCancel(cancel) => self.cancel(now, &envelope.header, cancel, out),
            Body::OrderEvent(event) => self.remember(&envelope.header, event),
            Body::ControlCommand(command) => {
                self.command(now, &envelope.header, command, out);
            }
            Body::ControlState(state) => self.observe(now, &envelope.header, state, out),
            Body::Heartbeat(beat) => self.hear_beat(now, &envelope.header, beat, out),
            Body::Instrument(instrument) => self.books.define(instrument),
            Body::AccountBreak(told) => self.remember_break(&envelope.header, told),
            // Market data is for the paper venue beside this core; the rest is said by us or is nothing to us.
            Body::Book(_)
            | Body::Trade(_)
            | Body::Ticker(_)
            | Body::MarketStatus(_)
            | Body::FeedStatus(_)
            | Body::Bar(_)
            | Body::Universe(_)
            | Body::OrderRequest(_)
            | Body::OrderRefusal(_)
            | Body::Balances(_)
            | Body::Position(_)
            | Body::AccountFees(_)
            | Body::DecisionRecord(_) => {}
        }
    }

    fn caught_up(&mut self, now: Timestamp, out: &mut Out) {
        if std::mem::replace(&mut self.link.is_caught_up, true) {
            return;
        }
        let mut unanswered: Vec<_> = std::mem::take(&mut self.unanswered).into_iter().collect();
        unanswered.sort_by_key(|(_, (place, _))| *place);
        for (cl_ord_id, (_, envelope)) in unanswered {
            self.waiting_ids.insert(cl_ord_id);
            self.waiting.push_back(envelope);
        }
        self.start_watch(now, out);
        if self.link.is_up {
            self.start_comparing(now, out);
        }
        self.publish_state(now, None, out);
    }
}

/// Wraps a body about an order, naming the approval behind it.
pub(crate) fn wrap(
    sequencer: &mut Sequencer,
    now: Timestamp,
    order: &Order,
    body: Body,
) -> Envelope {
    match &order.cause {
        Some(cause) => sequencer.reply(now, cause, body),
        None => sequencer.wrap(now, body),
    }
}

/// Gives an `OrderEvent` to the outside.
pub(crate) const fn event(event: OrderEvent) -> Body {
    Body::OrderEvent(event)
}

impl Machine for OrderRouterCore {
    type Input = ServiceInput<RouterInput>;
    type Output = ServiceOutput<RouterOutput>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Out) {
        self.watch.liveness.served(now);
        match input {
            ServiceInput::Message(envelope) => self.message(now, &envelope, out),
            ServiceInput::CaughtUp => self.caught_up(now, out),
            ServiceInput::Stopping => self.stopping(now, out),
            ServiceInput::Local(RouterInput::Stored { cl_ord_id }) => {
                self.stored(now, &cl_ord_id, out);
            }
            ServiceInput::Local(RouterInput::StoreFailed { cl_ord_id }) => {
                self.store_failed(now, &cl_ord_id, out);
            }
            ServiceInput::Local(RouterInput::Venue(report)) => self.report(now, report, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out) {
        self.watch.liveness.served(now);
        self.keep_watch(now, out);
        while let Some(cl_ord_id) = self.orders.take_due(now) {
            self.silent(now, &cl_ord_id, out);
        }
        while let Some(cl_ord_id) = self.orders.take_due_cancel(now) {
            self.cancel_unanswered(now, &cl_ord_id, out);
        }
        self.keep_sweeping(now, out);
        self.refuse_overdue(now, out);
        self.judge_balances(now, out);
        if self.next_query().is_some_and(|at| at <= now) {
            self.query(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let own = [self.orders.next_timer(), self.next_overdue(), self.next_query()];
        let others = [self.next_watch(), self.next_judgement(), self.next_sweep()];
        own.into_iter().chain(others).flatten().min()
    }
}

impl ServiceCore for OrderRouterCore {
    type LocalInput = RouterInput;
    type LocalOutput = RouterOutput;

    fn has_stopped(&self) -> bool {
        self.stop == Stop::Done
    }

    fn follower(&self) -> Option<Self> {
        self.only_reading()
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.write_snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.read_snapshot(snapshot)
    }
}
