//! Starting from a log: what was said before is not said again, what was not answered is.

use super::{Input, Rig, accepted, cancelled, core, fee_tier, filled, good, open};
use crate::RouterInput;
use remora_domain::{
    Body, CancelReason, ControlScope, ExecType, OrdStatus, OrderEvent, OrderEventReason,
    OrderRequest, Service, ServiceState, Timestamp, VenueReport,
};
use remora_machine::{ServiceCore as _, ServiceInput};
use remora_testkit::{
    Producer, at_ms, balances, cancel, contract::check, control_state, fill, halt, qty, request,
    sending,
};

/// A log of an earlier run, and a router that reads it.
struct Log {
    rig: Rig,
    router: Producer,
}

impl Log {
    fn new() -> Self {
        Self { rig: Rig::new(), router: Producer::new("order-router-sim-spot", 77) }
    }

    fn event(&mut self, ms: i64, event: OrderEvent) {
        let message = self.router.wrap(at_ms(ms), Body::OrderEvent(event));
        assert!(self.rig.input(ms, ServiceInput::Message(message)).is_silent());
    }

    fn approval(&mut self, ms: i64, order: &OrderRequest) {
        assert!(self.rig.approve(ms, good(order)).is_silent());
    }

    /// Ends the log at 10,000 ms; the venue lists `open`. Gives what the start and the answers led to.
    fn start(mut self, open: Vec<remora_domain::OpenOrder>) -> (Rig, super::Said) {
        let rig = &mut self.rig;
        let read = &rig.driver.machine;
        assert_eq!(read.follower().unwrap().snapshot(), read.snapshot());
        assert!(rig.report(10_000, VenueReport::Session { is_up: true }).is_silent());
        let said = rig.input(10_000, ServiceInput::CaughtUp);
        assert_eq!((said.queries, said.account_queries), (1, 1));
        assert!(said.events.is_empty() && said.states.len() == 1);
        assert_ne!(said.states[0].state, ServiceState::Active);
        rig.report(10_010, VenueReport::Balances(balances(&[("USD", "1000")])));
        rig.report(10_010, fee_tier());
        let said = rig.open_orders(10_020, open);
        assert!(rig.driver.machine.is_ready());
        (self.rig, said)
    }
}

#[test]
fn approvals_of_the_log_without_an_answer_are_handled_after_it() {
    let mut log = Log::new();
    let (first, second) = (request("r-1"), request("r-2"));
    log.approval(1_000, &first);
    log.approval(1_001, &second);
    log.event(1_002, sending(&first));
    log.event(1_003, remora_testkit::accepted(&first));
    let (_, said) = log.start(vec![open(&first, "0")]);
    assert_eq!(said.intents, [second.cl_ord_id]);
    assert!(said.cancels.is_empty(), "the owner of a known order may still want it");
}

#[test]
fn an_id_of_the_log_is_never_sent_again() {
    let mut log = Log::new();
    let order = request("r-1");
    log.event(1_000, sending(&order));
    let (mut rig, _) = log.start(vec![]);
    assert!(rig.approve(10_100, good(&order)).is_silent());
}

#[test]
fn an_order_that_ended_unseen_is_closed_and_one_still_open_works() {
    let mut log = Log::new();
    let (gone, here) = (request("r-1"), request("r-2"));
    log.event(1_000, sending(&gone));
    log.event(1_001, sending(&here));
    let (rig, said) = log.start(vec![open(&here, "0")]);
    let [works, closed] = said.events.as_slice() else { panic!("{said:?}") };
    assert_eq!((works.cl_ord_id.clone(), works.exec_type), (here.cl_ord_id, ExecType::New));
    assert_eq!(
        (closed.ord_status, closed.reason),
        (OrdStatus::Cancelled, OrderEventReason::UnknownOrder)
    );
    assert_eq!(rig.driver.machine.live_orders(), 1);
}

#[test]
fn an_order_sent_just_before_the_crash_is_given_time_to_arrive() {
    let mut log = Log::new();
    let order = request("r-1");
    log.event(9_999, sending(&order));
    let (mut rig, said) = log.start(vec![]);
    assert!(said.events.is_empty());
    assert_eq!(rig.advance(11_999).queries, 1);
    let said = rig.open_orders(12_010, vec![open(&order, "0")]);
    assert_eq!(said.events[0].ord_status, OrdStatus::Working);
}

#[test]
fn a_fill_of_the_log_is_not_booked_again() {
    let mut log = Log::new();
    let order = request("r-1");
    log.event(1_000, sending(&order));
    log.event(1_001, remora_testkit::filled(&order, "x-1", qty("0"), qty("0.4")));
    let (mut rig, _) = log.start(vec![open(&order, "0.4")]);
    let again = filled(&order, fill("x-1", "100", "0.4", "0"), "0.4", 1_001);
    assert!(rig.report(10_100, again).is_silent());
    let said = rig.report(10_101, filled(&order, fill("x-2", "100", "0.6", "0"), "1", 10_101));
    assert_eq!(said.events[0].ord_status, OrdStatus::Filled);
}

