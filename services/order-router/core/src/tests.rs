//! What the tests of the core share: a router behind a venue that says what the test wants.

mod amends;
mod breaks;
mod flow;
mod property;
mod recovery;
mod refusals;
mod snapshot;
mod sweep;
mod watch;

use crate::{OrderRouterConfig, OrderRouterCore, RouterInput, RouterOutput};
use remora_approval::Verifier;
use remora_domain::{
    Body, ClOrdId, ControlState, DurationNs, Envelope, FeeSchedule, Fill, OpenOrder, OrderApproval,
    OrderEvent, OrderEventReason, OrderId, OrderRequest, ProducerId, Sequencer, Service,
    ServiceState, SessionId, Timestamp, VenueReport,
};
use remora_machine::{ServiceInput, ServiceOutput};
use remora_testkit::{
    Driver, Producer, account, approval, at_ms, balances, bps, control_state, qty, signer, venue,
};
use remora_venue_api::VenueCommand;
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) type Input = ServiceInput<RouterInput>;

/// Is everything the router asked for, sorted by kind, in order.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) events: Vec<OrderEvent>,
    pub(crate) states: Vec<ControlState>,
    pub(crate) others: Vec<Body>,
    pub(crate) intents: Vec<ClOrdId>,
    pub(crate) submits: Vec<ClOrdId>,
    pub(crate) cancels: Vec<ClOrdId>,
    pub(crate) account_cancels: usize,
    pub(crate) account_cancels_forgotten: usize,
    pub(crate) queries: usize,
    pub(crate) asked_at: Option<Timestamp>,
    pub(crate) account_queries: usize,
    pub(crate) faults: usize,
    pub(crate) beats: usize,
}

impl Said {
    pub(crate) fn is_silent(&self) -> bool {
        self.events.is_empty()
            && self.states.is_empty()
            && self.others.is_empty()
            && self.intents.is_empty()
            && self.submits.is_empty()
            && self.cancels.is_empty()
            && self.account_cancels == 0
            && self.account_cancels_forgotten == 0
            && self.queries == 0
            && self.faults == 0
    }

    fn of(outputs: Vec<ServiceOutput<RouterOutput>>) -> Self {
        let mut said = Self::default();
        for output in outputs {
            match output {
                ServiceOutput::Publish(envelope) => said.take(&envelope),
                ServiceOutput::Fault(_) => said.faults += 1,
                ServiceOutput::Local(RouterOutput::StoreIntent(envelope)) => {
                    let Body::OrderEvent(event) = &envelope.body else { panic!("{envelope:?}") };
                    said.intents.push(event.cl_ord_id.clone());
                    said.take(&envelope);
                }
                ServiceOutput::Local(RouterOutput::Venue(command)) => match command {
                    VenueCommand::Submit(order) => {
                        said.submits.push(order.request().cl_ord_id.clone());
                    }
                    VenueCommand::Cancel { cl_ord_id, .. } => said.cancels.push(cl_ord_id),
                    VenueCommand::CancelAccount => said.account_cancels += 1,
                    VenueCommand::ForgetCancelAccount => said.account_cancels_forgotten += 1,
                    VenueCommand::QueryOpenOrders { asked_at } => {
                        said.queries += 1;
                        said.asked_at = Some(asked_at);
                    }
                    VenueCommand::QueryAccount => said.account_queries += 1,
                },
            }
        }
        said
    }

    fn take(&mut self, envelope: &Arc<Envelope>) {
        if let Body::OrderEvent(event) = &envelope.body {
            self.events.push(event.clone());
        } else if let Body::ControlState(state) = &envelope.body {
            self.states.push(state.clone());
        } else if let Body::Heartbeat(_) = &envelope.body {
            self.beats += 1;
        } else {
            self.others.push(envelope.body.clone());
        }
    }
}

