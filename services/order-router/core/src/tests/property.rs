//! Whatever the venue says, in whatever order: the books stay right.

use super::{Rig, accepted, cancel_rejected, cancelled, filled, open, order_id};
use crate::RouterInput;
use proptest::prelude::*;
use remora_domain::{
    AccountId, Body, CancelReason, ClOrdId, ControlScope, ExecType, FeeSchedule, Fill, OrdStatus,
    OrderApproval, OrderEvent, OrderEventReason, Qty, VenueReport,
};
use remora_machine::{LocalCodec, ServiceInput};
use remora_testkit::{at_ms, balances, bps, cancel, fill, generate::fills, halt, request, resume};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Is one thing that happens, to one of a few orders.
#[derive(Clone, Debug)]
enum Happening {
    Approve,
    Stored,
    Cancel,
    Accept,
    Reject,
    Fill { tenths: i64, exec: u32 },
    Cancelled,
    CancelRejected,
    Unknown,
    OpenOrders { is_listed: bool },
    Halt,
    Resume,
    Wait { ms: i64 },
    Session { is_up: bool },
}

fn happenings() -> impl Strategy<Value = Vec<(u8, Happening)>> {
    use Happening as H;
    let one = prop_oneof![
        4 => Just(H::Approve),
        6 => Just(H::Stored),
        2 => Just(H::Cancel),
        5 => Just(H::Accept),
        1 => Just(H::Reject),
        6 => (1i64..5, 0u32..12).prop_map(|(tenths, exec)| H::Fill { tenths, exec }),
        2 => Just(H::Cancelled),
        1 => Just(H::CancelRejected),
        1 => Just(H::Unknown),
        3 => any::<bool>().prop_map(|is_listed| H::OpenOrders { is_listed }),
        1 => Just(H::Halt),
        1 => Just(H::Resume),
        3 => (1i64..5_000).prop_map(|ms| H::Wait { ms }),
        1 => any::<bool>().prop_map(|is_up| H::Session { is_up }),
    ];
    proptest::collection::vec((0u8..4, one), 1..120)
}

fn tenths(tenths: i64) -> Qty {
    Qty::from_decimal(Decimal::new(tenths, 1)).unwrap()
}

fn perform(rig: &mut Rig, ms: i64, approval: &OrderApproval, what: &Happening) -> super::Said {
    let order = &approval.fields.request;
    match what {
        Happening::Approve => rig.approve(ms, approval.clone()),
        Happening::Stored => rig.stored(ms, order),
        Happening::Cancel => {
            rig.decision_says(ms, Body::OrderCancel(cancel(order, CancelReason::Requote)))
        }
        Happening::Accept => rig.report(ms, accepted(order, ms)),
        Happening::Reject => {
            let (cl_ord_id, reason) = (order.cl_ord_id.clone(), OrderEventReason::VenueOther);
            rig.report(ms, VenueReport::Rejected { cl_ord_id, reason, venue_time: at_ms(ms) })
        }
        Happening::Fill { tenths: size, exec } => {
            let id = format!("{}-{exec}", order.cl_ord_id);
            let fill = Fill { last_qty: tenths(*size), ..fill(&id, "100", "1", "0.1") };
            rig.report(ms, filled(order, fill, "0.1", ms))
        }
        Happening::Cancelled => rig.report(ms, cancelled(order, ms)),
        Happening::CancelRejected => {
            rig.report(ms, cancel_rejected(order, OrderEventReason::UnknownOrder, ms))
        }
        Happening::Unknown => {
            rig.report(ms, VenueReport::SubmitUnknown { cl_ord_id: order.cl_ord_id.clone() })
        }
        Happening::OpenOrders { is_listed } => {
            let orders = if *is_listed { vec![open(order, "0")] } else { vec![] };
            rig.open_orders(ms, orders)
        }
        Happening::Halt => rig.gate_says(ms, Body::ControlCommand(halt(ControlScope::Global))),
        Happening::Resume => rig.gate_says(ms, Body::ControlCommand(resume(ControlScope::Global))),
        Happening::Wait { .. } => rig.advance(ms),
        Happening::Session { is_up } => rig.report(ms, VenueReport::Session { is_up: *is_up }),
    }
}

/// Is what an onlooker knows of the orders from the events alone.
#[derive(Default)]
struct Onlooker {
    ended: BTreeSet<ClOrdId>,
    cum: BTreeMap<ClOrdId, Qty>,
    execs: BTreeSet<String>,
    submits: BTreeSet<ClOrdId>,
    sending: BTreeSet<ClOrdId>,
}