#[test]
fn a_halt_of_the_log_holds_and_takes_back_what_is_open() {
    let mut log = Log::new();
    let order = request("r-1");
    log.event(1_000, remora_testkit::accepted(&order));
    let command = Body::ControlCommand(halt(ControlScope::Global));
    assert!(log.rig.gate_says(2_000, command).is_silent());
    let (mut rig, said) = log.start(vec![open(&order, "0")]);
    assert_eq!(said.cancels, [order.cl_ord_id]);
    assert_eq!(said.states[0].state, ServiceState::Halted);
    let said = rig.approve(10_100, good(&request("r-2")));
    assert_eq!(said.events[0].reason, OrderEventReason::Halted);
}

#[test]
fn a_cancel_of_the_log_that_had_no_effect_is_sent() {
    let mut log = Log::new();
    let order = request("r-1");
    log.event(1_000, remora_testkit::accepted(&order));
    let wanted = Body::OrderCancel(cancel(&order, CancelReason::Requote));
    assert!(log.rig.decision_says(1_001, wanted).is_silent());
    let (_, said) = log.start(vec![open(&order, "0")]);
    assert_eq!(said.cancels, [order.cl_ord_id]);
}

#[test]
fn the_gates_epoch_of_the_log_is_acknowledged_when_orders_flow() {
    let mut log = Log::new();
    let state = control_state(Service::RiskGate, ServiceState::Active, 8);
    assert!(log.rig.gate_says(1_000, Body::ControlState(state)).is_silent());
    let (mut rig, said) = log.start(vec![]);
    assert_eq!((said.states[0].state, said.states[0].epoch), (ServiceState::Active, 8));
    let state = control_state(Service::RiskGate, ServiceState::Starting, 9);
    let said = rig.gate_says(10_100, Body::ControlState(state));
    assert_eq!(said.states[0].epoch, 9);
}

#[test]
fn unanswered_questions_are_asked_again_until_orders_may_flow() {
    let mut rig = Rig::new();
    rig.input(0, ServiceInput::CaughtUp);
    assert!(rig.advance(60_000).is_silent(), "nobody could answer");
    assert_eq!(rig.report(60_000, VenueReport::Session { is_up: true }).queries, 1);
    let said = rig.advance(65_000);
    assert_eq!((said.queries, said.account_queries), (1, 1));
}

fn long_log() -> Vec<(Timestamp, Input)> {
    let (mut gate, mut decision) = (Producer::new("risk-gate", 1), Producer::new("decision", 1));
    let (one, two, three) = (request("r-1"), request("r-2"), request("r-3"));
    let venue = |report| ServiceInput::Local(RouterInput::Venue(report));
    let stored = |order: &OrderRequest| {
        ServiceInput::Local(RouterInput::Stored { cl_ord_id: order.cl_ord_id.clone() })
    };
    let open_orders = |orders, asked, ms| VenueReport::OpenOrders {
        orders,
        unread: 0,
        asked_at: at_ms(asked),
        venue_time: at_ms(ms),
    };
    let mut message = |ms, body: Body| {
        let is_cancel = matches!(body, Body::OrderCancel(_));
        let from = if is_cancel { &mut decision } else { &mut gate };
        from.input(at_ms(ms), body)
    };
    let epoch =
        |epoch| Body::ControlState(control_state(Service::RiskGate, ServiceState::Active, epoch));
    let approve = |order: &OrderRequest| Body::OrderApproval(good(order));
    let requote = |order: &OrderRequest| Body::OrderCancel(cancel(order, CancelReason::Requote));
    let steps = vec![
        (100, message(100, epoch(3))),
        (110, message(110, approve(&one))),
        (200, ServiceInput::CaughtUp),
        (210, venue(VenueReport::Session { is_up: true })),
        (220, venue(open_orders(vec![open(&request("r-77"), "0")], 210, 220))),
        (221, venue(VenueReport::Balances(balances(&[("USD", "5")])))),
        (222, venue(fee_tier())),
        (230, stored(&one)),
        (240, venue(accepted(&one, 239))),
        (250, message(250, approve(&two))),
        (251, stored(&two)),
        (252, message(252, requote(&two))),
        (300, venue(filled(&one, fill("x-1", "100", "0.5", "0.1"), "0.5", 299))),
        (3_000, venue(open_orders(vec![open(&one, "0.5"), open(&two, "0")], 2_800, 2_900))),
        (3_100, venue(cancelled(&two, 3_050))),
        (3_200, message(3_200, approve(&three))),
        (3_201, message(3_201, Body::ControlCommand(halt(ControlScope::Global)))),
        (3_202, stored(&three)),
        (3_300, venue(cancelled(&one, 3_250))),
        (3_400, message(3_400, epoch(4))),
        (70_000, message(70_000, approve(&request("r-4")))),
    ];
    steps.into_iter().map(|(ms, input)| (at_ms(ms), input)).collect()
}

#[test]
fn the_core_keeps_the_contract_of_machines() {
    check(|| core(5), &long_log());
}