pub(crate) fn config() -> OrderRouterConfig {
    OrderRouterConfig {
        account: account(),
        venue: venue(),
        cl_ord_id_prefix: "r-".to_owned(),
        submit_timeout: DurationNs::from_ms(2_000),
        reconcile_interval: DurationNs::from_ms(30_000),
        query_timeout: DurationNs::from_ms(5_000),
        absent_grace: DurationNs::from_ms(2_000),
        request_life: DurationNs::from_ms(2_000),
        // Tests of silence shorten it; in the others nobody tells that he lives.
        owner_silence_max: DurationNs::from_s(100_000),
        is_account_accepted: false,
    }
}

pub(crate) fn core(session: u64) -> OrderRouterCore {
    core_of(config(), session)
}

pub(crate) fn core_of(config: OrderRouterConfig, session: u64) -> OrderRouterCore {
    let producer = ProducerId::new("order-router-sim-spot").unwrap();
    let sequencer = Sequencer::new(producer, SessionId::new(session));
    OrderRouterCore::new(config, Verifier::new(signer().verifying_key()), sequencer)
}

/// Is a router and everybody who talks to it.
pub(crate) struct Rig {
    pub(crate) driver: Driver<OrderRouterCore>,
    pub(crate) gate: Producer,
    pub(crate) decision: Producer,
    /// When the queries left that have no answer, oldest first.
    unanswered: VecDeque<Timestamp>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            driver: Driver::new(core(1)),
            gate: Producer::new("risk-gate", 1),
            decision: Producer::new("decision", 1),
            unanswered: VecDeque::new(),
        }
    }

    /// A router through which orders flow, at 1,000 ms, with the gate in its third epoch.
    pub(crate) fn ready() -> Self {
        Self::ready_with(Driver::new(core(1)))
    }

    pub(crate) fn ready_of(config: OrderRouterConfig) -> Self {
        Self::ready_with(Driver::new(core_of(config, 1)))
    }

    pub(crate) fn ready_with(driver: Driver<OrderRouterCore>) -> Self {
        let mut rig = Self { driver, ..Self::new() };
        rig.report(0, VenueReport::Session { is_up: true });
        rig.input(0, ServiceInput::CaughtUp);
        rig.open_orders(10, vec![]);
        rig.report(10, VenueReport::Balances(balances(&[("BTC", "1"), ("USD", "1000")])));
        rig.report(10, fee_tier());
        let state = control_state(Service::RiskGate, ServiceState::Active, 3);
        let said = rig.gate_says(20, Body::ControlState(state));
        assert_eq!(said.states.last().map(|s| (s.state, s.epoch)), Some((ServiceState::Active, 3)));
        rig.advance(1_000);
        rig
    }

    pub(crate) fn input(&mut self, ms: i64, input: Input) -> Said {
        let said = Said::of(self.driver.feed(at_ms(ms), input));
        self.unanswered.extend(said.asked_at);
        said
    }

    pub(crate) fn advance(&mut self, ms: i64) -> Said {
        let said = Said::of(self.driver.advance(at_ms(ms)));
        self.unanswered.extend(said.asked_at);
        said
    }

    pub(crate) fn report(&mut self, ms: i64, report: VenueReport) -> Said {
        if matches!(report, VenueReport::Session { .. }) {
            self.unanswered.clear();
        }
        self.input(ms, ServiceInput::Local(RouterInput::Venue(report)))
    }

    pub(crate) fn gate_says(&mut self, ms: i64, body: Body) -> Said {
        let message = self.gate.wrap(at_ms(ms), body);
        self.input(ms, ServiceInput::Message(message))
    }

    pub(crate) fn decision_says(&mut self, ms: i64, body: Body) -> Said {
        let message = self.decision.wrap(at_ms(ms), body);
        self.input(ms, ServiceInput::Message(message))
    }

    pub(crate) fn approve(&mut self, ms: i64, approval: OrderApproval) -> Said {
        self.gate_says(ms, Body::OrderApproval(approval))
    }

    pub(crate) fn stored(&mut self, ms: i64, request: &OrderRequest) -> Said {
        let cl_ord_id = request.cl_ord_id.clone();
        self.input(ms, ServiceInput::Local(RouterInput::Stored { cl_ord_id }))
    }

    pub(crate) fn open_orders(&mut self, ms: i64, orders: Vec<OpenOrder>) -> Said {
        self.listed(ms, orders, 0)
    }

    /// Lists open orders, and so many more that cannot be read.
    pub(crate) fn listed(&mut self, ms: i64, orders: Vec<OpenOrder>, unread: u64) -> Said {
        // Without a query it is an answer that nobody asked for.
        let asked_at = self.unanswered.pop_front().unwrap_or(at_ms(ms));
        let venue_time = at_ms(ms);
        self.report(ms, VenueReport::OpenOrders { orders, unread, asked_at, venue_time })
    }

    /// Brings an order to the venue.
    pub(crate) fn send(&mut self, ms: i64, request: &OrderRequest) {
        assert_eq!(
            self.approve(ms, good(request)).intents,
            std::slice::from_ref(&request.cl_ord_id)
        );
        assert_eq!(self.stored(ms, request).submits, std::slice::from_ref(&request.cl_ord_id));
    }

    /// Brings an order to the venue and has it accepted.
    pub(crate) fn work(&mut self, ms: i64, request: &OrderRequest) {
        self.send(ms, request);
        assert_eq!(self.report(ms + 1, accepted(request, ms)).events.len(), 1);
    }

    pub(crate) fn anomalies(&self) -> u64 {
        self.driver.machine.counters().anomalies
    }
}