impl Onlooker {
    fn look(&mut self, event: &OrderEvent) {
        let id = event.cl_ord_id.clone();
        let is_live = !event.ord_status.is_terminal();
        let leaves = event.order_qty.checked_sub(event.cum_qty).unwrap();
        assert_eq!(event.leaves_qty, if is_live { leaves } else { Qty::ZERO }, "{event:?}");
        assert_eq!(event.cum_qty == event.order_qty, event.ord_status == OrdStatus::Filled);
        let before = self.cum.insert(id.clone(), event.cum_qty).unwrap_or(Qty::ZERO);
        let booked = event.fill.as_ref().map_or(Qty::ZERO, |fill| fill.last_qty);
        assert_eq!(before.checked_add(booked).unwrap(), event.cum_qty, "{event:?}");
        if let Some(fill) = &event.fill {
            assert!(self.execs.insert(fill.exec_id.to_string()), "booked twice: {event:?}");
        }
        if event.exec_type == ExecType::New && !self.submits.contains(&id) {
            self.ended.remove(&id); // refused here, and yet the venue lists it
        }
        if self.ended.contains(&id) {
            assert_eq!(event.exec_type, ExecType::Trade, "after the end: {event:?}");
        }
        if event.exec_type == ExecType::Sending {
            assert!(self.sending.insert(id.clone()), "intended twice: {event:?}");
        }
        if event.ord_status.is_terminal() {
            self.ended.insert(id);
        }
    }

    fn submitted(&mut self, id: &ClOrdId) {
        assert!(self.submits.insert(id.clone()), "sent twice: {id}");
        assert!(self.sending.contains(id) && !self.ended.contains(id), "sent wrongly: {id}");
    }
}

proptest! {
    // Unoptimised signatures cost milliseconds each.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_sequence_of_reports_keeps_the_books(script in happenings()) {
        let approvals: Vec<_> = (0..4).map(|n| super::good(&request(&format!("r-{n}")))).collect();
        let mut rig = Rig::ready();
        let mut onlooker = Onlooker::default();
        let mut ms = 2_000;
        for (which, what) in &script {
            ms += if let Happening::Wait { ms } = what { *ms } else { 1 };
            let said = perform(&mut rig, ms, &approvals[usize::from(*which)], what);
            said.events.iter().for_each(|event| onlooker.look(event));
            said.submits.iter().for_each(|id| onlooker.submitted(id));
        }
    }
}

proptest! {
    #[test]
    fn local_inputs_survive_their_bytes(which in 0u8..12, seed in fills(1..3), n in 0i64..i64::MAX, flag: bool) {
        let order = request("r-1");
        let fill = seed[0].1.clone();
        let cl_ord_id = order.cl_ord_id.clone();
        let reason = OrderEventReason::InsufficientFunds;
        let venue_time = remora_domain::Timestamp::from_ns(n);
        let mut nameless = open(&order, "0.5");
        nameless.cl_ord_id = None;
        let input = match which {
            0 => RouterInput::Stored { cl_ord_id },
            1 => RouterInput::StoreFailed { cl_ord_id },
            2 => RouterInput::Venue(VenueReport::Accepted { cl_ord_id, order_id: order_id(&order), venue_time }),
            3 => RouterInput::Venue(VenueReport::Rejected { cl_ord_id, reason, venue_time }),
            4 => RouterInput::Venue(filled(&order, fill.clone(), &fill.last_qty.to_string(), 5)),
            5 => RouterInput::Venue(VenueReport::Cancelled { cl_ord_id, reason, venue_time }),
            6 => RouterInput::Venue(VenueReport::CancelRejected { cl_ord_id, reason, venue_time }),
            7 => RouterInput::Venue(VenueReport::SubmitUnknown { cl_ord_id }),
            8 => RouterInput::Venue(VenueReport::OpenOrders { orders: vec![open(&order, "0"), nameless], unread: n.unsigned_abs() >> 1, asked_at: order.deadline, venue_time }),
            9 => RouterInput::Venue(VenueReport::Balances(balances(&[("USD", "-1.50"), ("XBT", "2")]))),
            10 => RouterInput::Venue(VenueReport::Guard { is_guarded: flag }),
            _ if flag => RouterInput::Venue(VenueReport::Session { is_up: n % 2 == 0 }),
            _ => RouterInput::Venue(VenueReport::Fees(FeeSchedule { maker_bps: bps("-0.5"), taker_bps: bps("2.50") })),
        };
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        prop_assert_eq!(RouterInput::decode(&bytes), Ok(input));
        bytes.push(0);
        prop_assert!(RouterInput::decode(&bytes).is_err());
        bytes.truncate(bytes.len() / 2);
        prop_assert!(RouterInput::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_give_a_local_input_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = RouterInput::decode(&bytes);
    }
}

#[test]
fn nothing_is_answered_for_a_stranger() {
    let mut rig = Rig::ready();
    let stranger = AccountId::new("stranger").unwrap();
    let mut theirs = balances(&[("USD", "7")]);
    theirs.account = stranger;
    let report = RouterInput::Venue(VenueReport::Balances(theirs));
    assert!(rig.input(2_000, ServiceInput::Local(report)).is_silent());
}