/// An approval of the present epoch, good for a minute.
pub(crate) fn good(request: &OrderRequest) -> OrderApproval {
    approval(request.clone(), 3, 1, at_ms(60_000))
}

pub(crate) fn fee_tier() -> VenueReport {
    VenueReport::Fees(FeeSchedule { maker_bps: bps("2"), taker_bps: bps("5") })
}

pub(crate) fn order_id(request: &OrderRequest) -> OrderId {
    OrderId::new(&format!("v-{}", request.cl_ord_id)).unwrap()
}

pub(crate) fn accepted(request: &OrderRequest, ms: i64) -> VenueReport {
    let cl_ord_id = request.cl_ord_id.clone();
    VenueReport::Accepted { cl_ord_id, order_id: order_id(request), venue_time: at_ms(ms) }
}

pub(crate) fn filled(request: &OrderRequest, fill: Fill, cum: &str, ms: i64) -> VenueReport {
    VenueReport::Filled {
        cl_ord_id: request.cl_ord_id.clone(),
        order_id: order_id(request),
        fill,
        cum_qty: qty(cum),
        venue_time: at_ms(ms),
    }
}

pub(crate) fn cancelled(request: &OrderRequest, ms: i64) -> VenueReport {
    VenueReport::Cancelled {
        cl_ord_id: request.cl_ord_id.clone(),
        reason: OrderEventReason::UserRequested,
        venue_time: at_ms(ms),
    }
}

pub(crate) fn cancel_rejected(
    request: &OrderRequest,
    why: OrderEventReason,
    ms: i64,
) -> VenueReport {
    let cl_ord_id = request.cl_ord_id.clone();
    VenueReport::CancelRejected { cl_ord_id, reason: why, venue_time: at_ms(ms) }
}

pub(crate) fn open(request: &OrderRequest, cum: &str) -> OpenOrder {
    OpenOrder {
        cl_ord_id: Some(request.cl_ord_id.clone()),
        order_id: order_id(request),
        instrument: request.instrument.clone(),
        side: request.side,
        price: request.price,
        order_qty: request.qty,
        cum_qty: qty(cum),
    }
}

pub(crate) const fn time(ms: i64) -> Timestamp {
    at_ms(ms)
}
